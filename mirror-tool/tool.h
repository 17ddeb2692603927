/*
 * What the commands of `moat` share: the command table, how a command speaks, and how it opens the store.
 *
 * A command is one file, cmd_VERB.c, that defines a `struct command` and nothing else that is visible; HACKING.md, "A
 * command", has its shape. It says its result through report.h and everything else through tool_note() and its
 * relatives, returns errors and never exits. One thread, but for tool_say() and tool_warn(), which any may call.
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

/* The command that runs, and what the options of all commands say. Texts are valid while it runs. */
struct tool {
	const char *verb; /* its name */
	const char *store; /* --store, else $MOAT_STORE, else STORE_DEFAULT */
	bool store_given; /* by flag */
	bool json, quiet;
	FILE *out; /* results; report.h writes there */
};

/* What run() returns besides 0 and -1: the command line was wrong. */
#define TOOL_USAGE (-2)

struct command {
	const char *name; /* "seal", or two words: "key new" */
	const char *args; /* behind the name in the usage line */
	const char *summary; /* one line */
	const char *about; /* further sentences for `moat help VERB`, or NULL */
	const struct setting *options; /* storage/base/settings.h */
	size_t option_count;
	size_t options_size; /* of the struct that the table describes */
	/* given: that struct, filled. args: the other words, without the command's name. Both are the caller's. Returns
	 * 0, -1 with e (its code decides the exit status), or tool_usage(). */
	int (*run)(struct tool *t, const void *given, const struct texts *args, struct err *e);
};

/* Each is defined in the cmd_*.c of its name and listed in main.c. */
extern const struct command cmd_pin, cmd_pull;
extern const struct command cmd_export, cmd_verify, cmd_import, cmd_need, cmd_receipt;
extern const struct command cmd_gc;
extern const struct command cmd_key_new, cmd_key_show;
extern const struct command cmd_activate, cmd_rollback, cmd_deactivate, cmd_remove;
extern const struct command cmd_seal, cmd_list, cmd_diff, cmd_show, cmd_node_config;
extern const struct command cmd_log, cmd_log_verify;
extern const struct command cmd_backup, cmd_rebuild, cmd_scrub;
extern const struct command cmd_extract, cmd_why;
extern const struct command cmd_policy_check, cmd_policy_convert, cmd_policy_eval, cmd_policy_map;
extern const struct command cmd_policy_diff, cmd_policy_explain, cmd_policy_mutate;
extern const struct command cmd_policy_plan, cmd_policy_test;
extern const struct command cmd_user_add, cmd_user_remove;

/*
 * Run a command line over a table of commands, help and version included. argv[0] is passed over. Results go to `out`,
 * the error to stderr. Returns the exit status, an enum exit_status.
 */
int tool_main(const struct command *const commands[], size_t count, int argc,
	const char *const *argv, FILE *out);

/* --- tool_say.c ----------------------------------------------------------------------------------- */

/* For run(): refuse the command line. Sets e, and returns TOOL_USAGE. */
int tool_usage(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
#ifdef __clang_analyzer__ /* as in storage/base/err.h */
#define tool_usage(...) ((void)tool_usage(__VA_ARGS__), TOOL_USAGE)
#endif

/* Print a line for people on stderr, "moat: TEXT", but not with --quiet. It stays one line whatever the text holds
 * (storage/base/printable.h). */
void tool_note(const struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same with --quiet too: what a person must not miss; tool_warn() puts "warning: " in front. */
void tool_say(const char *fmt, ...) PRINTF_LIKE(1, 2);
void tool_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* The exit status for the code of an error; EXIT_OK for ERR_OK. */
int tool_exit_status(enum err_code code);

/* --- tool_store.c: store_close() afterwards ------------------------------------------------------- */

struct store;
#define TOOL_STORE_MAKERS "`moat pull` and `moat import` make one"
/* Refuse a t->store that does not exist: ERR_ABSENT, with the sentence `how` one is made. */
MUST int tool_store_there(const struct tool *t, const char *how, struct err *e);
/* Open t->store for reading. Warns when its database is an old copy. ERR_ABSENT: there is none. */
MUST int tool_store_read(const struct tool *t, struct store **s, struct err *e);
/* Open t->store beside a medium, for the documents that a delta builds on: NULL when there is none that can be read. */
struct store *tool_store_beside(const struct tool *t);
/* Refuse root in another user's store, as tool_store_write() does: ERR_INPUT. */
MUST int tool_store_owner(const struct tool *t, struct err *e);
/* Open t->store for writing; make it when it is not there. ERR_INPUT for root in another user's folder: files of root
 * would lock out that user, as whom moatd runs. ERR_BUSY. */
MUST int tool_store_write(const struct tool *t, struct store **s, struct err *e);

/* Say how far the command trusts what the store holds (store_write.h): with `check` all bytes are read again. Warns of
 * each file that goes to quarantine. Call it before anything is written. */
void tool_store_care(const struct tool *t, struct store *s, bool check);

/* --- keys and failures -------------------------------------------------------------------------- */

/* Load the public keys of --key, or of the trust folder when there are none (sign.h, trust_load()). Warns of each of
 * several keys that may sign every set. tool_trust.c */
struct trust;
MUST int tool_trust_load(struct trust *t, const struct texts *keys, struct err *e);

/* Print "moat: failed: ITEM: TEXT" for each failure, sorted, and make one error of them: their code when they
 * share an exit status, else ERR_INCOMPLETE. of: how many `things` ("images") there are in all. 0 when there is
 * none. tool_failures.c */
struct failures;
MUST int tool_failures(struct failures *f, size_t of, const char *things, struct err *e);

/* --- words.c: numbers for people, into the caller's array, which is returned ------------------- */

#define SIZE_TEXT_SIZE 24
#define EXCUSES_TEXT_SIZE 40
const char *size_text(uint64_t bytes, char text[SIZE_TEXT_SIZE]); /* "175.3 MiB" */
const char *excuses_text(
	uint64_t count, char text[EXCUSES_TEXT_SIZE]); /* ", 3 excuses"; "" for none */

#endif
