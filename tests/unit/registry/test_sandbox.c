/* The sandbox, entered in a child: what the server needs goes on working, what it gave up is denied. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "registry/sandbox.h"
#include "registry/socket.h"
#include "storage/store_write.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

struct given {
	const char *store, *readable, *other;
	int listener;
	struct sandbox_state state;
};

static void *do_nothing(void *cls)
{
	return cls;
}

/* Each returns 0 when it went as it should; its number is the child's exit status otherwise. */
typedef int step_fn(const struct given *g);

static int push_into_the_store(const struct given *g)
{
	struct store *s = NULL;
	struct change c = { .kind = CHANGE_BLOB, .repo = "team/app" };
	struct change *changes[] = { &c };
	struct err e;

	if (store_open(&s, g->store, STORE_WRITE, &e) < 0)
		return -1;
	digest_of(&c.digest, DIGEST_SHA256, span_of("hello"));
	if (blob_begin_unnamed(s, DIGEST_SHA256, &c.writer, &e) < 0)
		return -1;
	blob_write(c.writer, "hello", 5);
	if (blob_seal(c.writer, &c.digest, &e) < 0 || store_apply(s, changes, 1, &e) < 0 ||
		c.rc < 0 || store_settle(s, &e) < 0)
		return -1;
	store_close(&s);
	return 0;
}

static int start_a_thread(const struct given *g)
{
	pthread_t t;

	(void)g;
	return pthread_create(&t, NULL, do_nothing, NULL) == 0 && pthread_join(t, NULL) == 0 ? 0
											     : -1;
}

static int opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

static int read_what_is_to_be_read(const struct given *g)
{
	return opens(g->readable, O_RDONLY);
}

static int denied(int rc)
{
	return rc < 0 && (errno == EACCES || errno == EPERM) ? 0 : -1;
}

static int not_read_anything_else(const struct given *g)
{
	if (!g->state.landlock)
		return 0;
	return denied(opens("/etc/passwd", O_RDONLY)) < 0 || denied(opens(g->other, O_RDONLY)) < 0
		       ? -1
		       : 0;
}

static int not_write_what_is_to_be_read(const struct given *g)
{
	return g->state.landlock ? denied(opens(g->readable, O_WRONLY)) : 0;
}

static int not_run_a_program(const struct given *g)
{
	char name[] = "true";
	char *const argv[] = { name, NULL };

	return g->state.seccomp ? denied(execv("/bin/true", argv)) : 0;
}

static int not_connect(const struct given *g)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!g->state.seccomp)
		return 0;
	return fd < 0 ? -1 : denied(connect(fd, (struct sockaddr *)&a, sizeof(a)));
}

static int not_bind_another_port(const struct given *g)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (g->state.landlock < 4)
		return 0;
	return fd < 0 ? -1 : denied(bind(fd, (struct sockaddr *)&a, sizeof(a)));
}

static int not_trace(const struct given *g)
{
	return g->state.seccomp ? denied((int)ptrace(PTRACE_TRACEME, 0, 0, 0)) : 0;
}

static step_fn *const steps[] = { push_into_the_store, start_a_thread, read_what_is_to_be_read,
	not_read_anything_else, not_write_what_is_to_be_read, not_run_a_program, not_connect,
	not_bind_another_port, not_trace };

static void enter_and_try(struct given *g, const char *folder)
{
	const char *read[] = { folder, NULL, "/no/such/path" }, *write[] = { g->store };
	struct err e;

	if (sandbox_enter(&(struct sandbox_paths){ read, 3, write, 1 }, &g->state, &e) < 0)
		_exit(100);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i](g) < 0)
			_exit((int)i + 1);
	_exit(g->state.landlock ? 0 : 99);
}

static void sandbox__keeps_what_is_needed_and_nothing_else(void **state)
{
	AUTO(mem_free) char *folder = mem_strdup(sandbox_path(*state, "etc"));
	AUTO(mem_free) char *readable = mem_printf("%s/users", folder);
	AUTO(mem_free) char *other = mem_strdup(sandbox_path(*state, "other"));
	AUTO(mem_free) char *store = mem_strdup(sandbox_path(*state, "store"));
	struct given given = { .store = store, .readable = readable, .other = other };
	int status;
	pid_t pid;

	if (!sandbox_possible()) {
		print_message("not in a build with sanitizers\n");
		skip();
	}
	assert_int_equal(mkdir(folder, 0700), 0);
	sandbox_write(readable, "x", 1);
	sandbox_write(other, "x", 1);
	store_close(&(struct store *){ sandbox_store(*state, "store", STORE_WRITE) });
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		enter_and_try(&given, folder);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 99)
		print_message("this kernel has no Landlock: seccomp alone was tried\n");
	else if (WEXITSTATUS(status) != 0)
		fail_msg("step %d", WEXITSTATUS(status));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sandbox__keeps_what_is_needed_and_nothing_else,
			sandbox_setup, sandbox_teardown),
	};

	return cmocka_run_group_tests_name("registry/sandbox", tests, NULL, NULL);
}
