/* Write a planned set as volumes. Reads blobs from the store straight into the buffers of the
 * spool. */
#include "mirror-tool/media/volume_write.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "mirror-tool/media/pack.h"
#include "mirror-tool/media/tar_write.h"
#include "mirror-tool/media/toc.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

struct volume_writer {
	struct store *store;
	struct base base;
	struct buf base_text;
	bool *left_out; /* by inventory line */
	struct head head;
	struct contents contents;
	struct plan plan;
	struct documents documents; /* that travel packed */
	struct volume_map map;
	struct buf map_text, map_packed; /* packed: of a delta, when it is smaller */
	enum index_listing *listings; /* of the current volume, by entry of the set */
	struct hasher whole; /* of a blob that is cut, over its parts */
};

/* The current volume on its way into the spool. */
struct writing {
	struct volume_writer *w;
	struct spool *to;
	struct tar_writer *tar;
	struct buf toc;
	bool any; /* lines in the table */
	struct hasher hasher;
};

/* --- planning ------------------------------------------------------------------------------ */

void volume_writer_free(struct volume_writer **out)
{
	struct volume_writer *w = *out;
	int saved = errno;

	if (!w)
		return;
	head_release(&w->head);
	contents_release(&w->contents);
	plan_release(&w->plan);
	volume_map_release(&w->map);
	buf_release(&w->map_text);
	buf_release(&w->map_packed);
	documents_release(&w->documents);
	free(w->listings);
	free(w->left_out);
	buf_release(&w->base_text);
	hasher_release(&w->whole);
	free(w);
	*out = NULL;
	errno = saved;
}

/* Reckon the entries before the blobs that have a fixed text, in the archive and in the table.
 * map_bytes: of the map. */
static void count_fixed(const struct volume_writer *w, uint64_t map_bytes, struct plan_input *in)
{
	static const struct digest any = { .alg = DIGEST_SHA256 };
	AUTO(buf_release) struct buf toc = BUF_INIT;
	char name[VOLUME_NAME_SIZE];

	toc_head(&toc, &w->head.digest, VOLUMES_MAX, VOLUMES_MAX);
	toc_entry(&toc, &(struct toc_entry){ VOLUME_LAYOUT, 99, &any, 0 }, false);
	toc_entry(&toc, &(struct toc_entry){ VOLUME_INDEX, VOLUME_INDEX_MAX, &any, 0 }, false);
	toc_entry(
		&toc, &(struct toc_entry){ VOLUME_MAP_PACKED, map_bytes, &any, map_bytes }, false);
	in->fixed = tar_entry_bytes(VOLUME_LAYOUT, strlen(VOLUME_LAYOUT_TEXT)) +
		    tar_entry_bytes(VOLUME_MAP_PACKED, map_bytes) + 2 * TAR_BLOCK;
	for (size_t i = 0; i < w->head.count; i++) {
		const struct head_blob *b = &w->head.blobs[i];
		struct toc_entry entry =
			documents_entry(&w->documents, &b->digest, b->bytes.len, name);

		toc_entry(&toc, &entry, false);
		in->fixed += tar_entry_bytes(name, entry.size);
	}
	toc_tail(&toc);
	in->toc_fixed = toc.len;
}

static struct volume_number number_of(
	const struct volume_writer *w, uint32_t volume, uint32_t volumes)
{
	return (struct volume_number){ volume, volumes, w->base_text.data };
}

static uint64_t index_bytes(const struct volume_writer *w)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	volume_index_write(&text, &w->head, number_of(w, VOLUMES_MAX, VOLUMES_MAX), w->listings);
	return text.len;
}

/* Reckon what each manifest adds to index.json when its image is listed. */
static uint32_t *index_growth(const struct volume_writer *w)
{
	const struct inventory *v = &w->head.inventory;
	uint32_t *bytes = mem_alloc(v->count * sizeof(*bytes));

	for (size_t i = 0; i < w->head.set.count; i++) {
		const struct set_entry *entry = &w->head.set.entries[i];
		const struct inventory_line *line = inventory_find(v, &entry->digest);

		if (line && entry->role <= SET_ATTACHED)
			bytes[line - v->lines] += (uint32_t)volume_index_entry_bytes(entry);
	}
	return bytes;
}

