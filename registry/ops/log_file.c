/* Write log files. Must never let a full disk stop the server. */
#include "registry/ops/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/base/lock.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define COMPLAIN_SECONDS 60

struct log_file {
	pthread_mutex_t lock; /* of fd, against a reopen */
	int fd;
	const char *name;
	char *path; /* NULL: stderr */
	bool torn; /* the last write ended within a line */
	uint64_t lost; /* lines */
	uint64_t unreported; /* of them, not reported yet */
	int error; /* of the last loss */
	time_t reported;
};

static int open_path(const char *name, const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	return fd < 0 ? err_sys(e, "%s: %s", name, path) : fd;
}

int log_file_open(struct log_file **out, const char *name, const char *target, struct err *e)
{
	bool is_file = strcmp(target, "-") != 0;
	int fd = STDERR_FILENO;
	struct log_file *f;

	*out = NULL;
	if (strcmp(target, "off") == 0)
		return 0;
	if (is_file)
		fd = open_path(name, target, e);
	if (fd < 0)
		return -1;
	f = mem_alloc(sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->fd = fd;
	f->name = name;
	f->path = is_file ? mem_strdup(target) : NULL;
	*out = f;
	return 0;
}

int log_file_reopen(struct log_file *f, struct err *e)
{
	AUTO(fd_close) int old = -1;
	int fd;

	if (!f || !f->path)
		return 0;
	fd = open_path(f->name, f->path, e);
	if (fd < 0)
		return -1;
	LOCK_SCOPE(&f->lock);
	old = f->fd;
	f->fd = fd;
	f->torn = false;
	return 0;
}

/* Report losses on stderr. The caller has the lock. */
static void report(struct log_file *f)
{
	log_fields(LOG_LINE_ERROR, "log.lost", { "log", f->name, 0 },
		{ "lines", NULL, f->unreported }, { "error", strerror(f->error), 0 });
	f->unreported = 0;
	f->reported = clock_now();
}

/* Count the lines that could not be written. The caller has the lock. */
static void lose(struct log_file *f, struct span rest, int error)
{
	uint64_t lines = 0;

	while (rest.len > 0) {
		span_until(&rest, '\n');
		lines++;
	}
	f->lost += lines;
	f->unreported += lines;
	f->error = error;
}

/* Write, and say how much could be. One write(2) unless it is cut short, so that lines of several processes
 * do not mix. */
static size_t write_some(int fd, struct span text)
{
	size_t at = 0;

	while (at < text.len) {
		ssize_t n = write(fd, text.data + at, text.len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return at;
}

/* Write lines; the caller has the lock. A line that a full disk has cut must not swallow the next one. */
static void write_lines(struct log_file *f, struct span lines)
{
	size_t at = 0;

	errno = 0;
	if (f->torn && write_some(f->fd, span_of("\n")) == 1)
		f->torn = false;
	if (!f->torn)
		at = write_some(f->fd, lines);
	if (at > 0)
		f->torn = lines.data[at - 1] != '\n';
	if (at < lines.len)
		lose(f, (struct span){ lines.data + at, lines.len - at }, errno);
}

void log_file_write(struct log_file *f, struct span lines)
{
	LOCK_SCOPE(&f->lock);
	write_lines(f, lines);
	if (f->unreported > 0 && clock_now() - f->reported >= COMPLAIN_SECONDS)
		report(f);
}

uint64_t log_file_lost(struct log_file *f)
{
	if (!f)
		return 0;
	LOCK_SCOPE(&f->lock);
	return f->lost;
}

void log_file_close(struct log_file **out)
{
	struct log_file *f = STEAL(*out);

	if (!f)
		return;
	if (f->unreported > 0)
		report(f);
	if (f->path)
		fd_close(&f->fd);
	pthread_mutex_destroy(&f->lock);
	free(f->path);
	free(f);
}
