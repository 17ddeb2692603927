/*
 * Settings of a program, by a table: its command line, its YAML file, their help and their error messages. A list
 * makes the struct and the table, so a field and its row cannot disagree:
 *
 *	#define PULL_OPTIONS(OPTION, S)                                                       \
 *		OPTION(S, PATH, lock, "lock", "FILE", "moat.lock", "what to pull")            \
 *		OPTION(S, COUNT, jobs, "jobs", "N", "32", "transfers at once", .max = 256)    \
 *		OPTION(S, FLAG, check, "check", NULL, NULL, "read all bytes")
 *	struct pull_options {
 *		PULL_OPTIONS(SETTING_FIELD, pull_options)
 *	};
 *	static const struct setting options[] = { PULL_OPTIONS(SETTING_ROW, pull_options) };
 *
 * A value that is not understood or out of its limits is ERR_INPUT and never a default; so is an unknown name, for
 * which the nearest is suggested, and one that is given twice. Texts are copied into the struct; settings_release()
 * frees them. Nothing here knows a program. One thread at a time.
 */
#ifndef MOAT_SETTINGS_H
#define MOAT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

/* Texts, each owned. Ends by texts_release(). */
struct texts {
	const char **items;
	size_t count;
	bool given; /* not the default of a setting */
};
void texts_add(struct texts *t, const char *text); /* copies it */
void texts_release(struct texts *t); /* for AUTO */

enum setting_type {
	SETTING_FLAG, /* bool; no value on a command line */
	SETTING_BOOL, /* bool; on/off, yes/no, true/false; on a command line on when no value follows */
	SETTING_TEXT, /* const char *, NULL without a default */
	SETTING_PATH, /* the same, and not empty */
	SETTING_WORD, /* the same, and one of .words */
	SETTING_TEXTS, /* struct texts; a list, or the option repeated */
	SETTING_COUNT, /* uint64_t */
	SETTING_SIZE, /* uint64_t bytes: 512, 64K, 700MB, 4GiB (K and KiB are 1024, KB is 1000) */
	SETTING_DURATION /* uint64_t seconds: 90, 90s, 15m, 12h, 30d */
};

struct setting {
	const char *
		name; /* without dashes in front: `access-log` in a file, `--access-log` as an option */
	enum setting_type type;
	size_t offset; /* of the field */
	const char *value; /* what help calls the value: "FILE"; NULL: not said */
	const char *initial; /* text of the default; NULL: nothing, 0, off */
	const char *help; /* one sentence, or one line */
	uint64_t min, max; /* of COUNT, SIZE and DURATION; max 0: no limit but INT64_MAX */
	const char *unit; /* what COUNT and SIZE count, for people; NULL: nothing, and bytes */
	const char *const *words; /* of WORD, ended by NULL */
};

#define SETTING_TYPE_FLAG bool
#define SETTING_TYPE_BOOL bool
#define SETTING_TYPE_TEXT const char *
#define SETTING_TYPE_PATH const char *
#define SETTING_TYPE_WORD const char *
#define SETTING_TYPE_TEXTS struct texts
#define SETTING_TYPE_COUNT uint64_t
#define SETTING_TYPE_SIZE uint64_t
#define SETTING_TYPE_DURATION uint64_t

/* Of a list: (struct, type, field, name, value, default, help, further members of the row). */
#define SETTING_FIELD(S, type_, field_, ...) SETTING_TYPE_##type_ field_;
#define SETTING_ROW(S, type_, field_, name_, value_, initial_, help_, ...)                         \
	{ .name = (name_),                                                                         \
		.type = SETTING_##type_,                                                           \
		.offset = offsetof(struct S, field_),                                              \
		.value = (value_),                                                                 \
		.initial = (initial_),                                                             \
		.help = help_,                                                                     \
		##__VA_ARGS__ },
#define SETTING_WORDS(...)                                                                         \
	.words = (const char *const[])                                                             \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/* A table, and the struct that it describes. */
struct settings {
	const struct setting *table;
	size_t count;
	void *values;
};

void settings_init(const struct settings *s); /* the defaults; what was there is forgotten */
void settings_release(const struct settings *s); /* what the values own; they are zeroed */

/* Read one value into its field. of: its row. replace: a list loses what it had. The message names neither file nor
 * setting. */
MUST int setting_read(const struct settings *s, const struct setting *of, const char *text,
	bool replace, struct err *e);

/* The row of a name of len bytes, or NULL. */
const struct setting *setting_find(const struct settings *s, const char *name, size_t len);

/*
 * Read a command line: `--name value` and `--name=value` into the set that has the name, the rest into *args in
 * order. "--" ends the options, "-" is an argument, -h is --help. A value that begins with "--" needs the "=".
 * The first use of a list replaces what it had.
 */
MUST int settings_read_line(const struct settings sets[], size_t set_count, int argc,
	const char *const *argv, struct texts *args, struct err *e);

/* Read a YAML file of "name: value" lines over what is there. ERR_ABSENT; ERR_INPUT names file, line and name. */
MUST int settings_read_file(const struct settings *s, const char *path, struct err *e);

/* Append the file that changes nothing: each setting with help, type, limits and default, in comments. */
void settings_describe(const struct setting table[], size_t count, struct buf *out);

/* As nearest_name(), of the names of a table. */
const char *setting_nearest(const struct settings *s, const char *word);

#endif
