/* Registry or layout behind one set of calls. Must add nothing to what upstream.h promises. */
#include "mirror-tool/source/origin.h"

#include <stdlib.h>
#include <unistd.h>

#include "mirror-tool/list/place.h"
#include "mirror-tool/sign/cosign.h"
#include "storage/base/fs.h"
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
		layout_close(&all->layouts[i]);
		free(all->paths[i]);
	}
	free(all->layouts);
	free(all->paths);
	free(all->base);
	*all = (struct origins){ .count = 0 };
}

int origin_of(struct origins *all, const struct source_ref *from, struct origin *o, struct err *e)
{
	AUTO(mem_free) char *path = NULL;
	struct layout *l = NULL;

	*o = (struct origin){
		.upstream = all->upstream, .at = from->at, .confs = all->confs, .all = all
	};
	if (!source_is_local(from))
		return 0;
	path = from->path[0] == '/' ? mem_strdup(from->path)
				    : mem_printf("%s/%s", all->base, from->path);
	for (size_t i = 0; i < all->count; i++) {
		if (strcmp(all->paths[i], path) == 0) {
			o->layout = all->layouts[i];
			return 0;
		}
	}
	if (layout_open(&l, from->kind, path, e) < 0)
		return -1;
	all->layouts = mem_grow(all->layouts, all->count + 1, sizeof(struct layout *));
	all->paths = mem_grow(all->paths, all->count + 1, sizeof(*all->paths));
	all->layouts[all->count] = o->layout = l;
	all->paths[all->count++] = STEAL(path);
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

struct found {
	struct descriptor *items;
	struct manifest *keep; /* own the strings of items */
	size_t count, kept;
};

static void found_release(struct found *f)
{
	for (size_t i = 0; i < f->kept; i++)
		manifest_release(&f->keep[i]);
	free(f->keep);
	free(f->items);
}

static void found_add(struct found *f, const struct descriptor *d)
{
	for (size_t i = 0; i < f->count; i++)
		if (digest_eq(&f->items[i].digest, &d->digest))
			return;
	f->items = mem_grow(f->items, f->count + 1, sizeof(*f->items));
	f->items[f->count++] = *d;
}

/* Take over m, whose strings the items use. */
static void found_keep(struct found *f, const struct manifest *m)
{
	f->keep = mem_grow(f->keep, f->kept + 1, sizeof(*f->keep));
	f->keep[f->kept++] = *m;
}

static int read_manifest(
	const struct layout *l, const struct descriptor *d, struct manifest *m, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	int rc = layout_read(l, &d->digest, MANIFEST_MAX, &bytes, e);

	if (rc <= 0)
		return rc;
	if (manifest_parse(m, layout_path(l), NULL, buf_span(&bytes), e) < 0)
		return -1;
	return 1;
}

/* An entry of index.json whose manifest names the subject. */
static int look_at_entry(const struct layout *l, const struct descriptor *entry,
	const struct digest *subject, struct found *f, struct err *e)
{
	struct manifest m = MANIFEST_INIT;
	struct descriptor d = *entry;
	int rc;

	if (media_kind_of(entry->media_type) == MEDIA_OTHER)
		return 0;
	rc = read_manifest(l, entry, &m, e);
	if (rc > 0 && m.has_subject && digest_eq(&m.subject.digest, subject)) {
		found_keep(f, &m);
		d.artifact_type = manifest_artifact_type(&m);
		found_add(f, &d);
		return 0;
	}
	manifest_release(&m);
	return rc < 0 ? -1 : 0;
}

/* The list under the fallback tag, as tools write it where registries lack the API. */
static int look_at_fallback(
	const struct layout *l, const struct digest *subject, struct found *f, struct err *e)
{
	char tag[REF_TAG_MAX + 1];
	const struct descriptor *entry;
	struct manifest m = MANIFEST_INIT;
	int rc;

	ref_fallback_tag(subject, "", tag);
	entry = layout_by_tag(l, tag);
	if (!entry || media_kind_of(entry->media_type) != MEDIA_INDEX)
		return 0;
	rc = read_manifest(l, entry, &m, e);
	if (rc <= 0)
		return rc;
	found_keep(f, &m);
	for (size_t i = 0; i < m.count; i++)
		found_add(f, &m.items[i]);
	return 0;
}

struct search {
	const struct layout *layout;
	const struct digest *subject;
	struct found *found;
};

/* May this blob be a manifest? JSON, and not too large: 1, 0, -1. */
static int may_be_manifest(const struct layout *l, const struct digest *d, struct err *e)
{
	struct layout_blob blob = { .fd = -1 };
	char first = '\0';
	int rc = layout_blob(l, d, &blob, e);

	if (rc > 0 && (blob.size == 0 || blob.size > MANIFEST_MAX))
		rc = 0;
	if (rc > 0 && fs_pread_all(blob.fd, &first, 1, blob.offset, layout_path(l), e) < 0)
		rc = -1;
	fd_close(&blob.fd);
	return rc > 0 ? first == '{' : rc;
}

/* What `cosign load` takes along, or `cosign verify --local-image` reads. */
static bool is_bundle(const struct manifest *m)
{
	const char *predicate = annotation_get(&m->annotations, KEY_BUNDLE_PREDICATE);

	if (predicate && *predicate)
		return true;
	for (size_t i = 0; i < m->count; i++)
		if (cosign_is_bundle_type(m->items[i].media_type))
			return true;
	return false;
}

/* What is no manifest is no concern of ours. */
static int look_at_blob(void *ctx, const struct digest *d, struct err *e)
{
	const struct search *s = ctx;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct manifest m = MANIFEST_INIT;
	struct descriptor to = { .digest = *d };
	struct err ignored = ERR_INIT;
	int rc = may_be_manifest(s->layout, d, e);

	if (rc > 0)
		rc = layout_read(s->layout, d, MANIFEST_MAX, &bytes, e);
	if (rc <= 0 || manifest_parse(&m, "", NULL, buf_span(&bytes), &ignored) < 0)
		return rc < 0 ? -1 : 0;
	if (m.kind != MEDIA_IMAGE || !m.has_subject || !digest_eq(&m.subject.digest, s->subject) ||
		!is_bundle(&m)) {
		manifest_release(&m);
		return 0;
	}
	to.size = bytes.len;
	to.media_type = m.media_type;
	to.artifact_type = manifest_artifact_type(&m);
	found_keep(s->found, &m);
	found_add(s->found, &to);
	return 0;
}

/* `cosign save` writes the bundles of the image that it saves, and then index.json without them. */
static int look_beside_index(
	const struct layout *l, const struct digest *subject, struct found *f, struct err *e)
{
	const struct descriptor *saved = layout_saved(l);
	struct search s = { .layout = l, .subject = subject, .found = f };

	if (!saved || !digest_eq(&saved->digest, subject))
		return 0;
	return layout_each(l, look_at_blob, &s, e);
}

static void layout_referrers(
	const struct layout *l, const struct ref *ref, upstream_referrers_fn *done, void *ctx)
{
	const struct manifest *index = layout_index(l);
	AUTO(found_release) struct found f = { .count = 0 };
	struct upstream_referrers result = { .via_tag = false };
	struct err e = ERR_INIT;
	int rc = look_at_fallback(l, &ref->digest, &f, &e);

	for (size_t i = 0; rc == 0 && i < index->count; i++)
		rc = look_at_entry(l, &index->items[i], &ref->digest, &f, &e);
	if (rc == 0)
		rc = look_beside_index(l, &ref->digest, &f, &e);
	result.items = f.items;
	result.count = f.count;
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

/* Where ref is asked for. */
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
		layout_referrers(o->layout, ref, done, ctx);
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
