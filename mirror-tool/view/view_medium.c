/*
 * The sets of a medium, by one pass over its volumes that reads what each says it is, and notes where the blobs are. Must
 * never trust a byte whose digest was not compared.
 */
#include <stdlib.h>

#include "mirror-tool/view/view.h"
#include "mirror-tool/media/medium.h"
#include "mirror-tool/media/tar_read.h"
#include "mirror-tool/media/volume_index.h"
#include "mirror-tool/view/places.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

static struct view_set *set_by_digest(struct view *view, const struct digest *d)
{
	for (size_t i = 0; i < view->count; i++)
		if (digest_eq(&view->sets[i].info.digest, d))
			return &view->sets[i];
	return NULL;
}

static void add_medium_set(struct view *view, const struct volume_index *v)
{
	struct view_set *set = set_by_digest(view, &v->set);

	if (set)
		return;
	set = VEC_PUSH(view->sets, view->count);
	set->info.digest = v->set;
	set->signature_count = v->signature_count;
	set->signatures = mem_alloc(v->signature_count * sizeof(*set->signatures));
	for (size_t i = 0; i < v->signature_count; i++)
		set->signatures[i] = v->signatures[i];
}

static int read_index(struct view *view, struct tar_reader *tar, struct err *e)
{
	AUTO(volume_index_release) struct volume_index v = VOLUME_INDEX_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;

	if (tar_data_all(tar, VOLUME_INDEX_MAX, &bytes, e) < 0 ||
		volume_index_parse(&v, VOLUME_INDEX, buf_span(&bytes), e) < 0)
		return -1;
	places_on(view->places, &v.base);
	add_medium_set(view, &v);
	return 0;
}

static int read_volume(struct view *view, const char *path, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	AUTO(tar_close) struct tar_reader *tar = NULL;
	struct tar_entry entry;
	size_t indexes = 0;
	int rc;

	places_in(view->places, path);
	if (medium_open(path, &fd, e) < 0 || tar_open(&tar, fd, path, 0, e) < 0)
		return -1;
	while ((rc = tar_next(tar, &entry, e)) == 1) {
		bool is_index = strcmp(entry.name, VOLUME_INDEX) == 0;

		if (is_index && indexes++)
			rc = err_set(e, ERR_CORRUPT, "entry " VOLUME_INDEX " is there twice");
		else
			rc = is_index ? read_index(view, tar, e)
				      : places_add(view->places, &entry, e);
		if (rc < 0)
			return err_ctx(e, "%s", path);
	}
	if (rc == 0 && !indexes)
		return err_set(e, ERR_CORRUPT, "%s: ends before entry " VOLUME_INDEX, path);
	return rc;
}

static int load_sets(struct view *view, struct err *e)
{
	for (size_t i = 0; i < view->count; i++) {
		if (view_load(view, &view->sets[i], e) < 0)
			return -1;
		for (size_t j = 0; j < view->sets[i].set.count; j++)
			if (view_kind_of(&view->sets[i].set.entries[j]) != VIEW_OWN)
				view->sets[i].info.pins++;
	}
	return 0;
}

static const char *file_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(file_of(*(char *const *)a), file_of(*(char *const *)b));
}

int view_medium(struct view *view, const char *const *paths, size_t count, struct store *documents,
	struct err *e)
{
	AUTO(medium_paths_release) struct medium_paths found = { NULL, 0 };

	view->documents = documents;
	if (medium_paths_find(&found, paths, count, e) < 0)
		return -1;
	qsort(found.items, found.count, sizeof(*found.items), compare_files);
	view->places = places_new(documents);
	for (size_t i = 0; i < found.count; i++)
		if (read_volume(view, found.items[i], e) < 0)
			return -1;
	return load_sets(view, e);
}
