/* Compare two locks. Pure; must report everything that makes their bytes differ. */
#include "mirror-tool/list/drift.h"

#include <stdlib.h>

#include "storage/base/tree.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

const char *drift_name(enum drift_kind kind)
{
	static const char *const names[] = {
		[DRIFT_MOVED] = "moved",
		[DRIFT_NEW] = "new",
		[DRIFT_GONE] = "gone",
		[DRIFT_VANISHED] = "vanished",
		[DRIFT_PLATFORMS] = "platforms",
		[DRIFT_ATTACHED] = "attached",
		[DRIFT_DETACHED] = "detached",
		[DRIFT_SOURCE] = "source",
		[DRIFT_EXCUSED] = "excused",
		[DRIFT_SKIPPED] = "skipped",
		[DRIFT_LIST] = "list",
	};

	return names[kind];
}

static void add(
	struct drifts *d, enum drift_kind kind, const char *ref, const char *from, const char *to)
{
	*VEC_PUSH(d->items, d->count) = (struct drift){
		.kind = kind,
		.ref = mem_strdup(ref),
		.from = mem_strdup(from),
		.to = mem_strdup(to),
	};
}

void drifts_release(struct drifts *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->items[i].ref);
		free(d->items[i].from);
		free(d->items[i].to);
	}
	free(d->items);
	*d = (struct drifts){ NULL, 0 };
}

/* --- one pin ------------------------------------------------------------------------------- */

static void join(struct buf *out, const struct platform_texts *t, const char *before)
{
	for (size_t i = 0; i < t->count; i++)
		buf_printf(out, "%s%s%s", out->len ? " " : "", before, t->items[i]);
}

/* Write the platforms that are held and, with a minus, those that are not: "linux/amd64
 * -linux/arm64". */
static void platforms_of(struct buf *out, const struct lock_pin *pin)
{
	join(out, &pin->platforms, "");
	join(out, &pin->absent, "-");
}

static void compare_platforms(
	struct drifts *d, const char *ref, const struct lock_pin *old, const struct lock_pin *now)
{
	AUTO(buf_release) struct buf before = BUF_INIT;
	AUTO(buf_release) struct buf after = BUF_INIT;

	platforms_of(&before, old);
	platforms_of(&after, now);
	if (strcmp(before.data, after.data) != 0)
		add(d, DRIFT_PLATFORMS, ref, before.data, after.data);
}

static bool same_attachment(const struct lock_attachment *a, const struct lock_attachment *b)
{
	return digest_eq(&a->digest, &b->digest) && strcmp(a->tag, b->tag) == 0 &&
	       digest_eq(&a->subject, &b->subject) && a->size == b->size &&
	       strcmp(a->media_type, b->media_type) == 0 &&
	       strcmp(a->artifact_type, b->artifact_type) == 0;
}

static bool has_attachment(const struct lock_pin *pin, const struct lock_attachment *a)
{
	for (size_t i = 0; i < pin->attached_count; i++)
		if (same_attachment(&pin->attached[i], a))
			return true;
	return false;
}

/* Name an attachment: "sha256:... sha256-....sig" or "sha256:... application/spdx+json". */
static char *attachment_text(const struct lock_attachment *a)
{
	char text[DIGEST_TEXT_SIZE];

	return mem_printf("%s %s", digest_text(&a->digest, text),
		a->tag[0]           ? a->tag
		: *a->artifact_type ? a->artifact_type
				    : a->media_type);
}

static void compare_attached(
	struct drifts *d, const char *ref, const struct lock_pin *old, const struct lock_pin *now)
{
	for (size_t i = 0; i < old->attached_count; i++) {
		if (!has_attachment(now, &old->attached[i])) {
			AUTO(mem_free) char *text = attachment_text(&old->attached[i]);

			add(d, DRIFT_DETACHED, ref, text, "");
		}
	}
	for (size_t i = 0; i < now->attached_count; i++) {
		if (!has_attachment(old, &now->attached[i])) {
			AUTO(mem_free) char *text = attachment_text(&now->attached[i]);

			add(d, DRIFT_ATTACHED, ref, "", text);
		}
	}
}

static void compare_foreign(
	struct drifts *d, const char *ref, const struct lock_pin *old, const struct lock_pin *now)
{
	static const char *const words[] = { "foreign-layers: fetch", "foreign-layers: leave" };

	if (old->leave_foreign != now->leave_foreign)
		add(d, DRIFT_EXCUSED, ref, words[old->leave_foreign], words[now->leave_foreign]);
}

/* Ignore the reason of an excuse: the text of an error may differ from day to day. */
static void excuses_beyond(struct drifts *d, const char *ref, const struct excuses *these,
	const struct excuses *those, bool is_new)
{
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < these->count; i++) {
		const struct excuse *x = &these->items[i];
		AUTO(mem_free) char *what = NULL;

		if (excuses_has(those, x->kind, &x->digest))
			continue;
		what = mem_printf("%s %s%s%s", excuse_name(x->kind), digest_text(&x->digest, text),
			is_new ? ": " : "", is_new ? x->why : "");
		add(d, DRIFT_EXCUSED, ref, is_new ? "" : what, is_new ? what : "");
	}
}

static void compare_excused(
	struct drifts *d, const char *ref, const struct lock_pin *old, const struct lock_pin *now)
{
	excuses_beyond(d, ref, &old->excused, &now->excused, false);
	excuses_beyond(d, ref, &now->excused, &old->excused, true);
}

