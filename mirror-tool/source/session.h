/*
 * The network part that pin and pull share: the engine with its options, open layouts, progress,
 * and a stop on SIGINT or SIGTERM. One at a time in a process: signals set a flag of the process.
 */
#ifndef MOAT_SESSION_H
#define MOAT_SESSION_H

#include "mirror-tool/source/origin.h"
#include "mirror-tool/progress.h"
#include "mirror-tool/list/registry_conf.h"

struct session_options {
	const char *authfile; /* or NULL */
	const struct texts *certs_dirs;
	const struct registry_confs *registries;
	const char *base; /* a file: relative paths of sources begin in its folder */
	uint64_t jobs; /* transfers at once; 0: the default */
	const char *verb, *things; /* for progress: "pull", "images" */
	bool blobs; /* progress counts bytes of blobs, whose total the engine knows */
};

struct session {
	struct upstream *upstream;
	struct origins origins;
	struct progress progress;
	struct progress_state
		state; /* done, total, growing: set by the command; bytes: by the engine */
	uint64_t received; /* bytes of all bodies */
	uint64_t copied; /* bytes of blobs from layouts */
	bool blobs;
};

/* Catch signals, start progress, make the engine. Options are copied or borrowed for the session
 * (verb, things, registries). Errors: as upstream_new(). */
MUST int session_begin(
	struct session *s, const struct tool *t, const struct session_options *o, struct err *e);
/* Run until every request has its answer. -1 only when the loop could not go on, or on a signal
 * (ERR_IO); see upstream_run(). */
MUST int session_run(struct session *s, struct err *e);
void session_end(struct session *s); /* for AUTO; also of a zeroed one */

#endif
