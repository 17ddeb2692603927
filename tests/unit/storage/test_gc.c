/* Collection: what goes, what stays, and who wins when something is referred to meanwhile. */
#include "tests/support/cm.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "storage/engine.h"
#include "storage/base/clock.h"
#include "storage/base/fault.h"
#include "tests/unit/storage/pushed.h"
#include "tests/unit/storage/suite.h"

static struct gc_options at_once(void)
{
	return (struct gc_options){ .now = clock_now() };
}

static struct gc_plan *mark(struct store *s, const struct gc_options *o)
{
	struct gc_plan *plan = NULL;
	struct err e = ERR_INIT;

	assert_ok(gc_mark(s, o, &plan, &e));
	return plan;
}

static struct gc_done collect_with(struct store *s, const struct gc_options *o)
{
	AUTO(gc_plan_free) struct gc_plan *plan = mark(s, o);
	struct gc_done done = { .repos = 0 };
	struct err e = ERR_INIT;

	assert_ok(gc_condemn(s, plan, &done, &e));
	assert_ok(gc_remove(s, &done, &e));
	assert_sound(s);
	return done;
}

static struct gc_done collect(struct store *s)
{
	struct gc_options o = at_once();

	return collect_with(s, &o);
}

/* Let time pass for all that is there. */
static void age(const struct sandbox *sb, int seconds)
{
	AUTO(mem_free) char *sql = mem_printf("UPDATE blob SET touched = touched - %d", seconds);
	sqlite3 *conn = NULL;

	assert_int_equal(sqlite3_open(sandbox_path(sb, "s/meta/moat.db"), &conn), SQLITE_OK);
	sqlite3_busy_timeout(conn, 10000);
	assert_int_equal(sqlite3_exec(conn, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(conn);
}

static bool is_held(struct store *s, const struct digest *d)
{
	struct err e = ERR_INIT;
	uint64_t size;
	int rc = blob_stat(s, d, &size, &e);

	assert_true(rc >= 0);
	return rc > 0;
}

/* An image of its own, pushed as `tag`, or without one. */
static void push(const struct sandbox *sb, struct store *s, const char *repo, const char *tag,
	const char *seed, struct pushed *p)
{
	struct image_want want = { .seed = seed, .layers = 2 };
	struct err e = ERR_INIT;

	build(sb, p, &want);
	push_blobs(sb, s, repo, p);
	assert_ok(push_manifest(s, repo, tag, p, &e));
}

static void assert_image(struct store *s, const struct pushed *p, bool held)
{
	assert_int_equal(is_held(s, &p->digest), held);
	assert_int_equal(is_held(s, &p->config), held);
	assert_int_equal(is_held(s, &p->layer), held);
}

/* --- what goes ---------------------------------------------------------------------------------- */

static void gc__takes_what_no_tag_reaches(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed old, new;
	struct gc_done done;

	push(*state, s, APP, "1", "old", &old);
	push(*state, s, APP, "1", "new", &new);
	done = collect(s);
	assert_int_equal(done.condemned.blobs, 4);
	assert_int_equal(done.manifests, 1);
	assert_int_equal(done.removed.blobs, 4);
	assert_int_equal(done.removed.bytes, done.condemned.bytes);
	assert_image(s, &old, false);
	assert_image(s, &new, true);
	assert_true(has_tag(s, APP, "1", &new.digest));
	assert_false(has_manifest(s, APP, &old.digest));
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/blobs/sha256")), 4);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/trash")), 4);
	/* Again: nothing is left to do. */
	done = collect(s);
	assert_int_equal(done.condemned.blobs + done.removed.blobs, 0);
}

static void gc__spares_what_is_shared(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	static const struct image_want wants[] = {
		{ .seed = "a", .layers = 3, .shared = 2 },
		{ .seed = "b", .layers = 3, .shared = 2 },
	};
	AUTO(pushed_release) struct pushed a, b;
	struct err e = ERR_INIT;

	build(*state, &a, &wants[0]);
	build(*state, &b, &wants[1]);
	push_blobs(*state, s, APP, &a);
	push_blobs(*state, s, OTHER, &b);
	assert_ok(push_manifest(s, APP, NULL, &a, &e));
	assert_ok(push_manifest(s, OTHER, "1", &b, &e));
	assert_int_equal(collect(s).condemned.blobs, 3); /* manifest, config and one layer */
	assert_image(s, &b, true);
	assert_false(is_held(s, &a.digest));
	assert_true(is_held(s, &a.layer));
}

static void gc__spares_what_is_within_its_grace(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct gc_options o = at_once();
	AUTO(pushed_release) struct pushed p;
	struct digest upload;
	struct err e = ERR_INIT;

	push(*state, s, APP, NULL, "untagged", &p);
	assert_ok(push_blob(s, APP, span_of("an upload"), &upload, &e));
	o = at_once();
	o.grace = 60;
	assert_int_equal(collect_with(s, &o).condemned.blobs, 0);
	assert_image(s, &p, true);
	/* A minute later. */
	o.now += 120;
	assert_int_equal(collect_with(s, &o).condemned.blobs, 5);
	assert_false(is_held(s, &upload));
	assert_image(s, &p, false);
}

