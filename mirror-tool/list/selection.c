/* Select the children of an index. */
#include "mirror-tool/list/selection.h"

#include "storage/oci/graph.h"
#include "storage/base/banned.h"

/* Has the child a platform? buildkit writes "unknown" for none. */
static bool has_platform(const struct descriptor *d)
{
	return d->has_platform && strcmp(d->platform.os, "unknown") != 0;
}

static bool is_absent(const struct descriptor *d, const struct platform_texts *absent)
{
	char text[PLATFORM_TEXT_SIZE];

	return has_platform(d) && platform_texts_has(absent, platform_text(&d->platform, text));
}

bool select_held(const struct manifest *index, size_t i, const struct lock_pin *pin, bool attached)
{
	const struct platform_texts *absent = &pin->absent;
	bool about_absent = false;
	struct digest of;

	if (excuses_has(&pin->excused, EXCUSE_ATTACHMENT, &index->items[i].digest))
		return false;
	if (attached || !absent->count)
		return true;
	if (!descriptor_is_attestation(&index->items[i], &of))
		return !is_absent(&index->items[i], absent);
	for (size_t other = 0; other < index->count; other++) {
		if (!digest_eq(&index->items[other].digest, &of))
			continue;
		if (!is_absent(&index->items[other], absent))
			return true;
		about_absent = true;
	}
	return !about_absent;
}

void select_platforms(
	const struct manifest *index, const struct platforms *wanted, struct lock_pin *pin)
{
	char text[PLATFORM_TEXT_SIZE];

	for (size_t i = 0; i < index->count; i++) {
		const struct descriptor *d = &index->items[i];

		if (has_platform(d))
			platform_texts_add(platforms_want(wanted, &d->platform) ? &pin->platforms
										: &pin->absent,
				platform_text(&d->platform, text));
	}
}

static bool has_wanted(const struct platform *wanted, const struct platform_texts *held)
{
	struct platform p;
	struct err e;

	for (size_t i = 0; i < held->count; i++)
		if (platform_parse(&p, span_of(held->items[i]), &e) == 0 &&
			platform_match(wanted, &p))
			return true;
	return false;
}

static void list_texts(struct buf *out, const struct platform_texts *t)
{
	for (size_t i = 0; i < t->count && out->len < 300; i++)
		buf_printf(out, " %s", t->items[i]);
}

int select_check(const struct platforms *wanted, const struct lock_pin *pin, struct err *e)
{
	AUTO(buf_release) struct buf missing = BUF_INIT;
	AUTO(buf_release) struct buf there = BUF_INIT;
	char text[PLATFORM_TEXT_SIZE];

	if (pin->platforms.count > LOCK_PLATFORMS_MAX || pin->absent.count > LOCK_PLATFORMS_MAX)
		return err_set(e, ERR_INPUT, "more than %d platforms", LOCK_PLATFORMS_MAX);
	if (!pin->platforms.count && !pin->absent.count)
		return 0;
	for (size_t i = 0; i < wanted->count; i++)
		if (!has_wanted(&wanted->items[i], &pin->platforms))
			buf_printf(&missing, " %s", platform_text(&wanted->items[i], text));
	if (!missing.len)
		return 0;
	list_texts(&there, &pin->platforms);
	list_texts(&there, &pin->absent);
	return err_set(e, ERR_INCOMPLETE, "there is no%s; there is%s", missing.data, there.data);
}
