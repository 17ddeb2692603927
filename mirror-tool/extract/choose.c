/* Files of a set, by globs over their names. Must never write. */
#include <fnmatch.h>
#include <stdlib.h>

#include "mirror-tool/extract/extract.h"
#include "storage/base/banned.h"

/* One run. */
struct choosing {
	struct view *view;
	const struct view_set *set;
	const struct texts *globs;
	bool *matched; /* by glob */
	struct extract_files *out;
};

static void choosing_release(struct choosing *c)
{
	free(c->matched);
}

/* Where a name of ours is in the way of the list, its host is dropped. */
static const char *list_name(const char *name)
{
	size_t len = strlen(SET_HOST "/");

	return strncmp(name, SET_HOST "/", len) == 0 ? name + len : name;
}

static bool is_chosen(
	struct choosing *c, const char *reference, const char *title, const char *path)
{
	bool chosen = c->globs->count == 0;

	for (size_t i = 0; i < c->globs->count; i++) {
		const char *glob = list_name(c->globs->items[i]);

		if (fnmatch(glob, reference, 0) != 0 && fnmatch(glob, title, 0) != 0 &&
			fnmatch(glob, path, 0) != 0)
			continue;
		c->matched[i] = true;
		chosen = true;
	}
	return chosen;
}

/* "cni/plugins/v1.9.1/", with the platform behind it below an index. */
static void add_folder(struct buf *path, const struct set_entry *entry,
	const struct view_child *child, bool is_index)
{
	char hex[DIGEST_HEX_SIZE];

	buf_printf(path, "%s/", list_name(entry->name));
	if (*entry->tag)
		buf_printf(path, "%s/", entry->tag);
	else
		buf_printf(path, "%s-%s/", digest_alg_name(entry->digest.alg),
			digest_hex(&entry->digest, hex));
	if (!is_index || !*child->platform)
		return;
	for (const char *at = child->platform; *at; at++)
		buf_char(path, *at == '/' ? '-' : *at);
	buf_char(path, '/');
}

/* The name of a blob: its title, or else its digest. The set's own have the names that people know. */
static void add_title(
	struct buf *title, const struct set_entry *entry, const struct view_layer *layer)
{
	char hex[DIGEST_HEX_SIZE];

	if (entry->role == SET_LIST || entry->role == SET_LOCK)
		buf_str(title, entry->role == SET_LIST ? "moat.yaml" : "moat.lock");
	else if (*layer->title)
		buf_str(title, layer->title);
	else
		buf_printf(title, "%s-%s", digest_alg_name(layer->digest.alg),
			digest_hex(&layer->digest, hex));
}

static int choose_layer(struct choosing *c, const struct set_entry *entry,
	const struct view_image *image, const struct view_child *child,
	const struct view_layer *layer, struct err *e)
{
	AUTO(buf_release) struct buf title = BUF_INIT;
	AUTO(buf_release) struct buf path = BUF_INIT;
	char text[REF_TEXT_SIZE];
	const char *reference = list_name(view_reference(entry, text));

	add_title(&title, entry, layer);
	if (view_kind_of(entry) != VIEW_OWN)
		add_folder(&path, entry, child, image->is_index);
	buf_add(&path, title.data, title.len);
	if (!is_chosen(c, reference, title.data, path.data))
		return 0;
	if (!layer->held)
		return err_set(
			e, ERR_INCOMPLETE, "%s: the set does not hold %s", reference, title.data);
	return extract_add(c->out, path.data, reference, &layer->digest, layer->size, e);
}

/* What the inventory has and nobody could read is missing; else it was left out on purpose. */
static int check_child(struct choosing *c, const struct set_entry *entry,
	const struct view_child *child, struct err *e)
{
	char text[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	if (child->entered || !inventory_find(&c->set->held, &child->digest))
		return 0;
	return err_set(e, ERR_INCOMPLETE, "%s: manifest %s is not here",
		list_name(view_reference(entry, text)), digest_text(&child->digest, digest));
}

static int choose_entry(struct choosing *c, const struct set_entry *entry, struct err *e)
{
	AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
	char text[REF_TEXT_SIZE];

	if (view_image(c->view, &c->set->held, &entry->digest, entry->size, entry->media_type,
		    &image, e) < 0)
		return -1;
	if (!image.known)
		return err_set(e, ERR_INCOMPLETE, "%s: its manifest is not %s",
			list_name(view_reference(entry, text)),
			c->view->store ? "here: `moat import --check MEDIUM` of the set brings it"
				       : EXTRACT_NOT_ON_MEDIUM);
	for (size_t i = 0; i < image.count; i++) {
		const struct view_child *child = &image.children[i];

		if (check_child(c, entry, child, e) < 0)
			return -1;
		for (size_t j = 0; j < child->layer_count; j++)
			if (choose_layer(c, entry, &image, child, &child->layers[j], e) < 0)
				return -1;
	}
	return 0;
}

static bool has_files(const struct set_entry *entry)
{
	return entry->role == SET_LIST || entry->role == SET_LOCK ||
	       view_kind_of(entry) == VIEW_FILE;
}

static int check_matched(const struct choosing *c, struct err *e)
{
	for (size_t i = 0; i < c->globs->count; i++)
		if (!c->matched[i])
			return err_set(e, ERR_ABSENT, "%s:%s has no file %s", c->set->info.name,
				c->set->info.version, c->globs->items[i]);
	if (!c->out->count)
		return err_set(e, ERR_ABSENT, "%s:%s has no files", c->set->info.name,
			c->set->info.version);
	return 0;
}

int extract_choose(struct view *view, struct view_set *s, const struct texts *globs,
	struct extract_files *out, struct err *e)
{
	AUTO(choosing_release)
	struct choosing c = { view, s, globs, mem_alloc((globs->count + 1) * sizeof(bool)), out };

	if (view_load(view, s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->set.count; i++)
		if (has_files(&s->set.entries[i]) && choose_entry(&c, &s->set.entries[i], e) < 0)
			return -1;
	return check_matched(&c, e) < 0 ? -1 : extract_sort(out, e);
}
