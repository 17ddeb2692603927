/*
 * YAML by libyaml's event parser, turned into the same tree as JSON. What JSON cannot say (anchors,
 * aliases, tags, several documents) is refused: a list must read the
 * same to a reviewer and to every program. Must never resolve a merge key or load anything.
 */
#include <yaml.h>

#include "storage/base/number.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

struct reader {
	yaml_parser_t parser;
	struct doc *doc;
};

static void reader_release(struct reader *r)
{
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

static int refuse(struct reader *r, const yaml_event_t *event, struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "%s:%u: %s", r->doc->name, line_of(event), what);
}

static int add_scalar(struct reader *r, const yaml_event_t *event, struct node *parent,
	struct span key, struct err *e)
{
	struct span text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	enum node_kind kind = NODE_STRING;
	int64_t number = 0;
	struct node *n;

	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		kind = plain_kind(text.data, &number);
	if (node_add(r->doc, parent, key, kind, text, line_of(event), &n, e) < 0)
		return -1;
	n->number = number;
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
			return 0;
		if (key.type != YAML_SCALAR_EVENT)
			return refuse(r, &key, e, "a key must be a plain string");
		if (strcmp((const char *)key.data.scalar.value, "<<") == 0)
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
	struct span none = { NULL, 0 };
	struct node *n;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return refuse(r, event, e, "aliases (*name) are not accepted");
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor || event->data.scalar.tag)
			return refuse(r, event, e, "anchors and tags are not accepted");
		return add_scalar(r, event, parent, key, e);
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
			return refuse(r, event, e, "anchors and tags are not accepted");
		if (node_add(r->doc, parent, key, NODE_LIST, none, line_of(event), &n, e) < 0)
			return -1;
		return read_list(r, n, e);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
			return refuse(r, event, e, "anchors and tags are not accepted");
		if (node_add(r->doc, parent, key, NODE_MAP, none, line_of(event), &n, e) < 0)
			return -1;
		return read_map(r, n, e);
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

static int read_root(struct reader *r, struct err *e)
{
	AUTO(event_release) yaml_event_t event = { 0 };

	if (next_event(r, &event, e) < 0 ||
		read_value(r, &event, NULL, (struct span){ NULL, 0 }, e) < 0)
		return -1;
	return expect(r, YAML_DOCUMENT_END_EVENT, "not a document", e);
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
	if (read_root(r, e) < 0)
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

int yaml_parse(struct doc *d, const char *name, struct span bytes, struct err *e)
{
	AUTO(reader_release) struct reader r = { .doc = d };

	*d = (struct doc){ .name = name, .is_yaml = true };
	if (bytes.len > YAML_BYTES_MAX)
		return err_set(e, ERR_INPUT, "%s: %zu bytes, more than the limit of %u", name,
			bytes.len, YAML_BYTES_MAX);
	if (skip_mark(&bytes, name, e) < 0)
		return -1;
	if (!yaml_parser_initialize(&r.parser))
		BUG("out of memory");
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes.data, bytes.len);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	if (read_document(&r, e) < 0) {
		doc_release(d);
		return -1;
	}
	return 0;
}
