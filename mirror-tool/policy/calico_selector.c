/* A text of Calico's selector language -> a condition, by descent. */
#include "mirror-tool/policy/calico_selector.h"

#include "storage/base/banned.h"

struct parser {
	struct arena *arena;
	enum cond_place place;
	const char *text, *at;
	unsigned depth;
	struct err *e;
};

static int fail(const struct parser *p, const char *what)
{
	return err_set(p->e, ERR_INPUT, "byte %zu of the selector: %s%s",
		(size_t)(p->at - p->text) + 1, what,
		*p->at == '\n' ? " (a line feed is no white space here: fold the text by >-)" : "");
}

#ifdef __clang_analyzer__ /* as in storage/base/err.h */
#define fail(...) ((void)fail(__VA_ARGS__), -1)
#endif

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t");
}

/* Take the word if it comes next. */
static bool take(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(p->at, word, len) != 0)
		return false;
	p->at += len;
	return true;
}

#define KEY_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-"

static struct span take_key(struct parser *p)
{
	struct span key = { p->at, strspn(p->at, KEY_CHARS) };

	p->at += key.len;
	return key;
}

/* A text in quotes of either kind; nothing escapes in it. NULL: none is there. */
static const char *take_text(struct parser *p)
{
	const char *end;
	struct span text;

	if (*p->at != '\'' && *p->at != '"')
		return NULL;
	end = strchr(p->at + 1, *p->at);
	if (!end)
		return NULL;
	text = (struct span){ p->at + 1, (size_t)(end - p->at - 1) };
	p->at = end + 1;
	return arena_text(p->arena, text);
}

/* "name(" blanks ")" without a blank before the parenthesis. */
static bool take_call(struct parser *p, const char *name)
{
	const char *start = p->at;

	if (take(p, name) && take(p, "(")) {
		skip_blanks(p);
		if (take(p, ")"))
			return true;
	}
	p->at = start;
	return false;
}

/* Keys that Calico writes itself. */
static struct cond *label_of(struct parser *p, struct span key, enum cond_test test)
{
	static const struct {
		const char *key;
		enum cond_place place;
		const char *name;
	} own[] = { { "projectcalico.org/namespace", PLACE_NAME, "namespace" },
		{ "projectcalico.org/serviceaccount", PLACE_NAME, "account" } };
	struct cond *c;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (span_is(key, own[i].key))
			return cond_label(p->arena, own[i].place, own[i].name, test, NULL, 0);
	if (p->place == PLACE_NAMESPACE && span_is(key, "projectcalico.org/name"))
		return cond_label(p->arena, PLACE_NAME, "namespace", test, NULL, 0);
	c = cond_label(p->arena, p->place, NULL, test, NULL, 0);
	if (p->place == PLACE_POD && key.len > 5 && memcmp(key.data, "pcns.", 5) == 0)
		c->place = PLACE_NAMESPACE;
	else if (p->place == PLACE_POD && key.len > 5 && memcmp(key.data, "pcsa.", 5) == 0)
		c->place = PLACE_ACCOUNT;
	if (c->place != p->place)
		key = (struct span){ key.data + 5, key.len - 5 };
	c->key = arena_text(p->arena, key);
	return c;
}

static int take_one_value(struct parser *p, struct cond *label)
{
	skip_blanks(p);
	label->values = arena_alloc(p->arena, sizeof(*label->values));
	label->values[0] = take_text(p);
	label->value_count = 1;
	return label->values[0] ? 0 : fail(p, "a text in quotes is needed");
}

/* {'a', 'b'}; a comma may stand behind the last. */
static int take_values(struct parser *p, struct cond *label)
{
	size_t most = 1;

	skip_blanks(p);
	if (!take(p, "{"))
		return fail(p, "a set {...} is needed");
	for (const char *c = p->at; *c && *c != '}'; c++)
		most += *c == ',';
	label->values = arena_alloc(p->arena, most * sizeof(*label->values));
	for (;;) {
		const char *value;

		skip_blanks(p);
		if (take(p, "}"))
			return 0;
		value = take_text(p);
		if (!value)
			return fail(p, "a text in quotes or } is needed");
		if (label->value_count >= most)
			return fail(p, "too many values");
		label->values[label->value_count++] = value;
		skip_blanks(p);
		if (!take(p, ",") && *p->at != '}')
			return fail(p, "a comma or } is needed");
	}
}

