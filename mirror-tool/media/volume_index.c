/* Write and read index.json of a volume. Pure; must believe nothing but where the set is. */
#include "mirror-tool/media/volume_index.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/oci/keys.h"
#include "storage/base/number.h"
#include "storage/base/banned.h"

#define REFERENCE "vnd.moat.reference"
#define REPOSITORY "vnd.moat.repository"
#define ROLE "vnd.moat.role"
#define VOLUME "vnd.moat.volume"
#define VOLUMES "vnd.moat.volumes"
#define TAG "vnd.moat.tag"
#define BASE "vnd.moat.base"

/* --- writing ------------------------------------------------------------------------------- */

static void annotate(struct descriptor *d, const char *key, const char *value)
{
	d->annotations.items[d->annotations.count++] = (struct annotation){ key, value };
}

static void write_set(struct buf *out, const struct head *h)
{
	char reference[REF_TEXT_SIZE];
	struct annotation items[2];
	struct ref ref;
	struct descriptor d = { .digest = h->digest,
		.size = h->blobs[0].bytes.len,
		.media_type = MEDIA_OCI_INDEX,
		.artifact_type = MEDIA_MOAT_SET,
		.has_platform = true,
		.platform = { .os = "unknown", .arch = "unknown" },
		.annotations = { items, 0 } };

	set_ref(&h->set, &ref);
	annotate(&d, ROLE, "set");
	annotate(&d, REFERENCE, ref_text(&ref, reference));
	descriptor_write(out, &d);
}

static void write_signature(struct buf *out, const struct head *h, const struct set_signature *s)
{
	char subject[DIGEST_TEXT_SIZE], name[REF_TEXT_SIZE];
	struct annotation items[4];
	struct ref ref;
	struct descriptor d = { .digest = s->digest,
		.size = head_find(h, &s->digest)->bytes.len,
		.media_type = s->media_type,
		.annotations = { items, 0 } };

	set_ref(&h->set, &ref);
	annotate(&d, ROLE, "signature");
	annotate(&d, REPOSITORY, ref_name(&ref, name));
	annotate(&d, KEY_CONTAINERD_SUBJECT, digest_text(&h->digest, subject));
	if (*s->tag)
		annotate(&d, TAG, s->tag);
	descriptor_write(out, &d);
}

static void write_entry(struct buf *out, const struct set_entry *entry, enum index_listing listing)
{
	char name[REF_TEXT_SIZE], subject[DIGEST_TEXT_SIZE];
	struct annotation items[4];
	struct descriptor d = { .digest = entry->digest,
		.size = entry->size,
		.media_type = entry->media_type,
		.artifact_type = *entry->artifact_type ? entry->artifact_type : NULL,
		.annotations = { items, 0 } };

	snprintf(name, sizeof(name), "%s:%s", entry->name, entry->tag);
	annotate(&d, ROLE, entry->role == SET_PIN ? "pin" : "attached");
	if (!*entry->tag) {
		annotate(&d, REPOSITORY, entry->name);
	} else if (listing == LISTING_NAMED) {
		annotate(&d, KEY_REF_NAME, name);
		annotate(&d, KEY_CONTAINERD_NAME, name);
	} else {
		annotate(&d, REFERENCE, name);
	}
	if (entry->subject.alg != DIGEST_NONE)
		annotate(&d, KEY_CONTAINERD_SUBJECT, digest_text(&entry->subject, subject));
	descriptor_write(out, &d);
}

size_t volume_index_entry_bytes(const struct set_entry *entry)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	write_entry(&text, entry, LISTING_NAMED);
	return text.len + 2; /* comma and line end */
}

