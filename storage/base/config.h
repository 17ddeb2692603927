/*
 * Configuration from one table: the parser of the YAML file, the flags, `--help-config` and the
 * file in conf/ all come from it. A key that is unknown, given twice or of the wrong type, and a
 * value out of range, refuse the start with file and line. Flags win over the file, the file over
 * the default.
 */
#ifndef MOAT_CONFIG_H
#define MOAT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

enum config_type {
	CONFIG_STRING, /* char *; owned by the config struct */
	CONFIG_INT, /* int64_t, within min..max */
	CONFIG_BOOL, /* bool; on/off, yes/no and true/false are accepted */
	CONFIG_STRINGS /* struct config_strings; a list, or the flag repeated */
};

struct config_strings {
	char **items;
	size_t count;
	bool given; /* not the default */
};

struct config_key {
	const char *key; /* `access-log` in the file, `--access-log` as a flag */
	enum config_type type;
	size_t offset; /* of the field in the program's struct */
	const char *initial; /* text of the default; NULL: empty */
	int64_t min, max; /* CONFIG_INT */
	const char *unit; /* "bytes", "seconds", ... or "" */
	const char *help; /* one sentence */
};

/* Fill every field with its default. */
void config_init(const struct config_key table[], size_t count, void *config);
void config_release(const struct config_key table[], size_t count, void *config);

/* Read a YAML file over what is there. */
MUST int config_read(const struct config_key table[], size_t count, void *config, const char *path,
	struct err *e);

/* Set one key from text, as from a flag; `where` is for messages. The first use of a
 * CONFIG_STRINGS flag replaces what the file said, later ones add (keep `seen` per key). */
MUST int config_set(const struct config_key *key, void *config, const char *value, bool append,
	const char *where, struct err *e);

const struct config_key *config_find(
	const struct config_key table[], size_t count, const char *key);

/* The commented YAML of every key with its default: what `--help-config` prints. */
void config_describe(const struct config_key table[], size_t count, struct buf *out);

#endif
