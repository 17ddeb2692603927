/* Which line of the list in a set wants a reference. Pure but for reading the list. */
#include <stdlib.h>

#include "mirror-tool/list/list.h"
#include "mirror-tool/why/why.h"
#include "storage/base/banned.h"

static bool image_wants(const struct list_image *image, const struct set_entry *entry)
{
	char name[REF_TEXT_SIZE];

	if (strcmp(ref_name(&image->ref, name), entry->name) != 0)
		return false;
	for (size_t i = 0; i < image->pattern_count; i++)
		if (pattern_match(&image->patterns[i], entry->tag))
			return true;
	if (image->pattern_count)
		return false;
	if (*image->ref.tag)
		return strcmp(image->ref.tag, entry->tag) == 0;
	return digest_eq(&image->ref.digest, &entry->digest);
}

/* Of the files of one reference, that whose bytes are meant, or else the first. */
static uint32_t file_line(
	const struct list *l, const struct set_entry *entry, const struct digest *target)
{
	char name[REF_TEXT_SIZE];
	uint32_t line = 0;

	for (size_t i = 0; i < l->file_count; i++) {
		const struct list_file *f = &l->files[i];

		if (strcmp(ref_name(&f->ref, name), entry->name) != 0 ||
			strcmp(f->ref.tag, entry->tag) != 0)
			continue;
		if (digest_eq(&f->digest, target))
			return f->line;
		line = line ? line : f->line;
	}
	return line;
}

static uint32_t entry_line(
	const struct list *l, const struct set_entry *entry, const struct digest *target)
{
	for (size_t i = 0; i < l->image_count; i++)
		if (image_wants(&l->images[i], entry))
			return l->images[i].line;
	return file_line(l, entry, target);
}

/* Is the entry what the other one is attached to, by its subject or by a tag? */
static bool is_subject(const struct set_entry *entry, const struct set_entry *attached)
{
	char tag[REF_TAG_MAX + 1];

	if (view_kind_of(entry) == VIEW_ATTACHED || strcmp(entry->name, attached->name) != 0)
		return false;
	ref_fallback_tag(&entry->digest, "", tag);
	return digest_eq(&attached->subject, &entry->digest) ||
	       strncmp(attached->tag, tag, strlen(tag)) == 0;
}

/* An attachment is wanted with its image; one of a platform's manifest only if a single line has that name. */
static uint32_t attached_line(
	const struct list *l, const struct set *s, const struct set_entry *attached)
{
	char name[REF_TEXT_SIZE];
	uint32_t line = 0;

	for (size_t i = 0; i < s->count; i++)
		if (is_subject(&s->entries[i], attached))
			return entry_line(l, &s->entries[i], &s->entries[i].digest);
	for (size_t i = 0; i < l->image_count; i++) {
		if (strcmp(ref_name(&l->images[i].ref, name), attached->name) != 0)
			continue;
		if (line)
			return 0;
		line = l->images[i].line;
	}
	return line;
}

static char *line_text(const struct buf *text, uint32_t number)
{
	struct span rest = buf_span(text), line = { "", 0 };

	for (uint32_t i = 0; i < number; i++)
		line = span_until(&rest, '\n');
	while (line.len && strchr(" \t\r", line.data[line.len - 1]))
		line.len--;
	while (line.len && strchr(" \t", line.data[0])) {
		line.data++;
		line.len--;
	}
	return mem_strndup(line.data, line.len);
}

static void name_line(
	struct why_use *use, const struct list *l, const struct set *s, const struct buf *text)
{
	const struct digest *target = &use->chain[use->count - 1].digest;

	if (!use->entry || view_kind_of(use->entry) == VIEW_OWN)
		return;
	use->line = view_kind_of(use->entry) == VIEW_ATTACHED ? attached_line(l, s, use->entry)
							      : entry_line(l, use->entry, target);
	if (!use->line)
		return;
	free(use->wants);
	use->wants = line_text(text, use->line);
}

int why_name_lines(
	struct view *view, const struct view_set *s, struct why *w, size_t first, struct err *e)
{
	AUTO(list_release) struct list l = LIST_ZERO;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err ignored = ERR_INIT;
	int rc = view_document(view, &s->set, SET_LIST, LIST_BYTES_MAX, &text, e);

	if (rc <= 0 || list_parse(&l, "moat.yaml", buf_span(&text), &ignored) < 0)
		return rc < 0 && !err_is_loss(e->code) ? -1 : 0;
	for (size_t i = first; i < w->count; i++)
		name_line(&w->uses[i], &l, &s->set, &text);
	return 0;
}
