/*
 * The access log (every request; gathered by thread and written once a batch) and the audit log (every
 * request that writes or was denied; written at once). One line an event, as key=value or as a JSON object.
 * Costs nothing when it is off.
 */
#ifndef MOAT_ACCESS_LOG_H
#define MOAT_ACCESS_LOG_H

#include "registry/ops/address.h"
#include "registry/ops/log_file.h"
#include "storage/base/log.h"

struct access_entry {
	const struct address *peer;
	const char *method, *uri, *id; /* text from outside is quoted */
	const char *user; /* "" anyone */
	unsigned status;
	uint64_t bytes; /* of the body announced; a HEAD has none */
	double ms; /* from the request line to the last byte sent */
	bool aborted; /* the client left, or was too slow */
};

/* Append a line to `lines`. Any thread, with a buffer of its own. */
void access_log_add(struct buf *lines, enum log_format format, const struct access_entry *entry);

struct audit_entry {
	const struct address *peer;
	const char *id, *user;
	const char *action; /* "pull", "push", "delete", "catalog", "login" */
	const char *repo; /* as the request names it; "" none */
	const char *reference; /* tag, digest or upload; "" none */
	unsigned status; /* 0: the client left */
};
/* The same, for the audit log. */
void audit_add(struct buf *lines, enum log_format format, const struct audit_entry *entry);

#endif
