/* Read quotas and find the one of a repository. Must never take a mistyped rule for none. */
#include "registry/access/quota.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define SIZE_OPTIONS(OPTION, S) OPTION(S, SIZE, bytes, "quota", NULL, NULL, "", .min = 1)
struct size_options {
	SIZE_OPTIONS(SETTING_FIELD, size_options)
};
static const struct setting size_of[] = { SIZE_OPTIONS(SETTING_ROW, size_options) };

static int read_pattern(struct span text, char out[PATTERN_MAX + 1], struct err *e)
{
	if (text.len == 0 || text.len > PATTERN_MAX)
		return err_set(e, ERR_INPUT, "a pattern has 1 to %d bytes", PATTERN_MAX);
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	if (strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789._-/:*") == text.len)
		return 0;
	return err_set(e, ERR_INPUT, "no repository has such a name");
}

static bool is_there(const struct quotas *q, struct span pattern)
{
	for (size_t i = 0; i < q->count; i++)
		if (span_is(pattern, q->items[i].pattern))
			return true;
	return false;
}

static int add(struct quotas *q, const char *rule, struct err *e)
{
	struct span size = span_of(rule), pattern = span_until(&size, '=');
	struct size_options read = { .bytes = 0 };
	const struct settings as = { size_of, ARRAY_SIZE(size_of), &read };
	struct quota *quota;

	if (!strchr(rule, '='))
		return err_set(e, ERR_INPUT, "it is not PATTERN=SIZE");
	if (q->count == QUOTAS_MAX)
		return err_set(e, ERR_INPUT, "more than %d quotas", QUOTAS_MAX);
	if (is_there(q, pattern))
		return err_set(e, ERR_INPUT, "there is one of that pattern");
	quota = VEC_PUSH(q->items, q->count);
	if (read_pattern(pattern, quota->pattern, e) < 0 ||
		setting_read(&as, size_of, size.data, true, e) < 0)
		return -1;
	quota->bytes = read.bytes;
	quota->refused = 0;
	return 0;
}

int quotas_init(struct quotas *q, const struct texts *rules, struct err *e)
{
	*q = (struct quotas)QUOTAS_INIT;
	for (size_t i = 0; rules && i < rules->count; i++)
		if (add(q, rules->items[i], e) < 0)
			return err_ctx(e, "quota: \"%s\"", rules->items[i]);
	return 0;
}

void quotas_release(struct quotas *q)
{
	free(q->items);
	*q = (struct quotas)QUOTAS_INIT;
}

struct quota *quota_find(const struct quotas *q, const char *repo)
{
	struct quota *best = NULL;

	for (size_t i = 0; q && i < q->count; i++)
		if (access_match(q->items[i].pattern, repo) &&
			(!best || strlen(q->items[i].pattern) > strlen(best->pattern)))
			best = &q->items[i];
	return best;
}
