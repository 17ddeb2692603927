/*
 * JSON by jansson, turned into our tree. jansson checks the grammar, UTF-8, duplicates and number
 * ranges; it keeps no positions, so while its tree is walked (it keeps document order) a cursor
 * follows through the text, which is known to be valid by then, and counts lines.
 */
#include <jansson.h>

#include "storage/base/tree.h"
#include "storage/base/banned.h"

struct cursor {
	const char *at, *end;
	uint32_t line;
};

static void json_free(json_t **root)
{
	json_decref(*root);
}

/* To the next token, over white space, ',' and ':', and the brackets that close. */
static void skip_to_token(struct cursor *c)
{
	for (; c->at < c->end && strchr(" \t\r\n,:]}", *c->at); c->at++)
		c->line += *c->at == '\n';
}

static struct span take_string(struct cursor *c)
{
	const char *start = c->at;

	for (c->at++; *c->at != '"'; c->at++)
		c->at += *c->at == '\\';
	c->at++;
	return (struct span){ start, (size_t)(c->at - start) };
}

static struct span take_token(struct cursor *c)
{
	const char *start = c->at;

	if (*c->at == '"')
		return take_string(c);
	if (*c->at == '{' || *c->at == '[')
		c->at++;
	else
		while (c->at < c->end && !strchr(" \t\r\n,:]}", *c->at))
			c->at++;
	return (struct span){ start, (size_t)(c->at - start) };
}

static enum node_kind kind_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return NODE_MAP;
	case JSON_ARRAY:
		return NODE_LIST;
	case JSON_STRING:
		return NODE_STRING;
	case JSON_INTEGER:
		return NODE_INT;
	case JSON_REAL:
		return NODE_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return NODE_BOOL;
	default:
		return NODE_NULL;
	}
}

static int convert(struct doc *d, struct cursor *c, struct node *parent, struct span key,
	json_t *value, struct err *e);

/* jansson's depth limit (2048) is the larger one; ours (DOC_DEPTH_MAX) ends this recursion. */
static int convert_children(
	struct doc *d, struct cursor *c, struct node *n, json_t *value, struct err *e)
{
	const char *key;
	size_t key_len, index;
	json_t *child;

	if (n->kind == NODE_MAP) {
		json_object_keylen_foreach(value, key, key_len, child)
		{
			skip_to_token(c);
			take_string(c);
			if (convert(d, c, n, (struct span){ key, key_len }, child, e) < 0)
				return -1;
		}
	} else if (n->kind == NODE_LIST) {
		json_array_foreach(value, index,
			child) if (convert(d, c, n, (struct span){ NULL, 0 }, child, e) <
				   0) return -1;
	}
	return 0;
}

static int convert(struct doc *d, struct cursor *c, struct node *parent, struct span key,
	json_t *value, struct err *e)
{
	enum node_kind kind = kind_of(value);
	struct span text;
	struct node *n;

	skip_to_token(c);
	text = take_token(c);
	if (kind == NODE_STRING)
		text = (struct span){ json_string_value(value), json_string_length(value) };
	else if (kind == NODE_MAP || kind == NODE_LIST)
		text.len = 0;
	if (node_add(d, parent, key, kind, text, c->line, &n, e) < 0)
		return -1;
	if (kind == NODE_INT)
		n->number = json_integer_value(value);
	else if (kind == NODE_BOOL)
		n->number = json_is_true(value);
	return convert_children(d, c, n, value, e);
}

/* JSON has no byte order mark (RFC 8259 8.1), but editors and shells on Windows write them. */
static int check_mark(const char *name, struct span bytes, struct err *e)
{
	if (bytes.len >= 3 && memcmp(bytes.data, "\xef\xbb\xbf", 3) == 0)
		return err_set(e, ERR_INPUT,
			"%s:1: a byte order mark, which JSON has not; save it as UTF-8 without one",
			name);
	if (bytes.len >= 2 &&
		(memcmp(bytes.data, "\xff\xfe", 2) == 0 || memcmp(bytes.data, "\xfe\xff", 2) == 0))
		return err_set(e, ERR_INPUT, "%s: UTF-16; save it as UTF-8", name);
	return 0;
}

