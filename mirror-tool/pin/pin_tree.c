/*
 * Ask for every manifest of a pin: children of indexes at every level, and those of attachments, by
 * HEAD where that is enough. So pin reports what a registry lists and does not have, rather than
 * pull. Must hold the same manifests as pull does.
 */
#include <stdio.h>

#include "mirror-tool/pin/task.h"
#include "mirror-tool/list/selection.h"
#include "storage/base/banned.h"

/* A manifest or blob that something lists. */
struct ask {
	struct request r;
	struct digest digest;
	uint64_t size;
	char media_type[MEDIA_TYPE_MAX + 1];
	char platform[PLATFORM_TEXT_SIZE]; /* for messages; "" when unknown */
	unsigned depth; /* manifests above */
	bool attached; /* or below an attachment */
	bool attestation; /* listed by an index */
	bool head; /* only its presence is checked */
};

static struct ask *ask_new(
	struct task *t, const struct descriptor *d, unsigned depth, bool attached)
{
	struct ask *a = request_new(t, sizeof(*a));
	struct digest of;

	a->r.ref.digest = a->digest = d->digest;
	a->size = d->size;
	snprintf(a->media_type, sizeof(a->media_type), "%s", d->media_type);
	a->attestation = descriptor_is_attestation(d, &of);
	if (a->attestation)
		snprintf(a->platform, sizeof(a->platform), "an attestation");
	else if (d->has_platform)
		platform_text(&d->platform, a->platform);
	a->depth = depth;
	a->attached = attached;
	return a;
}

/* End a request; the failure of an attachment may be excused. */
static void ask_end(struct ask *a, int rc, const struct err *e)
{
	struct task *t = a->r.task;

	if (rc < 0 && (a->attached || a->attestation) &&
		t->exceptions.attachments == ATTACH_OPTIONAL)
		excuses_add(&t->pin.excused, EXCUSE_ATTACHMENT, &a->digest, e->text);
	else if (rc < 0)
		task_fail(t, e);
	request_end(&a->r);
}

static bool is_attached_itself(const struct ask *a)
{
	return a->attached && a->depth == 0;
}

static int not_there(const struct ask *a, struct err *e)
{
	const char *from = a->r.task->origin.layout ? "layout" : "registry";
	char text[DIGEST_TEXT_SIZE];

	digest_text(&a->digest, text);
	if (is_attached_itself(a))
		return err_set(e, ERR_INCOMPLETE,
			"the %s lists %s as attached, and does not have it", from, text);
	return err_set(e, ERR_INCOMPLETE, "an index lists %s%s%s%s, which the %s does not have",
		text, *a->platform ? " (" : "", a->platform, *a->platform ? ")" : "", from);
}

static int check_size(const struct ask *a, uint64_t size, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	if (size == a->size)
		return 0;
	return err_set(e, ERR_INPUT, "%s has %llu bytes, not the %llu announced",
		digest_text(&a->digest, text), (unsigned long long)size,
		(unsigned long long)a->size);
}

/* --- manifests ------------------------------------------------------------------------------ */

/* Record the true media type: lists of referrers may have another. */
static void correct_type(struct task *t, const struct ask *a, const struct manifest *m)
{
	for (size_t i = 0; i < t->pin.attached_count; i++)
		if (digest_eq(&t->pin.attached[i].digest, &a->digest))
			lock_set_text(&t->pin.attached[i].media_type, m->media_type);
}

static int take_manifest(struct ask *a, struct span bytes, struct err *e)
{
	const char *type = is_attached_itself(a) ? NULL : a->media_type;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	char text[DIGEST_TEXT_SIZE];

	if (check_size(a, bytes.len, e) < 0 ||
		manifest_parse(&m, digest_text(&a->digest, text), type, bytes, e) < 0)
		return err_ctx(
			e, is_attached_itself(a) ? "listed as attached" : "listed by an index");
	if (is_attached_itself(a))
		correct_type(a->r.task, a, &m);
	return tree_enter(a->r.task, &m, a->depth, a->attached, e);
}

