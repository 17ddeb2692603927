/*
 * The manifests of a medium, by one pass over its volumes in which everything else is skipped. A
 * volume lists a manifest before what it names, so whatever is needed has been asked for when it
 * comes. Trusts nothing and checks digests only.
 */
#include <stdlib.h>

#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/look/look.h"
#include "mirror-tool/media/medium.h"
#include "mirror-tool/media/tar_read.h"
#include "mirror-tool/look/shelf.h"
#include "storage/oci/config.h"
#include "storage/oci/graph.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

struct scan {
	struct look *look;
	uint64_t kept; /* bytes of what came */
	unsigned volume; /* at hand, in the order of reading, from 1 */
	bool has_index; /* that volume, so far */
};

/* limit: bytes. 0: nothing of that kind is kept. */
static void want(struct scan *s, const struct digest *d, uint64_t limit)
{
	if (limit)
		shelf_want(s->look->shelf, d, limit);
}

/* --- what a blob that came asks for ------------------------------------------------------------ */

static void want_entries(struct scan *s, const struct look_set *set)
{
	for (size_t i = 0; i < set->set.count; i++)
		want(s, &set->set.entries[i].digest, MANIFEST_MAX);
}

static struct look_set *set_by_digest(struct look *l, const struct digest *d)
{
	for (size_t i = 0; i < l->count; i++)
		if (digest_eq(&l->sets[i].info.digest, d))
			return &l->sets[i];
	return NULL;
}

static bool is_small_kind(const char *media_type)
{
	return strcmp(media_type, MEDIA_MOAT_INVENTORY) == 0 ||
	       strcmp(media_type, MEDIA_COSIGN_PAYLOAD) == 0 || cosign_is_bundle_type(media_type);
}

/* How much of what an edge leads to is worth keeping: 0 nothing. */
static uint64_t edge_limit(const struct edge *edge)
{
	if (edge->role == EDGE_CONFIG)
		return config_is_image(edge->to) ? IMAGE_CONFIG_MAX : 0;
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

static int came(struct scan *s, const struct shelf_item *item, struct err *e)
{
	struct look_set *set = set_by_digest(s->look, &item->digest);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct err ignored = ERR_INIT;

	if (set && set_parse(&set->set, "set", buf_span(&item->bytes), e) < 0)
		return -1;
	if (set)
		want_entries(s, set);
	/* Payloads and inventories are no manifests; nothing follows from them. */
	else if (manifest_parse(&m, "blob", NULL, buf_span(&item->bytes), &ignored) == 0)
		want_parts(s, &m);
	return 0;
}

/* --- volumes ----------------------------------------------------------------------------------- */

static void add_medium_set(struct look *l, const struct volume_index *v)
{
	struct look_set *set = set_by_digest(l, &v->set);

	if (set)
		return;
	l->sets = mem_grow(l->sets, l->count + 1, sizeof(*l->sets));
	set = &l->sets[l->count++];
	*set = (struct look_set){ .info = { .digest = v->set } };
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
	add_medium_set(s->look, &v);
	want(s, &v.set, SET_BYTES_MAX);
	for (size_t i = 0; i < v.signature_count; i++)
		want(s, &v.signatures[i].digest, MANIFEST_MAX);
	return 0;
}

static int read_wanted(struct scan *s, struct tar_reader *tar, struct shelf_item *item,
	const struct tar_entry *entry, struct err *e)
{
	if (entry->size > LOOK_KEPT_MAX - s->kept)
		return err_set(
			e, ERR_CORRUPT, "its manifests are more than %u MiB", LOOK_KEPT_MAX >> 20);
	s->kept += entry->size;
	item->volume = s->volume;
	if (tar_data_all(tar, item->limit, &item->bytes, e) < 0)
		return -1;
	return shelf_is_whole(item) ? came(s, item, e) : 0;
}

static int read_entry(
	struct scan *s, struct tar_reader *tar, const struct tar_entry *entry, struct err *e)
{
	enum volume_entry kind;
	struct shelf_item *item;
	struct digest d;
	uint64_t at = 0;

	if (strcmp(entry->name, VOLUME_INDEX) == 0)
		return read_index(s, tar, e);
	kind = volume_name_parse(entry->name, &d, &at);
	if (kind == VOLUME_OTHER)
		return 0;
	item = shelf_find(s->look->shelf, &d);
	if (!item || item->whole || item->volume == s->volume || item->bytes.len != at ||
		entry->size > item->limit - at)
		return 0;
	if (read_wanted(s, tar, item, entry, e) < 0)
		return -1;
	if (kind == VOLUME_BLOB && !item->whole)
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

/* The set was parsed on the way, to know what to keep; loading does it again, with its inventory. */
static int load_sets(struct look *l, struct err *e)
{
	for (size_t i = 0; i < l->count; i++) {
		set_release(&l->sets[i].set);
		if (look_load(l, &l->sets[i], e) < 0)
			return -1;
		for (size_t j = 0; j < l->sets[i].set.count; j++)
			if (look_kind_of(&l->sets[i].set.entries[j]) != LOOK_OWN)
				l->sets[i].info.pins++;
	}
	return 0;
}

int look_medium(struct look *l, const char *const *paths, size_t count, struct err *e)
{
	AUTO(medium_paths_release) struct medium_paths found = { NULL, 0 };
	struct scan s = { .look = l };

	if (medium_paths_find(&found, paths, count, e) < 0)
		return -1;
	l->shelf = shelf_new();
	for (size_t i = 0; i < found.count; i++)
		if (read_volume(&s, found.items[i], e) < 0)
			return -1;
	return load_sets(l, e);
}
