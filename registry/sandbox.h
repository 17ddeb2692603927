/*
 * What moatd gives up before it serves: new privileges, files that are none of its business
 * (Landlock), and system calls that a server of files never needs (seccomp). To be entered when
 * sockets are bound and the files of the configuration are open, before the first thread: threads
 * inherit it, and nothing takes it back.
 *
 * A kernel without one of the two is told in the state, not refused: the unit file confines too.
 */
#ifndef MOAT_SANDBOX_H
#define MOAT_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/err.h"

struct sandbox_paths {
	const char *const *read; /* files or directories; NULL entries are passed over */
	size_t read_count;
	const char *const *write; /* directories, made and emptied as needed */
	size_t write_count;
};

struct sandbox_state {
	int landlock; /* its ABI, 0: the kernel has none */
	bool seccomp;
};

/* False in a build with sanitizers, which could not work inside: then entering does nothing. */
bool sandbox_possible(void);

/* A path that is not there is passed over: nothing can be opened in it. ERR_IO otherwise. */
MUST int sandbox_enter(
	const struct sandbox_paths *paths, struct sandbox_state *state, struct err *e);

#endif
