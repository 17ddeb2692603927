/*
 * The database made again (S6): a row for every file in blobs/, by its name and length without
 * hashing; then the sets that index.json lists, as they were accepted and in the order in which they
 * were activated; then the tags. Idempotent: index.json counts as written only at the end, so whoever
 * died in the middle starts over. Must never write index.json of a layout that is not moat's.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/index_json.h"
#include "storage/base/banned.h"

#define ROWS_A_TRANSACTION 20000

struct rebuild {
	struct store *store;
	struct store *tx;
	size_t rows; /* in the transaction */
	size_t entries; /* of index.json */
	struct set_row *sets; /* to accept, in order */
	size_t count;
	struct listed *signatures;
	size_t signature_count;
};

struct listed {
	struct digest set;
	struct set_signature signature;
};

static void rebuild_release(struct rebuild *r)
{
	tx_abort(&r->tx);
	free(r->sets);
	free(r->signatures);
}

/* --- blobs ---------------------------------------------------------------------------------- */

static int add_blob(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct rebuild *r = ctx;
	struct store *s = r->store;

	if (!r->tx && tx_begin(s, &r->tx, e) < 0)
		return -1;
	if (META(s, blob_live, d, size, e) < 0)
		return -1;
	if (++r->rows % ROWS_A_TRANSACTION == 0)
		return tx_commit(&r->tx, e);
	return 0;
}

static int skip_stray(void *ctx, const char *what, struct err *e)
{
	(void)ctx;
	(void)what;
	(void)e;
	return 0; /* store_check() tells of it */
}

static int add_blobs(struct rebuild *r, struct err *e)
{
	struct store *s = r->store;

	if (BLOBS(s, scan, add_blob, skip_stray, r, e) < 0)
		return -1;
	return r->tx ? tx_commit(&r->tx, e) : 0;
}

/* --- sets ----------------------------------------------------------------------------------- */

static const char *note(const struct descriptor *d, const char *key)
{
	return annotation_get(&d->annotations, key);
}

static int64_t annotated(const struct descriptor *d, const char *key)
{
	const char *text = note(d, key);

	return text ? strtoll(text, NULL, 10) : 0;
}

static void find_set(struct rebuild *r, size_t number, const struct descriptor *d)
{
	r->sets = mem_grow(r->sets, r->count + 1, sizeof(*r->sets));
	/* Of a name, the newest is listed first. */
	r->sets[r->count++] = (struct set_row){ .id = -(int64_t)number,
		.activation = annotated(d, NOTE_ACTIVATION),
		.info = { .digest = d->digest,
			.accepted = annotated(d, NOTE_ACCEPTED),
			.active = note(d, NOTE_GENERATION) != NULL,
			.generation = (uint64_t)annotated(d, NOTE_GENERATION) } };
}

static int find_signature(
	struct rebuild *r, const struct descriptor *d, const char *subject, struct err *e)
{
	const char *text = note(d, NOTE_REF);
	struct ref ref = { .tag = "" };
	struct listed *l;

	r->signatures = mem_grow(r->signatures, r->signature_count + 1, sizeof(*r->signatures));
	l = &r->signatures[r->signature_count];
	*l = (struct listed){ .signature = { .digest = d->digest } };
	if (digest_parse(&l->set, span_of(subject), e) < 0 ||
		(text && ref_parse(&ref, span_of(text), e) < 0))
		return -1;
	snprintf(l->signature.media_type, sizeof(l->signature.media_type), "%s", d->media_type);
	snprintf(l->signature.tag, sizeof(l->signature.tag), "%s", ref.tag);
	r->signature_count++;
	return 0;
}

/* What moat lists carries a name of moat's kind; another tool's layout is not ours to take over. */
static int check_ours(const struct descriptor *d, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	if (note(d, NOTE_CONTAINERD) || note(d, NOTE_REPOSITORY) || note(d, NOTE_TAG) ||
		note(d, NOTE_SET_NAME) || note(d, NOTE_SUBJECT))
		return 0;
	return err_set(e, ERR_INPUT,
		"an OCI layout of another tool (index.json lists %s without a name "
		"of moat's): give the store a directory of its own",
		digest_text(&d->digest, text));
}

