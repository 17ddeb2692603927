/* `moat seal`: lock and store -> a signed set. Must never sign a set that is not complete. */
#include "mirror-tool/changes.h"
#include "mirror-tool/sign/passphrase.h"
#include "mirror-tool/seal/seal.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/banned.h"

#define MISSING_LINES_MAX 50

#define SEAL_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, TEXT, lock, "lock", "FILE", "moat.lock", "the lock to seal")                     \
	OPTION(S, TEXT, key, "key", "FILE", NULL,                                                  \
		"the private key that signs (see `moat key new`)")                                 \
	OPTION(S, TEXT, passphrase_file, "passphrase-file", "FILE", NULL,                          \
		"the passphrase of the key is its first line")                                     \
	OPTION(S, TEXT, passphrase_env, "passphrase-env", "VAR", NULL,                             \
		"the environment variable that holds the passphrase")                              \
	OPTION(S, TEXT, version, "version", "V", NULL,                                             \
		"default: the list's, else the time of the lock")                                  \
	OPTION(S, TEXT, expires, "expires", "WHEN", NULL,                                          \
		"YYYY-MM-DD, or 90d after the lock's last change")                                 \
	OPTION(S, TEXTS, take, "take", "SET", NULL,                                                \
		"in this store take tags that this active set pins to something else; repeatable")
struct seal_options {
	SEAL_OPTIONS(SETTING_FIELD, seal_options)
};
static const struct setting options[] = { SEAL_OPTIONS(SETTING_ROW, seal_options) };

static void print_missing(
	void *ctx, const char *reference, const struct digest *d, const char *what)
{
	char text[DIGEST_TEXT_SIZE];
	unsigned *lines = ctx;

	if ((*lines)++ < MISSING_LINES_MAX)
		tool_say("missing: %s: %s %s", reference, what, digest_text(d, text));
}

static bool is_active(const struct seal *s)
{
	return s->changes.active || s->changes.activates;
}

/* Warn that the store that imports it will refuse it likewise. */
static void warn_held_back(const struct tool *t, const struct seal *s)
{
	AUTO(buf_release) struct buf take = BUF_INIT;

	changes_options(&s->changes, &take);
	tool_warn("%s %s is sealed and not active in this store: it would take %llu tag%s that "
		  "another active set pins to something else. `moat seal %s` activates it here, "
		  "`moat activate %s %s` where it is carried to",
		s->set.name, s->set.version, (unsigned long long)s->changes.taken,
		s->changes.taken == 1 ? "" : "s", take.data, take.data, s->set.name);
	changes_note(t, s->set.name, s->set.version, &s->changes);
}

static int report(const struct tool *t, const struct seal *s, bool signed_now, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);
	char digest[DIGEST_TEXT_SIZE], reference[REF_TEXT_SIZE];
	struct ref own;

	set_ref(&s->set, &own);
	report_object(&r, NULL);
	report_text(&r, "set", s->set.name);
	report_text(&r, "version", s->set.version);
	report_digest(&r, "digest", &s->digest);
	report_text(&r, "reference", ref_text(&own, reference));
	report_number(&r, "bytes", s->set.bytes);
	report_number(&r, "blobs", s->inventory.count);
	report_flag(&r, "new", !s->again);
	report_flag(&r, "signed", signed_now);
	report_flag(&r, "active", is_active(s));
	report_number(&r, "excuses", s->set.excuses);
	report_line(&r, "%s %s %s", s->set.name, s->set.version, digest_text(&s->digest, digest));
	report_end(&r);
	return report_print(&r, e);
}

static void note_result(const struct tool *t, const struct seal *s, bool signed_now)
{
	char size[SIZE_TEXT_SIZE], excuses[EXCUSES_TEXT_SIZE];

	excuses_text(s->set.excuses, excuses);
	if (s->again)
		tool_note(t, "already sealed%s%s%s", excuses,
			signed_now ? "; signed by this key too" : "",
			s->changes.activates ? "; active in this store now" : "");
	else
		tool_note(t, "sealed %zu blobs, %s%s%s", s->inventory.count,
			size_text(s->set.bytes, size), excuses,
			is_active(s) ? "; active in this store" : "");
	if (!is_active(s))
		warn_held_back(t, s);
}

