/*
 * The seam for growing past one machine: blobs and metadata, each a table of function pointers.
 *
 * Everything above (blob.c, image.c, set.c, ...) speaks to these two tables only; an engine below
 * knows nothing of manifests or sets. Calls say what is meant: digests, repositories, row numbers,
 * never a path or a key, so that an object store or a database server can stand in for the local
 * files and SQLite of `engine_local`. The two share no state. A row number means something only to
 * the metadata engine that gave it.
 *
 * Only storage/ and its tests include this. Results as everywhere: 0 or -1; lookups 1, 0 or -1.
 */
#ifndef MOAT_ENGINE_H
#define MOAT_ENGINE_H

#include "storage/oci/graph.h"
#include "storage/store_write.h"

/* --- blobs ----------------------------------------------------------------------------------- */

struct blob_ops;
struct blobs {
	const struct blob_ops *ops; /* an engine's own struct begins with this one */
};

struct stage; /* bytes on their way in: private, invisible */

/* What a stage is for. */
struct stage_want {
	const struct digest
		*name; /* what the bytes will be; NULL: not known, gone with the writer */
	uint64_t size; /* reserved when known; BLOB_SIZE_UNKNOWN */
	unsigned wait_ms; /* for another writer of the same name, then ERR_BUSY */
};

typedef int stray_fn(void *ctx, const char *what, struct err *e);

/* Stages without a name may be opened, written, cut, synced and closed by any thread, each by one at
 * a time, while another thread uses the rest. */
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
	/* Always succeeds; `keep` leaves a named stage for the next attempt. */
	void (*stage_close)(struct stage **st, bool keep);

	/* Read a published blob: 1 and an own descriptor at 0, 0 when there is none. */
	int (*open)(
		struct blobs *b, const struct digest *d, int *fd, uint64_t *size, struct err *e);
	/* Make sure that a published blob and its name are durable, whoever published it. */
	int (*sync)(struct blobs *b, const struct digest *d, struct err *e);
	/* What is there under its name: 1, 0 nothing. Thread: any, as open. */
	int (*look)(struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e);
	/* Take what proved bad out of sight, durably, if it still is that file: 1; 0 it is not. It is
	 * kept for people, with the reason (JSON) beside it; where: what it is called there. */
	int (*set_aside)(struct blobs *b, const struct digest *d, const struct blob_file *which,
		struct span reason, char where[ASIDE_NAME_SIZE], struct err *e);
	/* What was set aside and not cleared away: the reason of each. */
	int (*aside_each)(struct blobs *b, quarantine_fn *fn, void *ctx, struct err *e);
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

	/* Space left for blobs. */
	int (*free_bytes)(struct blobs *b, uint64_t *bytes, struct err *e);

	/* The layout's index.json: a stage of its own kind is written and synced, then replaces it as
	 * a whole and durably. open: 1 and an own descriptor at 0, 0 when there is none. */
	int (*index_stage)(struct blobs *b, struct stage **st, struct err *e);
	int (*index_put)(struct stage *st, struct err *e);
	int (*index_open)(struct blobs *b, int *fd, uint64_t *size, struct err *e);
};

/* --- metadata -------------------------------------------------------------------------------- */

struct meta_ops;
struct meta {
	const struct meta_ops *ops;
};

struct blob_row {
	int64_t id;
	uint64_t size;
	bool live; /* false: known from a descriptor, not held */
	uint64_t stamp; /* its file's when its bytes were read last and were right; 0: never */
	char media_type[MEDIA_TYPE_MAX + 1]; /* of its manifest row; "": it has none */
	bool whole; /* of its manifest row: config and layers are live (S3) */
};

struct set_row {
	int64_t id;
	struct set_info info;
	int64_t activation; /* order of activation over all channels; 0 when not active */
};

/* An activation of a set. */
struct generation {
	int64_t order; /* of activation over all channels */
	uint64_t number; /* in its channel */
	int64_t when; /* seconds since the epoch */
	char takes[SET_TAKES_SIZE]; /* names of sets whose tags it may take, as in set_info */
};
typedef int generation_fn(void *ctx, const struct generation *g, struct err *e);

/* Something that names a tag now: a pin of an active set, or the tag that was put (now.set ""). */
struct tag_claim {
	const char *repo, *tag; /* borrowed */
	const struct set_entry *offered; /* of the set that is offered; NULL: it lacks the tag, and
					  * the set in whose place it comes pins it */
	struct tag_owner now; /* digest DIGEST_NONE: behind the last claim of each tag */
};
typedef int claim_fn(void *ctx, const struct tag_claim *claim, struct err *e);

/* Numbers of states of what index.json shows; each change makes a new one. */
struct names_state {
	uint64_t changed; /* the current state */
	uint64_t
		written; /* what index.json shows; 0: the metadata is new, and was told of nothing */
};

/* What of that which a manifest names is linked to a repository with it. */
enum links {
	LINKS_ALL, /* everything, and all that its children name */
	LINKS_NEEDED, /* everything but foreign layers */
	LINKS_ALONE, /* something is not: nothing is said of the rest */
};

