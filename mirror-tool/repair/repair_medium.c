/*
 * Blobs from volumes: each is read once, front to back, and of its entries what is wanted goes into the store. Signatures are
 * not looked at, as the digest says all. Parts of a cut blob count when they come in order; a document that travels packed, when
 * this store has the one that it builds on.
 */
#include <stdlib.h>

#include "mirror-tool/media/documents.h"
#include "mirror-tool/media/medium.h"
#include "mirror-tool/media/pack.h"
#include "mirror-tool/media/volume.h"
#include "mirror-tool/progress.h"
#include "mirror-tool/repair/repair.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

struct reading {
	struct repair *r;
	struct repair_blob *blob; /* of the writer */
	struct blob_writer *w; /* of the blob at hand, or of a cut one between its parts */
	bool failed; /* the store, not the volume */
	struct progress bar;
	struct progress_state state;
};

static void reading_release(struct reading *g)
{
	blob_abort(&g->w);
	progress_end(&g->bar);
}

/* May this entry be written: its blob from the beginning, or behind what came? 1, 0, -1. */
static int begin(struct reading *g, const struct tar_entry *entry, struct err *e)
{
	enum volume_entry kind;
	struct repair_blob *b;
	struct digest d;
	uint64_t at = 0;

	kind = volume_name_parse(entry->name, &d, &at);
	b = kind == VOLUME_OTHER ? NULL : repair_find(g->r, &d);
	if (!b || entry->size > b->size - (at < b->size ? at : b->size))
		return 0;
	if (at)
		return g->w && g->blob == b && blob_offset(g->w) == at;
	blob_abort(&g->w);
	g->blob = b;
	/* What is told of a part is not the size of all. */
	return repair_begin(g->r, b, kind == VOLUME_PART ? b->size : entry->size, &g->w, e);
}

/* Take a document of a delta, if it is wanted. */
static int take_packed(
	struct reading *g, struct tar_reader *tar, struct packed_entry *packed, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(buf_release) struct buf whole = BUF_INIT;
	struct repair_blob *b = repair_find(g->r, &packed->digest);
	struct err why = ERR_INIT;

	/* None that is larger is ever packed, and what says so is not read into memory. */
	if (!b || b->size > PACK_WHOLE_MAX)
		return 0;
	if (tar_data_all(tar, b->size, &bytes, e) < 0)
		return -1;
	packed->bytes = buf_span(&bytes);
	if (document_unpack(g->r->store, NULL, packed, b->size, &whole, &why) == 0) {
		g->failed = repair_put(g->r, b, buf_span(&whole), e) < 0;
		g->state.done += b->held;
		return g->failed ? -1 : 0;
	}
	if (!err_is_local(why.code)) {
		repair_answer(g->r, b, "%s", why.text);
		return 0;
	}
	*e = why;
	g->failed = true;
	return -1;
}

static int take_entry(
	struct reading *g, struct tar_reader *tar, const struct tar_entry *entry, struct err *e)
{
	struct packed_entry packed;
	struct span bytes;
	int rc;

	if (volume_packed_parse(entry->name, &packed.digest, &packed.base))
		return take_packed(g, tar, &packed, e);
	rc = begin(g, entry, e);

	g->failed = rc < 0;
	if (rc <= 0)
		return rc;
	while ((rc = tar_data(tar, &bytes, e)) == 1) {
		blob_write(g->w, bytes.data, bytes.len);
		g->state.bytes += bytes.len;
		progress_show(&g->bar, &g->state);
	}
	if (rc < 0 || (blob_offset(g->w) < g->blob->size && !blob_failed(g->w)))
		return rc;
	rc = repair_commit(g->r, g->blob, &g->w, e);
	g->failed = rc < 0;
	g->state.done++;
	return rc;
}

/* -1: the volume, or with g->failed the store. */
static int read_volume(struct reading *g, const char *path, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	AUTO(tar_close) struct tar_reader *tar = NULL;
	struct tar_entry entry;
	int rc = 0;

	if (medium_open(path, &fd, e) < 0 || tar_open(&tar, fd, path, 0, e) < 0)
		return -1;
	while (g->r->left && (rc = tar_next(tar, &entry, e)) == 1)
		if (take_entry(g, tar, &entry, e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int repair_from_medium(struct repair *r, const char *path, struct err *e)
{
	AUTO(medium_paths_release) struct medium_paths paths = { NULL, 0 };
	AUTO(reading_release) struct reading g = { .r = r, .state = { .total = r->left } };
	struct err why = ERR_INIT, last = ERR_INIT;

	progress_begin(&g.bar, r->tool, "repair", "blobs");
	if (medium_paths_find(&paths, &path, 1, &last) == 0)
		qsort(paths.items, paths.count, sizeof(*paths.items), compare);
	for (size_t i = 0; i < paths.count && r->left; i++) {
		if (read_volume(&g, paths.items[i], &why) == 0)
			continue;
		if (g.failed) {
			*e = why;
			return -1;
		}
		blob_abort(&g.w);
		last = why;
	}
	progress_end(&g.bar);
	if (last.code != ERR_OK)
		repair_failed(r, &last);
	return 0;
}
