/*
 * Read one volume from front to back. Must never hand a byte to the sink before the signatures of
 * the set hold, or take a size, a name or an order from the medium that follows from the set.
 */
#include "mirror-tool/media/volume_read.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "mirror-tool/media/documents.h"
#include "mirror-tool/media/pack.h"
#include "storage/base/clock.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct volume_reader {
	struct medium *m;
	struct tar_reader *tar;
	const char *name; /* of the volume; borrowed */
	size_t at; /* its export, of the medium's */
	struct buf index_text;
	struct volume_index index;
	struct toc_check toc;
	struct hasher hasher; /* of a part */
	bool *here; /* by inventory line: seen in this volume */
};

struct volume_reader *volume_reader_new(struct medium *m, struct tar_reader *tar, const char *name)
{
	struct volume_reader *v = mem_alloc(sizeof(*v));

	*v = (struct volume_reader){ .m = m,
		.tar = tar,
		.name = name,
		.index_text = BUF_INIT,
		.index = VOLUME_INDEX_INIT,
		.toc = TOC_CHECK_INIT,
		.hasher = HASHER_INIT };
	return v;
}

void volume_reader_free(struct volume_reader **out)
{
	struct volume_reader *v = *out;
	int saved = errno;

	if (!v)
		return;
	buf_release(&v->index_text);
	volume_index_release(&v->index);
	toc_check_release(&v->toc);
	hasher_release(&v->hasher);
	free(v->here);
	free(v);
	*out = NULL;
	errno = saved;
}

static void export_release(struct medium_export *x)
{
	volume_map_release(&x->map);
	buf_release(&x->map_text);
	free(x->reached);
	free(x->seen);
}

void medium_release(struct medium *m)
{
	int saved = errno;

	head_release(&m->head);
	for (size_t i = 0; i < m->export_count; i++)
		export_release(&m->exports[i]);
	free(m->exports);
	free(m->arrived);
	m->exports = NULL;
	m->export_count = 0;
	m->volumes = 0;
	m->arrived = NULL;
	m->trusted = false;
	errno = saved;
}

/* Turn every error of a parser into ERR_CORRUPT: the medium is wrong. */
static int bad(const struct volume_reader *v, struct err *e)
{
	if (e->code == ERR_INPUT || e->code == ERR_ABSENT || e->code == ERR_UNSUPPORTED)
		e->code = ERR_CORRUPT;
	return err_ctx(e, "%s", v->name);
}

/* --- entries in memory ----------------------------------------------------------------------- */

/* Go to the next entry, which should be `name`. */
static int next(struct volume_reader *v, const char *name, struct tar_entry *entry, struct err *e)
{
	int rc = tar_next(v->tar, entry, e);

	if (rc == 0)
		return err_set(e, ERR_CORRUPT, "%s: ends before entry %s", v->name, name);
	return rc < 0 ? -1 : 0;
}

static int expect(struct volume_reader *v, const struct tar_entry *entry, const char *name,
	uint64_t size, struct err *e)
{
	if (strcmp(entry->name, name) != 0)
		return err_set(e, ERR_CORRUPT,
			"%s: entry %s where %s should be: altered, or of a newer moat", v->name,
			entry->name, name);
	if (size != UINT64_MAX && entry->size != size)
		return err_set(e, ERR_CORRUPT, "%s: entry %s has %llu bytes instead of %llu",
			v->name, name, (unsigned long long)entry->size, (unsigned long long)size);
	return 0;
}

static int take_text(
	struct volume_reader *v, const char *name, size_t limit, struct buf *out, struct err *e)
{
	struct tar_entry entry;

	if (next(v, name, &entry, e) < 0 || expect(v, &entry, name, UINT64_MAX, e) < 0)
		return -1;
	return tar_data_all(v->tar, limit, out, e);
}

/* of: see toc.h */
static void note_text(struct volume_reader *v, const char *name, struct span text, uint64_t of)
{
	struct digest sha256;

	digest_of(&sha256, DIGEST_SHA256, text);
	toc_check_add(&v->toc, &(struct toc_entry){ name, text.len, &sha256, of });
}