/* What index.json lists beside the sets. */
struct name_row {
	const char *repo, *tag; /* borrowed; tag "" for a pin by digest */
	struct manifest_info info;
	const char *artifact_type;
	bool pin; /* of an active set; else a tag that was put, or with tag "" a manifest that nothing
		     * else names */
	enum links links; /* when not a pin */
};
typedef int name_row_fn(void *ctx, const struct name_row *row, struct err *e);
typedef int set_row_fn(void *ctx, const struct set_row *row, struct err *e);
typedef int broken_fn(void *ctx, const char *invariant, const char *text, struct err *e);

struct meta_ops {
	void (*close)(struct meta *m);
	int (*change)(struct meta *m, uint64_t *number, struct err *e);

	/* One transaction at a time; everything that writes below needs one. Waits for another
	 * writer up to STORE_BUSY_MS. abort is safe without one. */
	int (*begin)(struct meta *m, struct err *e);
	int (*commit)(struct meta *m, struct err *e);
	/* Reads from here to abort see one state, and keep no writer waiting. */
	int (*look)(struct meta *m, struct err *e);
	void (*abort)(struct meta *m);
	/* Within it, one at a time, a part that can be undone by itself. */
	int (*part_begin)(struct meta *m, struct err *e);
	int (*part_end)(struct meta *m, struct err *e);
	int (*part_undo)(struct meta *m, struct err *e);

	/* Blobs. want: the row, made absent when there is none. live: held from now on. */
	int (*blob_get)(
		struct meta *m, const struct digest *d, struct blob_row *out, struct err *e);
	int (*blob_want)(struct meta *m, const struct digest *d, uint64_t size,
		struct blob_row *out, struct err *e);
	int (*blob_live)(struct meta *m, const struct digest *d, uint64_t size, struct err *e);
	/* The same of a file whose bytes were read just now and are right. */
	int (*blob_proved)(struct meta *m, const struct digest *d, uint64_t size, uint64_t stamp,
		struct err *e);
	int (*blob_lost)(struct meta *m, const struct digest *d, struct err *e); /* not live */
	/* Live ones behind the cursor, which moves on with each: how many, at most `max`. */
	int (*blobs_after)(struct meta *m, struct blob_cursor *at, unsigned max, scan_fn *fn,
		void *ctx, struct err *e);
	/* When the bytes of the blob that was read longest ago were read: 1, 0 there is none. */
	int (*blob_oldest)(struct meta *m, int64_t *checked, struct err *e);
	/* What clients know it by: tags, and pins of active sets, that lead to it; at most `max`. */
	int (*blob_users)(struct meta *m, const struct digest *d, unsigned max, user_fn *fn,
		void *ctx, struct err *e);
	int (*blob_each)(struct meta *m, scan_fn *fn, void *ctx, struct err *e); /* live ones */

	/* Repositories. */
	int (*repo_make)(struct meta *m, const char *repo, int64_t *id, struct err *e);
	int (*repo_blob)(struct meta *m, const char *repo, const struct digest *d, uint64_t *size,
		struct err *e);
	int (*link_add)(struct meta *m, int64_t repo, int64_t blob, struct err *e);
	/* Out of the repository, with the tags on it. */
	int (*link_drop)(struct meta *m, const char *repo, int64_t blob, struct err *e);
	/* Every repository that links it, bytewise, until fn returns something else than 0. */
	int (*repos_with)(
		struct meta *m, const struct digest *d, name_fn *fn, void *ctx, struct err *e);
	/* An image's manifest, config and layers. */
	int (*link_image)(struct meta *m, int64_t repo, int64_t manifest, struct err *e);
	/* Its config and layers, but for foreign ones. */
	int (*link_needed)(struct meta *m, int64_t repo, int64_t manifest, struct err *e);

	/* Manifests. subject 0: none. whole: once it is, it stays so, unless its type was another. */
	int (*manifest_add)(struct meta *m, int64_t blob, const char *media_type,
		const char *artifact_type, int64_t subject, bool whole, struct err *e);
	int (*edge_add)(
		struct meta *m, int64_t manifest, int64_t blob, enum edge_role role, struct err *e);
	int (*manifest_by_tag)(struct meta *m, const char *repo, const char *tag,
		struct manifest_info *out, struct err *e);
	int (*manifest_by_digest)(struct meta *m, const char *repo, const struct digest *d,
		struct manifest_info *out, struct err *e);
	int (*index_of)(struct meta *m, const char *repo, const struct digest *d,
		struct manifest_info *out, struct err *e);
	int (*referrers)(struct meta *m, const char *repo, const struct digest *d, referrer_fn *fn,
		void *ctx, struct err *e);

	/* A manifest linked to the repository that names the blob, as whatever: 1, 0. */
	int (*needed_by)(struct meta *m, const char *repo, int64_t blob, struct digest *manifest,
		struct err *e);
	/* A set, active or not, that pins in the repository and holds the blob: 1, 0. */
	int (*set_holding)(struct meta *m, const char *repo, int64_t blob, struct set_info *set,
		struct err *e);

