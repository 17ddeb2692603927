/* Write the lines of the access log and the audit log. Must never let text from outside end a line or a
 * value. */
#include "registry/ops/access_log.h"

#include "storage/base/log.h"
#include "storage/base/banned.h"

static void add_peer(struct log_line *l, const struct address *peer)
{
	char text[ADDRESS_TEXT_SIZE];

	log_text(l, "peer", address_text(peer, text));
}

void access_log_add(struct buf *lines, enum log_format format, const struct access_entry *entry)
{
	struct log_line line = { lines, format, false }, *l = &line;

	log_begin(l, "request");
	add_peer(l, entry->peer);
	log_text(l, "user", entry->user);
	log_text(l, "method", entry->method);
	log_text(l, "uri", entry->uri);
	log_number(l, "status", entry->status);
	log_number(l, "bytes", entry->bytes);
	log_milliseconds(l, "ms", entry->ms);
	log_text(l, "id", entry->id);
	if (entry->aborted)
		log_text(l, "aborted", "yes");
	log_end(l);
}

static const char *result_of(unsigned status)
{
	if (status == 0)
		return "aborted";
	if (status == 401 || status == 403)
		return "denied";
	return status < 400 ? "allowed" : "failed";
}

void audit_add(struct buf *lines, enum log_format format, const struct audit_entry *entry)
{
	struct log_line line = { lines, format, false }, *l = &line;

	log_begin(l, "audit");
	log_text(l, "result", result_of(entry->status));
	log_text(l, "user", entry->user);
	add_peer(l, entry->peer);
	log_text(l, "action", entry->action);
	log_text(l, "repository", entry->repo);
	log_text(l, "reference", entry->reference);
	log_number(l, "status", entry->status);
	log_text(l, "id", entry->id);
	log_end(l);
}
