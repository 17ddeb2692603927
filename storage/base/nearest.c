/* What a mistyped word was meant to be. */
#include "storage/base/nearest.h"

#include <string.h>

#include "storage/base/banned.h"

#define WORD_MAX 64 /* bytes; longer words are no typos */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance by one row. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
			diagonal = above;
		}
	}
	return row[len];
}

const char *nearest_name(const char *word, const char *const names[], size_t count)
{
	size_t len = strlen(word), best = len < 4 ? 2 : 3; /* distances below this are close */
	const char *found = NULL;

	if (len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t d = strlen(names[i]) > WORD_MAX ? best : distance(word, names[i]);

		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
