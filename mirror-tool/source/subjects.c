/*
 * Find referrers in a layout. Must never read all manifests for each image, and never take an
 * artifact that index.json does not lead to, except bundles of cosign.
 */
#include "mirror-tool/source/subjects.h"

#include <stdlib.h>

#include "mirror-tool/sign/cosign.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/oci/keys.h"
#include "storage/oci/ref.h"
#include "storage/base/banned.h"

void referrers_release(struct referrers *r)
{
	for (size_t i = 0; i < r->owner_count; i++)
		manifest_release(&r->owners[i]);
	free(r->owners);
	free(r->items);
	*r = (struct referrers)REFERRERS_INIT;
}

static void add(struct referrers *r, const struct descriptor *d)
{
	for (size_t i = 0; i < r->count; i++)
		if (digest_eq(&r->items[i].digest, &d->digest))
			return;
	*VEC_PUSH(r->items, r->count) = *d;
}

/* Take ownership of m, whose strings the items borrow. */
static void own(struct referrers *r, const struct manifest *m)
{
	*VEC_PUSH(r->owners, r->owner_count) = *m;
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

/* --- index.json -------------------------------------------------------------------------- */

/* A subject, and which entries of index.json name it. */
struct subject {
	struct digest digest;
	size_t *entries;
	size_t count;
};

static void subject_done(void *item)
{
	free(((struct subject *)item)->entries);
}

void subjects_release(struct subjects *s)
{
	digest_map_release(&s->map);
	*s = (struct subjects){ .read = false };
}

static int read_entry(struct subjects *s, const struct layout *l, size_t i, struct err *e)
{
	const struct descriptor *entry = &layout_index(l)->items[i];
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct subject *subject;
	int rc;

	if (media_kind_of(entry->media_type) == MEDIA_OTHER)
		return 0;
	rc = read_manifest(l, entry, &m, e);
	if (rc <= 0 || !m.has_subject)
		return rc < 0 ? -1 : 0;
	subject = digest_map_add(&s->map, &m.subject.digest, sizeof(*subject));
	*VEC_PUSH(subject->entries, subject->count) = i;
	return 0;
}

static int read_index(struct subjects *s, const struct layout *l, struct err *e)
{
	s->map.done = subject_done;
	for (size_t i = 0; i < layout_index(l)->count; i++)
		if (read_entry(s, l, i, e) < 0) {
			subjects_release(s);
			return -1;
		}
	s->read = true;
	return 0;
}

/* Add the entries that name the subject; read them again for the strings of their descriptors. */
static int from_index(const struct subjects *s, const struct layout *l,
	const struct digest *subject, struct referrers *out, struct err *e)
{
	const struct subject *found = digest_map_find(&s->map, subject);

	for (size_t i = 0; found && i < found->count; i++) {
		struct descriptor d = layout_index(l)->items[found->entries[i]];
		struct manifest m = MANIFEST_INIT;
		int rc = read_manifest(l, &d, &m, e);

		if (rc <= 0)
			return rc < 0 ? -1 : 0; /* it was removed meanwhile */
		own(out, &m);
		d.artifact_type = manifest_artifact_type(&m);
		add(out, &d);
	}
	return 0;
}

/* Add the list under the fallback tag, as tools write it for registries without the API. */
static int read_fallback(
	const struct layout *l, const struct digest *subject, struct referrers *f, struct err *e)
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
	own(f, &m);
	for (size_t i = 0; i < m.count; i++)
		add(f, &m.items[i]);
	return 0;
}

/* --- beside index.json -------------------------------------------------------------------- */

struct search {
	const struct layout *layout;
	const struct digest *subject;
	struct referrers *found;
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

/* Add what `cosign load` imports and `cosign verify --local-image` reads. */
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

/* Ignore blobs that are no manifest. */
static int take_blob(void *ctx, const struct digest *d, struct err *e)
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
	own(s->found, &m);
	add(s->found, &to);
	return 0;
}

/* Add bundles of the saved image: `cosign save` writes them, and then index.json without them. */
static int find_beside_index(
	const struct layout *l, const struct digest *subject, struct referrers *f, struct err *e)
{
	const struct descriptor *saved = layout_saved(l);
	struct search s = { .layout = l, .subject = subject, .found = f };

	if (!saved || !digest_eq(&saved->digest, subject))
		return 0;
	return layout_each(l, take_blob, &s, e);
}

int subjects_referrers(struct subjects *s, const struct layout *l, const struct digest *subject,
	struct referrers *out, struct err *e)
{
	if (read_fallback(l, subject, out, e) < 0 || (!s->read && read_index(s, l, e) < 0) ||
		from_index(s, l, subject, out, e) < 0)
		return -1;
	return find_beside_index(l, subject, out, e);
}
