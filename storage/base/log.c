/* Log lines. One write(2) a line, so lines of several threads and processes never mix. */
#include "storage/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/err.h"
#include "storage/base/printable.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

static enum log_format stderr_format = LOG_TEXT;

void log_as(enum log_format format)
{
	stderr_format = format;
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LINE_ERROR:
		return "error";
	case LOG_LINE_WARNING:
		return "warning";
	case LOG_LINE_INFO:
		return "info";
	}
	BUG("log level %d", (int)level);
}

static bool is_plain(const char *text)
{
	if (*text == '\0')
		return false;
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\' || *p == '=')
			return false;
	return true;
}

/* Append `text`, quoted when it holds a space, quote, '=', control or non-ASCII byte. */
static void add_value(struct buf *line, const char *text)
{
	if (is_plain(text)) {
		buf_str(line, text);
		return;
	}
	buf_char(line, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_printf(line, "\\%c", *p);
		else if (*p < ' ' || *p > '~')
			buf_printf(line, "\\x%02x", (unsigned)(unsigned char)*p);
		else
			buf_char(line, *p);
	}
	buf_char(line, '"');
}

/* --- lines ----------------------------------------------------------------------------------- */

static void add_key(struct log_line *l, const char *name)
{
	if (l->format == LOG_JSON)
		buf_printf(l->out, "%c\"%s\":", l->any ? ',' : '{', name);
	else
		buf_printf(l->out, "%s%s=", l->any ? " " : "", name);
	l->any = true;
}

/* Escape bytes outside of ASCII: JSON must be UTF-8, and the text may not be. */
static void add_json(struct buf *out, const char *text)
{
	AUTO(buf_release) struct buf clean = BUF_INIT;

	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x7f)
			buf_char(&clean, *p);
		else
			buf_printf(&clean, "\\x%02x", (unsigned)(unsigned char)*p);
	json_quote(out, clean.data, false);
}

void log_text(struct log_line *l, const char *key, const char *text)
{
	add_key(l, key);
	if (l->format == LOG_JSON)
		add_json(l->out, text);
	else
		add_value(l->out, *text ? text : "-");
}

void log_number(struct log_line *l, const char *key, uint64_t number)
{
	add_key(l, key);
	buf_printf(l->out, "%" PRIu64, number);
}

void log_milliseconds(struct log_line *l, const char *key, double ms)
{
	add_key(l, key);
	buf_printf(l->out, "%.3f", ms);
}

static void add_time(struct log_line *l)
{
	struct timespec now;
	struct tm tm;
	char text[32], whole[48];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(whole, sizeof(whole), "%s.%03ldZ", text, now.tv_nsec / 1000000);
	log_text(l, "time", whole);
}

void log_begin(struct log_line *l, const char *event)
{
	add_time(l);
	log_text(l, "event", event);
}

void log_end(struct log_line *l)
{
	buf_str(l->out, l->format == LOG_JSON ? "}\n" : "\n");
}

/* --- events ---------------------------------------------------------------------------------- */

/* Omit the time from key=value lines, as journald adds it; JSON lines are read elsewhere and carry it. */
static void start_event(struct log_line *l, enum log_level level)
{
	if (getenv("JOURNAL_STREAM"))
		buf_printf(l->out, "<%d>", (int)level);
	if (l->format == LOG_TEXT)
		return;
	add_time(l);
	log_text(l, "level", level_name(level));
}

static void send_event(struct log_line *l)
{
	log_end(l);
	if (write(STDERR_FILENO, l->out->data, l->out->len) < 0)
		return; /* stderr is gone: there is no other place to report it */
}

void log_event(enum log_level level, const char *fmt, ...)
{
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct log_line line = { &out, stderr_format, false };
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	start_event(&line, level);
	if (line.format == LOG_JSON)
		log_text(&line, "message", text);
	else
		printable_add(&out, span_of(text), PRINTABLE_LINE);
	send_event(&line);
}

void log_write(enum log_level level, const char *event, const struct log_field fields[])
{
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct log_line line = { &out, stderr_format, false };

	start_event(&line, level);
	log_text(&line, "event", event);
	for (const struct log_field *f = fields; f->key; f++)
		if (f->text)
			log_text(&line, f->key, f->text);
		else
			log_number(&line, f->key, f->number);
	send_event(&line);
}
