/* Dispatch to a registry or a layout. Must add nothing to the contract of upstream.h. */
#include "mirror-tool/source/origin.h"

#include <stdlib.h>
#include <unistd.h>

#include "mirror-tool/list/place.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define COPY_BYTES (256u << 10)

/* --- which one --------------------------------------------------------------------------- */

void origins_init(struct origins *all, struct upstream *up, const struct registry_confs *confs,
	const char *base)
{
	*all = (struct origins){ .upstream = up, .confs = confs, .base = mem_strdup(base) };
}

void origins_release(struct origins *all)
{
	for (size_t i = 0; i < all->count; i++) {
		subjects_release(&all->layouts[i]->subjects);
		layout_close(&all->layouts[i]->layout);
		free(all->layouts[i]->path);
		free(all->layouts[i]);
	}
	free(all->layouts);
	free(all->base);
	*all = (struct origins){ .count = 0 };
}

static struct open_layout *find_open(const struct origins *all, const char *path)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->layouts[i]->path, path) == 0)
			return all->layouts[i];
	return NULL;
}

int origin_of(struct origins *all, const struct source_ref *from, struct origin *o, struct err *e)
{
	AUTO(mem_free) char *path = NULL;
	struct open_layout *opened;
	struct layout *l = NULL;

	*o = (struct origin){
		.upstream = all->upstream, .at = from->at, .confs = all->confs, .all = all
	};
	if (!source_is_local(from))
		return 0;
	path = from->path[0] == '/' ? mem_strdup(from->path)
				    : mem_printf("%s/%s", all->base, from->path);
	opened = find_open(all, path);
	if (!opened) {
		if (layout_open(&l, from->kind, path, e) < 0)
			return -1;
		opened = mem_alloc(sizeof(*opened));
		*opened = (struct open_layout){ .layout = l, .path = STEAL(path) };
		*VEC_PUSH(all->layouts, all->count) = opened;
	}
	o->layout = opened->layout;
	o->subjects = &opened->subjects;
	return 0;
}

/* --- layouts ----------------------------------------------------------------------------- */

static const char *type_in_index(const struct layout *l, const struct digest *d)
{
	const struct manifest *index = layout_index(l);

	for (size_t i = 0; i < index->count; i++)
		if (digest_eq(&index->items[i].digest, d))
			return index->items[i].media_type;
	return "";
}

static void layout_manifest(
	const struct layout *l, const struct ref *ref, upstream_manifest_fn *done, void *ctx)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	const struct descriptor *entry = layout_by_tag(l, ref->tag);
	struct upstream_manifest m = { .digest = ref->digest };
	struct err e = ERR_INIT;
	int rc = 0;

	if (!ref->digest.alg && entry)
		m.digest = entry->digest;
	if (m.digest.alg)
		rc = layout_read(l, &m.digest, MANIFEST_MAX, &bytes, &e);
	m.media_type = type_in_index(l, &m.digest);
	m.bytes = buf_span(&bytes);
	m.size = bytes.len;
	done(ctx, rc, rc > 0 ? &m : NULL, &e);
}

static void layout_referrers(
	const struct origin *o, const struct ref *ref, upstream_referrers_fn *done, void *ctx)
{
	AUTO(referrers_release) struct referrers found = REFERRERS_INIT;
	struct upstream_referrers result = { .via_tag = false };
	struct err e = ERR_INIT;
	int rc = subjects_referrers(o->subjects, o->layout, &ref->digest, &found, &e);

	result.items = found.items;
	result.count = found.count;
	done(ctx, rc < 0 ? -1 : 1, rc < 0 ? NULL : &result, &e);
}

static int absent_err(const struct layout *l, const struct digest *d, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	return err_set(e, ERR_ABSENT, "%s has no blob %s", layout_path(l), digest_text(d, text));
}

static void layout_blob_bytes(
	const struct layout *l, const struct digest *d, upstream_bytes_fn *done, void *ctx)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = layout_read(l, d, UPSTREAM_BYTES_MAX, &bytes, &e);

	if (rc == 0)
		rc = absent_err(l, d, &e);
	done(ctx, rc, buf_span(&bytes), &e);
}

static void layout_blob_size(
	const struct layout *l, const struct digest *d, upstream_size_fn *done, void *ctx)
{
	struct layout_blob blob = { .fd = -1 };
	struct err e = ERR_INIT;
	int rc = layout_blob(l, d, &blob, &e);

	fd_close(&blob.fd);
	done(ctx, rc, rc > 0 ? blob.size : 0, &e);
}

static int copy_bytes(const struct origin *o, struct blob_writer *w, const struct layout_blob *blob,
	struct err *e)
{
	const char *name = layout_path(o->layout);
	AUTO(mem_free) char *chunk = mem_alloc(COPY_BYTES);

	for (uint64_t at = blob_offset(w); at < blob->size && !blob_failed(w);) {
		uint64_t len = blob->size - at < COPY_BYTES ? blob->size - at : COPY_BYTES;

		if (fs_pread_all(blob->fd, chunk, len, blob->offset + at, name, e) < 0)
			return -1;
		blob_write(w, chunk, len);
		at += len;
		if (o->all->copied)
			o->all->copied(o->all->ctx, len);
	}
	return 0;
}

