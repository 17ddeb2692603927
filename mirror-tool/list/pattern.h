/*
 * Which tags of a repository are wanted: a glob or a range of semantic versions.
 *
 *	release-*  v1.3[12].*  20??-*		glob: `*` any run, `?` one byte, `[a-c]` `[!a-c]` a set
 *	>=1.31.0 <1.33.0			every comparator must hold (a space or comma)
 *	^1.2 || ~2.0.3				one of the alternatives must hold
 *
 * Comparators: = != > >= < <= ^ ~, each before a version with an optional "v"; what is left out of
 * a version stands for all of it (`<=1.31` includes 1.31.9, `>1.31` begins at 1.32.0). `^1.2.3` is
 * up to the next left-most number that is not zero, `~1.2.3` up to the next minor version.
 *
 * A range matches complete versions only (`1.31.4`, `v1.31.4`): tags like `1.31` or `1` are moving
 * names of those. Pre-releases (`1.31.0-rc.1`, and so `1.27.3-alpine`) match only when a comparator
 * of the same alternative names one (`>=1.31.0-0`). Build metadata orders nothing (semver.org, item 10); in
 * a tag it begins with `_`, as helm writes the plus: `1.2.4_up1.0` is 1.2.4+up1.0.
 *
 * Pure, bounded: matching takes O(pattern x tag) at worst.
 */
#ifndef MOAT_PATTERN_H
#define MOAT_PATTERN_H

#include "mirror-tool/list/semver.h"
#include "storage/base/err.h"

#define PATTERN_TEXT_MAX VERSION_TEXT_MAX
#define PATTERN_TERMS_MAX 32

enum pattern_kind { PATTERN_GLOB, PATTERN_RANGE };

enum pattern_op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };

struct pattern_term {
	enum pattern_op op;
	unsigned alternative; /* terms of one alternative must all hold */
	bool allows_pre; /* the user wrote a pre-release here */
	struct version version;
};

struct pattern {
	enum pattern_kind kind;
	char text[PATTERN_TEXT_MAX + 1]; /* as written */
	struct pattern_term *terms; /* PATTERN_RANGE */
	size_t count;
};
#define PATTERN_INIT                                                                               \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* Is the text a tag as it is, without any sign of a glob or range? */
bool pattern_is_plain(struct span text);

/* Parse a glob or range. ERR_INPUT says what is wrong with it. *p is overwritten; on failure it
 * owns nothing. */
MUST int pattern_parse(struct pattern *p, struct span text, struct err *e);
void pattern_release(struct pattern *p); /* leaves it empty */

/* Does the tag, or the name of a set or repository, match? */
bool pattern_match(const struct pattern *p, const char *tag);

#endif
