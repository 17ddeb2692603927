/* Sets, their pins and signatures, channels with their generations, and whose a tag is. */
#include "storage/meta/rows.h"

#include <stdio.h>
#include <time.h>

#include "storage/base/tree.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define NOT_READ 0 /* held_set.created */
#define NO_TIME (-1)

static void bind_own(struct query *q, const struct set_info *info, const struct digest *previous)
{
	query_int(q, info->created ? info->created : NO_TIME);
	query_int(q, info->expires);
	if (previous->alg)
		query_digest(q, previous);
	else
		query_text(q, NULL);
}

int meta_set_add(struct db *db, int64_t blob, const struct set_info *info,
	const struct digest *previous, int64_t *id, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_SET_ADD);

	query_int(&q, blob);
	query_text(&q, info->name);
	query_text(&q, info->version);
	query_int(&q, (int64_t)info->bytes);
	query_int(&q, (int64_t)info->pins);
	query_int(&q, info->accepted);
	query_int(&q, (int64_t)info->missing);
	bind_own(&q, info, previous);
	if (query_step(&q, e) < 0)
		return -1;
	*id = query_get_int(&q, 0);
	if (query_run(&q, e) < 0)
		return -1;
	return meta_index_dirty(db, e);
}

int meta_set_update(struct db *db, int64_t id, const struct set_info *info,
	const struct digest *previous, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_SET_UPDATE);

	query_int(&q, id);
	query_int(&q, (int64_t)info->bytes);
	query_int(&q, (int64_t)info->pins);
	query_int(&q, (int64_t)info->missing);
	bind_own(&q, info, previous);
	if (query_run(&q, e) < 0)
		return -1;
	return meta_index_dirty(db, e);
}

int meta_pins_add(struct db *db, int64_t set, const struct rowset *pins, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_PINS_ADD);

	if (!pins->count)
		return 0;
	query_rowset(&q, pins);
	query_int(&q, set);
	return query_run(&q, e);
}

int meta_pins_get(struct db *db, int64_t set, struct set *to, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_PINS_OF);
	int rc;

	query_int(&q, set);
	while ((rc = query_step(&q, e)) > 0) {
		struct set_entry *entry = set_add(to);

		entry->role = SET_PIN;
		entry->name = set_keep(to, query_get_text(&q, 0));
		entry->tag = set_keep(to, query_get_text(&q, 1));
		if (query_get_digest(&q, 2, &entry->digest, e) < 0)
			return -1;
	}
	return rc;
}

/* 1 when rows changed, 0, -1. */
static int change_signature(struct db *db, enum query_name name, int64_t set, int64_t manifest,
	const char *tag, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, name);

	query_int(&q, set);
	query_int(&q, manifest);
	query_text(&q, tag);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) > 0;
}

int meta_signature_add(struct db *db, int64_t set, int64_t manifest,
	const struct set_signature *sig, struct err *e)
{
	int gone = change_signature(db, Q_SIGNATURES_REPLACED, set, manifest, sig->tag, e);
	int added =
		gone < 0 ? -1 : change_signature(db, Q_SIGNATURE_ADD, set, manifest, sig->tag, e);

	if (added < 0)
		return -1;
	return gone || added ? meta_index_dirty(db, e) : 0;
}

int set_signatures(struct store *s, const struct digest *set, struct set_signature **sigs,
	size_t *count, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_SIGNATURES);
	AUTO(mem_free) struct set_signature *list = NULL;
	size_t n = 0;
	int rc;

	query_digest(&q, set);
	while ((rc = query_step(&q, e)) > 0) {
		struct set_signature *sig = VEC_PUSH(list, n);

		if (query_get_digest(&q, 0, &sig->digest, e) < 0)
			return -1;
		snprintf(sig->media_type, sizeof(sig->media_type), "%s", query_get_text(&q, 1));
		snprintf(sig->tag, sizeof(sig->tag), "%s", query_get_text(&q, 2));
	}
	if (rc < 0)
		return -1;
	*sigs = STEAL(list);
	*count = n;
	return 0;
}

/* --- channels ------------------------------------------------------------------------------- */