static int write_blob(const struct origin *o, const struct digest *d,
	const struct layout_blob *blob, struct store *s, struct blob_batch *batch, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	unsigned flags = blob->size >= UPSTREAM_RESUME_MIN ? BLOB_RESUME : 0;
	int rc = blob_begin(s, d, blob->size, flags, &w, e);

	if (rc)
		return rc;
	do {
		if (copy_bytes(o, w, blob, e) < 0)
			return -1;
		rc = blob_commit(&w, batch, NULL, e);
	} while (w);
	return rc < 0 ? -1 : 1;
}

static int copy_blob(const struct origin *o, const struct digest *d, uint64_t size, struct store *s,
	struct blob_batch *batch, struct err *e)
{
	const struct layout *l = o->layout;
	struct layout_blob blob = { .fd = -1 };
	char text[DIGEST_TEXT_SIZE];
	int rc;

	if (batch_has(batch, d))
		return 1;
	rc = layout_blob(l, d, &blob, e);
	if (rc <= 0)
		return rc < 0 ? -1 : absent_err(l, d, e);
	if (blob.size != size)
		rc = err_set(e, ERR_CORRUPT, "blob %s has %llu bytes, not %llu",
			digest_text(d, text), (unsigned long long)blob.size,
			(unsigned long long)size);
	else
		rc = write_blob(o, d, &blob, s, batch, e);
	fd_close(&blob.fd);
	return rc;
}

static void layout_copy(const struct origin *o, const struct digest *d, uint64_t size,
	struct store *s, struct blob_batch *batch, upstream_done_fn *done, void *ctx)
{
	struct err e = ERR_INIT;
	int rc = copy_blob(o, d, size, s, batch, &e);

	if (rc < 0 && e.code != ERR_ABSENT)
		err_ctx(&e, "%s", layout_path(o->layout));
	done(ctx, rc, &e);
}

/* --- both -------------------------------------------------------------------------------- */

/* Map a reference to the place where it is fetched from. */
static int locate(const struct origin *o, const struct ref *ref, struct ref *at, struct err *e)
{
	const struct registry_conf *conf;

	*at = *ref;
	if (o->at) {
		memcpy(at->host, o->at->host, sizeof(at->host));
		memcpy(at->repo, o->at->repo, sizeof(at->repo));
		return 0;
	}
	conf = o->confs ? registry_conf_find(o->confs, ref->host) : NULL;
	return conf && conf->source ? place_under(at, conf->source, e) : 0;
}

void origin_manifest(const struct origin *o, const struct ref *ref, unsigned how,
	upstream_manifest_fn *done, void *ctx)
{
	struct err e = ERR_INIT;
	struct ref at;

	if (o->layout)
		layout_manifest(o->layout, ref, done, ctx);
	else if (locate(o, ref, &at, &e) < 0)
		done(ctx, -1, NULL, &e);
	else
		upstream_manifest(o->upstream, &at, how, done, ctx);
}

void origin_tags(const struct origin *o, const struct ref *ref, upstream_tag_fn *each,
	upstream_done_fn *done, void *ctx)
{
	struct err e = ERR_INIT;
	struct ref at;

	if (locate(o, ref, &at, &e) < 0)
		done(ctx, -1, &e);
	else
		upstream_tags(o->upstream, &at, each, done, ctx);
}

void origin_referrers(
	const struct origin *o, const struct ref *ref, upstream_referrers_fn *done, void *ctx)
{
	struct err e = ERR_INIT;
	struct ref at;

	if (o->layout)
		layout_referrers(o, ref, done, ctx);
	else if (locate(o, ref, &at, &e) < 0)
		done(ctx, -1, NULL, &e);
	else
		upstream_referrers(o->upstream, &at, done, ctx);
}

void origin_blob_bytes(const struct origin *o, const struct ref *ref, const struct digest *d,
	uint64_t size, upstream_bytes_fn *done, void *ctx)
{
	struct err e = ERR_INIT;
	struct ref at;

	if (o->layout)
		layout_blob_bytes(o->layout, d, done, ctx);
	else if (locate(o, ref, &at, &e) < 0)
		done(ctx, -1, (struct span){ "", 0 }, &e);
	else
		upstream_blob_bytes(o->upstream, &at, d, size, done, ctx);
}

void origin_blob_size(const struct origin *o, const struct ref *ref, const struct digest *d,
	upstream_size_fn *done, void *ctx)
{
	struct err e = ERR_INIT;
	struct ref at;

	if (o->layout)
		layout_blob_size(o->layout, d, done, ctx);
	else if (locate(o, ref, &at, &e) < 0)
		done(ctx, -1, 0, &e);
	else
		upstream_blob_size(o->upstream, &at, d, done, ctx);
}

void origin_blob(const struct origin *o, const struct ref *ref, const struct digest *d,
	uint64_t size, struct store *s, struct blob_batch *batch, upstream_done_fn *done, void *ctx)
{
	struct err e = ERR_INIT;
	struct ref at;

	if (o->layout)
		layout_copy(o, d, size, s, batch, done, ctx);
	else if (locate(o, ref, &at, &e) < 0)
		done(ctx, -1, &e);
	else
		upstream_blob(o->upstream, &at, d, size, s, batch, done, ctx);
}
