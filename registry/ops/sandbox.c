/*
 * Landlock and seccomp. Headers of Debian 12 end at Landlock's second version, so its numbers are
 * written here, and what the kernel does not know is not asked of it. Must never be weaker than the
 * kernel allows, and never deny what a library would not survive: a denial is an errno.
 *
 * Of system calls, those are listed that are denied. A list of what is allowed would be shorter to
 * justify, but libraries start to use new calls with any update, and a server that stops then is no
 * safer; moatd.service has such a list on top, of the distribution that keeps it up to date.
 */
#include "registry/ops/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "storage/base/buf.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

/* --- Landlock (linux/landlock.h) ------------------------------------------------------------- */

#define LANDLOCK_ASK_VERSION 1u
#define LANDLOCK_PATH_BENEATH 1
#define LANDLOCK_LEAST 2 /* with 1, no file can be moved to another directory, whatever the rules */

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_REFER (1ull << 13) /* move and link between directories; ABI 2 */
#define FS_TRUNCATE (1ull << 14) /* ABI 3 */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5 */

#define NET_BIND_AND_CONNECT 3ull /* TCP; ABI 4 */
#define SCOPE_ABSTRACT_UNIX (1ull << 0) /* sockets without a path, of others; ABI 6 */
#define SCOPE_SIGNAL (1ull << 1) /* to other processes; ABI 6 */

#define READ_RIGHTS (FS_READ_FILE | FS_READ_DIR)
#define WRITE_RIGHTS                                                                               \
	(READ_RIGHTS | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |              \
		FS_MAKE_REG | FS_REFER | FS_TRUNCATE)
#define LOG_RIGHTS (FS_WRITE_FILE | FS_MAKE_REG)
#define FILE_RIGHTS (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE) /* that a file can have */

/* What is denied unless a rule allows it. Older kernels take a shorter one. */
struct ruleset {
	uint64_t fs, net, scoped;
};

struct rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

struct landlock {
	int fd;
	uint64_t fs; /* rights that this kernel knows */
};

static int landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_ASK_VERSION);
}

static uint64_t known_rights(int abi)
{
	uint64_t all = (FS_REFER - 1) | FS_REFER;

	if (abi >= 3)
		all |= FS_TRUNCATE;
	if (abi >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

/* A service manager in a container may listen for readiness on a socket without a path. */
static uint64_t scopes(void)
{
	const char *notify = getenv("NOTIFY_SOCKET");

	return notify && *notify == '@' ? SCOPE_SIGNAL : SCOPE_SIGNAL | SCOPE_ABSTRACT_UNIX;
}

static int create_ruleset(int abi, struct landlock *l, struct err *e)
{
	struct ruleset set = { .fs = known_rights(abi) };
	size_t size = offsetof(struct ruleset, net);

	if (abi >= 4) {
		set.net = NET_BIND_AND_CONNECT;
		size = offsetof(struct ruleset, scoped);
	}
	if (abi >= 6) {
		set.scoped = scopes();
		size = sizeof(set);
	}
	l->fs = set.fs;
	l->fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0u);
	return l->fd < 0 ? err_sys(e, "sandbox: Landlock") : 0;
}

static int allow(const struct landlock *l, const char *path, uint64_t rights, struct err *e)
{
	AUTO(fd_close) int fd = open(path, O_PATH | O_CLOEXEC);
	struct rule rule = { .allowed = rights & l->fs, .parent = fd };
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "sandbox: %s", path);
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= FILE_RIGHTS;
	if (syscall(SYS_landlock_add_rule, l->fd, LANDLOCK_PATH_BENEATH, &rule, 0u) < 0)
		return err_sys(e, "sandbox: %s", path);
	return 0;
}

static int allow_folder(const struct landlock *l, const char *file, uint64_t rights, struct err *e)
{
	const char *slash = strrchr(file, '/');
	AUTO(mem_free)
	char *folder = slash ? mem_strndup(file, slash == file ? 1 : (size_t)(slash - file))
			     : mem_strdup(".");

	return allow(l, folder, rights, e);
}

static int allow_folders(const struct landlock *l, const char *const *files, size_t count,
	uint64_t rights, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(mem_free) char *target = files[i] ? realpath(files[i], NULL) : NULL;

		if (files[i] && allow_folder(l, files[i], rights, e) < 0)
			return -1;
		if (target && allow_folder(l, target, rights, e) < 0)
			return -1;
	}
	return 0;
}

static int allow_each(const struct landlock *l, const char *const *paths, size_t count,
	uint64_t rights, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (paths[i] && allow(l, paths[i], rights, e) < 0)
			return -1;
	return 0;
}

static int confine_files(const struct sandbox_paths *p, int *abi, struct err *e)
{
	int version = landlock_version();
	struct landlock l = { .fd = -1 };
	AUTO(fd_close) int fd = -1;

	if (version < LANDLOCK_LEAST)
		return 0;
	if (create_ruleset(version, &l, e) < 0)
		return -1;
	fd = l.fd;
	if (allow_each(&l, p->read, p->read_count, READ_RIGHTS, e) < 0 ||
		allow_each(&l, p->write, p->write_count, WRITE_RIGHTS, e) < 0 ||
		allow_folders(&l, p->replaced, p->replaced_count, READ_RIGHTS, e) < 0 ||
		allow_folders(&l, p->logs, p->log_count, LOG_RIGHTS, e) < 0)
		return -1;
	if (syscall(SYS_landlock_restrict_self, fd, 0u) < 0)
		return err_sys(e, "sandbox: Landlock");
	*abi = version;
	return 0;
}

