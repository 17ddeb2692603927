/* Make and read tokens. Must never read the claims of a token before its signature was compared. */
#include "registry/access/token.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/base64.h"
#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define ISSUER "moatd"
#define MAC_SIZE 32
#define SKEW 60 /* seconds that clocks may differ */

int token_key_read(struct token_key *k, const char *path, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc;

	k->len = sizeof(k->bytes);
	if (!path) {
		if (RAND_bytes(k->bytes, (int)k->len) != 1)
			return err_set(e, ERR_IO, "token-key: no random bytes");
		return 0;
	}
	rc = fs_read_file(AT_FDCWD, path, sizeof(k->bytes), &text, e);
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "token-key: %s: no such file", path);
	if (rc < 0)
		return err_ctx(e, "token-key");
	if (text.len < TOKEN_KEY_MIN)
		return err_set(e, ERR_INPUT, "token-key: %s: %d to %zu bytes are needed", path,
			TOKEN_KEY_MIN, sizeof(k->bytes));
	k->len = text.len;
	memcpy(k->bytes, text.data, text.len);
	explicit_bzero(text.data, text.len);
	return 0;
}

/* --- base64url without padding (RFC 7515) ---------------------------------------------------- */

static void encode(struct buf *out, struct span bytes)
{
	size_t from = out->len;

	base64_encode(out, bytes);
	while (out->len > from && out->data[out->len - 1] == '=')
		buf_cut(out, out->len - 1);
	for (size_t i = from; i < out->len; i++)
		out->data[i] = out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i];
}

static int decode(struct buf *out, struct span text)
{
	AUTO(buf_release) struct buf padded = BUF_INIT;
	struct err e;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '+' || c == '/' || c == '=')
			return -1;
		buf_char(&padded, c == '-' ? '+' : c == '_' ? '/' : c);
	}
	while (padded.len % 4 != 0)
		buf_char(&padded, '=');
	return base64_decode(out, buf_span(&padded), &e);
}

static void sign(const struct token_key *k, struct span text, unsigned char mac[MAC_SIZE])
{
	if (!HMAC(EVP_sha256(), k->bytes, (int)k->len, (const unsigned char *)text.data, text.len,
		    mac, NULL))
		BUG("no HMAC");
}

/* --- making ---------------------------------------------------------------------------------- */

static void write_actions(struct buf *out, unsigned actions)
{
	const char *comma = "";

	if (actions & ACTION_CATALOG) {
		buf_str(out, "\"*\"");
		return;
	}
	if (actions & ACTION_PULL) {
		buf_str(out, "\"pull\"");
		comma = ",";
	}
	if (actions & ACTION_PUSH) {
		buf_printf(out, "%s\"push\"", comma);
		comma = ",";
	}
	if (actions & ACTION_DELETE)
		buf_printf(out, "%s\"delete\"", comma);
}

static void write_claims(struct buf *out, const char *service, const char *user,
	const struct grants *grants, int64_t now, int64_t seconds)
{
	buf_str(out, "{\"iss\":\"" ISSUER "\",\"aud\":");
	json_quote(out, service, false);
	buf_str(out, ",\"sub\":");
	json_quote(out, user, false);
	buf_printf(out, ",\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld,\"access\":[", (long long)now,
		(long long)now, (long long)now + seconds);
	for (size_t i = 0; grants && i < grants->count; i++) {
		const struct grant *g = &grants->items[i];

		buf_printf(out, "%s{\"type\":\"%s\",\"name\":", i ? "," : "",
			*g->name ? "repository" : "registry");
		json_quote(out, *g->name ? g->name : "catalog", false);
		buf_str(out, ",\"actions\":[");
		write_actions(out, g->actions);
		buf_str(out, "]}");
	}
	buf_str(out, "]}");
}

void token_make(const struct token_key *k, const char *service, const char *user,
	const struct grants *grants, int64_t now, int64_t seconds, struct buf *out)
{
	AUTO(buf_release) struct buf claims = BUF_INIT;
	unsigned char mac[MAC_SIZE];
	size_t from = out->len;

	write_claims(&claims, service, user, grants, now, seconds);
	encode(out, span_of(HEADER));
	buf_char(out, '.');
	encode(out, buf_span(&claims));
	sign(k, (struct span){ out->data + from, out->len - from }, mac);
	buf_char(out, '.');
	encode(out, (struct span){ (const char *)mac, sizeof(mac) });
}

/* --- reading --------------------------------------------------------------------------------- */