/* Name the source of a pin: a layout, another place, or the addresses of its files. */
static void source_of(struct buf *out, const struct lock_pin *pin)
{
	if (pin->from.kind != SOURCE_REGISTRY)
		buf_str(out, pin->from.text);
	for (size_t i = 0; i < pin->file_count; i++)
		buf_printf(out, "%s%s", out->len ? " " : "", pin->files[i].url);
}

static void compare_source(
	struct drifts *d, const char *ref, const struct lock_pin *old, const struct lock_pin *now)
{
	AUTO(buf_release) struct buf before = BUF_INIT;
	AUTO(buf_release) struct buf after = BUF_INIT;

	source_of(&before, old);
	source_of(&after, now);
	if (strcmp(before.data, after.data) != 0)
		add(d, DRIFT_SOURCE, ref, before.data, after.data);
}

static void compare_pin(
	struct drifts *d, const char *ref, const struct lock_pin *old, const struct lock_pin *now)
{
	char before[DIGEST_TEXT_SIZE], after[DIGEST_TEXT_SIZE];

	if (!digest_eq(&old->digest, &now->digest))
		add(d, DRIFT_MOVED, ref, digest_text(&old->digest, before),
			digest_text(&now->digest, after));
	compare_platforms(d, ref, old, now);
	compare_attached(d, ref, old, now);
	compare_source(d, ref, old, now);
	compare_foreign(d, ref, old, now);
	compare_excused(d, ref, old, now);
}

/* --- the whole ----------------------------------------------------------------------------- */

static const struct failure *failure_of(const struct failures *failures, const char *ref)
{
	for (size_t i = 0; i < failures->count; i++)
		if (strcmp(failures->items[i].item, ref) == 0)
			return &failures->items[i];
	return NULL;
}

static bool says_vanished(const struct failure *f)
{
	return f->code == ERR_ABSENT || f->code == ERR_INCOMPLETE;
}

/* Report a pin that only the old lock has: skipped, no longer wanted, vanished upstream, or unknown
 * (a failure). */
static void missing_pin(struct drifts *d, const struct lock_pin *old, const struct lock *now,
	const struct failures *failures)
{
	char ref[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
	const struct failure *f = failure_of(failures, ref_text(&old->ref, ref));
	const struct skip *skipped = skips_find(&now->skipped, ref);

	digest_text(&old->digest, digest);
	if (skipped)
		add(d, DRIFT_SKIPPED, ref, digest, skipped->why);
	else if (!f)
		add(d, DRIFT_GONE, ref, digest, "");
	else if (says_vanished(f))
		add(d, DRIFT_VANISHED, ref, digest, f->text);
}

static char *settings_text(const struct lock *l)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	buf_printf(&text, "%s%s%s ", l->name, l->version[0] ? ":" : "", l->version);
	registry_confs_write(&l->registries, &text);
	return buf_detach(&text);
}

static void compare_lists(struct drifts *d, const struct lock *old, const struct lock *now)
{
	AUTO(mem_free) char *before = settings_text(old);
	AUTO(mem_free) char *after = settings_text(now);
	char old_digest[DIGEST_TEXT_SIZE], new_digest[DIGEST_TEXT_SIZE];

	if (strcmp(before, after) != 0)
		add(d, DRIFT_LIST, "list", before, after);
	else if (!digest_eq(&old->list, &now->list))
		add(d, DRIFT_LIST, "list", digest_text(&old->list, old_digest),
			digest_text(&now->list, new_digest));
}

static bool is_pinned(const struct lock *l, const char *text)
{
	struct err ignored = ERR_INIT;
	struct ref ref;

	return ref_parse(&ref, span_of(text), &ignored) == 0 && lock_find(l, &ref);
}

/* Report references that are skipped in one lock only. One that is pinned now is new. */
static void compare_skipped(struct drifts *d, const struct lock *old, const struct lock *now,
	const struct failures *failures)
{
	for (size_t i = 0; i < now->skipped.count; i++) {
		const struct skip *s = &now->skipped.items[i];

		if (!skips_find(&old->skipped, s->ref) && !is_pinned(old, s->ref))
			add(d, DRIFT_SKIPPED, s->ref, "", s->why);
	}
	for (size_t i = 0; i < old->skipped.count; i++) {
		const struct skip *s = &old->skipped.items[i];

		if (!skips_find(&now->skipped, s->ref) && !is_pinned(now, s->ref) &&
			!failure_of(failures, s->ref))
			add(d, DRIFT_GONE, s->ref, "skipped", "");
	}
}

void drift_find(struct drifts *out, const struct lock *old, const struct lock *now,
	const struct failures *failures)
{
	char ref[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	*out = (struct drifts){ NULL, 0 };
	compare_lists(out, old, now);
	for (size_t i = 0; i < old->count; i++) {
		const struct lock_pin *pin = lock_find(now, &old->pins[i].ref);

		if (pin)
			compare_pin(out, ref_text(&pin->ref, ref), &old->pins[i], pin);
		else
			missing_pin(out, &old->pins[i], now, failures);
	}
	for (size_t i = 0; i < now->count; i++)
		if (!lock_find(old, &now->pins[i].ref))
			add(out, DRIFT_NEW, ref_text(&now->pins[i].ref, ref), "",
				digest_text(&now->pins[i].digest, digest));
	compare_skipped(out, old, now, failures);
}

size_t drift_unexplained(const struct drifts *d, const struct failures *failures)
{
	size_t left = failures->count;

	for (size_t i = 0; i < d->count; i++)
		left -= d->items[i].kind == DRIFT_VANISHED;
	return left;
}
