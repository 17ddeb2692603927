/* Signatures of a set. Must never call one verified for what it says of itself. */
#include <stdio.h>

#include "mirror-tool/show/show.h"
#include "mirror-tool/sign/cosign.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

int show_keys(struct view *view, const struct set_signature *sig, struct trust *keys, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	const char *pem;
	int rc = view_blob(view, &sig->digest, MANIFEST_MAX, &bytes, e);

	if (rc <= 0)
		return rc;
	if (manifest_parse(&m, "signature", sig->media_type, buf_span(&bytes), e) < 0)
		return -1;
	pem = annotation_get(&m.annotations, COSIGN_PUBLIC_KEY);
	return pem ? trust_add(keys, "signature", span_of(pem), e) : 0;
}

/* --- verifying --------------------------------------------------------------------------------- */

/* A set whose signatures are judged. */
struct judging {
	struct view *view;
	const struct trust *trust;
	const char *name; /* of the set */
	char reference[REF_TEXT_SIZE];
	struct buf bytes; /* of its index */
	struct cosign_claim claim;
};

static void judging_release(struct judging *j)
{
	buf_release(&j->bytes);
}

static int begin(struct judging *j, const struct view_set *s, struct err *e)
{
	struct ref ref;

	set_ref(&s->set, &ref);
	ref_text(&ref, j->reference);
	j->name = s->set.name;
	j->claim = (struct cosign_claim){ .digest = s->info.digest, .reference = j->reference };
	if (!j->trust)
		return 0;
	if (view_blob(j->view, &s->info.digest, SET_BYTES_MAX, &j->bytes, e) < 0)
		return -1;
	j->claim.bytes = buf_span(&j->bytes);
	return 0;
}

static int signature_blob(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	(void)size;
	return view_blob(ctx, d, COSIGN_BLOB_MAX, out, e);
}

/* Does the signature hold under this key, and may the key sign the set? */
static bool holds(const struct judging *j, struct span manifest, struct verify_key *key)
{
	const struct trust only = { .keys = &key, .count = 1, .set = j->name };
	const struct verify_key *by;
	struct err why = ERR_INIT;

	return cosign_verify("signature", manifest, &j->claim, &only, signature_blob, j->view, &by,
		       &why) == 0;
}

/* The trusted keys under which it holds, as items of an array, and for people; whether there is one. */
static bool show_verified(struct report *r, const struct judging *j,
	const struct set_signature *sig, struct buf *names)
{
	AUTO(buf_release) struct buf manifest = BUF_INIT;
	struct err ignored = ERR_INIT;
	char hex[DIGEST_HEX_SIZE];
	size_t count = 0;

	if (!j->trust || view_blob(j->view, &sig->digest, MANIFEST_MAX, &manifest, &ignored) <= 0)
		return false;
	for (size_t i = 0; i < j->trust->count; i++) {
		struct verify_key *key = j->trust->keys[i];

		if (!holds(j, buf_span(&manifest), key))
			continue;
		report_text(r, NULL, digest_hex(verify_key_id(key), hex));
		buf_printf(names, "%s %s", count++ ? "," : " by", verify_key_name(key));
	}
	return count > 0;
}

/* JSON has the first key as a text too, as it did when there was but one. */
static int show_signature(
	struct page *p, const struct judging *j, const struct set_signature *sig, struct err *e)
{
	AUTO(trust_release) struct trust keys = TRUST_INIT;
	AUTO(buf_release) struct buf names = BUF_INIT, by = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE];
	const char *form = *sig->tag ? "cosign" : "bundle";
	struct report *r = p->report;
	bool verified;

	digest_text(&sig->digest, digest);
	if (show_keys(p->view, sig, &keys, e) < 0)
		return err_ctx(e, "signature %s", digest);
	report_object(r, NULL);
	report_text(r, "form", form);
	report_text(r, "digest", digest);
	report_text(r, "key", keys.count ? digest_hex(verify_key_id(keys.keys[0]), hex) : "");
	report_array(r, "keys");
	for (size_t i = 0; i < keys.count; i++) {
		digest_hex(verify_key_id(keys.keys[i]), hex);
		report_text(r, NULL, hex);
		buf_printf(&names, "%s %s", i ? "," : "", hex);
	}
	report_end(r);
	report_array(r, "verifiedBy");
	verified = show_verified(r, j, sig, &by);
	report_end(r);
	report_flag(r, "verified", verified);
	report_line(r, "  %s  %s  key%s  %sverified%s", form, digest,
		keys.count ? names.data : " unnamed", verified ? "" : "not ", by.data);
	report_end(r);
	return 0;
}

int show_signatures(struct page *p, const struct view_set *s, struct err *e)
{
	AUTO(judging_release)
	struct judging j = { .view = p->view, .trust = p->trust, .bytes = BUF_INIT };

	if (begin(&j, s, e) < 0)
		return -1;
	report_section(p->report, "signatures", "signatures", true);
	for (size_t i = 0; i < s->signature_count; i++)
		if (show_signature(p, &j, &s->signatures[i], e) < 0)
			return -1;
	report_end(p->report);
	return 0;
}
