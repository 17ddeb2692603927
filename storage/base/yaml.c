/*
 * YAML by libyaml's event parser, turned into the same tree as JSON. What JSON cannot say (anchors,
 * aliases, tags, several documents) is refused in a list of moat's, which must read the same to a reviewer and
 * to every program; for files that other tools read it is expanded (a loose doc). Must never load anything.
 */
#include <stdlib.h>

#include <yaml.h>

#include "storage/base/number.h"
#include "storage/base/tree.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct anchor {
	char *name;
	const struct node *node;
};

struct reader {
	yaml_parser_t parser;
	struct doc *doc;
	struct anchor *anchors; /* of this document, in its order */
	size_t anchor_count, copies;
};

static void forget_anchors(struct reader *r)
{
	for (size_t i = 0; i < r->anchor_count; i++)
		free(r->anchors[i].name);
	mem_free(&r->anchors);
	r->anchor_count = 0;
}

static void reader_release(struct reader *r)
{
	forget_anchors(r);
	yaml_parser_delete(&r->parser);
}

static void event_release(yaml_event_t *event)
{
	yaml_event_delete(event);
}

static uint32_t line_of(const yaml_event_t *event)
{
	return (uint32_t)event->start_mark.line + 1;
}

static int next_event(struct reader *r, yaml_event_t *event, struct err *e)
{
	const yaml_parser_t *p = &r->parser;

	if (yaml_parser_parse(&r->parser, event))
		return 0;
	return err_set(e, ERR_INPUT, "%s:%zu: %s%s%s", r->doc->name,
		(size_t)p->problem_mark.line + 1, p->context ? p->context : "",
		p->context ? ", " : "", p->problem ? p->problem : "not YAML");
}

static bool is_one_of(const char *text, const char *const words[])
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static const char *const null_words[] = { "", "~", "null", "Null", "NULL", NULL };
static const char *const true_words[] = { "true", "True", "TRUE", NULL };
static const char *const false_words[] = { "false", "False", "FALSE", NULL };

static bool is_integer(const char *text, int64_t *out)
{
	struct span digits = span_of(text + (*text == '-' || *text == '+'));
	uint64_t value;

	if (!number_is_plain(digits) || !number_parse(digits, INT64_MAX, &value))
		return false;
	*out = *text == '-' ? -(int64_t)value : (int64_t)value;
	return true;
}

/* The core schema for plain scalars. Only what moat's own files need is told apart; reals are left
 * as strings, so that a version such as 1.10 keeps its zero. */
static enum node_kind plain_kind(const char *text, int64_t *number)
{
	*number = 0;
	if (is_one_of(text, null_words))
		return NODE_NULL;
	if (is_one_of(text, true_words)) {
		*number = 1;
		return NODE_BOOL;
	}
	if (is_one_of(text, false_words))
		return NODE_BOOL;
	return is_integer(text, number) ? NODE_INT : NODE_STRING;
}

static int refuse(
	const struct reader *r, const yaml_event_t *event, struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "%s:%u: %s", r->doc->name, line_of(event), what);
}

/* --- anchors, aliases, merge keys: only in a loose doc ----------------------------------------- */

/* A node that its own text does not name yet is unknown to an alias inside it: no cycles. */
static void remember(struct reader *r, const yaml_char_t *anchor, const struct node *n)
{
	if (anchor)
		*VEC_PUSH(r->anchors, r->anchor_count) =
			(struct anchor){ mem_strdup((const char *)anchor), n };
}

static const struct node *find_anchor(const struct reader *r, const char *name)
{
	for (size_t i = r->anchor_count; i > 0; i--)
		if (strcmp(r->anchors[i - 1].name, name) == 0)
			return r->anchors[i - 1].node;
	return NULL;
}

/* Copy a node and what is below it; lines stay those of the original. */
static int copy_node(struct reader *r, const struct node *from, struct node *parent,
	struct span key, struct err *e)
{
	struct span text = { from->text, from->text_len };
	struct node *n;

