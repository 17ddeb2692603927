/* Versions of a set side by side: forward, back, off, removed; and what of that a rebuild brings back. */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "storage/gc.h"
#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"
#include "tests/unit/storage/view.h"

static int accept(struct store *s, const char *version, bool activate, struct err *e)
{
	struct digest d = one(s, "a", version, version);
	struct set_offer offer = { .digest = &d, .activate = activate };

	err_clear(e);
	return set_accept(s, &offer, NULL, e);
}

static int activate(struct store *s, const char *version, bool older, struct err *e)
{
	AUTO(mem_free) char *which = mem_printf("a:%s", version);
	struct set_info info;

	err_clear(e);
	assert_int_equal(set_find(s, which, &info, e), 1);
	return set_activate(
		s, &(struct set_offer){ .digest = &info.digest, .older = older }, NULL, e);
}

static int rollback(struct store *s, const char *to, struct err *e)
{
	struct set_offer how = { .dry = false };
	struct set_info info;

	err_clear(e);
	return set_rollback(s, "a", to, &how, &info, NULL, e);
}

static int deactivate(struct store *s, struct err *e)
{
	struct set_offer how = { .dry = false };
	struct set_info info;

	err_clear(e);
	return set_deactivate(s, "a", &how, &info, NULL, e);
}

static int forget(struct store *s, const char *version, struct err *e)
{
	AUTO(mem_free) char *which = mem_printf("a:%s", version);
	struct set_info info;

	err_clear(e);
	assert_int_equal(set_find(s, which, &info, e), 1);
	return set_remove(s, &info.digest, e);
}

/* One step: "+1" accept, "!1" accept and activate, "1" activate, "^1" though it is older, "<" back, "<1" back to it,
 * "0" off, "-1" remove. */
static int step(struct store *s, const char *word, struct err *e)
{
	switch (*word) {
	case '+':
		return accept(s, word + 1, false, e);
	case '!':
		return accept(s, word + 1, true, e);
	case '<':
		return rollback(s, word[1] ? word + 1 : NULL, e);
	case '^':
		return activate(s, word + 1, true, e);
	case '-':
		return forget(s, word + 1, e);
	case '0':
		return deactivate(s, e);
	default:
		return activate(s, word, false, e);
	}
}

static int add_version(void *ctx, const struct set_info *info, struct err *e)
{
	struct buf *out = ctx;

	(void)e;
	buf_printf(out, "%s%s%s%s", out->len ? " " : "", info->version, info->active ? "*" : "",
		info->back ? "<" : "");
	return 0;
}

static int count_active(void *ctx, const struct set_info *info, struct err *e)
{
	(void)e;
	assert_true(info->active);
	++*(int *)ctx;
	return 0;
}

