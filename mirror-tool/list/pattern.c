/*
 * Globs and version ranges over tags. Must never take a tag for a version that it is not: a tag
 * that does not parse does not match and is no error.
 */
#include "mirror-tool/list/pattern.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* --- globs ------------------------------------------------------------------------------- */

/* Is `c` in the set that begins at *set (behind '[')? Moves *set behind its ']'. */
static bool set_has(const char **set, char c)
{
	const char *p = *set;
	bool negated = *p == '!', found = false;

	if (negated)
		p++;
	for (bool first = true; first || *p != ']'; first = false) {
		char low = *p++, high = low;

		if (p[0] == '-' && p[1] != ']') {
			high = p[1];
			p += 2;
		}
		if (low <= c && c <= high)
			found = true;
	}
	*set = p + 1;
	return found != negated;
}

/* Match by two pointers: on a mismatch go back to the last star only. */
static bool glob_match(const char *p, const char *text)
{
	const char *star = NULL, *retry = NULL;

	while (*text) {
		const char *next = p + 1;
		bool ok;

		if (*p == '*') {
			star = ++p;
			retry = text;
			continue;
		}
		if (*p == '[')
			ok = set_has(&next, *text);
		else
			ok = *p && (*p == '?' || *p == *text);
		if (ok) {
			p = next;
			text++;
		} else if (star) {
			p = star;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return !*p;
}

static int glob_check(const char *text, struct err *e)
{
	for (const char *p = text; *p; p++) {
		const char *set = p + 1;

		if (*p == ']')
			return err_set(e, ERR_INPUT, "glob \"%s\": ']' without '['", text);
		if (*p != '[')
			continue;
		if (*set == '!')
			set++;
		if (*set)
			set++; /* the first may be ']' itself */
		while (*set && *set != ']')
			set++;
		if (!*set)
			return err_set(e, ERR_INPUT, "glob \"%s\": '[' is not closed", text);
		p = set;
	}
	return 0;
}

/* --- ranges ------------------------------------------------------------------------------ */

static int term_add(struct pattern *p, enum pattern_op op, unsigned alternative,
	const struct version *v, struct err *e)
{
	if (p->count == PATTERN_TERMS_MAX)
		return err_set(e, ERR_INPUT, "range \"%s\": more than %d comparators", p->text,
			PATTERN_TERMS_MAX);
	*VEC_PUSH(p->terms, p->count) = (struct pattern_term){
		.op = op,
		.alternative = alternative,
		.allows_pre = v->pre[0] != 0,
		.version = *v,
	};
	return 0;
}

/* Make the first version after all that share the first `parts` numbers of v. */
static struct version version_behind(const struct version *v, unsigned parts)
{
	struct version next = { .pre = "" };

	for (unsigned i = 0; i < parts; i++)
		next.number[i] = v->number[i];
	next.number[parts - 1]++;
	return next;
}

/* Count the leading numbers that `^` fixes: up to the first that is not zero. */
static unsigned caret_parts(const struct version *v, unsigned parts)
{
	for (unsigned i = 0; i < parts; i++)
		if (v->number[i])
			return i + 1;
	return parts;
}

/* Add the range from v (inclusive) to the first version that differs in the first `fixed` numbers. */
static int span_add(
	struct pattern *p, unsigned alt, const struct version *v, unsigned fixed, struct err *e)
{
	struct version end = version_behind(v, fixed);

	if (term_add(p, OP_GE, alt, v, e) < 0)
		return -1;
	return term_add(p, OP_LT, alt, &end, e);
}

static int comparator_expand(struct pattern *p, const char *op, unsigned alt,
	const struct version *v, unsigned parts, struct err *e)
{
	struct version behind = version_behind(v, parts);
	bool whole = parts == 3;

	if (op[0] == '^')
		return span_add(p, alt, v, caret_parts(v, parts), e);
	if (op[0] == '~')
		return span_add(p, alt, v, parts == 1 ? 1 : 2, e);
	if (strcmp(op, ">=") == 0)
		return term_add(p, OP_GE, alt, v, e);
	if (strcmp(op, "<") == 0)
		return term_add(p, OP_LT, alt, v, e);
	if (strcmp(op, ">") == 0)
		return term_add(p, whole ? OP_GT : OP_GE, alt, whole ? v : &behind, e);
	if (strcmp(op, "<=") == 0)
		return term_add(p, whole ? OP_LE : OP_LT, alt, whole ? v : &behind, e);
	if (strcmp(op, "=") == 0)
		return whole ? term_add(p, OP_EQ, alt, v, e) : span_add(p, alt, v, parts, e);
	if (!whole)
		return err_set(e, ERR_INPUT, "range \"%s\": != needs a complete version", p->text);
	return term_add(p, OP_NE, alt, v, e);
}

static int comparator_parse(struct pattern *p, struct span word, unsigned alt, struct err *e)
{
	static const char *const ops[] = { ">=", "<=", "!=", ">", "<", "=", "^", "~" };
	char version[PATTERN_TEXT_MAX + 1];
	struct version v;
	unsigned parts;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		size_t len = strlen(ops[i]);

		if (word.len < len || memcmp(word.data, ops[i], len) != 0)
			continue;
		memcpy(version, word.data + len, word.len - len);
		version[word.len - len] = 0;
		parts = version_parts(&v, version);
		if (!parts)
			return err_set(e, ERR_INPUT, "range \"%s\": \"%s\" is not a version",
				p->text, version);
		return comparator_expand(p, ops[i], alt, &v, parts, e);
	}
	return err_set(e, ERR_INPUT, "range \"%s\": \"%.*s\" does not begin with a comparator",
		p->text, (int)word.len, word.data);
}

static bool is_gap(char c)
{
	return c == ' ' || c == ',';
}

static bool is_op(char c)
{
	return c == '<' || c == '>' || c == '=' || c == '!' || c == '^' || c == '~';
}

/* Take the next word, without the blanks between an operator and its version. */
static struct span next_word(const char **at, char word[PATTERN_TEXT_MAX + 1])
{
	const char *p = *at;
	size_t len = 0;

	while (is_gap(*p))
		p++;
	while (is_op(*p))
		word[len++] = *p++;
	while (len && *p == ' ')
		p++;
	while (*p && !is_gap(*p) && *p != '|' && !is_op(*p))
		word[len++] = *p++;
	*at = p;
	return (struct span){ word, len };
}

static int range_parse(struct pattern *p, struct err *e)
{
	char word[PATTERN_TEXT_MAX + 1];
	const char *at = p->text;
	size_t before = 0;
	unsigned alt = 0;

	for (;;) {
		struct span w = next_word(&at, word);

		if (w.len) {
			if (comparator_parse(p, w, alt, e) < 0)
				return -1;
			continue;
		}
		if (p->count == before)
			return err_set(e, ERR_INPUT, "range \"%s\": an empty alternative", p->text);
		if (!*at)
			return 0;
		if (at[0] != '|' || at[1] != '|')
			return err_set(
				e, ERR_INPUT, "range \"%s\": alternatives need \"||\"", p->text);
		at += 2;
		alt++;
		before = p->count;
	}
}

static bool term_holds(const struct pattern_term *t, const struct version *v)
{
	int order = version_cmp(v, &t->version);

	switch (t->op) {
	case OP_EQ:
		return order == 0;
	case OP_NE:
		return order != 0;
	case OP_LT:
		return order < 0;
	case OP_LE:
		return order <= 0;
	case OP_GT:
		return order > 0;
	case OP_GE:
		return order >= 0;
	}
	return false;
}

static bool range_match(const struct pattern *p, const char *tag)
{
	struct version v;

	if (!version_parse(&v, tag))
		return false;
	for (size_t i = 0; i < p->count;) {
		unsigned alt = p->terms[i].alternative;
		bool holds = true, pre = false;

		for (; i < p->count && p->terms[i].alternative == alt; i++) {
			holds &= term_holds(&p->terms[i], &v);
			pre |= p->terms[i].allows_pre;
		}
		if (holds && (pre || !v.pre[0]))
			return true;
	}
	return false;
}

/* --- both -------------------------------------------------------------------------------- */

bool pattern_is_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (memchr("*?[]<>=!^~|, ", text.data[i], 13))
			return false;
	return true;
}

