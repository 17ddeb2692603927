/*
 * A receipt: what a store holds, for the side that exports. JSON that a person can read before it leaves, and behind it
 * one line with the signature of a key that was made inside:
 *
 *	{"moatReceipt":1,"time":"2026-12-01T09:00:00Z","host":"inside-1","auditHead":"<hex>@42","beside":7,"sets":[
 *	{"set":"platform","version":"2","digest":"sha256:<hex>","active":true,"generation":3}
 *	],"lacking":[
 *	{"digest":"sha256:<hex>","size":1234}
 *	]}
 *	moat-signature <fingerprint of the key> <base64>
 *
 * The blobs of a set are known outside, so a receipt names sets; only what lacks of them is named itself. Pure.
 */
#ifndef MOAT_RECEIPT_H
#define MOAT_RECEIPT_H

#include "mirror-tool/sign/sign.h"
#include "storage/oci/set.h"

#define RECEIPT_BYTES_MAX (16u << 20)
#define RECEIPT_SETS_MAX 10000
#define RECEIPT_LACKING_MAX                                                                        \
	50000 /* blobs; a store that lacks more is better asked by `moat need` */
#define RECEIPT_HOST_MAX 255

struct receipt_set {
	char name[SET_NAME_MAX + 1], version[SET_VERSION_MAX + 1];
	struct digest digest;
	bool active;
	uint64_t generation; /* when active */
};

struct receipt {
	char time[CLOCK_TEXT_SIZE];
	char host[RECEIPT_HOST_MAX + 1]; /* "": not said */
	char audit_head[128]; /* "": not said */
	uint64_t beside; /* blobs that no set lists, as pushes bring them; 0 also: not said */
	struct receipt_set *sets;
	size_t count;
	struct inventory lacking; /* sorted once it was written or read */
};
#define RECEIPT_INIT                                                                               \
	{                                                                                          \
		.count = 0                                                                         \
	}
void receipt_release(struct receipt *r); /* for AUTO */
struct receipt_set *receipt_add(struct receipt *r); /* empty; borrowed until the next call */

/* Append the text, signed. */
MUST int receipt_write(
	struct receipt *r, const struct sign_key *key, struct buf *out, struct err *e);

/* Read one that a key of the trust signed. ERR_UNTRUSTED: none did (it names the key that claims to), or it was
 * changed since; ERR_INPUT: no receipt, with the line. On failure nothing is owned. */
MUST int receipt_parse(struct receipt *r, const char *name, struct span bytes,
	const struct trust *trust, struct err *e);

#endif
