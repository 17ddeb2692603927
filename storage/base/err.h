/*
 * The one error value: a code that a caller can act on, and a sentence for people.
 *
 * The caller owns it (on its stack); nothing here allocates. `err_set` is called once, where the
 * fact is known; `err_ctx` above it, where the callee could not know (which image, which medium),
 * so the text grows leftwards:
 *
 *	if (blob_commit(&w, e) < 0)
 *		return err_ctx(e, "import set %s", name);
 *
 * All of these return -1, so that they can be returned. A fallible function returns 0 or -1; a
 * lookup returns 1 found, 0 absent, -1 failed: absence is an answer, not an error.
 */
#ifndef MOAT_ERR_H
#define MOAT_ERR_H

#include <stdbool.h>

#include "storage/base/cleanup.h"

/* Chosen by what a caller can do about it. */
enum err_code {
	ERR_OK = 0,
	ERR_ABSENT, /* what was asked for is not there */
	ERR_INPUT, /* text from a user or a peer is not acceptable: say where */
	ERR_CORRUPT, /* bytes do not match their digest, size or structure */
	ERR_UNTRUSTED, /* no signature, a wrong one, expired, or older than what is active */
	ERR_INCOMPLETE, /* something that must be held is missing */
	ERR_DENIED, /* credentials refused, or not allowed by a server's or our own rules */
	ERR_RIGHTS, /* the system does not let this process: owner, mode, a read-only file system */
	ERR_NET, /* the network or a peer failed; trying again may help */
	ERR_BUSY, /* another process holds it, and the deadline passed */
	ERR_FULL, /* no space */
	ERR_LIMIT, /* a limit of this machine: open files, memory */
	ERR_DIFFERS, /* the answer is no: what was compared is not the same */
	ERR_UNSUPPORTED,
	ERR_IO, /* the machine failed us */
};

#define ERR_TEXT_MAX 1000

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX];
};

#define ERR_INIT                                                                                   \
	{                                                                                          \
		.code = ERR_OK                                                                     \
	}

/* Record a fact; whatever was there is replaced. Returns -1. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The code for an errno: ENOENT is ABSENT; ENOSPC, EDQUOT, EFBIG are FULL; EMFILE, ENFILE, ENOMEM are
 * LIMIT; EACCES, EPERM, EROFS are RIGHTS; else IO. */
enum err_code err_code_of(int number);

/* Does the code speak of this machine (FULL, IO, RIGHTS, LIMIT) rather than of what was asked for? Then what
 * comes behind fails too, and no rule may excuse it. */
bool err_is_local(enum err_code code);

/* Did a reading fail because the bytes are bad, or the device does not give them (CORRUPT, IO)? Then good ones
 * may come in their place. */
bool err_is_loss(enum err_code code);

/* The same for a failed system call: the text ends with strerror(errno), and says for a limit which one
 * it is. Code by err_code_of(errno). Returns -1. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Prepend "CONTEXT: " to the text, keep the code. Returns -1. */
int err_ctx(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

void err_clear(struct err *e); /* no failure, no text */

/* clang's analyzer looks at one file at a time: tell it what these return. */
#ifdef __clang_analyzer__
#define err_set(...) ((void)err_set(__VA_ARGS__), -1)
#define err_sys(...) ((void)err_sys(__VA_ARGS__), -1)
#define err_ctx(...) ((void)err_ctx(__VA_ARGS__), -1)
#endif

/* Our own mistake, never the world's: prints and aborts. */
#define BUG(...) err_bug(__FILE__, __LINE__, __VA_ARGS__)
__attribute__((noreturn)) void err_bug(const char *file, int line, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
