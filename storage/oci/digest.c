/*
 * Digests: text, value, and hashing by OpenSSL's EVP (with the processor's SHA instructions where
 * it has them). The only use of EVP digests in the project. Does no I/O.
 */
#include "storage/oci/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "storage/base/banned.h"

#define DIGITS_SHORT 12

const struct digest digest_empty_json = { .alg = DIGEST_SHA256,
	.bytes = { 0x44, 0x13, 0x6f, 0xa3, 0x55, 0xb3, 0x67, 0x8a, 0x11, 0x46, 0xad, 0x16, 0xf7,
		0xe8, 0x64, 0x9e, 0x94, 0xfb, 0x4f, 0xc2, 0x1f, 0xe7, 0x7e, 0x83, 0x10, 0xc0, 0x60,
		0xf6, 0x1c, 0xaa, 0xff, 0x8a } };

static const struct {
	const char *name;
	size_t len;
} algs[] = {
	[DIGEST_NONE] = { "none", 0 },
	[DIGEST_SHA256] = { "sha256", 32 },
	[DIGEST_SHA512] = { "sha512", 64 },
};

const char *digest_alg_name(enum digest_alg alg)
{
	return algs[alg].name;
}

size_t digest_len(const struct digest *d)
{
	return algs[d->alg].len;
}

/* A table: sets and inventories have hundreds of thousands of digits. 1 to 16, 0: no digit. */
static const uint8_t hex_values[256] = {
	['0'] = 1,
	['1'] = 2,
	['2'] = 3,
	['3'] = 4,
	['4'] = 5,
	['5'] = 6,
	['6'] = 7,
	['7'] = 8,
	['8'] = 9,
	['9'] = 10,
	['a'] = 11,
	['b'] = 12,
	['c'] = 13,
	['d'] = 14,
	['e'] = 15,
	['f'] = 16,
};

static unsigned hex_value(char c)
{
	return hex_values[(uint8_t)c];
}

int digest_from_hex(struct digest *d, enum digest_alg alg, struct span hex, struct err *e)
{
	*d = (struct digest){ .alg = alg };
	if (hex.len != 2 * algs[alg].len)
		return err_set(e, ERR_INPUT, "a %s digest has %zu hex digits, not %zu",
			algs[alg].name, 2 * algs[alg].len, hex.len);
	for (size_t i = 0; i < hex.len; i += 2) {
		unsigned high = hex_value(hex.data[i]), low = hex_value(hex.data[i + 1]);

		if (!high || !low)
			return err_set(e, ERR_INPUT, "digit %zu of a %s digest is not 0-9 or a-f",
				high ? i + 2 : i + 1, algs[alg].name);
		d->bytes[i / 2] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	return 0;
}

int digest_from_bytes(struct digest *d, enum digest_alg alg, const void *bytes, size_t len)
{
	if ((alg != DIGEST_SHA256 && alg != DIGEST_SHA512) || len != algs[alg].len)
		return -1;
	*d = (struct digest){ .alg = alg };
	memcpy(d->bytes, bytes, len);
	return 0;
}

int digest_parse(struct digest *d, struct span text, struct err *e)
{
	struct span hex = text;
	struct span alg = span_until(&hex, ':');

	if (alg.len == text.len)
		return err_set(e, ERR_INPUT, "\"%.*s\" is not a digest (ALGORITHM:HEX)",
			(int)(text.len < 160 ? text.len : 160), text.data);
	if (span_is(alg, "sha256"))
		return digest_from_hex(d, DIGEST_SHA256, hex, e);
	if (span_is(alg, "sha512"))
		return digest_from_hex(d, DIGEST_SHA512, hex, e);
	return err_set(e, ERR_INPUT, "digest algorithm \"%.*s\" is neither sha256 nor sha512",
		(int)(alg.len < 32 ? alg.len : 32), alg.data);
}

const char *digest_hex(const struct digest *d, char hex[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *p = hex;

	for (size_t i = 0; i < digest_len(d); i++) {
		*p++ = digits[d->bytes[i] >> 4];
		*p++ = digits[d->bytes[i] & 15];
	}
	*p = '\0';
	return hex;
}

const char *digest_text(const struct digest *d, char text[DIGEST_TEXT_SIZE])
{
	size_t used = strlen(algs[d->alg].name);

	memcpy(text, algs[d->alg].name, used);
	text[used++] = ':';
	digest_hex(d, text + used);
	return text;
}

const char *digest_short(const struct digest *d, char text[DIGEST_TEXT_SIZE])
{
	digest_text(d, text);
	text[strlen(algs[d->alg].name) + 1 + DIGITS_SHORT] = '\0';
	return text;
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
	return a->alg == b->alg && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* "sha256:" sorts before "sha512:", and hex sorts as its bytes do. */
int digest_cmp(const struct digest *a, const struct digest *b)
{
	if (a->alg != b->alg)
		return a->alg < b->alg ? -1 : 1;
	return memcmp(a->bytes, b->bytes, digest_len(a));
}

/* --- hashing ----------------------------------------------------------------------------- */

static EVP_MD *fetched[ARRAY_SIZE(algs)];
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	fetched[DIGEST_SHA256] = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	fetched[DIGEST_SHA512] = EVP_MD_fetch(NULL, "SHA2-512", NULL);
	if (!fetched[DIGEST_SHA256] || !fetched[DIGEST_SHA512])
		BUG("this OpenSSL has no SHA-2");
}

void hasher_init(struct hasher *h, enum digest_alg alg)
{
	pthread_once(&fetch_once, fetch);
	if (alg != DIGEST_SHA256 && alg != DIGEST_SHA512)
		BUG("hash algorithm %d", (int)alg);
	if (!h->ctx)
		h->ctx = EVP_MD_CTX_new();
	h->alg = alg;
	if (!h->ctx || !EVP_DigestInit_ex2(h->ctx, fetched[alg], NULL))
		BUG("cannot start %s", algs[alg].name);
}

void hasher_add(struct hasher *h, const void *data, size_t len)
{
	if (!EVP_DigestUpdate(h->ctx, data, len))
		BUG("cannot go on with %s", algs[h->alg].name);
}

void hasher_end(struct hasher *h, struct digest *out)
{
	*out = (struct digest){ .alg = h->alg };
	if (!EVP_DigestFinal_ex(h->ctx, out->bytes, NULL))
		BUG("cannot end %s", algs[h->alg].name);
}

void hasher_copy(struct hasher *to, const struct hasher *from)
{
	hasher_init(to, from->alg);
	if (!EVP_MD_CTX_copy_ex(to->ctx, from->ctx))
		BUG("cannot copy a state of %s", algs[from->alg].name);
}

void hasher_release(struct hasher *h)
{
	int saved = errno;

	EVP_MD_CTX_free(h->ctx);
	*h = (struct hasher)HASHER_INIT;
	errno = saved;
}

void digest_of(struct digest *out, enum digest_alg alg, struct span bytes)
{
	AUTO(hasher_release) struct hasher h = HASHER_INIT;

	hasher_init(&h, alg);
	hasher_add(&h, bytes.data, bytes.len);
	hasher_end(&h, out);
}
