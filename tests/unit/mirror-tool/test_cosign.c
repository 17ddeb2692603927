/* cosign's forms: vectors that others made, ours byte by byte, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror-tool/sign/cosign.h"
#include "storage/base/base64.h"
#include "storage/base/fs.h"

#define SAMPLE "sha256:634a8f35b5f16dcf4aaa0822adc0b1964bb786fca12f6831de8ddc45e5986a00"
#define MADE_HERE "sha256:5f39a6dd8750675acf47c8bede64aa50bd1ba486626da6d3cee1c6e827aff247"

static void load(struct buf *out, const char *folder, const char *name)
{
	AUTO(mem_free)
	char *path = mem_printf("%s/signatures/%s/%s", getenv("MOAT_TEST_DATA"), folder, name);
	struct err e = ERR_INIT;

	if (fs_read_file(AT_FDCWD, path, 1 << 20, out, &e) != 1)
		fail_msg("%s %s", path, e.text);
}

static void trust_key_of(struct trust *t, const char *folder)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	load(&pem, folder, "key.pub");
	if (trust_add(t, folder, buf_span(&pem), &e) < 0)
		fail_msg("%s", e.text);
}

static struct cosign_claim claim_of(const char *digest, const char *reference)
{
	struct cosign_claim c = { .reference = reference };
	struct err e = ERR_INIT;

	if (digest_parse(&c.digest, span_of(digest), &e) < 0)
		fail_msg("%s", e.text);
	return c;
}

/* --- vectors --------------------------------------------------------------------------------- */

static void cosign_verify_payload__vectors(void **state)
{
	static const char single[] = "192.168.64.2:5000/cosign-signed-single-sample";
	static const struct {
		const char *folder, *digest, *reference, *text; /* text NULL: accepted */
	} cases[] = {
		{ "dir-img-cosign-valid", SAMPLE, single, NULL },
		{ "dir-img-cosign-valid-with-tag", SAMPLE, "192.168.64.2:5000/skopeo-signed:tag",
			NULL },
		{ "wrong-key", SAMPLE, single, "not signed by a trusted key" },
		{ "dir-img-cosign-valid", MADE_HERE, single, "docker-manifest-digest is" },
		{ "dir-img-cosign-valid", SAMPLE, "other:tag", "docker-reference is" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *folder = mem_printf("cosign-legacy/%s", cases[i].folder);
		AUTO(buf_release) struct buf payload = BUF_INIT, sig = BUF_INIT;
		AUTO(trust_release) struct trust trust = TRUST_INIT;
		struct cosign_claim claim = claim_of(cases[i].digest, cases[i].reference);
		const struct verify_key *by = NULL;
		struct err e = ERR_INIT;
		int rc;

		load(&payload, folder, "payload.json");
		load(&sig, folder, "signature.b64");
		while (sig.len && sig.data[sig.len - 1] == '\n')
			buf_cut(&sig, sig.len - 1);
		trust_key_of(&trust, folder);
		rc = cosign_verify_payload(
			buf_span(&payload), buf_span(&sig), &claim, &trust, &by, &e);
		if (rc != (cases[i].text ? -1 : 0) || !by != !!cases[i].text ||
			(cases[i].text && !strstr(e.text, cases[i].text)))
			fail_msg("%s %zu: %s", cases[i].folder, i, e.text);
	}
}

static void cosign_verify_bundle__conformance_vector(void **state)
{
	static const char folder[] = "sigstore-bundle/managed-key-happy-path";
	AUTO(buf_release) struct buf bundle = BUF_INIT, artifact = BUF_INIT;
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	struct cosign_claim claim = { .reference = "x" };
	const struct verify_key *by = NULL;
	struct err e = ERR_INIT;

	(void)state;
	load(&bundle, folder, "bundle.sigstore.json");
	load(&artifact, folder, "artifact");
	trust_key_of(&trust, folder);
	claim.bytes = buf_span(&artifact);
	digest_of(&claim.digest, DIGEST_SHA256, claim.bytes);
	if (cosign_verify_bundle(buf_span(&bundle), &claim, &trust, &by, &e) < 0)
		fail_msg("%s", e.text);
	assert_ptr_equal(by, trust.keys[0]);
	artifact.data[0] ^= 1;
	assert_int_equal(cosign_verify_bundle(buf_span(&bundle), &claim, &trust, &by, &e), -1);
	assert_int_equal(e.code, ERR_UNTRUSTED);
	claim.bytes = (struct span){ NULL, 0 };
	assert_int_equal(cosign_verify_bundle(buf_span(&bundle), &claim, &trust, &by, &e), -1);
}

/* Blobs by digest, as a medium or store would hand them out. */
struct shelf {
	struct span blobs[4];
	size_t count;
	bool flip; /* damage what is handed out */
};

static int from_shelf(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	struct shelf *s = ctx;

	(void)size;
	(void)e;
	for (size_t i = 0; i < s->count; i++) {
		struct digest have;

		digest_of(&have, DIGEST_SHA256, s->blobs[i]);
		if (!digest_eq(&have, d))
			continue;
		buf_add(out, s->blobs[i].data, s->blobs[i].len);
		if (s->flip)
			out->data[10] ^= 1;
		return 1;
	}
	return 0;
}

static void cosign_verify__made_here_vectors(void **state)
{
	static const struct {
		const char *manifest, *blob;
	} cases[] = {
		{ "legacy-sig-manifest.json", "legacy-payload.json" },
		{ "bundle-referrer-manifest.json", "bundle.sigstore.json" },
	};
	struct cosign_claim claim = claim_of(MADE_HERE, "127.0.0.1:35117/moat/set:v1");
	AUTO(trust_release) struct trust trust = TRUST_INIT;

	(void)state;
	trust_key_of(&trust, "made-here");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf manifest = BUF_INIT, blob = BUF_INIT;
		const struct verify_key *by = NULL;
		struct err e = ERR_INIT;
		struct shelf shelf;

		load(&manifest, "made-here", cases[i].manifest);
		load(&blob, "made-here", cases[i].blob);
		shelf = (struct shelf){ { buf_span(&blob) }, 1, false };
		if (cosign_verify("m", buf_span(&manifest), &claim, &trust, from_shelf, &shelf, &by,
			    &e) < 0)
			fail_msg("%s: %s", cases[i].manifest, e.text);
		assert_ptr_equal(by, trust.keys[0]);
		shelf.flip = true;
		assert_int_equal(cosign_verify("m", buf_span(&manifest), &claim, &trust, from_shelf,
					 &shelf, &by, &e),
			-1);
		assert_int_equal(e.code, ERR_CORRUPT);
		shelf.count = 0;
		assert_int_equal(cosign_verify("m", buf_span(&manifest), &claim, &trust, from_shelf,
					 &shelf, &by, &e),
			-1);
		assert_non_null(strstr(e.text, "is missing"));
	}
}

