/*
 * Merge what is wanted into what is there. Maps are merged key by key, in lists ours come first,
 * everything else stays. A file that has it already is not rewritten, so its comments and layout
 * stay.
 */
#include "mirror-tool/node/node.h"

#include <stdio.h>
#include <strings.h>

#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define HEADER_WORDS "# Written by `moat node config`"

/* Write JSON, or block YAML with the scalars of JSON. */
struct writer {
	struct buf *out;
	bool yaml;
};

static void new_line(const struct writer *w, unsigned depth)
{
	if (w->out->len && w->out->data[w->out->len - 1] == ' ')
		buf_cut(w->out, w->out->len - 1); /* behind "key:" */
	buf_char(w->out, '\n');
	for (unsigned i = 0; i < depth; i++)
		buf_str(w->out, "  ");
}

/* Words that are text to us and a truth value to YAML 1.1: without quotes a reader with types takes
 * them as what it needs. */
static bool is_old_bool(const char *text)
{
	static const char *const words[] = { "yes", "no", "on", "off", "y", "n" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

static void put_scalar(const struct writer *w, const struct node *n)
{
	if (n->kind == NODE_STRING && w->yaml && is_old_bool(n->text))
		buf_str(w->out, n->text);
	else if (n->kind == NODE_STRING)
		json_quote(w->out, n->text, false);
	else
		buf_str(w->out, n->kind == NODE_NULL ? "null" : n->text);
}

static bool lists(const struct node *list, const struct node *item)
{
	if (!list || list->kind != NODE_LIST)
		return false;
	node_each(n, list) if (n->kind == item->kind && n->kind != NODE_MAP &&
			       n->kind != NODE_LIST &&
			       strcmp(n->text, item->text) == 0) return true;
	return false;
}

static void put_node(
	const struct writer *w, const struct node *have, const struct node *want, unsigned depth);

static void put_item(const struct writer *w, const struct node *item, bool first, unsigned depth)
{
	if (!w->yaml)
		buf_str(w->out, first ? "" : ",");
	new_line(w, depth);
	if (w->yaml)
		buf_str(w->out, "- ");
	put_node(w, item, NULL, depth + 1);
}

static void put_list(
	const struct writer *w, const struct node *have, const struct node *want, unsigned depth)
{
	bool first = true;

	if (!w->yaml)
		buf_char(w->out, '[');
	for (const struct node *n = want ? want->first : NULL; n; n = n->next, first = false)
		put_item(w, n, first, depth);
	for (const struct node *n = have && have->kind == NODE_LIST ? have->first : NULL; n;
		n = n->next) {
		if (lists(want, n))
			continue;
		put_item(w, n, first, depth);
		first = false;
	}
	if (!w->yaml && !first)
		new_line(w, depth - 1);
	if (!w->yaml)
		buf_char(w->out, ']');
	else if (first)
		buf_str(w->out, "[]");
}

static void put_pair(const struct writer *w, const char *key, const struct node *have,
	const struct node *want, bool first, unsigned depth)
{
	if (!w->yaml)
		buf_str(w->out, first ? "" : ",");
	new_line(w, depth);
	json_quote(w->out, key, false);
	buf_str(w->out, ": ");
	put_node(w, have, want, depth + 1);
}

static void put_map(
	const struct writer *w, const struct node *have, const struct node *want, unsigned depth)
{
	const struct node *old = have && have->kind == NODE_MAP ? have->first : NULL;
	bool first = true;

	if (!w->yaml)
		buf_char(w->out, '{');
	for (const struct node *n = old; n; n = n->next, first = false)
		put_pair(w, n->key, n, want ? node_get(want, n->key) : NULL, first, depth);
	for (const struct node *n = want ? want->first : NULL; n; n = n->next) {
		if (old && node_get(have, n->key))
			continue;
		put_pair(w, n->key, NULL, n, first, depth);
		first = false;
	}
	if (!w->yaml && !first)
		new_line(w, depth - 1);
	if (!w->yaml)
		buf_char(w->out, '}');
	else if (first)
		buf_str(w->out, "{}");
}

/* Take the kind of `want` where both are given. */
static void put_node(
	const struct writer *w, const struct node *have, const struct node *want, unsigned depth)
{
	const struct node *kind = want ? want : have;

	if (!kind)
		return; /* neither has it */
	if (kind->kind == NODE_MAP)
		put_map(w, have, want, depth);
	else if (kind->kind == NODE_LIST)
		put_list(w, have, want, depth);
	else
		put_scalar(w, kind);
}

static void put_document(const struct writer *w, const struct node *have, const struct node *want)
{
	size_t before = w->out->len;

	put_node(w, have, want, w->yaml ? 0 : 1);
	if (w->yaml && w->out->len > before && w->out->data[before] == '\n')
		memmove(w->out->data + before, w->out->data + before + 1, w->out->len - before);
	buf_cut(w->out, strlen(w->out->data));
	buf_char(w->out, '\n');
}

/* Fail where ours is a map or list and theirs is something else. */
static int check_kinds(
	const struct doc *d, const struct node *have, const struct node *want, struct err *e)
{
	if (have->kind == NODE_NULL)
		return 0;
	if (have->kind != want->kind)
		return node_err(d, have, e, "%s is needed here; merge it by hand",
			want->kind == NODE_MAP    ? "a map"
			: want->kind == NODE_LIST ? "a list"
						  : "text");
	if (want->kind != NODE_MAP)
		return 0;
	node_each(n, want)
	{
		const struct node *old = node_get(have, n->key);

		if (old && check_kinds(d, old, n, e) < 0)
			return -1;
	}
	return 0;
}

static int parse_have(struct doc *d, const struct node_file *f, struct span have, struct err *e)
{
	if (f->kind == NODE_YAML)
		return yaml_parse(d, f->path, have, e);
	return json_parse(d, f->path, have, NODE_FILE_MAX, e);
}

static bool is_blank(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!strchr(" \t\r\n", text.data[i]))
			return false;
	return true;
}

static int merge_tree(const struct node_file *f, struct span have, struct buf *out, struct err *e)
{
	AUTO(doc_release) struct doc want = DOC_INIT;
	AUTO(doc_release) struct doc old = DOC_INIT;
	AUTO(buf_release) struct buf before = BUF_INIT;
	struct writer now = { out, f->kind == NODE_YAML }, then = { &before, now.yaml };

	if (json_parse(&want, "wanted", buf_span(&f->text), NODE_FILE_MAX, e) < 0)
		BUG("our own text: %s", e->text);
	if (is_blank(have)) {
		if (now.yaml)
			buf_str(out, HEADER_WORDS "; what others add is kept.\n");
		put_document(&now, NULL, want.root);
		return 1;
	}
	if (parse_have(&old, f, have, e) < 0 || check_kinds(&old, old.root, want.root, e) < 0)
		return -1;
	put_document(&now, old.root, want.root);
	put_document(&then, old.root, NULL);
	return strcmp(out->data, before.data) == 0 ? 0 : 1;
}

static bool is_ours(struct span have)
{
	size_t words = strlen(HEADER_WORDS);

	return have.len > words && memcmp(have.data, HEADER_WORDS, words) == 0;
}

int node_file_merge(struct node_file *f, struct span have, struct buf *out, struct err *e)
{
	struct span old = have.data ? have : f->hosts.like;
	struct span login = is_ours(old) ? old : (struct span){ "", 0 };

	buf_clear(out);
	if (f->kind == NODE_JSON || f->kind == NODE_YAML)
		return merge_tree(f, have, out, e);
	if (!f->hosts.server)
		buf_add(out, f->text.data, f->text.len);
	else if (node_hosts_write(&f->hosts, buf_span(&f->text), login, out))
		f->secret = true;
	if (!have.data)
		return 1;
	if (have.len == out->len && memcmp(have.data, out->data, have.len) == 0)
		return 0;
	if (f->kind == NODE_COPY || have.len == 0 || is_ours(have))
		return 1;
	return err_set(e, ERR_INPUT,
		"%s is there, says something else and was not written by moat: merge it by hand or "
		"move it away",
		f->path);
}
