/* Write and read on what a medium builds. Pure; must not take a name that a set could not have. */
#include "mirror-tool/media/base.h"

#include "storage/base/banned.h"

static const char *const words[] = {
	[BASE_SINCE] = "since", [BASE_RECEIPT] = "receipt", [BASE_NEED] = "need"
};

int base_add(struct base *b, const char *name, const char *version, const struct digest *d,
	struct err *e)
{
	struct base_set *set = &b->sets[b->count];

	for (size_t i = 0; i < b->count; i++)
		if (digest_eq(&b->sets[i].digest, d))
			return 0;
	if (b->count == BASE_SETS_MAX)
		return err_set(e, ERR_INPUT, "a medium builds on at most %d sets", BASE_SETS_MAX);
	if (strlen(name) > SET_NAME_MAX || strlen(version) > SET_VERSION_MAX)
		return err_set(e, ERR_INPUT, "a set's name or version is too long");
	memcpy(set->name, name, strlen(name) + 1);
	memcpy(set->version, version, strlen(version) + 1);
	set->digest = *d;
	b->count++;
	return 0;
}

void base_write(const struct base *b, struct buf *out)
{
	char text[DIGEST_TEXT_SIZE];

	if (b->kind == BASE_NONE)
		return;
	buf_str(out, words[b->kind]);
	for (size_t i = 0; i < b->count; i++)
		buf_printf(out, " %s:%s@%s", b->sets[i].name, b->sets[i].version,
			digest_text(&b->sets[i].digest, text));
}

/* "NAME:VERSION@DIGEST" */
static int parse_set(struct base *b, struct span text, struct err *e)
{
	struct span name = span_until(&text, ':'), version = span_until(&text, '@');
	AUTO(mem_free) char *n = mem_strndup(name.data, name.len);
	AUTO(mem_free) char *v = mem_strndup(version.data, version.len);
	struct digest d;
	struct ref ref;

	if (set_check_name(name, e) < 0 || digest_parse(&d, text, e) < 0)
		return -1;
	/* a version is a tag */
	AUTO(mem_free) char *tagged = mem_printf("%s/%s:%s", SET_HOST, n, v);
	if (ref_parse(&ref, span_of(tagged), e) < 0)
		return -1;
	return base_add(b, n, v, &d, e);
}

static int parse(struct base *b, struct span text, struct err *e)
{
	struct span kind = span_until(&text, ' ');

	for (size_t k = BASE_SINCE; k < ARRAY_SIZE(words); k++)
		if (span_is(kind, words[k]))
			b->kind = (enum base_kind)k;
	if (b->kind == BASE_NONE)
		return err_set(e, ERR_CORRUPT, "an unknown kind \"%.*s\"",
			kind.len < 20 ? (int)kind.len : 20, kind.data);
	while (text.len)
		if (parse_set(b, span_until(&text, ' '), e) < 0)
			return -1;
	return 0;
}

int base_parse(struct base *b, const char *text, struct err *e)
{
	AUTO(buf_release) struct buf again = BUF_INIT;

	*b = (struct base){ .kind = BASE_NONE };
	if (!text || !*text)
		return 0;
	if (parse(b, span_of(text), e) < 0) {
		e->code = ERR_CORRUPT;
		return err_ctx(e, "on what it builds");
	}
	base_write(b, &again);
	if (strcmp(again.data, text) == 0 && (b->kind != BASE_NEED || b->count == 0))
		return 0;
	return err_set(
		e, ERR_CORRUPT, "on what it builds is written in another way than moat does");
}

void base_say(const struct base *b, struct buf *out)
{
	if (b->kind == BASE_NEED)
		buf_str(out, "a top-up");
	else if (b->kind != BASE_NONE)
		buf_str(out, b->count ? "a delta on " : "a delta on nothing");
	for (size_t i = 0; i < b->count; i++)
		buf_printf(out, "%s%s %s",
			i == 0             ? ""
			: i + 1 < b->count ? ", "
					   : " and ",
			b->sets[i].name, b->sets[i].version);
}

const char *base_suffix(enum base_kind kind)
{
	return kind == BASE_NONE ? "" : kind == BASE_NEED ? ".topup" : ".delta";
}