/* --- ours ------------------------------------------------------------------------------------ */

struct ours {
	struct sign_key *key;
	struct trust trust;
	struct cosign_claim claim;
	struct cosign_signature legacy, bundle;
	struct shelf shelf;
};

static int setup(void **state)
{
	struct ours *o = mem_alloc(sizeof(*o));
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	o->legacy = o->bundle = (struct cosign_signature)COSIGN_SIGNATURE_INIT;
	o->claim = claim_of(MADE_HERE, "moat.local/set/a<b:v1");
	if (sign_key_new(&o->key, &e) < 0 || sign_key_write_public(o->key, &pem, &e) < 0 ||
		trust_add(&o->trust, "moat.pub", buf_span(&pem), &e) < 0 ||
		cosign_sign_legacy(o->key, &o->claim, &o->legacy, &e) < 0 ||
		cosign_sign_bundle(o->key, &o->claim, 400, "2026-11-23T00:00:00Z", &o->bundle, &e) <
			0)
		return -1;
	o->shelf = (struct shelf){ { buf_span(&o->legacy.blob), buf_span(&o->bundle.blob) }, 2,
		false };
	*state = o;
	return 0;
}

static int teardown(void **state)
{
	struct ours *o = *state;

	cosign_signature_release(&o->legacy);
	cosign_signature_release(&o->bundle);
	trust_release(&o->trust);
	sign_key_free(&o->key);
	free(o);
	return 0;
}

static void cosign_sign__both_forms_verify(void **state)
{
	struct ours *o = *state;
	struct cosign_candidate c[] = {
		{ .name = "legacy", .manifest = buf_span(&o->legacy.manifest) },
		{ .name = "bundle", .manifest = buf_span(&o->bundle.manifest) },
	};
	struct err e = ERR_INIT;

	if (cosign_verify_set(c, 2, &o->claim, &o->trust, from_shelf, &o->shelf, &e) < 0)
		fail_msg("%s", e.text);
	assert_ptr_equal(c[0].by, o->trust.keys[0]);
	assert_ptr_equal(c[1].by, o->trust.keys[0]);
}

