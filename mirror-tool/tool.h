/*
 * What every command of `moat` shares: its entry in the command table, its options, how it speaks.
 *
 * A command is one file, cmd_VERB.c, that defines a `struct command` and nothing else that is
 * visible. The options of a command are a table over a struct of its own, as in config.h: the
 * parser, the help text and the completion come from it. A command writes results to t->out and
 * everything else to stderr by tool_note(); it returns errors and never exits.
 */
#ifndef MOAT_TOOL_H
#define MOAT_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "storage/base/settings.h"

/* Exit status by class; scripts depend on these. */
enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2, /* the command line */
	EXIT_VERIFY = 3, /* a signature, digest or structure did not hold */
	EXIT_INCOMPLETE = 4, /* something that must be held is missing */
	EXIT_NETWORK = 5,
	EXIT_STORE = 6, /* busy or full */
	EXIT_REFUSED = 7, /* by a server, or by the rights of this process */
	EXIT_LIMIT = 8, /* of this machine: open files, memory */
	EXIT_NO = 10 /* the answer is no: drift found, sets differ */
};

#define STORE_DEFAULT "/var/lib/moat"

struct tool {
	const char *verb; /* of the command that runs */
	const char *store; /* --store, else $MOAT_STORE, else STORE_DEFAULT */
	bool store_given; /* by flag */
	bool json, quiet;
	FILE *out; /* results */
};

/* What run() returns besides 0 and -1: the command line was wrong. */
#define TOOL_USAGE (-2)

struct command {
	const char *name; /* "seal", or two words: "key new" */
	const char *args; /* behind the name in the usage line */
	const char *summary; /* one line */
	const char *about; /* further sentences for `moat help VERB`, or NULL */
	const struct setting *options;
	size_t option_count;
	size_t options_size; /* of the struct that the table describes */
	/* Returns 0, -1 with e (its code decides the exit status), or tool_usage(). */
	int (*run)(struct tool *t, const void *options, const struct texts *args, struct err *e);
};

/* Each is defined in the cmd_*.c of its name and listed in main.c. */
extern const struct command cmd_pin, cmd_pull;
extern const struct command cmd_export, cmd_verify, cmd_import;
extern const struct command cmd_key_new, cmd_key_show;
extern const struct command cmd_seal, cmd_list, cmd_show, cmd_node_config;
extern const struct command cmd_user_add, cmd_user_remove;

/* Run a command line over a table. Returns the exit status. `out` gets results. */
int tool_main(const struct command *const commands[], size_t count, int argc,
	const char *const *argv, FILE *out);

/* For run(): the command line cannot be meant like this. Returns TOOL_USAGE. */
int tool_usage(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
#ifdef __clang_analyzer__ /* as in storage/base/err.h */
#define tool_usage(...) ((void)tool_usage(__VA_ARGS__), TOOL_USAGE)
#endif

/* A line for people on stderr, "moat: TEXT", nothing with --quiet. It stays one line whatever the text
 * holds (storage/base/printable.h). */
void tool_note(const struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same, also with --quiet: what a person must not miss. */
void tool_say(const char *fmt, ...) PRINTF_LIKE(1, 2);
void tool_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);

int tool_exit_status(enum err_code code);

/*
 * For verbs that write: open t->store, which is made when it is not there. ERR_INPUT for root in a
 * folder of somebody else: root's files in it would lock its owner, as whom moatd runs, out.
 */
struct store;
/* For reading; a warning when its database is an old copy. */
MUST int tool_store_read(const struct tool *t, struct store **s, struct err *e);
MUST int tool_store_write(const struct tool *t, struct store **s, struct err *e);

/* For verbs that judge sets: trust_load(), and a warning for each of several keys that may sign every
 * set. tool_trust.c */
struct trust;
MUST int tool_trust_load(struct trust *t, const struct texts *keys, struct err *e);

/* Print "moat: failed: ITEM: TEXT" for each failure, sorted, and make one error of them: their code when they
 * share an exit status, else ERR_INCOMPLETE. of: how many `things` ("images") there are in all. 0 when there is
 * none. tool_failures.c */
struct failures;
MUST int tool_failures(struct failures *f, size_t of, const char *things, struct err *e);

/* How a verb takes what the store holds (store_write.h): `check` reads all its bytes. Each file that goes
 * to quarantine is told. */
void tool_store_care(const struct tool *t, struct store *s, bool check);

/* --- words.c --------------------------------------------------------------------------------- */

#define SIZE_TEXT_SIZE 24
#define EXCUSES_TEXT_SIZE 40
/* ", 3 excuses", or "" for none; returns its buffer. */
const char *excuses_text(uint64_t count, char text[EXCUSES_TEXT_SIZE]);
/* "175.3 MiB"; returns its buffer. */
const char *size_text(uint64_t bytes, char text[SIZE_TEXT_SIZE]);

#endif
