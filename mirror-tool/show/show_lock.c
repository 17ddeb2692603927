/* A lock: what it pins. Says nothing of what any store holds. */
#include <stdlib.h>

#include "mirror-tool/show/show.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

/* --- what sets and locks have in common -------------------------------------------------------- */

void show_counts(struct report *r, const struct show_count *count)
{
	report_object(r, "counts");
	report_number(r, "images", count->images);
	report_number(r, "files", count->files);
	report_number(r, "attached", count->attached);
	report_end(r);
	report_line(r, "%-12s %zu image%s, %zu file%s, %zu attached", "content", count->images,
		count->images == 1 ? "" : "s", count->files, count->files == 1 ? "" : "s",
		count->attached);
}

/* Each platform that a pin is held for, sorted. */
void show_platforms(struct report *r, const struct lock *l)
{
	AUTO(buf_release) struct buf words = BUF_INIT;
	struct lock_pin all = { .size = 0 };

	for (size_t i = 0; i < l->count; i++) {
		const struct lock_pin *pin = &l->pins[i];

		for (size_t k = 0; k < pin->platforms.count; k++)
			platform_texts_add(&all.platforms, pin->platforms.items[k]);
		for (size_t k = 0; k < pin->file_count; k++) {
			char text[PLATFORM_TEXT_SIZE];

			if (pin->files[k].has_platform)
				platform_texts_add(&all.platforms,
					platform_text(&pin->files[k].platform, text));
		}
	}
	for (size_t i = 0; i < all.platforms.count; i++) {
		buf_printf(&words, "%s%s", i ? " " : "", all.platforms.items[i]);
		free(all.platforms.items[i]);
	}
	free(all.platforms.items);
	report_words(r, "platforms", words.data, ' ');
	report_label(r, "platforms", words.data);
}

/* digest: NULL of what was skipped. */
static void show_excuse(struct report *r, const char *ref, const char *kind,
	const struct digest *digest, const char *why)
{
	char text[DIGEST_TEXT_SIZE] = "";

	if (digest)
		digest_text(digest, text);
	report_object(r, NULL);
	report_text(r, "reference", ref);
	report_text(r, "kind", kind);
	report_text(r, "digest", text);
	report_text(r, "why", why);
	report_line(r, "  %-14s %s  %s%s%s", kind, ref, text, *text ? "  " : "", why);
	report_end(r);
}

void show_excused(struct report *r, const struct lock *l)
{
	char ref[REF_TEXT_SIZE];

	for (size_t i = 0; i < l->skipped.count; i++)
		show_excuse(r, l->skipped.items[i].ref, "skipped", NULL, l->skipped.items[i].why);
	for (size_t i = 0; i < l->count; i++) {
		const struct excuses *x = &l->pins[i].excused;

		for (size_t k = 0; k < x->count; k++)
			show_excuse(r, ref_text(&l->pins[i].ref, ref),
				excuse_name(x->items[k].kind), &x->items[k].digest,
				x->items[k].why);
	}
}

/* --- a lock ------------------------------------------------------------------------------------ */

static void show_pin(struct report *r, const struct lock_pin *pin)
{
	char reference[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	report_object(r, NULL);
	report_text(r, "reference", ref_text(&pin->ref, reference));
	report_digest(r, "digest", &pin->digest);
	report_text(r, "mediaType", pin->media_type);
	report_line(r, "  %s  %s", digest_text(&pin->digest, digest), reference);
	report_end(r);
}

static void show_pins(struct report *r, const struct lock *l, const char *key, bool files)
{
	report_section(r, key, key, false);
	for (size_t i = 0; i < l->count; i++)
		if (!!*l->pins[i].artifact_type == files)
			show_pin(r, &l->pins[i]);
	report_end(r);
}

void show_lock(struct report *r, const struct lock *l)
{
	struct show_count count = { .images = 0 };

	for (size_t i = 0; i < l->count; i++) {
		count.files += *l->pins[i].artifact_type != '\0';
		count.images += !*l->pins[i].artifact_type;
		count.attached += l->pins[i].attached_count;
	}
	report_fact(r, "set", l->name);
	report_fact(r, "version", l->version);
	report_fact(r, "created", l->created);
	report_label(r, "state", "a lock");
	show_counts(r, &count);
	show_platforms(r, l);
	report_number(r, "excuses", lock_excuses(l));
	report_section(r, "excused", "excused", false);
	show_excused(r, l);
	report_end(r);
	show_pins(r, l, "images", false);
	show_pins(r, l, "files", true);
}