/* Apart from reference, key and signature ours are the bytes of the vectors. */
static void cosign_sign__bytes_as_the_vectors(void **state)
{
	struct ours *o = *state;
	struct cosign_claim claim = claim_of(MADE_HERE, "127.0.0.1:35117/moat/set:v1");
	AUTO(cosign_signature_release) struct cosign_signature s = COSIGN_SIGNATURE_INIT;
	AUTO(buf_release) struct buf payload = BUF_INIT, manifest = BUF_INIT, bundle = BUF_INIT;
	char *at;
	struct err e = ERR_INIT;

	load(&payload, "made-here", "legacy-payload.json");
	load(&manifest, "made-here", "legacy-sig-manifest.json");
	load(&bundle, "made-here", "bundle-referrer-manifest.json");
	assert_int_equal(cosign_sign_legacy(o->key, &claim, &s, &e), 0);
	assert_string_equal(s.blob.data, payload.data);
	at = strstr(manifest.data, "cosign/signature\":\"");
	assert_memory_equal(s.manifest.data, manifest.data, (size_t)(at - manifest.data));
	/* Behind the vectors' annotations ours has the public key. */
	buf_cut(&bundle, (size_t)(strstr(bundle.data, "}}") - bundle.data));
	assert_non_null(strstr(o->bundle.manifest.data, strstr(bundle.data, "\"annotations\"")));
	assert_non_null(strstr(o->bundle.manifest.data, "PUBLIC KEY-----\\n\"}}"));
}

static void cosign_sign__escapes_like_go(void **state)
{
	struct ours *o = *state;

	assert_non_null(strstr(o->legacy.blob.data, "moat.local/set/a\\u003cb:v1"));
}

static void cosign_verify_set__one_that_holds_is_enough(void **state)
{
	struct ours *o = *state;
	struct cosign_candidate c[] = {
		{ .name = "foreign", .manifest = span_of("{\"schemaVersion\":2}") },
		{ .name = "legacy", .manifest = buf_span(&o->legacy.manifest) },
	};
	struct err e = ERR_INIT;

	assert_int_equal(
		cosign_verify_set(c, 2, &o->claim, &o->trust, from_shelf, &o->shelf, &e), 0);
	assert_null(c[0].by);
	assert_non_null(c[1].by);
	assert_int_equal(
		cosign_verify_set(c, 1, &o->claim, &o->trust, from_shelf, &o->shelf, &e), -1);
	assert_int_equal(e.code, ERR_UNTRUSTED);
	assert_int_equal(
		cosign_verify_set(c, 0, &o->claim, &o->trust, from_shelf, &o->shelf, &e), -1);
	assert_string_equal(e.text, "moat.local/set/a<b:v1: not signed");
}

static void cosign_verify__refuses_other_claims(void **state)
{
	struct ours *o = *state;
	struct span manifests[] = { buf_span(&o->legacy.manifest), buf_span(&o->bundle.manifest) };
	struct cosign_claim other = claim_of(SAMPLE, o->claim.reference);
	const struct verify_key *by = NULL;
	struct trust nobody = TRUST_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(cosign_verify("m", manifests[i], &other, &o->trust, from_shelf,
					 &o->shelf, &by, &e),
			-1);
		assert_int_equal(e.code, ERR_UNTRUSTED);
		assert_int_equal(cosign_verify("m", manifests[i], &o->claim, &nobody, from_shelf,
					 &o->shelf, &by, &e),
			-1);
		assert_string_equal(e.text, "signature m: not signed by a trusted key");
	}
	other = claim_of(MADE_HERE, "moat.local/set/a<b:v2");
	assert_int_equal(
		cosign_verify("m", manifests[0], &other, &o->trust, from_shelf, &o->shelf, &by, &e),
		-1);
	assert_non_null(strstr(e.text, "docker-reference"));
	assert_null(by);
}

