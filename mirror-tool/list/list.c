/*
 * Read moat.yaml: the settings of the whole, then its sections (section.h). Every refusal names
 * file, line and path. Must never open a file or a network connection: paths in a list are checked
 * where they are opened.
 */
#include "mirror-tool/list/list.h"

#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/list/section.h"
#include "storage/base/banned.h"

const struct section *const list_sections[] = { &section_registries, &section_images,
	&section_files, &section_verify };
const size_t list_section_count = ARRAY_SIZE(list_sections);

/* --- twice ------------------------------------------------------------------------------- */

static int entry_cmp(const void *a, const void *b)
{
	const struct list_entry *left = a, *right = b;
	int order = strcmp(left->text, right->text);

	return order ? order : (left->line > right->line) - (left->line < right->line);
}

/* Refuse an entry that is there twice, naming both lines. */
static int find_twice(
	const char *file, const struct list_entry *sorted, size_t count, struct err *e)
{
	for (size_t i = 1; i < count; i++)
		if (strcmp(sorted[i - 1].text, sorted[i].text) == 0)
			return err_set(e, ERR_INPUT, "%s:%u: %s is wanted twice, first at line %u",
				file, sorted[i].line, sorted[i].text, sorted[i - 1].line);
	return 0;
}

static int check_twice(
	const struct list *l, const struct section *s, const char *file, struct err *e)
{
	size_t count = s->count(l);
	AUTO(mem_free) struct list_entry *entries = mem_alloc(count * sizeof(*entries));
	int rc;

	for (size_t i = 0; i < count; i++)
		entries[i] = s->identity(l, i);
	if (count)
		qsort(entries, count, sizeof(*entries), entry_cmp);
	rc = find_twice(file, entries, count, e);
	for (size_t i = 0; i < count; i++)
		free(entries[i].text);
	return rc;
}

/* --- the whole --------------------------------------------------------------------------- */

static int check_keys(const struct doc *d, const struct node *root, struct err *e)
{
	static const char *const settings[] = { "set", "version", "platforms", "attachments",
		"foreign-layers", "on-error" };
	const char *known[ARRAY_SIZE(settings) + ARRAY_SIZE(list_sections) + 1] = { NULL };

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		known[i] = settings[i];
	for (size_t i = 0; i < list_section_count; i++)
		known[ARRAY_SIZE(settings) + i] = list_sections[i]->key;
	return node_only(d, root, known, e);
}

static int read_settings(struct list_reader *r, const struct node *root, struct err *e)
{
	static const struct exceptions strict = { .attachments = ATTACH_ALL };
	const char *name = NULL, *version = NULL;

	if (node_string(r->doc, root, "set", REQUIRED, &name, e) < 0 ||
		node_string(r->doc, root, "version", OPTIONAL, &version, e) < 0)
		return -1;
	if (set_check_name(span_of(name), e) < 0)
		return node_err(r->doc, node_get(root, "set"), e, "%s", e->text);
	if (version && (ref_check_tag(span_of(version), e) < 0))
		return node_err(r->doc, node_get(root, "version"), e, "%s", e->text);
	memcpy(r->list->name, name, strlen(name));
	if (version)
		snprintf(r->list->version, sizeof(r->list->version), "%s", version);
	if (platforms_read(&r->platforms, r->doc, root, e) < 0)
		return -1;
	return exceptions_read(&r->exceptions, &strict, r->doc, root, e);
}

static int check_sections(const struct list_reader *r, const struct node *root, struct err *e)
{
	const char *file = r->doc->name;
	size_t entries = 0;

	for (size_t i = 0; i < list_section_count; i++)
		entries += list_sections[i]->count ? list_sections[i]->count(r->list) : 0;
	if (!entries)
		return node_err(r->doc, root, e, "no images and no files: nothing is wanted");
	for (size_t i = 0; i < list_section_count; i++) {
		const struct section *s = list_sections[i];

		if (s->count && check_twice(r->list, s, file, e) < 0)
			return -1;
		if (s->check && s->check(r->list, file, e) < 0)
			return -1;
	}
	return 0;
}

static int read_all(struct list_reader *r, const struct node *root, struct err *e)
{
	if (check_keys(r->doc, root, e) < 0 || read_settings(r, root, e) < 0)
		return -1;
	for (size_t i = 0; i < list_section_count; i++)
		if (list_sections[i]->read(r, root, e) < 0)
			return -1;
	return check_sections(r, root, e);
}

int list_parse(struct list *l, const char *name, struct span bytes, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct list_reader r = { .list = l, .doc = &d };
	int rc;

	*l = (struct list)LIST_ZERO;
	if (bytes.len > LIST_BYTES_MAX)
		return err_set(e, ERR_INPUT, "%s: larger than %u bytes", name, LIST_BYTES_MAX);
	if (yaml_parse(&d, name, bytes, e) < 0)
		return -1;
	rc = read_all(&r, d.root, e);
	platforms_release(&r.platforms);
	exceptions_release(&r.exceptions);
	if (rc < 0)
		list_release(l);
	return rc;
}

void list_release(struct list *l)
{
	for (size_t i = 0; i < list_section_count; i++)
		list_sections[i]->release(l);
	*l = (struct list)LIST_ZERO;
}