/* 1 and its row, 0 when the channel has that number already. */
static int new_generation(struct db *db, const char *name, int64_t set, const struct generation *g,
	int64_t *id, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_GENERATION_ADD);
	int rc;

	query_text(&q, name);
	query_int(&q, (int64_t)g->number);
	query_int(&q, set);
	query_int(&q, g->when);
	query_int(&q, g->back);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	*id = query_get_int(&q, 0);
	return query_run(&q, e) < 0 ? -1 : 1;
}

static int add_consents(struct db *db, int64_t generation, const char *takes, struct err *e)
{
	for (struct span rest = span_of(takes); rest.len;) {
		struct span name = span_until(&rest, ',');
		AUTO(mem_free) char *text = mem_strndup(name.data, name.len);
		AUTO(query_end) struct query q = query_begin(db, Q_CONSENT_ADD);

		query_int(&q, generation);
		query_text(&q, text);
		if (query_run(&q, e) < 0)
			return -1;
	}
	return 0;
}

static int set_channel(struct db *db, const char *name, int64_t id, int64_t set, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_CHANNEL_SET);

	query_text(&q, name);
	query_int(&q, id);
	query_int(&q, set);
	if (query_run(&q, e) < 0)
		return -1;
	return meta_index_dirty(db, e);
}

int meta_generation_add(struct db *db, const char *name, int64_t set, const struct generation *g,
	bool is_current, struct err *e)
{
	int64_t id = 0;
	int rc = new_generation(db, name, set, g, &id, e);

	if (rc <= 0)
		return rc;
	if (add_consents(db, id, g->takes, e) < 0)
		return -1;
	return is_current ? set_channel(db, name, id, set, e) : meta_index_dirty(db, e);
}

/* Run a statement with a channel's name, and a number unless it is negative. */
static int run_named(
	struct db *db, enum query_name query, const char *name, int64_t number, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, query);

	query_text(&q, name);
	if (number >= 0)
		query_int(&q, number);
	return query_run(&q, e);
}

static int forget_older(struct db *db, const char *name, uint64_t number, struct err *e)
{
	int64_t last = (int64_t)number - GENERATIONS_KEPT;

	if (last <= 0)
		return 0;
	if (run_named(db, Q_GENERATIONS_FORGET_CONSENTS, name, last, e) < 0)
		return -1;
	return run_named(db, Q_GENERATIONS_FORGET, name, last, e);
}

int meta_activate(struct db *db, const char *name, const struct generation *next, const char *takes,
	struct err *e)
{
	int64_t id = 0;

	if (new_generation(db, name, next->set, next, &id, e) < 0 ||
		add_consents(db, id, takes, e) < 0 || set_channel(db, name, id, next->set, e) < 0)
		return -1;
	return forget_older(db, name, next->number, e);
}

int meta_deactivate(struct db *db, const char *name, struct err *e)
{
	return run_named(db, Q_CHANNEL_DROP, name, -1, e) < 0 ? -1 : meta_index_dirty(db, e);
}

int meta_set_remove(struct db *db, const char *name, int64_t set, struct err *e)
{
	static const enum query_name of_channel[] = { Q_SET_SPLICE, Q_SET_DROP_CONSENTS,
		Q_SET_DROP_GENERATIONS };
	static const enum query_name of_set[] = { Q_SET_DROP_SIGNATURES, Q_SET_DROP_PINS,
		Q_SET_DROP };

	for (size_t i = 0; i < ARRAY_SIZE(of_channel); i++)
		if (run_named(db, of_channel[i], name, set, e) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(of_set); i++) {
		AUTO(query_end) struct query q = query_begin(db, of_set[i]);

		query_int(&q, set);
		if (query_run(&q, e) < 0)
			return -1;
	}
	return meta_index_dirty(db, e);
}

int meta_removed_get(
	struct db *db, const char *name, char version[SET_VERSION_MAX + 1], struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_REMOVED_GET);
	int rc;

	query_text(&q, name);
	rc = query_step(&q, e);
	if (rc > 0)
		snprintf(version, SET_VERSION_MAX + 1, "%s", query_get_text(&q, 0));
	return rc;
}

int meta_removed_put(struct db *db, const char *name, const char *version, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_REMOVED_PUT);

	query_text(&q, name);
	query_text(&q, version);
	return query_run(&q, e) < 0 ? -1 : meta_index_dirty(db, e);
}