/* Plan for more and more volumes until they are enough: the size of the map depends on their
 * number, which depends on the size of the map. */
static int make_plan(struct volume_writer *w, uint64_t limit, struct err *e)
{
	AUTO(mem_free) uint32_t *growth = index_growth(w);
	struct plan_input in = { .inventory = &w->head.inventory,
		.order = w->contents.order,
		.count = w->contents.count,
		.documents = &w->documents,
		.index_bytes = growth,
		.index_fixed = index_bytes(w),
		.limit = limit };

	for (uint32_t most = limit ? 9 : 1;; most = most * 10 + 9) {
		if (most > VOLUMES_MAX)
			most = VOLUMES_MAX;
		count_fixed(w, plan_map_bytes(w->head.inventory.count, most), &in);
		plan_release(&w->plan);
		if (plan_make(&w->plan, &in, e) < 0)
			return -1;
		if (w->plan.volumes <= most)
			return 0;
	}
}

/* Refuse a need list that asks for what is not of this set: it could ask for anything that the store has. */
static int check_need(const struct volume_writer *w, const struct delta *d, struct err *e)
{
	const struct set *set = &w->head.set;
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; d->base.kind == BASE_NEED && i < d->blobs.count; i++)
		if (!inventory_find(&w->head.inventory, &d->blobs.lines[i].digest))
			return err_set(e, ERR_INPUT,
				"the need list names %s, which is not in set %s %s",
				digest_text(&d->blobs.lines[i].digest, text), set->name,
				set->version);
	return 0;
}

/* Leave out lines of the inventory, never of the head. */
static void leave_out(struct volume_writer *w, const struct delta *d)
{
	const struct inventory *v = &w->head.inventory;
	size_t kept = 0;

	w->base = d->base;
	base_write(&w->base, &w->base_text);
	for (size_t i = 0; i < v->count; i++)
		w->left_out[i] = !delta_carries(d, &v->lines[i].digest) &&
				 !head_find(&w->head, &v->lines[i].digest);
	for (size_t i = 0; i < w->contents.count; i++)
		if (!w->left_out[w->contents.order[i]])
			w->contents.order[kept++] = w->contents.order[i];
	w->contents.count = kept;
}

/* Write the map; of a delta packed, as most of its lines are the same. */
static void make_map(struct volume_writer *w, bool sparse)
{
	plan_map(&w->plan, w->head.inventory.count, w->left_out, &w->map);
	volume_map_write(&w->map, &w->map_text);
	if (sparse)
		pack((struct span){ "", 0 }, buf_span(&w->map_text), &w->map_packed);
	if (w->map_packed.len >= w->map_text.len)
		buf_release(&w->map_packed);
}

/* The entry of the map, and its bytes. */
static struct toc_entry map_entry(const struct volume_writer *w, struct span *bytes)
{
	bool packed = w->map_packed.len > 0;

	*bytes = buf_span(packed ? &w->map_packed : &w->map_text);
	return (struct toc_entry){ packed ? VOLUME_MAP_PACKED : VOLUME_MAP, bytes->len, NULL,
		packed ? w->map_text.len : 0 };
}

int volume_writer_open(struct volume_writer **out, struct store *s, const struct digest *set,
	uint64_t limit, const struct delta *delta, struct err *e)
{
	AUTO(volume_writer_free) struct volume_writer *w = mem_alloc(sizeof(*w));

	w->store = s;
	w->base_text = (struct buf)BUF_INIT;
	w->head = (struct head)HEAD_INIT;
	w->map_text = w->map_packed = (struct buf)BUF_INIT;
	if (head_load(&w->head, s, set, e) < 0 || contents_load(&w->contents, s, &w->head, e) < 0)
		return -1;
	w->listings = mem_alloc(w->head.set.count * sizeof(*w->listings));
	w->left_out = mem_alloc(w->head.inventory.count * sizeof(*w->left_out));
	if (delta && check_need(w, delta, e) < 0)
		return -1;
	if (delta)
		leave_out(w, delta);
	if (delta && documents_pack(&w->documents, s, &w->head, delta, e) < 0)
		return err_ctx(
			e, "the documents of set %s %s", w->head.set.name, w->head.set.version);
	if (make_plan(w, limit, e) < 0)
		return -1;
	make_map(w, delta != NULL);
	*out = STEAL(w);
	return 0;
}

