/*
 * Landlock and seccomp. Headers of Debian 12 end at Landlock's second version, so its numbers are
 * written here, and what the kernel does not know is not asked of it. Must never be weaker than the
 * kernel allows.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "registry/sandbox.h"
#include "storage/base/buf.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

/* --- Landlock (linux/landlock.h) ------------------------------------------------------------- */

#define SYS_LANDLOCK_CREATE 444
#define SYS_LANDLOCK_ADD 445
#define SYS_LANDLOCK_RESTRICT 446
#define LANDLOCK_VERSION_FLAG 1u
#define LANDLOCK_PATH_BENEATH 1

enum fs_right {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13, /* ABI 2 */
	FS_TRUNCATE = 1 << 14, /* ABI 3 */
	FS_IOCTL_DEV = 1 << 15 /* ABI 5 */
};

#define READ_RIGHTS ((uint64_t)(FS_READ_FILE | FS_READ_DIR))
#define WRITE_RIGHTS                                                                               \
	(READ_RIGHTS | (uint64_t)(FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |   \
				  FS_MAKE_REG | FS_REFER | FS_TRUNCATE))
#define FILE_RIGHTS ((uint64_t)(FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE))

struct ruleset {
	uint64_t fs, net; /* what is denied unless a rule allows it */
};

struct rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

static uint64_t known_rights(int abi)
{
	uint64_t all = (uint64_t)FS_REFER - 1;

	if (abi >= 2)
		all |= FS_REFER;
	if (abi >= 3)
		all |= FS_TRUNCATE;
	if (abi >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

static int allow(int rules, const char *path, uint64_t rights, struct err *e)
{
	AUTO(fd_close) int fd = open(path, O_PATH | O_CLOEXEC);
	struct rule rule = { .allowed = rights, .parent = fd };
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "sandbox: %s", path);
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= FILE_RIGHTS;
	if (syscall(SYS_LANDLOCK_ADD, rules, LANDLOCK_PATH_BENEATH, &rule, 0) < 0)
		return err_sys(e, "sandbox: %s", path);
	return 0;
}

static int allow_all(
	int rules, const char *const *paths, size_t count, uint64_t rights, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (paths[i] && allow(rules, paths[i], rights, e) < 0)
			return -1;
	return 0;
}

static int landlock(const struct sandbox_paths *p, int *abi, struct err *e)
{
	int version = (int)syscall(SYS_LANDLOCK_CREATE, NULL, (size_t)0, LANDLOCK_VERSION_FLAG);
	struct ruleset set = { .fs = 0 };
	AUTO(fd_close) int rules = -1;

	*abi = 0;
	if (version < 0)
		return 0;
	set.fs = known_rights(version);
	set.net = version >= 4 ? 3 : 0; /* neither bind nor connect by TCP */
	rules = (int)syscall(
		SYS_LANDLOCK_CREATE, &set, version >= 4 ? sizeof(set) : sizeof(set.fs), 0);
	if (rules < 0)
		return err_sys(e, "sandbox: Landlock");
	if (allow_all(rules, p->read, p->read_count, READ_RIGHTS & set.fs, e) < 0 ||
		allow_all(rules, p->write, p->write_count, WRITE_RIGHTS & set.fs, e) < 0)
		return -1;
	if (syscall(SYS_LANDLOCK_RESTRICT, rules, 0) < 0)
		return err_sys(e, "sandbox: Landlock");
	*abi = version;
	return 0;
}

/* --- seccomp --------------------------------------------------------------------------------- */

/* What a server of files has no use for, by name: other programs, other processes, the kernel's
 * keys, mounts, modules and clocks, and doors that open many things at once. Denied with EPERM, as
 * libraries try some of them and go on without. */
static const char *const denied[] = { "execve", "execveat", "ptrace", "process_vm_readv",
	"process_vm_writev", "kcmp", "pidfd_getfd", "mount", "umount2", "pivot_root", "chroot",
	"move_mount", "open_tree", "fsopen", "fsmount", "fsconfig", "fspick", "mount_setattr",
	"setns", "unshare", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup",
	"io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "kexec_load",
	"kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon",
	"swapoff", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "stime", "acct",
	"quotactl", "quotactl_fd", "syslog", "sethostname", "setdomainname", "personality",
	"open_by_handle_at", "name_to_handle_at", "iopl", "ioperm", "modify_ldt", "lookup_dcookie",
	"vhangup", "nfsservctl", "fanotify_init", "connect", "socketpair", "setuid", "setgid",
	"setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid",
	"capset", "mknod", "mknodat", "chown", "fchown", "lchown", "fchownat", "memfd_secret",
	"move_pages", "migrate_pages", "mbind", "set_mempolicy", "tkill", "vfork", "fork" };

static void filter_free(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int seccomp(bool *on, struct err *e)
{
	AUTO(filter_free) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(denied) && rc == 0; i++) {
		int number = seccomp_syscall_resolve_name(denied[i]);

		if (number == __NR_SCMP_ERROR || number < 0)
			continue; /* not on this architecture */
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
	}
	if (rc == 0)
		rc = seccomp_load(filter);
	*on = rc == 0;
	if (rc == 0 || rc == -EINVAL || rc == -ENOSYS)
		return 0;
	errno = -rc;
	return err_sys(e, "sandbox: seccomp");
}

/* Sanitizers read /proc, and trace their own process when it ends. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
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
	if (landlock(paths, &state->landlock, e) < 0)
		return -1;
	return seccomp(&state->seccomp, e);
}