/* A manifest within its grace keeps layers that are older. */
static void gc__spares_what_a_fresh_manifest_names(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(gc_plan_free) struct gc_plan *plan = NULL;
	struct gc_options o = at_once();
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;
	struct gc_done done = { .repos = 0 };
	struct change touch = { .kind = CHANGE_TOUCH, .repo = APP };

	push(*state, s, APP, NULL, "untagged", &p);
	age(*state, 100);
	o.grace = 50;
	plan = mark(s, &o);
	assert_int_equal(gc_totals(plan)->unused.blobs, 4);
	gc_plan_free(&plan);
	touch.digest = p.digest;
	assert_ok(apply(s, &touch, &e));
	plan = mark(s, &o);
	assert_int_equal(gc_totals(plan)->unused.blobs, 0);
	assert_int_equal(gc_totals(plan)->graced.blobs, 4);
	assert_ok(gc_condemn(s, plan, &done, &e));
	assert_int_equal(done.condemned.blobs, 0);
}

static void gc__takes_an_index_with_its_children(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed child, index;
	struct err e = ERR_INIT;

	push(*state, s, APP, NULL, "child", &child);
	build_index(*state, &index, &child.digest);
	assert_ok(push_manifest(s, APP, "1", &index, &e));
	assert_int_equal(collect(s).condemned.blobs, 0); /* a child is no untagged manifest */
	assert_true(has_manifest(s, APP, &child.digest));
	assert_ok(apply(s,
		&(struct change){ .kind = CHANGE_UNTAG,
			.repo = APP,
			.tags = (const char *const[]){ "1" },
			.tag_count = 1 },
		&e));
	assert_int_equal(collect(s).condemned.blobs, 5);
	assert_image(s, &child, false);
}

/* What refers to something that stays, stays; and goes with it. */
static void gc__takes_referrers_with_their_subject(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed subject, sbom, lost;
	struct image_want want = { .seed = "sbom", .layers = 1, .artifact_type = "a/sbom" };
	struct digest nowhere;
	struct err e = ERR_INIT;
	struct change drop = { .kind = CHANGE_DELETE_MANIFEST, .repo = APP };

	push(*state, s, APP, "1", "subject", &subject);
	want.subject = &subject.digest;
	build(*state, &sbom, &want);
	push_blobs(*state, s, APP, &sbom);
	assert_ok(push_manifest(s, APP, NULL, &sbom, &e));
	digest_of(&nowhere, DIGEST_SHA256, span_of("not here"));
	want = (struct image_want){
		.seed = "lost", .layers = 1, .artifact_type = "a/lost", .subject = &nowhere
	};
	build(*state, &lost, &want);
	push_blobs(*state, s, APP, &lost);
	assert_ok(push_manifest(s, APP, NULL, &lost, &e));
	(void)collect(s);
	assert_true(has_manifest(s, APP, &sbom.digest));
	assert_true(is_held(s, &sbom.layer));
	assert_false(has_manifest(s, APP, &lost.digest)); /* of a subject that never came */
	drop.digest = subject.digest;
	assert_ok(apply(s, &drop, &e));
	(void)collect(s);
	assert_false(is_held(s, &sbom.digest));
	assert_false(is_held(s, &sbom.layer));
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/blobs/sha256")), 0);
}

/* An index whose subject is its child as well: each refers to the other. */
static void push_circle(struct store *s, const struct pushed *subject, struct pushed *p)
{
	char digest[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	AUTO(mem_free)
	char *named = mem_printf("{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\","
				 "\"size\":%zu}",
		digest_text(&subject->digest, digest), subject->text.len);
	AUTO(mem_free)
	char *text = mem_printf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\","
				"\"artifactType\":\"a/circle\",\"manifests\":[%s],\"subject\":%s}",
		named, named);

	build_text(p, text);
	assert_ok(push_manifest(s, APP, NULL, p, &e));
}

static void gc__takes_a_circle_of_subject_and_child(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed subject, circle, other, other_circle;

	push(*state, s, APP, NULL, "subject", &subject);
	push_circle(s, &subject, &circle);
	push(*state, s, APP, "1", "other", &other);
	push_circle(s, &other, &other_circle);
	assert_int_equal(collect(s).condemned.blobs, 5);
	assert_image(s, &subject, false);
	assert_false(is_held(s, &circle.digest));
	assert_image(s, &other, true);
	assert_true(has_manifest(s, APP, &other_circle.digest));
}

/* One that gets a tag meanwhile stays, with what it names. */
static void gc__spares_a_circle_that_is_tagged_meanwhile(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed subject, circle;
	struct gc_options o;
	struct gc_done done = { .repos = 0 };
	struct err e = ERR_INIT;

	push(*state, s, APP, NULL, "subject", &subject);
	push_circle(s, &subject, &circle);
	o = at_once();
	{
		AUTO(gc_plan_free) struct gc_plan *plan = mark(s, &o);

		assert_ok(push_manifest(s, APP, "1", &subject, &e));
		assert_ok(gc_condemn(s, plan, &done, &e));
	}
	assert_ok(gc_remove(s, &done, &e));
	assert_sound(s);
	assert_int_equal(done.condemned.blobs, 0);
	assert_int_equal(done.spared, 5);
	assert_image(s, &subject, true);
	assert_true(has_manifest(s, APP, &circle.digest));
}

