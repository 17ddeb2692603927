/*
 * Semantic versions (semver.org 2.0.0), with an optional "v" in front. Build metadata orders nothing (item 10).
 * Pure.
 */
#ifndef MOAT_SEMVER_H
#define MOAT_SEMVER_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"

#define VERSION_TEXT_MAX 255

struct version {
	uint64_t number[3]; /* major, minor, patch */
	char pre[VERSION_TEXT_MAX + 1]; /* "rc.1"; "" when none */
};

/* Read a version, in which the last numbers may be left out. Returns how many there are (1 to 3;
 * the others are 0), or 0 when it is no version. */
unsigned version_parts(struct version *v, const char *text);
/* Read a complete version. False when it is none. */
bool version_parse(struct version *v, const char *text);

int version_cmp(const struct version *a, const struct version *b); /* item 11; as strcmp() */

#endif
