/* Base64 both ways. Knows nothing of what it carries; accepts one spelling only. */
#include "storage/base/base64.h"

#include "storage/base/banned.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct span bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.data;

	buf_reserve(out, bytes.len / 3 * 4 + 4);
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0u);

		buf_char(out, digits[v >> 18]);
		buf_char(out, digits[v >> 12 & 63]);
		buf_char(out, left > 1 ? digits[v >> 6 & 63] : '=');
		buf_char(out, left > 2 ? digits[v & 63] : '=');
	}
}

static int value_of(char c)
{
	const char *hit = c ? strchr(digits, c) : NULL;

	return hit ? (int)(hit - digits) : -1;
}

static size_t padding(struct span text)
{
	if (text.len < 4 || text.data[text.len - 1] != '=')
		return 0;
	return text.data[text.len - 2] == '=' ? 2 : 1;
}

int base64_decode(struct buf *out, struct span text, struct err *e)
{
	size_t pad = padding(text), used = text.len - pad;
	unsigned v = 0;

	if (text.len % 4)
		return err_set(e, ERR_INPUT, "base64 of %zu digits, not a multiple of 4", text.len);
	for (size_t i = 0; i < used; i++) {
		int d = value_of(text.data[i]);

		if (d < 0)
			return err_set(e, ERR_INPUT, "character %zu is not base64", i + 1);
		v = (v << 6 | (unsigned)d) & 0xffffff;
		if (i % 4)
			buf_char(out, (char)(v >> (6 - 2 * (i % 4)) & 0xff));
	}
	if (pad && (v & ((1u << (2 * pad)) - 1)))
		return err_set(e, ERR_INPUT, "base64 ends with stray bits");
	return 0;
}
