/*
 * A directory of its own for each test, and stores in it.
 *
 *	cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)
 *	struct sandbox *sb = *state;
 *	AUTO(store_close) struct store *s = sandbox_store(sb, "a", STORE_WRITE);
 */
#ifndef MOAT_TEST_SANDBOX_H
#define MOAT_TEST_SANDBOX_H

#include "storage/store_write.h"

struct sandbox {
	char path[64]; /* below TMPDIR or /tmp */
};

int sandbox_setup(void **state);
int sandbox_teardown(void **state); /* removes it */

/* DIR/name, in a buffer of the sandbox's that the fourth next call uses again. */
const char *sandbox_path(const struct sandbox *sb, const char *name);

/* The store `name` of the sandbox, or the test fails. Through the engine of sandbox_engine. */
struct store *sandbox_store(const struct sandbox *sb, const char *name, enum store_mode mode);

/* store_check() with the problems alone. */
MUST int sandbox_check(struct store *s, bool deep, problem_fn *fn, void *ctx,
	struct check_report *report, struct err *e);

/* Bring index.json up to date. */
MUST int sandbox_flush_index(struct store *s, struct err *e);

/* Drop the database of the store `name` and open it once, so that it is made again. It must not be open. */
MUST int sandbox_rebuild(const struct sandbox *sb, const char *name, struct err *e);

/* NULL: the default; a test program that runs the suite through another one sets it in main. */
struct engine;
extern const struct engine *sandbox_engine;

/* Whole files, for tests that look behind the store's back. */
void sandbox_write(const char *path, const void *data, size_t len);
void sandbox_remove(const char *path); /* a file or a tree */
bool sandbox_exists(const char *path);
size_t sandbox_count(const char *dir); /* entries of a directory; 0 when there is none */

#endif
