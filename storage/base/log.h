/*
 * Log lines for programs: one line an event on stderr, `key=value`, with a syslog priority prefix
 * (`<6>`) when journald reads us. Only main, cmd_* and the server speak; libraries return errors.
 *
 *	log_event(LOG_LINE_INFO, "event=listen addr=%s", addr);
 *
 * Values that come from outside go through log_value(), which quotes what could break a line.
 */
#ifndef MOAT_LOG_H
#define MOAT_LOG_H

#include "storage/base/buf.h"

enum log_level { LOG_LINE_ERROR = 3, LOG_LINE_WARNING = 4, LOG_LINE_INFO = 6, LOG_LINE_DEBUG = 7 };

void log_threshold(enum log_level least); /* what is less important is dropped; default INFO */
void log_event(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Append `text`, quoted when it holds a space, quote, '=', control or non-ASCII byte. */
void log_value(struct buf *line, const char *text);

#endif