void volume_index_write(struct buf *out, const struct head *h, struct volume_number number,
	const enum index_listing *listings)
{
	buf_str(out,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[\n");
	write_set(out, h);
	for (size_t i = 0; i < h->signature_count; i++) {
		buf_str(out, ",\n");
		write_signature(out, h, &h->signatures[i]);
	}
	for (size_t i = 0; i < h->set.count; i++) {
		if (listings[i] == LISTING_NONE)
			continue;
		buf_str(out, ",\n");
		write_entry(out, &h->set.entries[i], listings[i]);
	}
	buf_str(out, "\n],\"annotations\":{");
	if (number.base && *number.base)
		buf_printf(out, "\"" BASE "\":\"%s\",", number.base);
	buf_printf(out, "\"" VOLUME "\":\"%u\",\"" VOLUMES "\":\"%u\"}}\n", number.volume,
		number.volumes);
}

/* --- reading ------------------------------------------------------------------------------- */

static int parse_number(const struct annotations *a, const char *key, uint32_t *out, struct err *e)
{
	const char *text = annotation_get(a, key);
	struct span digits = span_of(text ? text : "");
	uint64_t n;

	if (!number_is_plain(digits) || !number_parse(digits, VOLUMES_MAX, &n) || n == 0)
		return err_set(e, ERR_CORRUPT, "the annotation %s is no number of a volume", key);
	*out = (uint32_t)n;
	return 0;
}

static bool has_role(const struct descriptor *d, const char *role)
{
	const char *text = annotation_get(&d->annotations, ROLE);

	return text && strcmp(text, role) == 0;
}

/* Check the tag: no signature covers this text and the tag is served, so it must follow from the
 * set. */
static int read_signature(struct volume_index *v, const struct descriptor *d, struct err *e)
{
	const char *tag = annotation_get(&d->annotations, TAG);
	struct set_signature *s = &v->signatures[v->signature_count];
	char own[REF_TAG_MAX + 1];

	if (v->signature_count == VOLUME_SIGNATURES_MAX)
		return err_set(e, ERR_CORRUPT, "more than %d signatures", VOLUME_SIGNATURES_MAX);
	if (strlen(d->media_type) > MEDIA_TYPE_MAX)
		return err_set(e, ERR_CORRUPT, "a signature whose type is too long");
	ref_fallback_tag(&v->set, ".sig", own);
	if (tag && strcmp(tag, own) != 0)
		return err_set(e, ERR_CORRUPT, "a signature under the tag \"%.*s\", not %s",
			REF_TAG_MAX, tag, own);
	*s = (struct set_signature){ .digest = d->digest };
	memcpy(s->media_type, d->media_type, strlen(d->media_type) + 1);
	if (tag)
		memcpy(s->tag, tag, strlen(tag) + 1);
	v->signature_sizes[v->signature_count++] = d->size;
	return 0;
}

static int read_index(struct volume_index *v, struct err *e)
{
	const struct manifest *m = &v->manifest;

	if (m->kind != MEDIA_INDEX || m->count == 0 || !has_role(&m->items[0], "set"))
		return err_set(e, ERR_INPUT, "it does not begin with a moat set");
	if (parse_number(&m->annotations, VOLUME, &v->number.volume, e) < 0 ||
		parse_number(&m->annotations, VOLUMES, &v->number.volumes, e) < 0)
		return -1;
	if (v->number.volume > v->number.volumes)
		return err_set(e, ERR_CORRUPT, "it is volume %u of %u", v->number.volume,
			v->number.volumes);
	v->number.base = annotation_get(&m->annotations, BASE);
	if (base_parse(&v->base, v->number.base, e) < 0)
		return -1;
	v->set = m->items[0].digest;
	v->set_size = m->items[0].size;
	for (size_t i = 1; i < m->count && has_role(&m->items[i], "signature"); i++)
		if (read_signature(v, &m->items[i], e) < 0)
			return -1;
	return 0;
}

int volume_index_parse(struct volume_index *v, const char *name, struct span bytes, struct err *e)
{
	static const struct manifest_limits limits = { VOLUME_INDEX_MAX,
		SET_ENTRIES_MAX + VOLUME_SIGNATURES_MAX + 1, SET_VALUES_MAX };

	*v = (struct volume_index)VOLUME_INDEX_INIT;
	if (manifest_parse_limited(&v->manifest, name, MEDIA_OCI_INDEX, bytes, &limits, e) < 0) {
		e->code = ERR_CORRUPT;
		return -1;
	}
	if (read_index(v, e) < 0) {
		volume_index_release(v);
		return err_ctx(e, "%s: not a volume of moat", name);
	}
	return 0;
}

void volume_index_release(struct volume_index *v)
{
	manifest_release(&v->manifest);
	*v = (struct volume_index)VOLUME_INDEX_INIT;
}

void volume_index_claim(const struct volume_index *v, char name[SET_NAME_MAX + 1],
	char version[SET_VERSION_MAX + 1])
{
	static const char before[] = SET_HOST "/set/";
	const char *text = annotation_get(&v->manifest.items[0].annotations, REFERENCE);
	struct span rest, part;

	*name = *version = '\0';
	if (!text || strncmp(text, before, strlen(before)) != 0)
		return;
	rest = span_of(text + strlen(before));
	part = span_until(&rest, ':');
	if (part.len > SET_NAME_MAX || rest.len > SET_VERSION_MAX)
		return;
	memcpy(name, part.data, part.len);
	name[part.len] = '\0';
	memcpy(version, rest.data, rest.len);
	version[rest.len] = '\0';
}

static bool lists(const struct descriptor *d, const struct set_entry *entry)
{
	char name[REF_TEXT_SIZE];
	const char *text = annotation_get(&d->annotations, KEY_REF_NAME);

	if (!text)
		text = annotation_get(&d->annotations, REFERENCE);
	if (!text)
		text = annotation_get(&d->annotations, REPOSITORY);
	snprintf(name, sizeof(name), "%s%s%s", entry->name, *entry->tag ? ":" : "", entry->tag);
	return text && digest_eq(&d->digest, &entry->digest) && strcmp(text, name) == 0;
}

int volume_index_check(const struct volume_index *v, const char *name, struct span bytes,
	const struct head *h, enum index_listing *listings, struct err *e)
{
	AUTO(buf_release) struct buf again = BUF_INIT;
	const struct manifest *m = &v->manifest;
	size_t item = 1 + v->signature_count;

	/* both lists are in the order of the set */
	for (size_t i = 0; i < h->set.count; i++) {
		const struct descriptor *d = item < m->count ? &m->items[item] : NULL;

		listings[i] = LISTING_NONE;
		if (!d || h->set.entries[i].role > SET_ATTACHED || !lists(d, &h->set.entries[i]))
			continue;
		listings[i] = annotation_get(&d->annotations, REFERENCE) ? LISTING_UNNAMED
									 : LISTING_NAMED;
		item++;
	}
	volume_index_write(&again, h, v->number, listings);
	if (again.len == bytes.len && memcmp(again.data, bytes.data, bytes.len) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "%s: it is not what the set says: altered", name);
}
