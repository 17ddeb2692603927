/* Reading the audit log from front to back. Must never hold more than a line, and takes no lock: a line that is being
 * written looks like one that was cut short. */
#include "storage/audit/audit_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/base/banned.h"

#define CHUNK (64u << 10)

/* A file being read. */
struct source {
	int fd;
	const char *name;
	uint64_t line;
	struct buf text; /* read, and from `at` on not told yet */
	size_t at;
	bool at_end;
};

static void source_release(struct source *s)
{
	buf_release(&s->text);
	fd_close(&s->fd);
}

static int read_more(struct source *s, struct err *e)
{
	size_t left = s->text.len - s->at;
	ssize_t n;

	memmove(s->text.data, s->text.data + s->at, left);
	buf_cut(&s->text, left);
	s->at = 0;
	buf_reserve(&s->text, CHUNK);
	do
		n = read(s->fd, s->text.data + left, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "read %s", s->name);
	s->text.len = left + (size_t)n;
	s->text.data[s->text.len] = '\0';
	s->at_end = n == 0;
	return 0;
}

/* Take the next line, or a piece of one that is too long or has no end: 1, 0 at the end of the file, -1. */
static int take_line(struct source *s, struct audit_line *l, struct err *e)
{
	const char *feed = NULL;
	size_t len;

	if (!s->text.cap)
		buf_reserve(&s->text, CHUNK);
	for (;;) {
		len = s->text.len - s->at;
		feed = memchr(s->text.data + s->at, '\n', len);
		if (feed || s->at_end || len >= AUDIT_LINE_MAX)
			break;
		if (read_more(s, e) < 0)
			return -1;
	}
	if (!feed && !len)
		return 0;
	if (feed)
		len = (size_t)(feed - s->text.data) - s->at;
	*l = (struct audit_line){ .file = s->name,
		.number = s->line + 1,
		.text = { s->text.data + s->at, len },
		.whole = feed != NULL };
	s->at += len + (feed ? 1 : 0);
	s->line += feed ? 1 : 0;
	return 1;
}

static int tell_line(struct audit_line *l, audit_line_fn *fn, void *ctx, struct err *e)
{
	AUTO(doc_release) struct doc doc = DOC_INIT;

	audit_line_parse(l, &doc);
	return fn(ctx, l, e);
}

/* Tell what is behind a place in a file, and move it on. keep: leave a line that has no end yet. */
static int tell_file(int dir, const char *name, struct audit_place *at, bool keep,
	audit_line_fn *fn, void *ctx, struct err *e)
{
	AUTO(source_release)
	struct source s = { .fd = -1, .name = name, .line = at->line, .text = BUF_INIT };
	struct audit_line l;
	uint64_t size;
	int rc = fs_open_file(dir, name, &s.fd, &size, e);

	if (rc <= 0)
		return rc;
	if (lseek(s.fd, (off_t)at->offset, SEEK_SET) < 0)
		return err_sys(e, "read %s", name);
	while ((rc = take_line(&s, &l, e)) > 0) {
		if (keep && !l.whole && s.at_end)
			return 0;
		at->offset += l.text.len + (l.whole ? 1 : 0);
		at->line = s.line;
		rc = tell_line(&l, fn, ctx, e);
		if (rc != 0)
			return rc;
	}
	return rc;
}

static int tell_files(const char *store, struct audit_place *at, bool keep, audit_line_fn *fn,
	void *ctx, struct err *e)
{
	AUTO(mem_free) unsigned *numbers = NULL;
	AUTO(fd_close) int dir = -1;
	size_t count = 0;
	int rc = audit_open_folder(store, &dir, e);

	if (rc <= 0 || audit_files(dir, &numbers, &count, e) < 0)
		return rc == 0 ? 0 : -1;
	for (size_t i = 0; i < count; i++) {
		char name[AUDIT_NAME_SIZE];

		if (numbers[i] < at->file)
			continue;
		if (numbers[i] > at->file)
			*at = (struct audit_place){ .file = numbers[i] };
		rc = tell_file(
			dir, audit_name(numbers[i], name), at, keep && i + 1 == count, fn, ctx, e);
		if (rc != 0)
			return rc < 0 && e->code != ERR_OK ? err_ctx(e, AUDIT_FOLDER) : rc;
	}
	return 0;
}

int audit_read(const char *store, audit_line_fn *fn, void *ctx, struct err *e)
{
	struct audit_place at = { .file = 0 };

	return tell_files(store, &at, false, fn, ctx, e);
}

int audit_read_on(
	const char *store, struct audit_place *at, audit_line_fn *fn, void *ctx, struct err *e)
{
	return tell_files(store, at, true, fn, ctx, e);
}

int audit_read_older(const char *store, audit_line_fn *fn, void *ctx, struct err *e)
{
	AUTO(fd_close) int root = fs_open_dir(store, e);
	struct audit_place at = { .file = 0 };

	return root < 0 ? -1 : tell_file(root, AUDIT_OLDER, &at, false, fn, ctx, e);
}
