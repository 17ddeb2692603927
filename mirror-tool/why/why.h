/*
 * Why a blob is here: the sets that hold it, by what chain of manifests from which reference, and which line of the
 * list wants that. Of a store or of a medium that was not imported; nothing is verified but digests. Writes nothing.
 */
#ifndef MOAT_WHY_H
#define MOAT_WHY_H

#include "mirror-tool/view/view.h"

#define WHY_USES_MAX 100000 /* of one question */
#define WHY_CHAIN_MAX 12 /* INDEX_DEPTH_MAX indexes, a manifest, a blob, and room */

/* What was asked for: a digest, several when a reference is another image in another set. */
struct why_targets {
	struct digest *items;
	size_t count;
};
void why_targets_release(struct why_targets *t); /* for AUTO */

/* Find what a word of the command line means: a digest; a file on disk, whose bytes are hashed with both algorithms;
 * else a reference, also one that was pushed. No target: it is none that is here. ERR_INPUT, ERR_ABSENT: a path that
 * begins with `/` or `.` and is no file. */
MUST int why_meant(struct view *view, const char *which, struct why_targets *out, struct err *e);

struct why_link {
	struct digest digest;
	const char *role; /* "pin", "child", "config", "layer", ...; static */
	char platform[PLATFORM_TEXT_SIZE]; /* "" when none is named */
};

/* A chain from what a set pins to the target. */
struct why_use {
	const struct view_set *set; /* borrowed */
	const struct set_entry *entry; /* borrowed; NULL: the set itself, or a signature of it */
	const char *
		kind; /* "image", "file", "attached", "list", "lock", "inventory", "set", "signature"; static */
	struct why_link chain[WHY_CHAIN_MAX]; /* the last is the target */
	size_t count;
	uint32_t line; /* of moat.yaml, that wants it; 0: none is known */
	char *wants; /* that line, without blanks around it; "" */
};

struct why {
	struct why_use *uses; /* by set, in its order */
	size_t count;
	bool *holds; /* by set of the view: its inventory has a target, or it is used there */
};
#define WHY_INIT                                                                                   \
	{                                                                                          \
		.count = 0                                                                         \
	}
void why_release(struct why *w); /* for AUTO */

/* Search every set of the view. A manifest that is not here hides what is below it; the inventory tells all the
 * same that the set holds it. ERR_INPUT: more than WHY_USES_MAX. */
MUST int why_find(
	struct view *view, const struct why_targets *targets, struct why *out, struct err *e);

/* Name the line of the set's list for each use of it, from the first one on. A list that cannot be read names none. */
MUST int why_name_lines(
	struct view *view, const struct view_set *s, struct why *w, size_t first, struct err *e);

#endif
