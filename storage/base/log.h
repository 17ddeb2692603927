/*
 * Log lines for programs: one line an event on stderr, `key=value` or JSON, with a syslog priority prefix
 * (`<6>`) when journald reads us. Only main, cmd_* and the server speak; libraries return errors.
 *
 *	log_fields(LOG_LINE_INFO, "listen", { "addr", addr, 0 }, { "sockets", NULL, count });
 *	log_event(LOG_LINE_INFO, "event=listen addr=%s", addr);
 *
 * The first form quotes its values. The second escapes what could act on a terminal and quotes nothing; as
 * JSON it is one string, `message`.
 */
#ifndef MOAT_LOG_H
#define MOAT_LOG_H

#include "storage/base/buf.h"

enum log_level { LOG_LINE_ERROR = 3, LOG_LINE_WARNING = 4, LOG_LINE_INFO = 6 };
enum log_format { LOG_TEXT, LOG_JSON };

void log_as(enum log_format format); /* default LOG_TEXT; before other threads speak */
/* Write one line to stderr. Thread: any. The text is cut at 2,047 bytes. */
void log_event(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct log_field {
	const char *key;
	const char *text; /* NULL: the number */
	uint64_t number;
};
/* Write one line to stderr; `fields` end with a NULL key. Thread: any. */
void log_write(enum log_level level, const char *event, const struct log_field fields[]);
#define log_fields(level, event, ...)                                                              \
	log_write(level, event, (const struct log_field[]){ __VA_ARGS__, { NULL, NULL, 0 } })

/* --- lines of other logs --------------------------------------------------------------------- */

/* One being written. No text can end its value or the line; what is empty is "-" as key=value. In
 * JSON a byte outside of ASCII is the four characters \xNN, as it is in key=value. */
struct log_line {
	struct buf *out;
	enum log_format format;
	bool any; /* fields so far */
};

void log_begin(struct log_line *l, const char *event); /* with the time, UTC */

/* Append a field; the key is a constant, the text may come from outside. Times are milliseconds. */
void log_text(struct log_line *l, const char *key, const char *text);
void log_number(struct log_line *l, const char *key, uint64_t number);
void log_milliseconds(struct log_line *l, const char *key, double ms);
void log_end(struct log_line *l); /* with the line feed */

#endif
