/* Lines of the logs. Must never let text from outside end a line or a value. */
#include "registry/access_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "storage/base/log.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

/* A line being written. */
struct line {
	struct buf *out;
	enum log_format format;
	bool any;
};

static void key(struct line *l, const char *name)
{
	if (l->format == LOG_JSON)
		buf_printf(l->out, "%c\"%s\":", l->any ? ',' : '{', name);
	else
		buf_printf(l->out, "%s%s=", l->any ? " " : "", name);
	l->any = true;
}

/* JSON is text in UTF-8: other bytes become '?'. */
static void add_json_text(struct buf *out, const char *text)
{
	AUTO(buf_release) struct buf clean = BUF_INIT;

	for (const char *p = text; *p; p++)
		buf_char(&clean, (unsigned char)*p < 0x80 ? *p : '?');
	json_quote(out, clean.len ? clean.data : "", false);
}

static void add_text(struct line *l, const char *name, const char *text)
{
	key(l, name);
	if (l->format == LOG_JSON)
		add_json_text(l->out, text);
	else
		log_value(l->out, *text ? text : "-");
}

static void add_number(struct line *l, const char *name, uint64_t number)
{
	key(l, name);
	buf_printf(l->out, "%" PRIu64, number);
}

static void begin(struct line *l, const char *event)
{
	struct timespec now;
	struct tm tm;
	char text[32], time[48];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(time, sizeof(time), "%s.%03ldZ", text, now.tv_nsec / 1000000);
	add_text(l, "time", time);
	add_text(l, "event", event);
}

static void end(struct line *l)
{
	buf_str(l->out, l->format == LOG_JSON ? "}\n" : "\n");
}

static void add_peer(struct line *l, const struct address *peer)
{
	char text[ADDRESS_TEXT_SIZE];

	add_text(l, "peer", address_text(peer, text));
}

void access_log_add(struct buf *lines, enum log_format format, const struct access_entry *entry)
{
	struct line line = { lines, format, false }, *l = &line;

	begin(l, "request");
	add_peer(l, entry->peer);
	add_text(l, "user", entry->user);
	add_text(l, "method", entry->method);
	add_text(l, "uri", entry->uri);
	add_number(l, "status", entry->status);
	add_number(l, "bytes", entry->bytes);
	key(l, "ms");
	buf_printf(lines, "%.3f", entry->ms);
	add_text(l, "id", entry->id);
	if (entry->aborted)
		add_text(l, "aborted", "yes");
	end(l);
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
	struct line line = { lines, format, false }, *l = &line;

	begin(l, "audit");
	add_text(l, "result", result_of(entry->status));
	add_text(l, "user", entry->user);
	add_peer(l, entry->peer);
	add_text(l, "action", entry->action);
	add_text(l, "repository", entry->repo);
	add_text(l, "reference", entry->reference);
	add_number(l, "status", entry->status);
	add_text(l, "id", entry->id);
	end(l);
}
