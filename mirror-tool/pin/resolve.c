/*
 * Resolve a list in two rounds: tag lists first, because several entries may want the same tag;
 * then every reference at once. Must never add an incomplete pin: a task that failed adds nothing
 * to the lock.
 */
#include "mirror-tool/pin/resolve.h"

#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/pin/task.h"
#include "mirror-tool/list/selection.h"
#include "mirror-tool/pin/signed.h"
#include "storage/oci/config.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct resolver {
	struct session *session;
	const struct list *list;
	struct lock *lock;
	struct failures *failures;
	struct task **tasks; /* sorted by reference in the second round */
	size_t count;
	struct signed_rules rules;
	LIST_HEAD(tag_lists, tag_list) tag_lists; /* without an answer */
};

/* --- tasks ------------------------------------------------------------------------------- */

static void task_free(struct task *t)
{
	requests_release(t);
	for (size_t i = 0; i < ARRAY_SIZE(t->reached); i++)
		digest_map_release(&t->reached[i]);
	digest_map_release(&t->visited);
	lock_pin_release(&t->pin);
	platforms_release(&t->wanted);
	exceptions_release(&t->exceptions);
	buf_release(&t->root);
	evidence_free(&t->evidence);
	free(t);
}

/* Record a failed item: as skipped where the list allows it. */
static void fail_item(
	struct resolver *r, const struct exceptions *x, const char *item, const struct err *e)
{
	if (x->skip && !err_is_local(e->code))
		skips_add(&r->lock->skipped, item, e->text);
	else
		failures_add(r->failures, item, e);
}

static void task_end(struct task *t)
{
	struct resolver *r = t->resolver;
	char text[REF_TEXT_SIZE];

	if (!t->failed && t->evidence && signed_judge(&r->rules, t, t->evidence, &t->e) < 0)
		t->failed = true;
	evidence_free(&t->evidence);
	buf_release(&t->root);
	if (!t->failed && t->pin.excused.count > EXCUSES_MAX)
		t->failed = err_set(&t->e, ERR_INPUT, "more than %d excuses", EXCUSES_MAX) < 0;
	lock_pin_drop_excused(&t->pin);
	if (!t->failed)
		lock_move(r->lock, &t->pin);
	else
		fail_item(r, &t->exceptions, ref_text(&t->ref, text), &t->e);
	r->session->state.done++;
	progress_show(&r->session->progress, &r->session->state);
}

/* Check that every wanted platform was found in the indexes. The platform of a single image is
 * checked with its config. */
static void check_platforms(struct task *t)
{
	if (t->failed || media_kind_of(t->pin.media_type) != MEDIA_INDEX)
		return;
	if (select_check(&t->wanted, &t->pin, &t->e) < 0)
		t->failed = true;
}

/* End the task, or first fetch the signatures among its attachments where a rule asks for them. */
static void task_done(struct task *t)
{
	check_platforms(t);
	if (!t->failed && !t->evidence && signed_rules_apply(&t->resolver->rules, &t->ref)) {
		task_hold(t);
		t->evidence = signed_fetch(t, buf_span(&t->root));
		task_drop(t);
		return;
	}
	task_end(t);
}

/* --- a single image: what is it for? ------------------------------------------------------- */

static int check_single(struct task *t, const struct platform *p, struct err *e)
{
	char text[PLATFORM_TEXT_SIZE];

	platform_text(p, text);
	if (!platforms_want(&t->wanted, p))
		return err_set(e, ERR_INCOMPLETE, "is for %s only, which is not wanted", text);
	platform_texts_add(&t->pin.platforms, text);
	return 0;
}

/* Warn: without a platform in the config it cannot be checked, and runtimes run the image on any. */
static void warn_of_config(struct task *t)
{
	char ref[REF_TEXT_SIZE];
	AUTO(mem_free)
	char *text = mem_printf(
		"%s: its config names no platform; it is held for any", ref_text(&t->pin.ref, ref));

	progress_warn(&t->resolver->session->progress, text);
}

