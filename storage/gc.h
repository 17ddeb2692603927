/*
 * Collection: what nothing refers to any more is condemned, and then removed (storage/README.md, P11). Beside
 * pushes, pulls, imports and readers in other processes; whatever comes to refer to a blob meanwhile wins.
 *
 *	AUTO(gc_versions_release) struct gc_versions old = { .count = 0 };
 *	AUTO(gc_plan_free) struct gc_plan *plan = NULL;
 *	if (gc_versions_find(s, &rules, now, &old, e) < 0) ... reads only: sets that the rules let go
 *	if (gc_mark(s, &options, &plan, e) < 0) ...	reads only: what would go (`without` those), and why the rest stays
 *	if (gc_versions_remove(s, &rules, now, &old, e) < 0) ... rows of sets: what they alone named is unused
 *	if (gc_condemn(s, plan, &done, e) < 0) ...	rows: from now on it is absent
 *	if (gc_remove(s, &done, e) < 0) ...		files, also of a run that died before
 *
 * Sizes are bytes, times seconds since the epoch.
 */
#ifndef MOAT_GC_H
#define MOAT_GC_H

#include "storage/store.h"

#define GC_GRACE 86400 /* seconds in which what nothing refers to stays, unless said otherwise */
#define GC_TRASH_AGE 3600 /* seconds for which removed files lie in trash/ */
#define GC_ORPHAN_AGE                                                                              \
	3600 /* of a file without a row, at least: its writer may be about to write that */

/* What an operator has decided, in gc.json of the store. */
struct gc_rules {
	/* A version of a set that one of them keeps stays; without any all stay. */
	int64_t keep_versions; /* of each set, the newest; 0: no rule */
	int64_t keep_days; /* those that were accepted within so many days; 0: no rule */
	int64_t grace; /* seconds */
};
#define GC_KEEP_MAX 1000000 /* versions, days */
/* Read them, or what holds without: 1, 0, -1. ERR_INPUT names line and key. */
MUST int gc_rules_read(struct store *s, struct gc_rules *out, struct err *e);
MUST int gc_rules_save(struct store *s, const struct gc_rules *r, struct err *e); /* durable on 0 */

/* Versions of sets that go: by name, newest accepted first. Begins as zeros. */
struct gc_version {
	struct set_info info;
	/* By gc_versions_remove(). Neither: it failed before. */
	bool gone;
	bool spared; /* somebody else removed it, or the rules keep it by now */
};
struct gc_versions {
	struct gc_version *items;
	size_t count;
	size_t removed; /* by gc_versions_remove() */
};
void gc_versions_release(struct gc_versions *v); /* for AUTO */

/*
 * Find versions that no rule keeps. Whatever the rules are, these stay: what is active, what a rollback of its name goes
 * to, and the newest of a name (who may sign the next one is known by what is held). Reads only.
 */
MUST int gc_versions_find(struct store *s, const struct gc_rules *rules, int64_t now,
	struct gc_versions *out, struct err *e);

/*
 * Remove them as set_remove() does, those of a name in one transaction, in which the rules are asked again; then write
 * index.json, once. On -1 and after a death some may be removed, and index.json is written by the next writer.
 */
MUST int gc_versions_remove(struct store *s, const struct gc_rules *rules, int64_t now,
	struct gc_versions *list, struct err *e);

/* What stays whatever refers to it, with all that it names; and of what is no manifest those that name it. */
struct gc_keep {
	struct digest digest;
	const char *why; /* "lock moat.lock"; borrowed until the plan ends */
};

struct gc_options {
	int64_t now;
	int64_t grace; /* seconds; 0: nothing is safe that nothing refers to, also what a client was promised just now */
	const struct gc_keep *keep;
	size_t keep_count;
	/* Sets that count as removed already: what would go with them. */
	const struct digest *without;
	size_t without_count;
};

/* A marking of one state of the store. The caller's, to gc_plan_free(). */
struct gc_plan;
void gc_plan_free(struct gc_plan **plan); /* for AUTO */