/* A reference to a row that is not there is damage, not a place to write to. */
static void gc__refuses_rows_that_are_not_there(void **state)
{
	static const char *const damages[] = {
		"INSERT INTO edge VALUES ((SELECT max(id) FROM manifest), 4000000, 2)",
		"INSERT INTO tag VALUES ((SELECT max(id) FROM repo), 'x', 4000000)",
	};

	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		AUTO(mem_free) char *name = mem_printf("s%zu", i);
		AUTO(mem_free) char *path = mem_printf("%s/meta/moat.db", name);
		AUTO(store_close) struct store *s = sandbox_store(*state, name, STORE_WRITE);
		AUTO(pushed_release) struct pushed p;
		AUTO(gc_plan_free) struct gc_plan *plan = NULL;
		struct gc_options o;
		struct err e = ERR_INIT;
		sqlite3 *conn = NULL;

		push(*state, s, APP, "1", "app", &p);
		o = at_once();
		assert_int_equal(sqlite3_open(sandbox_path(*state, path), &conn), SQLITE_OK);
		assert_int_equal(sqlite3_exec(conn, damages[i], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(conn);
		assert_err(gc_mark(s, &o, &plan, &e), ERR_CORRUPT, "row 4000000 of blobs");
	}
}

static void gc__forgets_repositories_in_which_nothing_is(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p, kept;
	struct err e = ERR_INIT;

	push(*state, s, APP, NULL, "gone", &p);
	push(*state, s, OTHER, "1", "kept", &kept);
	assert_int_equal(collect(s).repos, 1);
	assert_int_equal(repo_exists(s, APP, &e), 0);
	assert_int_equal(repo_exists(s, OTHER, &e), 1);
}

static void gc__leaves_what_sets_hold(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest nginx = pin_nginx(s);
	AUTO(pushed_release) struct pushed p;

	push(*state, s, APP, NULL, "gone", &p);
	(void)collect(s);
	assert_true(has_tag(s, NGINX, "1.27", &nginx));
	assert_image(s, &p, false);
}

/* --- what it says -------------------------------------------------------------------------------- */

static int add_set(void *ctx, const struct gc_set *set, struct err *e)
{
	struct gc_set *sets = ctx;

	(void)e;
	sets[strcmp(set->info->name, "a") == 0 ? 0 : 1] = *set;
	return 0;
}

/* Two sets that share one image; each has one of its own. */
static void make_sets(struct store *s, struct digest set[2])
{
	static const struct image_want wants[] = { { .seed = "shared", .layers = 1 },
		{ .seed = "of a", .layers = 1 }, { .seed = "of b", .layers = 1 } };
	struct image_pin pins[2] = { { .repo = NGINX, .tag = "1" }, { .repo = NGINX } };
	struct err e = ERR_INIT;

	pins[0].digest = image_make(s, NULL, &wants[0]);
	for (unsigned i = 0; i < 2; i++) {
		pins[1].tag = i ? "b" : "a";
		pins[1].digest = image_make(s, NULL, &wants[1 + i]);
		set[i] = image_set(s, i ? "b" : "a", "1", pins, 2);
		assert_ok(set_accept(s, &(struct set_offer){ .digest = &set[i] }, NULL, &e));
	}
}

static void gc_sets__says_what_only_one_keeps(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(gc_plan_free) struct gc_plan *plan = NULL;
	struct gc_options o = at_once();
	struct gc_set sets[2] = { { .info = NULL } };
	const struct gc_totals *t;
	struct digest set[2];
	struct err e = ERR_INIT;

	make_sets(s, set);
	o = at_once();
	plan = mark(s, &o);
	t = gc_totals(plan);
	assert_int_equal(t->unused.blobs, 0);
	assert_ok(gc_sets(plan, add_set, sets, &e));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sets[i].shared.blobs, t->shared.blobs);
		assert_true(sets[i].only.blobs >
			    3); /* manifest, config, layer, and what makes it a set */
		assert_false(sets[i].goes);
	}
	assert_true(t->shared.blobs >= 3);
	assert_int_equal(t->sets.blobs, sets[0].only.blobs + sets[1].only.blobs);
	assert_int_equal(t->held.bytes, t->sets.bytes + t->shared.bytes);
	gc_plan_free(&plan);
	/* Without one of them. */
	o.without = &set[0];
	o.without_count = 1;
	plan = mark(s, &o);
	assert_int_equal(gc_totals(plan)->unused.blobs, sets[0].only.blobs);
	assert_ok(gc_sets(plan, add_set, sets, &e));
	assert_true(sets[0].goes);
	assert_int_equal(sets[0].only.bytes, gc_totals(plan)->unused.bytes);
	assert_int_equal(sets[1].shared.blobs, 0); /* nobody else has it then */
}

struct reasons {
	struct gc_reason list[8];
	size_t count;
};

