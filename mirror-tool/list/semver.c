/* Read and compare semantic versions. Must never take a text for a version that it is not. */
#include "mirror-tool/list/semver.h"

#include "storage/base/number.h"
#include "storage/base/banned.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Take one number without leading zeros; move *p behind it. */
static bool take_number(const char **p, uint64_t *out)
{
	struct span rest = span_of(*p);

	if (!number_is_plain(rest) || !number_take(&rest, out) || *out == UINT64_MAX)
		return false;
	*p = rest.data;
	return true;
}

/* Check dot-separated identifiers of [0-9A-Za-z-]: none empty, numbers without leading zeros. */
static bool pre_is_valid(const char *pre)
{
	const char *start = pre;
	bool digits = true;

	for (const char *p = pre;; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '-';

		if (letter) {
			digits = false;
		} else if (!is_digit(*p)) {
			if (p == start || (digits && *start == '0' && p - start > 1))
				return false;
			if (!*p)
				return true;
			if (*p != '.')
				return false;
			start = p + 1;
			digits = true;
		}
	}
}

/* Check build metadata: as a pre-release, but numbers may begin with zeros. */
static bool build_is_valid(const char *build)
{
	for (const char *p = build;; p++) {
		bool end = !*p || *p == '.';

		if (end && (p == build || p[-1] == '.'))
			return false;
		if (!*p)
			return true;
		if (!end && !is_digit(*p) && *p != '-' && !(*p >= 'a' && *p <= 'z') &&
			!(*p >= 'A' && *p <= 'Z'))
			return false;
	}
}

/* Read [v]MAJOR[.MINOR[.PATCH[-PRE]]]. Returns how many numbers there are, 0 when it is no version. */
static unsigned core_parts(struct version *v, const char *text)
{
	const char *p = text;
	unsigned count = 0;

	*v = (struct version){ .pre = "" };
	if (*p == 'v')
		p++;
	while (count < 3) {
		if (!take_number(&p, &v->number[count]))
			return 0;
		count++;
		if (*p != '.' || count == 3)
			break;
		p++;
	}
	if (!*p)
		return count;
	if (*p != '-' || count != 3 || strlen(p + 1) >= sizeof(v->pre) || !pre_is_valid(p + 1))
		return 0;
	memcpy(v->pre, p + 1, strlen(p + 1) + 1);
	return count;
}

/* Accept build metadata after a complete version: `+BUILD`, or `_BUILD` as helm writes it in tags,
 * which have no plus. */
unsigned version_parts(struct version *v, const char *text)
{
	size_t len = strcspn(text, "+_");
	char core[VERSION_TEXT_MAX + 1];
	unsigned count;

	if (!text[len] || len > VERSION_TEXT_MAX)
		return core_parts(v, text);
	memcpy(core, text, len);
	core[len] = '\0';
	count = core_parts(v, core);
	return count == 3 && build_is_valid(text + len + 1) ? 3 : 0;
}

bool version_parse(struct version *v, const char *text)
{
	return version_parts(v, text) == 3;
}

/* Compare two identifiers: numbers before words, numbers by value. */
static int pre_part_cmp(struct span a, struct span b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	bool a_word = false, b_word = false;
	int order;

	for (size_t i = 0; i < a.len; i++)
		a_word |= !is_digit(a.data[i]);
	for (size_t i = 0; i < b.len; i++)
		b_word |= !is_digit(b.data[i]);
	if (a_word != b_word)
		return a_word ? 1 : -1;
	if (!a_word && a.len != b.len)
		return a.len < b.len ? -1 : 1;
	order = memcmp(a.data, b.data, shorter);
	if (order)
		return order;
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static int pre_cmp(const char *a, const char *b)
{
	struct span left = span_of(a), right = span_of(b);

	if (!*a || !*b)
		return !*a - !*b;
	while (left.len && right.len) {
		int order = pre_part_cmp(span_until(&left, '.'), span_until(&right, '.'));

		if (order)
			return order;
	}
	return left.len ? 1 : right.len ? -1 : 0;
}

int version_cmp(const struct version *a, const struct version *b)
{
	for (unsigned i = 0; i < 3; i++)
		if (a->number[i] != b->number[i])
			return a->number[i] < b->number[i] ? -1 : 1;
	return pre_cmp(a->pre, b->pre);
}
