/* Fetch manifests: HEAD and GET by digest or tag, the body checked against its digest. Must never
 * return bytes under a digest that is not theirs. */
#include <stdlib.h>

#include "mirror-tool/upstream/exchange.h"
#include "mirror-tool/upstream/headers.h"
#include "mirror-tool/upstream/optional.h"
#include "storage/base/banned.h"

static const char accept_manifests[] =
	MEDIA_OCI_INDEX ", " MEDIA_DOCKER_LIST ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_MANIFEST
			", " MEDIA_OCI_ARTIFACT;

struct manifest_request {
	struct ref ref;
	unsigned how;
	upstream_manifest_fn *done;
	void *ctx;
};

static void manifest_send(struct upstream *up, struct manifest_request *m, bool head);

/* Read Docker-Content-Digest. Returns 1, 0 when it is absent or of an unknown algorithm. */
static int stated_digest(const struct exchange *x, struct digest *out)
{
	struct err ignored = ERR_INIT;

	return digest_parse(out, x->answer.value[HTTP_CONTENT_DIGEST], &ignored) == 0;
}

static enum verdict check_left(struct exchange *x, struct err *e)
{
	const struct site *s = x->site;

	if (!x->counts || !s->knows_left || !s->settings || s->left >= s->settings->stop_below)
		return VERDICT_TAKE;
	return err_set(e, ERR_NET,
		"%s: %llu pulls are left in its window of %llu s, stop-below is %u", s->host,
		(unsigned long long)s->left, (unsigned long long)s->window,
		s->settings->stop_below);
}

static enum verdict manifest_head(struct exchange *x, const struct http_head *head, struct err *e)
{
	char type[MEDIA_TYPE_MAX + 1];

	(void)x;
	content_type_parse(head->value[HTTP_CONTENT_TYPE], type, sizeof(type));
	if (strcmp(type, MEDIA_DOCKER_SCHEMA1) == 0 ||
		strcmp(type, MEDIA_DOCKER_SCHEMA1_SIGNED) == 0)
		return err_set(e, ERR_UNSUPPORTED,
			"docker schema 1: such an image cannot be mirrored, push it again with a "
			"current client");
	if (head->has_length && head->length > MANIFEST_MAX)
		return err_set(e, ERR_INPUT, "a manifest of %llu bytes, at most %u",
			(unsigned long long)head->length, MANIFEST_MAX);
	return VERDICT_TAKE;
}

/* Choose the digest of the body: the one asked for, else the one stated, else sha256. */
static int body_digest(const struct exchange *x, const struct manifest_request *m,
	struct digest *out, struct err *e)
{
	char is[DIGEST_TEXT_SIZE], want[DIGEST_TEXT_SIZE];
	struct digest stated;
	bool has_stated = stated_digest(x, &stated);
	const struct digest *wanted = m->ref.digest.alg ? &m->ref.digest
				      : has_stated      ? &stated
							: NULL;

	digest_of(out, wanted ? wanted->alg : DIGEST_SHA256, buf_span(&x->body));
	if (wanted && !digest_eq(out, wanted))
		return err_set(e, ERR_CORRUPT, "the body is %s, not %s", digest_text(out, is),
			digest_text(wanted, want));
	if (has_stated && stated.alg == out->alg && !digest_eq(out, &stated))
		return err_set(e, ERR_CORRUPT, "the registry states %s for a body that is %s",
			digest_text(&stated, want), digest_text(out, is));
	return 0;
}

static int head_digest(const struct exchange *x, const struct manifest_request *m,
	struct digest *out, struct err *e)
{
	char is[DIGEST_TEXT_SIZE], want[DIGEST_TEXT_SIZE];
	int rc = stated_digest(x, out);

	if (!m->ref.digest.alg)
		return rc;
	if (rc == 1 && out->alg == m->ref.digest.alg && !digest_eq(out, &m->ref.digest))
		return err_set(e, ERR_CORRUPT, "the registry states %s for %s",
			digest_text(out, is), digest_text(&m->ref.digest, want));
	*out = m->ref.digest;
	return 1;
}

/* Is this absent for MANIFEST_OPTIONAL? */
static bool is_none(
	const struct exchange *x, const struct manifest_request *m, const char *type, int rc)
{
	if (!(m->how & MANIFEST_OPTIONAL))
		return false;
	if (rc <= 0)
		return answer_is_none(x, rc);
	return !x->head_only && body_kind(type, buf_span(&x->body)) == BODY_OTHER;
}

static void manifest_done(struct exchange *x, int rc, struct err *e)
{
	struct manifest_request *m = x->ctx;
	struct upstream_manifest out = { .bytes = buf_span(&x->body) };
	char type[MEDIA_TYPE_MAX + 1];
	bool get = head_is_refused(x, rc);

	content_type_parse(x->answer.value[HTTP_CONTENT_TYPE], type, sizeof(type));
	out.media_type = type;
	out.size = x->head_only ? (x->answer.has_length ? x->answer.length : 0) : x->body.len;
	if (rc > 0 && x->head_only) {
		rc = head_digest(x, m, &out.digest, e);
		get = rc == 0;
	} else if (rc > 0) {
		rc = body_digest(x, m, &out.digest, e) < 0 ? -1 : 1;
	}
	if (!get && is_none(x, m, type, rc))
		rc = 0;
	if (get) {
		x->ctx = NULL; /* belongs to the GET now */
		manifest_send(x->up, m, false);
		return;
	}
	if (rc < 0 && e->code == ERR_CORRUPT)
		err_ctx(e, "%s", x->url.text);
	m->done(m->ctx, rc, rc > 0 ? &out : NULL, e);
}

static void manifest_drop(struct exchange *x)
{
	free(x->ctx);
}

static enum verdict manifest_begin(struct exchange *x, struct err *e)
{
	return check_left(x, e);
}

static const struct exchange_ops manifest_ops = {
	.begin = manifest_begin, .head = manifest_head, .done = manifest_done, .drop = manifest_drop
};

static void manifest_send(struct upstream *up, struct manifest_request *m, bool head)
{
	char digest[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *path = mem_printf("/manifests/%s",
		m->ref.digest.alg ? digest_text(&m->ref.digest, digest) : m->ref.tag);
	struct exchange *x = exchange_for_ref(up, &m->ref, path, &manifest_ops, m);

	x->accept = accept_manifests;
	x->body_max = MANIFEST_MAX;
	x->head_only = head;
	x->optional = (m->how & MANIFEST_OPTIONAL) != 0;
	x->counts = !head;
	schedule(x);
}

void upstream_manifest(struct upstream *up, const struct ref *ref, unsigned how,
	upstream_manifest_fn *done, void *ctx)
{
	struct manifest_request *m = mem_alloc(sizeof(*m));

	*m = (struct manifest_request){ *ref, how, done, ctx };
	manifest_send(up, m, (how & MANIFEST_HEAD) != 0);
}
