/*
 * What is attached to an image: referrers (the API's or the fallback tag's list) and cosign's tags,
 * of a subject and then of each thing found. A set of visited digests ends cycles. Any answer but
 * "there is none" that is not a good one fails the image: nothing travels without its signatures.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/pin/resolve_task.h"
#include "storage/base/banned.h"

static const char *const suffixes[] = { ".sig", ".att", ".sbom" };

/* One question about one subject. */
struct probe {
	struct probe *next; /* of the task's that are without an answer */
	struct task *task;
	struct digest subject;
	struct ref ref; /* the tag that is looked at, or the subject */
};

static struct probe *probe_new(struct task *t, const struct digest *subject)
{
	struct probe *p = mem_alloc(sizeof(*p));

	task_hold(t);
	p->next = t->probes;
	t->probes = p;
	p->task = t;
	p->subject = *subject;
	p->ref = t->ref;
	p->ref.tag[0] = '\0';
	p->ref.digest = (struct digest){ .alg = DIGEST_NONE };
	return p;
}

static void probe_end(struct probe *p)
{
	struct task *t = p->task;
	struct probe **at = &t->probes;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	free(p);
	task_drop(t);
}

void attach_release(struct task *t)
{
	for (struct probe *p = t->probes, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	t->probes = NULL;
}

static void probe_fail(struct probe *p, struct err *e, const char *what)
{
	char text[DIGEST_TEXT_SIZE];

	err_ctx(e, "%s of %s", what, digest_text(&p->subject, text));
	task_fail(p->task, e);
	probe_end(p);
}

/* Record an attachment once a tag; one that was found without a tag gets the tag. */
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
	return pin->attached_count < LOCK_ATTACHED_MAX ? lock_attach(pin) : NULL;
}

static void record(struct task *t, const struct descriptor *d, const char *artifact_type,
	const struct digest *subject, const char *tag)
{
	struct lock_attachment *a = slot_of(&t->pin, &d->digest, tag);

	if (!a)
		return;
	a->digest = d->digest;
	a->size = d->size;
	a->subject = *subject;
	text_replace(&a->media_type, d->media_type);
	text_replace(&a->artifact_type, artifact_type);
	snprintf(a->tag, sizeof(a->tag), "%s", tag);
}

static void got_referrers(void *ctx, int rc, const struct upstream_referrers *r, struct err *e)
{
	struct probe *p = ctx;

	if (rc < 0) {
		probe_fail(p, e, "referrers");
		return;
	}
	for (size_t i = 0; rc > 0 && i < r->count; i++) {
		if (media_kind_of(r->items[i].media_type) == MEDIA_OTHER)
			continue; /* no manifest: nothing that a registry could serve as one */
		record(p->task, &r->items[i], r->items[i].artifact_type, &p->subject, "");
		attach_scan(p->task, &r->items[i].digest);
	}
	probe_end(p);
}

static void got_attached(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct probe *p = ctx;
	struct manifest parsed = MANIFEST_INIT;
	struct descriptor d;

	if (rc == 0)
		rc = err_set(e, ERR_NET, "was there a moment ago, and is gone");
	if (rc > 0)
		rc = manifest_parse(&parsed, p->ref.tag, NULL, m->bytes, e);
	if (rc < 0) {
		manifest_release(&parsed);
		probe_fail(p, e, p->ref.tag);
		return;
	}
	d = (struct descriptor){
		.digest = m->digest,
		.size = m->bytes.len,
		.media_type = parsed.media_type,
	};
	record(p->task, &d, parsed.artifact_type, &p->subject, p->ref.tag);
	manifest_release(&parsed);
	attach_scan(p->task, &m->digest);
	probe_end(p);
}

static void got_tag(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct probe *p = ctx;

	if (rc < 0) {
		probe_fail(p, e, p->ref.tag);
	} else if (rc == 0 || digest_eq(&m->digest, &p->subject)) {
		probe_end(p); /* some registries take the tag for the subject's digest */
	} else if (m->bytes.len) {
		got_attached(p, rc, m, e);
	} else {
		p->ref.digest = m->digest;
		origin_manifest(&p->task->origin, &p->ref, MANIFEST_OPTIONAL, got_attached, p);
	}
}

/* Is it new? Then it is visited from now on. */
static bool visit(struct task *t, const struct digest *subject)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < t->visited_count; i++)
		if (digest_eq(&t->visited[i], subject))
			return false;
	if (t->visited_count == LOCK_ATTACHED_MAX) {
		err_set(&e, ERR_INPUT, "more than %d things are attached", LOCK_ATTACHED_MAX);
		task_fail(t, &e);
		return false;
	}
	t->visited = mem_grow(t->visited, t->visited_count + 1, sizeof(*t->visited));
	t->visited[t->visited_count++] = *subject;
	return true;
}

void attach_scan(struct task *t, const struct digest *subject)
{
	struct probe *p;

	if (t->failed || !visit(t, subject))
		return;
	p = probe_new(t, subject);
	p->ref.digest = *subject;
	origin_referrers(&t->origin, &p->ref, got_referrers, p);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		p = probe_new(t, subject);
		ref_fallback_tag(subject, suffixes[i], p->ref.tag);
		origin_manifest(&t->origin, &p->ref, MANIFEST_HEAD | MANIFEST_OPTIONAL, got_tag, p);
	}
}
