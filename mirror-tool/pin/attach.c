/*
 * Find what is attached to an image: ask for referrers (the API's or the list under the fallback
 * tag) and cosign's tags, of a subject and then of each attachment found. A set of visited digests
 * ends cycles. Any failure but "there is none" fails the image, unless its list excuses it: nothing
 * may travel without its signatures unnoticed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/pin/task.h"
#include "storage/base/banned.h"

static const char *const suffixes[] = { ".sig", ".att", ".sbom" };

/* One request about a subject: by its digest, or by the tag in the ref. */
struct probe {
	struct request r;
	struct digest subject;
	const char *suffix; /* of the tag; NULL: a request for referrers */
};

static struct probe *probe_new(struct task *t, const struct digest *subject)
{
	struct probe *p = request_new(t, sizeof(*p));

	p->subject = *subject;
	return p;
}

/* May this request fail? */
static bool is_excused(const struct probe *p)
{
	const struct exceptions *x = &p->r.task->exceptions;

	return x->attachments == ATTACH_OPTIONAL ||
	       (p->suffix && !exceptions_want(x, "", p->suffix));
}

static void probe_fail(struct probe *p, struct err *e)
{
	struct task *t = p->r.task;

	if (p->suffix)
		err_ctx(e, "%s", p->r.ref.tag);
	if (is_excused(p) && !err_is_local(e->code)) {
		excuses_add(&t->pin.excused, EXCUSE_ATTACHMENTS, &p->subject, e->text);
	} else {
		err_ctx(e, "its attachments cannot be listed (`attachments:` may excuse this)");
		task_fail(t, e);
	}
	request_end(&p->r);
}

/* Find the slot for an attachment: one for each tag. One that was found without a tag gets the tag.
 * NULL: it is recorded. */
static struct lock_attachment *slot_of(
	struct lock_pin *pin, const struct digest *d, const char *tag)
{
	for (size_t i = 0; i < pin->attached_count; i++) {
		struct lock_attachment *a = &pin->attached[i];

		if (!digest_eq(&a->digest, d))
			continue;
		if (strcmp(a->tag, tag) == 0 || !*tag)
			return NULL;
		if (!a->tag[0])
			return a;
	}
	return lock_attach(pin);
}

static void too_many(struct task *t)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_INPUT, "more than %d manifests and things attached to them",
		LOCK_ATTACHED_MAX);
	task_fail(t, &e);
}

static void record(struct task *t, const struct descriptor *d, const char *artifact_type,
	const struct digest *subject, const char *tag)
{
	struct lock_attachment *a = slot_of(&t->pin, &d->digest, tag);

	if (!a)
		return;
	if (t->pin.attached_count > LOCK_ATTACHED_MAX)
		too_many(t);
	a->digest = d->digest;
	a->size = d->size;
	a->subject = *subject;
	lock_set_text(&a->media_type, d->media_type);
	lock_set_text(&a->artifact_type, artifact_type);
	snprintf(a->tag, sizeof(a->tag), "%s", tag);
}

static void got_referrers(void *ctx, int rc, const struct upstream_referrers *r, struct err *e)
{
	struct probe *p = ctx;

	if (rc < 0) {
		probe_fail(p, e);
		return;
	}
	for (size_t i = 0; rc > 0 && i < r->count && !p->r.task->failed; i++) {
		const char *type = r->items[i].artifact_type;

		if (task_leaves(p->r.task, &r->items[i].digest, type ? type : "", ""))
			continue;
		record(p->r.task, &r->items[i], r->items[i].artifact_type, &p->subject, "");
		tree_ask(p->r.task, &r->items[i], 0, true);
	}
	request_end(&p->r);
}

static void got_attached(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct probe *p = ctx;
	struct manifest parsed = MANIFEST_INIT;
	enum reach reach = REACH_NOTHING;
	struct descriptor d;

	if (rc == 0)
		rc = err_set(e, ERR_NET, "answered HEAD, but not GET: it is gone");
	if (rc > 0)
		rc = manifest_parse(&parsed, p->r.ref.tag, NULL, m->bytes, e);
	if (rc < 0) {
		manifest_release(&parsed);
		probe_fail(p, e);
		return;
	}
	d = (struct descriptor){
		.digest = m->digest,
		.size = m->bytes.len,
		.media_type = parsed.media_type,
	};
	record(p->r.task, &d, parsed.artifact_type, &p->subject, p->r.ref.tag);
	if (tree_reach(p->r.task, &d, 0, true, &reach, e) < 0 ||
		(reach != REACH_NOTHING && tree_enter(p->r.task, &parsed, 0, true, e) < 0))
		task_fail(p->r.task, e);
	manifest_release(&parsed);
	request_end(&p->r);
}

static void got_tag(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct probe *p = ctx;

	if (rc < 0) {
		probe_fail(p, e);
	} else if (rc == 0 || digest_eq(&m->digest, &p->subject) ||
		   task_leaves(p->r.task, &m->digest, "", p->suffix)) {
		request_end(
			&p->r); /* or a registry that reads the tag as the digest of the subject */
	} else if (m->bytes.len) {
		got_attached(p, rc, m, e);
	} else {
		p->r.ref.digest = m->digest;
		origin_manifest(&p->r.task->origin, &p->r.ref, MANIFEST_OPTIONAL, got_attached, p);
	}
}

/* Mark a subject as visited. False when it was. */
static bool visit(struct task *t, const struct digest *subject)
{
	if (digest_map_find(&t->visited, subject))
		return false;
	if (t->visited.count == LOCK_ATTACHED_MAX) {
		too_many(t);
		return false;
	}
	digest_map_add(&t->visited, subject, sizeof(*subject));
	return true;
}

void attach_scan(struct task *t, const struct digest *subject)
{
	struct probe *p;

	if (t->failed || !visit(t, subject))
		return;
	if (t->exceptions.attachments == ATTACH_NONE) {
		excuses_add(
			&t->pin.excused, EXCUSE_ATTACHMENTS, &t->pin.digest, "attachments: none");
		return;
	}
	p = probe_new(t, subject);
	p->r.ref.digest = *subject;
	origin_referrers(&t->origin, &p->r.ref, got_referrers, p);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		p = probe_new(t, subject);
		p->suffix = suffixes[i];
		ref_fallback_tag(subject, suffixes[i], p->r.ref.tag);
		origin_manifest(
			&t->origin, &p->r.ref, MANIFEST_HEAD | MANIFEST_OPTIONAL, got_tag, p);
	}
}
