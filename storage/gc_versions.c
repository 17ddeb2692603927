/*
 * Retention: versions of sets that the rules let go. What the rules say is asked again in the transaction that removes,
 * as a switch or an import in another process may have changed it. Must never remove a version that is active, one
 * that a rollback goes to, nor the newest of a name.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define DAY 86400

void gc_versions_release(struct gc_versions *v)
{
	free(v->items);
	*v = (struct gc_versions){ .count = 0 };
}

/* --- the rules ------------------------------------------------------------------------------------ */

/* The versions of one name. */
struct versions {
	struct set_row *rows;
	size_t count;
};

static void versions_release(struct versions *v)
{
	free(v->rows);
	*v = (struct versions){ .count = 0 };
}

/* How many versions of the name are newer. */
static size_t rank_of(const struct versions *v, size_t which)
{
	size_t newer = 0;

	for (size_t i = 0; i < v->count; i++)
		newer += set_version_cmp(v->rows[i].info.version, v->rows[which].info.version) > 0;
	return newer;
}

static bool stays(const struct versions *v, size_t which, const struct gc_rules *rules, int64_t now)
{
	const struct set_info *info = &v->rows[which].info;
	size_t rank;

	if (info->active || info->back || (!rules->keep_versions && !rules->keep_days))
		return true;
	if (rules->keep_days && info->accepted >= now - rules->keep_days * DAY)
		return true;
	rank = rank_of(v, which);
	return rank == 0 || rank < (size_t)rules->keep_versions;
}

/* --- what would go -------------------------------------------------------------------------------- */

struct finding_versions {
	const struct gc_rules *rules;
	int64_t now;
	struct versions name;
	struct gc_versions *out;
};

static void finding_versions_release(struct finding_versions *f)
{
	versions_release(&f->name);
}

static void end_name(struct finding_versions *f)
{
	for (size_t i = 0; i < f->name.count; i++)
		if (!stays(&f->name, i, f->rules, f->now))
			*VEC_PUSH(f->out->items, f->out->count) =
				(struct gc_version){ .info = f->name.rows[i].info };
	f->name.count = 0;
}

static int add_row(void *ctx, const struct set_row *row, struct err *e)
{
	struct versions *v = ctx;

	(void)e;
	*VEC_PUSH(v->rows, v->count) = *row;
	return 0;
}

static int take_row(void *ctx, const struct set_row *row, struct err *e)
{
	struct finding_versions *f = ctx;

	if (f->name.count && strcmp(f->name.rows[0].info.name, row->info.name) != 0)
		end_name(f);
	return add_row(&f->name, row, e);
}

int gc_versions_find(struct store *s, const struct gc_rules *rules, int64_t now,
	struct gc_versions *out, struct err *e)
{
	AUTO(finding_versions_release)
	struct finding_versions f = { .rules = rules, .now = now, .out = out };

	gc_versions_release(out);
	if (!rules->keep_versions && !rules->keep_days)
		return 0;
	if (meta_set_each(s->db, NULL, take_row, &f, e) < 0)
		return err_ctx(e, "versions of sets");
	end_name(&f);
	return 0;
}

/* --- what goes ------------------------------------------------------------------------------------ */

static bool rules_let_go(const struct versions *v, const struct gc_version *version,
	const struct gc_rules *rules, int64_t now, const struct set_row **row)
{
	for (size_t i = 0; i < v->count; i++) {
		*row = &v->rows[i];
		if (digest_eq(&v->rows[i].info.digest, &version->info.digest))
			return !stays(v, i, rules, now);
	}
	return false;
}

/* Those of one name, items[from] to items[to - 1], in one transaction. */
static int remove_name(struct store *s, const struct gc_rules *rules, int64_t now,
	struct gc_versions *list, size_t from, size_t to, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	AUTO(versions_release) struct versions v = { .count = 0 };
	size_t removed = 0;

	if (tx_begin(s, &tx, e) < 0 ||
		meta_set_each(s->db, list->items[from].info.name, add_row, &v, e) < 0)
		return -1;
	for (size_t i = from; i < to; i++) {
		const struct set_row *row = NULL;

		list->items[i].spared = !rules_let_go(&v, &list->items[i], rules, now, &row);
		if (list->items[i].spared)
			continue;
		if (set_remove_tx(s, row, e) < 0)
			return -1;
		removed++;
	}
	if (!removed)
		return 0;
	if (tx_commit(&tx, e) < 0)
		return -1;
	for (size_t i = from; i < to; i++)
		list->items[i].gone = !list->items[i].spared;
	s->index_dirty = true;
	list->removed += removed;
	return 0;
}

int gc_versions_remove(struct store *s, const struct gc_rules *rules, int64_t now,
	struct gc_versions *list, struct err *e)
{
	size_t end;

	list->removed = 0;
	for (size_t at = 0; at < list->count; at = end) {
		const char *name = list->items[at].info.name;

		for (end = at + 1; end < list->count; end++)
			if (strcmp(list->items[end].info.name, name) != 0)
				break;
		if (remove_name(s, rules, now, list, at, end, e) < 0)
			return err_ctx(e, "set %s: remove old versions", name);
	}
	return list->removed ? index_json_write(s, e) : 0;
}
