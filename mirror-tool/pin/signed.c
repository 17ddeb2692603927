/*
 * Check upstream signatures: fetch manifests and payloads, then judge them at once. Every referrer
 * may be one, whatever its type in the list. Must never let an image pass because something could
 * not be fetched: what is absent or unreadable is no signature.
 */
#include "mirror-tool/pin/signed.h"

#include <stdlib.h>

#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/pin/task.h"
#include "storage/base/banned.h"

/* --- rules ------------------------------------------------------------------------------- */

static int load_rule(
	struct trust *trust, const struct list_verify *rule, const char *folder, struct err *e)
{
	for (size_t i = 0; i < rule->key_count; i++) {
		const char *key = rule->keys[i];
		AUTO(mem_free)
		char *path = *key == '/' ? mem_strdup(key) : mem_printf("%s/%s", folder, key);

		if (trust_add_file(trust, path, e) < 0)
			return err_ctx(e, "line %u: verify", rule->line);
	}
	return 0;
}

int signed_rules_load(
	struct signed_rules *r, const struct list *list, const char *folder, struct err *e)
{
	*r = (struct signed_rules){ list, mem_alloc(list->verify_count * sizeof(struct trust)) };
	for (size_t i = 0; i < list->verify_count; i++) {
		if (load_rule(&r->trust[i], &list->verify[i], folder, e) < 0) {
			signed_rules_release(r);
			return -1;
		}
	}
	return 0;
}

void signed_rules_release(struct signed_rules *r)
{
	for (size_t i = 0; r->trust && i < r->list->verify_count; i++)
		trust_release(&r->trust[i]);
	free(r->trust);
	*r = (struct signed_rules){ NULL, NULL };
}

bool signed_rules_apply(const struct signed_rules *r, const struct ref *ref)
{
	for (size_t i = 0; i < r->list->verify_count; i++)
		if (list_verify_applies(&r->list->verify[i], ref))
			return true;
	return false;
}

/* --- fetching ------------------------------------------------------------------------------ */

/* A manifest that may be a signature, or a blob of one. */
struct exhibit {
	struct exhibit *next;
	struct task *task;
	struct evidence *evidence;
	struct digest digest;
	struct ref ref;
	struct buf bytes;
};

struct evidence {
	struct span root;
	struct exhibit *manifests, *blobs;
	struct err passed_over; /* of the last referrer that could not be read */
};

static void exhibits_free(struct exhibit *x)
{
	for (struct exhibit *next; x; x = next) {
		next = x->next;
		buf_release(&x->bytes);
		free(x);
	}
}

void evidence_free(struct evidence **ev)
{
	if (*ev) {
		exhibits_free((*ev)->manifests);
		exhibits_free((*ev)->blobs);
		free(*ev);
	}
	*ev = NULL;
}

static struct exhibit *exhibit_new(
	struct task *t, struct evidence *ev, struct exhibit **list, const struct digest *d)
{
	struct exhibit *x = mem_alloc(sizeof(*x));

	*x = (struct exhibit){ .next = *list, .task = t, .evidence = ev, .digest = *d };
	x->bytes = (struct buf)BUF_INIT;
	x->ref = t->ref;
	x->ref.tag[0] = '\0';
	x->ref.digest = *d;
	*list = x;
	task_hold(t);
	return x;
}

static void exhibit_fail(struct exhibit *x, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	err_ctx(e, "signature %s", digest_text(&x->digest, text));
	task_fail(x->task, e);
	task_drop(x->task);
}

static void got_blob(void *ctx, int rc, struct span bytes, struct err *e)
{
	struct exhibit *x = ctx;

	if (rc < 0) {
		exhibit_fail(x, e);
		return;
	}
	buf_add(&x->bytes, bytes.data, bytes.len);
	task_drop(x->task);
}

static bool may_be_signed(const char *media_type)
{
	return strcmp(media_type, MEDIA_COSIGN_PAYLOAD) == 0 || cosign_is_bundle_type(media_type);
}

/* Fetch the blobs of a candidate, without those that no signature has; a candidate that needs such
 * a blob does not count. */