	/* Tags and pages. */
	int (*tag_put)(
		struct meta *m, int64_t repo, const char *tag, int64_t manifest, struct err *e);
	int (*tag_drop)(
		struct meta *m, const char *repo, const char *tag, struct err *e); /* 1, 0 */
	/* The active set that pins it, and what to: name, version and digest of *set (of the set's
	 * own digest nothing is said), *manifest. 1, 0. */
	int (*tag_pinned)(struct meta *m, const char *repo, const char *tag, struct set_info *set,
		struct digest *manifest, struct err *e);
	int (*repo_has)(struct meta *m, const char *repo, struct err *e);
	int (*tags_after)(struct meta *m, const char *repo, const char *after, unsigned max,
		name_fn *fn, void *ctx, struct err *e);
	int (*repos_after)(struct meta *m, const char *after, unsigned max, name_fn *fn, void *ctx,
		struct err *e);

	/* Sets. */
	int (*set_add)(struct meta *m, int64_t blob, const struct set_info *info, int64_t *id,
		struct err *e);
	/* Its bytes, pins and what it lacks, after more of it came. */
	int (*set_update)(struct meta *m, int64_t id, const struct set_info *info, struct err *e);
	int (*pin_add)(struct meta *m, int64_t set, int64_t repo, const char *tag, int64_t manifest,
		struct err *e);
	int (*signature_add)(struct meta *m, int64_t set, int64_t manifest,
		const struct set_signature *sig, struct err *e);
	int (*signatures)(struct meta *m, const struct digest *set, struct set_signature **sigs,
		size_t *count, struct err *e);
	/* The next generation of the channel `name`. takes: as in struct generation; those of the
	 * current generation are kept. */
	int (*activate)(
		struct meta *m, const char *name, int64_t set, const char *takes, struct err *e);
	/* A generation as it was, behind those that are there; current: its channel stands at it. What
	 * has its number already stays. */
	int (*generation_add)(struct meta *m, const char *name, int64_t set,
		const struct generation *g, bool current, struct err *e);
	/* The activations of one set, oldest first. */
	int (*generations)(struct meta *m, const char *name, int64_t set, generation_fn *fn,
		void *ctx, struct err *e);
	/* Every claim to a tag that a set pins, or that the active set of its name pins: by
	 * repository and tag, bytewise; of one tag, what is served comes first. */
	int (*claims)(
		struct meta *m, const struct set *offered, claim_fn *fn, void *ctx, struct err *e);
	/* Each active pin of a tag that another active set pins to something else and serves. */
	int (*conflicts)(struct meta *m, conflict_fn *fn, void *ctx, struct err *e);
	/* By digest; by name and version; the newest of a name; the newest: what is not NULL. */
	int (*set_get)(struct meta *m, const struct digest *d, const char *name,
		const char *version, struct set_row *out, struct err *e);
	/* Newest first; name NULL: all, by name. */
	int (*set_each)(struct meta *m, const char *name, set_row_fn *fn, void *ctx, struct err *e);
	int (*hosts)(struct meta *m, name_fn *fn, void *ctx, struct err *e);
	int (*totals)(struct meta *m, struct store_totals *out, struct err *e);

	/* index.json. Whatever it shows (sets, tags, manifests, links to what they name) makes a new
	 * state when it changes. names_written: it shows that state; 0 when a later one was written
	 * meanwhile. names_changed: make a new state. names_made: what is here is what index.json
	 * shows as `serial`, made again from it; it is to be written again. */
	int (*names_state)(struct meta *m, struct names_state *out, struct err *e);
	int (*names_written)(struct meta *m, uint64_t state, struct err *e);
	int (*names_changed)(struct meta *m, struct err *e);
	int (*names_made)(struct meta *m, uint64_t serial, struct err *e);
	int (*names_each)(struct meta *m, name_row_fn *fn, void *ctx, struct err *e);

	/* Forget everything but the numbers of states. */
	int (*clear)(struct meta *m, struct err *e);

	/* Every row that breaks S3, S4 or S5, and the engine's own consistency. */
	int (*broken)(struct meta *m, broken_fn *fn, void *ctx, struct err *e);
};

/* --- engines --------------------------------------------------------------------------------- */

struct engine {
	const char *name;
	/* Both open what store_open() was given, making it when mode is STORE_WRITE. */
	int (*open_blobs)(struct blobs **b, const char *where, enum store_mode mode, struct err *e);
	int (*open_meta)(struct meta **m, const char *where, enum store_mode mode, struct err *e);
	/* Take the metadata out of use, keeping it for people; the next opening makes a new one. */
	int (*drop_meta)(const char *where, struct err *e);
};

extern const struct engine engine_local; /* files and SQLite */

/* store_open() with an engine of choice. */
MUST int store_open_engine(struct store **s, const struct engine *engine, const char *where,
	enum store_mode mode, struct err *e);

#endif