/* Decode the claims when header and signature are ours. */
static int open_token(const struct token_key *k, struct span text, struct buf *claims)
{
	AUTO(buf_release) struct buf header = BUF_INIT, given = BUF_INIT;
	struct span signature = text, body;
	struct span first = span_until(&signature, '.');
	unsigned char mac[MAC_SIZE];

	body = span_until(&signature, '.');
	encode(&header, span_of(HEADER));
	if (first.len != header.len || memcmp(first.data, header.data, header.len) != 0 ||
		decode(&given, signature) < 0 || given.len != MAC_SIZE)
		return -1;
	sign(k, (struct span){ text.data, first.len + 1 + body.len }, mac);
	if (CRYPTO_memcmp(mac, given.data, MAC_SIZE) != 0)
		return -1;
	return decode(claims, body);
}

static unsigned read_actions(const struct node *list, bool registry)
{
	unsigned actions = 0;

	node_each(n, list)
	{
		if (strcmp(n->text, "pull") == 0)
			actions |= ACTION_PULL;
		else if (strcmp(n->text, "push") == 0)
			actions |= ACTION_PUSH;
		else if (strcmp(n->text, "delete") == 0)
			actions |= ACTION_DELETE;
		else if (registry && strcmp(n->text, "*") == 0)
			actions |= ACTION_CATALOG;
	}
	return actions;
}

static int read_grant(const struct doc *d, const struct node *n, struct grant *g, struct err *e)
{
	const char *type, *name;
	const struct node *actions;
	bool registry;

	if (node_string(d, n, "type", REQUIRED, &type, e) < 0 ||
		node_string(d, n, "name", REQUIRED, &name, e) < 0 ||
		node_list(d, n, "actions", REQUIRED, &actions, e) < 0)
		return -1;
	registry = strcmp(type, "registry") == 0;
	if (strlen(name) > REF_REPO_MAX)
		return node_err(d, n, e, "a name that is too long");
	if (!registry)
		memcpy(g->name, name, strlen(name) + 1);
	g->actions = read_actions(actions, registry);
	return 0;
}

static int read_grants(const struct doc *d, struct grants **out, struct err *e)
{
	const struct node *list;
	struct grants *grants;

	if (node_list(d, d->root, "access", REQUIRED, &list, e) < 0)
		return -1;
	if (list->count > GRANTS_MAX)
		return node_err(d, list, e, "too many scopes");
	grants = mem_alloc(sizeof(*grants) + list->count * sizeof(grants->items[0]));
	*out = grants;
	node_each(n, list) if (read_grant(d, n, &grants->items[grants->count++], e) < 0) return -1;
	return 0;
}

static const char *read_claims(const struct doc *d, const char *service, int64_t now,
	char user[USER_NAME_MAX + 1], struct err *e)
{
	const char *iss, *aud, *sub;
	int64_t exp, nbf;

	if (node_string(d, d->root, "iss", REQUIRED, &iss, e) < 0 ||
		node_string(d, d->root, "aud", REQUIRED, &aud, e) < 0 ||
		node_string(d, d->root, "sub", REQUIRED, &sub, e) < 0 ||
		node_int(d, d->root, "exp", REQUIRED, 0, INT64_MAX, &exp, e) < 0 ||
		node_int(d, d->root, "nbf", REQUIRED, 0, INT64_MAX, &nbf, e) < 0)
		return "the token lacks something";
	if (strcmp(iss, ISSUER) != 0 || strcmp(aud, service) != 0)
		return "the token is for another service";
	if (now >= exp)
		return "the token is over";
	if (now + SKEW < nbf)
		return "the token is not valid yet";
	if (*sub && !user_name_is_valid(sub))
		return "the token names no user";
	memcpy(user, sub, strlen(sub) + 1);
	return NULL;
}

int token_read(const struct token_key *k, const char *service, struct span text, int64_t now,
	char user[USER_NAME_MAX + 1], struct grants **grants, const char **why)
{
	AUTO(buf_release) struct buf claims = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct err e;

	*grants = NULL;
	*why = "the token is not one of ours";
	if (text.len > TOKEN_MAX || open_token(k, text, &claims) < 0 ||
		json_parse(&d, "token", buf_span(&claims), TOKEN_MAX, &e) < 0)
		return -1;
	*why = read_claims(&d, service, now, user, &e);
	if (*why)
		return -1;
	if (read_grants(&d, grants, &e) == 0)
		return 0;
	free(*grants);
	*grants = NULL;
	*why = "the token's access can not be read";
	return -1;
}