static void got_config(void *ctx, int rc, struct span bytes, struct err *e)
{
	struct task *t = ctx;
	struct platform p;

	if (rc < 0)
		err_ctx(e, "config");
	else if (config_platform(bytes, &p))
		rc = check_single(t, &p, e);
	else
		warn_of_config(t);
	if (rc < 0)
		task_fail(t, e);
	task_drop(t);
}

/* --- the root ------------------------------------------------------------------------------ */

static int check_expected(struct task *t, const struct digest *have, struct err *e)
{
	char text[DIGEST_TEXT_SIZE], wanted[DIGEST_TEXT_SIZE];

	if (!t->expect.alg || digest_eq(&t->expect, have))
		return 0;
	return err_set(e, ERR_INPUT, "the tag is %s upstream, the list says %s",
		digest_text(have, text), digest_text(&t->expect, wanted));
}

/* Enter the children of an index, or fetch the config of a single image for its platform. */
static int enter_root(struct task *t, const struct manifest *m, struct err *e)
{
	const struct descriptor root = {
		.digest = t->pin.digest, .size = t->pin.size, .media_type = m->media_type
	};
	enum reach reach;

	if (tree_reach(t, &root, 0, false, &reach, e) < 0)
		return -1;
	if (m->has_config && config_is_image(&m->config)) {
		task_hold(t);
		origin_blob_bytes(
			&t->origin, &t->ref, &m->config.digest, m->config.size, got_config, t);
	}
	return tree_enter(t, m, 0, false, e);
}

static int take_root(struct task *t, const struct upstream_manifest *m, struct err *e)
{
	AUTO(manifest_release) struct manifest parsed = MANIFEST_INIT;

	if (check_expected(t, &m->digest, e) < 0 ||
		manifest_parse(&parsed, "manifest", NULL, m->bytes, e) < 0)
		return -1;
	t->pin.digest = m->digest;
	t->pin.size = m->bytes.len;
	lock_set_text(&t->pin.media_type, parsed.media_type);
	if (signed_rules_apply(&t->resolver->rules, &t->ref))
		buf_add(&t->root, m->bytes.data, m->bytes.len);
	return enter_root(t, &parsed, e);
}

static void got_root(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct task *t = ctx;

	if (rc == 0)
		rc = err_set(
			e, ERR_ABSENT, "upstream has no such %s", t->ref.tag[0] ? "tag" : "digest");
	if (rc > 0)
		rc = take_root(t, m, e);
	if (rc < 0)
		task_fail(t, e);
	task_drop(t);
}

/* Look up the entry of a layout by its name there, not by the name of the image. */
static int layout_ref(struct task *t, struct ref *ref, struct err *e)
{
	const struct descriptor *entry;
	int rc = layout_find(t->origin.layout, t->from->name, &entry, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s has no \"%s\"", layout_path(t->origin.layout),
			t->from->name);
	if (rc > 0)
		ref->digest = entry->digest;
	return rc;
}

static void task_start(struct task *t)
{
	struct resolver *r = t->resolver;
	struct err e = ERR_INIT;
	struct ref ref = t->ref;
	int rc = origin_of(&r->session->origins, t->from, &t->origin, &e);

	task_hold(t);
	if (rc == 0 && t->origin.layout)
		rc = layout_ref(t, &ref, &e);
	else if (rc == 0 && t->origin.at && *t->from->name && ref.tag[0])
		snprintf(ref.tag, sizeof(ref.tag), "%s", t->from->name);
	if (rc >= 0) {
		origin_manifest(&t->origin, &ref, false, got_root, t);
		return;
	}
	task_fail(t, &e);
	task_drop(t);
}

/* --- which tasks --------------------------------------------------------------------------- */

static int task_cmp(const void *a, const void *b)
{
	const struct task *left = *(struct task *const *)a, *right = *(struct task *const *)b;
	char left_text[REF_TEXT_SIZE], right_text[REF_TEXT_SIZE];

	return strcmp(ref_text(&left->ref, left_text), ref_text(&right->ref, right_text));
}

