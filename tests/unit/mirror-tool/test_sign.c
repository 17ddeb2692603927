/* Keys and signatures, also against the openssl program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/sign/sign.h"
#include "storage/base/fs.h"

static char dir[] = "/tmp/moat-test-sign-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	AUTO(mem_free) char *command = mem_printf("rm -r %s", dir);

	(void)state;
	return chdir("/") || system(command) ? -1 : 0;
}

static void save(const char *name, struct span bytes)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_replace_file(AT_FDCWD, name, bytes, 0600, &e), 0);
}

static struct sign_key *new_key(void)
{
	struct sign_key *k = NULL;
	struct err e = ERR_INIT;

	if (sign_key_new(&k, &e) < 0)
		fail_msg("%s", e.text);
	return k;
}

static void sign_key__survives_a_file(void **state)
{
	static const char *const passphrases[] = { NULL, "p\xc3\xa4ss w\"rd" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(passphrases); i++) {
		AUTO(sign_key_free) struct sign_key *k = new_key(), *again = NULL;
		AUTO(buf_release) struct buf pem = BUF_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(sign_key_write(k, passphrases[i], &pem, &e), 0);
		assert_int_equal(sign_key_is_encrypted(buf_span(&pem)), passphrases[i] != NULL);
		if (sign_key_read(&again, "k", buf_span(&pem), passphrases[i], &e) < 0)
			fail_msg("%s", e.text);
		assert_true(digest_eq(sign_key_id(k), sign_key_id(again)));
	}
}

static void sign_key_read__refuses_passphrases(void **state)
{
	AUTO(sign_key_free) struct sign_key *k = new_key(), *again = NULL;
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sign_key_write(k, "right", &pem, &e), 0);
	assert_int_equal(sign_key_read(&again, "k", buf_span(&pem), NULL, &e), -1);
	assert_string_equal(e.text, "k: encrypted; give --passphrase-file or --passphrase-env");
	assert_int_equal(sign_key_read(&again, "k", buf_span(&pem), "wrong", &e), -1);
	assert_string_equal(e.text, "k: wrong passphrase");
	assert_null(again);
}

/* Keys that openssl makes: which are taken, and what is said of the others. */
static void sign_key_read__judges_foreign_keys(void **state)
{
	static const struct {
		const char *make, *text; /* text NULL: accepted */
	} cases[] = {
		{ "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out f", NULL },
		{ "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out f",
			"f: an EC key of secp384r1" },
		{ "openssl genpkey -algorithm ED25519 -out f", "f: an ED25519 key" },
		{ "openssl ecparam -name prime256v1 -genkey -noout -out f",
			"f: EC PRIVATE KEY is not PKCS#8; convert it: openssl pkcs8" },
		{ "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 |"
		  " openssl pkey -pubout -out f",
			"f: a public key, a private one is needed" },
		{ "echo '-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----' >f; echo AAAA >>f;"
		  "echo '-----END ENCRYPTED SIGSTORE PRIVATE KEY-----' >>f",
			"f: cosign's own key format" },
		{ "echo nothing >f", "f: not a PEM file" },
		{ "echo '-----BEGIN PRIVATE KEY-----' >f; echo AAAA >>f;"
		  "echo '-----END PRIVATE KEY-----' >>f",
			"f: " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *command = mem_printf("(%s) 2>/dev/null", cases[i].make);
		AUTO(sign_key_free) struct sign_key *k = NULL;
		AUTO(buf_release) struct buf pem = BUF_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(system(command), 0);
		assert_int_equal(fs_read_file(AT_FDCWD, "f", KEY_FILE_MAX, &pem, &e), 1);
		if (sign_key_read(&k, "f", buf_span(&pem), NULL, &e) != (cases[i].text ? -1 : 0) ||
			(cases[i].text && strncmp(e.text, cases[i].text, strlen(cases[i].text))))
			fail_msg("%s: %s", cases[i].make, e.text);
	}
}

static void verify_bytes__only_these_by_this_key(void **state)
{
	AUTO(sign_key_free) struct sign_key *k = new_key(), *other = new_key();
	AUTO(trust_release) struct trust t = TRUST_INIT;
	AUTO(buf_release) struct buf pem = BUF_INIT, sig = BUF_INIT;
	struct span bytes = span_of("payload"), short_sig;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sign_key_write_public(k, &pem, &e), 0);
	assert_int_equal(sign_key_write_public(other, &pem, &e), 0);
	assert_int_equal(trust_add(&t, "both", buf_span(&pem), &e), 0);
	assert_int_equal(trust_add(&t, "again", buf_span(&pem), &e), 0);
	assert_int_equal(t.count, 2);
	assert_true(digest_eq(verify_key_id(t.keys[0]), sign_key_id(k)));
	assert_int_equal(sign_bytes(k, bytes, &sig, &e), 0);
	assert_int_equal(verify_bytes(t.keys[0], bytes, buf_span(&sig)), 1);
	assert_int_equal(verify_bytes(t.keys[1], bytes, buf_span(&sig)), 0);
	assert_int_equal(verify_bytes(t.keys[0], span_of("Payload"), buf_span(&sig)), 0);
	short_sig = (struct span){ sig.data, sig.len - 1 };
	assert_int_equal(verify_bytes(t.keys[0], bytes, short_sig), 0);
	assert_int_equal(verify_bytes(t.keys[0], bytes, span_of("")), 0);
	buf_char(&sig, '\0');
	assert_int_equal(verify_bytes(t.keys[0], bytes, buf_span(&sig)), 0);
}

