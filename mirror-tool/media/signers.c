/*
 * Find the signers of sets from their signatures. Must never trust a name in a signature: a key
 * signed what verifies under it, and nothing else.
 */
#include "mirror-tool/media/signers.h"

#include <stdio.h>

#include "mirror-tool/sign/cosign.h"
#include "storage/base/banned.h"

/* A set with its signatures, in the store or at the head of a medium. */
struct signed_set {
	struct cosign_claim claim;
	const char *name; /* borrowed */
	char reference[REF_TEXT_SIZE];
	const struct set_signature *signatures;
	size_t count;
	cosign_blob_fn *blob; /* of the signatures: manifests and what they name */
	void *ctx;
};

static int head_blob(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	const struct head_blob *b = head_find(ctx, d);

	(void)size;
	(void)e;
	if (b)
		buf_add(out, b->bytes.data, b->bytes.len);
	return b != NULL;
}

/* Ignore what is corrupt: it tells no signer, and must not keep good bytes of the same set from
 * replacing it. For another version the signers are unknown then, which is not the same as none. */
static int read_kept(
	struct store *s, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	int rc = blob_read(s, d, limit, out, e);

	return rc < 0 && err_is_loss(e->code) ? 0 : rc;
}

/* The blobs of signatures in a store. What it has lost may be at the head of a medium, by the same digest: the
 * signature that was accepted is told from its bytes, wherever they lie. */
struct kept_blobs {
	struct store *store;
	const struct head *head;
};

static int kept_blob(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	const struct kept_blobs *from = ctx;
	int rc = read_kept(from->store, d, MANIFEST_MAX, out, e);

	return rc ? rc : head_blob((void *)(uintptr_t)from->head, d, size, out, e);
}

/* Can a signature be judged: is its manifest there, and every layer that it names? 1, 0, -1. */
static int is_whole(struct kept_blobs *from, const struct digest *d, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err unreadable = ERR_INIT;
	int rc = kept_blob(from, d, 0, &bytes, e);

	if (rc <= 0 || manifest_parse(&m, "signature", NULL, buf_span(&bytes), &unreadable) < 0)
		return rc;
	for (size_t i = 0; rc > 0 && i < m.count; i++) {
		if (m.items[i].size > COSIGN_BLOB_MAX)
			continue; /* nobody reads it as a signature */
		buf_clear(&bytes);
		rc = kept_blob(from, &m.items[i].digest, m.items[i].size, &bytes, e);
	}
	return rc;
}

/* Load the signatures of a set in the store that can be read. */
static int find_kept(struct signed_set *set, struct kept_blobs *from, const struct digest *d,
	struct set_signature **list, struct err *e)
{
	size_t count = 0;

	if (set_signatures(from->store, d, list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		int rc = is_whole(from, &(*list)[i].digest, e);

		if (rc < 0)
			return -1;
		if (rc > 0)
			(*list)[set->count++] = (*list)[i];
	}
	set->signatures = *list;
	return 0;
}

/* Does a signature of the set hold under this key? 1, 0, -1 when the store cannot be read. */
static int is_signed_by(const struct signed_set *set, struct verify_key *key, struct err *e)
{
	const struct trust only = { .keys = &key, .count = 1 };

	for (size_t i = 0; i < set->count; i++) {
		AUTO(buf_release) struct buf manifest = BUF_INIT;
		const struct verify_key *by;
		struct err why = ERR_INIT;
		int rc = set->blob(set->ctx, &set->signatures[i].digest, 0, &manifest, e);

		if (rc < 0)
			return -1;
		if (rc > 0 && cosign_verify("signature", buf_span(&manifest), &set->claim, &only,
				      set->blob, set->ctx, &by, &why) == 0)
			return 1;
	}
	return 0;
}

static void set_claim(struct signed_set *set, const char *name, const char *version,
	const struct digest *d, struct span bytes)
{
	set->name = name;
	snprintf(set->reference, sizeof(set->reference), "%s/set/%s:%s", SET_HOST, name, version);
	set->claim =
		(struct cosign_claim){ .digest = *d, .reference = set->reference, .bytes = bytes };
}

/* --- names of keys --------------------------------------------------------------------------- */

static struct span base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return span_of(slash ? slash + 1 : path);
}

struct span signer_name(const struct verify_key *key)
{
	struct span name = base_name(verify_key_name(key));

	if (name.len > 4 && memcmp(name.data + name.len - 4, ".pub", 4) == 0)
		name.len -= 4;
	return name;
}

static bool is_called(const struct verify_key *key, const char *name)
{
	struct span base = base_name(verify_key_name(key));
	char hex[DIGEST_HEX_SIZE];

	return strcmp(name, digest_hex(verify_key_id(key), hex)) == 0 ||
	       strcmp(name, verify_key_name(key)) == 0 || span_is(base, name) ||
	       span_is(signer_name(key), name);
}

static bool is_new_signer(const struct trust *trust, const struct verify_key *key)
{
	for (size_t i = 0; i < trust->new_signer_count; i++)
		if (is_called(key, trust->new_signers[i]))
			return true;
	return false;
}

static int check_names(const struct trust *trust, struct err *e)
{
	for (size_t i = 0; i < trust->new_signer_count; i++) {
		bool found = false;

		for (size_t k = 0; k < trust->count; k++)
			found |= is_called(trust->keys[k], trust->new_signers[i]);
		if (!found)
			return err_set(e, ERR_INPUT, "no trusted key is called \"%.200s\"",
				trust->new_signers[i]);
	}
	return 0;
}