int meta_removed_each(struct db *db, removed_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_ALL_REMOVED);
	int rc;

	while ((rc = query_step(&q, e)) > 0)
		if (fn(ctx, query_get_text(&q, 0), query_get_text(&q, 1), e) < 0)
			return -1;
	return rc;
}

/* Longer than there is room for, it ends behind a name. */
static void get_takes(const struct query *q, int column, char out[SET_TAKES_SIZE])
{
	const char *names = query_get_text(q, column);
	size_t len = strlen(names);

	while (len >= SET_TAKES_SIZE)
		for (len--; names[len] != ','; len--)
			;
	memcpy(out, names, len);
	out[len] = '\0';
}

static void get_generation(const struct query *q, struct generation *g)
{
	*g = (struct generation){ .order = query_get_int(q, 0),
		.number = (uint64_t)query_get_int(q, 1),
		.when = query_get_int(q, 2),
		.set = query_get_int(q, 4),
		.back = query_get_int(q, 5) };
	get_takes(q, 3, g->takes);
}

int meta_generation_get(
	struct db *db, const char *name, uint64_t number, struct generation *out, struct err *e)
{
	AUTO(query_end)
	struct query q = query_begin(db, number ? Q_GENERATION_GET : Q_GENERATION_LAST);
	int rc;

	query_text(&q, name);
	if (number)
		query_int(&q, (int64_t)number);
	rc = query_step(&q, e);
	if (rc > 0)
		get_generation(&q, out);
	return rc;
}

int meta_generations(
	struct db *db, const char *name, int64_t set, generation_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_GENERATIONS);
	int rc;

	query_text(&q, name);
	query_int(&q, set);
	while ((rc = query_step(&q, e)) > 0) {
		struct generation g;

		get_generation(&q, &g);
		if (fn(ctx, &g, e) < 0)
			return -1;
	}
	return rc;
}

/* --- finding sets --------------------------------------------------------------------------- */

static int get_set(const struct query *q, struct set_row *out, struct err *e)
{
	struct set_info *info = &out->info;

	*out = (struct set_row){ .id = query_get_int(q, 0) };
	snprintf(info->name, sizeof(info->name), "%s", query_get_text(q, 1));
	snprintf(info->version, sizeof(info->version), "%s", query_get_text(q, 2));
	info->bytes = (uint64_t)query_get_int(q, 4);
	info->pins = (uint64_t)query_get_int(q, 5);
	info->accepted = query_get_int(q, 6);
	out->activation = query_get_int(q, 7);
	info->active = out->activation != 0;
	info->generation = (uint64_t)query_get_int(q, 8);
	info->missing = (uint64_t)query_get_int(q, 9);
	get_takes(q, 10, info->takes);
	info->created = query_get_int(q, 11);
	out->unread = info->created == NOT_READ;
	if (info->created == NO_TIME)
		info->created = 0;
	info->expires = query_get_int(q, 12);
	info->activated = query_get_int(q, 13);
	info->back = query_get_int(q, 14) != 0;
	return query_get_digest(q, 3, &info->digest, e);
}

static enum query_name set_query(const struct digest *d, const char *name, const char *version)
{
	if (d)
		return Q_SET_BY_DIGEST;
	if (!name)
		return Q_ALL_SETS_NEWEST;
	return version ? Q_SET_BY_VERSION : Q_SET_BY_NAME;
}

int meta_set_get(struct db *db, const struct digest *d, const char *name, const char *version,
	struct set_row *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, set_query(d, name, version));
	int rc;

	if (d)
		query_digest(&q, d);
	if (!d && name)
		query_text(&q, name);
	if (!d && name && version)
		query_text(&q, version);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	return get_set(&q, out, e) < 0 ? -1 : 1;
}

int meta_set_by_id(struct db *db, int64_t id, struct set_row *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_SET_BY_ID);
	int rc;

	query_int(&q, id);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	return get_set(&q, out, e) < 0 ? -1 : 1;
}