/* Read the current entry, a document that travels packed; `size` is what it must have. out NULL: only for the table. */
static int take_packed(struct volume_reader *v, const struct tar_entry *entry, uint64_t size,
	struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(mem_free) char *name = mem_strdup(entry->name);
	struct packed_entry packed;

	if (!volume_packed_parse(name, &packed.digest, &packed.base))
		BUG("entry %s", name);
	/* none is written that is not smaller */
	if (tar_data_all(v->tar, size, &bytes, e) < 0)
		return -1;
	packed.bytes = buf_span(&bytes);
	if (out && document_unpack(v->m->documents, &v->index.base, &packed, size, out, e) < 0)
		return e->code == ERR_INCOMPLETE ? err_ctx(e, "%s", v->name)
						 : err_ctx(e, "%s: entry %s", v->name, name);
	note_text(v, name, packed.bytes, size);
	return 0;
}

/* Is the entry this document, packed? */
static bool is_packed(const struct tar_entry *entry, const struct digest *d)
{
	struct digest got, base;

	return volume_packed_parse(entry->name, &got, &base) && digest_eq(&got, d);
}

static int take_blob(struct volume_reader *v, const struct digest *d, uint64_t size, size_t limit,
	struct buf *out, struct err *e)
{
	char name[VOLUME_NAME_SIZE];
	struct tar_entry entry;
	struct digest got;

	volume_blob_name(d, name);
	if (next(v, name, &entry, e) < 0)
		return -1;
	if (size <= limit && is_packed(&entry, d))
		return take_packed(v, &entry, size, out, e);
	if (expect(v, &entry, name, size, e) < 0 || tar_data_all(v->tar, limit, out, e) < 0)
		return -1;
	digest_of(&got, d->alg, buf_span(out));
	if (!digest_eq(&got, d))
		return err_set(e, ERR_CORRUPT,
			"%s: entry %s: its bytes are not what its name says: damaged or altered",
			v->name, name);
	toc_check_add(&v->toc, &(struct toc_entry){ name, size, NULL, 0 });
	return 0;
}

/* --- the head -------------------------------------------------------------------------------- */

/* Read a blob of the head, once. */
static int take_head_blob(
	struct volume_reader *v, const struct digest *d, uint64_t size, size_t limit, struct err *e)
{
	if (head_find(&v->m->head, d))
		return 0;
	return take_blob(v, d, size, limit, &head_add(&v->m->head, d)->bytes, e);
}

/* Read a manifest of the head with its config and layers. *layer: the first one. */
static int take_head_manifest(struct volume_reader *v, const struct descriptor *d, size_t limit,
	size_t layers_max, struct digest *layer, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	char text[DIGEST_TEXT_SIZE];

	if (take_head_blob(v, &d->digest, d->size, MANIFEST_MAX, e) < 0)
		return -1;
	digest_text(&d->digest, text);
	if (manifest_parse(
		    &m, text, NULL, buf_span(&head_find(&v->m->head, &d->digest)->bytes), e) < 0)
		return bad(v, e);
	if (m.kind != MEDIA_IMAGE || m.count == 0 || m.count > layers_max)
		return err_set(e, ERR_CORRUPT, "%s: %s has %zu layers", v->name, text, m.count);
	*layer = m.items[0].digest;
	if (m.has_config &&
		take_head_blob(v, &m.config.digest, m.config.size, COSIGN_BLOB_MAX, e) < 0)
		return -1;
	for (size_t i = 0; i < m.count; i++)
		if (take_head_blob(v, &m.items[i].digest, m.items[i].size, limit, e) < 0)
			return -1;
	return 0;
}

static int take_signatures(struct volume_reader *v, struct err *e)
{
	struct digest layer;

	for (size_t i = 0; i < v->index.signature_count; i++) {
		struct descriptor d = { .digest = v->index.signatures[i].digest,
			.size = v->index.signature_sizes[i] };

		head_add_signature(&v->m->head, &v->index.signatures[i]);
		if (take_head_manifest(v, &d, COSIGN_BLOB_MAX, COSIGN_LAYERS_MAX, &layer, e) < 0)
			return -1;
	}
	return 0;
}

