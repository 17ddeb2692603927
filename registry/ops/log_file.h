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

/* Open the file again under its name, after a rotation. On failure the old file stays in use. f NULL, or
 * stderr: nothing to do. */
MUST int log_file_reopen(struct log_file *f, struct err *e);

/* Write whole lines. What cannot be written is lost and counted, as serving goes before logging: reported on
 * stderr at once, then at most once a minute, and at the end. A line that was cut short is ended before the
 * next one. Safe from any thread. */
void log_file_write(struct log_file *f, struct span lines);

/* Lines lost so far, also in part. NULL: 0. */
uint64_t log_file_lost(struct log_file *f);

#endif
