/*
 * What pin and pull share while they talk to the network: the engine with its options, the open
 * layouts, progress, and a stop on SIGINT or SIGTERM. One at a time in a process.
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
	const char *base; /* file whose folder relative paths of sources begin in */
	uint64_t jobs; /* transfers at once; 0: the default */
	const char *verb, *things; /* for progress: "pull", "images" */
	bool blobs; /* its bytes are those of blobs, of which the engine knows how many will come */
};

struct session {
	struct upstream *upstream;
	struct origins origins;
	struct progress progress;
	struct progress_state
		state; /* done, total and growing are the command's, bytes the engine's */
	uint64_t received; /* bytes of all bodies */
	uint64_t copied; /* bytes of blobs from layouts, that came without the engine */
	bool blobs;
};

MUST int session_begin(
	struct session *s, const struct tool *t, const struct session_options *o, struct err *e);
/* Everything that was asked for. -1 only when the loop could not go on; see upstream_run(). */
MUST int session_run(struct session *s, struct err *e);
void session_end(struct session *s); /* for AUTO; also of a zeroed one */

#endif
