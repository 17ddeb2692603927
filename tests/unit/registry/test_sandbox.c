/*
 * Each test enters a sandbox in a child, as there is no way out, and walks a table there: what must
 * go on working, and what must be refused, with the errno. A row whose half of the sandbox the
 * kernel lacks is passed over and says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "registry/http/socket.h"
#include "registry/ops/sandbox.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

#define OUTSIDE "/etc/passwd" /* there on any machine, readable to all */

/* What rows use: directories of the test and what was open before. */
struct world {
	struct sandbox *sb;
	char store[128], certs[128], logs[128], other[128];
	char datagrams[108]; /* a socket of a service manager */
	int store_fd, listener, client, manager;
};

struct row {
	const char *name;
	int (*act)(const struct world *w); /* 0 or an errno */
	int want;
	int abi; /* of Landlock, that it needs; 0 none */
	bool seccomp; /* needs it */
};

static int result(int rc)
{
	return rc < 0 ? errno : 0;
}

static int open_in(const char *dir, const char *name, int flags)
{
	AUTO(mem_free) char *path = mem_printf("%s/%s", dir, name);
	AUTO(fd_close) int fd = open(path, flags | O_CLOEXEC, 0600);

	return result(fd);
}

/* --- what goes on working -------------------------------------------------------------------- */

static int read_store(const struct world *w)
{
	return open_in(w->store, "blob", O_RDONLY);
}

static int write_store(const struct world *w)
{
	return open_in(w->store, "new", O_RDWR | O_CREAT | O_TRUNC);
}

static int publish_unnamed(const struct world *w)
{
	AUTO(fd_close) int stage = openat(w->store_fd, "stage", O_RDONLY | O_DIRECTORY);
	struct err e = ERR_INIT;
	AUTO(fd_close) int fd = fs_open_unnamed(stage, 0644, &e);

	if (fd < 0)
		return e.code == ERR_UNSUPPORTED ? 0 : EIO;
	if (fs_write_all(fd, "x", 1, "x", &e) < 0 || syncfs(fd) < 0)
		return EIO;
	return fs_link_fd(fd, w->store_fd, "blobs/x", &e) == 1 ? 0 : EIO;
}

static int move_between(const struct world *w)
{
	AUTO(fd_close)
	int fd = openat(w->store_fd, "stage/y", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	if (renameat(w->store_fd, "stage/y", w->store_fd, "blobs/y") < 0)
		return errno;
	return result(unlinkat(w->store_fd, "blobs/y", 0));
}

static int make_folder(const struct world *w)
{
	if (mkdirat(w->store_fd, "blobs/sha512", 0755) < 0)
		return errno;
	return result(unlinkat(w->store_fd, "blobs/sha512", AT_REMOVEDIR));
}

/* The engine itself: layout, SQLite's WAL and shared memory, locks of open files. */
static int use_store(const struct world *w)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(mem_free) char *path = mem_printf("%s/real", w->store);
	struct err e;

	if (store_open(&s, path, STORE_WRITE, &e) == 0)
		return 0;
	print_error("%s\n", e.text);
	return EIO;
}

static int read_replaced(const struct world *w)
{
	AUTO(mem_free) char *name = mem_printf("%s/tls.crt", w->certs);
	struct stat before, after;

	/* Somebody else replaces it: the parent does when it is told to. */
	if (stat(name, &before) < 0 || write(w->manager, "r", 1) != 1)
		return errno;
	for (int tries = 0; tries < 2000; tries++) {
		if (stat(name, &after) == 0 && after.st_ino != before.st_ino)
			return open_in(w->certs, "tls.crt", O_RDONLY);
		usleep(5000);
	}
	return ETIME;
}

static int read_linked(const struct world *w)
{
	return open_in(w->certs, "linked.key", O_RDONLY);
}

static int open_log_again(const struct world *w)
{
	return open_in(w->logs, "access.log", O_WRONLY | O_APPEND | O_CREAT);
}

static int open_new_log(const struct world *w)
{
	return open_in(w->logs, "after-rotation.log", O_WRONLY | O_APPEND | O_CREAT);
}

static void *note_thread(void *seen)
{
	*(bool *)seen = true;
	return NULL;
}

static int start_thread(const struct world *w)
{
	pthread_t thread;
	bool seen = false;
	int rc = pthread_create(&thread, NULL, note_thread, &seen);

	(void)w;
	if (rc == 0)
		rc = pthread_join(thread, NULL);
	return rc || seen ? rc : EIO;
}

