/*
 * Content digests: `sha256:HEX` and `sha512:HEX` (image-spec, "Descriptors: Digests").
 *
 * A digest is a value. Its text form exists at the edges only. Hashing is the one use of EVP
 * digests in the project; algorithms are fetched once per process.
 */
#ifndef MOAT_DIGEST_H
#define MOAT_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

enum digest_alg { DIGEST_NONE = 0, DIGEST_SHA256 = 1, DIGEST_SHA512 = 2 };

#define DIGEST_BYTES_MAX 64
#define DIGEST_HEX_SIZE 129 /* 128 hex digits and NUL */
#define DIGEST_TEXT_SIZE 136 /* "sha512:", 128 hex digits and NUL */

struct digest {
	enum digest_alg alg;
	uint8_t bytes[DIGEST_BYTES_MAX]; /* those behind the algorithm's length are zero */
};

/* Strict: lower-case hex of the exact length, an algorithm of ours. ERR_INPUT otherwise. */
MUST int digest_parse(struct digest *d, struct span text, struct err *e);
MUST int digest_from_hex(struct digest *d, enum digest_alg alg, struct span hex, struct err *e);
MUST int digest_from_bytes(struct digest *d, enum digest_alg alg, const void *bytes, size_t len);

/* Into a caller's array, which is returned. */
const char *digest_text(const struct digest *d, char text[DIGEST_TEXT_SIZE]);
/* "sha256:0123456789ab": the first 12 digits, for people. */
const char *digest_short(const struct digest *d, char text[DIGEST_TEXT_SIZE]);
const char *digest_hex(const struct digest *d, char hex[DIGEST_HEX_SIZE]);

const char *digest_alg_name(enum digest_alg alg); /* "sha256" */
size_t digest_len(const struct digest *d); /* bytes: 32 or 64 */
bool digest_eq(const struct digest *a, const struct digest *b); /* algorithm and bytes */
int digest_cmp(const struct digest *a, const struct digest *b); /* order of the text forms */

/* Incremental hashing. Reusable: hasher_init() starts over without allocating again. */
struct hasher {
	enum digest_alg alg;
	void *ctx; /* NULL until the first hasher_init() */
};
#define HASHER_INIT                                                                                \
	{                                                                                          \
		.alg = DIGEST_NONE                                                                 \
	}

/* Begin, go on, and end with the digest; then it may begin again. For one thread at a time. */
void hasher_init(struct hasher *h, enum digest_alg alg);
void hasher_add(struct hasher *h, const void *data, size_t len);
void hasher_end(struct hasher *h, struct digest *out);
/* `to` goes on from where `from` is. */
void hasher_copy(struct hasher *to, const struct hasher *from);
void hasher_release(struct hasher *h);

/* Of bytes in memory. */
void digest_of(struct digest *out, enum digest_alg alg, struct span bytes);

/* The well-known `{}` of application/vnd.oci.empty.v1+json. */
extern const struct digest digest_empty_json;

#endif
