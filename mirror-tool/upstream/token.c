/* Rules and texts of the token protocol. Must never allow a credential to a realm that only the
 * registry vouches for. */
#include "mirror-tool/upstream/token.h"

#include <ctype.h>
#include <stdlib.h>

#include "storage/base/base64.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

int realm_check(const struct url *registry, const struct url *realm, bool allowed,
	bool with_credentials, struct err *e)
{
	bool same_host = strcmp(registry->host, realm->host) == 0;

	if (allowed)
		return 0;
	if (!realm->https && (registry->https || !same_host))
		return err_set(e, ERR_DENIED, "token service at %s is plain http", realm->host);
	if (!same_host && url_is_private(realm))
		return err_set(
			e, ERR_DENIED, "token service at the private address %s", realm->host);
	if (with_credentials && !url_same_domain(registry->host, realm->host))
		return err_set(e, ERR_DENIED,
			"token service at %s is not of %s, so it does not get its credentials; "
			"`realms:` may allow it",
			realm->host, registry->host);
	return 0;
}

static void add_param(struct buf *out, const char *key, const char *value)
{
	if (out->len && out->data[out->len - 1] != '?')
		buf_char(out, '&');
	buf_str(out, key);
	buf_char(out, '=');
	url_encode(out, value);
}

void token_query(struct buf *out, const char *service, const char *scope)
{
	struct span rest = span_of(scope);

	if (*service)
		add_param(out, "service", service);
	while (rest.len) {
		struct span word = span_until(&rest, ' ');
		AUTO(mem_free) char *text = mem_strndup(word.data, word.len);

		if (word.len)
			add_param(out, "scope", text);
	}
	add_param(out, "client_id", "moat");
}

void token_form(struct buf *out, const char *identity, const char *service, const char *scope)
{
	add_param(out, "grant_type", "refresh_token");
	add_param(out, "client_id", "moat");
	if (*service)
		add_param(out, "service", service);
	if (*scope)
		add_param(out, "scope", scope);
	add_param(out, "refresh_token", identity);
}

static bool is_header_word(const char *text)
{
	for (; *text; text++) {
		if (!isgraph((unsigned char)*text))
			return false;
	}
	return true;
}

int token_parse(struct span body, char **value, int64_t *seconds, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	const char *token = "", *access = "";
	int64_t lives = TOKEN_SECONDS;
	struct err where = ERR_INIT;

	if (json_parse(&d, "token", body, TOKEN_BODY_MAX, &where) < 0 ||
		node_string(&d, d.root, "token", OPTIONAL, &token, &where) < 0 ||
		node_string(&d, d.root, "access_token", OPTIONAL, &access, &where) < 0 ||
		node_int(&d, d.root, "expires_in", OPTIONAL, 0, INT32_MAX, &lives, &where) < 0)
		return err_set(e, ERR_INPUT, "the token service's answer: %s", where.text);
	if (!*token)
		token = access;
	if (!*token || !is_header_word(token))
		return err_set(e, ERR_INPUT, "the token service's answer holds no token");
	if (lives == 0)
		lives = TOKEN_SECONDS;
	*value = mem_strdup(token);
	*seconds = lives - TOKEN_SKEW < TOKEN_LEAST ? TOKEN_LEAST : lives - TOKEN_SKEW;
	return 0;
}

void basic_header(struct buf *out, const struct credential *c)
{
	AUTO(buf_release) struct buf plain = BUF_INIT;

	buf_printf(&plain, "%s:%s", c->user, c->password);
	buf_str(out, "Basic ");
	base64_encode(out, buf_span(&plain));
	explicit_bzero(plain.data, plain.len);
}