/* Payloads that the trusted key did sign, but that mean something else. */
static void cosign_verify_payload__refuses_signed_nonsense(void **state)
{
#define CRITICAL(ref, extra)                                                                       \
	"\"critical\":{\"identity\":{\"docker-reference\":\"" ref "\"" extra "},"                  \
	"\"image\":{\"docker-manifest-digest\":\"" MADE_HERE "\"},"                                \
	"\"type\":\"cosign container image signature\"}"
	static const struct {
		const char *name, *payload; /* name NULL: accepted */
	} cases[] = {
		{ NULL, "{" CRITICAL("r:v", "") ",\"optional\":null}" },
		{ NULL, "{" CRITICAL(
				"r:v", "") ",\"optional\":{\"creator\":\"x\",\"timestamp\":1}}" },
		{ "no optional", "{" CRITICAL("r:v", "") "}" },
		{ "extra key", "{" CRITICAL("r:v", "") ",\"optional\":null,\"more\":1}" },
		{ "extra inner key", "{" CRITICAL("r:v", ",\"x\":1") ",\"optional\":null}" },
		{ "twice", "{" CRITICAL("r:v", "") "," CRITICAL("r:v", "") ",\"optional\":null}" },
		{ "bare repository", "{" CRITICAL("r", "") ",\"optional\":null}" },
		{ "creator", "{" CRITICAL("r:v", "") ",\"optional\":{\"creator\":1}}" },
		{ "timestamp", "{" CRITICAL("r:v", "") ",\"optional\":{\"timestamp\":\"1\"}}" },
		{ "optional list", "{" CRITICAL("r:v", "") ",\"optional\":[]}" },
		{ "list", "[]" },
		{ "no JSON", "hello" },
		{ "behind it", "{" CRITICAL("r:v", "") ",\"optional\":null}{}" },
		{ "other type",
			"{\"critical\":{\"identity\":{\"docker-reference\":\"r:v\"},\"image\":"
			"{\"docker-manifest-digest\":\"" MADE_HERE
			"\"},\"type\":\"atomic container "
			"signature\"},\"optional\":null}" },
	};
	struct ours *o = *state;
	struct cosign_claim claim = claim_of(MADE_HERE, "r:v");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf der = BUF_INIT, sig = BUF_INIT;
		struct span payload = span_of(cases[i].payload);
		const struct verify_key *by = NULL;
		struct err e = ERR_INIT;
		int rc;

		assert_int_equal(sign_bytes(o->key, payload, &der, &e), 0);
		base64_encode(&sig, buf_span(&der));
		rc = cosign_verify_payload(payload, buf_span(&sig), &claim, &o->trust, &by, &e);
		if (rc != (cases[i].name ? -1 : 0) || (rc && e.code != ERR_UNTRUSTED))
			fail_msg("%s: %d %s", cases[i].name, rc, e.text);
	}
}

/* A bundle with one thing changed, its envelope signed again by the trusted key. */
static void make_bundle(
	struct ours *o, struct buf *out, const char *statement, const char *tail, const char *media)
{
	AUTO(buf_release) struct buf pae = BUF_INIT, der = BUF_INIT;
	struct err e = ERR_INIT;

	buf_printf(&pae, "DSSEv1 28 application/vnd.in-toto+json %zu %s", strlen(statement),
		statement);
	assert_int_equal(sign_bytes(o->key, buf_span(&pae), &der, &e), 0);
	buf_printf(out,
		"{\"mediaType\":\"%s\",\"verificationMaterial\":{\"publicKey\":{}},"
		"\"dsseEnvelope\":{\"payload\":\"",
		media);
	base64_encode(out, span_of(statement));
	buf_str(out,
		"\",\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[{\"sig\":\"");
	base64_encode(out, buf_span(&der));
	buf_str(out, tail);
}