/* --- comparing ------------------------------------------------------------------------------- */

/* The result for the two sets. */
struct signer_comparison {
	const struct trust *trust;
	struct signed_set before, now;
	const struct verify_key *signed_before,
		*signs; /* the first that did, and may; NULL: none */
	bool stays; /* one signed both, or one that signs now is allowed */
};

static int compare_key(
	struct signer_comparison *c, struct verify_key *key, struct signers *out, struct err *e)
{
	int signed_before = is_signed_by(&c->before, key, e);
	int signs = signed_before < 0 ? -1 : is_signed_by(&c->now, key, e);
	bool counts;

	if (signs < 0)
		return -1;
	if (signed_before && !c->signed_before)
		c->signed_before = key;
	if (!signs || !key_text_allows(verify_key_text(key), c->now.name))
		return 0;
	if (!c->signs)
		c->signs = key;
	counts = out->first || signed_before || is_new_signer(c->trust, key);
	c->stays |= counts;
	out->items[out->count++] = (struct signer){ key, !signed_before, counts };
	return 0;
}

static const char *who_signed(const struct signer_comparison *c)
{
	if (c->signed_before)
		return verify_key_name(c->signed_before);
	return c->before.count ? "a key that is not trusted here"
			       : "keys that cannot be told (no good signature of it is here)";
}

static int refuse(const struct signer_comparison *c, const struct set *set, const char *version,
	struct err *e)
{
	struct span name = c->signs ? signer_name(c->signs) : span_of("KEY");

	return err_set(e, ERR_UNTRUSTED,
		"set %s: the signer changed: version %s was signed by %s, %s by %s; if that is "
		"meant: --allow-signer %.*s",
		set->name, version, who_signed(c), set->version,
		c->signs ? verify_key_name(c->signs) : "another", (int)name.len, name.data);
}

static struct signed_set set_of_medium(const struct medium *m)
{
	const struct head *h = &m->head;

	return (struct signed_set){ .signatures = h->signatures,
		.count = h->signature_count,
		.blob = head_blob,
		.ctx = (void *)(uintptr_t)h };
}

/* Load the set that was accepted last, as far as it can be read. */
struct kept_set {
	struct set_info info;
	struct set_signature *signatures;
	struct buf index;
};

static void kept_set_release(struct kept_set *k)
{
	mem_free(&k->signatures);
	buf_release(&k->index);
}

static int read_before(struct kept_blobs *from, const struct digest *d, struct kept_set *kept,
	struct signed_set *out, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = d->alg == DIGEST_NONE
			 ? 0
			 : set_find(from->store, digest_text(d, text), &kept->info, e);

	if (rc <= 0)
		return rc;
	if (find_kept(out, from, d, &kept->signatures, e) < 0)
		return -1;
	rc = read_kept(from->store, d, SET_BYTES_MAX, &kept->index, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		(void)head_blob((void *)(uintptr_t)from->head, d, 0, &kept->index, e);
	set_claim(out, kept->info.name, kept->info.version, d, buf_span(&kept->index));
	return 0;
}

int signers_check(struct store *s, const struct medium *m, const struct digest *before,
	struct signers *out, struct err *e)
{
	const struct head *h = &m->head;
	AUTO(kept_set_release) struct kept_set kept = { .index = BUF_INIT };
	struct kept_blobs from = { .store = s, .head = h };
	struct signer_comparison c = { .trust = m->trust,
		.before = { .blob = kept_blob, .ctx = &from },
		.now = set_of_medium(m) };

	*out = (struct signers){ .count = 0 };
	if (check_names(m->trust, e) < 0 || read_before(&from, before, &kept, &c.before, e) < 0)
		return -1;
	out->first = c.before.count == 0 && (!kept.info.name[0] || digest_eq(before, &h->digest));
	set_claim(&c.now, h->set.name, h->set.version, &h->digest, buf_span(&h->blobs[0].bytes));
	for (size_t i = 0; i < m->trust->count; i++)
		if (compare_key(&c, m->trust->keys[i], out, e) < 0)
			return -1;
	return out->first || c.stays ? 0 : refuse(&c, &h->set, kept.info.version, e);
}

bool signers_eq(const struct signers *a, const struct signers *b)
{
	if (a->count != b->count || a->first != b->first)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].key != b->items[i].key ||
			a->items[i].is_new != b->items[i].is_new ||
			a->items[i].counts != b->items[i].counts)
			return false;
	return true;
}

/* --- keeping --------------------------------------------------------------------------------- */

int signers_keep(const struct signers *by, const struct medium *m, size_t number, struct buf *out,
	struct err *e)
{
	const struct head *h = &m->head;
	struct verify_key *keys[TRUST_KEYS_MAX];
	struct trust counted = { .keys = keys, .set = h->set.name };
	struct signed_set now = set_of_medium(m);
	const struct head_blob *manifest = head_find(h, &h->signatures[number].digest);

	for (size_t i = 0; i < by->count; i++)
		for (size_t k = 0; by->items[i].counts && k < m->trust->count; k++)
			if (m->trust->keys[k] == by->items[i].key)
				keys[counted.count++] = m->trust->keys[k];
	set_claim(&now, h->set.name, h->set.version, &h->digest, buf_span(&h->blobs[0].bytes));
	return cosign_narrow(
		buf_span(&manifest->bytes), &now.claim, &counted, now.blob, now.ctx, out, e);
}
