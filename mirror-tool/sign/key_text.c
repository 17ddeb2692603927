/* Read the text in front of a key. Must never overlook a word: it was written to limit the key. */
#include "mirror-tool/sign/key_text.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define BEGIN "-----BEGIN "
#define BOM "\xef\xbb\xbf"

void key_text_release(struct key_text *t)
{
	for (size_t i = 0; i < t->set_count; i++)
		pattern_release(&t->sets[i]);
	free(t->sets);
	free(t->sets_text);
	*t = (struct key_text)KEY_TEXT_INIT;
}

/* --- lines ----------------------------------------------------------------------------------- */

static bool begins_with(struct span s, const char *text)
{
	return s.len >= strlen(text) && memcmp(s.data, text, strlen(text)) == 0;
}

static struct span trim(struct span s)
{
	while (s.len && memchr(" \t\r", s.data[0], 3))
		s = (struct span){ s.data + 1, s.len - 1 };
	while (s.len && memchr(" \t\r", s.data[s.len - 1], 3))
		s.len--;
	return s;
}

static int check_bytes(struct span line, struct err *e)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.data[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return err_set(
				e, ERR_INPUT, "byte %zu is the control byte 0x%02x", i + 1, c);
	}
	return 0;
}

/* --- sets: ----------------------------------------------------------------------------------- */

/* Add a glob over names of sets. Refuse characters that no name has: it would match nothing,
 * unnoticed. */
static int add_set(struct key_text *t, struct span glob, struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-*?[]!";
	struct pattern p;

	if (glob.len == 0)
		return err_set(e, ERR_INPUT, "a name of a set is missing");
	for (size_t i = 0; i < glob.len; i++)
		if (!memchr(letters, glob.data[i], sizeof(letters) - 1))
			return err_set(e, ERR_INPUT,
				"\"%.*s\" matches no name of a set (a-z, 0-9 and . _ -, with * ? "
				"[ ] for any; a comma between two)",
				(int)(glob.len < 100 ? glob.len : 100), glob.data);
	if (t->set_count == KEY_SETS_MAX)
		return err_set(e, ERR_INPUT, "more than %d names of sets", KEY_SETS_MAX);
	if (pattern_parse(&p, glob, e) < 0)
		return -1;
	*VEC_PUSH(t->sets, t->set_count) = p;
	if (p.kind != PATTERN_GLOB)
		return err_set(e, ERR_INPUT, "\"%s\" is not a glob", p.text);
	return 0;
}

static int take_sets(struct key_text *t, struct span value, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	bool more = true;

	if (t->set_count)
		return err_set(e, ERR_INPUT, "is there twice");
	while (more) {
		struct span rest = value;
		struct span glob = span_until(&rest, ',');

		more = glob.len < value.len;
		value = rest;
		if (add_set(t, trim(glob), e) < 0)
			return -1;
		buf_printf(&text, "%s%s", text.len ? ", " : "", t->sets[t->set_count - 1].text);
	}
	t->sets_text = mem_strdup(text.data);
	return 0;
}

bool key_text_allows(const struct key_text *t, const char *set)
{
	for (size_t i = 0; i < t->set_count; i++)
		if (pattern_match(&t->sets[i], set))
			return true;
	return t->set_count == 0;
}

static int take_strict(struct key_text *t, struct span value, struct err *e)
{
	if (t->has_strict)
		return err_set(e, ERR_INPUT, "is there twice");
	if (!span_is(value, "true") && !span_is(value, "false"))
		return err_set(e, ERR_INPUT, "true or false is needed");
	t->has_strict = true;
	t->strict = span_is(value, "true");
	return 0;
}

bool key_text_eq(const struct key_text *a, const struct key_text *b)
{
	if (a->strict != b->strict)
		return false;
	if (!a->sets_text || !b->sets_text)
		return a->sets_text == b->sets_text;
	return strcmp(a->sets_text, b->sets_text) == 0;
}

/* --- words ----------------------------------------------------------------------------------- */

static const struct word {
	const char *name;
	int (*take)(struct key_text *t, struct span value, struct err *e);
} words[] = {
	{ "sets", take_sets },
	{ "strict", take_strict },
};

static const struct word *find_word(struct span name)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (span_is(name, words[i].name))
			return &words[i];
	return NULL;
}

static int unknown_word(struct span name, struct err *e)
{
	AUTO(buf_release) struct buf known = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		buf_printf(&known, "%s: VALUE; ", words[i].name);
	return err_set(e, ERR_INPUT,
		"\"%.*s\" is no word for a key (known: %sa comment begins with #)",
		(int)(name.len < 60 ? name.len : 60), name.data, known.data);
}

/* Read a line that begins no block. Behind the first block, refuse our words only. */
static int take_line(struct key_text *t, struct span line, bool behind, struct err *e)
{
	struct span value = trim(line), name;
	bool colon = value.len && memchr(value.data, ':', value.len);
	const struct word *word;

	if (!behind && check_bytes(value, e) < 0)
		return -1;
	if (value.len == 0 || value.data[0] == '#' || (behind && !colon))
		return 0;
	name = trim(span_until(&value, ':'));
	word = find_word(name);
	if (behind)
		return word ? err_set(e, ERR_INPUT, "%s: must stand in front of BEGIN", word->name)
			    : 0;
	if (!word || !colon)
		return unknown_word(name, e);
	return word->take(t, trim(value), e) < 0 ? err_ctx(e, "%s:", word->name) : 0;
}

static int parse_lines(
	struct key_text *t, const char *name, struct span rest, struct span *pem, struct err *e)
{
	for (unsigned number = 1; rest.len; number++) {
		struct span from = rest;
		struct span line = span_until(&rest, '\n');

		if (!pem->len && begins_with(line, BEGIN))
			*pem = from;
		else if (take_line(t, line, pem->len > 0, e) < 0)
			return err_ctx(e, "%s: line %u", name, number);
	}
	return 0;
}

int key_text_parse(
	struct key_text *t, const char *name, struct span bytes, struct span *pem, struct err *e)
{
	*t = (struct key_text)KEY_TEXT_INIT;
	*pem = (struct span){ bytes.data + bytes.len, 0 };
	if (begins_with(bytes, BOM))
		bytes = (struct span){ bytes.data + strlen(BOM), bytes.len - strlen(BOM) };
	if (parse_lines(t, name, bytes, pem, e) == 0)
		return 0;
	key_text_release(t);
	return -1;
}
