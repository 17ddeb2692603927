/* Addresses and blocks. */
#include "mirror-tool/policy/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "storage/base/number.h"
#include "storage/base/banned.h"

static void from_v4(uint32_t bits, struct address *out)
{
	*out = (struct address){ IPV4, 0, bits };
}

static void from_v6(const unsigned char bytes[16], struct address *out)
{
	*out = (struct address){ .family = IPV6 };
	for (unsigned i = 0; i < 8; i++) {
		out->high = out->high << 8 | bytes[i];
		out->low = out->low << 8 | bytes[8 + i];
	}
}

/* Four numbers up to 255; *zeros: one of them could be shorter. */
static bool parse_v4(struct span text, struct address *out, bool *zeros)
{
	const char *end = text.data + text.len;
	uint32_t bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		struct span part = span_until(&text, '.');
		uint64_t value;

		if ((i == 3) != (part.data + part.len == end) || !number_parse(part, 255, &value) ||
			part.len > 3)
			return false;
		*zeros |= part.len > 1 && part.data[0] == '0';
		bits = bits << 8 | (uint32_t)value;
	}
	from_v4(bits, out);
	return true;
}

static bool parse_v6(struct span text, struct address *out)
{
	char copy[INET6_ADDRSTRLEN + 1];
	unsigned char bytes[16];

	if (text.len >= sizeof(copy) || !memchr(text.data, ':', text.len))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.data);
	if (inet_pton(AF_INET6, copy, bytes) != 1)
		return false;
	from_v6(bytes, out);
	return true;
}

static bool is_mapped(const struct address *a)
{
	return a->family == IPV6 && a->high == 0 && a->low >> 32 == 0xffff;
}

bool address_parse(struct span text, struct address *out)
{
	bool zeros = false;

	if (parse_v4(text, out, &zeros))
		return !zeros;
	return parse_v6(text, out) && !is_mapped(out);
}

static unsigned width(enum family family)
{
	return family == IPV4 ? 32 : 128;
}

/* The mask of the host's bits in a half that starts at bit `from` of the address. */
static uint64_t host_bits(unsigned prefix, unsigned from)
{
	if (prefix <= from)
		return UINT64_MAX;
	return prefix >= from + 64 ? 0 : UINT64_MAX >> (prefix - from);
}

static struct block make_block(const struct address *a, unsigned bits)
{
	uint64_t high = a->family == IPV4 ? 0 : host_bits(bits, 0);
	uint64_t low =
		a->family == IPV4 ? (bits >= 32 ? 0 : UINT32_MAX >> bits) : host_bits(bits, 64);

	return (struct block){ { a->family, a->high & ~high, a->low & ~low },
		{ a->family, a->high | high, a->low | low }, bits };
}

struct block block_of(const struct address *a)
{
	return make_block(a, width(a->family));
}

enum block_fault block_parse(struct span text, struct block *out)
{
	bool zeros = false, mapped;
	struct address a;
	struct span host = span_until(&text, '/');
	uint64_t bits;

	if (!parse_v4(host, &a, &zeros) && !parse_v6(host, &a))
		return BLOCK_BAD;
	if (text.len > 3 || !number_parse(text, width(a.family), &bits))
		return BLOCK_BAD;
	zeros |= !number_is_plain(text);
	mapped = is_mapped(&a) && bits >= 96;
	if (mapped) {
		from_v4((uint32_t)a.low, &a);
		bits -= 96;
	}
	*out = make_block(&a, (unsigned)bits);
	if (mapped)
		return BLOCK_MAPPED;
	if (zeros)
		return BLOCK_ZEROS;
	return address_compare(&a, &out->first) == 0 ? BLOCK_GOOD : BLOCK_HOST_BITS;
}

int address_compare(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return (a->low > b->low) - (a->low < b->low);
}

bool address_next(struct address *a)
{
	if (a->family == IPV4) {
		if (a->low == UINT32_MAX)
			return false;
		a->low++;
		return true;
	}
	a->low++;
	if (a->low)
		return true;
	a->high++;
	return a->high != 0;
}

bool block_has(const struct block *b, const struct address *a)
{
	return address_compare(&b->first, a) <= 0 && address_compare(a, &b->last) <= 0;
}

bool block_overlaps(const struct block *a, const struct block *b)
{
	return block_has(a, &b->first) || block_has(b, &a->first);
}

bool block_covers(const struct block *outer, const struct block *inner)
{
	return block_has(outer, &inner->first) && block_has(outer, &inner->last);
}

const char *address_text(const struct address *a, char text[ADDRESS_TEXT_SIZE])
{
	unsigned char bytes[16];

	if (a->family == IPV4) {
		snprintf(text, ADDRESS_TEXT_SIZE, "%u.%u.%u.%u", (unsigned)(a->low >> 24 & 255),
			(unsigned)(a->low >> 16 & 255), (unsigned)(a->low >> 8 & 255),
			(unsigned)(a->low & 255));
		return text;
	}
	for (unsigned i = 0; i < 8; i++) {
		bytes[i] = (unsigned char)(a->high >> (56 - 8 * i));
		bytes[8 + i] = (unsigned char)(a->low >> (56 - 8 * i));
	}
	return inet_ntop(AF_INET6, bytes, text, ADDRESS_TEXT_SIZE) ? text : "";
}