static int add_reason(void *ctx, const struct gc_reason *r, struct err *e)
{
	struct reasons *all = ctx;

	(void)e;
	all->list[all->count++] = *r;
	return 0;
}

static void gc_large__says_why_a_blob_stays(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(gc_plan_free) struct gc_plan *plan = NULL;
	struct gc_options o = at_once();
	struct gc_keep keep = { .why = "lock moat.lock" };
	AUTO(pushed_release) struct pushed kept;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct image_want big = { .seed = "big", .layers = 1, .layer_size = 50000 };
	struct reasons all = { .count = 0 };
	struct digest fresh;
	struct err e = ERR_INIT;

	(void)pin_nginx(s);
	build(*state, &kept, &big);
	push_blobs(*state, s, APP, &kept);
	assert_ok(push_manifest(s, APP, NULL, &kept, &e));
	image_bytes(&bytes, "fresh", 40000);
	assert_ok(push_blob(s, APP, buf_span(&bytes), &fresh, &e));
	keep.digest = kept.digest;
	o = at_once();
	o.keep = &keep;
	o.keep_count = 1;
	plan = mark(s, &o);
	assert_ok(gc_large(s, plan, 1, add_reason, &all, &e));
	assert_int_equal(all.count, 1);
	assert_true(digest_eq(&all.list[0].digest, &kept.layer));
	assert_int_equal(all.list[0].why, GC_WHY_KEEP);
	assert_string_equal(all.list[0].keep, "lock moat.lock");
	gc_plan_free(&plan);
	o.grace = 1000;
	o.keep_count = 0;
	all.count = 0;
	plan = mark(s, &o);
	assert_ok(gc_large(s, plan, 3, add_reason, &all, &e));
	assert_int_equal(all.count, 3); /* and no more, the largest first */
	assert_int_equal(all.list[0].size, 50000);
	assert_int_equal(all.list[0].why, GC_WHY_GRACE);
	assert_int_equal(all.list[1].size, 40000);
	assert_true(all.list[2].size < 40000);
	o.keep_count = 1;
	o.grace = 0;
	assert_int_equal(collect_with(s, &o).condemned.blobs, 1);
	assert_image(s, &kept, true);
}

static void gc_mark__refuses_a_set_that_it_does_not_know(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(gc_plan_free) struct gc_plan *plan = NULL;
	struct gc_options o = at_once();
	struct err e = ERR_INIT;
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of("no set"));
	o.without = &d;
	o.without_count = 1;
	assert_err(gc_mark(s, &o, &plan, &e), ERR_ABSENT, "no set is sha256:");
}

/* After a rebuild that lacks a set's blobs nobody knows what the set holds. */
static void gc_mark__refuses_while_a_set_is_not_whole(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(gc_plan_free) struct gc_plan *plan = NULL;
	struct gc_options o = at_once();
	struct err e = ERR_INIT;
	char path[300], hex[DIGEST_HEX_SIZE];
	struct digest nginx = pin_nginx(s);

	store_close(&s);
	snprintf(path, sizeof(path), "s/blobs/sha256/%s", digest_hex(&nginx, hex));
	sandbox_remove(sandbox_path(*state, path));
	assert_ok(sandbox_rebuild(*state, "s", &e));
	s = sandbox_store(*state, "s", STORE_WRITE);
	assert_err(gc_mark(s, &o, &plan, &e), ERR_INCOMPLETE,
		"set platform:2026.11 was not whole when the database was made again");
}

/* --- who wins ------------------------------------------------------------------------------------ */

/* A race of collection with something that comes between two of its steps. */
struct race {
	struct store *gc; /* its handle, as of another process */
	struct store *s; /* everybody else's */
	struct pushed p; /* untagged, so unused */
	struct gc_plan *plan;
	struct gc_done done;
};

static void race_release(struct race *r)
{
	gc_plan_free(&r->plan);
	pushed_release(&r->p);
	store_close(&r->s);
	store_close(&r->gc);
}

static void race_begin(const struct sandbox *sb, struct race *r)
{
	struct gc_options o;

	r->s = sandbox_store(sb, "s", STORE_WRITE);
	r->gc = sandbox_store(sb, "s", STORE_WRITE);
	push(sb, r->s, APP, NULL, "racing", &r->p);
	o = at_once();
	r->plan = mark(r->gc, &o);
	assert_int_equal(gc_totals(r->plan)->unused.blobs, 4);
}

static void condemn(struct race *r)
{
	struct err e = ERR_INIT;

	assert_ok(gc_condemn(r->gc, r->plan, &r->done, &e));
}

static void remove_condemned(struct race *r)
{
	struct err e = ERR_INIT;

	assert_ok(gc_remove(r->gc, &r->done, &e));
}

static void assert_spared(struct race *r)
{
	assert_int_equal(r->done.condemned.blobs, 0);
	assert_int_equal(r->done.spared, 4);
	assert_image(r->s, &r->p, true);
	assert_sound(r->s);
}

/* Each of these comes between marking and condemning. */
static void refer_by_tag(const struct sandbox *sb, struct race *r)
{
	struct err e = ERR_INIT;
	(void)sb;
	assert_ok(push_manifest(r->s, APP, "late", &r->p, &e));
}