static int head_blob(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	const struct head_blob *b = head_find(ctx, d);

	if (!b)
		return 0;
	if (b->bytes.len != size)
		return err_set(e, ERR_CORRUPT, "a signature's blob has another size");
	buf_add(out, b->bytes.data, b->bytes.len);
	return 1;
}

/* Make the claim that must have been signed. reference: room for its text. */
static struct cosign_claim claim_of(const struct head *h, char reference[REF_TEXT_SIZE])
{
	struct ref ref;

	set_ref(&h->set, &ref);
	return (struct cosign_claim){ .digest = h->digest,
		.reference = ref_text(&ref, reference),
		.bytes = buf_span(&h->blobs[0].bytes) };
}

static struct span signature_bytes(const struct head *h, size_t i)
{
	return buf_span(&head_find(h, &h->signatures[i].digest)->bytes);
}

/* Do the signatures hold? */
static int judge(struct volume_reader *v, struct err *e)
{
	struct head *h = &v->m->head;
	struct cosign_candidate candidates[VOLUME_SIGNATURES_MAX];
	char names[VOLUME_SIGNATURES_MAX][DIGEST_TEXT_SIZE], reference[REF_TEXT_SIZE];
	struct cosign_claim claim = claim_of(h, reference);
	struct trust trust = *v->m->trust;

	trust.set = h->set.name;
	for (size_t i = 0; i < h->signature_count; i++)
		candidates[i] = (struct cosign_candidate){
			.name = digest_text(&h->signatures[i].digest, names[i]),
			.manifest = signature_bytes(h, i)
		};
	if (cosign_verify_set(candidates, h->signature_count, &claim, &trust, head_blob, h, e) < 0)
		return err_ctx(e, "%s: set %s %s", v->name, h->set.name, h->set.version);
	for (size_t i = 0; i < h->signature_count; i++)
		cosign_find_audit_head(
			signature_bytes(h, i), &claim, &trust, head_blob, h, &v->m->audit_head);
	return 0;
}

bool medium_is_signed_by(const struct medium *m, struct verify_key *key)
{
	const struct head *h = &m->head;
	const struct trust only = { .keys = &key, .count = 1, .set = h->set.name };
	char reference[REF_TEXT_SIZE];
	struct cosign_claim claim = claim_of(h, reference);
	bool signs = false;

	for (size_t i = 0; i < h->signature_count && !signs; i++) {
		const struct verify_key *by;
		struct err why = ERR_INIT;

		signs = cosign_verify("", signature_bytes(h, i), &claim, &only, head_blob,
				(void *)(uintptr_t)h, &by, &why) == 0;
	}
	return signs;
}

/* Compare times as texts: they have one form. */
static int check_expiry(struct volume_reader *v, struct err *e)
{
	const struct set *s = &v->m->head.set;
	char text[CLOCK_TEXT_SIZE];

	if (!*s->expires || v->m->allow_expired ||
		strcmp(clock_text(v->m->now, text), s->expires) <= 0)
		return 0;
	return err_set(e, ERR_UNTRUSTED, "%s: set %s %s expired at %s (it is %s)", v->name, s->name,
		s->version, s->expires, text);
}

static int take_inventory(struct volume_reader *v, struct err *e)
{
	struct head *h = &v->m->head;
	const struct set_entry *entry = set_role_entry(&h->set, SET_INVENTORY);
	struct descriptor d = { .digest = entry->digest, .size = entry->size };
	struct digest layer;

	if (take_head_manifest(v, &d, INVENTORY_BYTES_MAX, 1, &layer, e) < 0)
		return -1;
	if (inventory_parse(&h->inventory, "inventory", buf_span(&head_find(h, &layer)->bytes), e) <
		0)
		return bad(v, e);
	return 0;
}