	if (r->copies++ >= DOC_COPIES_MAX)
		return err_set(e, ERR_INPUT, "%s:%u: aliases make more than %d values of this",
			r->doc->name, from->line, DOC_COPIES_MAX);
	if (node_add(r->doc, parent, key, from->kind, text, from->line, &n, e) < 0)
		return -1;
	n->number = from->number;
	n->flags |= (from->flags & NODE_PLAIN) | NODE_COPIED;
	node_each(child, from)
	{
		struct span below = child->key ? span_of(child->key) : (struct span){ NULL, 0 };

		if (copy_node(r, child, n, below, e) < 0)
			return -1;
	}
	return 0;
}

static int add_alias(struct reader *r, const yaml_event_t *event, struct node *parent,
	struct span key, struct err *e)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct node *from = find_anchor(r, name);

	if (!from)
		return err_set(e, ERR_INPUT,
			"%s:%u: the anchor of *%.100s is not before it, or around it", r->doc->name,
			line_of(event), name);
	return copy_node(r, from, parent, key, e);
}

/* Add the keys that the map lacks. */
static int merge_map(struct reader *r, struct node *map, const struct node *from, struct err *e)
{
	if (from->kind != NODE_MAP)
		return err_set(e, ERR_INPUT,
			"%s:%u: a merge key (<<) needs a map or a list of maps", r->doc->name,
			from->line);
	node_each(child, from)
	{
		if (!node_get(map, child->key) &&
			copy_node(r, child, map, span_of(child->key), e) < 0)
			return -1;
	}
	return 0;
}

static void unlink_child(struct node *map, const struct node *gone)
{
	struct node *before = NULL;

	for (struct node *n = map->first; n != gone; n = n->next)
		before = n;
	if (before)
		before->next = gone->next;
	else
		map->first = gone->next;
	if (map->last == gone)
		map->last = before;
	map->count--;
}

