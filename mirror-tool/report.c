/* Results as JSON or for people. Must never print a part of a result: what fails on the way prints nothing. */
#include "mirror-tool/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "storage/base/printable.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define MEMORY_MAX (1u << 20) /* bytes of a result; the rest is spilled */

/* --- keeping ---------------------------------------------------------------------------------- */

static void clear_row(struct report *r)
{
	for (size_t i = 0; i < REPORT_COLUMNS_MAX; i++)
		mem_free(&r->row[i]);
}

void report_release(struct report *r)
{
	int saved = errno;

	if (r->spilled)
		fclose(r->spilled);
	clear_row(r);
	buf_release(&r->text);
	buf_release(&r->cells);
	*r = (struct report)REPORT_INIT(r->tool);
	errno = saved;
}

/* As in an object that is not begun here. */
void report_part_begin(struct report *part)
{
	report_release(part);
	part->is_part = true;
	part->levels[part->depth++] = (struct report_level){ .close = '}' };
}

/* Unbuffered: what it took is in the file, and a full disk is told by the write. */
static FILE *open_spilled(void)
{
	FILE *f = tmpfile();

	if (f)
		setvbuf(f, NULL, _IONBF, 0);
	return f;
}

/* Move what is too much for memory to a file. The last byte stays: it tells whether a comma is needed. When the
 * file takes not all of it, all of it stays, and what comes behind it. */
static void spill(struct report *r)
{
	size_t len = r->text.len;
	char last;

	if (len <= MEMORY_MAX || r->is_part || r->is_full)
		return;
	last = r->text.data[--len];
	if (!r->spilled)
		r->spilled = open_spilled();
	if (!r->spilled || fwrite(r->text.data, 1, len, r->spilled) != len) {
		r->is_full = true;
		return;
	}
	r->spilled_len += len;
	buf_clear(&r->text);
	buf_char(&r->text, last);
}

static int print_spilled(struct report *r, struct err *e)
{
	char bytes[16384];
	uint64_t left = r->spilled_len;

	rewind(r->spilled);
	while (left > 0) {
		size_t want = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

		if (fread(bytes, 1, want, r->spilled) != want)
			return err_sys(e, "the result, in a temporary file");
		fwrite(bytes, 1, want, r->tool->out);
		left -= want;
	}
	return 0;
}

