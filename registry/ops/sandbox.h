/*
 * What moatd gives up before it serves: new privileges, files that are none of its business
 * (Landlock), and system calls that a server of files never needs (seccomp). Threads inherit it,
 * and nothing takes it back.
 *
 * To be entered when sockets are bound, the files of the configuration are open and libraries have
 * read what they read once, and before the first thread.
 *
 * Afterwards the process can neither start a program nor another process, neither open an internet
 * socket nor connect, bind or listen, map memory that can be executed, signal other processes, or
 * open files other than those below; all of that fails with EACCES or EPERM (clone3 with ENOSYS, so
 * that the C library makes threads by clone, whose flags a filter can see). What is open stays
 * open. Calls in another architecture's convention kill the process.
 *
 * A kernel without one of the two is told in the state, not refused: the unit file confines too.
 */
#ifndef MOAT_SANDBOX_H
#define MOAT_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/err.h"

/* Borrowed. NULL entries are passed over, and so is a path that is not there: nothing can be opened
 * in it later either. */
struct sandbox_paths {
	const char *const *read; /* files or directories with all below */
	size_t read_count;
	const char *const *write; /* directories: files are made, moved and removed in them */
	size_t write_count;
	/* Files that others replace by rename, read again then: so the folder that each is in, and
	 * where a symbolic link leads, that one's folder too. */
	const char *const *replaced;
	size_t replaced_count;
	/* Log files: in their folders, files can be made and written, but neither read nor removed
	 * nor cut short (from ABI 3 on). */
	const char *const *logs;
	size_t log_count;
};

struct sandbox_state {
	int landlock; /* ABI in force; 0: the kernel has none, or only 1, which forbids all moves */
	bool seccomp;
};

/* False in a build with sanitizers, which could not work inside: then entering does nothing. */
bool sandbox_possible(void);

/* ERR_IO when the kernel has it and it fails all the same: then do not serve. */
MUST int sandbox_enter(
	const struct sandbox_paths *paths, struct sandbox_state *state, struct err *e);

#endif