const struct head *volume_writer_head(const struct volume_writer *w)
{
	return &w->head;
}

const struct base *volume_writer_base(const struct volume_writer *w)
{
	return &w->base;
}

bool volume_writer_packs(const struct volume_writer *w)
{
	return w->documents.count > 0;
}

size_t volume_writer_left_out(const struct volume_writer *w, uint64_t *bytes)
{
	const struct inventory *v = &w->head.inventory;
	size_t count = 0;

	*bytes = 0;
	for (size_t i = 0; i < v->count; i++) {
		count += w->left_out[i];
		*bytes += w->left_out[i] ? v->lines[i].size : 0;
	}
	return count;
}

uint32_t volume_writer_count(const struct volume_writer *w)
{
	return w->plan.volumes;
}

/* --- index.json ---------------------------------------------------------------------------- */

static bool is_whole_in(
	const struct volume_writer *w, const struct contents_entry *entry, uint32_t volume)
{
	for (size_t i = 0; i < entry->count; i++) {
		struct volume_range r = w->map.lines[w->contents.needs[entry->first + i]];

		if (r.first != volume || r.last != volume)
			return false;
	}
	return entry->count > 0;
}

static void write_index(struct volume_writer *w, uint32_t volume, struct buf *out)
{
	for (size_t i = 0; i < w->head.set.count; i++) {
		const struct contents_entry *entry = &w->contents.entries[i];

		w->listings[i] = is_whole_in(w, entry, volume) ? entry->listing : LISTING_NONE;
	}
	volume_index_write(out, &w->head, number_of(w, volume, w->plan.volumes), w->listings);
}

/* --- one volume ---------------------------------------------------------------------------- */

static void note_entry(struct writing *v, const char *name, uint64_t size,
	const struct digest *sha256, uint64_t of)
{
	toc_entry(&v->toc, &(struct toc_entry){ name, size, sha256, of }, !v->any);
	v->any = true;
}

/* Write an entry whose bytes are in memory. */
static int write_bytes(
	struct writing *v, const struct toc_entry *entry, const char *bytes, struct err *e)
{
	note_entry(v, entry->name, entry->size, entry->sha256, entry->of);
	if (tar_write_entry(v->tar, entry->name, entry->size, e) < 0)
		return -1;
	return tar_write_data(v->tar, bytes, entry->size, e);
}

/* The same of an entry whose name is no digest. of: see toc.h. */
static int write_text(
	struct writing *v, const char *name, struct span text, uint64_t of, struct err *e)
{
	struct digest sha256;

	digest_of(&sha256, DIGEST_SHA256, text);
	return write_bytes(v, &(struct toc_entry){ name, text.len, &sha256, of }, text.data, e);
}

/* Write a blob of the head, packed if it is such a document. */
static int write_head_blob(struct writing *v, const struct head_blob *b, struct err *e)
{
	const struct document *doc = documents_find(&v->w->documents, &b->digest);
	char name[VOLUME_NAME_SIZE];
	struct toc_entry entry = documents_entry(&v->w->documents, &b->digest, b->bytes.len, name);

	return write_bytes(v, &entry, doc ? doc->bytes.data : b->bytes.data, e);
}

static int copy(struct writing *v, const struct blob_reader *r, const struct plan_item *item,
	struct hasher *whole, struct hasher *part, struct err *e)
{
	uint64_t at = item->at, end = item->at + item->len;