static int take_first_head(struct volume_reader *v, struct err *e)
{
	struct head *h = &v->m->head;
	char text[DIGEST_TEXT_SIZE];

	h->digest = v->index.set;
	v->m->claim = (struct set_claim){ .digest = h->digest };
	if (take_head_blob(v, &h->digest, v->index.set_size, SET_BYTES_MAX, e) < 0)
		return -1;
	if (set_parse(&h->set, digest_text(&h->digest, text), buf_span(&h->blobs[0].bytes), e) < 0)
		return bad(v, e);
	memcpy(v->m->claim.name, h->set.name, sizeof(v->m->claim.name));
	memcpy(v->m->claim.version, h->set.version, sizeof(v->m->claim.version));
	if (take_signatures(v, e) < 0 || judge(v, e) < 0 || check_expiry(v, e) < 0)
		return -1;
	return take_inventory(v, e);
}

/* Compare the head with that of the first volume. */
static int take_known_head(struct volume_reader *v, struct err *e)
{
	const struct head *h = &v->m->head;
	char text[DIGEST_TEXT_SIZE];

	if (!digest_eq(&h->digest, &v->index.set))
		return err_set(e, ERR_INPUT,
			"%s: a volume of another set (%s); the others are of %s %s: name the "
			"volumes of one set at a time",
			v->name, digest_text(&v->index.set, text), h->set.name, h->set.version);
	for (size_t i = 0; i < h->count; i++) {
		const struct head_blob *b = &h->blobs[i];
		AUTO(buf_release) struct buf again = BUF_INIT;

		if (take_blob(v, &b->digest, b->bytes.len, b->bytes.len, &again, e) < 0)
			return -1;
	}
	return 0;
}

/* --- index and map ---------------------------------------------------------------------------- */

static struct medium_export *export_of(const struct volume_reader *v)
{
	return &v->m->exports[v->at];
}

/* Check that what index.json lists is in this volume. */
static int check_listings(
	struct volume_reader *v, const enum index_listing *listings, struct err *e)
{
	const struct head *h = &v->m->head;

	for (size_t i = 0; i < h->set.count; i++) {
		const struct set_entry *entry = &h->set.entries[i];
		const struct inventory_line *line = inventory_find(&h->inventory, &entry->digest);

		if (listings[i] == LISTING_NONE)
			continue;
		if (!line || export_of(v)->map.lines[line - h->inventory.lines].first !=
				     v->index.number.volume)
			return err_set(e, ERR_CORRUPT,
				"%s: index.json names %s, which is not in this volume", v->name,
				entry->name);
	}
	return 0;
}

/* Find the export of which this volume is one: of the same division, on the same base. */
static bool find_export(struct volume_reader *v, const struct base *base, struct span map)
{
	const struct medium *m = v->m;

	for (v->at = 0; v->at < m->export_count; v->at++) {
		const struct medium_export *x = export_of(v);

		if (x->volumes == v->index.number.volumes && x->base.kind == base->kind &&
			x->map_text.len == map.len &&
			memcmp(x->map_text.data, map.data, map.len) == 0)
			return true;
	}
	return false;
}

/* May volumes of one more export come along? Deltas of a set may, two divisions of all of it not. */
static int check_export(struct volume_reader *v, const struct base *base, struct err *e)
{
	const struct medium *m = v->m;

	for (size_t i = 0; i < m->export_count; i++) {
		const struct medium_export *x = &m->exports[i];

		if (base->kind != BASE_NONE || x->base.kind != BASE_NONE)
			continue;
		if (x->volumes != v->index.number.volumes)
			return err_set(e, ERR_CORRUPT,
				"%s: one of %u volumes, while others are of %u", v->name,
				v->index.number.volumes, x->volumes);
		return err_set(e, ERR_CORRUPT,
			"%s: its map of volumes is not that of the others: exported with another "
			"--volume-size?",
			v->name);
	}
	if (m->export_count < EXPORTS_MAX)
		return 0;
	return err_set(
		e, ERR_INPUT, "%s: more than %d exports of a set at once", v->name, EXPORTS_MAX);
}

