/*
 * Commands under the clock. They are started from this small program and not from the harness,
 * because a child's peak RSS begins at its parent's and a large parent forks slowly.
 */
#include "tests/bench/load.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/http.h"

static const uint64_t START_LIMIT_NS = 20000000000u;

/* stdout of the command goes to stderr: ours is for the result. */
static pid_t start(char **command)
{
	pid_t pid = vfork();

	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(command[0], command);
		_exit(127);
	}
	return pid;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int mode_spent(const struct options *o)
{
	uint64_t began = now_ns();
	pid_t pid = start(o->rest);
	struct rusage used;
	int status = 0;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || getrusage(RUSAGE_CHILDREN, &used) < 0)
		return 1;
	printf("{\"wall_s\": %.4f, \"cpu_s\": %.4f, \"rss_mib\": %.1f, \"status\": %d}\n",
		(double)(now_ns() - began) / 1e9, seconds(used.ru_utime) + seconds(used.ru_stime),
		(double)used.ru_maxrss / 1024, WIFEXITED(status) ? WEXITSTATUS(status) : 128);
	return 0;
}

static bool answers(const struct http_target *t)
{
	static const char ask[] =
		"GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
	char head[64] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (const struct sockaddr *)&t->address, sizeof(t->address)) == 0 &&
		  send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0 &&
		  recv(fd, head, sizeof(head) - 1, 0) > 0 &&
		  strncmp(head, "HTTP/1.1 200 ", 13) == 0;

	close(fd);
	return ok;
}

int mode_first(const struct options *o)
{
	struct http_target t = http_target_open(o->port, false);
	struct timespec pause = { .tv_nsec = 100000 };
	uint64_t began = now_ns(), took;
	pid_t pid = start(o->rest);
	bool ok;

	while (!(ok = answers(&t)) && now_ns() - began < START_LIMIT_NS &&
		waitpid(pid, NULL, WNOHANG) == 0)
		nanosleep(&pause, NULL);
	took = now_ns() - began;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	printf("{\"first_ms\": %.3f}\n", (double)took / 1e6);
	return ok ? 0 : 1;
}