/* Spellings that cosign takes, a row each, and what must not pass. */
static void cosign_verify_bundle__spellings(void **state)
{
#define STATEMENT(type, digests, predicate)                                                        \
	"{\"_type\":\"" type "\",\"subject\":[" digests "],\"predicateType\":\"" predicate         \
	"\",\"predicate\":{}}"
#define T "https://in-toto.io/Statement/v1"
#define P "https://sigstore.dev/cosign/sign/v1"
#define HEX "5f39a6dd8750675acf47c8bede64aa50bd1ba486626da6d3cee1c6e827aff247"
#define D "{\"digest\":{\"sha256\":\"" HEX "\"}}"
#define OTHER "{\"digest\":{\"sha256\":\"00\"}}"
#define END "\"}]}}"
	static const char v3[] = "application/vnd.dev.sigstore.bundle.v0.3+json";
	static const char old[] = "application/vnd.dev.sigstore.bundle+json;version=0.3";
	static const char v2[] = "application/vnd.dev.sigstore.bundle+json;version=0.2";
	static const char v4[] = "application/vnd.dev.sigstore.bundle.v0.4+json";
	static const struct {
		const char *name, *statement, *tail, *media;
		bool good;
	} cases[] = {
		{ "plain", STATEMENT(T, D, P), END, v3, true },
		{ "older spelling", STATEMENT(T, D, P), END, old, true },
		{ "statement v0.1", STATEMENT("https://in-toto.io/Statement/v0.1", D, P), END, v3,
			true },
		{ "two subjects", STATEMENT(T, OTHER "," D, P), END, v3, true },
		{ "a subject twice", STATEMENT(T, D "," D, P), END, v3, true },
		{ "a subject of another kind",
			STATEMENT(T, "{\"digest\":{\"sha512\":\"00\"}}," D, P), END, v3, true },
		{ "a subject without digest", STATEMENT(T, "{\"name\":\"x\"}," D, P), END, v3,
			true },
		{ "keyid", STATEMENT(T, D, P), "\",\"keyid\":\"somebody else's\"}]}}", v3, true },
		{ "proto's names inside",
			"{\"type\":\"" T "\",\"subject\":[" D "],\"predicate_type\":\"" P "\"}",
			END, v3, true },
		{ "field of others",
			"{\"x\":1,"
			"\"_type\":\"" T "\",\"subject\":[" D "],\"predicateType\":\"" P "\"}",
			END, v3, true },
		{ "both names",
			"{\"type\":\"" T "\",\"_type\":\"" T "\",\"subject\":[" D
			"],\"predicateType\":\"" P "\"}",
			END, v3, false },
		{ "attestation", STATEMENT(T, D, "https://slsa.dev/provenance/v1"), END, v3,
			false },
		{ "statement v0.2", STATEMENT("https://in-toto.io/Statement/v0.2", D, P), END, v3,
			false },
		{ "no subject", STATEMENT(T, "", P), END, v3, false },
		{ "other subject", STATEMENT(T, OTHER, P), END, v3, false },
		{ "subject that is a text", STATEMENT(T, D ",\"" HEX "\"", P), END, v3, false },
		{ "digest that is a text", STATEMENT(T, D ",{\"digest\":\"" HEX "\"}", P), END, v3,
			false },
		{ "two signatures", STATEMENT(T, D, P), "\"},{\"sig\":\"AAAA\"}]}}", v3, false },
		{ "v0.2", STATEMENT(T, D, P), END, v2, false },
		{ "v0.4", STATEMENT(T, D, P), END, v4, false },
		{ "both kinds", STATEMENT(T, D, P), "\"}]},\"messageSignature\":{}}", v3, false },
		{ "payload of both names", STATEMENT(T, D, P), "\"}]},\"dsse_envelope\":{}}", v3,
			false },
		{ "list", "[]", END, v3, false },
		{ "no JSON", "x", END, v3, false },
	};
	struct ours *o = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf bundle = BUF_INIT;
		const struct verify_key *by = NULL;
		struct err e = ERR_INIT;
		int rc;

		make_bundle(o, &bundle, cases[i].statement, cases[i].tail, cases[i].media);
		rc = cosign_verify_bundle(buf_span(&bundle), &o->claim, &o->trust, &by, &e);
		if (rc != (cases[i].good ? 0 : -1) || !by == cases[i].good ||
			(rc && e.code != ERR_UNTRUSTED))
			fail_msg("%s: %d %s", cases[i].name, rc, e.text);
	}
}

