/*
 * The manifests of a medium, by one pass over its volumes that skips all else. A volume has a manifest before the
 * blobs that it names, so each blob is asked for before it comes. Must never trust a byte whose digest was not
 * compared.
 */
#include <stdlib.h>

#include "mirror-tool/list/list.h"
#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/view/view.h"
#include "mirror-tool/media/medium.h"
#include "mirror-tool/media/tar_read.h"
#include "mirror-tool/view/blob_cache.h"
#include "storage/oci/config.h"
#include "storage/oci/graph.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct scan {
	struct view *view;
	uint64_t cached; /* bytes so far */
	unsigned volume; /* that is being read, from 1 */
	bool has_index; /* its index was read */
};

/* limit: bytes; 0: do not cache it. */
static void want(struct scan *s, const struct digest *d, uint64_t limit)
{
	if (limit)
		blob_cache_want(s->view->blobs, d, limit);
}

/* --- what a blob names ------------------------------------------------------------ */

static void want_entries(struct scan *s, const struct view_set *set)
{
	for (size_t i = 0; i < set->set.count; i++)
		want(s, &set->set.entries[i].digest, MANIFEST_MAX);
}

static struct view_set *set_by_digest(struct view *view, const struct digest *d)
{
	for (size_t i = 0; i < view->count; i++)
		if (digest_eq(&view->sets[i].info.digest, d))
			return &view->sets[i];
	return NULL;
}

static bool is_small_kind(const char *media_type)
{
	return strcmp(media_type, MEDIA_MOAT_INVENTORY) == 0 ||
	       strcmp(media_type, MEDIA_COSIGN_PAYLOAD) == 0 || cosign_is_bundle_type(media_type);
}

/* Bytes to cache of what an edge leads to; 0: none. */
static uint64_t edge_limit(const struct edge *edge)
{
	if (edge->role == EDGE_CONFIG)
		return config_is_image(edge->to) ? IMAGE_CONFIG_MAX : 0;
	if (edge->role == EDGE_LAYER && strcmp(edge->to->media_type, MEDIA_MOAT_LIST) == 0)
		return LIST_BYTES_MAX;
	if (edge->role == EDGE_LAYER)
		return is_small_kind(edge->to->media_type) ? INVENTORY_BYTES_MAX : 0;
	return edge_is_manifest(edge) ? MANIFEST_MAX : 0;
}

static void want_parts(struct scan *s, const struct manifest *m)
{
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);

		want(s, &edge.to->digest, edge_limit(&edge));
	}
}

static int want_named(struct scan *s, const struct cached_blob *blob, struct err *e)
{
	struct view_set *set = set_by_digest(s->view, &blob->digest);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct err ignored = ERR_INIT;

	if (set && set_parse(&set->set, "set", buf_span(&blob->bytes), e) < 0)
		return -1;
	if (set)
		want_entries(s, set);
	/* Payloads and inventories are no manifests and name nothing. */
	else if (manifest_parse(&m, "blob", NULL, buf_span(&blob->bytes), &ignored) == 0)
		want_parts(s, &m);
	return 0;
}

/* --- volumes ----------------------------------------------------------------------------------- */

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

static int read_index(struct scan *s, struct tar_reader *tar, struct err *e)
{
	AUTO(volume_index_release) struct volume_index v = VOLUME_INDEX_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;

	if (s->has_index)
		return err_set(e, ERR_CORRUPT, "entry " VOLUME_INDEX " is there twice");
	s->has_index = true;
	if (tar_data_all(tar, VOLUME_INDEX_MAX, &bytes, e) < 0 ||
		volume_index_parse(&v, VOLUME_INDEX, buf_span(&bytes), e) < 0)
		return -1;
	add_medium_set(s->view, &v);
	want(s, &v.set, SET_BYTES_MAX);
	for (size_t i = 0; i < v.signature_count; i++)
		want(s, &v.signatures[i].digest, MANIFEST_MAX);
	return 0;
}

static int read_wanted(struct scan *s, struct tar_reader *tar, struct cached_blob *blob,
	const struct tar_entry *entry, struct err *e)
{
	if (entry->size > VIEW_CACHED_MAX - s->cached)
		return err_set(e, ERR_CORRUPT, "its manifests are more than %u MiB",
			VIEW_CACHED_MAX >> 20);
	s->cached += entry->size;
	blob->volume = s->volume;
	if (tar_data_all(tar, blob->limit, &blob->bytes, e) < 0)
		return -1;
	return blob_cache_is_whole(blob) ? want_named(s, blob, e) : 0;
}

static int read_entry(
	struct scan *s, struct tar_reader *tar, const struct tar_entry *entry, struct err *e)
{
	enum volume_entry kind;
	struct cached_blob *blob;
	struct digest d;
	uint64_t at = 0;

	if (strcmp(entry->name, VOLUME_INDEX) == 0)
		return read_index(s, tar, e);
	kind = volume_name_parse(entry->name, &d, &at);
	if (kind == VOLUME_OTHER)
		return 0;
	blob = blob_cache_find(s->view->blobs, &d);
	if (!blob || blob->whole || blob->volume == s->volume || blob->bytes.len != at ||
		entry->size > blob->limit - at)
		return 0;
	if (read_wanted(s, tar, blob, entry, e) < 0)
		return -1;
	if (kind == VOLUME_BLOB && !blob->whole)
		return err_set(e, ERR_CORRUPT, "%s: not what its name says", entry->name);
	return 0;
}

static int read_volume(struct scan *s, const char *path, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	AUTO(tar_close) struct tar_reader *tar = NULL;
	struct tar_entry entry;
	int rc;

	s->volume++;
	s->has_index = false;
	if (medium_open(path, &fd, e) < 0 || tar_open(&tar, fd, path, 0, e) < 0)
		return -1;
	while ((rc = tar_next(tar, &entry, e)) == 1)
		if (read_entry(s, tar, &entry, e) < 0)
			return err_ctx(e, "%s", path);
	if (rc == 0 && !s->has_index)
		return err_set(e, ERR_CORRUPT, "%s: ends before entry " VOLUME_INDEX, path);
	return rc;
}

/* Parse each set again, now with its inventory; the first time told what to cache. */
static int load_sets(struct view *view, struct err *e)
{
	for (size_t i = 0; i < view->count; i++) {
		set_release(&view->sets[i].set);
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

int view_medium(struct view *view, const char *const *paths, size_t count, struct err *e)
{
	AUTO(medium_paths_release) struct medium_paths found = { NULL, 0 };
	struct scan s = { .view = view };

	if (medium_paths_find(&found, paths, count, e) < 0)
		return -1;
	/* An index may be in a volume before that of what it names. */
	qsort(found.items, found.count, sizeof(*found.items), compare_files);
	view->blobs = blob_cache_new();
	for (size_t i = 0; i < found.count; i++)
		if (read_volume(&s, found.items[i], e) < 0)
			return -1;
	return load_sets(view, e);
}
