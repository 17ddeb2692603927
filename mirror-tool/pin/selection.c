/* Children of an index: held or not. Pure. */
#include "mirror-tool/pin/selection.h"

#include "storage/base/banned.h"

/* Does it say for which platform it is? "unknown" is how buildkit says that it does not. */
static bool has_platform(const struct descriptor *d)
{
	return d->has_platform && strcmp(d->platform.os, "unknown") != 0;
}

/* An attestation follows the child that it is about; one about something else is held. */
static void select_attestations(const struct manifest *index, bool *held)
{
	for (size_t i = 0; i < index->count; i++) {
		struct digest of;

		if (!descriptor_is_attestation(&index->items[i], &of))
			continue;
		for (size_t j = 0; j < index->count; j++)
			if (digest_eq(&index->items[j].digest, &of))
				held[i] = held[j];
	}
}

static int check_wanted(const struct manifest *index, const struct platforms *wanted, struct err *e)
{
	AUTO(buf_release) struct buf missing = BUF_INIT;
	AUTO(buf_release) struct buf there = BUF_INIT;
	char text[PLATFORM_TEXT_SIZE];

	for (size_t w = 0; w < wanted->count; w++) {
		size_t i = 0;

		while (i < index->count &&
			!(has_platform(&index->items[i]) &&
				platform_match(&wanted->items[w], &index->items[i].platform)))
			i++;
		if (i == index->count)
			buf_printf(&missing, " %s", platform_text(&wanted->items[w], text));
	}
	if (!missing.len)
		return 0;
	for (size_t i = 0; i < index->count && there.len < 300; i++)
		if (has_platform(&index->items[i]))
			buf_printf(&there, " %s", platform_text(&index->items[i].platform, text));
	return err_set(e, ERR_INCOMPLETE, "there is no%s; there is%s", missing.data,
		there.len ? there.data : " no platform at all");
}

/* Is it an index over platforms at all? Others (charts, files) are held whole. */
static bool any_platform(const struct manifest *index)
{
	for (size_t i = 0; i < index->count; i++)
		if (has_platform(&index->items[i]))
			return true;
	return false;
}

int select_wanted(const struct manifest *index, const struct platforms *wanted, bool *held,
	struct lock_pin *pin, struct err *e)
{
	char text[PLATFORM_TEXT_SIZE];

	if (any_platform(index) && check_wanted(index, wanted, e) < 0)
		return -1;
	for (size_t i = 0; i < index->count; i++) {
		const struct descriptor *d = &index->items[i];

		held[i] = !has_platform(d) || platforms_want(wanted, &d->platform);
		if (has_platform(d))
			platform_texts_add(held[i] ? &pin->platforms : &pin->absent,
				platform_text(&d->platform, text));
	}
	select_attestations(index, held);
	return 0;
}

void select_held(const struct manifest *index, const struct platform_texts *absent, bool *held)
{
	char text[PLATFORM_TEXT_SIZE];

	for (size_t i = 0; i < index->count; i++) {
		const struct descriptor *d = &index->items[i];

		held[i] = !has_platform(d) ||
			  !platform_texts_has(absent, platform_text(&d->platform, text));
	}
	select_attestations(index, held);
}