/* The type of the layer tells the form; what a list of referrers said is not asked. */
static void cosign_verify__the_layer_tells_the_form(void **state)
{
	static const struct {
		const char *from, *to;
		bool good;
	} cases[] = {
		{ "\"artifactType\":\"" MEDIA_SIGSTORE_BUNDLE "\",", "", true },
		{ "\"artifactType\":\"" MEDIA_SIGSTORE_BUNDLE "\",",
			"\"artifactType\":\"application/vnd.oci.image.config.v1+json\",", true },
		{ "\"layers\":[{\"mediaType\":\"" MEDIA_SIGSTORE_BUNDLE "\"",
			"\"layers\":[{\"mediaType\":\"text/plain\"", false },
		{ "\"subject\":{\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"digest\":\"" MADE_HERE "\"",
			"\"subject\":{\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"digest\":\"" SAMPLE
			"\"",
			false },
	};
	struct ours *o = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf manifest = BUF_INIT;
		const char *at = strstr(o->bundle.manifest.data, cases[i].from);
		const struct verify_key *by = NULL;
		struct err e = ERR_INIT;

		assert_non_null(at);
		buf_add(&manifest, o->bundle.manifest.data, (size_t)(at - o->bundle.manifest.data));
		buf_str(&manifest, cases[i].to);
		buf_str(&manifest, at + strlen(cases[i].from));
		if (cosign_verify("m", buf_span(&manifest), &o->claim, &o->trust, from_shelf,
			    &o->shelf, &by, &e) != (cases[i].good ? 0 : -1))
			fail_msg("%zu: %s", i, e.text);
	}
	assert_null(strstr(o->bundle.blob.data, "keyid"));
}

/* --- joining --------------------------------------------------------------------------------- */

static void sign_again(struct ours *o, struct sign_key **k, struct cosign_signature *out)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(sign_key_new(k, &e), 0);
	assert_int_equal(cosign_sign_legacy(*k, &o->claim, out, &e), 0);
	assert_int_equal(sign_key_write_public(*k, &pem, &e), 0);
	assert_int_equal(trust_add(&o->trust, "second.pub", buf_span(&pem), &e), 0);
}

/* Is the manifest good by exactly this key of the trusted ones? */
static void assert_signed_by(struct ours *o, const struct buf *manifest, size_t key)
{
	struct verify_key *keys[] = { o->trust.keys[key] };
	struct trust one = { .keys = keys, .count = 1 };
	const struct verify_key *by = NULL;
	struct err e = ERR_INIT;

	if (cosign_verify(
		    "m", buf_span(manifest), &o->claim, &one, from_shelf, &o->shelf, &by, &e) < 0)
		fail_msg("key %zu: %s", key, e.text);
}

static void cosign_join_legacy__keeps_every_signature(void **state)
{
	struct ours *o = *state;
	AUTO(sign_key_free) struct sign_key *second = NULL;
	AUTO(cosign_signature_release) struct cosign_signature more = COSIGN_SIGNATURE_INIT;
	AUTO(buf_release) struct buf both = BUF_INIT, other = BUF_INIT, again = BUF_INIT;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct span a = buf_span(&o->legacy.manifest), b;
	struct err e = ERR_INIT;

	sign_again(o, &second, &more);
	b = buf_span(&more.manifest);
	assert_int_equal(cosign_join_legacy(a, b, &both, &e), 1);
	assert_int_equal(cosign_join_legacy(b, a, &other, &e), 1);
	for (size_t key = 0; key < 2; key++) {
		assert_signed_by(o, &both, key);
		assert_signed_by(o, &other, key);
	}
	assert_int_equal(cosign_join_legacy(buf_span(&both), b, &again, &e), 0);
	assert_int_equal(cosign_join_legacy(buf_span(&both), a, &again, &e), 0);
	assert_int_equal(cosign_join_legacy(a, a, &again, &e), 0);
	assert_int_equal(again.len, 0);
	assert_int_equal(manifest_parse(&m, "both", NULL, buf_span(&both), &e), 0);
	assert_int_equal(m.count, 2);
	assert_true(digest_eq(&m.items[0].digest, &m.items[1].digest));
	assert_non_null(strstr(
		strstr(annotation_get(&m.annotations, COSIGN_PUBLIC_KEY), "BEGIN PUBLIC KEY") + 1,
		"BEGIN PUBLIC KEY"));
}

