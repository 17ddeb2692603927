/* Accepting where no descriptor is left. The calls that matter are counted on their way to the kernel: how
 * often a loop turns is what is asked, not how long it takes. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "registry/dispatch.h"
#include "registry/http/socket.h"
#include "registry/ops/metrics.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "running.h"
#include "wire.h"

#define TRIES 3
#define PATIENCE 2000 /* looks, 10 ms apart */

static _Atomic unsigned failed,
	hasty; /* accepts; of them, those right behind another one that failed */
static _Thread_local bool has_failed, has_slept;

/* In place of the C library's. */
int accept4(int fd, struct sockaddr *a, socklen_t *len, int flags)
{
	int rc = (int)syscall(SYS_accept4, fd, a, len, flags);

	if (rc < 0 && errno == EMFILE) {
		hasty += has_failed && !has_slept;
		has_failed = true;
		has_slept = false;
		failed++;
	} else if (rc >= 0) {
		has_failed = false;
	}
	return rc;
}

/* A loop sleeps when it may, and nothing wakes it. */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	int rc = (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 8);

	has_slept |= rc == 0 && timeout > 0;
	return rc;
}

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return sandbox_setup(state);
}

/* No descriptor from now on. */
static struct rlimit take_descriptors(void)
{
	struct rlimit before, none;
	int next = dup(STDIN_FILENO);

	assert_true(next >= 0);
	close(next);
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){ (rlim_t)next, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

static void call(int fd, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval patience = { .tv_sec = 20 };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static unsigned count_lines(const char *text, const char *words)
{
	unsigned count = 0;

	for (; (text = strstr(text, words)); text++)
		count++;
	return count;
}

static void wait_for_failures(unsigned count)
{
	for (unsigned i = 0; i < PATIENCE && failed < count; i++)
		usleep(10000);
}

static void accept__pauses_without_a_descriptor(void **state)
{
	struct server_config config = running_usual;
	struct running run = { .server = NULL };
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(buf_release) struct buf said = BUF_INIT, counts = BUF_INIT;
	const char *path = sandbox_path(*state, "stderr");
	struct err e = ERR_INIT;
	struct rlimit before;
	int kept, file;
	struct store *s = sandbox_store(*state, "s", STORE_WRITE);

	store_close(&s);
	config.threads = 1;
	config.metrics = metrics_new(1, &dispatch_labels);
	running_prepare(&run);
	running_start(&run, sandbox_path(*state, "s"), config);
	kept = dup(STDERR_FILENO);
	file = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(kept >= 0 && file >= 0);
	dup2(file, STDERR_FILENO);
	AUTO(wire_close) struct wire w = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		.in = BUF_INIT };
	before = take_descriptors();
	call(w.fd, run.port);
	wait_for_failures(TRIES);
	setrlimit(RLIMIT_NOFILE, &before);
	wire_str(&w, "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
	wire_read(&w, false, &a);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(file);
	assert_int_equal(a.status, 200);
	assert_true(failed >= TRIES);
	assert_int_equal(hasty, 0);
	metrics_write(config.metrics, &counts);
	AUTO(mem_free) char *want = mem_printf("\nmoat_http_accept_pauses_total %u\n", failed);
	assert_non_null(strstr(counts.data, want));
	assert_int_equal(fs_read_file(AT_FDCWD, path, 1 << 20, &said, &e), 1);
	assert_int_equal(count_lines(said.data, "event=accept.paused"), 1);
	assert_non_null(strstr(said.data, "do=\"raise LimitNOFILE"));
	running_end(&run);
	metrics_free(&config.metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			accept__pauses_without_a_descriptor, setup, sandbox_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
