/*
 * Read OCI layouts: a folder, or a tar file whose headers are read once so that blobs are read in
 * place. Must never follow a link, trust a name, or write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/media/tar_read.h"
#include "mirror-tool/source/layout.h"
#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "storage/oci/keys.h"
#include "storage/oci/ref.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define LAYOUT_FILE "oci-layout"
#define LAYOUT_FILE_MAX 4096
#define DOCKER_FILE "manifest.json"

/* A blob of an archive. */
struct place {
	struct digest digest;
	uint64_t offset, size;
};

struct layout {
	char *path;
	int fd; /* the folder, or the archive */
	bool is_archive;
	struct place *places; /* sorted by digest */
	size_t count;
	struct buf marker, index_bytes; /* oci-layout, index.json */
	bool has_docker; /* manifest.json, as `docker save` writes */
	struct manifest index;
};

void layout_close(struct layout **l)
{
	int saved = errno;

	if (*l) {
		fd_close(&(*l)->fd);
		manifest_release(&(*l)->index);
		buf_release(&(*l)->marker);
		buf_release(&(*l)->index_bytes);
		free((*l)->places);
		free((*l)->path);
		free(*l);
	}
	*l = NULL;
	errno = saved;
}

const char *layout_path(const struct layout *l)
{
	return l->path;
}

const struct manifest *layout_index(const struct layout *l)
{
	return &l->index;
}

/* --- archives ---------------------------------------------------------------------------- */

/* Take the digest of "blobs/sha256/<hex>". Other names are ignored. */
static bool blob_name(const char *name, struct digest *d)
{
	struct span rest = span_of(name), alg;
	AUTO(mem_free) char *text = NULL;
	struct err e;

	if (!span_is(span_until(&rest, '/'), "blobs"))
		return false;
	alg = span_until(&rest, '/');
	text = mem_printf("%.*s:%.*s", (int)alg.len, alg.data, (int)rest.len, rest.data);
	return digest_parse(d, span_of(text), &e) == 0;
}

static int place_cmp(const void *a, const void *b)
{
	return digest_cmp(&((const struct place *)a)->digest, &((const struct place *)b)->digest);
}

static int take_entry(
	struct layout *l, struct tar_reader *r, const struct tar_entry *entry, struct err *e)
{
	struct place place = { .offset = entry->offset, .size = entry->size };
	struct buf *whole = NULL;
	size_t limit = 0;

	if (blob_name(entry->name, &place.digest)) {
		if (l->count == LAYOUT_BLOBS_MAX)
			return err_set(
				e, ERR_INPUT, "%s: more than %d blobs", l->path, LAYOUT_BLOBS_MAX);
		*VEC_PUSH(l->places, l->count) = place;
		return 0;
	}
	if (strcmp(entry->name, LAYOUT_FILE) == 0) {
		whole = &l->marker;
		limit = LAYOUT_FILE_MAX;
	} else if (strcmp(entry->name, DOCKER_FILE) == 0) {
		l->has_docker = true;
	} else if (strcmp(entry->name, "index.json") == 0) {
		whole = &l->index_bytes;
		limit = MANIFEST_MAX;
	}
	if (!whole)
		return 0;
	if (whole->len)
		return err_set(e, ERR_CORRUPT, "%s: %s is there twice", l->path, entry->name);
	return tar_data_all(r, limit, whole, e);
}

static int read_archive(struct layout *l, struct err *e)
{
	AUTO(tar_close) struct tar_reader *r = NULL;
	struct tar_entry entry;
	int rc;

	if (tar_open(&r, l->fd, l->path, TAR_PASS_LINKS, e) < 0)
		return -1;
	while ((rc = tar_next(r, &entry, e)) > 0)
		if (take_entry(l, r, &entry, e) < 0)
			return -1;
	if (rc < 0)
		return -1;
	if (l->count)
		qsort(l->places, l->count, sizeof(*l->places), place_cmp);
	for (size_t i = 1; i < l->count; i++) {
		char text[DIGEST_TEXT_SIZE];

		if (place_cmp(&l->places[i - 1], &l->places[i]) == 0)
			return err_set(e, ERR_CORRUPT, "%s: blob %s is there twice", l->path,
				digest_text(&l->places[i].digest, text));
	}
	return 0;
}