static void openssl__reads_our_key_and_signature(void **state)
{
	AUTO(sign_key_free) struct sign_key *k = new_key();
	AUTO(buf_release) struct buf key = BUF_INIT, pub = BUF_INIT, sig = BUF_INIT;
	AUTO(mem_free) char *command = NULL;
	char hex[DIGEST_HEX_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sign_key_write(k, "pw", &key, &e), 0);
	assert_int_equal(sign_key_write_public(k, &pub, &e), 0);
	assert_int_equal(sign_bytes(k, span_of("hello\n"), &sig, &e), 0);
	save("key", buf_span(&key));
	save("pub", buf_span(&pub));
	save("sig", buf_span(&sig));
	save("text", span_of("hello\n"));
	assert_int_equal(
		system("openssl dgst -sha256 -verify pub -signature sig text >/dev/null"), 0);
	assert_int_equal(system("openssl pkey -in key -passin pass:pw -pubout | cmp -s - pub"), 0);
	assert_int_equal(system("openssl asn1parse -in key | grep -q PBES2"), 0);
	command = mem_printf("openssl pkey -pubin -in pub -outform DER | sha256sum | grep -q ^%s",
		digest_hex(sign_key_id(k), hex));
	assert_int_equal(system(command), 0);
}

static void trust_load__refuses(void **state)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {
		{ "", "t: no PUBLIC KEY in it" },
		{ "# no key here\n", "t: no PUBLIC KEY in it" },
		{ "no key here\n", "t: line 1: \"no key here\" is no word for a key" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
			"t: holds a CERTIFICATE, a PUBLIC KEY is needed" },
		{ "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "t: " },
	};
	const char *path = "t", *absent = "nowhere";
	AUTO(trust_release) struct trust t = TRUST_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		save("t", span_of(cases[i].bytes));
		assert_int_equal(trust_load(&t, &path, 1, &e), -1);
		if (strncmp(e.text, cases[i].text, strlen(cases[i].text)) != 0)
			fail_msg("%s", e.text);
	}
	assert_int_equal(trust_load(&t, &absent, 1, &e), -1);
	assert_string_equal(e.text, "nowhere: no such key file");
}

/* Both public keys, each with a text in front, as files a and b; and their texts in one file. */
static void write_keys(const char *text_a, const char *text_b)
{
	AUTO(buf_release) struct buf both = BUF_INIT;
	const char *const texts[] = { text_a, text_b };

	for (size_t i = 0; i < 2; i++) {
		AUTO(sign_key_free) struct sign_key *k = new_key();
		AUTO(buf_release) struct buf pub = BUF_INIT, sig = BUF_INIT;
		struct err e = ERR_INIT;

		buf_str(&pub, texts[i]);
		assert_int_equal(sign_key_write_public(k, &pub, &e), 0);
		assert_int_equal(sign_bytes(k, span_of("hello\n"), &sig, &e), 0);
		save(i ? "b" : "a", buf_span(&pub));
		save(i ? "b.sig" : "a.sig", buf_span(&sig));
		buf_add(&both, pub.data, pub.len);
	}
	save("both", buf_span(&both));
}