static void want(struct resolver *r, const struct list_image *image, const char *tag)
{
	struct ref ref = image->ref;
	struct task *t;

	if (*tag)
		memcpy(ref.tag, tag, strlen(tag) + 1);
	if (r->list->only && !choice_has(r->list->only, &ref, &ref.digest))
		return;
	t = mem_alloc(sizeof(*t));
	t->resolver = r;
	t->done = task_done;
	t->reached_first = attach_scan;
	for (size_t i = 0; i < ARRAY_SIZE(t->reached); i++)
		reach_init(&t->reached[i]);
	t->root = (struct buf)BUF_INIT;
	t->ref = ref;
	t->from = &image->from;
	exceptions_copy(&t->exceptions, &image->exceptions);
	if (t->ref.tag[0]) {
		t->expect = t->ref.digest;
		t->ref.digest = (struct digest){ .alg = DIGEST_NONE };
	}
	for (size_t i = 0; i < image->platforms.count; i++)
		platforms_add(&t->wanted, &image->platforms.items[i]);
	*VEC_PUSH(r->tasks, r->count) = t;
}

static bool same_source(const struct source_ref *a, const struct source_ref *b)
{
	return a->kind == b->kind && (!a->text || strcmp(a->text, b->text) == 0);
}

/* Merge a second entry for the same reference: hold what either wants. */
static int unite(struct task *t, const struct task *other, struct err *e)
{
	if (!same_source(t->from, other->from))
		return err_set(e, ERR_INPUT, "is wanted twice, from different sources");
	if (other->expect.alg)
		t->expect = other->expect;
	exceptions_unite(&t->exceptions, &other->exceptions);
	if (!t->wanted.count || !other->wanted.count)
		platforms_release(&t->wanted);
	else
		for (size_t i = 0; i < other->wanted.count; i++)
			platforms_add(&t->wanted, &other->wanted.items[i]);
	return 0;
}

static void unite_all(struct resolver *r)
{
	size_t kept = 0;

	if (r->count)
		qsort(r->tasks, r->count, sizeof(struct task *), task_cmp);
	for (size_t i = 0; i < r->count; i++) {
		struct task *last = kept ? r->tasks[kept - 1] : NULL;
		struct err e = ERR_INIT;

		if (!last || !ref_eq(&last->ref, &r->tasks[i]->ref)) {
			r->tasks[kept++] = r->tasks[i];
			continue;
		}
		if (unite(last, r->tasks[i], &e) < 0)
			task_fail(last, &e);
		task_free(r->tasks[i]);
	}
	r->count = kept;
}

/* --- tag lists ----------------------------------------------------------------------------- */

struct tag_list {
	LIST_ENTRY(tag_list) link;
	struct resolver *resolver;
	const struct list_image *image;
	size_t *hits; /* one for each pattern */
	size_t wanted;
};

static bool is_plain(const struct pattern *p)
{
	return pattern_is_plain(span_of(p->text));
}

static int on_tag(void *ctx, const char *tag, struct err *e)
{
	struct tag_list *l = ctx;
	bool match = false;

	for (size_t i = 0; i < l->image->pattern_count; i++) {
		if (is_plain(&l->image->patterns[i]) || !pattern_match(&l->image->patterns[i], tag))
			continue;
		l->hits[i]++;
		match = true;
	}
	if (!match)
		return 0;
	if (l->resolver->count >= LOCK_PINS_MAX)
		return err_set(e, ERR_INPUT, "more than %d tags are wanted", LOCK_PINS_MAX);
	want(l->resolver, l->image, tag);
	return 0;
}

static void fail_image(struct tag_list *l, const char *pattern, const struct err *e)
{
	char name[REF_TEXT_SIZE];
	AUTO(mem_free)
	char *item = mem_printf("%s %s", ref_name(&l->image->ref, name), pattern);

	fail_item(l->resolver, &l->image->exceptions, item, e);
}

static void tag_list_end(struct tag_list *l)
{
	LIST_REMOVE(l, link);
	free(l->hits);
	free(l);
}

