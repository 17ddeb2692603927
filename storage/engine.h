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

#include "storage/meta/meta.h"

/* --- blobs ----------------------------------------------------------------------------------- */

/* Above the engine, what calls it is blobs/backend.h, which checks what is checked below. */

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
	STAGE_LOST /* a sync failed: nobody knows which bytes are durable */
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
	/* Exactly `len` bytes from `at`, which are within the blob. Thread: any, and several at a time. */
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

/* What a caller may do is checked by the backend: digests are valid, offsets within, a stage is used in its
 * order and by one thread at a time. Stages without a name may be opened, written, read, cut, synced and
 * closed by any thread while another one uses the rest, which is called by one thread at a time. */
struct blob_ops {
	void (*close)(struct blobs *b);

	/* A named stage outlives its writer and has one writer at a time; *have: bytes of an earlier
	 * attempt. ERR_FULL when the space cannot be reserved. */
	int (*stage_open)(struct blobs *b, const struct stage_want *want, struct stage **st,
		uint64_t *have, struct err *e);
	int (*stage_write)(
		struct stage *st, uint64_t at, const void *data, size_t len, struct err *e);
	int (*stage_read)(struct stage *st, uint64_t at, void *data, size_t len, struct err *e);
	/* Drop what is behind `len`; the space that was reserved stays so (ERR_FULL). */
	int (*stage_cut)(struct stage *st, uint64_t len, struct err *e);
	/* Make the bytes of all of them durable. */
	int (*stage_sync)(
		struct blobs *b, struct stage *const stages[], size_t count, struct err *e);
	/* Give the bytes their final name. 0: a blob of that name is there, nothing was changed. */
	int (*stage_publish)(struct stage *st, const struct digest *d, struct err *e);
	/* Make every name published so far durable. */
	int (*publish_sync)(struct blobs *b, struct err *e);
	/* Always succeeds; `retain` leaves a named stage for the next attempt. */
	void (*stage_close)(struct stage **st, bool retain);

	/* Read a published blob: 1 and *r with its size and either a descriptor or a source, which
	 * reader_close() closes; 0 when there is none. Thread: any. */
	int (*open)(struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e);
	/* Make sure that a published blob and its name are durable, whoever published it. */
	int (*sync)(struct blobs *b, const struct digest *d, struct err *e);
	/* What is there under its name: 1, 0 nothing. Thread: any, as open. */
	int (*stat)(struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e);
	/* Take what proved bad out of sight, durably, if it still is that file: 1; 0 it is not. It
	 * stays for people, with the reason (JSON) beside it; where: what it is called there. */
	int (*quarantine)(struct blobs *b, const struct digest *d, const struct blob_file *which,
		struct span reason, char where[QUARANTINE_NAME_SIZE], struct err *e);
	/* What is in quarantine and was not cleared away: the reason of each. */
	int (*quarantine_each)(struct blobs *b, quarantine_fn *fn, void *ctx, struct err *e);
	/* Every published blob in no order, for check and rebuild only; `stray`: what is no blob. Its
	 * size is BLOB_SIZE_UNKNOWN when the device does not say it. */
	int (*scan)(struct blobs *b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e);

	/* What a reader, which may not write metadata, leaves for the next writer and itself: marks of blobs that
	 * are bad, and how far it came. may_mark: 1, made if need be; 0 nothing can be written. A mark that
	 * is there already is left. */
	int (*may_mark)(struct blobs *b, struct err *e);
	int (*mark)(struct blobs *b, const struct digest *d, struct span reason, struct err *e);
	int (*unmark)(struct blobs *b, const struct digest *d, struct err *e);
	int (*mark_each)(struct blobs *b, mark_fn *fn, void *ctx, struct err *e);
	int (*place_put)(struct blobs *b, struct span text, struct err *e);
	int (*place_get)(struct blobs *b, struct buf *out, struct err *e); /* 1, 0 */

	/* Space left for blobs. Thread: any. */
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
