/* Log lines. One write(2) a line, so lines of several threads and processes never mix. */
#include "storage/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/base/banned.h"

static enum log_level threshold = LOG_LINE_INFO;

void log_threshold(enum log_level least)
{
	threshold = least;
}

void log_event(enum log_level level, const char *fmt, ...)
{
	char line[2048];
	size_t used = 0, n;
	va_list ap;

	if (level > threshold)
		return;
	if (getenv("JOURNAL_STREAM"))
		used = (size_t)snprintf(line, sizeof(line), "<%d>", (int)level);
	va_start(ap, fmt);
	vsnprintf(line + used, sizeof(line) - used - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n] = '\n';
	if (write(STDERR_FILENO, line, n + 1) < 0)
		return; /* nobody is left to tell */
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

void log_value(struct buf *line, const char *text)
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