/* "not in", "notin", "starts with", "startswith". */
static bool take_pair(struct parser *p, const char *first, const char *second)
{
	const char *start = p->at;

	if (take(p, first)) {
		skip_blanks(p);
		if (take(p, second))
			return true;
	}
	p->at = start;
	return false;
}

static int parse_comparison(struct parser *p, struct cond **out)
{
	struct span key = take_key(p);
	struct cond *label = label_of(p, key, TEST_IN);
	bool negative = false;

	if (!key.len)
		return fail(p, "a label, has(), all(), ! or ( is needed");
	skip_blanks(p);
	if (take(p, "==") || (negative = take(p, "!="))) {
		if (take_one_value(p, label) < 0)
			return -1;
	} else if ((negative = take_pair(p, "not", "in")) || take(p, "in")) {
		if (take_values(p, label) < 0)
			return -1;
	} else {
		label->test = take(p, "contains")              ? TEST_PART
			      : take_pair(p, "starts", "with") ? TEST_PREFIX
			      : take_pair(p, "ends", "with")   ? TEST_SUFFIX
							       : TEST_EXISTS;
		if (label->test == TEST_EXISTS)
			return fail(p, "an operator is needed");
		if (take_one_value(p, label) < 0)
			return -1;
	}
	*out = negative ? cond_not(p->arena, label) : label;
	return 0;
}

static int parse_has(struct parser *p, struct cond **out)
{
	struct span key;

	skip_blanks(p);
	key = take_key(p);
	skip_blanks(p);
	if (!key.len || !take(p, ")"))
		return fail(p, "has() takes one label");
	*out = label_of(p, key, TEST_EXISTS);
	return 0;
}

static int parse_or(struct parser *p, struct cond **out);

static int parse_term(struct parser *p, struct cond **out)
{
	struct cond *inner;

	skip_blanks(p);
	if (take(p, "!")) {
		if (++p->depth > CALICO_SELECTOR_DEPTH)
			return fail(p, "nested too deep");
		if (parse_term(p, &inner) < 0)
			return -1;
		p->depth--;
		*out = cond_not(p->arena, inner);
		return 0;
	}
	if (take(p, "(")) {
		if (++p->depth > CALICO_SELECTOR_DEPTH)
			return fail(p, "nested too deep");
		if (parse_or(p, out) < 0)
			return -1;
		p->depth--;
		skip_blanks(p);
		return take(p, ")") ? 0 : fail(p, ") is needed");
	}
	if (take_call(p, "all")) {
		*out = cond_new(p->arena, COND_ANY);
		return 0;
	}
	if (take(p, "has("))
		return parse_has(p, out);
	return parse_comparison(p, out);
}

static int parse_and(struct parser *p, struct cond **out)
{
	*out = cond_new(p->arena, COND_AND);
	do {
		struct cond *term;

		if (parse_term(p, &term) < 0)
			return -1;
		cond_add(*out, term);
		skip_blanks(p);
	} while (take(p, "&&"));
	return 0;
}

static int parse_or(struct parser *p, struct cond **out)
{
	*out = cond_new(p->arena, COND_OR);
	do {
		struct cond *terms;

		if (parse_and(p, &terms) < 0)
			return -1;
		cond_add(*out, terms);
	} while (take(p, "||"));
	return 0;
}

int calico_selector(struct arena *a, const char *text, enum cond_place place, struct cond **out,
	bool *global, struct err *e)
{
	struct parser p = { a, place, text, text, 0, e };

	*global = false;
	*out = cond_new(a, COND_ANY);
	if (strlen(text) > CALICO_SELECTOR_MAX)
		return err_set(
			e, ERR_INPUT, "a selector of more than %d bytes", CALICO_SELECTOR_MAX);
	skip_blanks(&p);
	if (!*p.at)
		return 0;
	if (take_call(&p, "global"))
		*global = true;
	else if (parse_or(&p, out) < 0)
		return -1;
	skip_blanks(&p);
	return *p.at ? fail(&p, "nothing is expected here") : 0;
}