/* "2* 1<": newest first; * is active, < is where a rollback goes. What is served is what is active. */
static void assert_versions(struct store *s, const char *want)
{
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct check_report report;
	struct err e = ERR_INIT;
	struct tag_owner owner;
	const char *star;
	int rc, active = 0;

	buf_str(&got, "");
	assert_ok(list_sets(s, add_version, &got, &e));
	assert_string_equal(got.data, want);
	assert_ok(list_active_sets(s, count_active, &active, &e));
	star = strchr(got.data, '*');
	rc = tag_owner_get(s, REPO, "1", &owner, &e);
	assert_int_equal(rc, star != NULL);
	assert_int_equal(active, star != NULL);
	if (star)
		assert_memory_equal(owner.version, star - 1, 1);
	assert_ok(sandbox_check(s, true, print_problem, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
}

/* What was removed may have been active, so that nothing older becomes so by accident; what waits beside it was not. */
static const struct {
	const char *steps, *want;
	const char *refusal; /* of the last step, or NULL */
	enum err_code code;
} cases[] = {
	{ "+1", "1", NULL, ERR_OK },
	{ "+1 1", "1*", NULL, ERR_OK },
	{ "!1 +2", "2 1*", NULL, ERR_OK },
	{ "!1 +2 2", "2* 1<", NULL, ERR_OK },
	{ "!1 !2 +2", "2* 1<", NULL, ERR_OK },
	{ "!1 !2 +1", "2* 1<", NULL, ERR_OK },
	{ "!1 !2 2", "2* 1<", NULL, ERR_OK },
	{ "!1 !2 1", "2* 1<",
		"set a 1 is older than version 2, which is active: `moat rollback a "
		"--to 1` goes back",
		ERR_UNTRUSTED },
	{ "!2 +1", "2*", "set a 1 is older than version 2, which is here", ERR_UNTRUSTED },
	{ "!1 !2 !3 <", "3 2* 1<", NULL, ERR_OK },
	{ "!1 !2 !3 < <", "3 2 1*", NULL, ERR_OK },
	{ "!1 !2 !3 < < <", "3 2 1*", "set a 1: nothing was active before it", ERR_ABSENT },
	{ "!1 !2 !3 < 3 <", "3 2* 1<", NULL, ERR_OK },
	{ "!1 !2 !3 <1", "3 2 1*", NULL, ERR_OK },
	{ "!1 !2 !3 <1 3", "3* 2 1<", NULL, ERR_OK },
	{ "!1 !2 !3 <2", "3 2* 1<", NULL, ERR_OK },
	{ "!1 +2 !3 <2", "3 2* 1", NULL, ERR_OK },
	{ "!1 +2 <2", "2 1*", "set a 2 is newer than 1: `moat activate a:2` goes forward",
		ERR_INPUT },
	{ "!1 <9", "1*", "set a 9 is not accepted here", ERR_ABSENT },
	{ "+1 <", "1", "no version of set a was ever active here", ERR_ABSENT },
	{ "!1 0", "1<", NULL, ERR_OK },
	{ "!1 0 0", "1<", "no version of set a is active", ERR_ABSENT },
	{ "!1 0 <", "1*", NULL, ERR_OK },
	{ "!1 !2 0 <", "2* 1<", NULL, ERR_OK },
	{ "!1 !2 0 < <", "2 1*", NULL, ERR_OK },
	{ "!1 !2 0 2", "2* 1<", NULL, ERR_OK },
	{ "!1 !2 0 1", "2< 1", "older than version 2, which was active last", ERR_UNTRUSTED },
	{ "!1 !2 0 <1", "2 1*", NULL, ERR_OK },
	{ "!1 -1", "1*", "set a 1 is active", ERR_DENIED },
	{ "!1 !2 -1", "2*", NULL, ERR_OK },
	{ "!1 !2 !3 -2", "3* 1<", NULL, ERR_OK },
	{ "!1 !2 !3 -2 <", "3 1*", NULL, ERR_OK },
	{ "!1 +2 -2 +2", "2 1*", NULL, ERR_OK },
	{ "!1 +3 -3 +2", "1*", "set a 2 is older than version 3, which was here and was removed",
		ERR_UNTRUSTED },
	{ "!1 +3 +4 -3 -4 +3", "1*", "older than version 4, which was here and was removed",
		ERR_UNTRUSTED },
	{ "!1 +2 +3 -2 -3 !4", "4* 1<", NULL, ERR_OK },
	{ "!1 !2 ^1", "2< 1*", NULL, ERR_OK },
	{ "!1 !2 ^1 -2", "1*", NULL, ERR_OK },
	{ "!1 !2 ^1 -2 <", "1*", "set a 1: nothing was active before it", ERR_ABSENT },
	{ "!1 !2 ^1 -2 !3 -1", "3*", NULL, ERR_OK },
	{ "!1 !2 ^1 2 ^1 -2 !3 -1", "3*", NULL, ERR_OK },
	{ "!1 !2 !3 ^2 3 ^2 -3", "2* 1<", NULL, ERR_OK },
	{ "+2 -2 +1", "",
		"older than version 2, which was here and was removed: if it is meant anyway, "
		"--allow-older --yes",
		ERR_UNTRUSTED },
	{ "+1 !2 0 -2 1", "1",
		"set a 1 is older than version 2, which was here and was removed: if it is meant",
		ERR_UNTRUSTED },
	{ "+1 !2 0 -2 ^1", "1*", NULL, ERR_OK },
	{ "+1 !2 0 -2 <1", "1", "no version of set a was ever active here", ERR_ABSENT },
	{ "!1 !2 0 -2 1", "1<",
		"which was here and was removed: `moat rollback a --to 1` goes back",
		ERR_UNTRUSTED },
	{ "!1 !2 0 -2 <", "1*", NULL, ERR_OK },
	{ "!1 !2 0 -2 <1", "1*", NULL, ERR_OK },
	{ "!1 !2 0 -2 !1", "1<", "which was here and was removed: `moat rollback a --to 1`",
		ERR_UNTRUSTED },
	{ "!1 !2 0 -2 +1", "1<", NULL, ERR_OK },
	{ "!1 +2 !3 <1 -3 2", "2 1*",
		"set a 2 is older than version 3, which was here and was removed: if it is meant",
		ERR_UNTRUSTED },
	{ "!1 +2 !3 <1 -3 ^2", "2* 1<", NULL, ERR_OK },
	{ "!1 !2 <1 -2 1", "1*", NULL, ERR_OK },
	{ "!1 !2 <1 -2 !3", "3* 1<", NULL, ERR_OK },
	{ "!1 +2 +3 -2 3", "3* 1<", NULL, ERR_OK },
	{ "!1 +2 +3 2", "3 2* 1<", NULL, ERR_OK },
};

static void run_case(struct store *s, size_t i)
{
	AUTO(mem_free) char *copy = mem_strdup(cases[i].steps);
	struct err e = ERR_INIT;

	for (char *rest = copy, *word; (word = strsep(&rest, " "));) {
		int rc = step(s, word, &e);

		if (!rest && cases[i].refusal)
			assert_err(rc, cases[i].code, cases[i].refusal);
		else
			assert_ok(rc);
	}
	assert_versions(s, cases[i].want);
}

static void set_switch__goes_where_it_should_and_survives_a_rebuild(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		struct err e = ERR_INIT;

		print_message("%s\n", cases[i].steps);
		run_case(s, i);
		store_close(&s);
		assert_ok(sandbox_rebuild(*state, "s", &e));
		s = sandbox_store(*state, "s", STORE_WRITE);
		assert_versions(s, cases[i].want);
		store_close(&s);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

/* A removed version keeps older ones out after a rebuild, too. */
static void set_remove__keeps_older_ones_out_through_a_rebuild(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct err e = ERR_INIT;

	assert_ok(accept(s, "3", false, &e));
	assert_ok(forget(s, "3", &e));
	for (int again = 0; again < 2; again++) {
		assert_err(accept(s, "2", false, &e), ERR_UNTRUSTED,
			"set a 2 is older than version 3, which was here and was removed");
		store_close(&s);
		assert_ok(sandbox_rebuild(*state, "s", &e));
		s = sandbox_store(*state, "s", STORE_WRITE);
	}
	assert_ok(accept(s, "3", true, &e));
	assert_versions(s, "3*");
}

/* However often it goes back and forth, few generations are kept, and the way back with them. */
static void set_switch__keeps_few_generations(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf index = BUF_INIT;
	struct err e = ERR_INIT;

	assert_ok(accept(s, "1", true, &e));
	assert_ok(accept(s, "2", true, &e));
	assert_ok(accept(s, "3", true, &e));
	for (int i = 0; i < 200; i++) {
		assert_ok(rollback(s, NULL, &e));
		assert_ok(activate(s, "3", false, &e));
	}
	assert_versions(s, "3* 2< 1");
	assert_int_equal(
		fs_read_file(AT_FDCWD, sandbox_path(*state, "s/index.json"), 1 << 20, &index, &e),
		1);
	assert_true(index.len < 16384);
	assert_ok(rollback(s, NULL, &e));
	assert_ok(rollback(s, NULL, &e));
	assert_versions(s, "3 2 1*");
}

/* --- retention --------------------------------------------------------------------------------- */

#define DAY 86400
/* Steps, rules, and what stays; meanwhile: a step of somebody else between finding and removing, or NULL. All are
 * accepted at once; days_later is when it is asked. */
static const struct {
	const char *steps;
	int keep_versions, keep_days, days_later;
	const char *meanwhile, *want;
} retentions[] = {
	{ "!1 !2 !3 !4", 0, 0, 999, NULL, "4* 3< 2 1" },
	{ "!1 !2 !3 !4", 4, 0, 999, NULL, "4* 3< 2 1" },
	{ "!1 !2 !3 !4", 3, 0, 0, NULL, "4* 3< 2" },
	{ "!1 !2 !3 !4", 1, 0, 0, NULL, "4* 3<" },
	{ "!1 !2 !3 !4 < <", 1, 0, 0, NULL, "4 2* 1<" },
	{ "!1 !2 !3 !4 <1", 1, 0, 0, NULL, "4 1*" },
	{ "!1 !2 +3 +4", 1, 0, 0, NULL, "4 2* 1<" },
	{ "!1 !2 !3 0", 1, 0, 0, NULL, "3<" },
	{ "+1 +2 +3", 1, 0, 0, NULL, "3" },
	/* days */
	{ "!1 !2 !3 !4", 0, 30, 30, NULL, "4* 3< 2 1" },
	{ "!1 !2 !3 !4", 0, 30, 31, NULL, "4* 3<" },
	{ "!1 !2 !3 !4", 3, 30, 31, NULL, "4* 3< 2" },
	{ "!1 !2 !3 !4", 1, 30, 29, NULL, "4* 3< 2 1" },
	{ "+1 +2", 0, 1, 999, NULL, "2" }, /* the newest always */
	{ "!1", 0, 1, 999, NULL, "1*" },
	/* somebody else */
	{ "!1 !2 !3 !4", 1, 0, 0, "^1", "4< 3 1*" },
	{ "!1 !2 !3 !4", 1, 0, 0, "<2", "4 3 2* 1<" },
	{ "!1 !2 !3 !4", 1, 0, 0, "<", "4 3* 2<" },
	{ "!1 !2 !3 !4", 1, 0, 0, "-2", "4* 3<" },
	{ "+1 +2 +3", 1, 0, 0, "-3", "2" },
};

static void run_retention(const struct sandbox *sb, size_t i)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, "s", STORE_WRITE);
	AUTO(mem_free) char *copy = mem_strdup(retentions[i].steps);
	AUTO(gc_versions_release) struct gc_versions old = { .count = 0 };
	struct gc_rules rules = { .keep_versions = retentions[i].keep_versions,
		.keep_days = retentions[i].keep_days };
	int64_t now = clock_now() + (int64_t)retentions[i].days_later * DAY;
	struct err e = ERR_INIT;

	for (char *rest = copy, *word; (word = strsep(&rest, " "));)
		assert_ok(step(s, word, &e));
	assert_ok(gc_versions_find(s, &rules, now, &old, &e));
	if (retentions[i].meanwhile)
		assert_ok(step(s, retentions[i].meanwhile, &e));
	assert_ok(gc_versions_remove(s, &rules, now, &old, &e));
	for (size_t k = 0; k < old.count; k++)
		assert_int_not_equal(old.items[k].gone, old.items[k].spared);
	assert_versions(s, retentions[i].want);
	store_close(&s);
	assert_ok(sandbox_rebuild(sb, "s", &e));
	s = sandbox_store(sb, "s", STORE_WRITE);
	assert_versions(s, retentions[i].want);
}

static void gc_versions__go_by_the_rules_as_they_hold_then(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(retentions); i++) {
		print_message("%s, %s\n", retentions[i].steps,
			retentions[i].meanwhile ? retentions[i].meanwhile : "-");
		run_retention(*state, i);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_switch(void)
{
	static const struct CMUnitTest tests[] = {
		T(set_switch__goes_where_it_should_and_survives_a_rebuild),
		T(set_remove__keeps_older_ones_out_through_a_rebuild),
		T(set_switch__keeps_few_generations),
		T(gc_versions__go_by_the_rules_as_they_hold_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