/* Does the answer to HEAD differ from the descriptor? Then the manifest itself is fetched. */
static bool differs(const struct ask *a, const struct upstream_manifest *m)
{
	return (m->size && m->size != a->size) ||
	       (*m->media_type && strcmp(m->media_type, a->media_type) != 0);
}

static void got_manifest(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct ask *a = ctx;
	bool has_body = rc > 0 && (!a->head || m->bytes.len);

	if (rc > 0 && !has_body && differs(a, m)) {
		a->head = false;
		origin_manifest(&a->r.task->origin, &a->r.ref, 0, got_manifest, a);
		return;
	}
	if (rc == 0)
		rc = not_there(a, e);
	if (has_body)
		rc = take_manifest(a, m->bytes, e);
	ask_end(a, rc, e);
}

void tree_ask(struct task *t, const struct descriptor *d, unsigned depth, bool attached)
{
	enum reach reach = REACH_NOTHING;
	struct err e = ERR_INIT;
	struct ask *a;

	if (t->failed)
		return;
	if (tree_reach(t, d, depth, attached, &reach, &e) < 0)
		task_fail(t, &e);
	if (reach == REACH_NOTHING || t->failed)
		return;
	a = ask_new(t, d, depth, attached);
	a->head = media_kind_of(d->media_type) == MEDIA_IMAGE;
	origin_manifest(&t->origin, &a->r.ref, a->head ? MANIFEST_HEAD : 0, got_manifest, a);
}

/* --- blobs that stand in an index by themselves --------------------------------------------- */

static void got_size(void *ctx, int rc, uint64_t size, struct err *e)
{
	struct ask *a = ctx;

	if (rc == 0)
		rc = not_there(a, e);
	if (rc > 0)
		rc = check_size(a, size, e);
	ask_end(a, rc, e);
}

static void ask_blob(struct task *t, const struct descriptor *d, bool attached)
{
	struct err e = ERR_INIT;
	struct reached *at = reach_blob(&t->reached[attached], d, &e);
	struct ask *a;

	if (!at)
		task_fail(t, &e);
	if (!at || at->state == REACHED_HELD)
		return;
	at->state = REACHED_HELD;
	a = ask_new(t, d, 1, attached);
	origin_blob_size(&t->origin, &a->r.ref, &a->digest, got_size, a);
}

/* --- the tree ------------------------------------------------------------------------------- */

int tree_reach(struct task *t, const struct descriptor *d, unsigned depth, bool attached,
	enum reach *reach, struct err *e)
{
	struct reached *at = reach_blob(&t->reached[attached], d, e);

	if (!at || reach_manifest(at, d, depth, reach, e) < 0)
		return -1;
	at->state = REACHED_HELD;
	if (*reach == REACH_FIRST)
		t->reached_first(t, &d->digest);
	return 0;
}

/* Leave an attestation that an index lists, as if it were a referrer. */
static bool leave_attestation(struct task *t, const struct descriptor *d, bool attached)
{
	struct digest of;

	return !attached && descriptor_is_attestation(d, &of) &&
	       task_leaves(t, &d->digest, ATTESTATION_TYPE, "");
}

int tree_enter(
	struct task *t, const struct manifest *m, unsigned depth, bool attached, struct err *e)
{
	if (m->kind != MEDIA_INDEX)
		return 0;
	if (graph_check_depth(depth + 1, e) < 0)
		return -1;
	if (!attached)
		select_platforms(m, &t->wanted, &t->pin);
	for (size_t i = 0; i < m->count && !t->failed; i++) {
		struct edge edge = graph_edge(m, i);

		if (!select_held(m, i, &t->pin, attached) ||
			leave_attestation(t, edge.to, attached))
			continue;
		if (edge_is_manifest(&edge))
			tree_ask(t, edge.to, depth + 1, attached);
		else
			ask_blob(t, edge.to, attached);
	}
	return 0;
}