/* Begin an export with its first volume. */
static int add_export(struct volume_reader *v, struct span map, struct err *e)
{
	struct medium *m = v->m;
	struct medium_export x = {
		.base = v->index.base, .volumes = v->index.number.volumes, .map_text = BUF_INIT
	};

	if (volume_map_parse(&x.map, VOLUME_MAP, map, m->head.inventory.count, x.volumes,
		    x.base.kind != BASE_NONE, e) < 0)
		return bad(v, e);
	buf_add(&x.map_text, map.data, map.len);
	x.reached = mem_alloc(m->head.inventory.count * sizeof(*x.reached));
	x.seen = mem_alloc((x.volumes + 1) * sizeof(*x.seen));
	v->at = m->export_count;
	*VEC_PUSH(m->exports, m->export_count) = x;
	m->volumes += x.volumes;
	return 0;
}

/* Unpack the map. Its size is not signed, but that of the inventory is. */
static int unpack_map(struct volume_reader *v, struct span packed, struct buf *out, struct err *e)
{
	uint64_t size = pack_size(packed), most = v->m->head.inventory.count * VOLUME_MAP_LINE_MAX;

	if (size > most || unpack((struct span){ "", 0 }, packed, (size_t)size, out, e) < 0)
		return err_set(e, ERR_CORRUPT,
			"%s: entry " VOLUME_MAP_PACKED ": no map that moat packed", v->name);
	note_text(v, VOLUME_MAP_PACKED, packed, size);
	return 0;
}

static int read_map(struct volume_reader *v, struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct tar_entry entry;
	bool packed;

	if (next(v, VOLUME_MAP, &entry, e) < 0)
		return -1;
	packed = strcmp(entry.name, VOLUME_MAP_PACKED) == 0;
	if (!packed && expect(v, &entry, VOLUME_MAP, UINT64_MAX, e) < 0)
		return -1;
	if (tar_data_all(v->tar, INVENTORY_BYTES_MAX, &text, e) < 0)
		return -1;
	if (packed)
		return unpack_map(v, buf_span(&text), out, e);
	note_text(v, VOLUME_MAP, buf_span(&text), 0);
	*out = text;
	text = (struct buf)BUF_INIT;
	return 0;
}

static int take_map(struct volume_reader *v, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (read_map(v, &text, e) < 0)
		return -1;
	if (find_export(v, &v->index.base, buf_span(&text)))
		return 0;
	return check_export(v, &v->index.base, e) < 0 ? -1 : add_export(v, buf_span(&text), e);
}

static int take_layout(struct volume_reader *v, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (take_text(v, VOLUME_LAYOUT, 4096, &text, e) < 0)
		return -1;
	if (span_is(buf_span(&text), VOLUME_LAYOUT_TEXT))
		return 0;
	if (volume_is_file_name(v->name))
		return err_set(
			e, ERR_CORRUPT, "%s: its oci-layout is not that of a volume", v->name);
	return err_set(e, ERR_INPUT, "%s: an OCI layout, but not a volume of moat", v->name);
}

static int take_index(struct volume_reader *v, struct err *e)
{
	if (take_text(v, VOLUME_INDEX, VOLUME_INDEX_MAX, &v->index_text, e) < 0)
		return -1;
	if (volume_index_parse(&v->index, VOLUME_INDEX, buf_span(&v->index_text), e) < 0)
		return err_ctx(e, "%s", v->name);
	toc_check_begin(&v->toc, &v->index.set, v->index.number.volume, v->index.number.volumes);
	note_text(v, VOLUME_LAYOUT, span_of(VOLUME_LAYOUT_TEXT), 0);
	note_text(v, VOLUME_INDEX, buf_span(&v->index_text), 0);
	return 0;
}

