/* Write and read receipts. Pure; must believe nothing in front of the signature. */
#include "mirror-tool/receipt/receipt.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/base64.h"
#include "storage/oci/digest_node.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define SIGNATURE "moat-signature "

void receipt_release(struct receipt *r)
{
	int saved = errno;

	free(r->sets);
	inventory_release(&r->lacking);
	*r = (struct receipt)RECEIPT_INIT;
	errno = saved;
}

struct receipt_set *receipt_add(struct receipt *r)
{
	return VEC_PUSH(r->sets, r->count);
}

static void write_member(struct buf *out, const char *key, const char *value)
{
	if (!*value)
		return;
	buf_printf(out, ",\"%s\":", key);
	json_quote(out, value, false);
}

static void write_set(const struct receipt_set *s, struct buf *out)
{
	char text[DIGEST_TEXT_SIZE];

	buf_printf(out, "{\"set\":\"%s\",\"version\":\"%s\",\"digest\":\"%s\",\"active\":%s",
		s->name, s->version, digest_text(&s->digest, text), s->active ? "true" : "false");
	if (s->active)
		buf_printf(out, ",\"generation\":%llu", (unsigned long long)s->generation);
	buf_char(out, '}');
}

static void write_body(struct receipt *r, struct buf *out)
{
	char text[DIGEST_TEXT_SIZE];

	buf_printf(out, "{\"moatReceipt\":1,\"time\":\"%s\"", r->time);
	write_member(out, "host", r->host);
	write_member(out, "auditHead", r->audit_head);
	if (r->beside)
		buf_printf(out, ",\"beside\":%llu", (unsigned long long)r->beside);
	buf_str(out, ",\"sets\":[");
	for (size_t i = 0; i < r->count; i++) {
		buf_str(out, i ? ",\n" : "\n");
		write_set(&r->sets[i], out);
	}
	buf_str(out, "\n],\"lacking\":[");
	inventory_sort(&r->lacking);
	for (size_t i = 0; i < r->lacking.count; i++)
		buf_printf(out, "%s\n{\"digest\":\"%s\",\"size\":%llu}", i ? "," : "",
			digest_text(&r->lacking.lines[i].digest, text),
			(unsigned long long)r->lacking.lines[i].size);
	buf_str(out, "\n]}\n");
}

int receipt_write(struct receipt *r, const struct sign_key *key, struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf body = BUF_INIT;
	AUTO(buf_release) struct buf signature = BUF_INIT;
	char hex[DIGEST_HEX_SIZE];

	write_body(r, &body);
	if (sign_bytes(key, buf_span(&body), &signature, e) < 0)
		return -1;
	buf_add(out, body.data, body.len);
	buf_printf(out, SIGNATURE "%s ", digest_hex(sign_key_id(key), hex));
	base64_encode(out, buf_span(&signature));
	buf_char(out, '\n');
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------ */

static int take_text(const struct doc *d, const struct node *map, const char *key, int required,
	char *out, size_t size, struct err *e)
{
	const char *text;
	int rc = node_string(d, map, key, required, &text, e);

	if (rc <= 0)
		return rc;
	if (strlen(text) >= size)
		return node_err(d, node_get(map, key), e, "too long");
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int take_set(struct receipt *r, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "set", "version", "digest", "active", "generation",
		NULL };
	struct receipt_set *s;
	int64_t generation = 0;

	if (n->kind != NODE_MAP)
		return node_err(d, n, e, "not an object");
	s = receipt_add(r);
	if (node_only(d, n, known, e) < 0 ||
		take_text(d, n, "set", REQUIRED, s->name, sizeof(s->name), e) < 0 ||
		take_text(d, n, "version", REQUIRED, s->version, sizeof(s->version), e) < 0 ||
		node_digest(d, n, "digest", &s->digest, e) < 0 ||
		node_bool(d, n, "active", REQUIRED, &s->active, e) < 0 ||
		node_int(d, n, "generation", OPTIONAL, 0, INT64_MAX, &generation, e) < 0)
		return -1;
	s->generation = (uint64_t)generation;
	return 0;
}

static int take_lacking(struct receipt *r, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "digest", "size", NULL };
	struct digest digest;
	int64_t size;

	if (n->kind != NODE_MAP)
		return node_err(d, n, e, "not an object");
	if (node_only(d, n, known, e) < 0 || node_digest(d, n, "digest", &digest, e) < 0 ||
		node_int(d, n, "size", REQUIRED, 0, INT64_MAX / 2, &size, e) < 0)
		return -1;
	inventory_add(&r->lacking, &digest, (uint64_t)size);
	return 0;
}