	while (at < end) {
		size_t len;
		void *to = spool_room(v->to, &len);

		if (len > end - at)
			len = (size_t)(end - at);
		if (reader_read(r, at, to, len, e) < 0)
			return -1;
		hasher_add(whole, to, len);
		if (part)
			hasher_add(part, to, len);
		if (tar_write_data(v->tar, to, len, e) < 0)
			return -1;
		at += len;
	}
	return 0;
}

static int check_whole(struct hasher *h, const struct digest *d, struct err *e)
{
	struct digest got;

	hasher_end(h, &got);
	if (digest_eq(&got, d))
		return 0;
	return err_set(e, ERR_CORRUPT, "its bytes in the store are not what its digest says");
}

static int open_blob(
	struct writing *v, const struct inventory_line *line, struct blob_reader *r, struct err *e)
{
	int rc = blob_open(v->w->store, &line->digest, r, e);

	if (rc == 0)
		return err_set(e, ERR_INCOMPLETE, "it is not in the store");
	if (rc > 0 && r->size != line->size)
		return err_set(e, ERR_CORRUPT, "%llu bytes in the store, %llu in the inventory",
			(unsigned long long)r->size, (unsigned long long)line->size);
	return rc < 0 ? -1 : 0;
}

static int write_blob(struct writing *v, const struct plan_item *item,
	const struct inventory_line *line, const struct blob_reader *r, struct err *e)
{
	char name[VOLUME_NAME_SIZE];

	volume_blob_name(&line->digest, name);
	note_entry(v, name, item->len, NULL, 0);
	hasher_init(&v->hasher, line->digest.alg);
	if (tar_write_entry(v->tar, name, item->len, e) < 0 ||
		copy(v, r, item, &v->hasher, NULL, e) < 0)
		return -1;
	return check_whole(&v->hasher, &line->digest, e);
}

static int write_part(struct writing *v, const struct plan_item *item,
	const struct inventory_line *line, const struct blob_reader *r, struct err *e)
{
	char name[VOLUME_NAME_SIZE];
	struct digest sha256;

	volume_part_name(&line->digest, item->at, name);
	if (item->at == 0)
		hasher_init(&v->w->whole, line->digest.alg);
	hasher_init(&v->hasher, DIGEST_SHA256);
	if (tar_write_entry(v->tar, name, item->len, e) < 0 ||
		copy(v, r, item, &v->w->whole, &v->hasher, e) < 0)
		return -1;
	hasher_end(&v->hasher, &sha256);
	note_entry(v, name, item->len, &sha256, line->size);
	if (item->at + item->len < line->size)
		return 0;
	return check_whole(&v->w->whole, &line->digest, e);
}

static int write_item(struct writing *v, const struct plan_item *item, struct err *e)
{
	const struct inventory_line *line = &v->w->head.inventory.lines[item->line];
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	bool whole = item->len == line->size;
	const struct document *doc = whole ? documents_find(&v->w->documents, &line->digest) : NULL;
	char text[DIGEST_TEXT_SIZE], name[VOLUME_NAME_SIZE];
	int rc;

	if (doc) {
		struct toc_entry entry =
			documents_entry(&v->w->documents, &line->digest, line->size, name);

		return write_bytes(v, &entry, doc->bytes.data, e);
	}
	if (open_blob(v, line, &r, e) < 0)
		return err_ctx(e, "blob %s", digest_text(&line->digest, text));
	if (whole)
		rc = write_blob(v, item, line, &r, e);
	else
		rc = write_part(v, item, line, &r, e);
	return rc < 0 ? err_ctx(e, "blob %s", digest_text(&line->digest, text)) : 0;
}

