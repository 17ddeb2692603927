/*
 * The seam for growing past one machine: a table of function pointers for blobs, and the driver of a
 * database (db/driver.h) for metadata.
 *
 * Everything above (blobs/, image.c, set.c, ...) speaks to blobs by this table only; what is below
 * knows nothing of manifests or sets. Calls say what is meant: digests, never a path or a key, so that
 * an object store can stand in for the local files of `engine_local`, as a database server can for its
 * SQLite. The two share no state.
 *
 * Only storage/ and its tests include this. Results as everywhere: 0 or -1; lookups 1, 0 or -1.
 */
#ifndef MOAT_ENGINE_H
#define MOAT_ENGINE_H

#include <stdatomic.h>

#include "storage/gc.h"
#include "storage/meta/meta.h"

/* --- blobs ----------------------------------------------------------------------------------- */

/* Only blobs/backend.h calls an engine, and checks each call before. */

struct blob_ops;

/* An engine's own struct begins with this one, and sets ops. The rest is the backend's. */
struct blobs {
	const struct blob_ops *ops;
	enum store_mode mode;
	atomic_uint stages; /* open ones */
	_Atomic(uintptr_t) user; /* the thread that is in a call; 0 none */
	unsigned depth; /* of its calls within calls */
};

enum stage_kind { STAGE_BLOB, STAGE_INDEX };
enum stage_state {
	STAGE_OPEN, /* some bytes may not be durable */
	STAGE_SYNCED,
	STAGE_PUBLISHED,
	STAGE_LOST /* a sync failed: which bytes are durable is not known any more */
};

/* Bytes on their way in: private, invisible. An engine's own struct begins with this one, which is the
 * backend's. */
struct stage {
	struct blobs *blobs;
	enum stage_kind kind;
	enum stage_state state;
	uint64_t length;
	atomic_bool busy; /* a thread is in a call */
};

/* What reads an open blob that has no descriptor; an engine's own struct begins with this one. */
struct blob_source {
	/* Read exactly `len` bytes from `at`, which are within the blob. ERR_CORRUPT: they are not there any more;
	 * ERR_IO. May wait for a network. Thread: any, and several at a time. */
	int (*read)(struct blob_source *b, uint64_t at, void *buf, size_t len, struct err *e);
	void (*close)(struct blob_source *b);
};

/* What a stage is for. */
struct stage_want {
	const struct digest
		*name; /* what the bytes will be; NULL: not known, gone with the writer */
	uint64_t size; /* reserved when known; BLOB_SIZE_UNKNOWN */
	unsigned wait_ms; /* for another writer of the same name, then ERR_BUSY */
};

typedef int stray_fn(void *ctx, const char *what, struct err *e);

/*
 * The calls. An engine may rely on what the backend checks: digests are valid, bytes are appended, offsets lie
 * within, a stage is used in its order.
 *
 * Fails:   ERR_FULL no space, ERR_RIGHTS, ERR_LIMIT, ERR_IO, and what a call says besides.
 * Durable: what a call says; all else may be lost with the power.
 * Thread:  one at a time for each struct blobs, but for those that say "any". A stage is used by one thread at a
 *          time; one without a name by any while another thread is in another call.
 */
struct blob_ops {
	void (*close)(struct blobs *b);

	/* Open a stage and reserve its space. One with a name outlives its writer and has one writer at a time,
	 * over all processes (ERR_BUSY); *have: its bytes of an earlier attempt. Thread: any without a name. */
	int (*stage_open)(struct blobs *b, const struct stage_want *want, struct stage **st,
		uint64_t *have, struct err *e);
	/* Append; `at` is where the stage ends. After a failure bytes behind `at` may be there. Thread: any. */
	int (*stage_write)(
		struct stage *st, uint64_t at, const void *data, size_t len, struct err *e);
	/* Read bytes that were written. Thread: any. */
	int (*stage_read)(struct stage *st, uint64_t at, void *data, size_t len, struct err *e);
	/* Drop what is behind `len`; the space stays reserved. Thread: any. */
	int (*stage_cut)(struct stage *st, uint64_t len, struct err *e);
	/* Make the bytes of all of them durable: on 0. After a failure they are only closed. Thread: any. */
	int (*stage_sync)(
		struct blobs *b, struct stage *const stages[], size_t count, struct err *e);
	/* Give the bytes their final name, durable at the next publish_sync: 1; 0 a blob of that name is there, and
	 * nothing was changed. */
	int (*stage_publish)(struct stage *st, const struct digest *d, struct err *e);
	/* Make every name published so far durable: on 0. */
	int (*publish_sync)(struct blobs *b, struct err *e);
	/* Always succeeds; `retain` leaves a named stage for the next attempt. */
	void (*stage_close)(struct stage **st, bool retain);

