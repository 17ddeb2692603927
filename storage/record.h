/*
 * What an operation on images asks of the database and writes to it, at once instead of row by row: blobs are
 * asked for in lists, what is to be written is gathered, record_flush() writes it. So an operation costs a
 * fixed number of statements, however many images, layers and tags it is about: RECORD_STATEMENTS at the
 * most to write, one a list to ask. All within one transaction; what was gathered and not flushed is nothing.
 */
#ifndef MOAT_RECORD_H
#define MOAT_RECORD_H

#include "storage/meta/meta.h"
#include "storage/oci/digest_map.h"

/* Blobs, manifests, edges, two kinds of links, tags, pins; and three new states of index.json. */
#define RECORD_STATEMENTS 10

/* What is known of a blob: its row, or what that will be. */
struct known {
	struct digest digest;
	int64_t id; /* 0: it has no row yet */
	uint64_t size; /* recorded; or as announced first */
	bool live; /* recorded as held */
	bool linked; /* to the repository that was asked of */
	bool whole; /* of its manifest row, written or gathered */
	char *media_type; /* of the same; NULL: it has none */
	enum { HELD_UNKNOWN, HELD_NOT, HELD_YES } held; /* record_held() */
	bool used; /* by what is gathered */
	size_t manifest; /* its place among what is gathered, from 1 */
	unsigned seen, put; /* image.c: the last root that reached it, and with which it was put */
};

enum record_link {
	RECORD_SELF, /* the blob */
	RECORD_IMAGE /* and what it names as config or layer */
};

struct record_manifest {
	struct known *of, *subject; /* subject NULL: none */
	char *media_type, *artifact_type;
	bool whole;
	char *was_type; /* what was known before, for record_undo() */
	bool was_whole;
};

struct record {
	struct store *store;
	int64_t repo; /* of which known.linked tells; 0 none */
	struct digest_map known;
	unsigned roots; /* put so far: image.c */

	struct known **unasked, **fresh; /* fresh: used, and without a row */
	struct record_manifest *manifests;
	struct record_edge {
		struct known *manifest, *to;
		enum edge_role role;
	} * edges;
	struct record_row {
		int64_t repo;
		const char *tag; /* borrowed */
		enum record_link link;
		struct known *to;
	} * links, *tags, *pins;
	struct record_mark {
		size_t fresh, manifests, edges, links, tags, pins;
	} n; /* how many of each */
	size_t unasked_count;
};

/* repo: that of which known.linked shall tell; 0 none. Within a transaction of s until it is released. */
void record_init(struct record *r, struct store *s, int64_t repo);
void record_release(struct record *r); /* for AUTO; also of a zeroed one */

/* The blob; what is new is asked for by the next record_ask(), and has no row until then. */
struct known *record_know(struct record *r, const struct digest *d, uint64_t size);
/* Its manifest's edges and subject. */
void record_know_edges(struct record *r, const struct manifest *m);
MUST int record_ask(struct record *r, struct err *e);
/* Both, of one. NULL: failed. */
struct known *record_ask_one(
	struct record *r, const struct digest *d, uint64_t size, struct err *e);

/* Is it live, and its file as long as recorded? Looked at once. 1, 0, -1. */
MUST int record_held(struct record *r, struct known *k, struct err *e);
/* It proved not to be: written at once. */
MUST int record_lost(struct record *r, struct known *k, struct err *e);

/* Gather. */
void record_manifest(struct record *r, struct known *k, const char *media_type,
	const char *artifact_type, struct known *subject, bool whole);
void record_edge(struct record *r, struct known *manifest, struct known *to, enum edge_role role);
void record_link(struct record *r, int64_t repo, struct known *to, enum record_link what);
void record_tag(struct record *r, int64_t repo, const char *tag, struct known *to);
void record_pin(struct record *r, int64_t repo, const char *tag, struct known *to);

/* Forget what was gathered behind the mark (r->n). */
void record_undo(struct record *r, const struct record_mark *mark);

/* Write the rows of blobs that have none: their known.id is there afterwards. */
MUST int record_flush_blobs(struct record *r, struct err *e);
/* Write all of it; known.id is there afterwards of all that was gathered. set: of the pins. */
MUST int record_flush(struct record *r, int64_t set, struct err *e);

#endif
