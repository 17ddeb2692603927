/*
 * The metadata made again (S6), when it was lost or is an old copy: index.json tells which, as it says
 * which state it shows. A row for every file in blobs/, by its name and length without hashing; then
 * the sets that index.json lists, as they were accepted and activated; then the tags. What has lost
 * its bytes is recorded as not held, and no reason to stop. All of it is one transaction, so readers
 * and a writer that dies in the middle see what was there before, or everything. Must never write
 * index.json of a layout that is not moat's.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/fault.h"
#include "storage/base/vec.h"
#include "storage/index_json.h"
#include "storage/base/banned.h"

static const char *note(const struct descriptor *d, const char *key)
{
	return annotation_get(&d->annotations, key);
}

/* --- what index.json lists ------------------------------------------------------------------- */

struct listed_set {
	struct set_row row; /* its id from when it was made again; 0: it is listed twice */
	uint64_t size; /* of the set index, in bytes */
	int64_t order; /* of acceptance; 0: not told */
	size_t number; /* of the entry: of a name, the newest comes first */
	struct generation *history; /* oldest first */
	size_t count;
};

struct listed_signature {
	struct digest set;
	struct set_signature signature;
};

struct rebuild {
	struct store *store;
	struct listed_set *sets;
	size_t count;
	struct listed_signature *signatures;
	size_t signature_count;
	bool ours; /* some entry is */
	struct digest foreign; /* an entry that is not; DIGEST_NONE */
};

static void rebuild_release(struct rebuild *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->sets[i].history);
	free(r->sets);
	free(r->signatures);
}

static void add_history(struct listed_set *l, const struct generation *g)
{
	*VEC_PUSH(l->history, l->count) = *g;
}

/* ":a,b" up to a space, if it is there; where it ends. */
static const char *read_takes(const char *p, char out[SET_TAKES_SIZE])
{
	size_t len = *p == ':' ? strcspn(p + 1, " ") : 0;

	snprintf(out, SET_TAKES_SIZE, "%.*s", (int)len, len ? p + 1 : "");
	return len ? p + 1 + len : p;
}

/* NOTE_BACK: of that generation; -1 for what is not told. */
static int64_t read_back(const struct descriptor *d, uint64_t generation)
{
	const char *p = note(d, NOTE_BACK);
	uint64_t number;
	int64_t back;
	int len;

	for (; p && sscanf(p, " %" SCNu64 ":%" SCNd64 "%n", &number, &back, &len) == 2; p += len)
		if (number == generation)
			return back;
	return -1;
}

/* NOTE_HISTORY; older ones told of the current one only. */
static void read_history(struct listed_set *l, const struct descriptor *d)
{
	const char *p = note(d, NOTE_HISTORY);
	struct generation g;
	int len;

	while (p && sscanf(p, " %" SCNd64 ":%" SCNu64 ":%" SCNd64 "%n", &g.order, &g.number,
			    &g.when, &len) == 3) {
		p = read_takes(p + len, g.takes);
		g.back = read_back(d, g.number);
		add_history(l, &g);
	}
	if (l->count || !l->row.info.active)
		return;
	g = (struct generation){ .order = l->row.activation,
		.number = l->row.info.generation,
		.when = l->row.info.accepted,
		.back = -1 };
	add_history(l, &g);
}

static void find_set(struct rebuild *r, size_t number, const struct descriptor *d)
{
	const char *version = note(d, NOTE_SET_VERSION);
	struct listed_set *l;
	struct set_info *info;

	l = VEC_PUSH(r->sets, r->count);
	*l = (struct listed_set){ .size = d->size,
		.order = entry_number(d, NOTE_ORDER),
		.number = number,
		.row = { .activation = entry_number(d, NOTE_ACTIVATION) } };
	info = &l->row.info;
	info->digest = d->digest;
	info->accepted = entry_number(d, NOTE_ACCEPTED);
	info->active = note(d, NOTE_GENERATION) != NULL;
	info->generation = (uint64_t)entry_number(d, NOTE_GENERATION);
	snprintf(info->name, sizeof(info->name), "%s", note(d, NOTE_SET_NAME));
	snprintf(info->version, sizeof(info->version), "%s", version ? version : "");
	read_history(l, d);
}