/* Read the map. It is not signed, but a wrong one cannot pass: each volume must hold what it says. */
static int read_head(struct volume_reader *v, struct err *e)
{
	struct medium *m = v->m;
	AUTO(mem_free) enum index_listing *listings = NULL;

	if (take_layout(v, e) < 0 || take_index(v, e) < 0)
		return -1;
	if ((m->trusted ? take_known_head(v, e) : take_first_head(v, e)) < 0)
		return -1;
	if (take_map(v, e) < 0)
		return -1;
	listings = mem_alloc(m->head.set.count * sizeof(*listings));
	if (volume_index_check(
		    &v->index, VOLUME_INDEX, buf_span(&v->index_text), &m->head, listings, e) < 0)
		return bad(v, e);
	return check_listings(v, listings, e);
}

/* Trust the set from here on. Blobs of the head have arrived with every volume. */
static void trust_medium(struct medium *m)
{
	m->arrived = mem_alloc(m->head.inventory.count * sizeof(*m->arrived));
	m->trusted = true;
	for (size_t i = 0; i < m->head.count; i++) {
		const struct inventory *inventory = &m->head.inventory;
		const struct inventory_line *line =
			inventory_find(inventory, &m->head.blobs[i].digest);

		if (line)
			m->arrived[line - inventory->lines] = true;
	}
}

static void drop_export(struct medium *m)
{
	struct medium_export *x = &m->exports[--m->export_count];

	m->volumes -= x->volumes;
	export_release(x);
}

int volume_read_head(struct volume_reader *v, uint32_t *volume, struct err *e)
{
	struct medium *m = v->m;
	size_t exports = m->export_count;

	if (read_head(v, e) < 0) {
		if (!m->trusted) /* of the next volume nothing may be left of it */
			medium_release(m);
		else if (m->export_count > exports)
			drop_export(m);
		return -1;
	}
	if (!m->trusted)
		trust_medium(m);
	*volume = v->index.number.volume;
	for (size_t i = 0; i < v->at; i++)
		*volume += m->exports[i].volumes;
	return 0;
}

const struct medium_export *medium_find_line(const struct medium *m, size_t line)
{
	for (size_t i = 0; i < m->export_count; i++)
		if (m->exports[i].map.lines[line].first)
			return &m->exports[i];
	return NULL;
}

static bool has_range(const struct medium_export *x, struct volume_range r)
{
	for (uint32_t n = r.first; r.first && n <= r.last; n++)
		if (!x->seen[n])
			return false;
	return r.first > 0;
}

bool medium_has_line(const struct medium *m, size_t line)
{
	for (size_t i = 0; i < m->export_count; i++)
		if (has_range(&m->exports[i], m->exports[i].map.lines[line]))
			return true;
	return m->arrived[line];
}

size_t medium_left_out(const struct medium *m, uint64_t *bytes)
{
	size_t count = 0;

	*bytes = 0;
	for (size_t i = 0; i < m->head.inventory.count; i++) {
		if (m->arrived[i] || medium_find_line(m, i))
			continue;
		count++;
		*bytes += m->head.inventory.lines[i].size;
	}
	return count;
}

void medium_say_base(const struct medium *m, struct buf *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < m->export_count; i++)
		if (m->exports[i].base.kind == BASE_NONE)
			return;
	for (size_t i = 0; i < m->export_count; i++) {
		buf_str(out, out->len > start ? " with " : "");
		base_say(&m->exports[i].base, out);
	}
}

/* --- blobs ------------------------------------------------------------------------------------ */

static int refuse(const struct volume_reader *v, const struct tar_entry *entry, struct err *e,
	const char *why)
{
	return err_set(e, ERR_CORRUPT, "%s: entry %s: %s", v->name, entry->name, why);
}

/* How an entry holds a blob. */
enum holding { HOLDS_BLOB, HOLDS_PART, HOLDS_PACKED };

/* Read the name of an entry. */
static int parse_name(struct volume_reader *v, const struct tar_entry *entry, struct chunk *p,
	enum holding *how, struct err *e)
{
	enum volume_entry kind = volume_name_parse(entry->name, &p->digest, &p->at);
	struct digest base;

