/*
 * One tree for JSON and YAML, with line numbers, for the short time between bytes and structs.
 *
 * json_parse() and yaml_parse() build it inside a `struct doc`; doc_release() frees all of it at
 * once. No tree crosses a header of the layers above: a parser reads it into plain structs and
 * lets it go. Nodes and their strings are borrowed from the doc.
 *
 * Readers ask with the type they need; a wrong type, a missing required key and an unknown key are
 * ERR_INPUT with "NAME:LINE: at images[3].tags: ..." so that a person can find the place.
 */
#ifndef MOAT_TREE_H
#define MOAT_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

enum node_kind { NODE_NULL, NODE_BOOL, NODE_INT, NODE_REAL, NODE_STRING, NODE_LIST, NODE_MAP };

/* What YAML says beside the value; 0 in JSON. */
enum {
	NODE_PLAIN = 1, /* a scalar without quotes, tag or block */
	NODE_COPIED = 2, /* stands here by an alias (*name) or a merge key (<<) */
	NODE_AGAIN = 4, /* its map has the same key before it; only in documents_parse() */
};

struct node {
	enum node_kind kind;
	uint32_t line; /* from 1 */
	uint8_t flags; /* NODE_PLAIN ... */
	const char *key; /* in a map: its key; else NULL */
	const char *text; /* scalars: the text, NUL-terminated; never NULL */
	size_t text_len; /* bytes; equal to strlen(text): NULs are refused */
	int64_t number; /* NODE_INT; NODE_BOOL: 0 or 1 */
	const struct node *up;
	struct node *first, *last, *next; /* children and sibling, in document order */
	uint32_t count; /* children */
};

struct doc {
	const char *name; /* for messages: a file name or digest; borrowed */
	bool is_yaml; /* then any scalar may be read as a string */
	bool is_loose; /* of documents_parse(): a key may be there twice */
	struct node *root;
	struct doc_nodes *nodes;
};

#define DOC_INIT                                                                                   \
	{                                                                                          \
		.name = ""                                                                         \
	}

/* Limits, each refused by name. */
#define DOC_DEPTH_MAX 64
#define DOC_NODES_MAX 2000000
#define YAML_BYTES_MAX (16u << 20)

/* Strict RFC 8259 (UTF-8, no duplicate keys, no trailing data, integers to 2^63-1); keys that
 * differ only in case from another key of the same map are refused too, because Go clients would
 * take either. `limit`: most bytes accepted. name is borrowed for the life of the doc. */
MUST int json_parse(
	struct doc *d, const char *name, struct span bytes, size_t limit, struct err *e);

/* How many values a JSON text has, before anything is built of it; of what is none, as many at least as in front of the fault. */
size_t json_values(struct span bytes);

/* UTF-8, also behind a byte order mark. YAML 1.1 by libyaml, core-schema scalars, one document, no anchors, aliases, tags or merge keys,
 * duplicate keys refused; an empty one is null. Plain scalars keep their text (`tags: 1.10` reads as "1.10"). */
MUST int yaml_parse(struct doc *d, const char *name, struct span bytes, struct err *e);

/*
 * All documents of a YAML or JSON text, as kubectl reads them: *d gets a list with one item a document; documents that
 * say nothing are left out. Anchors and aliases are expanded and merge keys merged (keys of the map itself win, then
 * the first of several), up to DOC_COPIES_MAX copied nodes. Keys that are there twice stay, the later ones marked
 * NODE_AGAIN; keys may differ only in case. Tags: those of YAML's core schema.
 *
 * What begins with { or [ is JSON where it is valid JSON.
 */
#define DOC_COPIES_MAX 200000
MUST int documents_parse(
	struct doc *d, const char *name, struct span bytes, size_t limit, struct err *e);

/* The same of JSON alone: json.c. */
MUST int json_parse_all(
	struct doc *d, const char *name, struct span bytes, size_t limit, struct err *e);

void doc_release(struct doc *d); /* for AUTO; every node and text of it is gone */
size_t doc_memory(const struct doc *d); /* bytes that it takes, up to 50 for each of the text */

/* --- reading ----------------------------------------------------------------------------- */

#define node_each(child, parent)                                                                   \
	for (const struct node *child = (parent)->first; child; child = child->next)

enum { REQUIRED = 1, OPTIONAL = 0 };

/* The child of a map, or NULL. A map that is NULL or no map has no children. */
const struct node *node_get(const struct node *map, const char *key);

/* "NAME:LINE: at PATH: TEXT" as ERR_INPUT. Returns -1. */
int node_err(const struct doc *d, const struct node *n, struct err *e, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
#ifdef __clang_analyzer__ /* as in err.h */
#define node_err(...) ((void)node_err(__VA_ARGS__), -1)
#endif

/* Each of the following: 1 found, 0 absent (only when OPTIONAL; *out is untouched; null counts as
 * absent), -1 wrong type or missing. Strings from YAML may be any scalar. */
MUST int node_string(const struct doc *d, const struct node *map, const char *key, int required,
	const char **out, struct err *e);
MUST int node_int(const struct doc *d, const struct node *map, const char *key, int required,
	int64_t min, int64_t max, int64_t *out, struct err *e);
MUST int node_bool(const struct doc *d, const struct node *map, const char *key, int required,
	bool *out, struct err *e);
MUST int node_list(const struct doc *d, const struct node *map, const char *key, int required,
	const struct node **out, struct err *e);
MUST int node_map(const struct doc *d, const struct node *map, const char *key, int required,
	const struct node **out, struct err *e);

/* Refuse keys that are not in `known` (NULL-terminated): a typo is an error, never a default. */
MUST int node_only(
	const struct doc *d, const struct node *map, const char *const known[], struct err *e);

/* --- building (json.c, yaml.c) -------------------------------------------------------------- */

/* A child of `parent` (NULL: the root), with key and text copied into the doc. Fails on depth,
 * count, or a key that is there already, which a loose doc only marks. */
MUST int node_add(struct doc *d, struct node *parent, struct span key, enum node_kind kind,
	struct span text, uint32_t line, struct node **out, struct err *e);

/* --- writing JSON ---------------------------------------------------------------------------- */

/* A JSON string with quotes; the shortest escapes, and <, >, & as \u003c ... when html is true
 * (Go's json.Marshal does so, and signatures depend on it). */
void json_quote(struct buf *out, const char *text, bool html);

#endif