static int find_signature(
	struct rebuild *r, const struct descriptor *d, const char *subject, struct err *e)
{
	const char *text = note(d, NOTE_REF);
	struct ref ref = { .tag = "" };
	struct listed_signature *l;

	l = VEC_PUSH(r->signatures, r->signature_count);
	l->signature.digest = d->digest;
	if (digest_parse(&l->set, span_of(subject), e) < 0 ||
		(text && ref_parse(&ref, span_of(text), e) < 0))
		return -1;
	snprintf(l->signature.media_type, sizeof(l->signature.media_type), "%s", d->media_type);
	snprintf(l->signature.tag, sizeof(l->signature.tag), "%s", ref.tag);
	return 0;
}

/* What moat lists carries a name of moat's kind. A layout without any such name is another tool's, not
 * ours to take over; what others added to one of ours is passed over. */
static int check_ours(const struct rebuild *r, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	if (r->ours || !r->foreign.alg)
		return 0;
	return err_set(e, ERR_INPUT,
		"an OCI layout of another tool (index.json lists %s without a name "
		"of moat's): give the store a directory of its own",
		digest_text(&r->foreign, text));
}

/* The first reading: is it ours, and which sets are there? */
static int find(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	struct rebuild *r = ctx;
	const char *subject = note(d, NOTE_SUBJECT);

	if (!entry_is_ours(d)) {
		r->foreign = d->digest;
		return 0;
	}
	r->ours = true;
	if (note(d, NOTE_SET_NAME))
		find_set(r, number, d);
	return subject ? find_signature(r, d, subject, e) : 0;
}

/* --- blobs ---------------------------------------------------------------------------------- */

static int add_blob(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct rebuild *r = ctx;
	struct store *s = r->store;
	char text[DIGEST_TEXT_SIZE];

	if (size == BLOB_SIZE_UNKNOWN)
		return err_set(
			e, ERR_IO, "blob %s: its file cannot be looked at", digest_text(d, text));
	return meta_blob_live(s->db, d, size, e);
}

static int skip_stray(void *ctx, const char *what, struct err *e)
{
	(void)ctx;
	(void)what;
	(void)e;
	return 0; /* store_check() tells of it */
}

/* --- sets ----------------------------------------------------------------------------------- */

/* Row numbers tell the order of acceptance, so sets are accepted in it. */
static int by_acceptance(const void *a, const void *b)
{
	const struct listed_set *x = a, *y = b;

	if (x->order && y->order && x->order != y->order)
		return x->order < y->order ? -1 : 1;
	if (x->row.info.accepted != y->row.info.accepted)
		return x->row.info.accepted < y->row.info.accepted ? -1 : 1;
	/* Older ones told of seconds only. */
	if (x->row.activation && y->row.activation && x->row.activation != y->row.activation)
		return x->row.activation < y->row.activation ? -1 : 1;
	return x->number < y->number ? 1 : -1;
}

/* With the signatures that index.json lists for it. */
static int add_set(struct rebuild *r, struct listed_set *l, struct err *e)
{
	AUTO(mem_free)
	struct set_signature *sigs = mem_grow(NULL, r->signature_count + 1, sizeof(*sigs));
	size_t count = 0;

	for (size_t i = 0; i < r->signature_count; i++)
		if (digest_eq(&r->signatures[i].set, &l->row.info.digest))
			sigs[count++] = r->signatures[i].signature;
	if (fault("rebuild.set", e) < 0 ||
		set_restore(r->store, &l->row, l->size, sigs, count, e) < 0)
		return err_ctx(e, "set %s:%s", l->row.info.name, l->row.info.version);
	return 0;
}

struct activation {
	const struct listed_set *set;
	const struct generation *generation;
};

