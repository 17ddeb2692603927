/* Run a credential helper. Must never use a shell, or show its standard output, which may be a
 * secret. */
#include "mirror-tool/upstream/helper.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

extern char **environ;

bool helper_name_ok(const char *name)
{
	if (!*name || name[0] == '.' || strlen(name) > 100)
		return false;
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	}
	return true;
}

/* Start the child: stdin and stdout are one socket, stderr is ours for its messages. */
static int spawn(const char *program, int fd, pid_t *pid, struct err *e)
{
	char *const argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "get", NULL };
	posix_spawn_file_actions_t files;
	int rc;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, fd, STDOUT_FILENO);
	rc = posix_spawnp(pid, program, &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (rc == 0)
		return 0;
	errno = rc;
	err_sys(e, "%s", program);
	e->code = ERR_DENIED;
	return -1;
}

static int read_answer(int fd, struct buf *out, struct err *e)
{
	int64_t deadline = clock_ms() + HELPER_TIMEOUT_MS;
	char chunk[4096];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - clock_ms();
		ssize_t n;

		if (left <= 0)
			return err_set(
				e, ERR_DENIED, "no answer in %d s", HELPER_TIMEOUT_MS / 1000);
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return 0;
		buf_add(out, chunk, (size_t)n);
		explicit_bzero(chunk, sizeof(chunk));
		if (out->len > HELPER_OUTPUT_MAX)
			return err_set(e, ERR_DENIED, "an answer of more than %u bytes",
				HELPER_OUTPUT_MAX);
	}
}

static int parse(const struct buf *out, struct credential *cred, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	const char *user = "", *secret = "";

	if (json_parse(&d, "answer", buf_span(out), HELPER_OUTPUT_MAX, e) < 0 ||
		node_string(&d, d.root, "Username", REQUIRED, &user, e) < 0 ||
		node_string(&d, d.root, "Secret", REQUIRED, &secret, e) < 0) {
		return err_set(e, ERR_DENIED, "the answer has no Username and Secret");
	}
	for (const char *p = user; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return err_set(e, ERR_DENIED, "a control character in Username");
	}
	if (!*secret)
		return 0;
	if (strcmp(user, "<token>") == 0) {
		cred->identity = mem_strdup(secret);
		return 1;
	}
	cred->user = mem_strdup(user);
	cred->password = mem_strdup(secret);
	return 1;
}

/* Reap the child, and kill it when it does not end. Returns its exit status. */
static int reap(pid_t pid, bool kill_it)
{
	int status = 0;

	if (kill_it)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static int converse(pid_t pid, int fd, const char *server, struct credential *out, struct err *e)
{
	AUTO(buf_release) struct buf answer = BUF_INIT;
	size_t len = strlen(server);
	int status, rc = 0;

	if (send(fd, server, len, MSG_NOSIGNAL) == (ssize_t)len)
		shutdown(fd, SHUT_WR);
	rc = read_answer(fd, &answer, e);
	status = reap(pid, rc < 0);
	if (rc == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
		if (strstr(answer.data, "credentials not found"))
			rc = 0;
		else
			rc = err_set(e, ERR_DENIED, "it failed (status %d)",
				WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	} else if (rc == 0) {
		rc = parse(&answer, out, e);
	}
	if (answer.len)
		explicit_bzero(answer.data, answer.len);
	return rc;
}

int helper_get(const char *name, const char *server, struct credential *out, struct err *e)
{
	AUTO(mem_free) char *program = mem_printf("docker-credential-%s", name);
	AUTO(fd_close) int ours = -1;
	AUTO(fd_close) int theirs = -1;
	int pair[2], rc;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	if (spawn(program, theirs, &pid, e) < 0)
		return -1;
	fd_close(&theirs);
	rc = converse(pid, ours, server, out, e);
	return rc < 0 ? err_ctx(e, "%s", program) : rc;
}