/* Free the tag lists that an aborted run left without an answer. */
static void tag_lists_free(struct resolver *r)
{
	for (struct tag_list *l = LIST_FIRST(&r->tag_lists), *next; l; l = next) {
		next = LIST_NEXT(l, link);
		tag_list_end(l);
	}
}

static const char *first_pattern(const struct list_image *image)
{
	size_t i = 0;

	while (is_plain(&image->patterns[i]))
		i++;
	return image->patterns[i].text;
}

static void tags_done(void *ctx, int rc, struct err *e)
{
	struct tag_list *l = ctx;
	const struct list_image *image = l->image;

	if (rc == 0)
		rc = err_set(e, ERR_ABSENT, "upstream has no such repository");
	if (rc < 0)
		fail_image(l, first_pattern(image), e);
	for (size_t i = 0; rc > 0 && i < image->pattern_count; i++) {
		if (l->hits[i] || is_plain(&image->patterns[i]))
			continue;
		err_set(e, ERR_ABSENT, "no tag matches");
		fail_image(l, image->patterns[i].text, e);
	}
	tag_list_end(l);
}

/* Add the tags that are spelled out: they need no tag list, which not every registry has. True when
 * there are no patterns besides. */
static bool want_plain(struct resolver *r, const struct list_image *image)
{
	bool all = true;

	for (size_t i = 0; i < image->pattern_count; i++) {
		if (is_plain(&image->patterns[i]))
			want(r, image, image->patterns[i].text);
		else
			all = false;
	}
	return all;
}

static void ask_for_tags(struct resolver *r, const struct list_image *image)
{
	struct tag_list *l = mem_alloc(sizeof(*l));
	struct err e = ERR_INIT;
	struct origin o;

	LIST_INSERT_HEAD(&r->tag_lists, l, link);
	l->resolver = r;
	l->image = image;
	l->hits = mem_alloc(image->pattern_count * sizeof(*l->hits));
	if (origin_of(&r->session->origins, &image->from, &o, &e) < 0)
		tags_done(l, -1, &e);
	else
		origin_tags(&o, &image->ref, on_tag, tags_done, l);
}

/* --- the whole ----------------------------------------------------------------------------- */

static int first_round(struct resolver *r, struct err *e)
{
	for (size_t i = 0; i < r->list->image_count; i++) {
		const struct list_image *image = &r->list->images[i];

		if (r->list->only && !choice_has_name(r->list->only, &image->ref))
			continue;
		if (!image->pattern_count)
			want(r, image, "");
		else if (!want_plain(r, image))
			ask_for_tags(r, image);
	}
	return session_run(r->session, e);
}

static int second_round(struct resolver *r, struct err *e)
{
	AUTO(mem_free)
	struct file_size *sizes = mem_alloc(r->list->file_count * sizeof(*sizes));

	unite_all(r);
	r->session->state.total = r->count;
	files_ask(r->session, r->list, sizes, r->failures);
	for (size_t i = 0; i < r->count; i++) {
		struct task *t = r->tasks[i];

		lock_pin_init(&t->pin);
		t->pin.ref = t->ref;
		t->pin.leave_foreign = t->exceptions.leave_foreign;
		if (t->from->kind != SOURCE_REGISTRY)
			source_ref_copy(&t->pin.from, t->from);
		task_start(t);
	}
	if (session_run(r->session, e) < 0)
		return -1;
	files_pin(r->list, sizes, r->lock);
	return 0;
}

int resolve_list(struct session *s, const struct list *list, struct lock *lock,
	struct failures *failures, struct err *e)
{
	struct resolver r = { .session = s, .list = list, .lock = lock, .failures = failures };
	int rc = signed_rules_load(&r.rules, list, s->origins.base, e);

	if (rc < 0)
		return -1;
	rc = first_round(&r, e);
	if (rc == 0)
		rc = second_round(&r, e);
	tag_lists_free(&r);
	for (size_t i = 0; i < r.count; i++)
		task_free(r.tasks[i]);
	free(r.tasks);
	signed_rules_release(&r.rules);
	return rc;
}