static int by_activation(const void *a, const void *b)
{
	const struct generation *x = ((const struct activation *)a)->generation;
	const struct generation *y = ((const struct activation *)b)->generation;

	return x->order < y->order ? -1 : x->order > y->order;
}

static int activate(struct store *s, const struct activation *a, struct err *e)
{
	const struct set_info *info = &a->set->row.info;
	bool current = info->active && a->generation->number == info->generation;

	return meta_generation_add(s->db, info->name, a->set->row.id, a->generation, current, e);
}

static int add_activations(struct rebuild *r, struct err *e)
{
	AUTO(mem_free) struct activation *all = NULL;
	size_t count = 0;

	for (size_t i = 0; i < r->count; i++)
		for (size_t k = 0; r->sets[i].row.id && k < r->sets[i].count; k++)
			*VEC_PUSH(all, count) =
				(struct activation){ &r->sets[i], &r->sets[i].history[k] };
	if (count)
		qsort(all, count, sizeof(*all), by_activation);
	for (size_t i = 0; i < count; i++)
		if (activate(r->store, &all[i], e) < 0)
			return -1;
	return 0;
}

/* NOTE_REMOVED: "a:1 b:2". What is no name and version is passed over. */
static int add_removed(struct store *s, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err ignored = ERR_INIT;
	int rc = index_json_removed(s, &text, e);

	for (struct span rest = buf_span(&text); rc == 0 && rest.len;) {
		struct span version = span_until(&rest, ' '), name = span_until(&version, ':');
		AUTO(mem_free) char *n = mem_strndup(name.data, name.len);
		AUTO(mem_free) char *v = mem_strndup(version.data, version.len);

		if (set_check_name(name, &ignored) == 0 && ref_check_tag(version, &ignored) == 0)
			rc = meta_removed_put(s->db, n, v, e);
	}
	return rc;
}

static int add_sets(struct rebuild *r, struct err *e)
{
	if (r->count)
		qsort(r->sets, r->count, sizeof(*r->sets), by_acceptance);
	for (size_t i = 0; i < r->count; i++)
		if (add_set(r, &r->sets[i], e) < 0)
			return -1;
	return add_activations(r, e) < 0 ? -1 : add_removed(r->store, e);
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
	if (fault("rebuild.tag", e) < 0 || split_tag(text, repo, &tag, e) < 0)
		return -1;
	return image_restore(r->store, repo, tag, d, links_of(d), e);
}

/* --- all of it ------------------------------------------------------------------------------ */

static int make(struct rebuild *r, const struct standing *st, struct err *e)
{
	struct store *s = r->store;

	if (index_json_each(s, find, r, e) < 0 || check_ours(r, e) < 0 || db_clear(s->db, e) < 0 ||
		fault("rebuild.clear", e) < 0 ||
		blobs_scan(s->blobs, add_blob, skip_stray, r, e) < 0 || add_sets(r, e) < 0 ||
		index_json_each(s, add_tag, r, e) < 0)
		return -1;
	return meta_index_made(s->db, st->index.serial, e);
}

/* A writer that waited for the lock finds it done. */
static int rebuild(struct store *s, struct err *e)
{
	AUTO(rebuild_release) struct rebuild r = { .store = s };
	AUTO(tx_abort) struct store *tx = NULL;
	struct standing st;

	if (tx_begin(s, &tx, e) < 0 || standing_find(s, &st, e) < 0)
		return -1;
	if (st.due == DUE_INDEX && meta_index_dirty(s->db, e) < 0)
		return -1;
	if ((st.due == DUE_LOST || st.due == DUE_BEHIND) && make(&r, &st, e) < 0)
		return err_ctx(e, "make the database again");
	return tx_commit(&tx, e);
}

int rebuild_if_due(struct store *s, struct err *e)
{
	struct standing st;

	if (standing_find(s, &st, e) < 0)
		return -1;
	if (st.due != NOT_DUE && rebuild(s, e) < 0)
		return -1;
	return sets_remake(s, e);
}