static int notify(const struct world *w)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", w->datagrams);
	return result((int)sendto(fd, "READY=1", 7, 0, (const struct sockaddr *)&un, sizeof(un)));
}

static int accept_client(const struct world *w)
{
	AUTO(fd_close) int fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
	char byte;

	if (fd < 0 || write(w->client, "x", 1) != 1)
		return errno;
	return recv(fd, &byte, 1, 0) == 1 && byte == 'x' ? 0 : EIO;
}

static int draw_random(const struct world *w)
{
	char bytes[32];

	(void)w;
	return getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes) ? 0 : errno;
}

static int map_memory(const struct world *w)
{
	void *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)w;
	return at == MAP_FAILED ? errno : result(munmap(at, 1 << 20));
}

static int raise_limit(const struct world *w)
{
	struct rlimit limit;

	(void)w;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return errno;
	return result(setrlimit(RLIMIT_NOFILE, &limit));
}

static int lock_open_file(const struct world *w)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	AUTO(fd_close) int fd = openat(w->store_fd, "stage", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? 0 : result(fcntl(fd, F_OFD_SETLK, &lock));
}

/* abort() must still end the process, which it does by a signal to itself. */
static int signal_self(const struct world *w)
{
	(void)w;
	return result((int)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), 0));
}

static const struct row allowed[] = {
	{ "read the store", read_store, 0, 0, false },
	{ "write the store", write_store, 0, 0, false },
	{ "name an unnamed file in another directory", publish_unnamed, 0, 0, false },
	{ "move between directories", move_between, 0, 0, false },
	{ "make and remove a directory", make_folder, 0, 0, false },
	{ "make and use a store", use_store, 0, 0, false },
	{ "read a certificate that was replaced", read_replaced, 0, 0, false },
	{ "read a key behind a symbolic link", read_linked, 0, 0, false },
	{ "open a log again", open_log_again, 0, 0, false },
	{ "open a new log", open_new_log, 0, 0, false },
	{ "start a thread", start_thread, 0, 0, false },
	{ "tell the service manager", notify, 0, 0, false },
	{ "accept a client", accept_client, 0, 0, false },
	{ "draw random bytes", draw_random, 0, 0, false },
	{ "map memory", map_memory, 0, 0, false },
	{ "set own limits", raise_limit, 0, 0, false },
	{ "lock an open file", lock_open_file, 0, 0, false },
	{ "signal itself", signal_self, 0, 0, false },
};

/* --- what is refused ------------------------------------------------------------------------- */

static int read_outside(const struct world *w)
{
	(void)w;
	return open_in("/etc", strrchr(OUTSIDE, '/') + 1, O_RDONLY);
}

static int read_beside(const struct world *w)
{
	return open_in(w->other, "secret", O_RDONLY);
}

static int list_beside(const struct world *w)
{
	return open_in(w->other, ".", O_RDONLY | O_DIRECTORY);
}

static int write_certificate(const struct world *w)
{
	return open_in(w->certs, "tls.crt", O_WRONLY);
}

static int make_beside_certificate(const struct world *w)
{
	return open_in(w->certs, "new", O_WRONLY | O_CREAT);
}

static int remove_certificate(const struct world *w)
{
	AUTO(mem_free) char *path = mem_printf("%s/tls.crt", w->certs);

	return result(unlink(path));
}

static int read_log(const struct world *w)
{
	return open_in(w->logs, "access.log", O_RDONLY);
}

static int remove_log(const struct world *w)
{
	AUTO(mem_free) char *path = mem_printf("%s/access.log", w->logs);

	return result(unlink(path));
}

static int empty_log(const struct world *w)
{
	return open_in(w->logs, "access.log", O_WRONLY | O_TRUNC);
}

static int link_in_store(const struct world *w)
{
	return result(symlinkat(OUTSIDE, w->store_fd, "blobs/link"));
}

static int move_out(const struct world *w)
{
	AUTO(mem_free) char *path = mem_printf("%s/blob", w->certs);

	return result(renameat(w->store_fd, "blob", AT_FDCWD, path));
}

static int open_internet(const struct world *w)
{
	AUTO(fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)w;
	return result(fd);
}

static int open_netlink(const struct world *w)
{
	AUTO(fd_close) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);

	(void)w;
	return result(fd);
}