/* Take "<<" out of a map that is read and put what it names in its place. */
static int merge(struct reader *r, struct node *map, struct err *e)
{
	const struct node *from = node_get(map, "<<");

	if (!from || !r->doc->is_loose)
		return 0;
	unlink_child(map, from);
	if (from->kind != NODE_LIST)
		return merge_map(r, map, from, e);
	node_each(item, from)
	{
		if (merge_map(r, map, item, e) < 0)
			return -1;
	}
	return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

#define CORE_TAG "tag:yaml.org,2002:"

/* Is a tag one that says what the value is anyway? */
static bool is_core_tag(const yaml_char_t *tag)
{
	static const char *const known[] = { CORE_TAG "str", CORE_TAG "int", CORE_TAG "bool",
		CORE_TAG "float", CORE_TAG "null", CORE_TAG "map", CORE_TAG "seq", "!", NULL };

	return is_one_of((const char *)tag, known);
}

static bool is_plain(const yaml_event_t *event)
{
	const char *tag = (const char *)event->data.scalar.tag;

	if (tag && (strcmp(tag, CORE_TAG "str") == 0 || strcmp(tag, "!") == 0))
		return false;
	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* Refuse what only a loose doc may have. */
static int check_extras(struct reader *r, const yaml_event_t *event, const yaml_char_t *anchor,
	const yaml_char_t *tag, struct err *e)
{
	if (!r->doc->is_loose && (anchor || tag))
		return refuse(r, event, e, "anchors and tags are not accepted");
	if (tag && !is_core_tag(tag))
		return err_set(e, ERR_INPUT, "%s:%u: the tag %.100s is not understood",
			r->doc->name, line_of(event), (const char *)tag);
	return 0;
}

static int add_scalar(struct reader *r, const yaml_event_t *event, struct node *parent,
	struct span key, struct err *e)
{
	struct span text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	enum node_kind kind = NODE_STRING;
	int64_t number = 0;
	struct node *n;

	bool plain = is_plain(event);

	if (plain)
		kind = plain_kind(text.data, &number);
	if (node_add(r->doc, parent, key, kind, text, line_of(event), &n, e) < 0)
		return -1;
	n->number = number;
	n->flags |= plain ? NODE_PLAIN : 0;
	remember(r, event->data.scalar.anchor, n);
	return 0;
}

static int read_value(struct reader *r, const yaml_event_t *event, struct node *parent,
	struct span key, struct err *e);

static int read_list(struct reader *r, struct node *list, struct err *e)
{
	for (;;) {
		AUTO(event_release) yaml_event_t event = { 0 };

		if (next_event(r, &event, e) < 0)
			return -1;
		if (event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		if (read_value(r, &event, list, (struct span){ NULL, 0 }, e) < 0)
			return -1;
	}
}

static int read_map(struct reader *r, struct node *map, struct err *e)
{
	for (;;) {
		AUTO(event_release) yaml_event_t key = { 0 };
		AUTO(event_release) yaml_event_t value = { 0 };

		if (next_event(r, &key, e) < 0)
			return -1;
		if (key.type == YAML_MAPPING_END_EVENT)
			return merge(r, map, e);
		if (key.type != YAML_SCALAR_EVENT)
			return refuse(r, &key, e, "a key must be a plain string");
		if (strcmp((const char *)key.data.scalar.value, "<<") == 0 && !r->doc->is_loose)
			return refuse(r, &key, e, "merge keys (<<) are not accepted");
		if (next_event(r, &value, e) < 0)
			return -1;
		if (read_value(r, &value, map,
			    (struct span){
				    (const char *)key.data.scalar.value, key.data.scalar.length },
			    e) < 0)
			return -1;
	}
}

static int read_value(struct reader *r, const yaml_event_t *event, struct node *parent,
	struct span key, struct err *e)
{
	const yaml_char_t *anchor;
	struct span none = { NULL, 0 };
	struct node *n;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		if (!r->doc->is_loose)
			return refuse(r, event, e, "aliases (*name) are not accepted");
		return add_alias(r, event, parent, key, e);
	case YAML_SCALAR_EVENT:
		if (check_extras(r, event, event->data.scalar.anchor, event->data.scalar.tag, e) <
			0)
			return -1;
		return add_scalar(r, event, parent, key, e);
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		if (check_extras(r, event, anchor, event->data.sequence_start.tag, e) < 0 ||
			node_add(r->doc, parent, key, NODE_LIST, none, line_of(event), &n, e) < 0 ||
			read_list(r, n, e) < 0)
			return -1;
		remember(r, anchor, n);
		return 0;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		if (check_extras(r, event, anchor, event->data.mapping_start.tag, e) < 0 ||
			node_add(r->doc, parent, key, NODE_MAP, none, line_of(event), &n, e) < 0 ||
			read_map(r, n, e) < 0)
			return -1;
		remember(r, anchor, n);
		return 0;
	default:
		return refuse(r, event, e, "not a value");
	}
}

static int expect(struct reader *r, yaml_event_type_t type, const char *what, struct err *e)
{
	AUTO(event_release) yaml_event_t event = { 0 };

	if (next_event(r, &event, e) < 0)
		return -1;
	return event.type == type ? 0 : refuse(r, &event, e, what);
}

/* parent: NULL, or the list of documents. */
static int read_root(struct reader *r, struct node *parent, struct err *e)
{
	AUTO(event_release) yaml_event_t event = { 0 };

	if (next_event(r, &event, e) < 0 ||
		read_value(r, &event, parent, (struct span){ NULL, 0 }, e) < 0)
		return -1;
	return expect(r, YAML_DOCUMENT_END_EVENT, "not a document", e);
}

static int read_documents(struct reader *r, struct err *e)
{
	struct span none = { NULL, 0 };
	struct node *list;

	if (node_add(r->doc, NULL, none, NODE_LIST, none, 1, &list, e) < 0 ||
		expect(r, YAML_STREAM_START_EVENT, "not YAML", e) < 0)
		return -1;
	for (;;) {
		AUTO(event_release) yaml_event_t event = { 0 };

		if (next_event(r, &event, e) < 0)
			return -1;
		if (event.type == YAML_STREAM_END_EVENT)
			return 0;
		forget_anchors(r);
		if (read_root(r, list, e) < 0)
			return -1;
		if (list->last->kind == NODE_NULL)
			unlink_child(list, list->last);
	}
}

static int read_document(struct reader *r, struct err *e)
{
	AUTO(event_release) yaml_event_t event = { 0 };
	struct span none = { NULL, 0 };
	struct node *root;

	if (expect(r, YAML_STREAM_START_EVENT, "not YAML", e) < 0 || next_event(r, &event, e) < 0)
		return -1;
	if (event.type == YAML_STREAM_END_EVENT) /* nothing but comments: null */
		return node_add(r->doc, NULL, none, NODE_NULL, none, 1, &root, e);
	if (read_root(r, NULL, e) < 0)
		return -1;
	return expect(r, YAML_STREAM_END_EVENT, "a second document is not accepted", e);
}

/* A byte order mark is what some editors put before UTF-8. libyaml skips it only where it may guess the
 * encoding as well. */
static int skip_mark(struct span *bytes, const char *name, struct err *e)
{
	static const char utf8[] = "\xef\xbb\xbf";

	if (bytes->len >= 2 && (memcmp(bytes->data, "\xff\xfe", 2) == 0 ||
				       memcmp(bytes->data, "\xfe\xff", 2) == 0))
		return err_set(e, ERR_INPUT, "%s: UTF-16; save it as UTF-8", name);
	if (bytes->len >= 3 && memcmp(bytes->data, utf8, 3) == 0)
		*bytes = (struct span){ bytes->data + 3, bytes->len - 3 };
	return 0;
}

static int parse(struct doc *d, struct span bytes, size_t limit,
	int (*read)(struct reader *r, struct err *e), struct err *e)
{
	AUTO(reader_release) struct reader r = { .doc = d };

	if (bytes.len > limit)
		return err_set(e, ERR_INPUT, "%s: %zu bytes, more than the limit of %zu", d->name,
			bytes.len, limit);
	if (skip_mark(&bytes, d->name, e) < 0)
		return -1;
	if (!yaml_parser_initialize(&r.parser))
		BUG("out of memory");
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes.data, bytes.len);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	if (read(&r, e) < 0) {
		doc_release(d);
		return -1;
	}
	return 0;
}

int yaml_parse(struct doc *d, const char *name, struct span bytes, struct err *e)
{
	*d = (struct doc){ .name = name, .is_yaml = true };
	return parse(d, bytes, YAML_BYTES_MAX, read_document, e);
}

static int yaml_parse_all(
	struct doc *d, const char *name, struct span bytes, size_t limit, struct err *e)
{
	*d = (struct doc){ .name = name, .is_yaml = true, .is_loose = true };
	return parse(d, bytes, limit, read_documents, e);
}

int documents_parse(struct doc *d, const char *name, struct span bytes, size_t limit, struct err *e)
{
	struct err why = ERR_INIT;
	size_t blanks = 0;

	while (blanks < bytes.len && strchr(" \t\r\n", bytes.data[blanks]))
		blanks++;
	if (blanks == bytes.len || !strchr("{[", bytes.data[blanks]))
		return yaml_parse_all(d, name, bytes, limit, e);
	if (json_parse_all(d, name, bytes, limit, e) == 0)
		return 0;
	/* A template, or YAML in flow style. JSON's error says more of what looks like JSON. */
	return yaml_parse_all(d, name, bytes, limit, &why) == 0 ? 0 : -1;
}
