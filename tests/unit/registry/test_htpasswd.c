/* The file of users. Hashes were made by Apache's htpasswd, which has a bcrypt of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "registry/access/htpasswd.h"
#include "storage/base/buf.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

#define SECRET "$2y$04$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqqYC" /* htpasswd -B -C 4 */
#define HUNTER2 "$2y$04$2gBg/AeQfsaVqmWmKE/z1.cNb2IDAhO.Fvn2hVSBd9GAt3MSWfB9S"

static struct users *users(void **state, const char *text)
{
	const char *path = sandbox_path(*state, "users");
	struct users *u = NULL;
	struct err e;

	sandbox_write(path, text, strlen(text));
	assert_ok(users_read(&u, path, &e));
	return u;
}

static const struct {
	const char *name, *password;
	bool good;
} logins[] = {
	{ "alice", "secret", true },
	{ "alice", "Secret", false },
	{ "alice", "", false },
	{ "alice", "hunter2", false },
	{ "bob", "hunter2", true },
	{ "bob", "secret", false },
	{ "b@x.y-z_1", "secret", true },
	{ "old", "secret", true }, /* $2a$ */
	{ "new", "secret", true }, /* $2b$ */
	{ "new", "secre", false },
	{ "Alice", "secret", false },
	{ "nobody", "secret", false }, /* a stand-in's password is of no use */
	{ "nobody", "hunter2", false },
	{ "", "", false },
	{ "", "secret", false },
};

static void users_check__table(void **state)
{
	AUTO(users_free) struct users *u = users(state,
		"# people\r\n\nbob:" HUNTER2 "\r\nalice:" SECRET "\nb@x.y-z_1:" SECRET "\n"
		"old:$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\nnew:$2b$04$"
		"abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW");

	for (size_t i = 0; i < ARRAY_SIZE(logins); i++)
		if (users_check(u, logins[i].name, logins[i].password) != logins[i].good)
			fail_msg("%s:%s", logins[i].name, logins[i].password);
	assert_true(users_has(u, "alice"));
	assert_false(users_has(u, "Alice"));
	assert_false(users_has(u, ""));
}

/* Processor time, so that a busy machine does not matter; a factor, because nothing is exact. */
static double cost_of(const struct users *u, const char *name)
{
	double least = 1e9;

	for (int i = 0; i < 5; i++) {
		struct timespec a, b;
		double ms;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		assert_false(users_check(u, name, "wrong"));
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
		least = ms < least ? ms : least;
	}
	return least;
}

static void users_check__time_does_not_tell_who_is_a_user(void **state)
{
	AUTO(users_free) struct users *u = users(state, "alice:" SECRET "\nbob:" HUNTER2 "\n");
	double known = cost_of(u, "alice"), unknown = cost_of(u, "nobody");

	if (unknown > 4 * known || known > 4 * unknown)
		fail_msg("%.3f ms for a user, %.3f ms for nobody", known, unknown);
}

/* Nobody can log in, and finding that out is not for free either. */
static void users_check__an_empty_file(void **state)
{
	AUTO(users_free) struct users *u = users(state, "# nobody yet\n");

	assert_false(users_check(u, "alice", "secret"));
	assert_true(cost_of(u, "alice") > 1);
}