static int each_set(struct query *q, set_row_fn *fn, void *ctx, struct err *e)
{
	struct set_row row;
	int rc;

	while ((rc = query_step(q, e)) > 0) {
		if (get_set(q, &row, e) < 0)
			return -1;
		rc = fn(ctx, &row, e);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int meta_set_each(struct db *db, const char *name, set_row_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end)
	struct query q = query_begin(db, name ? Q_SET_BY_NAME : Q_ALL_SETS);

	if (name)
		query_text(&q, name);
	return each_set(&q, fn, ctx, e);
}

int meta_set_each_active(struct db *db, set_row_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_ALL_ACTIVE);

	return each_set(&q, fn, ctx, e);
}

/* --- owners of tags -------------------------------------------------------------------------- */

static void get_set_name(const struct query *q, struct set_info *set)
{
	snprintf(set->name, sizeof(set->name), "%s", query_get_text(q, 0));
	snprintf(set->version, sizeof(set->version), "%s", query_get_text(q, 1));
}

int meta_set_holding(
	struct db *db, const char *repo, int64_t blob, struct set_info *set, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_SET_HOLDING);
	int rc;

	query_text(&q, repo);
	query_int(&q, blob);
	rc = query_step(&q, e);
	if (rc > 0)
		get_set_name(&q, set);
	return rc;
}

int blob_sets(struct store *s, const struct digest *d, set_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_BLOB_SETS);
	int rc;

	query_digest(&q, d);
	while ((rc = query_step(&q, e)) > 0) {
		struct set_info info = { .active = query_get_int(&q, 3) != 0 };

		get_set_name(&q, &info);
		if (query_get_digest(&q, 2, &info.digest, e) < 0 || fn(ctx, &info, e) < 0)
			return -1;
	}
	return rc;
}

int meta_tag_pinned(struct db *db, const char *repo, const char *tag, struct set_info *set,
	struct digest *manifest, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_TAG_PINNED);
	int rc;

	query_text(&q, repo);
	query_text(&q, tag);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	get_set_name(&q, set);
	return query_get_digest(&q, 2, manifest, e) < 0 ? -1 : 1;
}

/* The tags that a set pins: repository, tag, the number of its entry. */
static void add_offer(const struct set *offered, struct rowset *out)
{
	for (size_t i = 0; i < offered->count; i++) {
		const struct set_entry *entry = &offered->entries[i];

		if (entry->role != SET_PIN || !*entry->tag)
			continue;
		rowset_text(out, entry->name);
		rowset_text(out, entry->tag);
		rowset_int(out, (int64_t)i);
	}
}

static int get_owner(const struct query *q, int first, struct tag_owner *out, struct err *e)
{
	*out = (struct tag_owner){ .set = "" };
	snprintf(out->set, sizeof(out->set), "%s", query_get_text(q, first));
	snprintf(out->version, sizeof(out->version), "%s", query_get_text(q, first + 1));
	if (query_is_null(q, first + 2))
		return 0;
	return query_get_digest(q, first + 2, &out->digest, e);
}

int meta_claims(struct db *db, const struct set *offered, claim_fn *fn, void *ctx, struct err *e)
{
	AUTO(rowset_release) struct rowset offer = ROWSET_INIT(3);
	AUTO(query_end) struct query q = query_begin(db, Q_CLAIMS);
	int rc;

	add_offer(offered, &offer);
	query_text(&q, offered->name);
	query_rowset(&q, &offer);
	while ((rc = query_step(&q, e)) > 0) {
		struct tag_claim claim = { .repo = query_get_text(&q, 0),
			.tag = query_get_text(&q, 1),
			.offered = query_is_null(&q, 3) ? NULL
							: &offered->entries[query_get_int(&q, 3)] };

		if (get_owner(&q, 4, &claim.now, e) < 0 || fn(ctx, &claim, e) < 0)
			return -1;
	}
	return rc;
}

int list_conflicts(struct store *s, conflict_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_ALL_CONFLICTS);
	int rc;

	while ((rc = query_step(&q, e)) > 0) {
		struct tag_conflict c = { .repo = query_get_text(&q, 0),
			.tag = query_get_text(&q, 1) };

		if (get_owner(&q, 2, &c.served, e) < 0 || get_owner(&q, 5, &c.other, e) < 0)
			return -1;
		rc = fn(ctx, &c, e);
		if (rc != 0)
			return rc;
	}
	return rc;
}
