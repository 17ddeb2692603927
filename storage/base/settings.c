/* Values of settings. Must never take a value that it did not understand whole. */
#include "storage/base/settings.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/nearest.h"
#include "storage/base/number.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* --- texts ------------------------------------------------------------------------------------ */

static void drop(const char *text)
{
	free((void *)(uintptr_t)text);
}

void texts_add(struct texts *t, const char *text)
{
	*VEC_PUSH(t->items, t->count) = mem_strdup(text);
}

void texts_release(struct texts *t)
{
	int saved = errno;

	for (size_t i = 0; i < t->count; i++)
		drop(t->items[i]);
	free(t->items);
	*t = (struct texts){ .items = NULL };
	errno = saved;
}

/* --- numbers ---------------------------------------------------------------------------------- */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit sizes[] = {
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
	{ NULL, 0 },
};
static const struct unit durations[] = {
	{ "", 1 },
	{ "s", 1 },
	{ "m", 60 },
	{ "h", 3600 },
	{ "d", 86400 },
	{ NULL, 0 },
};

/* How values of a type that is a number are written. */
static const struct notation {
	const struct unit *units;
	const char *examples; /* of units; NULL: it has none */
	const char *counts; /* what a row without a unit counts */
} notations[] = {
	[SETTING_COUNT] = { no_units, NULL, "" },
	[SETTING_SIZE] = { sizes, "K, M, G, T, KB, KiB, ...", " bytes" },
	[SETTING_DURATION] = { durations, "s, m, h, d", " seconds" },
};

static int check_range(
	const struct setting *of, const char *text, uint64_t value, bool wraps, struct err *e)
{
	const struct notation *how = &notations[of->type];
	uint64_t max = of->max ? of->max : INT64_MAX;

	if (!wraps && value >= of->min && value <= max)
		return 0;
	if (!of->max && (wraps || value > max))
		return err_set(e, ERR_INPUT, "%s is too large", text);
	if (!of->max)
		return err_set(e, ERR_INPUT, "%s is less than %llu%s%s", text,
			(unsigned long long)of->min, of->unit ? " " : how->counts,
			of->unit ? of->unit : "");
	return err_set(e, ERR_INPUT, "%s is not between %llu and %llu%s%s", text,
		(unsigned long long)of->min, (unsigned long long)max, of->unit ? " " : how->counts,
		of->unit ? of->unit : "");
}

static int read_number(const struct setting *of, const char *text, uint64_t *out, struct err *e)
{
	const struct notation *how = &notations[of->type];
	const struct unit *unit = how->units;
	struct span rest = span_of(text);
	uint64_t value;
	bool wraps;

	if (!number_take(&rest, &value) || (!how->examples && rest.len))
		return err_set(e, ERR_INPUT, "\"%s\" is not a number", text);
	while (unit->name && !span_is(rest, unit->name))
		unit++;
	if (!unit->name)
		return err_set(e, ERR_INPUT, "%s: unknown unit \"%s\" (%s)", text, rest.data,
			how->examples);
	wraps = __builtin_mul_overflow(value, unit->factor, &value);
	if (check_range(of, text, value, wraps, e) < 0)
		return -1;
	*out = value;
	return 0;
}

/* --- words ------------------------------------------------------------------------------------ */

static int read_bool(const char *text, bool *out, struct err *e)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "on", true }, { "off", false }, { "yes", true }, { "no", false },
		{ "true", true }, { "false", false } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].word, text) == 0) {
			*out = words[i].value;
			return 0;
		}
	}
	return err_set(e, ERR_INPUT, "\"%s\" is neither on nor off", text);
}

static int check_word(const struct setting *of, const char *text, struct err *e)
{
	AUTO(buf_release) struct buf known = BUF_INIT;

	for (const char *const *word = of->words; *word; word++) {
		if (strcmp(*word, text) == 0)
			return 0;
		buf_printf(&known, "%s%s", known.len ? " or " : "", *word);
	}
	return err_set(e, ERR_INPUT, "\"%s\" is not %s", text, known.data);
}

static int check_text(const struct setting *of, const char *text, struct err *e)
{
	if (of->type == SETTING_PATH && !*text)
		return err_set(e, ERR_INPUT, "a path is needed");
	return of->type == SETTING_WORD ? check_word(of, text, e) : 0;
}

/* --- fields ----------------------------------------------------------------------------------- */

static void *field(const struct settings *s, const struct setting *of)
{
	return (char *)s->values + of->offset;
}

static int read_texts(struct texts *list, const char *text, bool replace)
{
	if (replace)
		texts_release(list);
	texts_add(list, text);
	list->given = true;
	return 0;
}

static int read_text(const struct setting *of, const char **out, const char *text, struct err *e)
{
	if (check_text(of, text, e) < 0)
		return -1;
	drop(*out);
	*out = mem_strdup(text);
	return 0;
}

int setting_read(const struct settings *s, const struct setting *of, const char *text, bool replace,
	struct err *e)
{
	void *out = field(s, of);

	switch (of->type) {
	case SETTING_FLAG:
	case SETTING_BOOL:
		return read_bool(text, out, e);
	case SETTING_TEXT:
	case SETTING_PATH:
	case SETTING_WORD:
		return read_text(of, out, text, e);
	case SETTING_TEXTS:
		return read_texts(out, text, replace);
	case SETTING_COUNT:
	case SETTING_SIZE:
	case SETTING_DURATION:
		return read_number(of, text, out, e);
	}
	BUG("type %d of setting %s", (int)of->type, of->name);
}

static void clear(const struct settings *s, const struct setting *of)
{
	void *out = field(s, of);

	switch (of->type) {
	case SETTING_FLAG:
	case SETTING_BOOL:
		*(bool *)out = false;
		return;
	case SETTING_TEXTS:
		*(struct texts *)out = (struct texts){ .items = NULL };
		return;
	case SETTING_TEXT:
	case SETTING_PATH:
	case SETTING_WORD:
		*(const char **)out = NULL;
		return;
	case SETTING_COUNT:
	case SETTING_SIZE:
	case SETTING_DURATION:
		*(uint64_t *)out = 0;
		return;
	}
}

void settings_init(const struct settings *s)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < s->count; i++) {
		const struct setting *of = &s->table[i];

		clear(s, of);
		if (of->initial && setting_read(s, of, of->initial, true, &e) < 0)
			BUG("default of %s: %s", of->name, e.text);
		if (of->type == SETTING_TEXTS)
			((struct texts *)field(s, of))->given = false;
	}
}

void settings_release(const struct settings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct setting *of = &s->table[i];

		if (of->type == SETTING_TEXTS)
			texts_release(field(s, of));
		else if (of->type == SETTING_TEXT || of->type == SETTING_PATH ||
			 of->type == SETTING_WORD)
			mem_free(field(s, of));
	}
}

const struct setting *setting_find(const struct settings *s, const char *name, size_t len)
{
	for (size_t i = 0; i < s->count; i++)
		if (span_is((struct span){ name, len }, s->table[i].name))
			return &s->table[i];
	return NULL;
}

const char *setting_nearest(const struct settings *s, const char *word)
{
	AUTO(mem_free) const char **names = mem_alloc(s->count * sizeof(*names));

	for (size_t i = 0; i < s->count; i++)
		names[i] = s->table[i].name;
	return nearest_name(word, names, s->count);
}