/* The first reading: is all of it ours, and which sets are there? */
static int find(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	struct rebuild *r = ctx;
	const char *subject = note(d, NOTE_SUBJECT);

	r->entries = number + 1;
	if (check_ours(d, e) < 0)
		return -1;
	if (note(d, NOTE_SET_NAME))
		find_set(r, number, d);
	return subject ? find_signature(r, d, subject, e) : 0;
}

/* Row numbers tell the order of acceptance, so sets are accepted in it ... */
static int by_acceptance(const void *a, const void *b)
{
	const struct set_row *x = a, *y = b;

	if (x->info.accepted != y->info.accepted)
		return x->info.accepted < y->info.accepted ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* ... and then those that are active are activated in theirs. */
static int by_activation(const void *a, const void *b)
{
	const struct set_row *x = a, *y = b;

	return x->activation < y->activation ? -1 : x->activation > y->activation;
}

/* The signatures that index.json lists for this set. */
static int restore_set(struct rebuild *r, const struct set_row *row, bool activate, struct err *e)
{
	AUTO(mem_free)
	struct set_signature *sigs = mem_grow(NULL, r->signature_count + 1, sizeof(*sigs));
	size_t count = 0;

	for (size_t i = 0; i < r->signature_count; i++)
		if (digest_eq(&r->signatures[i].set, &row->info.digest))
			sigs[count++] = r->signatures[i].signature;
	return set_restore(r->store, row, sigs, count, activate, e);
}

static int add_sets(struct rebuild *r, struct err *e)
{
	if (r->count == 0)
		return 0;
	qsort(r->sets, r->count, sizeof(*r->sets), by_acceptance);
	for (size_t i = 0; i < r->count; i++)
		if (restore_set(r, &r->sets[i], false, e) < 0)
			return -1;
	qsort(r->sets, r->count, sizeof(*r->sets), by_activation);
	for (size_t i = 0; i < r->count; i++)
		if (r->sets[i].info.active && restore_set(r, &r->sets[i], true, e) < 0)
			return -1;
	return 0;
}

/* --- tags ----------------------------------------------------------------------------------- */

/* REPOSITORY:TAG as the store wrote it: no short names, no defaults. */
static int split_tag(const char *text, char repo[REF_TEXT_SIZE], const char **tag, struct err *e)
{
	const char *colon = strrchr(text, ':');

	if (!colon || (size_t)(colon - text) >= REF_TEXT_SIZE ||
		(colon[1] && ref_check_tag(span_of(colon + 1), e) < 0))
		return err_set(e, ERR_INPUT, "index.json: \"%.200s\" is not REPOSITORY:TAG", text);
	memcpy(repo, text, (size_t)(colon - text));
	repo[colon - text] = '\0';
	*tag = colon[1] ? colon + 1 : NULL;
	return 0;
}

static enum links links_of(const struct descriptor *d)
{
	const char *sparse = note(d, NOTE_SPARSE);

	if (!sparse)
		return LINKS_ALL;
	return strcmp(sparse, NOTE_SPARSE_FOREIGN) == 0 ? LINKS_NEEDED : LINKS_ALONE;
}

/* The second reading, when the sets are there. */
static int add_tag(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	struct rebuild *r = ctx;
	const char *text = note(d, NOTE_TAG), *tag = NULL;
	char repo[REF_TEXT_SIZE];

	(void)number;
	if (!text)
		return 0;
	if (split_tag(text, repo, &tag, e) < 0)
		return -1;
	return image_restore(r->store, repo, tag, &d->digest, d->media_type, links_of(d), e);
}

/* --- all of it ------------------------------------------------------------------------------ */

int rebuild_if_new(struct store *s, struct err *e)
{
	AUTO(rebuild_release) struct rebuild r = { .store = s };
	uint64_t state;
	int rc = META(s, names_stale, &state, e);

	if (rc < 2)
		return rc < 0 ? -1 : 0;
	if (index_json_each(s, find, &r, e) < 0)
		return -1;
	if (r.entries == 0)
		return 0;
	if (add_blobs(&r, e) < 0 || add_sets(&r, e) < 0 || index_json_each(s, add_tag, &r, e) < 0)
		return err_ctx(e, "rebuild the index");
	return 0;
}

int store_rebuild(const char *dir, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;

	if (engine_local.drop_meta(dir, e) < 0)
		return err_ctx(e, "rebuild %s", dir);
	return store_open(&s, dir, STORE_WRITE, e);
}
