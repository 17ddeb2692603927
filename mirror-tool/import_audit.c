/* The facts of an import. What a medium claims is recorded too when it is refused; keys only if their signature holds. */
#include "mirror-tool/import_audit.h"

#include "storage/base/banned.h"

/* Fingerprints of the trusted keys under which a signature holds, with a comma between. */
static void list_keys(const struct medium *m, struct buf *keys)
{
	for (size_t i = 0; m->trusted && i < m->trust->count; i++) {
		char hex[DIGEST_HEX_SIZE];

		if (medium_is_signed_by(m, m->trust->keys[i]))
			buf_printf(keys, "%s%s", keys->len ? "," : "",
				digest_hex(verify_key_id(m->trust->keys[i]), hex));
	}
}

static void list_paths(const struct import_audit *a, struct buf *paths)
{
	for (size_t i = 0; i < a->path_count; i++)
		buf_printf(paths, "%s%s", i ? " " : "", a->paths[i]);
}

typedef int write_fn(struct import_audit *a, const struct log_field facts[], int rc, struct err *e);

static int with_facts(
	struct import_audit *a, const struct medium *m, write_fn *write, int rc, struct err *e)
{
	AUTO(buf_release) struct buf keys = BUF_INIT, paths = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE] = "", head[AUDIT_HEAD_SIZE];

	if (m->claim.digest.alg != DIGEST_NONE)
		digest_text(&m->claim.digest, digest);
	list_keys(m, &keys);
	list_paths(a, &paths);
	return write(a,
		(const struct log_field[]){ { "set", m->claim.name, 0 },
			{ "version", m->claim.version, 0 }, { "digest", digest, 0 },
			{ "keys", keys.data, 0 }, { "medium", paths.data, 0 },
			{ "head", audit_head_text(&m->audit_head, head), 0 },
			{ a->override ? "override" : NULL, a->override, 0 }, { NULL, NULL, 0 } },
		rc, e);
}

static int write_begun(
	struct import_audit *a, const struct log_field facts[], int rc, struct err *e)
{
	(void)rc;
	return tool_audit_begin(a->log, facts, e);
}

static int write_end(struct import_audit *a, const struct log_field facts[], int rc, struct err *e)
{
	return tool_audit_end(a->log, rc, facts, e);
}

int import_audit_begin(struct import_audit *a, const struct medium *m, struct err *e)
{
	return with_facts(a, m, write_begun, 0, e);
}

int import_audit_end(struct import_audit *a, const struct medium *m, int rc, struct err *e)
{
	struct err none = ERR_INIT;

	/* Else volumes are missing. */
	a->log->refused = rc < 0 && e->code == ERR_INCOMPLETE && m->trusted &&
			  medium_check_excuses(m, &none) < 0;
	return with_facts(a, m, write_end, rc, e);
}
