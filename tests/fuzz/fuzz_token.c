/* Whatever a token claims, signed with the right key: what is taken names a user or nobody, and speaks
 * of no more than a token may. */
#include <openssl/hmac.h>
#include <stdlib.h>

#include "registry/access/token.h"
#include "storage/base/base64.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1800000000

static const struct token_key key = { .bytes = "0123456789abcdef0123456789abcdef", .len = 32 };

static void url64(struct buf *out, struct span bytes)
{
	AUTO(buf_release) struct buf b = BUF_INIT;

	base64_encode(&b, bytes);
	for (size_t i = 0; i < b.len && b.data[i] != '='; i++)
		buf_char(out, b.data[i] == '+' ? '-' : b.data[i] == '/' ? '_' : b.data[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_release) struct buf token = BUF_INIT;
	AUTO(mem_free) struct grants *grants = NULL;
	char user[USER_NAME_MAX + 1] = "";
	unsigned char mac[32];
	const char *why;

	url64(&token, span_of("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
	buf_char(&token, '.');
	url64(&token, input(data, size));
	must(HMAC(EVP_sha256(), key.bytes, (int)key.len, (const unsigned char *)token.data,
		     token.len, mac, NULL) != NULL);
	buf_char(&token, '.');
	url64(&token, (struct span){ (const char *)mac, sizeof(mac) });
	if (token_read(&key, "svc", buf_span(&token), NOW, user, &grants, &why) < 0) {
		must(!grants && *why);
		return 0;
	}
	must(*user == '\0' || user_name_is_valid(user));
	must(grants->count <= GRANTS_MAX);
	for (size_t i = 0; i < grants->count; i++)
		must((grants->items[i].actions & ~ACTIONS_ALL) == 0);
	return 0;
}