static void want_blobs(struct exhibit *x, const struct manifest *m)
{
	for (size_t i = 0; i < m->count && i < COSIGN_LAYERS_MAX; i++) {
		const struct descriptor *d = &m->items[i];
		struct exhibit *blob;

		if (d->size > COSIGN_BLOB_MAX || !may_be_signed(d->media_type))
			continue;
		blob = exhibit_new(x->task, x->evidence, &x->evidence->blobs, &d->digest);
		origin_blob_bytes(
			&x->task->origin, &blob->ref, &d->digest, d->size, got_blob, blob);
	}
}

static void pass_over(struct exhibit *x, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	err_ctx(e, "%s", digest_text(&x->digest, text));
	x->evidence->passed_over = *e;
	task_drop(x->task);
}

static void got_manifest(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	AUTO(manifest_release) struct manifest parsed = MANIFEST_INIT;
	struct exhibit *x = ctx;

	if (rc < 0) {
		exhibit_fail(x, e);
		return;
	}
	if (rc == 0)
		rc = err_set(e, ERR_ABSENT, "is listed as a referrer, but absent");
	else
		rc = manifest_parse(&parsed, "manifest", NULL, m->bytes, e);
	if (rc < 0) {
		pass_over(x, e);
		return;
	}
	if (parsed.kind == MEDIA_IMAGE) {
		buf_add(&x->bytes, m->bytes.data, m->bytes.len);
		want_blobs(x, &parsed);
	}
	task_drop(x->task);
}

static bool may_be_signature(const struct task *t, const struct lock_attachment *a)
{
	size_t len = strlen(a->tag);

	if (!digest_eq(&a->subject, &t->pin.digest))
		return false;
	return len == 0 || (len > 4 && strcmp(a->tag + len - 4, ".sig") == 0);
}

struct evidence *signed_fetch(struct task *t, struct span root)
{
	struct evidence *ev = mem_alloc(sizeof(*ev));

	*ev = (struct evidence){ .root = root, .passed_over = ERR_INIT };
	for (size_t i = 0; i < t->pin.attached_count; i++) {
		const struct lock_attachment *a = &t->pin.attached[i];
		struct exhibit *x;

		if (!may_be_signature(t, a))
			continue;
		x = exhibit_new(t, ev, &ev->manifests, &a->digest);
		origin_manifest(&t->origin, &x->ref, false, got_manifest, x);
	}
	return ev;
}

/* --- judging ------------------------------------------------------------------------------- */

static int find_blob(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	const struct evidence *ev = ctx;

	(void)e;
	for (const struct exhibit *x = ev->blobs; x; x = x->next) {
		if (!digest_eq(&x->digest, d) || x->bytes.len != size)
			continue;
		buf_add(out, x->bytes.data, x->bytes.len);
		return 1;
	}
	return 0;
}

static int judge_rule(
	const struct trust *trust, const struct task *t, const struct evidence *ev, struct err *e)
{
	char repository[REF_TEXT_SIZE], name[DIGEST_TEXT_SIZE];
	struct cosign_claim claim = {
		.digest = t->pin.digest,
		.repository = ref_name(&t->ref, repository),
		.bytes = ev->root,
	};
	const char *why = ev->passed_over.text;
	const struct verify_key *by;

	if (claim.digest.alg != DIGEST_SHA256)
		return err_set(e, ERR_UNTRUSTED, "signatures are over sha256 digests only");
	err_set(e, ERR_UNTRUSTED, "not signed, which `verify:` of the list requires%s%s",
		*why ? "; not readable: " : "", why);
	for (const struct exhibit *x = ev->manifests; x; x = x->next) {
		if (!x->bytes.len)
			continue;
		if (cosign_verify(digest_text(&x->digest, name), buf_span(&x->bytes), &claim, trust,
			    find_blob, (void *)(uintptr_t)ev, &by, e) == 0)
			return 0;
	}
	return -1;
}

int signed_judge(const struct signed_rules *r, const struct task *t, const struct evidence *ev,
	struct err *e)
{
	for (size_t i = 0; i < r->list->verify_count; i++)
		if (list_verify_applies(&r->list->verify[i], &t->ref) &&
			judge_rule(&r->trust[i], t, ev, e) < 0)
			return -1;
	return 0;
}
