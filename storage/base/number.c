/* Decimal digits to numbers. Must never wrap around. */
#include "storage/base/number.h"

#include "storage/base/banned.h"

static bool is_digit(struct span text, size_t i)
{
	return i < text.len && text.data[i] >= '0' && text.data[i] <= '9';
}

bool number_take(struct span *text, uint64_t *out)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; is_digit(*text, i); i++)
		if (__builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, (uint64_t)(text->data[i] - '0'), &n))
			break;
	for (; is_digit(*text, i); i++)
		n = UINT64_MAX;
	if (i == 0)
		return false;
	*out = n;
	*text = (struct span){ text->data + i, text->len - i };
	return true;
}

bool number_parse(struct span text, uint64_t most, uint64_t *out)
{
	uint64_t n;

	if (!number_take(&text, &n) || text.len > 0 || n > most || n == UINT64_MAX)
		return false;
	*out = n;
	return true;
}

bool number_is_plain(struct span text)
{
	return is_digit(text, 0) && (text.data[0] != '0' || !is_digit(text, 1));
}
