/*
 * Changes of many clients made durable by one commit. Files first, for all (S2); then one transaction
 * in which each change has a savepoint of its own; then the answers. Must never let one client's change
 * undo another's, and never link to a repository what its client did not bring or may not read.
 */
#define MOAT_STORE_PART
#include "storage/blobs/writer.h"

#include "storage/base/fault.h"
#include "storage/base/banned.h"

struct group {
	struct store *store;
	struct change *const *changes;
	size_t count;
	struct blob_writer *writers[APPLY_MAX]; /* of each change; NULL: no new bytes */
	uint64_t brings[APPLY_MAX]; /* of each, foreseen: bytes that will count for its quota */
};

static void group_release(struct group **g)
{
	for (size_t i = 0; i < (*g)->count; i++)
		blob_discard(&(*g)->writers[i]);
}

static void fail(struct change *c, const struct err *e)
{
	c->rc = -1;
	c->err = *e;
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* A manifest's bytes into a stage of their own, unless they are held. */
static int stage_text(struct group *g, size_t i, struct err *e)
{
	struct change *c = g->changes[i];
	AUTO(blob_discard) struct blob_writer *w = NULL;
	char text[DIGEST_TEXT_SIZE];
	struct digest d;
	int rc;

	/* Also of what is held: the rows are made from what was read of these bytes. */
	digest_of(&d, c->digest.alg, c->text);
	if (!digest_eq(&d, &c->digest))
		return err_set(
			e, ERR_CORRUPT, "the manifest's bytes are %s", digest_text(&d, text));
	rc = blob_begin(g->store, &d, c->text.len, BLOB_VERIFY, &w, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	blob_write(w, c->text.data, c->text.len);
	if (blob_error(w, e) < 0 || writer_end(w, e) < 0)
		return -1;
	g->writers[i] = STEAL(w);
	return 0;
}

static int over_quota(struct change *c, uint64_t used, uint64_t more, struct err *e)
{
	c->used = used;
	c->more = more;
	return err_set(e, ERR_DENIED, "%s: its quota is %llu bytes", c->repo,
		(unsigned long long)c->quota);
}

/* Count what the changes before it in the group will have linked to its repository by then. */
static void foresee_group(const struct group *g, size_t which, struct repo_use *use)
{
	const struct change *c = g->changes[which];

	for (size_t i = 0; i < which; i++) {
		const struct change *before = g->changes[i];

		if (!before->quota || before->rc < 0 || strcmp(before->repo, c->repo) != 0)
			continue;
		use->linked = use->linked || digest_eq(&before->digest, &c->digest);
		use->bytes += g->brings[i];
	}
}

/* Before its bytes are published: what is refused later leaves a file that no row tells of. */
static int foresee_quota(struct group *g, size_t i, uint64_t size, struct err *e)
{
	struct change *c = g->changes[i];
	struct repo_use use;

	if (!c->quota)
		return 0;
	if (repo_used(g->store, c->repo, &c->digest, &use, e) < 0)
		return -1;
	foresee_group(g, i, &use);
	if (use.linked || size == 0)
		return 0;
	if (use.bytes > c->quota || size > c->quota - use.bytes)
		return over_quota(c, use.bytes, size, e);
	g->brings[i] = size;
	return 0;
}

static int gather_one(struct group *g, size_t i, struct err *e)
{
	struct change *c = g->changes[i];

	if (c->kind == CHANGE_BLOB) {
		g->writers[i] = STEAL(c->writer);
		return foresee_quota(g, i, blob_offset(g->writers[i]), e);
	}
	if (c->kind != CHANGE_MANIFEST)
		return 0;
	return foresee_quota(g, i, c->text.len, e) < 0 ? -1 : stage_text(g, i, e);
}

static void gather(struct group *g)
{
	struct err e;

	for (size_t i = 0; i < g->count; i++) {
		struct change *c = g->changes[i];

		c->rc = 0;
		c->more = 0;
		if (c->kind == CHANGE_BLOB && !writer_holds(c->writer, &c->digest))
			BUG("a blob that was not sealed");
		if (gather_one(g, i, &e) == 0)
			continue;
		fail(c, &e);
		blob_discard(&g->writers[i]);
	}
}

static int publish(struct group *g, struct err *e)
{
	struct blob_writer *items[APPLY_MAX];
	size_t n = 0;

	for (size_t i = 0; i < g->count; i++)
		if (g->writers[i])
			items[n++] = g->writers[i];
	return n ? writers_publish(g->store, items, n, e) : 0;
}

/* --- rows ------------------------------------------------------------------------------------ */

static int absent(const char *what, const struct digest *d, const char *repo, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	return err_set(e, ERR_ABSENT, "%s %s is not in %s", what, digest_text(d, text), repo);
}

/* A promise to its client: it is held, and stays so for its grace. */
static int touch(struct store *s, const struct change *c, struct err *e)
{
	AUTO(rowset_release) struct rowset row = ROWSET_INIT(1);
	uint64_t touched;

	rowset_digest(&row, &c->digest);
	if (fault("change.touch", e) < 0 || meta_blobs_touch(s->db, &row, &touched, e) < 0)
		return -1;
	return touched ? 0 : absent("blob", &c->digest, c->repo, e);
}

static int link_blob(struct store *s, const struct change *c, struct err *e)
{
	struct blob_row row;
	int64_t repo = 0;

	if (repo_check(c->repo, e) < 0 || meta_repo_make(s->db, c->repo, &repo, e) < 0 ||
		meta_blob_get(s->db, &c->digest, &row, e) < 0 || touch(s, c, e) < 0)
		return -1;
	return fault("change.link", e) < 0 ? -1 : meta_link_add(s->db, repo, row.id, e);
}

/* What may be bad is not given away: its client brings the bytes instead, which mends it. */
static int apply_mount(struct store *s, const struct change *c, struct err *e)
{
	uint64_t size;
	struct finding f;
	int rc = repo_has_blob(s, c->from, &c->digest, &size, e);

	if (rc > 0)
		rc = blob_examine(s, &c->digest, BLOB_CHECK_LENGTH, NULL, &f, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || f.fault != BLOB_GOOD || f.changed)
		return absent("blob", &c->digest, c->from, e);
	return link_blob(s, c, e);
}

/* A tag that an active set pins in this repository must stay what it is; `to` NULL: it would go. */
static int check_pin(
	struct store *s, const char *repo, const char *tag, const struct digest *to, struct err *e)
{
	struct set_info set;
	struct digest now;
	int rc = meta_tag_pinned(s->db, repo, tag, &set, &now, e);

	if (rc <= 0 || (to && digest_eq(to, &now)))
		return rc < 0 ? -1 : 0;
	return err_set(e, ERR_DENIED, "tag %s of %s belongs to set %s:%s", tag, repo, set.name,
		set.version);
}

static int check_pins(struct store *s, const struct change *c, const char *tag, struct err *e)
{
	if (check_pin(s, c->repo, tag, &c->digest, e) < 0)
		return -1;
	for (size_t i = 0; i < c->alias_count; i++)
		if (check_pin(s, c->aliases[i], tag, &c->digest, e) < 0)
			return -1;
	return 0;
}

static int put_tags(struct record *r, const struct change *c, struct known *manifest, struct err *e)
{
	for (size_t i = 0; i < c->tag_count; i++) {
		if (ref_check_tag(span_of(c->tags[i]), e) < 0 ||
			check_pins(r->store, c, c->tags[i], e) < 0 || fault("change.tag", e) < 0)
			return -1;
		record_tag(r, r->repo, c->tags[i], manifest);
	}
	return 0;
}

static int put_manifest(struct record *r, const struct change *c, struct known **out, struct err *e)
{
	return manifest_put_tx(
		r, c->manifest, &c->digest, c->strict ? PUT_STRICT : PUT_SIZES, out, e);
}

/* Its bytes were held when the group was gathered, and were collected since: bring them, and begin again. */
static int put_collected(
	struct record *r, const struct change *c, struct known **out, struct err *e)
{
	struct store *s = r->store;
	int64_t repo = r->repo;

	record_release(r);
	if (blob_put_tx(s, &c->digest, c->text, e) < 0)
		return -1;
	record_init(r, s, repo);
	return put_manifest(r, c, out, e);
}

static int apply_manifest(struct store *s, const struct change *c, struct err *e)
{
	AUTO(record_release) struct record r = { .store = NULL };
	struct known *k = NULL;
	int64_t repo = 0;

	if (repo_check(c->repo, e) < 0 || meta_repo_make(s->db, c->repo, &repo, e) < 0)
		return -1;
	record_init(&r, s, repo);
	if (put_manifest(&r, c, &k, e) < 0 || (!k->live && put_collected(&r, c, &k, e) < 0) ||
		put_tags(&r, c, k, e) < 0)
		return -1;
	return record_flush(&r, 0, e);
}

static int apply_untag(struct store *s, const struct change *c, struct err *e)
{
	int rc;

	if (check_pin(s, c->repo, c->tags[0], NULL, e) < 0)
		return -1;
	rc = meta_tag_drop(s->db, c->repo, c->tags[0], e);
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "no tag %s in %s", c->tags[0], c->repo);
	return rc < 0 ? -1 : 0;
}

/* S5: what a set holds in this repository stays. */
static int check_sets(struct store *s, const struct change *c, int64_t blob, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	struct set_info set;
	int rc = meta_set_holding(s->db, c->repo, blob, &set, e);

	if (rc <= 0)
		return rc;
	return err_set(e, ERR_DENIED, "%s belongs to set %s:%s", digest_text(&c->digest, text),
		set.name, set.version);
}

static int drop_link(struct store *s, const struct change *c, int64_t blob, struct err *e)
{
	if (check_sets(s, c, blob, e) < 0 || fault("change.drop", e) < 0)
		return -1;
	return meta_link_drop(s->db, c->repo, blob, e);
}

static int apply_delete_manifest(struct store *s, const struct change *c, struct err *e)
{
	struct manifest_info info;
	struct blob_row row;
	int rc = manifest_by_digest(s, c->repo, &c->digest, &info, e);

	if (rc <= 0)
		return rc < 0 ? -1 : absent("manifest", &c->digest, c->repo, e);
	if (meta_blob_get(s->db, &c->digest, &row, e) < 0)
		return -1;
	return drop_link(s, c, row.id, e);
}

static int check_need(struct store *s, const struct change *c, int64_t blob, struct err *e)
{
	char text[DIGEST_TEXT_SIZE], by[DIGEST_TEXT_SIZE];
	struct digest manifest;
	int rc = meta_needed_by(s->db, c->repo, blob, &manifest, e);

	if (rc <= 0)
		return rc;
	return err_set(e, ERR_DENIED, "%s is needed by manifest %s: delete that first",
		digest_text(&c->digest, text), digest_text(&manifest, by));
}

static int apply_delete_blob(struct store *s, const struct change *c, struct err *e)
{
	struct blob_row row;
	uint64_t size;
	int rc = repo_has_blob(s, c->repo, &c->digest, &size, e);

	if (rc < 0 || meta_blob_get(s->db, &c->digest, &row, e) < 0)
		return -1;
	if (rc == 0 || *row.media_type)
		return absent("blob", &c->digest, c->repo, e);
	if (check_need(s, c, row.id, e) < 0)
		return -1;
	return drop_link(s, c, row.id, e);
}

/* moat.local/set/NAME holds what imports verified, and no pin guards it. */
static int check_owner(const struct change *c, struct err *e)
{
	static const char sets[] = SET_HOST "/set/";

	if (strncmp(c->repo, sets, strlen(sets)) != 0)
		return 0;
	return err_set(e, ERR_DENIED, "%s belongs to its sets: they come by import", c->repo);
}

static int apply_kind(struct store *s, const struct change *c, struct err *e)
{
	switch (c->kind) {
	case CHANGE_BLOB:
		return link_blob(s, c, e);
	case CHANGE_MOUNT:
		return apply_mount(s, c, e);
	case CHANGE_TOUCH:
		return touch(s, c, e);
	case CHANGE_MANIFEST:
		return apply_manifest(s, c, e);
	case CHANGE_UNTAG:
		return apply_untag(s, c, e);
	case CHANGE_DELETE_MANIFEST:
		return apply_delete_manifest(s, c, e);
	case CHANGE_DELETE_BLOB:
		return apply_delete_blob(s, c, e);
	}
	BUG("change %d", (int)c->kind);
}

/* Within the transaction that links, so that two at once never pass a quota. What brings nothing new is no matter of it. */
static int check_quota(struct store *s, struct change *c, uint64_t before, struct err *e)
{
	struct repo_use after;

	if (repo_used(s, c->repo, NULL, &after, e) < 0)
		return -1;
	if (after.bytes <= c->quota || after.bytes <= before)
		return 0;
	return over_quota(c, before, after.bytes - before, e);
}

static int apply_one(struct group *g, size_t i, struct err *e)
{
	struct repo_use before = { .bytes = 0 };
	struct change *c = g->changes[i];
	struct store *s = g->store;

	if ((c->kind != CHANGE_TOUCH && check_owner(c, e) < 0) ||
		(g->writers[i] && writer_record(s, g->writers[i], e) < 0))
		return -1;
	if (c->quota && repo_used(s, c->repo, NULL, &before, e) < 0)
		return -1;
	if (apply_kind(s, c, e) < 0)
		return -1;
	return c->quota ? check_quota(s, c, before.bytes, e) : 0;
}

/* Apply one change within a savepoint. -1: the transaction itself failed. */
static int apply_or_undo(struct group *g, size_t i, struct err *e)
{
	struct store *s = g->store;
	struct err why = ERR_INIT;

	if (db_savepoint(s->db, e) < 0)
		return -1;
	if (apply_one(g, i, &why) == 0)
		return db_savepoint_release(s->db, e);
	fail(g->changes[i], &why);
	return db_savepoint_undo(s->db, e);
}

static int record(struct group *g, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	struct store *s = g->store;

	if (touched_flush(s, e) < 0 || tx_begin(s, &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < g->count; i++)
		if (g->changes[i]->rc == 0 && apply_or_undo(g, i, e) < 0)
			return -1;
	s->index_dirty = true;
	return tx_commit(&tx, e);
}

int store_apply(struct store *s, struct change *const changes[], size_t count, struct err *e)
{
	struct group group = { .store = s, .changes = changes, .count = count };
	AUTO(group_release) struct group *g = &group;

	if (count == 0 || count > APPLY_MAX)
		BUG("%zu changes at once", count);
	gather(g);
	if (publish(g, e) == 0 && record(g, e) == 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		fail(changes[i], e);
	return -1;
}