static int connect_unix(const struct world *w)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", w->datagrams);
	return result(connect(fd, (const struct sockaddr *)&un, sizeof(un)));
}

static int listen_again(const struct world *w)
{
	return result(listen(w->listener, 1));
}

static int run_program(const struct world *w)
{
	char *argv[] = { (char[]){ "true" }, NULL };

	(void)w;
	return result(execv("/bin/true", argv));
}

/* By number, as the C library would go another way, or do more than the call. */
#define CALL(name, number, ...)                                                                    \
	static int name(const struct world *w)                                                     \
	{                                                                                          \
		(void)w;                                                                           \
		return result((int)syscall(number, ##__VA_ARGS__));                                \
	}

CALL(fork_plain, SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)
CALL(clone_by_struct, SYS_clone3, NULL, (size_t)0)
CALL(new_namespace, SYS_unshare, CLONE_NEWUSER)
CALL(trace_parent, SYS_ptrace, PTRACE_ATTACH, getppid(), NULL, NULL)
CALL(signal_parent, SYS_kill, getppid(), 0)
CALL(signal_parent_thread, SYS_tgkill, getppid(), getppid(), 0)
CALL(read_parent, SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)
CALL(limit_parent, SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, NULL)
CALL(mount_something, SYS_mount, "none", "/tmp", "tmpfs", 0, NULL)
CALL(load_bpf, SYS_bpf, 0, NULL, 0)
CALL(make_ring, SYS_io_uring_setup, 1, NULL)
CALL(ask_keyring, SYS_keyctl, 0, 0, 0, 0, 0)
CALL(open_by_handle, SYS_open_by_handle_at, AT_FDCWD, NULL, 0)
CALL(catch_faults, SYS_userfaultfd, 0)
CALL(set_clock, SYS_clock_settime, 0, NULL)
CALL(become_root, SYS_setuid, 0)
CALL(make_node, SYS_mknodat, AT_FDCWD, "/tmp/moat-node", S_IFCHR | 0600, 0)
CALL(type_on_terminal, SYS_ioctl, 0, TIOCSTI, "x")
CALL(type_hidden, SYS_ioctl, 0, (1ul << 32) | TIOCSTI, "x")

static int map_code(const struct world *w)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)w;
	return at == MAP_FAILED ? errno : 0;
}