static int write_entries(struct writing *v, uint32_t volume, struct err *e)
{
	AUTO(buf_release) struct buf index = BUF_INIT;
	const struct plan *p = &v->w->plan;
	const struct head *h = &v->w->head;
	struct toc_entry map;
	struct span map_bytes;

	write_index(v->w, volume, &index);
	toc_head(&v->toc, &h->digest, volume, p->volumes);
	if (write_text(v, VOLUME_LAYOUT, span_of(VOLUME_LAYOUT_TEXT), 0, e) < 0 ||
		write_text(v, VOLUME_INDEX, buf_span(&index), 0, e) < 0)
		return -1;
	for (size_t i = 0; i < h->count; i++)
		if (write_head_blob(v, &h->blobs[i], e) < 0)
			return -1;
	map = map_entry(v->w, &map_bytes);
	if (write_text(v, map.name, map_bytes, map.of, e) < 0)
		return -1;
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].volume == volume && write_item(v, &p->items[i], e) < 0)
			return -1;
	return 0;
}

static int write_toc(struct writing *v, struct err *e)
{
	toc_tail(&v->toc);
	if (tar_write_entry(v->tar, VOLUME_TOC, v->toc.len, e) < 0)
		return -1;
	return tar_write_data(v->tar, v->toc.data, v->toc.len, e);
}

static void writing_release(struct writing *v)
{
	tar_write_free(&v->tar);
	buf_release(&v->toc);
	hasher_release(&v->hasher);
}

int volume_writer_write(struct volume_writer *w, uint32_t volume, struct spool *to, struct err *e)
{
	AUTO(writing_release)
	struct writing v = { .w = w, .to = to, .toc = BUF_INIT, .hasher = HASHER_INIT };

	if (tar_write_open(&v.tar, spool_put, to, e) < 0 || write_entries(&v, volume, e) < 0 ||
		write_toc(&v, e) < 0)
		return -1;
	return tar_write_close(&v.tar, e);
}

/* --- sizes --------------------------------------------------------------------------------- */

static uint64_t add_size(
	struct buf *toc, const char *name, uint64_t size, bool hashed, uint64_t of, bool first)
{
	static const struct digest any = { .alg = DIGEST_SHA256 };

	toc_entry(toc, &(struct toc_entry){ name, size, hashed ? &any : NULL, of }, first);
	return tar_entry_bytes(name, size);
}

static uint64_t add_entry(struct buf *toc, struct toc_entry entry)
{
	return add_size(toc, entry.name, entry.size, entry.sha256 != NULL, entry.of, false);
}

static uint64_t item_size(
	const struct volume_writer *w, const struct plan_item *item, struct buf *toc)
{
	const struct inventory_line *line = &w->head.inventory.lines[item->line];
	char name[VOLUME_NAME_SIZE];

	if (item->len < line->size)
		return add_size(toc, volume_part_name(&line->digest, item->at, name), item->len,
			true, line->size, false);
	return add_entry(toc, documents_entry(&w->documents, &line->digest, line->size, name));
}

uint64_t volume_writer_bytes(struct volume_writer *w, uint32_t volume)
{
	AUTO(buf_release) struct buf index = BUF_INIT;
	AUTO(buf_release) struct buf toc = BUF_INIT;
	char name[VOLUME_NAME_SIZE];
	struct toc_entry map;
	struct span map_bytes;
	uint64_t sum;

	write_index(w, volume, &index);
	toc_head(&toc, &w->head.digest, volume, w->plan.volumes);
	sum = add_size(&toc, VOLUME_LAYOUT, strlen(VOLUME_LAYOUT_TEXT), true, 0, true);
	sum += add_size(&toc, VOLUME_INDEX, index.len, true, 0, false);
	map = map_entry(w, &map_bytes);
	sum += add_size(&toc, map.name, map.size, true, map.of, false);
	for (size_t i = 0; i < w->head.count; i++)
		sum += add_entry(&toc, documents_entry(&w->documents, &w->head.blobs[i].digest,
					       w->head.blobs[i].bytes.len, name));
	for (size_t i = 0; i < w->plan.count; i++)
		if (w->plan.items[i].volume == volume)
			sum += item_size(w, &w->plan.items[i], &toc);
	toc_tail(&toc);
	return sum + tar_entry_bytes(VOLUME_TOC, toc.len) + TAR_END_BYTES;
}