static int compressed_err(const struct layout *l, struct err *e)
{
	uint8_t head[4] = { 0 };

	if (pread(l->fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return 0;
	if ((head[0] == 0x1f && head[1] == 0x8b) || memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0 ||
		memcmp(head,
			"\xfd"
			"7zX",
			4) == 0)
		return err_set(e, ERR_UNSUPPORTED,
			"%s is compressed; blobs are read in place, so uncompress it first",
			l->path);
	return 0;
}

static int open_archive(struct layout *l, struct err *e)
{
	struct stat st;

	l->fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return err_sys(e, "%s", l->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "%s is not a file", l->path);
	if (compressed_err(l, e) < 0)
		return -1;
	return read_archive(l, e);
}

static int blob_in_archive(
	const struct layout *l, const struct digest *d, struct layout_blob *out, struct err *e)
{
	struct place key = { .digest = *d };
	const struct place *place = NULL;

	if (l->count)
		place = bsearch(&key, l->places, l->count, sizeof(key), place_cmp);
	if (!place)
		return 0;
	out->fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	if (out->fd < 0)
		return err_sys(e, "%s", l->path);
	out->offset = place->offset;
	out->size = place->size;
	return 1;
}

/* --- folders ----------------------------------------------------------------------------- */

static int open_folder(struct layout *l, struct err *e)
{
	int rc;

	l->fd = fs_open_dir(l->path, e);
	if (l->fd < 0)
		return -1;
	rc = fs_read_file(l->fd, LAYOUT_FILE, LAYOUT_FILE_MAX, &l->marker, e);
	if (rc > 0)
		rc = fs_read_file(l->fd, "index.json", MANIFEST_MAX, &l->index_bytes, e);
	l->has_docker = faccessat(l->fd, DOCKER_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	return rc < 0 ? err_ctx(e, "%s", l->path) : 0;
}

/* Open a folder of the layout. Returns 1, 0 absent, -1. */
static int sub_folder(int dir, const char *name, int *out, struct err *e)
{
	*out = fs_open_dir_at(dir, name, e);
	if (*out >= 0)
		return 1;
	return e->code == ERR_ABSENT ? 0 : -1;
}

static int blob_in_folder(
	const struct layout *l, const struct digest *d, struct layout_blob *out, struct err *e)
{
	AUTO(fd_close) int blobs = -1;
	AUTO(fd_close) int alg = -1;
	char hex[DIGEST_HEX_SIZE];
	int rc = sub_folder(l->fd, "blobs", &blobs, e);

	if (rc > 0)
		rc = sub_folder(blobs, digest_alg_name(d->alg), &alg, e);
	if (rc > 0)
		rc = fs_open_file(alg, digest_hex(d, hex), &out->fd, &out->size, e);
	out->offset = 0;
	return rc < 0 ? err_ctx(e, "%s", l->path) : rc;
}

/* --- both -------------------------------------------------------------------------------- */

/* Check the exact version, as containerd and oras do. */
static int check_marker(const struct layout *l, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	const char *version = NULL;

	if (l->marker.len == 0 && l->has_docker)
		return err_set(e, ERR_INPUT,
			"%s is a docker archive (docker save before 25), no OCI layout; make one "
			"of it: "
			"skopeo copy docker-archive:%s oci-archive:NEW.tar",
			l->path, l->path);
	if (l->marker.len == 0 || l->index_bytes.len == 0)
		return err_set(e, ERR_INPUT, "%s is no OCI layout: it has no %s", l->path,
			l->marker.len ? "index.json" : LAYOUT_FILE);
	if (json_parse(&d, LAYOUT_FILE, buf_span(&l->marker), LAYOUT_FILE_MAX, e) < 0 ||
		node_string(&d, d.root, "imageLayoutVersion", REQUIRED, &version, e) < 0)
		return err_ctx(e, "%s", l->path);
	if (strcmp(version, "1.0.0") != 0)
		return err_set(e, ERR_UNSUPPORTED, "%s: OCI layout version %.40s, not 1.0.0",
			l->path, version);
	return 0;
}

int layout_open(struct layout **out, enum source_kind kind, const char *path, struct err *e)
{
	AUTO(layout_close) struct layout *l = mem_alloc(sizeof(*l));
	int rc;

	l->fd = -1;
	l->path = mem_strdup(path);
	l->marker = l->index_bytes = (struct buf)BUF_INIT;
	l->is_archive = kind == SOURCE_OCI_ARCHIVE;
	rc = l->is_archive ? open_archive(l, e) : open_folder(l, e);
	if (rc < 0 || check_marker(l, e) < 0)
		return -1;
	if (manifest_parse(&l->index, "index.json", MEDIA_OCI_INDEX, buf_span(&l->index_bytes), e) <
		0)
		return err_ctx(e, "%s", path);
	*out = STEAL(l);
	return 0;
}

/* Read the kind that `cosign save` gave an entry: the suffix of its tag in a registry, "" for the
 * saved image, NULL when there is none. */
static const char *saved_suffix(const struct descriptor *d)
{
	static const struct {
		const char *kind, *suffix;
	} kinds[] = {
		{ "dev.cosignproject.cosign/image", "" },
		{ "dev.cosignproject.cosign/imageIndex", "" },
		{ "dev.cosignproject.cosign/sigs", ".sig" },
		{ "dev.cosignproject.cosign/atts", ".att" },
	};
	const char *kind = annotation_get(&d->annotations, "kind");

	for (size_t i = 0; kind && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].suffix;
	return NULL;
}

static bool is_attached(const struct descriptor *d)
{
	const char *suffix = saved_suffix(d);

	return suffix && *suffix;
}

/* Find the only entry that is not an attachment. Returns 1, 0, -1 several. */
static int only_image(const struct layout *l, const struct descriptor **out, struct err *e)
{
	size_t count = 0;

	for (size_t i = 0; i < l->index.count; i++) {
		if (is_attached(&l->index.items[i]))
			continue;
		*out = &l->index.items[i];
		count++;
	}
	if (count > 1)
		return err_set(e, ERR_INPUT, "%s holds %zu images: name one", l->path, count);
	return count == 1;
}

/* Find an entry by the tag or name that most tools write, or by the full name of containerd and
 * docker. */
static bool is_named(const struct descriptor *d, const char *name)
{
	const char *tag = annotation_get(&d->annotations, KEY_REF_NAME);
	const char *full = annotation_get(&d->annotations, KEY_CONTAINERD_NAME);

	return (tag && strcmp(tag, name) == 0) || (full && strcmp(full, name) == 0);
}

int layout_find(
	const struct layout *l, const char *name, const struct descriptor **out, struct err *e)
{
	*out = NULL;
	if (!*name)
		return only_image(l, out, e);
	for (size_t i = 0; i < l->index.count; i++) {
		if (!is_named(&l->index.items[i], name))
			continue;
		if (*out && !digest_eq(&(*out)->digest, &l->index.items[i].digest))
			return err_set(e, ERR_INPUT, "%s: \"%s\" is there twice", l->path, name);
		*out = &l->index.items[i];
	}
	return *out != NULL;
}

const struct descriptor *layout_saved(const struct layout *l)
{
	const struct descriptor *image = NULL;
	struct err several;

	return only_image(l, &image, &several) == 1 && saved_suffix(image) ? image : NULL;
}

/* Find an entry that `cosign save` wrote without a name, by the tag that it had. */
static const struct descriptor *saved_by_tag(const struct layout *l, const char *tag)
{
	const struct descriptor *image = layout_saved(l);
	char have[REF_TAG_MAX + 1];

	if (!image)
		return NULL;
	for (size_t i = 0; i < l->index.count; i++) {
		const struct descriptor *d = &l->index.items[i];

		if (!is_attached(d))
			continue;
		ref_fallback_tag(&image->digest, saved_suffix(d), have);
		if (strcmp(have, tag) == 0)
			return d;
	}
	return NULL;
}

const struct descriptor *layout_by_tag(const struct layout *l, const char *tag)
{
	for (size_t i = 0; i < l->index.count; i++) {
		const struct descriptor *d = &l->index.items[i];
		const char *name = annotation_get(&d->annotations, KEY_REF_NAME);
		const char *colon = name ? strrchr(name, ':') : NULL;

		if (name && (strcmp(name, tag) == 0 || (colon && strcmp(colon + 1, tag) == 0)))
			return d;
	}
	return saved_by_tag(l, tag);
}

/* --- all blobs --------------------------------------------------------------------------- */

static int each_in_archive(const struct layout *l, layout_each_fn *fn, void *ctx, struct err *e)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->places[i].digest.alg == DIGEST_SHA256 &&
			fn(ctx, &l->places[i].digest, e) < 0)
			return -1;
	return 0;
}

static int each_name(const struct fs_names *names, layout_each_fn *fn, void *ctx, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest d;
	struct err ignored;

	for (size_t i = 0; i < names->count; i++) {
		snprintf(text, sizeof(text), "sha256:%.64s", names->names[i]);
		if (strlen(names->names[i]) == 64 &&
			digest_parse(&d, span_of(text), &ignored) == 0 && fn(ctx, &d, e) < 0)
			return -1;
	}
	return 0;
}

static int each_in_folder(const struct layout *l, layout_each_fn *fn, void *ctx, struct err *e)
{
	AUTO(fd_close) int blobs = -1;
	AUTO(fd_close) int alg = -1;
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };
	int rc = sub_folder(l->fd, "blobs", &blobs, e);

	if (rc > 0)
		rc = sub_folder(blobs, digest_alg_name(DIGEST_SHA256), &alg, e);
	if (rc > 0 && fs_list(alg, &names, e) < 0)
		rc = -1;
	if (rc < 0)
		return err_ctx(e, "%s", l->path);
	return each_name(&names, fn, ctx, e);
}

