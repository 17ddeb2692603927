/* The access log. A failing write is dropped: serving goes before logging. */
#include "registry/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

struct access_log {
	pthread_mutex_t lock; /* of fd, against a reopen */
	int fd;
	char *path; /* NULL: stderr */
};

static int open_file(const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	return fd < 0 ? err_sys(e, "access-log: %s", path) : fd;
}

int access_log_open(struct access_log **log, const char *target, struct err *e)
{
	bool is_file = strcmp(target, "-") != 0;
	int fd = STDERR_FILENO;

	*log = NULL;
	if (strcmp(target, "off") == 0)
		return 0;
	if (is_file)
		fd = open_file(target, e);
	if (fd < 0)
		return -1;
	*log = mem_alloc(sizeof(**log));
	pthread_mutex_init(&(*log)->lock, NULL);
	(*log)->fd = fd;
	(*log)->path = is_file ? mem_strdup(target) : NULL;
	return 0;
}

void access_log_close(struct access_log **log)
{
	struct access_log *l = STEAL(*log);

	if (!l)
		return;
	if (l->path)
		fd_close(&l->fd);
	pthread_mutex_destroy(&l->lock);
	free(l->path);
	free(l);
}

int access_log_reopen(struct access_log *log, struct err *e)
{
	int fd, old;

	if (!log || !log->path)
		return 0;
	fd = open_file(log->path, e);
	if (fd < 0)
		return -1;
	pthread_mutex_lock(&log->lock);
	old = log->fd;
	log->fd = fd;
	pthread_mutex_unlock(&log->lock);
	fd_close(&old);
	return 0;
}

static void add_time(struct buf *lines)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(lines, "time=%s.%03ldZ", text, now.tv_nsec / 1000000);
}

void access_log_add(struct buf *lines, const struct access_entry *entry)
{
	char peer[ADDRESS_TEXT_SIZE];

	add_time(lines);
	buf_printf(lines, " event=request peer=%s method=%s uri=", address_text(entry->peer, peer),
		entry->method);
	log_value(lines, entry->uri);
	buf_printf(lines, " status=%u bytes=%llu ms=%.3f id=%s%s\n", entry->status,
		(unsigned long long)entry->bytes, entry->ms, entry->id,
		entry->aborted ? " aborted=yes" : "");
}

void access_log_flush(struct access_log *log, struct buf *lines)
{
	size_t at = 0;

	if (lines->len == 0)
		return;
	pthread_mutex_lock(&log->lock);
	while (at < lines->len) {
		ssize_t n = write(log->fd, lines->data + at, lines->len - at);

		if (n < 0 && errno != EINTR)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	pthread_mutex_unlock(&log->lock);
	buf_clear(lines);
}