/* Of a manifest that two keys signed, beside a layer that nobody did. */
static void cosign_narrow__leaves_what_trusted_keys_signed(void **state)
{
	struct ours *o = *state;
	AUTO(sign_key_free) struct sign_key *second = NULL;
	AUTO(cosign_signature_release) struct cosign_signature more = COSIGN_SIGNATURE_INIT;
	AUTO(buf_release) struct buf both = BUF_INIT, bundle = BUF_INIT;
	struct err e = ERR_INIT;

	sign_again(o, &second, &more);
	assert_int_equal(cosign_join_legacy(buf_span(&o->legacy.manifest), buf_span(&more.manifest),
				 &both, &e),
		1);
	for (size_t i = 0; i < 2; i++) {
		size_t keys[] = { 0, o->trust.count - 1 }, key = keys[i];
		struct trust one = { .keys = &o->trust.keys[key], .count = 1 };
		struct trust other = { .keys = &o->trust.keys[keys[!i]], .count = 1 };
		AUTO(buf_release) struct buf out = BUF_INIT, pem = BUF_INIT, again = BUF_INIT;
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;

		assert_int_equal(cosign_narrow(buf_span(&both), &o->claim, &one, from_shelf,
					 &o->shelf, &out, &e),
			1);
		assert_signed_by(o, &out, key);
		assert_int_equal(manifest_parse(&m, "narrowed", NULL, buf_span(&out), &e), 0);
		assert_int_equal(m.count, 1);
		assert_int_equal(verify_key_write(o->trust.keys[key], &pem, &e), 0);
		assert_string_equal(annotation_get(&m.annotations, COSIGN_PUBLIC_KEY), pem.data);
		assert_int_equal(cosign_narrow(buf_span(&out), &o->claim, &one, from_shelf,
					 &o->shelf, &again, &e),
			1);
		assert_string_equal(again.data, out.data);
		assert_int_equal(cosign_narrow(buf_span(&out), &o->claim, &other, from_shelf,
					 &o->shelf, &again, &e),
			0);
		/* A bundle has one signature. */
		buf_clear(&bundle);
		assert_int_equal(cosign_narrow(buf_span(&o->bundle.manifest), &o->claim, &one,
					 from_shelf, &o->shelf, &bundle, &e),
			key == 0);
		assert_true(bundle.len == (key == 0 ? o->bundle.manifest.len : 0));
	}
	assert_int_equal(cosign_narrow(span_of("{}"), &o->claim, &o->trust, from_shelf, &o->shelf,
				 &bundle, &e),
		0);
}

#define HASH "5f39a6dd8750675acf47c8bede64aa50bd1ba486626da6d3cee1c6e827aff247"