static int make_code(const struct world *w)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)w;
	return at == MAP_FAILED ? 0 : result(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static const struct row refused[] = {
	{ "read outside", read_outside, EACCES, 2, false },
	{ "read a folder's neighbour", read_beside, EACCES, 2, false },
	{ "list a folder's neighbour", list_beside, EACCES, 2, false },
	{ "write a certificate", write_certificate, EACCES, 2, false },
	{ "make a file beside certificates", make_beside_certificate, EACCES, 2, false },
	{ "remove a certificate", remove_certificate, EACCES, 2, false },
	{ "read a log", read_log, EACCES, 2, false },
	{ "remove a log", remove_log, EACCES, 2, false },
	{ "cut a log short", empty_log, EACCES, 3, false },
	{ "make a symbolic link in the store", link_in_store, EACCES, 2, false },
	{ "move out of the store", move_out, EACCES, 2, false },
	{ "open an internet socket", open_internet, EPERM, 0, true },
	{ "open a netlink socket", open_netlink, EPERM, 0, true },
	{ "connect", connect_unix, EPERM, 0, true },
	{ "listen", listen_again, EPERM, 0, true },
	{ "run a program", run_program, EPERM, 0, true },
	{ "fork", fork_plain, EPERM, 0, true },
	{ "clone3", clone_by_struct, ENOSYS, 0, true },
	{ "unshare", new_namespace, EPERM, 0, true },
	{ "trace the parent", trace_parent, EPERM, 0, true },
	{ "signal the parent", signal_parent, EPERM, 0, true },
	{ "signal the parent's thread", signal_parent_thread, EPERM, 0, true },
	{ "read the parent's memory", read_parent, EPERM, 0, true },
	{ "limit the parent", limit_parent, EPERM, 0, true },
	{ "mount", mount_something, EPERM, 0, true },
	{ "bpf", load_bpf, EPERM, 0, true },
	{ "io_uring", make_ring, EPERM, 0, true },
	{ "keyctl", ask_keyring, EPERM, 0, true },
	{ "open by handle", open_by_handle, EPERM, 0, true },
	{ "userfaultfd", catch_faults, EPERM, 0, true },
	{ "set the clock", set_clock, EPERM, 0, true },
	{ "setuid", become_root, EPERM, 0, true },
	{ "make a node", make_node, EPERM, 0, true },
	{ "type on a terminal", type_on_terminal, EPERM, 0, true },
	{ "type on a terminal, with a bit that the kernel cuts off", type_hidden, EPERM, 0, true },
	{ "map code", map_code, EPERM, 0, true },
	{ "turn data into code", make_code, EPERM, 0, true },
};

/* --- the child ------------------------------------------------------------------------------- */

static int enter(const struct world *w, struct sandbox_state *s)
{
	AUTO(mem_free) char *cert = mem_printf("%s/tls.crt", w->certs);
	AUTO(mem_free) char *key = mem_printf("%s/linked.key", w->certs);
	AUTO(mem_free) char *log = mem_printf("%s/access.log", w->logs);
	const char *read[] = { NULL, "/dev/urandom", "/nowhere/at/all" };
	const char *write[] = { w->store, NULL }, *replaced[] = { cert, key, NULL };
	const char *logs[] = { NULL, log };
	struct err e;

	if (sandbox_enter(&(struct sandbox_paths){ read, ARRAY_SIZE(read), write, ARRAY_SIZE(write),
				  replaced, ARRAY_SIZE(replaced), logs, ARRAY_SIZE(logs) },
		    s, &e) == 0)
		return 0;
	print_error("%s\n", e.text);
	return -1;
}

static bool kernel_has(const struct row *r, const struct sandbox_state *s)
{
	if (s->landlock >= r->abi && (s->seccomp || !r->seccomp))
		return true;
	print_message("not tested, as this kernel has Landlock %d and %s seccomp: %s\n",
		s->landlock, s->seccomp ? "a" : "no", r->name);
	return false;
}

/* Returns how many rows failed. */
static int walk(const struct world *w, const struct row *rows, size_t count)
{
	struct sandbox_state s;
	int failed = 0;

	if (enter(w, &s) < 0)
		return 1;
	for (size_t i = 0; i < count; i++) {
		int got = kernel_has(&rows[i], &s) ? rows[i].act(w) : rows[i].want;

		if (got == rows[i].want)
			continue;
		print_error(
			"%s: %s, not %s\n", rows[i].name, strerror(got), strerror(rows[i].want));
		failed++;
	}
	return failed;
}

/* --- the parent ------------------------------------------------------------------------------ */

static void make_world(struct world *w, struct sandbox *sb)
{
	static const char *const folders[] = { "store", "store/stage", "store/blobs", "certs",
		"archive", "logs", "other" };
	const char *const files[] = { "store/blob", "certs/tls.crt", "archive/one.key",
		"logs/access.log", "other/secret" };

	w->sb = sb;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		assert_int_equal(mkdir(sandbox_path(sb, folders[i]), 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		sandbox_write(sandbox_path(sb, files[i]), "x", 1);
	assert_int_equal(symlink("../archive/one.key", sandbox_path(sb, "certs/linked.key")), 0);
	snprintf(w->store, sizeof(w->store), "%s", sandbox_path(sb, "store"));
	snprintf(w->certs, sizeof(w->certs), "%s", sandbox_path(sb, "certs"));
	snprintf(w->logs, sizeof(w->logs), "%s", sandbox_path(sb, "logs"));
	snprintf(w->other, sizeof(w->other), "%s", sandbox_path(sb, "other"));
	snprintf(w->datagrams, sizeof(w->datagrams), "%s", sandbox_path(sb, "notify"));
}

static int bind_datagrams(const struct world *w)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", w->datagrams);
	assert_int_equal(bind(fd, (const struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

/* A listener, and a client that waits in it, from before the sandbox. */
static void open_sockets(struct world *w)
{
	struct address a;
	struct err e;

	assert_ok(address_parse(&a, "127.0.0.1:0", &e));
	w->listener = socket_listen(&a, &e);
	assert_ok(w->listener);
	assert_ok(socket_address(w->listener, &a, &e));
	w->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(w->client, (const struct sockaddr *)&a.sa, a.len), 0);
	assert_int_equal(fcntl(w->listener, F_SETFL, 0), 0);
}

/* When the child asks, a new certificate takes the old one's name. */
static void replace_when_asked(const struct world *w, int asked)
{
	AUTO(mem_free) char *fresh = mem_printf("%s/fresh.crt", w->certs);
	AUTO(mem_free) char *name = mem_printf("%s/tls.crt", w->certs);
	char byte;

	if (read(asked, &byte, 1) != 1)
		return;
	sandbox_write(fresh, "y", 1);
	assert_int_equal(rename(fresh, name), 0);
}

static int child_status(const struct world *w, int (*in_child)(const struct world *), int asked)
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(in_child(w));
	close(w->manager);
	replace_when_asked(w, asked);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int in_sandbox(void **state, int (*in_child)(const struct world *))
{
	struct world w = { .client = -1 };
	int status, pair[2];

	if (!sandbox_possible()) {
		print_message("not tested: a build with sanitizers has no sandbox\n");
		skip();
	}
	make_world(&w, *state);
	AUTO(fd_close) int datagrams = bind_datagrams(&w);
	open_sockets(&w);
	w.store_fd = open(w.store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	w.manager = pair[1];
	status = child_status(&w, in_child, pair[0]);
	close(pair[0]);
	fd_close(&w.store_fd);
	fd_close(&w.listener);
	fd_close(&w.client);
	return status;
}

static int walk_allowed(const struct world *w)
{
	return walk(w, allowed, ARRAY_SIZE(allowed));
}

static void sandbox_enter__what_serving_needs_works(void **state)
{
	assert_int_equal(in_sandbox(state, walk_allowed), 0);
}

static int walk_refused(const struct world *w)
{
	return walk(w, refused, ARRAY_SIZE(refused));
}

static void sandbox_enter__the_rest_is_refused(void **state)
{
	assert_int_equal(in_sandbox(state, walk_refused), 0);
}

/* Without the sandbox these succeed, or fail for another reason: so the rows above can fail. */
static int walk_free(const struct world *w)
{
	int refused_too = 0;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		int (*const harmless[])(const struct world *) = { read_outside, read_beside,
			list_beside, write_certificate, make_beside_certificate, read_log,
			empty_log, link_in_store, open_internet, open_netlink, connect_unix,
			listen_again, signal_parent, signal_parent_thread, limit_parent, map_code,
			make_code };

		for (size_t k = 0; k < ARRAY_SIZE(harmless); k++)
			if (harmless[k] == refused[i].act && refused[i].act(w) != 0) {
				print_error("%s: refused anyway\n", refused[i].name);
				refused_too++;
			}
	}
	return refused_too;
}

static void sandbox_enter__before_it_all_is_open(void **state)
{
	assert_int_equal(in_sandbox(state, walk_free), 0);
}

/* What was inherited by threads, as the kernel says. */
static void *read_status(void *found)
{
	(void)found;
	return (void *)(intptr_t)prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static int look_at_thread(const struct world *w)
{
	struct sandbox_state s;
	pthread_t thread;
	void *no_new = NULL;

	if (enter(w, &s) < 0 || pthread_create(&thread, NULL, read_status, NULL) != 0 ||
		pthread_join(thread, &no_new) != 0)
		return 1;
	if (s.seccomp && prctl(PR_GET_SECCOMP) != 2)
		return 2;
	return (intptr_t)no_new == 1 ? 0 : 3;
}

static void sandbox_enter__threads_inherit_no_new_privileges(void **state)
{
	assert_int_equal(in_sandbox(state, look_at_thread), 0);
}

#ifdef __x86_64__
#define X32_GETPID (0x40000000l | 39)

static int call_as_x32(const struct world *w)
{
	struct sandbox_state s;

	if (enter(w, &s) < 0)
		return 1;
	if (!s.seccomp) {
		print_message("not tested, as this kernel has no seccomp: another convention\n");
		raise(SIGSYS);
	}
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file */
	syscall(X32_GETPID);
	return 2;
}

static void sandbox_enter__another_convention_kills(void **state)
{
	int status = in_sandbox(state, call_as_x32);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

int main(void)
{
#define IN(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)
	const struct CMUnitTest tests[] = {
		IN(sandbox_enter__before_it_all_is_open),
		IN(sandbox_enter__what_serving_needs_works),
		IN(sandbox_enter__the_rest_is_refused),
		IN(sandbox_enter__threads_inherit_no_new_privileges),
#ifdef __x86_64__
		IN(sandbox_enter__another_convention_kills),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
