/* Pack and read a set's own documents. Must never build on a document that the other side may not have. */
#include "mirror-tool/media/documents.h"

#include "mirror-tool/media/pack.h"
#include "storage/base/banned.h"

void documents_release(struct documents *x)
{
	for (size_t i = 0; i < x->count; i++)
		buf_release(&x->items[i].bytes);
	x->count = 0;
}

const struct document *documents_find(const struct documents *x, const struct digest *d)
{
	for (size_t i = 0; x && i < x->count; i++)
		if (digest_eq(&x->items[i].digest, d))
			return &x->items[i];
	return NULL;
}

struct toc_entry documents_entry(const struct documents *x, const struct digest *d, uint64_t size,
	char name[VOLUME_NAME_SIZE])
{
	const struct document *doc = documents_find(x, d);

	if (!doc)
		return (struct toc_entry){ volume_blob_name(d, name), size, NULL, 0 };
	return (struct toc_entry){ volume_packed_name(d, &doc->base, name), doc->bytes.len,
		&doc->sha256, size };
}

/* --- packing ----------------------------------------------------------------------------------- */

/* The digest of a document by its role: of the set index for SET_PIN, else of the layer of its artifact. 1, 0 none, -1. */
static int find_document(struct store *s, const struct digest *index, const struct set *set,
	enum set_role role, struct digest *out, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	const struct set_entry *entry;
	int rc;

	*out = *index;
	if (role == SET_PIN)
		return 1;
	entry = set_role_entry(set, role);
	if (!entry)
		return 0;
	rc = blob_read(s, &entry->digest, MANIFEST_MAX, &bytes, e);
	if (rc <= 0 || manifest_parse(&m, "document", NULL, buf_span(&bytes), e) < 0)
		return rc < 0 || rc > 0 ? -1 : 0;
	if (m.count)
		*out = m.items[0].digest;
	return m.count > 0;
}

/* The newest set of that name that the delta builds on; NULL: none. */
static const struct base_set *choose_base(const struct delta *d, const char *name)
{
	const struct base_set *best = NULL;

	for (size_t i = 0; i < d->base.count && !d->whole_documents; i++) {
		const struct base_set *b = &d->base.sets[i];

		if (strcmp(b->name, name) == 0 &&
			(!best || set_version_cmp(b->version, best->version) > 0))
			best = b;
	}
	return best;
}

/* What documents are packed against. */
struct packing {
	struct store *s;
	const struct delta *d;
	const struct base_set *on; /* NULL: nothing */
	struct set base; /* parsed */
};

static void packing_release(struct packing *p)
{
	set_release(&p->base);
}

static int open_base(struct packing *p, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	int rc;

	if (!p->on)
		return 0;
	rc = blob_read(p->s, &p->on->digest, SET_BYTES_MAX, &bytes, e);
	if (rc == 0)
		p->on = NULL;
	if (rc <= 0)
		return rc;
	return set_parse(&p->base, p->on->name, buf_span(&bytes), e);
}

/* Read the document of the base with this role, unless the other side lacks it. */
static int read_base(const struct packing *p, enum set_role role, struct digest *out,
	struct buf *bytes, struct err *e)
{
	int rc;

	out->alg = DIGEST_NONE;
	if (!p->on)
		return 0;
	rc = find_document(p->s, &p->on->digest, &p->base, role, out, e);
	if (rc > 0 && !inventory_find(&p->d->lacking, out))
		rc = blob_read(p->s, out, PACK_WHOLE_MAX, bytes, e);
	if (bytes->len == 0)
		out->alg = DIGEST_NONE;
	return rc < 0 ? -1 : 0;
}

static int pack_one(struct documents *out, const struct packing *p, enum set_role role,
	const struct digest *digest, struct err *e)
{
	AUTO(buf_release) struct buf whole = BUF_INIT;
	AUTO(buf_release) struct buf base = BUF_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct document *doc = &out->items[out->count];
	char text[DIGEST_TEXT_SIZE];
	uint64_t size;
	int rc = blob_stat(p->s, digest, &size, e);

	if (rc > 0 && size > PACK_WHOLE_MAX)
		return 0;
	if (rc > 0)
		rc = blob_read(p->s, digest, PACK_WHOLE_MAX, &whole, e);
	if (rc == 0)
		return err_set(e, ERR_INCOMPLETE, "blob %s is not in the store",
			digest_text(digest, text));
	if (rc < 0 || read_base(p, role, &doc->base, &base, e) < 0)
		return -1;
	pack(buf_span(&base), buf_span(&whole), &bytes);
	if (bytes.len >= whole.len)
		return 0;
	doc->digest = *digest;
	digest_of(&doc->sha256, DIGEST_SHA256, buf_span(&bytes));
	doc->bytes = bytes;
	bytes = (struct buf)BUF_INIT;
	out->count++;
	return 0;
}

int documents_pack(struct documents *out, struct store *s, const struct head *h,
	const struct delta *d, struct err *e)
{
	static const enum set_role roles[] = { SET_PIN, SET_LOCK, SET_LIST, SET_INVENTORY };
	AUTO(packing_release)
	struct packing p = { s, d, choose_base(d, h->set.name), SET_INIT };

	if (open_base(&p, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		struct digest digest;
		int rc = find_document(s, &h->digest, &h->set, roles[i], &digest, e);

		if (rc > 0 && !documents_find(out, &digest) &&
			(head_find(h, &digest) || delta_carries(d, &digest)))
			rc = pack_one(out, &p, roles[i], &digest, e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------- */

static int read_on(struct store *from, const struct base *on, const struct packed_entry *entry,
	struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf what = BUF_INIT;
	char doc[DIGEST_TEXT_SIZE], base[DIGEST_TEXT_SIZE];
	int rc = 0;

	if (entry->base.alg == DIGEST_NONE)
		return 0;
	if (from)
		rc = blob_read(from, &entry->base, PACK_WHOLE_MAX, out, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (on)
		base_say(on, &what);
	buf_str(&what, on ? ": " : "");
	return err_set(e, ERR_INCOMPLETE,
		"%sits document %s travels as a difference on %s, which %s", what.data,
		digest_text(&entry->digest, doc), digest_text(&entry->base, base),
		from ? "this store does not hold; import what it builds on first, or export all"
		     : "no store here holds; --store or MOAT_STORE names one that holds what it "
		       "builds on, and `moat export --whole-documents` needs none");
}

int document_unpack(struct store *from, const struct base *on, const struct packed_entry *entry,
	uint64_t size, struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf base = BUF_INIT;
	size_t begin = out->len;
	struct digest got;

	if (size > PACK_WHOLE_MAX)
		return err_set(
			e, ERR_CORRUPT, "a document of %llu bytes", (unsigned long long)size);
	if (read_on(from, on, entry, &base, e) < 0 ||
		unpack(buf_span(&base), entry->bytes, (size_t)size, out, e) < 0)
		return -1;
	digest_of(&got, entry->digest.alg, (struct span){ out->data + begin, out->len - begin });
	if (digest_eq(&got, &entry->digest))
		return 0;
	buf_cut(out, begin);
	return err_set(e, ERR_CORRUPT, "its bytes are not what its name says: damaged or altered");
}