/*
 * Mark what is referred to, in one snapshot; nothing is written. Costs memory: some 30 bytes a blob and 4 a reference.
 *
 * Fails: ERR_INCOMPLETE: a set that stays was not whole when the database was made again, so what it holds is not
 *        known; names it. ERR_ABSENT: no set has a digest of `without`.
 */
MUST int gc_mark(struct store *s, const struct gc_options *o, struct gc_plan **plan, struct err *e);

struct gc_count {
	uint64_t blobs, bytes;
};

struct gc_totals {
	struct gc_count held; /* before */
	struct gc_count unused; /* of these, what would go; manifests are blobs too */
	uint64_t manifests; /* of these */
	struct gc_count condemned; /* by a run that died: would go as well */
	/* What stays for one reason alone, and what has several. */
	struct gc_count tagged, kept, graced, sets, shared;
};
/* Of the plan, borrowed. */
const struct gc_totals *gc_totals(const struct gc_plan *plan);

/* What a set keeps that nothing else keeps, and what it has in common. */
struct gc_set {
	const struct set_info *info; /* borrowed */
	struct gc_count only, shared;
	bool goes; /* it was in `without`; `only` is what goes with it, but for what sets that go share */
};
typedef int gc_set_fn(void *ctx, const struct gc_set *set, struct err *e);
MUST int gc_sets(const struct gc_plan *plan, gc_set_fn *fn, void *ctx, struct err *e);

/* Why a blob stays. */
enum gc_why { GC_WHY_SET, GC_WHY_TAG, GC_WHY_KEEP, GC_WHY_GRACE };
struct gc_reason {
	struct digest digest;
	uint64_t size;
	enum gc_why why; /* the first that keeps it, in this order */
	const struct set_info *set; /* SET: one of them */
	const char *keep; /* KEEP: its `why` */
	bool shared; /* something else keeps it, too */
};
typedef int gc_reason_fn(void *ctx, const struct gc_reason *r, struct err *e);
/* The largest blobs that stay, at most `max`, the largest first. */
MUST int gc_large(struct store *s, const struct gc_plan *plan, size_t max, gc_reason_fn *fn,
	void *ctx, struct err *e);

/* What was done. */
struct gc_done {
	struct gc_count condemned; /* rows; they were held */
	uint64_t manifests; /* of these */
	uint64_t spared; /* marked as unused, and used or touched since */
	struct gc_count removed; /* files */
	uint64_t repos; /* repositories that became empty */
};

/* Condemn what is unused and still is, in short transactions: durable step by step. */
MUST int gc_condemn(
	struct store *s, const struct gc_plan *plan, struct gc_done *done, struct err *e);
/* Move the files of what is condemned to trash/, forget their rows, and write index.json again. Again: goes on. */
MUST int gc_remove(struct store *s, struct gc_done *done, struct err *e);

/* Files in blobs/ of which no row tells, that got their name before a time (and GC_ORPHAN_AGE ago): a writer died. They
 * go to trash/; dry: are only counted. Lists the whole folder. */
MUST int gc_orphans(
	struct store *s, int64_t before, bool dry, struct gc_count *found, struct err *e);

/* What lies about and is no blob. */
enum litter {
	LITTER_TRASH, /* removed blobs */
	LITTER_STAGES, /* bytes on their way in, whose writer died */
	LITTER_QUARANTINE /* files that proved bad, and their reasons */
};
/* Remove for good what lies there since before a time; dry: only count. *out is added to. */
MUST int gc_purge(struct store *s, enum litter kind, int64_t before, bool dry, struct gc_count *out,
	struct err *e);

/* A handle without a database, for gc_rules_read() and gc_purge() alone: on a full disk the database may not open before
 * something is removed. store_close() afterwards. */
MUST int store_open_bare(struct store **s, const char *dir, enum store_mode mode, struct err *e);

#endif