static void refer_by_index(const struct sandbox *sb, struct race *r)
{
	struct err e = ERR_INIT;
	AUTO(pushed_release) struct pushed index;

	build_index(sb, &index, &r->p.digest);
	assert_ok(push_manifest(r->s, APP, "late", &index, &e));
}

static void refer_by_set(const struct sandbox *sb, struct race *r)
{
	struct err e = ERR_INIT;
	struct image_pin pin = { .repo = NGINX, .tag = "1", .digest = r->p.digest };
	struct digest set = image_set(r->s, "late", "1", &pin, 1);

	(void)sb;
	assert_ok(set_accept(r->s, &(struct set_offer){ .digest = &set }, NULL, &e));
}

static void refer_by_pull(const struct sandbox *sb, struct race *r)
{
	struct err e = ERR_INIT;
	(void)sb;
	assert_ok(image_put(r->s, NGINX, "pulled", &r->p.digest, MEDIA_OCI_MANIFEST, &e));
}

static void refer__between_marking_and_condemning(void **state)
{
	static void (*const ways[])(const struct sandbox *, struct race *) = { refer_by_tag,
		refer_by_index, refer_by_set, refer_by_pull };

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		AUTO(race_release) struct race r = { .s = NULL };

		race_begin(*state, &r);
		ways[i](*state, &r);
		condemn(&r);
		assert_spared(&r);
		remove_condemned(&r);
		assert_spared(&r);
		race_release(&r);
		r = (struct race){ .s = NULL };
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

/* A new manifest of the same layers saves these, whatever becomes of the old one. */
static void refer__by_another_manifest(void **state)
{
	AUTO(race_release) struct race r = { .s = NULL };
	AUTO(pushed_release) struct pushed other;
	AUTO(mem_free) char *text = NULL;
	struct err e = ERR_INIT;

	race_begin(*state, &r);
	text = mem_printf("%.*s ", (int)r.p.text.len, r.p.text.data); /* another digest */
	build_text(&other, text);
	assert_ok(push_manifest(r.s, APP, "late", &other, &e));
	condemn(&r);
	remove_condemned(&r);
	assert_int_equal(r.done.condemned.blobs, 1);
	assert_false(is_held(r.s, &r.p.digest));
	assert_true(is_held(r.s, &r.p.layer));
	assert_true(has_tag(r.s, APP, "late", &other.digest));
	assert_sound(r.s);
}

/* A promise of a HEAD, a mount and an upload, each within the grace of the marking. */
static void promise__between_marking_and_condemning(void **state)
{
	static const enum change_kind kinds[] = { CHANGE_TOUCH, CHANGE_MOUNT, CHANGE_BLOB };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		AUTO(race_release) struct race r = { .s = NULL };
		struct change c = { .kind = kinds[i],
			.repo = kinds[i] == CHANGE_TOUCH ? APP : OTHER,
			.from = APP };
		AUTO(buf_release) struct buf bytes = BUF_INIT;
		struct gc_options o = at_once();
		struct err e = ERR_INIT;

		race_begin(*state, &r);
		assert_int_equal(blob_read(r.s, &r.p.layer, 1 << 20, &bytes, &e), 1);
		gc_plan_free(&r.plan);
		age(*state, 100);
		o.grace = 50;
		r.plan = mark(r.gc, &o);
		c.digest = r.p.layer;
		if (c.kind == CHANGE_BLOB)
			c.writer = sealed(r.s, buf_span(&bytes), &c.digest, DIGEST_SHA256);
		assert_ok(apply(r.s, &c, &e));
		condemn(&r);
		remove_condemned(&r);
		assert_int_equal(r.done.condemned.blobs, 3);
		assert_int_equal(r.done.spared, 1);
		assert_true(is_held(r.s, &r.p.layer));
		assert_true(has_blob(r.s, c.repo, &r.p.layer));
		assert_sound(r.s);
		race_release(&r);
		r = (struct race){ .s = NULL };
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

static void assert_missing(struct race *r)
{
	struct change mount = {
		.kind = CHANGE_MOUNT, .repo = OTHER, .from = APP, .digest = r->p.layer
	};
	struct change touch = { .kind = CHANGE_TOUCH, .repo = APP, .digest = r->p.layer };
	struct change put = manifest_change(&r->p, APP, NULL, 0);
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;

	assert_image(r->s, &r->p, false);
	assert_false(has_blob(r->s, APP, &r->p.layer));
	assert_false(has_manifest(r->s, APP, &r->p.digest));
	assert_int_equal(blob_read(r->s, &r->p.layer, 1 << 20, &bytes, &e), 0);
	assert_err(apply(r->s, &mount, &e), ERR_ABSENT, "is not in team/app");
	assert_err(apply(r->s, &touch, &e), ERR_ABSENT, "is not in");
	put.strict = true;
	assert_err(apply(r->s, &put, &e), ERR_INCOMPLETE, "is not held");
	assert_err(image_put(r->s, NGINX, "1", &r->p.digest, MEDIA_OCI_MANIFEST, &e),
		ERR_INCOMPLETE, "is not held");
	assert_sound(r->s);
}

/* Its client uploads all of it again, at each step; and it stays, whatever collection does then. */
static void upload__after(const struct sandbox *sb, bool removed, bool rebuilt)
{
	AUTO(race_release) struct race r = { .s = NULL };
	struct err e = ERR_INIT;

	race_begin(sb, &r);
	condemn(&r);
	if (removed)
		remove_condemned(&r);
	assert_missing(&r);
	if (rebuilt) {
		store_close(&r.s);
		store_close(&r.gc);
		assert_ok(sandbox_rebuild(sb, "s", &e));
		r.s = sandbox_store(sb, "s", STORE_WRITE);
		r.gc = sandbox_store(sb, "s", STORE_WRITE);
		assert_false(has_manifest(r.s, APP, &r.p.digest));
		assert_false(has_blob(r.s, APP, &r.p.layer));
	}
	push_blobs(sb, r.s, APP, &r.p);
	assert_ok(push_manifest(r.s, APP, "again", &r.p, &e));
	remove_condemned(&r);
	assert_image(r.s, &r.p, true);
	assert_true(has_tag(r.s, APP, "again", &r.p.digest));
	assert_sound(r.s);
}

static void upload__of_what_was_condemned(void **state)
{
	upload__after(*state, false, false);
}

static void upload__of_what_was_removed(void **state)
{
	upload__after(*state, true, false);
}

static void upload__of_what_was_condemned_before_a_rebuild(void **state)
{
	upload__after(*state, false, true);
}

static void upload__of_what_was_removed_before_a_rebuild(void **state)
{
	upload__after(*state, true, true);
}

/* An engine in which something happens when the names of new blobs are made durable: between link and row. */
static struct race *racing;
static const struct blob_ops *real_ops;
static struct blob_ops hooked_ops;

static int hooked_sync(struct blobs *b, struct err *e)
{
	struct race *r = racing;

	racing = NULL;
	if (real_ops->publish_sync(b, e) < 0)
		return -1;
	if (r) {
		condemn(r);
		remove_condemned(r);
	}
	return 0;
}

static int open_hooked(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	if (engine_local.open_blobs(b, where, mode, e) < 0)
		return -1;
	real_ops = (*b)->ops;
	hooked_ops = *real_ops;
	hooked_ops.publish_sync = hooked_sync;
	(*b)->ops = &hooked_ops;
	return 0;
}

static const struct engine hooked = { "hooked", open_hooked, &db_sqlite };

/* The file under its name was good, so its bytes were dropped; then it went. */
static void upload__while_its_file_goes(void **state)
{
	for (unsigned batched = 0; batched < 2; batched++) {
		AUTO(race_release) struct race r = { .s = NULL };
		AUTO(store_close) struct store *s = NULL;
		AUTO(buf_release) struct buf bytes = BUF_INIT, got = BUF_INIT;
		struct change c = { .kind = CHANGE_BLOB, .repo = OTHER };
		struct err e = ERR_INIT;

		race_begin(*state, &r);
		assert_ok(
			store_open_engine(&s, &hooked, sandbox_path(*state, "s"), STORE_WRITE, &e));
		assert_int_equal(blob_read(r.s, &r.p.layer, 1 << 20, &bytes, &e), 1);
		if (batched)
			condemn(&r); /* its row is gone already: the file is read, and found good */
		c.writer = sealed(s, buf_span(&bytes), &c.digest, DIGEST_SHA256);
		racing = &r;
		assert_ok(apply(s, &c, &e));
		assert_null(racing);
		assert_int_equal(r.done.removed.blobs, 4);
		assert_true(has_blob(s, OTHER, &r.p.layer));
		assert_int_equal(blob_read(s, &r.p.layer, 1 << 20, &got, &e), 1);
		remove_condemned(&r);
		assert_true(is_held(s, &r.p.layer));
		assert_sound(s);
		store_close(&s);
		race_release(&r);
		r = (struct race){ .s = NULL };
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

/* A manifest whose bytes were held when the group of changes began. */
static void push_manifest__while_its_file_goes(void **state)
{
	AUTO(race_release) struct race r = { .s = NULL };
	AUTO(store_close) struct store *s = NULL;
	struct change blob = { .kind = CHANGE_BLOB, .repo = OTHER };
	static const char *const tags[] = { "back" };
	struct change put, *both[] = { &blob, &put };
	struct err e = ERR_INIT;

	race_begin(*state, &r);
	assert_ok(store_open_engine(&s, &hooked, sandbox_path(*state, "s"), STORE_WRITE, &e));
	blob.writer = sealed(s, span_of("something else"), &blob.digest, DIGEST_SHA256);
	put = manifest_change(&r.p, APP, tags, 1);
	racing = &r;
	assert_ok(store_apply(s, both, 2, &e));
	assert_int_equal(r.done.removed.blobs, 4);
	assert_int_equal(blob.rc, 0);
	assert_int_equal(put.rc, 0);
	assert_true(has_tag(s, APP, "back", &r.p.digest));
	assert_true(is_held(s, &r.p.digest));
	assert_false(
		is_held(s, &r.p.layer)); /* sparse, as any manifest that comes before its blobs */
	assert_sound(s);
}

/* A writer that goes on from what is held touches it before it waits for a network. */
static void blob_begin__touches_what_was_found(void **state)
{
	AUTO(race_release) struct race r = { .s = NULL };
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct gc_options o = at_once();
	struct err e = ERR_INIT;
	struct digest d;
	uint64_t size;

	race_begin(*state, &r);
	gc_plan_free(&r.plan);
	/* Two hours later nothing is safe, but what is found then. */
	age(*state, 7200);
	o.grace = 60;
	r.plan = mark(r.gc, &o);
	assert_int_equal(gc_totals(r.plan)->unused.blobs, 4);
	assert_int_equal(blob_held(r.s, &r.p.layer, &size, &e), 1);
	digest_of(&d, DIGEST_SHA256, span_of("new"));
	assert_ok(blob_begin(r.s, &d, 3, BLOB_RESUME, &w, &e));
	condemn(&r);
	assert_int_equal(r.done.spared, 1);
	assert_true(is_held(r.s, &r.p.layer));
}

/* --- what lies about ------------------------------------------------------------------------------ */

static void gc_purge__empties_the_trash(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct gc_count found = { .blobs = 0 };
	struct err e = ERR_INIT;
	int64_t now;

	push(*state, s, APP, NULL, "gone", &p);
	(void)collect(s);
	now = clock_now();
	assert_ok(gc_purge(s, LITTER_TRASH, now - GC_TRASH_AGE, false, &found, &e));
	assert_int_equal(found.blobs, 0);
	assert_ok(gc_purge(s, LITTER_TRASH, now, true, &found, &e));
	assert_int_equal(found.blobs, 4);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/trash")), 4);
	assert_ok(gc_purge(s, LITTER_TRASH, now, false, &found, &e));
	assert_int_equal(found.blobs, 8);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/trash")), 0);
}

/* So many that several threads share them. What fails ends it, and is told with a count of what went. */
static void gc_purge__removes_many(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct gc_count found = { .blobs = 0 };
	struct err e = ERR_INIT;
	int64_t now = clock_now() + 1;
	char name[64];

	assert_int_equal(mkdir(sandbox_path(*state, "s/trash"), 0755), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "s/trash/file-%d", i);
		sandbox_write(sandbox_path(*state, name), "seven b", 7);
	}
	assert_ok(gc_purge(s, LITTER_TRASH, now, true, &found, &e));
	assert_int_equal(found.blobs, 1000);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/trash")), 1000);
	found = (struct gc_count){ .blobs = 0 };
	fault_arm(FAULT_FAIL, 500);
	assert_err(gc_purge(s, LITTER_TRASH, now, false, &found, &e), ERR_IO, "gc.purge");
	fault_arm(FAULT_OFF, 0);
	assert_true(found.blobs >= 500 && found.blobs < 1000);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/trash")), (int)(1000 - found.blobs));
	assert_ok(gc_purge(s, LITTER_TRASH, now, false, &found, &e));
	assert_int_equal(found.blobs, 1000);
	assert_int_equal(found.bytes, 7000);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/trash")), 0);
}

static void gc_purge__leaves_stages_that_are_written(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct gc_count found = { .blobs = 0 };
	struct err e = ERR_INIT;
	struct digest d;
	int64_t now = clock_now() + 1;

	digest_of(&d, DIGEST_SHA256, span_of("hello"));
	assert_ok(blob_begin(s, &d, 5, BLOB_RESUME, &w, &e));
	blob_write(w, "he", 2);
	assert_ok(gc_purge(s, LITTER_STAGES, now, false, &found, &e));
	assert_int_equal(found.blobs, 0);
	blob_abort(&w); /* it is to be gone on with */
	assert_ok(gc_purge(s, LITTER_STAGES, now - 100, false, &found, &e));
	assert_int_equal(found.blobs, 0);
	assert_ok(gc_purge(s, LITTER_STAGES, now, false, &found, &e));
	assert_int_equal(found.blobs, 1);
	assert_int_equal(found.bytes, 2);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
}

static void gc_orphans__takes_files_without_a_row(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	char hex[DIGEST_HEX_SIZE], path[120];
	struct gc_count found = { .blobs = 0 };
	struct err e = ERR_INIT;
	struct digest d, kept;

	assert_ok(push_blob(s, APP, span_of("kept"), &kept, &e));
	digest_of(&d, DIGEST_SHA256, span_of("orphan"));
	snprintf(path, sizeof(path), "s/blobs/sha256/%s", digest_hex(&d, hex));
	sandbox_write(sandbox_path(*state, path), "orphan", 6);
	/* It got its name just now, so its writer may be at work. */
	assert_ok(gc_orphans(s, clock_now() + 10, false, &found, &e));
	assert_int_equal(found.blobs, 0);
	assert_true(sandbox_exists(sandbox_path(*state, path)));
}

/* --- rules ----------------------------------------------------------------------------------------- */

static void gc_rules__are_saved_and_read(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct gc_rules rules = { .keep_versions = 3, .keep_days = 90, .grace = 7200 }, got;
	struct err e = ERR_INIT;

	assert_int_equal(gc_rules_read(s, &got, &e), 0);
	assert_int_equal(got.grace, GC_GRACE);
	assert_int_equal(got.keep_versions + got.keep_days, 0);
	assert_ok(gc_rules_save(s, &rules, &e));
	store_close(&s);
	assert_ok(sandbox_rebuild(*state, "s", &e));
	s = sandbox_store(*state, "s", STORE_READ);
	assert_int_equal(gc_rules_read(s, &got, &e), 1);
	assert_memory_equal(&got, &rules, sizeof(got));
	assert_err(gc_rules_save(s, &rules, &e), ERR_DENIED, "opened for reading");
}

static void gc_rules__refuses(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	static const char *const cases[][2] = {
		{ "{\"keepVersion\":3}", "gc.json:1: at keepVersion" },
		{ "{\"graceSeconds\":-1}", "gc.json:1: at graceSeconds" },
		{ "{", "gc.json:1" },
	};
	struct gc_rules got;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sandbox_write(sandbox_path(*state, "s/gc.json"), cases[i][0], strlen(cases[i][0]));
		assert_err(gc_rules_read(s, &got, &e), ERR_INPUT, cases[i][1]);
	}
}

/* A grace that is short asks for touches that are younger. */
static void blob_is_promised__by_the_saved_grace(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	const struct gc_rules hour = { .grace = 1000 };
	struct err e = ERR_INIT;
	struct digest d, unknown;

	assert_ok(push_blob(s, APP, span_of("hello"), &d, &e));
	digest_of(&unknown, DIGEST_SHA256, span_of("not here"));
	assert_int_equal(blob_is_promised(s, &d, &e), 1);
	assert_int_equal(blob_is_promised(s, &unknown, &e), 0);
	age(*state, 1800);
	assert_int_equal(blob_is_promised(s, &d, &e), 1);
	assert_ok(gc_rules_save(s, &hour, &e));
	assert_int_equal(blob_is_promised(s, &d, &e), 0);
	assert_ok(apply(s, &(struct change){ .kind = CHANGE_TOUCH, .repo = APP, .digest = d }, &e));
	assert_int_equal(blob_is_promised(s, &d, &e), 1);
}

/* --- a run that died ------------------------------------------------------------------------------- */

static void gc_remove__goes_on_from_rows(void **state)
{
	AUTO(race_release) struct race r = { .s = NULL };
	AUTO(gc_plan_free) struct gc_plan *plan = NULL;
	struct gc_options o = at_once();
	struct err e = ERR_INIT;

	race_begin(*state, &r);
	condemn(&r);
	store_close(&r.gc); /* it dies here */
	r.gc = sandbox_store(*state, "s", STORE_WRITE);
	plan = mark(r.gc, &o);
	assert_int_equal(gc_totals(plan)->condemned.blobs, 4);
	assert_int_equal(gc_totals(plan)->held.blobs, 0);
	r.done = (struct gc_done){ .repos = 0 };
	assert_ok(gc_remove(r.gc, &r.done, &e));
	assert_int_equal(r.done.removed.blobs, 4);
	assert_int_equal(r.done.repos, 1);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/blobs/sha256")), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_gc(void)
{
	static const struct CMUnitTest tests[] = {
		T(gc__takes_what_no_tag_reaches),
		T(gc__spares_what_is_shared),
		T(gc__spares_what_is_within_its_grace),
		T(gc__spares_what_a_fresh_manifest_names),
		T(gc__takes_an_index_with_its_children),
		T(gc__takes_referrers_with_their_subject),
		T(gc__takes_a_circle_of_subject_and_child),
		T(gc__spares_a_circle_that_is_tagged_meanwhile),
		T(gc__refuses_rows_that_are_not_there),
		T(gc__forgets_repositories_in_which_nothing_is),
		T(gc__leaves_what_sets_hold),
		T(gc_sets__says_what_only_one_keeps),
		T(gc_large__says_why_a_blob_stays),
		T(gc_mark__refuses_a_set_that_it_does_not_know),
		T(gc_mark__refuses_while_a_set_is_not_whole),
		T(refer__between_marking_and_condemning),
		T(refer__by_another_manifest),
		T(promise__between_marking_and_condemning),
		T(upload__of_what_was_condemned),
		T(upload__of_what_was_removed),
		T(upload__of_what_was_condemned_before_a_rebuild),
		T(upload__of_what_was_removed_before_a_rebuild),
		T(upload__while_its_file_goes),
		T(push_manifest__while_its_file_goes),
		T(blob_begin__touches_what_was_found),
		T(gc_purge__empties_the_trash),
		T(gc_purge__removes_many),
		T(gc_purge__leaves_stages_that_are_written),
		T(gc_orphans__takes_files_without_a_row),
		T(gc_rules__are_saved_and_read),
		T(gc_rules__refuses),
		T(blob_is_promised__by_the_saved_grace),
		T(gc_remove__goes_on_from_rows),
	};

	return cmocka_run_group_tests_name("storage/gc", tests, NULL, NULL);
}