	*how = kind == VOLUME_PART ? HOLDS_PART : HOLDS_BLOB;
	if (kind != VOLUME_OTHER)
		return 0;
	*how = HOLDS_PACKED;
	p->at = 0;
	if (volume_packed_parse(entry->name, &p->digest, &base))
		return 0;
	return refuse(v, entry, e, "no name of a volume's: altered, or of a newer moat");
}

/* Find which blob the entry is, and check that it may be here. */
static int identify(struct volume_reader *v, const struct tar_entry *entry, struct chunk *p,
	enum holding *how, struct err *e)
{
	const struct medium *m = v->m;
	const struct inventory_line *line;
	struct volume_range r;

	if (parse_name(v, entry, p, how, e) < 0)
		return -1;
	line = inventory_find(&m->head.inventory, &p->digest);
	if (head_find(&m->head, &p->digest))
		return refuse(v, entry, e, "there twice");
	if (!line)
		return refuse(v, entry, e, "a blob that the signed inventory does not name");
	p->line = (size_t)(line - m->head.inventory.lines);
	p->size = line->size;
	p->len = *how == HOLDS_PACKED ? line->size : entry->size;
	r = export_of(v)->map.lines[p->line];
	if (v->here[p->line])
		return refuse(v, entry, e, "there twice");
	if (v->index.number.volume < r.first || v->index.number.volume > r.last)
		return refuse(v, entry, e, "in another volume than the map says");
	v->here[p->line] = true;
	return 0;
}

static int check_size(struct volume_reader *v, const struct tar_entry *entry, const struct chunk *p,
	enum holding how, struct err *e)
{
	struct volume_range r = export_of(v)->map.lines[p->line];
	uint32_t n = v->index.number.volume;
	bool good;

	if (how != HOLDS_PART)
		good = p->len == p->size && r.first == r.last;
	else
		good = p->len > 0 && p->len < p->size && p->at <= p->size - p->len &&
		       (p->at == 0) == (n == r.first) &&
		       (p->at + p->len == p->size) == (n == r.last);
	if (good)
		return 0;
	return err_set(e, ERR_CORRUPT,
		"%s: entry %s: %llu bytes at %llu are not what the inventory (%llu bytes) and the "
		"map of volumes say",
		v->name, entry->name, (unsigned long long)p->len, (unsigned long long)p->at,
		(unsigned long long)p->size);
}

/* Read the data of an entry: into the sink when it takes it, and through the hasher for a part. */
static int read_data(struct volume_reader *v, bool wanted, bool part, struct err *e)
{
	const struct medium *m = v->m;
	struct span bytes;
	int rc;

	while ((rc = tar_data(v->tar, &bytes, e)) > 0) {
		if (part)
			hasher_add(&v->hasher, bytes.data, bytes.len);
		if (wanted && m->sink->bytes(m->ctx, bytes, e) < 0)
			return -1;
	}
	return rc;
}

/* Read a document that travels packed: all of it, then into the sink. */
static int read_packed(struct volume_reader *v, const struct tar_entry *entry,
	const struct chunk *p, bool wanted, struct err *e)
{
	AUTO(buf_release) struct buf whole = BUF_INIT;
	const struct medium *m = v->m;

	if (p->size > PACK_WHOLE_MAX)
		return refuse(v, entry, e, "too large for a document");
	if (take_packed(v, entry, p->size, wanted ? &whole : NULL, e) < 0)
		return -1;
	return wanted ? m->sink->bytes(m->ctx, buf_span(&whole), e) : 0;
}

static int read_chunk(struct volume_reader *v, const struct tar_entry *entry, const struct chunk *p,
	enum holding how, struct err *e)
{
	struct medium *m = v->m;
	bool part = how == HOLDS_PART, wanted;
	int rc = m->arrived[p->line] ? CHUNK_HELD : m->sink->chunk(m->ctx, p, e);

