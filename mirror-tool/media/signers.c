/*
 * Signers of sets, told from their signatures. Must never believe a name in a signature: a key signed
 * what verifies under it, and nothing else.
 */
#include "mirror-tool/media/signers.h"

#include <stdio.h>

#include "mirror-tool/sign/cosign.h"
#include "storage/base/banned.h"

/* A set with its signatures, in the store or at the head of a medium. */
struct signed_set {
	struct cosign_claim claim;
	const char *name;
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

/* What is bad tells of no signer, and must not keep good bytes from coming in its place. */
static int read_kept(
	struct store *s, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	int rc = blob_read(s, d, limit, out, e);

	return rc < 0 && err_is_loss(e->code) ? 0 : rc;
}

static int store_blob(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	(void)size;
	return read_kept(ctx, d, MANIFEST_MAX, out, e);
}

/* Of the signatures that the store has of a set, those that can be read. */
static int find_kept(struct signed_set *set, struct store *s, const struct digest *d,
	struct set_signature **list, struct err *e)
{
	size_t count = 0;

	if (set_signatures(s, d, list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_release) struct buf manifest = BUF_INIT;
		int rc = store_blob(s, &(*list)[i].digest, 0, &manifest, e);

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

/* "web" for /etc/moat/trust.d/web.pub */
static struct span short_name(const struct verify_key *key)
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
	       span_is(short_name(key), name);
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

/* What the keys say of the two sets. */
struct comparison {
	const struct verify_key *before, *now; /* the first that signed, and may; NULL: none */
	bool stays; /* one signed both, or one that signs now is allowed */
};

static int compare_key(struct comparison *c, const struct signed_set *before,
	const struct signed_set *now, struct verify_key *key, bool allowed, struct err *e)
{
	int signed_before = is_signed_by(before, key, e);
	int signs = signed_before < 0 ? -1 : is_signed_by(now, key, e);

	if (signs < 0)
		return -1;
	signs = signs && key_text_allows(verify_key_text(key), now->name);
	if (signed_before && !c->before)
		c->before = key;
	if (signs && !c->now)
		c->now = key;
	c->stays |= signs && (signed_before || allowed);
	return 0;
}

static int refuse(
	const struct comparison *c, const struct set *set, const char *version, struct err *e)
{
	struct span name = c->now ? short_name(c->now) : span_of("KEY");

	return err_set(e, ERR_UNTRUSTED,
		"set %s: the signer changed: version %s was signed by %s, %s by %s; if that is "
		"meant: --allow-signer %.*s",
		set->name, version,
		c->before ? verify_key_name(c->before) : "a key that is not trusted here",
		set->version, c->now ? verify_key_name(c->now) : "another", (int)name.len,
		name.data);
}

int signers_check(
	struct store *s, const struct medium *m, const struct digest *newest, struct err *e)
{
	const struct head *h = &m->head;
	const struct trust *trust = m->trust;
	struct signed_set now = { .signatures = h->signatures,
		.count = h->signature_count,
		.blob = head_blob,
		.ctx = (void *)(uintptr_t)h };
	struct signed_set before = { .blob = store_blob, .ctx = s };
	AUTO(mem_free) struct set_signature *kept = NULL;
	AUTO(buf_release) struct buf index = BUF_INIT;
	struct comparison c = { .stays = false };
	char text[DIGEST_TEXT_SIZE];
	struct set_info info;
	int rc;

	if (check_names(trust, e) < 0)
		return -1;
	rc = newest->alg == DIGEST_NONE ? 0 : set_find(s, digest_text(newest, text), &info, e);
	if (rc <= 0)
		return rc;
	if (find_kept(&before, s, &info.digest, &kept, e) < 0 ||
		read_kept(s, &info.digest, SET_BYTES_MAX, &index, e) < 0)
		return -1;
	set_claim(&before, info.name, info.version, &info.digest, buf_span(&index));
	set_claim(&now, h->set.name, h->set.version, &h->digest, buf_span(&h->blobs[0].bytes));
	for (size_t i = 0; i < trust->count && !c.stays; i++)
		if (compare_key(&c, &before, &now, trust->keys[i],
			    is_new_signer(trust, trust->keys[i]), e) < 0)
			return -1;
	return c.stays || before.count == 0 ? 0 : refuse(&c, &h->set, info.version, e);
}
