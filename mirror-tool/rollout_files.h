/* A plan as files: a manifest for each step that has one, and a script of kubectl commands. */
#ifndef MOAT_ROLLOUT_FILES_H
#define MOAT_ROLLOUT_FILES_H

#include "mirror-tool/policy/rollout.h"

/* "NetworkPolicy prod/web" */
void rollout_name(const struct k8s_object *o, struct buf *out);

/*
 * Write 01-create-NS-NAME.yaml and so on (JSON, which is YAML, without what a server adds), then apply.sh.
 * The folder is made; it must be empty.
 *
 * Fails: ERR_INPUT: it is not empty; ERR_IO and its like.
 */
MUST int rollout_write(const struct rollout *p, const struct rollout_step *steps,
	const char *folder, struct err *e);

#endif
