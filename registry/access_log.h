/*
 * The access log: one `key=value` line a request, gathered by thread and written once a batch.
 * Costs nothing when it is off.
 */
#ifndef MOAT_ACCESS_LOG_H
#define MOAT_ACCESS_LOG_H

#include "registry/socket.h"

struct access_log; /* shared by threads */

struct access_entry {
	const struct address *peer;
	const char *method, *uri, *id; /* text from outside is quoted */
	unsigned status;
	uint64_t bytes; /* of the body announced; a HEAD has none */
	double ms; /* from the request line to the last byte sent */
	bool aborted; /* the client left, or was too slow */
};

/* target: "off" (then *log is NULL), "-" for stderr, or a file that is appended to. */
MUST int access_log_open(struct access_log **log, const char *target, struct err *e);
void access_log_close(struct access_log **log);

/* After a rotation: the same name, opened again. On failure the old file stays in use. */
MUST int access_log_reopen(struct access_log *log, struct err *e);

/* Append a line to the thread's lines. */
void access_log_add(struct buf *lines, const struct access_entry *entry);
/* Write and forget them. */
void access_log_flush(struct access_log *log, struct buf *lines);

#endif