size_t json_values(struct span bytes)
{
	size_t values = 1;
	bool in_string = false;
	char last = '\0';

	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.data[i];

		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
			continue;
		}
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		in_string = c == '"';
		values += c == ',' || c == '[' || c == '{';
		values -= (c == ']' && last == '[') || (c == '}' && last == '{');
		last = c;
	}
	return values;
}

/* Refuse what jansson, which knows no limits, should not begin with: an empty object takes it 240 bytes. */
static int check_text(const char *name, struct span bytes, size_t limit, struct err *e)
{
	if (bytes.len > limit)
		return err_set(e, ERR_INPUT, "%s: %zu bytes, more than the limit of %zu", name,
			bytes.len, limit);
	if (json_values(bytes) > DOC_NODES_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %d values", name, DOC_NODES_MAX);
	return check_mark(name, bytes, e);
}

int json_parse(struct doc *d, const char *name, struct span bytes, size_t limit, struct err *e)
{
	struct cursor c = { bytes.data, bytes.data + bytes.len, 1 };
	AUTO(json_free) json_t *root = NULL;
	json_error_t bad;

	*d = (struct doc){ .name = name };
	if (check_text(name, bytes, limit, e) < 0)
		return -1;
	root = json_loadb(bytes.data, bytes.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &bad);
	if (!root)
		return err_set(e, ERR_INPUT, "%s:%d: %s", name, bad.line, bad.text);
	if (convert(d, &c, NULL, (struct span){ NULL, 0 }, root, e) < 0) {
		doc_release(d);
		return -1;
	}
	return 0;
}

/* Add one document of several; *used: bytes of it. */
static int add_document(struct doc *d, struct node *list, struct cursor *c, struct err *e)
{
	struct span rest = { c->at, (size_t)(c->end - c->at) };
	AUTO(json_free) json_t *root = NULL;
	const char *start = c->at;
	json_error_t bad;

	root = json_loadb(rest.data, rest.len,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &bad);
	if (!root)
		return err_set(e, ERR_INPUT, "%s:%u: %s", d->name, c->line + (uint32_t)bad.line - 1,
			bad.text);
	if (convert(d, c, list, (struct span){ NULL, 0 }, root, e) < 0)
		return -1;
	for (; c->at < start + bad.position; c->at++) /* the brackets that close */
		c->line += *c->at == '\n';
	return 0;
}

static bool skip_blanks(struct cursor *c)
{
	for (; c->at < c->end && strchr(" \t\r\n", *c->at); c->at++)
		c->line += *c->at == '\n';
	return c->at < c->end;
}

int json_parse_all(struct doc *d, const char *name, struct span bytes, size_t limit, struct err *e)
{
	struct cursor c = { bytes.data, bytes.data + bytes.len, 1 };
	struct span none = { NULL, 0 };
	struct node *list;

	*d = (struct doc){ .name = name, .is_loose = true };
	if (check_text(name, bytes, limit, e) < 0 ||
		node_add(d, NULL, none, NODE_LIST, none, 1, &list, e) < 0)
		return -1;
	while (skip_blanks(&c))
		if (add_document(d, list, &c, e) < 0) {
			doc_release(d);
			return -1;
		}
	return 0;
}

void json_quote(struct buf *out, const char *text, bool html)
{
	buf_char(out, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_printf(out, "\\%c", *p);
		else if (*p == '\n')
			buf_str(out, "\\n");
		else if (*p == '\t')
			buf_str(out, "\\t");
		else if (*p == '\r')
			buf_str(out, "\\r");
		else if ((unsigned char)*p < ' ' || (html && strchr("<>&", *p)))
			buf_printf(out, "\\u%04x", (unsigned)*p);
		else
			buf_char(out, *p);
	}
	buf_char(out, '"');
}