	/* Read a published blob: 1 and *r with its size and either a descriptor or a source, which
	 * reader_close() closes; 0 when there is none. Thread: any. */
	int (*open)(struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e);
	/* Make a published blob and its name durable, whichever process published it. ERR_ABSENT. */
	int (*sync)(struct blobs *b, const struct digest *d, struct err *e);
	/* What is there under its name: 1, 0 nothing. Thread: any, as open. */
	int (*stat)(struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e);
	/* Take what proved bad out of sight, durably, if it still is that file: 1; 0 it is not. It
	 * stays for people, with the reason (JSON) beside it; where: what it is called there. */
	int (*quarantine)(struct blobs *b, const struct digest *d, const struct blob_file *which,
		struct span reason, char where[QUARANTINE_NAME_SIZE], struct err *e);
	/* Tell the reason of each file in quarantine that was not cleared away. What fn returns below 0 is returned. */
	int (*quarantine_each)(struct blobs *b, quarantine_fn *fn, void *ctx, struct err *e);
	/* Take a published blob out of sight, to trash, durably at the next discard_sync: 1; 0 there is none. Needs no
	 * space: without any for a folder's entry it is removed at once. Whoever calls it holds SQLite's write
	 * lock, or a server's lock of the row: else a writer could rely on the file. */
	int (*discard)(struct blobs *b, const struct digest *d, struct err *e);
	int (*discard_sync)(struct blobs *b, struct err *e);
	/* Remove for good what lies there since before a time: *out is added to. dry: only count.
	 * Of stages those that no writer holds. */
	int (*purge)(struct blobs *b, enum litter kind, int64_t before, bool dry,
		struct gc_count *out, struct err *e);
	/* When was a published blob given its name? 1 and seconds since the epoch; 0 there is none. */
	int (*born)(struct blobs *b, const struct digest *d, int64_t *when, struct err *e);
	/* Tell every published blob, in no order, and to `stray` what is no blob; for check and rebuild only. A size
	 * is BLOB_SIZE_UNKNOWN when the device does not say it. */
	int (*scan)(struct blobs *b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e);

	/* What a reader, which may not write metadata, leaves for the next writer and itself: marks of blobs that
	 * are bad, and how far it came; all durable on 0. may_mark: 1, made if need be; 0 nothing can be
	 * written. mark leaves a mark that is there already. */
	int (*may_mark)(struct blobs *b, struct err *e);
	int (*mark)(struct blobs *b, const struct digest *d, struct span reason, struct err *e);
	int (*unmark)(struct blobs *b, const struct digest *d, struct err *e);
	int (*mark_each)(struct blobs *b, mark_fn *fn, void *ctx, struct err *e);
	int (*place_put)(struct blobs *b, struct span text, struct err *e);
	int (*place_get)(struct blobs *b, struct buf *out, struct err *e); /* 1, 0 */

	/* A small text of the operator's rules (gc.h), which a rebuild finds again. put: durable on 0. get: 1, 0. */
	int (*rules_put)(struct blobs *b, struct span text, struct err *e);
	int (*rules_get)(struct blobs *b, struct buf *out, struct err *e);

	/* Count the bytes that blobs may still take. Thread: any. */
	int (*free_bytes)(struct blobs *b, uint64_t *bytes, struct err *e);

	/* The layout's index.json: a stage of its own kind is written and synced, then replaces it as
	 * a whole and durably. open: as of a blob. */
	int (*index_stage)(struct blobs *b, struct stage **st, struct err *e);
	int (*index_put)(struct stage *st, struct err *e);
	int (*index_open)(struct blobs *b, struct blob_reader *r, struct err *e);
};

/* --- engines --------------------------------------------------------------------------------- */

struct engine {
	const char *name;
	/* Open what store_open() was given, making it when mode is STORE_WRITE; the database beside it is
	 * opened with the same. */
	int (*open_blobs)(struct blobs **b, const char *where, enum store_mode mode, struct err *e);
	const struct db_driver *db;
};

extern const struct engine engine_local; /* files and SQLite */

/* store_open() with an engine of choice. */
MUST int store_open_engine(struct store **s, const struct engine *engine, const char *where,
	enum store_mode mode, struct err *e);

#endif
