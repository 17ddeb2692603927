/* Calico's selectors: what each chooses of a few pods, and what is no selector (seen with Calico 3.32's own parser). */
#include "tests/support/cm.h"

#include "mirror-tool/policy/calico_selector.h"

/* Four pods as labels; the answer is a string of those that are chosen. */
static const struct pod {
	char name;
	const char *labels[4][2];
} pods[] = {
	{ 'a', { { "app", "web" }, { "role", "front" } } },
	{ 'b', { { "app", "db" }, { "not", "x" } } },
	{ 'c', { { "role", "" } } },
	{ 'd', { { NULL, NULL } } },
};

static const char *value_of(const struct pod *p, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->labels) && p->labels[i][0]; i++)
		if (strcmp(p->labels[i][0], key) == 0)
			return p->labels[i][1];
	return NULL;
}

static bool label_holds(const struct cond *c, const struct pod *p)
{
	const char *value = value_of(p, c->key);

	if (!value)
		return false;
	switch (c->test) {
	case TEST_EXISTS:
		return true;
	case TEST_PREFIX:
		return strncmp(value, c->values[0], strlen(c->values[0])) == 0;
	case TEST_SUFFIX:
		return strlen(value) >= strlen(c->values[0]) &&
		       strcmp(value + strlen(value) - strlen(c->values[0]), c->values[0]) == 0;
	case TEST_PART:
		return strstr(value, c->values[0]) != NULL;
	case TEST_IN:
		for (size_t i = 0; i < c->value_count; i++)
			if (strcmp(value, c->values[i]) == 0)
				return true;
	}
	return false;
}

static bool holds(const struct cond *c, const struct pod *p)
{
	switch (c->op) {
	case COND_ANY:
		return true;
	case COND_NOT:
		return !holds(c->first, p);
	case COND_AND:
	case COND_OR:
		for (const struct cond *child = c->first; child; child = child->next)
			if (holds(child, p) == (c->op == COND_OR))
				return c->op == COND_OR;
		return c->op == COND_AND;
	case COND_LABEL:
		return label_holds(c, p);
	default:
		fail_msg("op %d", (int)c->op);
		return false;
	}
}

static void selectors__choose(void **state)
{
	static const struct {
		const char *text, *chosen;
	} cases[] = {
		{ "", "abcd" },
		{ "all()", "abcd" },
		{ "all( )", "abcd" },
		{ "app == 'web'", "a" },
		{ "app==\"web\"", "a" },
		{ "app != 'web'", "bcd" },
		{ "has(role)", "ac" },
		{ "has( role )", "ac" },
		{ "!has(role)", "bd" },
		{ "! has(role) && has(app)", "b" },
		{ "app in {'web', 'db'}", "ab" },
		{ "app in {'web',}", "a" },
		{ "app in {}", "" },
		{ "app not in {}", "abcd" },
		{ "app not in {'web'}", "bcd" },
		{ "app notin {'web'}", "bcd" },
		{ "not in {'x'}", "b" },
		{ "app == 'web' || app == 'db' && has(not)", "ab" },
		{ "(app == 'web' || app == 'db') && has(not)", "b" },
		{ "app contains 'e'", "a" },
		{ "app starts with 'w'", "a" },
		{ "app startswith 'd'", "b" },
		{ "app ends with 'b'", "ab" },
		{ "app endswith 'eb'", "a" },
		{ "role == ''", "c" },
		{ "\tapp\t==\t'web'\t", "a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(arena_release) struct arena arena = ARENA_INIT;
		char chosen[ARRAY_SIZE(pods) + 1] = "";
		struct err e = ERR_INIT;
		struct cond *c = NULL;
		size_t count = 0;
		bool global;

		if (calico_selector(&arena, cases[i].text, PLACE_POD, &c, &global, &e) < 0)
			fail_msg("%s: %s", cases[i].text, e.text);
		for (size_t p = 0; p < ARRAY_SIZE(pods); p++)
			if (holds(c, &pods[p]))
				chosen[count++] = pods[p].name;
		if (strcmp(chosen, cases[i].chosen) != 0)
			fail_msg("%s: chose \"%s\"", cases[i].text, chosen);
		assert_false(global);
	}
}

static void selectors__are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "app", "byte 4 of the selector: an operator is needed" },
		{ "app == web", "a text in quotes is needed" },
		{ "app == 'web", "a text in quotes is needed" },
		{ "app = 'web'", "an operator is needed" },
		{ "has (role)", "an operator is needed" },
		{ "has(role", "has() takes one label" },
		{ "app == 'web'\n", "a line feed is no white space here: fold the text by >-" },
		{ "app == 'web' &&\nhas(role)", "a line feed is no white space" },
		{ "(app == 'web'", ") is needed" },
		{ "app == 'web')", "nothing is expected here" },
		{ "app in 'web'", "a set {...} is needed" },
		{ "app in {'a' 'b'}", "a comma or } is needed" },
		{ "app in {'a'", "a comma or } is needed" },
		{ "&& app == 'a'", "a label, has(), all(), ! or ( is needed" },
		{ "global() && all()", "nothing is expected here" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(arena_release) struct arena arena = ARENA_INIT;
		struct err e = ERR_INIT;
		struct cond *c = NULL;
		bool global;

		if (calico_selector(&arena, cases[i].text, PLACE_POD, &c, &global, &e) == 0)
			fail_msg("%s is taken", cases[i].text);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.text, cases[i].why))
			fail_msg("%s: %s", cases[i].text, e.text);
	}
}

static void selectors__have_limits(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct cond *c = NULL;
	bool global;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		buf_char(&text, i % 2 ? '!' : '(');
	assert_int_equal(calico_selector(&arena, text.data, PLACE_POD, &c, &global, &e), -1);
	assert_non_null(strstr(e.text, "nested too deep"));
	buf_clear(&text);
	for (unsigned i = 0; i <= CALICO_SELECTOR_MAX; i++)
		buf_char(&text, ' ');
	assert_int_equal(calico_selector(&arena, text.data, PLACE_POD, &c, &global, &e), -1);
	assert_non_null(strstr(e.text, "more than 65536 bytes"));
	assert_int_equal(
		calico_selector(&arena, " global() ", PLACE_NAMESPACE, &c, &global, &e), 0);
	assert_true(global);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(selectors__choose),
		cmocka_unit_test(selectors__are_refused),
		cmocka_unit_test(selectors__have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