static void trust_load__reads_what_a_key_may_sign(void **state)
{
	static const char *const paths[] = { "a", "b" };
	AUTO(trust_release) struct trust t = TRUST_INIT;
	struct err e = ERR_INIT;

	(void)state;
	write_keys("# a comment\r\nsets: apps-*, platform\r\n", "");
	save("text", span_of("hello\n"));
	assert_int_equal(trust_load(&t, paths, 2, &e), 0);
	assert_int_equal(t.count, 2);
	assert_string_equal(verify_key_text(t.keys[0])->sets_text, "apps-*, platform");
	assert_null(verify_key_text(t.keys[1])->sets_text);
	assert_int_equal(system("openssl pkey -pubin -in a -noout"), 0);
	assert_int_equal(
		system("openssl dgst -sha256 -verify a -signature a.sig text >/dev/null"), 0);
	assert_int_equal(trust_load(&t, paths, 2, &e), 0); /* the same again is no contradiction */
	assert_int_equal(t.count, 2);
}

static void trust_load__never_widens_a_key(void **state)
{
	static const struct {
		const char *a, *b, *prepare, *paths[2], *text; /* text NULL: loads */
	} cases[] = {
		{ "sets: x\n", "", "", { "both", NULL },
			"both: sets: limits one key, and 2 are in" },
		{ "", "sets: x\n", "", { "both", NULL },
			"both: line 5: sets: must stand in front" },
		{ "# two\n", "", "", { "both", NULL }, NULL },
		{ "sets: x\n", "", "sed 1d a >c", { "a", "c" },
			"c: the same key as in a, with other" },
		{ "sets: x\n", "", "sed 1d a >c", { "c", "a" },
			"a: the same key as in c, with other" },
		{ "sets: x\n", "", "sed 1s/x/y/ a >c", { "a", "c" }, "c: the same key as in a" },
		{ "sets: x\n", "", "sed 's/: /:  /' a >c", { "a", "c" }, NULL },
		{ "sets: x\n", "", "sed 's/BEGIN PUB/BEGIN  PUB/' a >c", { "c", NULL }, "c: " },
		{ "sets: x\n", "",
			"(cat a; echo '-----BEGIN CERTIFICATE-----'; echo AAAA;"
			"echo '-----END CERTIFICATE-----') >c",
			{ "c", NULL }, "c: holds a CERTIFICATE" },
		{ "sets: x\n", "", "(head -c 300 /dev/zero | tr '\\0' '#'; cat b; cat a) >c",
			{ "c", NULL }, "c: line " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(trust_release) struct trust t = TRUST_INIT;
		struct err e = ERR_INIT;
		int rc;

		write_keys(cases[i].a, cases[i].b);
		assert_int_equal(system(*cases[i].prepare ? cases[i].prepare : "true"), 0);
		rc = trust_load(&t, cases[i].paths, cases[i].paths[1] ? 2 : 1, &e);
		if (rc != (cases[i].text ? -1 : 0) ||
			(rc && strncmp(e.text, cases[i].text, strlen(cases[i].text)) != 0))
			fail_msg("%zu: %s", i, e.text);
	}
}

/* Keys of others may have any text around them. */
static void trust_add_file__skips_text(void **state)
{
	AUTO(trust_release) struct trust t = TRUST_INIT;
	struct err e = ERR_INIT;

	(void)state;
	write_keys("Public-Key: (256 bit)\n", "sets: x\n");
	assert_int_equal(trust_add_file(&t, "both", &e), 0);
	assert_int_equal(t.count, 2);
	assert_int_equal(verify_key_text(t.keys[1])->set_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sign_key__survives_a_file),
		cmocka_unit_test(sign_key_read__refuses_passphrases),
		cmocka_unit_test(sign_key_read__judges_foreign_keys),
		cmocka_unit_test(verify_bytes__only_these_by_this_key),
		cmocka_unit_test(openssl__reads_our_key_and_signature),
		cmocka_unit_test(trust_load__refuses),
		cmocka_unit_test(trust_load__reads_what_a_key_may_sign),
		cmocka_unit_test(trust_load__never_widens_a_key),
		cmocka_unit_test(trust_add_file__skips_text),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
