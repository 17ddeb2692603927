/*
 * The result of a command. It is said once; with --json it is printed as one JSON value, otherwise as lines and
 * tables for people. Each call says what it is in both forms:
 *
 *	AUTO(report_release) struct report r = REPORT_INIT(t);
 *
 *	report_object(&r, NULL);			{
 *	report_fact(&r, "set", name);			"set":"NAME"	and a line "set          NAME"
 *	report_text(&r, "to", folder);			"to":"DIR"	and nothing for people
 *	report_line(&r, "%s is in %s", name, folder);	nothing		and a line
 *	report_end(&r);					}
 *	return report_print(&r, e);			prints; before it, and without it, nothing is
 *
 * A table is an array of objects; its rows are said like objects, and the members that have a column are in it:
 *
 *	static const struct report_column columns[] = { { "set", "SET" }, { "bytes", "SIZE" } };
 *
 *	report_table(&r, "sets", columns, ARRAY_SIZE(columns), true);
 *	report_row(&r, true);
 *	report_text(&r, "set", name);
 *	report_bytes(&r, "bytes", size);		SIZE is "175.3 MiB"
 *	report_end(&r);
 *	report_end(&r);
 *
 * What is large is kept in an unnamed file of /tmp until it is printed, so that a command that fails prints nothing
 * and memory stays small; only the table at hand is kept in memory, for the widths of its columns.
 *
 * Keys, labels and headings are borrowed and are constants; all other text is copied. A line and a cell stay one
 * line whatever text from outside holds (storage/base/printable.h). Unit of sizes: bytes. One thread at a time.
 */
#ifndef MOAT_REPORT_H
#define MOAT_REPORT_H

#include "mirror-tool/tool.h"
#include "storage/base/buf.h"
#include "storage/oci/digest.h"

#define REPORT_COLUMNS_MAX 8
#define REPORT_DEPTH_MAX 12 /* objects and arrays within each other */

struct report_column {
	const char *key; /* of the member that it shows; NULL: only report_cell() fills it */
	const char *heading;
};

/* An object or array that is not ended yet. Private. */
struct report_level {
	char close; /* '}' or ']' */
	bool apart; /* its items begin lines of their own */
	bool is_section, is_table, is_row;
	bool even_empty; /* a table of no rows is printed */
};

/* Private; begins as REPORT_INIT. */
struct report {
	const struct tool *tool; /* borrowed */
	struct buf text; /* the end of the result */
	FILE *spilled; /* what stands before it; NULL: nothing */
	uint64_t spilled_len; /* bytes of it that are whole */
	bool is_full; /* the file took not all: no more goes there */
	struct report_level levels[REPORT_DEPTH_MAX];
	unsigned depth;
	const char *heading; /* of a section that has no line yet, or NULL */
	const struct report_column *columns; /* of the table that is being said */
	size_t column_count;
	struct buf cells; /* its rows, each cell ended by a NUL */
	size_t widths[REPORT_COLUMNS_MAX];
	char *row[REPORT_COLUMNS_MAX]; /* of the row that is being said; NULL: "-" */
	bool in_table; /* that row is */
	bool is_part; /* of another result */
};
#define REPORT_INIT(t)                                                                             \
	{                                                                                          \
		.tool = (t), .text = BUF_INIT, .cells = BUF_INIT                                   \
	}
void report_release(struct report *r); /* for AUTO: drops what is not printed */

/* Begin, or begin again, members that are known before the object they belong to; no report_end(). They are
 * kept in memory until report_insert() appends them to the object at hand and leaves `part` as it began. */
void report_part_begin(struct report *part);
void report_insert(struct report *r, struct report *part);

/* Print what was said so far to tool->out. All objects and arrays are ended. ERR_IO; a write error is left in
 * the stream, where tool_main() finds it. */
MUST int report_print(struct report *r, struct err *e);

/* --- structure: each is ended by one report_end() ------------------------------------------------- */

/* key: NULL for the whole result and for an item of an array. */
void report_object(struct report *r, const char *key);
void report_array(struct report *r, const char *key);
/* An array that may be long: each item begins a line, and so does what comes behind it. */
void report_list(struct report *r, const char *key);
/* An array with a heading for people, behind an empty line; without even_empty only in front of its first line. */
void report_section(struct report *r, const char *key, const char *heading, bool even_empty);
/* A list. At most REPORT_COLUMNS_MAX columns. For people it comes when it is ended; without even_empty only when it has
 * rows. No table within another. */
void report_table(struct report *r, const char *key, const struct report_column columns[],
	size_t count, bool even_empty);
/* An object in a table; for people only with in_table. */
void report_row(struct report *r, bool in_table);
void report_end(struct report *r);

/* --- members: of an object by key, of an array with key NULL; in a row also a cell ------------------ */

void report_text(struct report *r, const char *key, const char *text);
void report_number(struct report *r, const char *key, uint64_t value);
void report_flag(struct report *r, const char *key, bool value); /* no cell */
void report_bytes(struct report *r, const char *key, uint64_t bytes); /* a number; "175.3 MiB" */
/* The whole text, "" for none; a cell has its first 12 digits. */
void report_digest(struct report *r, const char *key, const struct digest *d);
/* Seconds since 1970, 0 for none; a cell is "2026-11-28 09:12", in UTC. */
void report_time(struct report *r, const char *key, int64_t seconds);
/* An array of the words of a text, which has one `separator` between them; a cell is the text. */
void report_words(struct report *r, const char *key, const char *words, char separator);

/* --- for people only --------------------------------------------------------------------------------- */

/* What a cell of the row at hand says instead. */
void report_cell(struct report *r, const char *heading, const char *text);
void report_line(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Text of several lines, each ended. */
void report_block(struct report *r, const char *text);
/* "label        text"; nothing when the text is empty. */
void report_label(struct report *r, const char *label, const char *text);

/* --- for both: a member, and a label of the same name ------------------------------------------------ */

void report_fact(struct report *r, const char *key, const char *text);
void report_fact_digest(struct report *r, const char *key, const struct digest *d);
void report_fact_bytes(struct report *r, const char *key, uint64_t bytes);

#endif