	if (rc < 0)
		return -1;
	wanted = rc == CHUNK_TAKE;
	m->arrived[p->line] = rc == CHUNK_HELD;
	if (part)
		hasher_init(&v->hasher, DIGEST_SHA256);
	if (how == HOLDS_PACKED)
		rc = read_packed(v, entry, p, wanted, e);
	else
		rc = wanted || part ? read_data(v, wanted, part, e) : 0;
	if (rc < 0)
		return -1;
	if (!wanted)
		return 0;
	rc = m->sink->end(m->ctx, e);
	if (rc > 0)
		m->arrived[p->line] = true;
	else if (rc == 0)
		export_of(v)->reached[p->line] = (uint16_t)v->index.number.volume;
	return rc < 0 ? -1 : 0;
}

static int read_entry(struct volume_reader *v, const struct tar_entry *entry, struct err *e)
{
	enum holding how;
	struct toc_entry line = { .name = entry->name, .size = entry->size };
	struct digest sha256;
	struct chunk p;

	if (identify(v, entry, &p, &how, e) < 0 || check_size(v, entry, &p, how, e) < 0)
		return -1;
	if (read_chunk(v, entry, &p, how, e) < 0)
		return strncmp(e->text, v->name, strlen(v->name)) == 0
			       ? -1
			       : err_ctx(e, "%s: entry %s", v->name, entry->name);
	if (how == HOLDS_PACKED)
		return 0; /* is noted */
	if (how == HOLDS_PART) {
		hasher_end(&v->hasher, &sha256);
		line.sha256 = &sha256;
		line.of = p.size;
	}
	toc_check_add(&v->toc, &line);
	return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

static int check_toc(struct volume_reader *v, const struct tar_entry *entry, struct err *e)
{
	struct digest want, got;
	struct span bytes;
	int rc;

	toc_check_end(&v->toc, &want);
	hasher_init(&v->hasher, DIGEST_SHA256);
	while ((rc = tar_data(v->tar, &bytes, e)) > 0)
		hasher_add(&v->hasher, bytes.data, bytes.len);
	hasher_end(&v->hasher, &got);
	if (rc < 0)
		return -1;
	if (entry->size != v->toc.size || !digest_eq(&got, &want))
		return refuse(
			v, entry, e, "not the table of what this volume holds: damaged or altered");
	return 0;
}

/* Check that everything the map promises for this volume has come. */
static int check_present(struct volume_reader *v, struct err *e)
{
	const struct head *h = &v->m->head;
	uint32_t n = v->index.number.volume;

	for (size_t i = 0; i < h->inventory.count; i++) {
		struct volume_range r = export_of(v)->map.lines[i];
		char text[DIGEST_TEXT_SIZE];

		if (v->here[i] || n < r.first || n > r.last ||
			head_find(h, &h->inventory.lines[i].digest))
			continue;
		return err_set(e, ERR_CORRUPT, "%s: blob %s should be in it and is not", v->name,
			digest_text(&h->inventory.lines[i].digest, text));
	}
	return 0;
}

static int read_end(struct volume_reader *v, const struct tar_entry *toc, struct err *e)
{
	struct tar_entry more;
	int rc;

	if (check_toc(v, toc, e) < 0)
		return -1;
	rc = tar_next(v->tar, &more, e);
	if (rc > 0)
		return refuse(v, &more, e, "behind the table of contents");
	return rc < 0 ? -1 : check_present(v, e);
}

void volume_pass_blobs(const struct volume_reader *v)
{
	export_of(v)->seen[v->index.number.volume] = true;
}

int volume_read_blobs(struct volume_reader *v, struct err *e)
{
	struct tar_entry entry;
	int rc;

	v->here = mem_alloc(v->m->head.inventory.count * sizeof(*v->here));
	while ((rc = tar_next(v->tar, &entry, e)) > 0) {
		if (strcmp(entry.name, VOLUME_TOC) != 0) {
			if (read_entry(v, &entry, e) < 0)
				return -1;
			continue;
		}
		if (read_end(v, &entry, e) < 0)
			return -1;
		export_of(v)->seen[v->index.number.volume] = true;
		return 0;
	}
	if (rc < 0)
		return -1;
	return err_set(
		e, ERR_CORRUPT, "%s: it has no table of contents: never finished, or cut", v->name);
}