/* Sign the claim with a head beside it, in both forms; what a reader finds of each, one behind the other. */
static uint64_t head_said(struct ours *o, const char *said, const struct trust *trust, bool flip)
{
	AUTO(cosign_signature_release) struct cosign_signature legacy = COSIGN_SIGNATURE_INIT;
	AUTO(cosign_signature_release) struct cosign_signature bundle = COSIGN_SIGNATURE_INIT;
	struct cosign_claim claim = o->claim;
	const struct cosign_signature *both[] = { &legacy, &bundle };
	struct audit_head head = { .seq = 0 };
	const struct verify_key *by;
	struct err e = ERR_INIT;

	claim.audit_head = said;
	assert_int_equal(cosign_sign_legacy(o->key, &claim, &legacy, &e), 0);
	assert_int_equal(
		cosign_sign_bundle(o->key, &claim, 400, "2026-11-23T00:00:00Z", &bundle, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		struct shelf shelf = { { buf_span(&both[i]->blob) }, 1, false };
		struct audit_head one = { .seq = 0 };

		/* Whatever is said, the signature of the claim holds. */
		assert_int_equal(cosign_verify("m", buf_span(&both[i]->manifest), &o->claim,
					 &o->trust, from_shelf, &shelf, &by, &e),
			0);
		shelf.flip = flip;
		cosign_find_audit_head(
			buf_span(&both[i]->manifest), &o->claim, trust, from_shelf, &shelf, &one);
		assert_true(i == 0 || one.seq == head.seq);
		head = one;
	}
	return head.seq;
}

static void cosign_find_audit_head__only_of_what_holds(void **state)
{
	static const struct {
		const char *said;
		uint64_t seq;
	} cases[] = {
		{ NULL, 0 },
		{ HASH "@7", 7 },
		{ HASH "@9223372036854775806", 9223372036854775806u },
		{ HASH "@0", 0 },
		{ HASH "@07", 0 },
		{ HASH "@-1", 0 },
		{ HASH "@18446744073709551616", 0 },
		{ HASH "@7 ", 0 },
		{ "5f39@7", 0 },
		{ "@7", 0 },
		{ "", 0 },
		{ "\"},\"critical\":{", 0 },
	};
	struct ours *o = *state;
	AUTO(sign_key_free) struct sign_key *second = NULL;
	AUTO(cosign_signature_release) struct cosign_signature more = COSIGN_SIGNATURE_INIT;
	struct audit_head head = { .seq = 100 };
	struct trust stranger;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (head_said(o, cases[i].said, &o->trust, false) != cases[i].seq)
			fail_msg("%s", cases[i].said);
	assert_int_equal(head_said(o, HASH "@7", &o->trust, true), 0); /* damaged */
	sign_again(o, &second, &more);
	stranger = (struct trust){ .keys = &o->trust.keys[o->trust.count - 1], .count = 1 };
	assert_int_equal(head_said(o, HASH "@7", &stranger, false), 0);
	cosign_find_audit_head(span_of("{}"), &o->claim, &o->trust, from_shelf, &o->shelf, &head);
	assert_int_equal(head.seq, 100); /* it is only raised */
}

static void cosign_join_legacy__refuses(void **state)
{
	struct ours *o = *state;
	AUTO(buf_release) struct buf many = BUF_INIT, out = BUF_INIT;
	struct span a = buf_span(&o->legacy.manifest);
	struct err e = ERR_INIT;

	assert_int_equal(cosign_join_legacy(a, span_of("{}"), &out, &e), -1);
	assert_int_equal(cosign_join_legacy(span_of("x"), a, &out, &e), -1);
	buf_str(&many, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":");
	descriptor_write(&many,
		&(struct descriptor){
			.digest = digest_empty_json, .size = 2, .media_type = MEDIA_OCI_EMPTY });
	buf_str(&many, ",\"layers\":[");
	for (unsigned i = 0; i < COSIGN_LAYERS_MAX; i++)
		buf_printf(&many,
			"%s{\"mediaType\":\"text/plain\",\"size\":1,\"digest\":\"sha256:%064u\"}",
			i ? "," : "", i);
	buf_str(&many, "]}");
	assert_int_equal(cosign_join_legacy(a, buf_span(&many), &out, &e), -1);
	assert_non_null(strstr(e.text, "more than 64 signatures"));
	assert_int_equal(out.len, 0);
}

/* The annotations of a signature's manifest are not signed: anyone can make them long. */
static void cosign_join_legacy__makes_nothing_too_long_to_be_read(void **state)
{
	AUTO(buf_release) struct buf a = BUF_INIT, b = BUF_INIT, out = BUF_INIT;
	struct buf *both[] = { &a, &b };
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		buf_str(both[i], "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
				 "\",\"annotations\":{\"" COSIGN_PUBLIC_KEY "\":\"");
		for (size_t k = 0; k < MANIFEST_MAX / 2; k++)
			buf_char(both[i], (char)('a' + i));
		buf_str(both[i], "\"},\"config\":");
		descriptor_write(both[i], &(struct descriptor){ .digest = digest_empty_json,
						  .size = 2,
						  .media_type = MEDIA_OCI_EMPTY });
		buf_printf(both[i],
			",\"layers\":[{\"mediaType\":\"text/plain\",\"size\":1,\"digest\":"
			"\"sha256:%064u\"}]}",
			i);
	}
	assert_int_equal(cosign_join_legacy(buf_span(&a), buf_span(&b), &out, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_non_null(strstr(e.text, "may be read"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cosign_verify_payload__vectors),
		cmocka_unit_test(cosign_verify_bundle__conformance_vector),
		cmocka_unit_test(cosign_verify__made_here_vectors),
		cmocka_unit_test(cosign_sign__both_forms_verify),
		cmocka_unit_test(cosign_sign__bytes_as_the_vectors),
		cmocka_unit_test(cosign_sign__escapes_like_go),
		cmocka_unit_test(cosign_verify_set__one_that_holds_is_enough),
		cmocka_unit_test(cosign_verify__refuses_other_claims),
		cmocka_unit_test(cosign_verify_payload__refuses_signed_nonsense),
		cmocka_unit_test(cosign_verify_bundle__spellings),
		cmocka_unit_test(cosign_verify__the_layer_tells_the_form),
		cmocka_unit_test(cosign_join_legacy__keeps_every_signature),
		cmocka_unit_test(cosign_narrow__leaves_what_trusted_keys_signed),
		cmocka_unit_test(cosign_find_audit_head__only_of_what_holds),
		cmocka_unit_test(cosign_join_legacy__refuses),
		cmocka_unit_test(cosign_join_legacy__makes_nothing_too_long_to_be_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