static int take_lists(struct receipt *r, const struct doc *d, struct err *e)
{
	const struct node *sets, *lacking;

	if (node_list(d, d->root, "sets", REQUIRED, &sets, e) < 0 ||
		node_list(d, d->root, "lacking", REQUIRED, &lacking, e) < 0)
		return -1;
	if (sets->count > RECEIPT_SETS_MAX)
		return node_err(d, sets, e, "more than %d sets", RECEIPT_SETS_MAX);
	if (lacking->count > RECEIPT_LACKING_MAX)
		return node_err(d, lacking, e, "more than %d blobs", RECEIPT_LACKING_MAX);
	node_each(n, sets) if (take_set(r, d, n, e) < 0) return -1;
	node_each(n, lacking) if (take_lacking(r, d, n, e) < 0) return -1;
	inventory_sort(&r->lacking);
	return 0;
}

static int take_body(struct receipt *r, const struct doc *d, struct err *e)
{
	static const char *const known[] = { "moatReceipt", "time", "host", "auditHead", "beside",
		"sets", "lacking", NULL };
	int64_t format, beside = 0;

	if (d->root->kind != NODE_MAP || !node_get(d->root, "moatReceipt"))
		return err_set(e, ERR_INPUT, "%s: not a receipt of moat", d->name);
	if (node_int(d, d->root, "moatReceipt", REQUIRED, 1, INT64_MAX, &format, e) < 0)
		return -1;
	if (format != 1)
		return err_set(e, ERR_UNSUPPORTED,
			"%s: a receipt of format %lld; this moat reads 1", d->name,
			(long long)format);
	if (node_only(d, d->root, known, e) < 0 ||
		take_text(d, d->root, "time", REQUIRED, r->time, sizeof(r->time), e) < 0 ||
		take_text(d, d->root, "host", OPTIONAL, r->host, sizeof(r->host), e) < 0 ||
		take_text(d, d->root, "auditHead", OPTIONAL, r->audit_head, sizeof(r->audit_head),
			e) < 0 ||
		node_int(d, d->root, "beside", OPTIONAL, 0, INT64_MAX, &beside, e) < 0)
		return -1;
	r->beside = (uint64_t)beside;
	return take_lists(r, d, e);
}

/* Split off the signature, the last line. */
static int split(
	const char *name, struct span bytes, struct span *body, struct span *line, struct err *e)
{
	const char *at;

	if (bytes.len == 0 || bytes.data[bytes.len - 1] != '\n')
		return err_set(e, ERR_INPUT, "%s: not a receipt of moat, or cut", name);
	at = memrchr(bytes.data, '\n', bytes.len - 1);
	at = at ? at + 1 : bytes.data;
	*body = (struct span){ bytes.data, (size_t)(at - bytes.data) };
	*line = (struct span){ at, bytes.len - body->len - 1 };
	if (line->len > strlen(SIGNATURE) &&
		memcmp(line->data, SIGNATURE, strlen(SIGNATURE)) == 0) {
		line->data += strlen(SIGNATURE);
		line->len -= strlen(SIGNATURE);
		return 0;
	}
	return err_set(
		e, ERR_INPUT, "%s: not a receipt of moat: its last line is no signature", name);
}

static int check_signature(const char *name, struct span body, struct span line,
	const struct trust *trust, struct err *e)
{
	AUTO(buf_release) struct buf signature = BUF_INIT;
	struct span by = span_until(&line, ' ');
	bool known = false;

	if (line.len > 4 * SIGNATURE_MAX || base64_decode(&signature, line, e) < 0)
		return err_set(e, ERR_INPUT, "%s: its signature is no base64", name);
	for (size_t i = 0; i < trust->count; i++) {
		char hex[DIGEST_HEX_SIZE];

		if (verify_bytes(trust->keys[i], body, buf_span(&signature)))
			return 0;
		known |= span_is(by, digest_hex(verify_key_id(trust->keys[i]), hex));
	}
	if (known)
		return err_set(
			e, ERR_UNTRUSTED, "%s: its signature does not hold: it was changed", name);
	return err_set(e, ERR_UNTRUSTED, "%s: signed by none of the given keys, but by %.*s", name,
		by.len < 80 ? (int)by.len : 80, by.data);
}

int receipt_parse(struct receipt *r, const char *name, struct span bytes, const struct trust *trust,
	struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct span body, line;

	*r = (struct receipt)RECEIPT_INIT;
	if (split(name, bytes, &body, &line, e) < 0 ||
		check_signature(name, body, line, trust, e) < 0 ||
		json_parse(&d, name, body, RECEIPT_BYTES_MAX, e) < 0)
		return -1;
	if (take_body(r, &d, e) == 0)
		return 0;
	receipt_release(r);
	return -1;
}