/* --- seccomp --------------------------------------------------------------------------------- */

/*
 * By name, as architectures differ in which they have. What may seem to be missing: chown, as
 * SQLite run by root gives its files to the database's owner; sendto, by which readiness is told;
 * setsockopt and accept4, of course; landlock and seccomp, which only take away.
 */
static const char *const denied[] = {
	/* other programs and other processes */
	"execve", "execveat", "fork", "vfork", "uselib", "ptrace", "process_vm_readv",
	"process_vm_writev", "process_madvise", "process_mrelease", "kcmp", "pidfd_open",
	"pidfd_getfd", "pidfd_send_signal", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
	/* peers: listeners are bound, and nothing connects out */
	"connect", "bind", "listen",
	/* our identity */
	"setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid",
	"setregid32", "setresuid", "setresuid32", "setresgid", "setresgid32", "setgroups",
	"setgroups32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32", "capset", "personality",
	/* what is where: mounts, namespaces, files by other means than their path */
	"mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
	"fsmount", "fsconfig", "fspick", "mount_setattr", "setns", "unshare", "name_to_handle_at",
	"open_by_handle_at", "mknod", "mknodat", "fanotify_init", "quotactl", "quotactl_fd",
	/* large doors into the kernel */
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
	"io_uring_register", "add_key", "request_key", "keyctl", "memfd_secret", "vmsplice",
	"move_pages", "migrate_pages", "mbind", "set_mempolicy", "remap_file_pages", "modify_ldt",
	"lookup_dcookie", "shmget", "shmat", "semget", "msgget", "mq_open",
	/* the machine */
	"reboot", "kexec_load", "kexec_file_load", "create_module", "init_module", "finit_module",
	"delete_module", "swapon", "swapoff", "acct", "syslog", "sethostname", "setdomainname",
	"settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64",
	"adjtimex", "stime", "iopl", "ioperm", "vhangup", "nfsservctl", "_sysctl"
};

#ifdef __s390x__
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif
#define LOW 0xffffffffu /* the kernel reads an int: what is above must not hide it */

/* Denied if an argument is so. own: datum_a is to be this process. */
static const struct {
	const char *name;
	struct scmp_arg_cmp when;
	bool own;
} denied_if[] = {
	{ "clone", { CLONE_FLAGS_ARG, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0 }, false },
	{ "socket", { 0, SCMP_CMP_NE, AF_UNIX, 0 }, false },
	{ "mmap", { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC }, false },
	{ "mmap2", { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC }, false },
	{ "mprotect", { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC }, false },
	{ "pkey_mprotect", { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC }, false },
	{ "ioctl", { 1, SCMP_CMP_MASKED_EQ, LOW, TIOCSTI }, false }, /* types on a terminal */
	{ "prlimit64", { 0, SCMP_CMP_NE, 0, 0 }, false }, /* of other processes */
	{ "tgkill", { 0, SCMP_CMP_NE, 0, 0 }, true } /* abort() signals its own */
};

static void filter_free(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

/* Deny a call by name. One that the library does not know belongs to a later kernel than its own: nothing to
 * deny. */
static int deny(
	scmp_filter_ctx filter, const char *name, int error, const struct scmp_arg_cmp *when)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(
		filter, SCMP_ACT_ERRNO((unsigned)error), number, when ? 1 : 0, when);
}

static int add_denials(scmp_filter_ctx filter)
{
	int rc = deny(filter, "clone3", ENOSYS, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(denied) && rc == 0; i++)
		rc = deny(filter, denied[i], EPERM, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(denied_if) && rc == 0; i++) {
		struct scmp_arg_cmp when = denied_if[i].when;

		if (denied_if[i].own)
			when.datum_a = (scmp_datum_t)getpid();
		rc = deny(filter, denied_if[i].name, EPERM, &when);
	}
	return rc;
}

/* Load the filter. A denial is the kernel's own errno; the filter is sorted for a search instead of a hundred
 * comparisons a call. */
static int set_up(scmp_filter_ctx filter)
{
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return rc;
}

static int confine_calls(bool *on, struct err *e)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	AUTO(filter_free) scmp_filter_ctx filter = NULL;
	int rc;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0u, &action) < 0)
		return 0;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	rc = filter ? set_up(filter) : -ENOMEM;
	if (rc == 0)
		rc = add_denials(filter);
	if (rc == 0)
		rc = seccomp_load(filter);
	*on = rc == 0;
	if (rc == 0)
		return 0;
	errno = -rc;
	return err_sys(e, "sandbox: seccomp");
}

/* --- both ------------------------------------------------------------------------------------ */

/* Sanitizers read /proc, map what they like, and trace their own process when it ends. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

bool sandbox_possible(void)
{
	return !SANITIZED;
}

int sandbox_enter(const struct sandbox_paths *paths, struct sandbox_state *state, struct err *e)
{
	*state = (struct sandbox_state){ .landlock = 0 };
	if (!sandbox_possible())
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "sandbox: no_new_privs");
	if (confine_files(paths, &state->landlock, e) < 0)
		return -1;
	return confine_calls(&state->seccomp, e);
}
