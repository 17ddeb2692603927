/* Blobs of a medium by their place. Must never hand out bytes whose digest was not compared. */
#include "mirror-tool/view/places.h"

#include <stdlib.h>

#include "mirror-tool/media/documents.h"
#include "mirror-tool/media/medium.h"
#include "mirror-tool/media/pack.h"
#include "mirror-tool/media/volume.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define PACKED_MAX 50000 /* four of each volume */

/* A blob, or a part of one. */
struct place {
	struct digest digest;
	bool whole;
	uint32_t file; /* that has it, by number */
	uint64_t at; /* of its first byte in the blob */
	uint64_t offset; /* of it in the file */
	uint64_t size;
};

/* A document that travels packed. */
struct packed_place {
	struct digest digest, base;
	uint32_t file;
	uint64_t offset, size;
};

struct places {
	struct store *documents;
	struct base on; /* of the file that was added last */
	struct packed_place *packed;
	size_t packed_count;
	struct place *items;
	size_t count, sorted; /* of them in order */
	char **paths;
	size_t path_count;
	int fd; /* the file that was read last; -1: none */
	uint32_t open; /* its number */
};

struct places *places_new(struct store *documents)
{
	struct places *p = mem_alloc(sizeof(*p));

	p->documents = documents;
	p->fd = -1;
	return p;
}

void places_free(struct places **p)
{
	if (*p) {
		for (size_t i = 0; i < (*p)->path_count; i++)
			free((*p)->paths[i]);
		free((*p)->paths);
		free((*p)->items);
		free((*p)->packed);
		fd_close(&(*p)->fd);
	}
	free(*p);
	*p = NULL;
}

void places_in(struct places *p, const char *path)
{
	*VEC_PUSH(p->paths, p->path_count) = mem_strdup(path);
}

void places_on(struct places *p, const struct base *on)
{
	p->on = *on;
}

static int add_packed(struct places *p, const struct tar_entry *entry, struct err *e)
{
	struct packed_place place = {
		.file = (uint32_t)p->path_count - 1, .offset = entry->offset, .size = entry->size
	};

	if (!volume_packed_parse(entry->name, &place.digest, &place.base))
		return 0;
	if (p->packed_count == PACKED_MAX)
		return err_set(e, ERR_CORRUPT, "more than %d packed documents", PACKED_MAX);
	*VEC_PUSH(p->packed, p->packed_count) = place;
	return 0;
}

int places_add(struct places *p, const struct tar_entry *entry, struct err *e)
{
	struct place place = {
		.file = (uint32_t)p->path_count - 1, .offset = entry->offset, .size = entry->size
	};
	enum volume_entry kind = volume_name_parse(entry->name, &place.digest, &place.at);

	if (kind == VOLUME_OTHER)
		return add_packed(p, entry, e);
	if (p->count == PLACES_MAX)
		return err_set(e, ERR_CORRUPT, "more than %d blobs", PLACES_MAX);
	place.whole = kind == VOLUME_BLOB;
	*VEC_PUSH(p->items, p->count) = place;
	return 0;
}

/* By digest; of one digest whole ones first, then parts from the front, each in the order in which they were met. */
static int by_digest(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int c = digest_cmp(&x->digest, &y->digest);

	if (c == 0)
		c = (int)y->whole - (int)x->whole;
	if (c == 0 && x->at != y->at)
		c = x->at < y->at ? -1 : 1;
	if (c == 0)
		c = (x->file > y->file) - (x->file < y->file);
	return c ? c : (x->offset > y->offset) - (x->offset < y->offset);
}

/* The first place of the blob, or the end. */
static size_t find(struct places *p, const struct digest *d)
{
	size_t low = 0, high = p->count;

	if (p->sorted != p->count)
		qsort(p->items, p->count, sizeof(*p->items), by_digest);
	p->sorted = p->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (digest_cmp(&p->items[mid].digest, d) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int open_file(struct places *p, uint32_t number, struct err *e)
{
	if (p->fd >= 0 && p->open == number)
		return 0;
	fd_close(&p->fd);
	p->open = number;
	return medium_open(p->paths[number], &p->fd, e);
}

/* Append the bytes of a place. */
static int read_place(
	struct places *p, const struct place *place, size_t limit, struct buf *out, struct err *e)
{
	size_t size = (size_t)place->size;

	if (place->size > limit || place->at > limit - place->size)
		return err_set(e, ERR_INPUT, "%llu bytes, more than the limit of %zu",
			(unsigned long long)(place->at + place->size), limit);
	if (open_file(p, place->file, e) < 0)
		return -1;
	buf_reserve(out, size);
	if (fs_pread_all(
		    p->fd, out->data + out->len, size, place->offset, p->paths[place->file], e) < 0)
		return -1;
	buf_grown(out, size);
	return 0;
}

/* Put parts together: how long the blob is, no name says. */
static int read_parts(struct places *p, const struct digest *d, size_t first, size_t limit,
	struct buf *out, struct err *e)
{
	size_t begin = out->len;

	for (size_t i = first; i < p->count && digest_eq(&p->items[i].digest, d); i++)
		if (p->items[i].at == out->len - begin &&
			read_place(p, &p->items[i], limit, out, e) < 0)
			return -1;
	return 0;
}

/* Read a document that travels packed; its digest is compared on the way. 1, 0, -1. */
static int read_packed(
	struct places *p, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct packed_entry entry = { .digest = *d };
	const struct packed_place *place = NULL;
	uint64_t size;

	for (size_t i = 0; i < p->packed_count && !place; i++)
		if (digest_eq(&p->packed[i].digest, d))
			place = &p->packed[i];
	if (!place)
		return 0;
	if (read_place(p,
		    &(struct place){
			    .file = place->file, .offset = place->offset, .size = place->size },
		    limit, &bytes, e) < 0)
		return -1;
	entry.base = place->base;
	entry.bytes = buf_span(&bytes);
	size = pack_size(entry.bytes);
	if (size > limit)
		return err_set(e, ERR_INPUT, "a packed document, not of at most %zu bytes", limit);
	if (document_unpack(p->documents, &p->on, &entry, size, out, e) < 0)
		return err_ctx(e, "%s", p->paths[place->file]);
	return 1;
}

static int read_blob(
	struct places *p, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	size_t first = find(p, d), begin = out->len;
	const struct place *place = &p->items[first];
	char name[VOLUME_NAME_SIZE];
	struct digest have;
	int rc;

	if (first == p->count || !digest_eq(&place->digest, d))
		return read_packed(p, d, limit, out, e);
	rc = place->whole ? read_place(p, place, limit, out, e)
			  : read_parts(p, d, first, limit, out, e);
	if (rc < 0)
		return -1;
	digest_of(&have, d->alg, (struct span){ out->data + begin, out->len - begin });
	if (digest_eq(&have, d))
		return 1;
	return place->whole ? err_set(e, ERR_CORRUPT, "%s: %s: not what its name says",
				      p->paths[place->file], volume_blob_name(d, name))
			    : 0;
}

int places_read(
	struct places *p, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	size_t begin = out->len;
	int rc = read_blob(p, d, limit, out, e);

	if (rc <= 0)
		buf_cut(out, begin);
	return rc;
}
