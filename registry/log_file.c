/* Files of lines. Must never let a full disk stop the server. */
#include "registry/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define COMPLAIN_SECONDS 60

struct log_file {
	pthread_mutex_t lock; /* of fd, against a reopen */
	int fd;
	const char *name;
	char *path; /* NULL: stderr */
	unsigned long long lost; /* writes, since somebody was told */
	time_t told;
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

void log_file_close(struct log_file **out)
{
	struct log_file *f = STEAL(*out);

	if (!f)
		return;
	if (f->path)
		fd_close(&f->fd);
	pthread_mutex_destroy(&f->lock);
	free(f->path);
	free(f);
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
	pthread_mutex_lock(&f->lock);
	old = f->fd;
	f->fd = fd;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

/* The lock is held. */
static void complain(struct log_file *f, int error)
{
	time_t now = time(NULL);

	f->lost++;
	if (now - f->told < COMPLAIN_SECONDS)
		return;
	log_event(LOG_LINE_ERROR, "event=log.lost log=%s writes=%llu error=\"%s\"", f->name,
		f->lost, strerror(error));
	f->lost = 0;
	f->told = now;
}

void log_file_write(struct log_file *f, struct span lines)
{
	size_t at = 0;

	pthread_mutex_lock(&f->lock);
	while (at < lines.len) {
		ssize_t n = write(f->fd, lines.data + at, lines.len - at);

		if (n < 0 && errno != EINTR) {
			complain(f, errno);
			break;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	pthread_mutex_unlock(&f->lock);
}