static bool looks_like_range(const char *text)
{
	while (*text == ' ')
		text++;
	return is_op(*text) || strchr(text, '|');
}

int pattern_parse(struct pattern *p, struct span text, struct err *e)
{
	*p = (struct pattern)PATTERN_INIT;
	if (text.len == 0 || text.len > PATTERN_TEXT_MAX)
		return err_set(
			e, ERR_INPUT, "a pattern of tags has 1 to %d bytes", PATTERN_TEXT_MAX);
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < ' ' || text.data[i] > '~')
			return err_set(e, ERR_INPUT, "a byte that no tag can have in a pattern");
	memcpy(p->text, text.data, text.len);
	if (looks_like_range(p->text)) {
		p->kind = PATTERN_RANGE;
		if (range_parse(p, e) == 0)
			return 0;
		pattern_release(p);
		return -1;
	}
	p->kind = PATTERN_GLOB;
	if (memchr(text.data, ' ', text.len))
		return err_set(e, ERR_INPUT,
			"\"%s\" is no glob (a space) and no range (no comparator in front)",
			p->text);
	return glob_check(p->text, e);
}

void pattern_release(struct pattern *p)
{
	free(p->terms);
	*p = (struct pattern)PATTERN_INIT;
}

bool pattern_match(const struct pattern *p, const char *tag)
{
	return p->kind == PATTERN_RANGE ? range_match(p, tag) : glob_match(p->text, tag);
}