int layout_each(const struct layout *l, layout_each_fn *fn, void *ctx, struct err *e)
{
	return l->is_archive ? each_in_archive(l, fn, ctx, e) : each_in_folder(l, fn, ctx, e);
}

/* --- a blob ------------------------------------------------------------------------------ */

int layout_blob(
	const struct layout *l, const struct digest *d, struct layout_blob *out, struct err *e)
{
	out->fd = -1;
	return l->is_archive ? blob_in_archive(l, d, out, e) : blob_in_folder(l, d, out, e);
}

int layout_read(const struct layout *l, const struct digest *d, size_t limit, struct buf *out,
	struct err *e)
{
	struct layout_blob blob;
	char text[DIGEST_TEXT_SIZE];
	size_t before = out->len;
	struct digest have;
	int rc = layout_blob(l, d, &blob, e);

	if (rc <= 0)
		return rc;
	digest_text(d, text);
	if (blob.size > limit) {
		rc = err_set(
			e, ERR_INPUT, "%s: blob %s is larger than %zu bytes", l->path, text, limit);
	} else {
		buf_reserve(out, blob.size);
		rc = fs_pread_all(blob.fd, out->data + before, blob.size, blob.offset, text, e);
	}
	fd_close(&blob.fd);
	if (rc < 0)
		return -1;
	out->len += blob.size;
	out->data[out->len] = '\0';
	digest_of(&have, d->alg, (struct span){ out->data + before, blob.size });
	if (!digest_eq(&have, d))
		return err_set(e, ERR_CORRUPT, "%s: blob %s does not have the bytes of its digest",
			l->path, text);
	return 1;
}