int report_print(struct report *r, struct err *e)
{
	if (r->depth)
		BUG("a result is printed before its end");
	if (r->spilled && print_spilled(r, e) < 0)
		return -1;
	fwrite(r->text.data, 1, r->text.len, r->tool->out);
	report_release(r);
	return 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static struct report_level *top(struct report *r)
{
	return r->depth ? &r->levels[r->depth - 1] : NULL;
}

/* Comma and key in front of a value. False: there is no JSON. */
static bool begin_value(struct report *r, const char *key)
{
	char last = r->text.len ? r->text.data[r->text.len - 1] : '{';

	if (!r->tool->json)
		return false;
	spill(r);
	if (r->depth && last != '{' && last != '[')
		buf_str(&r->text, top(r)->apart ? ",\n" : ",");
	if (key) {
		json_quote(&r->text, key, false);
		buf_char(&r->text, ':');
	}
	return true;
}

static struct report_level *begin_level(struct report *r, const char *key, char open, char close)
{
	if (r->depth == REPORT_DEPTH_MAX)
		BUG("a result nests too deep");
	if (begin_value(r, key))
		buf_char(&r->text, open);
	r->levels[r->depth] = (struct report_level){ .close = close };
	return &r->levels[r->depth++];
}

void report_object(struct report *r, const char *key)
{
	begin_level(r, key, '{', '}');
}

void report_array(struct report *r, const char *key)
{
	begin_level(r, key, '[', ']');
}

void report_list(struct report *r, const char *key)
{
	begin_level(r, key, '[', ']')->apart = true;
}

void report_insert(struct report *r, struct report *part)
{
	if (part->text.len && begin_value(r, NULL))
		buf_add(&r->text, part->text.data, part->text.len);
	report_release(part);
}

static void end_json(struct report *r, const struct report_level *level)
{
	buf_char(&r->text, level->close);
	if (!r->depth)
		buf_char(&r->text, '\n');
	else if (level->apart && level->close == ']')
		top(r)->apart = true;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void add_line(struct report *r, struct span text)
{
	printable_add(&r->text, text, PRINTABLE_LINE);
	buf_char(&r->text, '\n');
	spill(r);
}

static void add_heading(struct report *r)
{
	if (r->heading)
		buf_printf(&r->text, "\n%s\n", r->heading);
	r->heading = NULL;
}

void report_line(struct report *r, const char *fmt, ...)
{
	AUTO(buf_release) struct buf line = BUF_INIT;
	va_list ap;

	if (r->tool->json)
		return;
	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	add_heading(r);
	add_line(r, buf_span(&line));
}

void report_block(struct report *r, const char *text)
{
	if (r->tool->json)
		return;
	buf_str(&r->text, text);
	spill(r);
}

void report_label(struct report *r, const char *label, const char *text)
{
	if (*text)
		report_line(r, "%-12s %s", label, text);
}

void report_section(struct report *r, const char *key, const char *heading, bool even_empty)
{
	begin_level(r, key, '[', ']')->is_section = true;
	if (r->tool->json)
		return;
	r->heading = heading;
	if (even_empty)
		add_heading(r);
}

/* --- tables ----------------------------------------------------------------------------------- */

static void add_cell(struct report *r, size_t column, const char *text)
{
	size_t start = r->cells.len;

	printable_add(&r->cells, span_of(text), PRINTABLE_LINE);
	if (r->cells.len - start > r->widths[column])
		r->widths[column] = r->cells.len - start;
	buf_char(&r->cells, '\0');
}

void report_table(struct report *r, const char *key, const struct report_column columns[],
	size_t count, bool even_empty)
{
	struct report_level *level = begin_level(r, key, '[', ']');

	level->is_table = level->apart = true;
	level->even_empty = even_empty;
	if (r->columns || count > REPORT_COLUMNS_MAX)
		BUG("a table within a table, or of %zu columns", count);
	r->columns = columns;
	r->column_count = count;
	for (size_t i = 0; i < count; i++)
		add_cell(r, i, columns[i].heading);
}

void report_row(struct report *r, bool in_table)
{
	begin_level(r, NULL, '{', '}')->is_row = true;
	r->in_table = in_table;
}

static void set_cell(struct report *r, size_t column, const char *text)
{
	mem_free(&r->row[column]);
	r->row[column] = mem_strdup(text);
}

/* The cell of a member, if it has one. Within an object of a row it has none. */
static void fill(struct report *r, const char *key, const char *text)
{
	if (r->tool->json || !key || !r->depth || !top(r)->is_row)
		return;
	for (size_t i = 0; i < r->column_count; i++)
		if (r->columns[i].key && strcmp(r->columns[i].key, key) == 0)
			set_cell(r, i, text);
}

void report_cell(struct report *r, const char *heading, const char *text)
{
	for (size_t i = 0; i < r->column_count; i++)
		if (strcmp(r->columns[i].heading, heading) == 0)
			set_cell(r, i, text);
}

static void end_row(struct report *r)
{
	for (size_t i = 0; i < r->column_count && r->in_table; i++)
		add_cell(r, i, r->row[i] && *r->row[i] ? r->row[i] : "-");
	clear_row(r);
}

static void print_row(struct report *r, const char **cell)
{
	for (size_t i = 0; i < r->column_count; i++) {
		size_t len = strlen(*cell);

		buf_add(&r->text, *cell, len);
		if (i + 1 < r->column_count)
			buf_printf(&r->text, "%*s", (int)(r->widths[i] - len) + 2, "");
		*cell += len + 1;
	}
	buf_char(&r->text, '\n');
	spill(r);
}

/* Between two of them, an empty line. */
static void end_table(struct report *r, bool even_empty)
{
	const char *cell = r->cells.data, *end = cell + r->cells.len;
	size_t rows = 0;

	for (const char *c = cell; c < end; c += strlen(c) + 1)
		rows++;
	rows /= r->column_count;
	if (rows > 1 || even_empty) {
		if (r->text.len || r->spilled)
			buf_char(&r->text, '\n');
		while (cell < end)
			print_row(r, &cell);
	}
	buf_clear(&r->cells);
	memset(r->widths, 0, sizeof(r->widths));
}

void report_end(struct report *r)
{
	struct report_level level;

	if (!r->depth)
		BUG("a result is ended twice");
	level = r->levels[--r->depth];
	if (r->tool->json)
		end_json(r, &level);
	else if (level.is_row)
		end_row(r);
	else if (level.is_table)
		end_table(r, level.even_empty);
	else if (level.is_section)
		r->heading = NULL;
	if (level.is_table) {
		r->columns = NULL;
		r->column_count = 0;
	}
}

/* --- members ---------------------------------------------------------------------------------- */

void report_text(struct report *r, const char *key, const char *text)
{
	if (begin_value(r, key))
		json_quote(&r->text, text, false);
	fill(r, key, text);
}

static void add_number(struct report *r, const char *key, uint64_t value)
{
	if (begin_value(r, key))
		buf_printf(&r->text, "%" PRIu64, value);
}

void report_number(struct report *r, const char *key, uint64_t value)
{
	char text[24];

	add_number(r, key, value);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	fill(r, key, text);
}

void report_flag(struct report *r, const char *key, bool value)
{
	if (begin_value(r, key))
		buf_str(&r->text, value ? "true" : "false");
}

void report_bytes(struct report *r, const char *key, uint64_t bytes)
{
	char text[SIZE_TEXT_SIZE];

	add_number(r, key, bytes);
	fill(r, key, size_text(bytes, text));
}

/* "" for none. */
static const char *text_of(const struct digest *d, char text[DIGEST_TEXT_SIZE])
{
	return d->alg == DIGEST_NONE ? "" : digest_text(d, text);
}

void report_digest(struct report *r, const char *key, const struct digest *d)
{
	char whole[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE] = "";

	if (begin_value(r, key))
		json_quote(&r->text, text_of(d, whole), false);
	if (d->alg != DIGEST_NONE)
		digest_short(d, text);
	fill(r, key, text);
}

void report_time(struct report *r, const char *key, int64_t seconds)
{
	char text[32] = "";
	time_t at = (time_t)seconds;
	struct tm tm;

	add_number(r, key, (uint64_t)seconds);
	if (at && gmtime_r(&at, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	fill(r, key, text);
}

void report_words(struct report *r, const char *key, const char *words, char separator)
{
	report_array(r, key);
	for (struct span rest = span_of(words); rest.len;) {
		struct span word = span_until(&rest, separator);
		AUTO(mem_free) char *text = mem_strndup(word.data, word.len);

		report_text(r, NULL, text);
	}
	report_end(r);
	fill(r, key, words);
}

/* --- facts ------------------------------------------------------------------------------------ */

void report_fact(struct report *r, const char *key, const char *text)
{
	report_text(r, key, text);
	report_label(r, key, text);
}

void report_fact_digest(struct report *r, const char *key, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	report_fact(r, key, text_of(d, text));
}

void report_fact_bytes(struct report *r, const char *key, uint64_t bytes)
{
	char size[SIZE_TEXT_SIZE];

	report_number(r, key, bytes);
	report_line(r, "%-12s %s (%" PRIu64 " bytes)", key, size_text(bytes, size), bytes);
}
