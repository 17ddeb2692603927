/*
 * Command lines by table. A typo is an error with a suggestion, never a default; nothing here
 * knows a command.
 */
#include "mirror-tool/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/banned.h"

#define WORD_MAX 64 /* longer words are no typos of ours */

void texts_release(struct texts *t)
{
	free(t->items);
	*t = (struct texts){ NULL, 0 };
}

static void texts_add(struct texts *t, const char *text)
{
	if ((t->count & (t->count - 1)) == 0)
		t->items = mem_grow(t->items, t->count ? t->count * 2 : 1, sizeof(*t->items));
	t->items[t->count++] = text;
}

static void *field(const struct option_set *set, const struct option_def *def)
{
	return (char *)set->config + def->offset;
}

/* --- numbers ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint64_t bytes;
} units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", 1u << 10 },
	{ "KB", 1000 },
	{ "KiB", 1u << 10 },
	{ "M", 1u << 20 },
	{ "MB", 1000000 },
	{ "MiB", 1u << 20 },
	{ "G", 1u << 30 },
	{ "GB", 1000000000 },
	{ "GiB", 1u << 30 },
	{ "T", 1ull << 40 },
	{ "TB", 1000000000000 },
	{ "TiB", 1ull << 40 },
};

static int number_parse(const char *text, uint64_t *number, const char **end, struct err *e)
{
	unsigned long long n;

	if (*text < '0' || *text > '9')
		return err_set(e, ERR_INPUT, "\"%s\" is not a number", text);
	errno = 0;
	n = strtoull(text, (char **)end, 10);
	if (errno)
		return err_set(e, ERR_INPUT, "%s is too large", text);
	*number = n;
	return 0;
}

int size_parse(const char *text, uint64_t *bytes, struct err *e)
{
	const char *unit;
	uint64_t n;

	if (number_parse(text, &n, &unit, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (n > INT64_MAX / units[i].bytes)
			return err_set(e, ERR_INPUT, "%s is too large", text);
		*bytes = n * units[i].bytes;
		return 0;
	}
	return err_set(
		e, ERR_INPUT, "%s: unknown unit \"%s\" (K, M, G, T, KB, KiB, ...)", text, unit);
}

const char *excuses_text(uint64_t count, char text[EXCUSES_TEXT_SIZE])
{
	text[0] = '\0';
	if (count)
		snprintf(text, EXCUSES_TEXT_SIZE, ", %llu excuse%s", (unsigned long long)count,
			count == 1 ? "" : "s");
	return text;
}

const char *size_text(uint64_t bytes, char text[SIZE_TEXT_SIZE])
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(text, SIZE_TEXT_SIZE, "%u B", (unsigned)bytes);
		return text;
	}
	for (; value >= 1023.95 && i + 1 < ARRAY_SIZE(names); i++)
		value /= 1024;
	snprintf(text, SIZE_TEXT_SIZE, "%.1f %s", value, names[i]);
	return text;
}

/* --- suggestions --------------------------------------------------------------------------- */

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

static int unknown_option(
	const struct option_set sets[], size_t set_count, const char *name, struct err *e)
{
	const char *best = NULL;

	for (size_t s = 0; s < set_count && !best; s++) {
		AUTO(texts_release) struct texts names = { NULL, 0 };

		for (size_t i = 0; i < sets[s].count; i++)
			texts_add(&names, sets[s].table[i].name);
		best = nearest_name(name, names.items, names.count);
	}
	if (best)
		return err_set(e, ERR_INPUT, "unknown option --%s; did you mean --%s?", name, best);
	return err_set(e, ERR_INPUT, "unknown option --%s", name);
}

/* --- reading ------------------------------------------------------------------------------- */

void options_init(const struct option_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct option_def *def = &set->table[i];
		struct err e = ERR_INIT;

		if (!def->initial)
			continue;
		if (def->kind == OPTION_TEXT)
			*(const char **)field(set, def) = def->initial;
		else if (size_parse(def->initial, field(set, def), &e) < 0)
			BUG("default of --%s: %s", def->name, e.text);
	}
}

void options_release(const struct option_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->table[i].kind == OPTION_TEXTS)
			texts_release(field(set, &set->table[i]));
}

static int store_value(const struct option_set *set, const struct option_def *def,
	const char *value, struct err *e)
{
	const char *end;

	switch (def->kind) {
	case OPTION_FLAG:
		*(bool *)field(set, def) = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)field(set, def) = value;
		return 0;
	case OPTION_TEXTS:
		texts_add(field(set, def), value);
		return 0;
	case OPTION_NUMBER:
		if (number_parse(value, field(set, def), &end, e) < 0)
			return -1;
		return *end ? err_set(e, ERR_INPUT, "\"%s\" is not a number", value) : 0;
	case OPTION_SIZE:
		return size_parse(value, field(set, def), e);
	}
	BUG("option kind %d", (int)def->kind);
}

/* The definition of a name (len bytes), and the set it is in. */
static const struct option_def *find(const struct option_set sets[], size_t set_count,
	const char *name, size_t len, const struct option_set **set)
{
	for (size_t s = 0; s < set_count; s++)
		for (size_t i = 0; i < sets[s].count; i++)
			if (strlen(sets[s].table[i].name) == len &&
				memcmp(sets[s].table[i].name, name, len) == 0) {
				*set = &sets[s];
				return &sets[s].table[i];
			}
	return NULL;
}

static bool given_before(const char *const *argv, int now, const struct option_def *def)
{
	size_t len = strlen(def->name);

	for (int i = 0; i < now; i++)
		if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, def->name, len) == 0 &&
			(argv[i][2 + len] == '\0' || argv[i][2 + len] == '='))
			return true;
	return false;
}

/* One option at argv[*at]; *at moves over its value. */
static int read_option(const struct option_set sets[], size_t set_count, int argc,
	const char *const *argv, int *at, struct err *e)
{
	const char *name = argv[*at] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	AUTO(mem_free) char *word = mem_strndup(name, len);
	const struct option_set *set = NULL;
	const struct option_def *def = find(sets, set_count, name, len, &set);
	const char *value = equals ? equals + 1 : NULL;

	if (!def)
		return unknown_option(sets, set_count, word, e);
	if (def->kind == OPTION_FLAG && value)
		return err_set(e, ERR_INPUT, "--%s takes no value", word);
	if (def->kind != OPTION_FLAG && def->kind != OPTION_TEXTS && given_before(argv, *at, def))
		return err_set(e, ERR_INPUT, "--%s is given twice", word);
	if (def->kind != OPTION_FLAG && !value) {
		if (*at + 1 >= argc)
			return err_set(e, ERR_INPUT, "--%s needs a value: %s", word, def->value);
		value = argv[++*at];
	}
	if (store_value(set, def, value, e) < 0)
		return err_ctx(e, "--%s", word);
	return 0;
}

int options_parse(const struct option_set sets[], size_t set_count, int argc,
	const char *const *argv, struct texts *args, struct err *e)
{
	bool options_end = false;

	for (int i = 0; i < argc; i++) {
		if (options_end || argv[i][0] != '-' || argv[i][1] == '\0')
			texts_add(args, argv[i]);
		else if (strcmp(argv[i], "--") == 0)
			options_end = true;
		else if (argv[i][1] != '-')
			return err_set(e, ERR_INPUT,
				"unknown option %s (options are written --NAME)", argv[i]);
		else if (read_option(sets, set_count, argc, argv, &i, e) < 0)
			return -1;
	}
	return 0;
}