static const struct {
	const char *text, *words;
} bad[] = {
	{ "alice\n", "users:1: not NAME:HASH" },
	{ "\xef\xbb\xbf"
	  "alice:x\n",
		"users:1: a byte order mark" },
	{ ":" SECRET "\n", "users:1: a user's name" },
	{ "al ice:" SECRET "\n", "users:1: a user's name" },
	{ "*:" SECRET "\n", "users:1: a user's name" },
	{ "anyone:" SECRET "\n", "users:1: anyone cannot be a user's name" },
	{ "a234567890123456789012345678901234567890123456789012345678901234x:" SECRET "\n",
		"users:1: not NAME:HASH" },
	{ "alice:secret\n", "users:1: not a bcrypt hash" },
	/* htpasswd -m, -s, -d */
	{ "# x\nalice:$apr1$Z.E7kvk1$yLQ4l6mZQ5bq5sDbD9Ce9.\n", "users:2: not a bcrypt hash" },
	{ "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "users:1: not a bcrypt hash" },
	{ "alice:mKKcoSAmKRJkI\n", "users:1: not a bcrypt hash" },
	{ "alice:$2x"
	  "$04$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqqYC\n",
		"users:1: not a bcrypt hash" },
	{ "alice:$2y$31$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqqYC\n", "cost 4 to 14" },
	{ "alice:$2y$15$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqqYC\n", "cost 4 to 14" },
	{ "alice:$2y$03$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqqYC\n", "cost 4 to 14" },
	/* adds up to 9, but is no number */
	{ "alice:$2y$1/$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqqYC\n",
		"users:1: not a bcrypt hash" },
	{ "alice:$2y$04$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqq!C\n",
		"users:1: not a bcrypt hash" },
	{ "alice:" SECRET "x\n", "users:1: not a bcrypt hash" },
	{ "alice:" SECRET " \n", "users:1: not a bcrypt hash" },
	{ "alice:" SECRET ":x\n", "users:1: not a bcrypt hash" },
	{ "alice:" SECRET "\nbob:" SECRET "\n#\nalice:" HUNTER2 "\n",
		"users:4: alice is there twice, first in line 1" },
};

static void users_read__refuses(void **state)
{
	const char *path = sandbox_path(*state, "users");
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(users_free) struct users *u = NULL;

		sandbox_write(path, bad[i].text, strlen(bad[i].text));
		assert_err(users_read(&u, path, &e), ERR_INPUT, bad[i].words);
		assert_null(u);
		assert_null(strstr(e.text, "$2y$04")); /* never the hash */
	}
	AUTO(users_free) struct users *none = NULL;
	assert_err(users_read(&none, sandbox_path(*state, "none"), &e), ERR_ABSENT, "no such file");
}

static void users_read__nul_bytes(void **state)
{
	static const char in_name[] = "al\0ice:" SECRET "\n";
	char in_kind[] = "alice:" SECRET "\n";
	const char *path = sandbox_path(*state, "users");
	AUTO(users_free) struct users *u = NULL;
	struct err e;

	sandbox_write(path, in_name, sizeof(in_name) - 1);
	assert_err(users_read(&u, path, &e), ERR_INPUT, "users:1: not NAME:HASH");
	in_kind[strlen("alice:$2")] = '\0';
	sandbox_write(path, in_kind, sizeof(in_kind) - 1);
	assert_err(users_read(&u, path, &e), ERR_INPUT, "users:1: not a bcrypt hash");
}

static void users_read__limits(void **state)
{
	const char *path = sandbox_path(*state, "users");
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(users_free) struct users *u = NULL;
	struct err e;

	for (int i = 0; i < USERS_MAX; i++)
		buf_printf(&text, "u%d:%s\n", i, SECRET);
	sandbox_write(path, text.data, text.len);
	assert_ok(users_read(&u, path, &e));
	assert_true(users_has(u, "u9999"));
	users_free(&u);
	buf_str(&text, "one:" SECRET "\n");
	sandbox_write(path, text.data, text.len);
	assert_err(users_read(&u, path, &e), ERR_INPUT, "more than 10000 users");
	while (text.len <= USERS_BYTES_MAX)
		buf_str(&text,
			"# a comment takes room, too, and nobody needs a thousand of them\n");
	sandbox_write(path, text.data, text.len);
	assert_err(users_read(&u, path, &e), ERR_INPUT, "limit");
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(users_check__table),
		T(users_check__time_does_not_tell_who_is_a_user),
		T(users_check__an_empty_file),
		T(users_read__refuses),
		T(users_read__nul_bytes),
		T(users_read__limits),
	};

	return cmocka_run_group_tests_name("registry/htpasswd", tests, NULL, NULL);
}
