/*
 * A file of lines that several threads append to and that can be rotated: opened again under its name
 * on request. Each write holds whole lines.
 */
#ifndef MOAT_LOG_FILE_H
#define MOAT_LOG_FILE_H

#include "storage/base/buf.h"
#include "storage/base/err.h"

struct log_file;

/* target: "off" (then *f is NULL), "-" for stderr, or a file that is appended to. name: the option,
 * for messages. */
MUST int log_file_open(struct log_file **f, const char *name, const char *target, struct err *e);
void log_file_close(struct log_file **f); /* for AUTO */

/* After a rotation. On failure the old file stays in use. NULL: nothing to do. */
MUST int log_file_reopen(struct log_file *f, struct err *e);

/* Whole lines. What can not be written is lost and counted: serving goes before logging. It is told on
 * stderr at once, then at most once a minute, and at the end. After a line that was cut short the next
 * one begins on a line of its own. */
void log_file_write(struct log_file *f, struct span lines);

/* Lines lost so far, also in part. NULL: 0. */
uint64_t log_file_lost(struct log_file *f);

#endif
