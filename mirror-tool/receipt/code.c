/* Write and read receipts that are typed. Pure; must take no code that has one wrong character. */
#include "mirror-tool/receipt/code.h"

#include "storage/base/banned.h"

#define SYMBOLS_MAX 166 /* in groups of five with a hyphen between: 199 characters */
#define CHECKS 4
#define HEADER 2 /* format, flags */
#define PER_SET 8 /* symbols of 5 bits */
#define GROUP 5
#define FORMAT 1

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* In GF(32), modulo x^5 + x^2 + 1; 2 is a primitive element. */
static uint8_t times(uint8_t a, uint8_t b)
{
	unsigned product = 0;

	for (unsigned bit = 0; bit < 5; bit++)
		if (b >> bit & 1)
			product ^= (unsigned)a << bit;
	for (unsigned bit = 8; bit >= 5; bit--)
		if (product >> bit & 1)
			product ^= 0x25u << (bit - 5);
	return (uint8_t)product;
}

/*
 * Divide by (x-1)(x-2)(x-4)(x-8): the rest is 0 for whole codes. So a code is 0 at 1, which no single error leaves, and at
 * 2, which no swap of neighbours leaves, wherever they are.
 */
static void divide(const uint8_t *symbols, size_t count, uint8_t rest[CHECKS])
{
	uint8_t g[CHECKS + 1] = { 1 }, root = 1; /* the highest power first */

	for (unsigned n = 0; n < CHECKS; n++, root = times(root, 2))
		for (unsigned i = n + 1; i > 0; i--)
			g[i] ^= times(g[i - 1], root);
	memset(rest, 0, CHECKS);
	for (size_t i = 0; i < count; i++) {
		uint8_t lead = symbols[i] ^ rest[0];

		for (unsigned k = 0; k < CHECKS; k++)
			rest[k] = times(lead, g[k + 1]) ^ (k + 1 < CHECKS ? rest[k + 1] : 0);
	}
}

/* Five bytes are eight symbols. */
static void spread(const uint8_t bytes[CODE_SHORT], uint8_t symbols[PER_SET])
{
	uint64_t all = 0;

	for (unsigned i = 0; i < CODE_SHORT; i++)
		all = all << 8 | bytes[i];
	for (unsigned i = 0; i < PER_SET; i++)
		symbols[i] = all >> (5 * (PER_SET - 1 - i)) & 31;
}

static void gather(const uint8_t symbols[PER_SET], uint8_t bytes[CODE_SHORT])
{
	uint64_t all = 0;

	for (unsigned i = 0; i < PER_SET; i++)
		all = all << 5 | symbols[i];
	for (unsigned i = 0; i < CODE_SHORT; i++)
		bytes[i] = (uint8_t)(all >> (8 * (CODE_SHORT - 1 - i)));
}

const char *code_write(const struct code *c, char text[CODE_TEXT_SIZE])
{
	uint8_t symbols[SYMBOLS_MAX] = { FORMAT, c->more };
	size_t count = HEADER, len = 0;

	if (c->count == 0 || c->count > CODE_SETS_MAX)
		BUG("a code of %zu sets", c->count);
	for (size_t i = 0; i < c->count; i++, count += PER_SET)
		spread(c->sets[i], symbols + count);
	divide(symbols, count, symbols + count);
	count += CHECKS;
	for (size_t i = 0; i < count; i++) {
		if (i && i % GROUP == 0)
			text[len++] = '-';
		text[len++] = alphabet[symbols[i]];
	}
	text[len] = '\0';
	return text;
}

/* 0 to 31; -1: no character of a code. */
static int symbol_of(char c)
{
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

static int read_symbols(struct span text, uint8_t *symbols, size_t *count, struct err *e)
{
	for (size_t i = 0; i < text.len; i++) {
		int s = symbol_of(text.data[i]);

		if (strchr("- \t\r\n", text.data[i]) && text.data[i])
			continue;
		if (s < 0)
			return err_set(e, ERR_INPUT, "character %zu is in no receipt code", i + 1);
		if (*count == SYMBOLS_MAX)
			return err_set(e, ERR_INPUT, "a receipt code is at most %d characters",
				CODE_TEXT_SIZE - 1);
		symbols[(*count)++] = (uint8_t)s;
	}
	return 0;
}

int code_parse(struct code *c, struct span text, struct err *e)
{
	static const uint8_t none[CHECKS];
	uint8_t symbols[SYMBOLS_MAX], rest[CHECKS];
	size_t count = 0;

	*c = (struct code){ .count = 0 };
	if (read_symbols(text, symbols, &count, e) < 0)
		return -1;
	if (count < HEADER + PER_SET + CHECKS || (count - HEADER - CHECKS) % PER_SET != 0)
		return err_set(e, ERR_INPUT,
			"a receipt code has not %zu characters: some are missing "
			"or too many",
			count);
	divide(symbols, count, rest);
	if (memcmp(rest, none, CHECKS) != 0)
		return err_set(e, ERR_INPUT,
			"the check characters of this receipt code do not fit: a character is "
			"wrong, or "
			"two are swapped");
	if (symbols[0] != FORMAT || symbols[1] > 1)
		return err_set(e, ERR_UNSUPPORTED,
			"a receipt code of a format that this moat "
			"does not read");
	c->more = symbols[1];
	for (size_t at = HEADER; at + CHECKS < count; at += PER_SET)
		gather(symbols + at, c->sets[c->count++]);
	return 0;
}

bool code_has(const struct code *c, size_t set, const struct digest *d)
{
	return memcmp(c->sets[set], d->bytes, CODE_SHORT) == 0;
}