static int build(struct seal *sealed, struct store *s, const struct seal_options *o, struct err *e)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	struct seal_terms terms = { .version = o->version, .expires = o->expires };
	unsigned missing = 0;
	int rc = lock_read(&lock, o->lock, e);

	if (rc <= 0)
		return rc < 0 ? -1
			      : err_set(e, ERR_ABSENT, "%s: no such lock; `moat pin` makes it",
					o->lock);
	terms.take = o->take.items;
	terms.take_count = o->take.count;
	rc = seal_build(sealed, s, &lock, &terms, print_missing, &missing, e);
	if (missing > MISSING_LINES_MAX)
		tool_say("missing: ... and %u more", missing - MISSING_LINES_MAX);
	return rc;
}

/* What the audit log has of it. The rows borrow. */
struct seal_facts {
	char digest[DIGEST_TEXT_SIZE], key[DIGEST_HEX_SIZE];
	struct log_field rows[5];
};

static const struct log_field *facts_of(
	const struct seal *s, const struct sign_key *k, struct seal_facts *f)
{
	if (!*s->set.name)
		return NULL; /* it did not come that far */
	f->rows[0] = (struct log_field){ "set", s->set.name, 0 };
	f->rows[1] = (struct log_field){ "version", s->set.version, 0 };
	f->rows[2] = (struct log_field){ "digest", digest_text(&s->digest, f->digest), 0 };
	f->rows[3] = (struct log_field){ "keys", digest_hex(sign_key_id(k), f->key), 0 };
	f->rows[4] = (struct log_field){ NULL, NULL, 0 };
	return f->rows;
}

/* Record that it is about to be signed; what is signed names that record. */
static int commit(struct seal *sealed, struct store *s, const struct sign_key *k,
	struct tool_audit *log, bool *signed_now, struct err *e)
{
	char text[AUDIT_HEAD_SIZE];
	struct audit_head head;
	struct seal_facts facts;
	int rc;

	if (sealed->again)
		log->action = "sign";
	if (tool_audit_begin(log, facts_of(sealed, k, &facts), e) < 0)
		return -1;
	audit_last(log->log, &head);
	sealed->audit_head = audit_head_text(&head, text);
	rc = seal_commit(sealed, s, k, signed_now, e);
	sealed->audit_head = NULL;
	return rc;
}

/* Build and commit; again when another set of that name was accepted meanwhile, which is the predecessor then. */
static int seal(struct seal *sealed, struct store *s, const struct seal_options *o,
	const struct sign_key *k, struct tool_audit *log, bool *signed_now, struct err *e)
{
	int rc = 1;

	for (unsigned tries = 0; rc == 1 && tries < SET_TRIES; tries++) {
		seal_release(sealed);
		*sealed = (struct seal)SEAL_INIT;
		if (build(sealed, s, o, e) < 0)
			return -1;
		rc = commit(sealed, s, k, log, signed_now, e);
	}
	if (rc == 1)
		return err_set(
			e, ERR_BUSY, "other processes keep sealing sets of that name; try again");
	return rc;
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct seal_options *o = given;
	struct passphrase_source source = { .file = o->passphrase_file, .env = o->passphrase_env };
	AUTO(store_close) struct store *s = NULL;
	AUTO(sign_key_free) struct sign_key *k = NULL;
	AUTO(seal_release) struct seal sealed = SEAL_INIT;
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	struct seal_facts facts;
	bool signed_now = false;
	int rc;

	if (args->count)
		return tool_usage(e, "seal takes no arguments; the lock is named by --lock");
	if (!o->key)
		return tool_usage(e, "--key is needed; `moat key new` makes one");
	if (key_read_file(&k, o->key, &source, e) < 0)
		return -1;
	if (tool_store_there(t, "`moat pull` makes it", e) < 0 || tool_store_write(t, &s, e) < 0 ||
		tool_audit_open(&log, t, "seal", e) < 0)
		return -1;
	rc = seal(&sealed, s, o, k, &log, &signed_now, e);
	if (tool_audit_end(&log, rc, facts_of(&sealed, k, &facts), e) < 0)
		return err_ctx(e, "seal");
	note_result(t, &sealed, signed_now);
	return report(t, &sealed, signed_now, e);
}

const struct command cmd_seal = {
	.name = "seal",
	.args = "[--lock FILE] --key FILE [--version V] [--expires WHEN] [--take SET]...",
	.summary = "make a signed set of what is pinned and pulled",
	.about = "Prints \"NAME VERSION DIGEST\". The same lock gives the same digest; sealing it "
		 "again\nfinds the set that is there. A set that is not complete is not sealed.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct seal_options),
	.run = run,
};
