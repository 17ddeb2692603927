/* Whose a tag is: what a set changes, what it may not take, and what holds when others write too. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"

#define NGINX "docker.io/library/nginx"
#define APP "ghcr.io/acme/app"

static struct digest image(struct store *s, const char *seed)
{
	struct image_want want = { .seed = seed, .layers = 1 };

	return image_make(s, NULL, &want);
}

/* A set from "REPO:TAG=SEED ...", sealed but not accepted. */
static struct digest set_of(
	struct store *s, const char *name, const char *version, const char *pins)
{
	AUTO(mem_free) char *text = mem_strdup(pins);
	struct image_pin list[8];
	size_t count = 0;

	for (char *rest = text, *word; (word = strsep(&rest, " "));) {
		char *seed = strchr(word, '='), *tag;

		*seed++ = '\0';
		tag = strrchr(word, ':');
		*tag++ = '\0';
		list[count++] =
			(struct image_pin){ .repo = word, .tag = tag, .digest = image(s, seed) };
	}
	return image_set(s, name, version, list, count);
}

/* --- words for what is served and what changes ---------------------------------------------------- */

static void add_owner(struct buf *out, struct store *s, const struct tag_owner *o)
{
	static const char *const seeds[] = { "a", "b", "c", "p" };

	if (o->digest.alg == DIGEST_NONE) {
		buf_str(out, "none");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		struct digest d = image(s, seeds[i]);

		if (digest_eq(&d, &o->digest))
			buf_str(out, seeds[i]);
	}
	buf_printf(out, "@%s%s", *o->set ? o->set : "push", o->version);
}

static void assert_served(struct store *s, const char *repo, const char *tag, const char *want)
{
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct tag_owner owner;
	struct manifest_info info;
	struct err e = ERR_INIT;
	int rc = tag_owner_get(s, repo, tag, &owner, &e);

	assert_ok(rc);
	assert_int_equal(manifest_by_tag(s, repo, tag, &info, &e), rc);
	if (rc)
		assert_true(digest_eq(&info.digest, &owner.digest));
	add_owner(&got, s, &owner);
	assert_string_equal(got.data, want);
}

/* "added 1 same 2; NAME a@x1 -> b@y1; ..." */
static char *changes_text(struct store *s, const struct set_changes *c)
{
	struct buf out = BUF_INIT;

	buf_printf(&out, "added %u same %u", (unsigned)c->added, (unsigned)c->same);
	for (size_t i = 0; i < c->count; i++) {
		buf_printf(&out, "; %s ", c->items[i].name);
		add_owner(&out, s, &c->items[i].from);
		buf_str(&out, " -> ");
		add_owner(&out, s, &c->items[i].to);
	}
	return buf_detach(&out);
}

static int accept(struct store *s, const struct digest *d, const char *take,
	struct set_changes *out, struct err *e)
{
	struct set_offer offer = {
		.digest = d, .activate = true, .take = &take, .take_count = take ? 1 : 0
	};

	return set_accept(s, &offer, out, e);
}

static void accept_text(struct store *s, const char *name, const char *version, const char *pins)
{
	struct digest d = set_of(s, name, version, pins);
	struct err e = ERR_INIT;

	assert_ok(accept(s, &d, NULL, NULL, &e));
}

/* --- what changes -------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *before[3]; /* "SET VERSION PINS", accepted in this order, taking from any */
	const char *pushed; /* a tag of NGINX, image p */
	const char *set, *version, *pins;
	const char *take;
	const char *want; /* what changes; or of the error */
	bool refused;
} cases[] = {
	{ "all new", { NULL }, NULL, "x", "1", NGINX ":1=a " APP ":2=b", NULL, "added 2 same 0",
		false },
	{ "same, moved, gone", { "x 1 " NGINX ":1=a " NGINX ":2=a " APP ":1=a" }, NULL, "x", "2",
		NGINX ":1=a " NGINX ":2=b", NULL,
		"added 0 same 1; " NGINX ":2 a@x1 -> b@x2; " APP ":1 a@x1 -> none", false },
	{ "another set's tag, another image", { "y 1 " NGINX ":1=a " NGINX ":2=a" }, NULL, "x", "1",
		NGINX ":1=b " NGINX ":2=b", NULL,
		"set x 1 would take 2 tags that another active set pins to something else (allowed "
		"by --take y): " NGINX ":1 (y 1 has sha256:",
		true },
	{ "with consent", { "y 1 " NGINX ":1=a" }, NULL, "x", "1", NGINX ":1=b", "y",
		"added 0 same 0; " NGINX ":1 a@y1 -> b@x1", false },
	{ "with consent to another", { "y 1 " NGINX ":1=a" }, NULL, "x", "1", NGINX ":1=b", "z",
		"(allowed by --take y)", true },
	{ "the same image in both", { "y 1 " NGINX ":1=a" }, NULL, "x", "1", NGINX ":1=a", NULL,
		"added 0 same 0; " NGINX ":1 a@y1 -> a@x1", false },
	{ "two sets' tags", { "y 1 " NGINX ":1=a", "z 1 " NGINX ":2=a" }, NULL, "x", "1",
		NGINX ":1=b " NGINX ":2=b", NULL, "(allowed by --take y --take z)", true },
	{ "one of two is not enough", { "y 1 " NGINX ":1=a", "z 1 " NGINX ":2=a" }, NULL, "x", "1",
		NGINX ":1=b " NGINX ":2=b", "y", "would take 1 tag that", true },
	{ "names that begin alike", { "yy 1 " NGINX ":1=a", "y 1 " NGINX ":2=a " NGINX ":3=a" },
		NULL, "x", "1", NGINX ":1=b " NGINX ":2=b " NGINX ":3=b", NULL,
		"(allowed by --take yy --take y)", true },
	{ "a pushed tag", { NULL }, "1", "x", "1", NGINX ":1=a", NULL,
		"added 0 same 0; " NGINX ":1 p@push -> a@x1", false },
	{ "falls back to a push", { "x 1 " NGINX ":1=a " NGINX ":2=a" }, "1", "x", "2",
		NGINX ":2=a", NULL, "added 0 same 1; " NGINX ":1 a@x1 -> p@push", false },
	{ "falls back to a set", { "y 1 " NGINX ":1=b", "x 1 " NGINX ":1=a " NGINX ":2=a" }, NULL,
		"x", "2", NGINX ":2=a", NULL, "added 0 same 1; " NGINX ":1 a@x1 -> b@y1", false },
	{ "what it took before stays its own", { "y 1 " NGINX ":1=b", "x 1 " NGINX ":1=a" }, NULL,
		"x", "2", NGINX ":1=c", NULL, "added 0 same 0; " NGINX ":1 a@x1 -> c@x2", false },
	{ "what was taken from it is not", { "x 1 " NGINX ":1=a", "y 1 " NGINX ":1=b" }, NULL, "x",
		"2", NGINX ":1=c", NULL, "(allowed by --take y)", true },
	{ "leaves what was taken from it",
		{ "x 1 " NGINX ":1=a " NGINX ":2=a", "y 1 " NGINX ":1=b" }, NULL, "x", "2",
		NGINX ":2=a", NULL, "added 0 same 1", false },
	{ "pinned by digest, no tag", { "y 1 " NGINX ":=a" }, NULL, "x", "1", NGINX ":=b", NULL,
		"added 0 same 0", false },
	{ "an older version", { "x 2 " NGINX ":1=a" }, NULL, "x", "1", NGINX ":1=a", NULL,
		"set x 1 is older than version 2, which is here: seal it again", true },
	{ "a time behind a version", { "x 1 " NGINX ":1=a" }, NULL, "x", "20261123T230000Z",
		NGINX ":1=b", NULL, "which is here: a version that is only a time comes before",
		true },
	{ "a version behind a time", { "x 20261123T230000Z " NGINX ":1=a" }, NULL, "x", "2026.11",
		NGINX ":1=a", NULL, "added 0 same 1", false },
	{ "the same version, other contents", { "x 1 " NGINX ":1=a" }, NULL, "x", "1", NGINX ":1=b",
		NULL, "is here already with other contents", true },
	{ "no name of a set", { NULL }, NULL, "x", "1", NGINX ":1=a", "a,b",
		"take: set name \"a,b\"", true },
};

static void accept_before(struct store *s, const char *text)
{
	static const char *const all[] = { "x", "y", "yy", "z" };
	AUTO(mem_free) char *copy = mem_strdup(text);
	char *pins = copy, *name = strsep(&pins, " "), *version = strsep(&pins, " ");
	struct digest d = set_of(s, name, version, pins);
	struct set_offer offer = {
		.digest = &d, .activate = true, .take = all, .take_count = ARRAY_SIZE(all)
	};
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &offer, NULL, &e));
}

static void set_accept__says_what_changes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		AUTO(set_changes_release) struct set_changes c = SET_CHANGES_INIT;
		struct set_info info;
		struct err e = ERR_INIT;
		struct digest d;
		int rc;

		print_message("%s\n", cases[i].name);
		for (size_t k = 0; k < 3 && cases[i].before[k]; k++)
			accept_before(s, cases[i].before[k]);
		if (cases[i].pushed)
			image_add(s, NGINX, cases[i].pushed, "p", 1);
		d = set_of(s, cases[i].set, cases[i].version, cases[i].pins);
		rc = accept(s, &d, cases[i].take, &c, &e);
		if (cases[i].refused) {
			assert_int_equal(rc, -1);
			if (!strstr(e.text, cases[i].want))
				fail_msg("%s", e.text);
			assert_true(set_find(s, cases[i].set, &info, &e) == 0 ||
				    !digest_eq(&info.digest, &d));
		} else {
			AUTO(mem_free) char *got = NULL;

			if (rc != 0)
				fail_msg("%s", e.text);
			got = changes_text(s, &c);
			assert_string_equal(got, cases[i].want);
			assert_true(c.activates);
			assert_int_equal(set_find(s, cases[i].set, &info, &e), 1);
			assert_true(info.active);
			assert_string_equal(info.takes, cases[i].take ? cases[i].take : info.takes);
		}
		store_close(&s);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

/* What is active stays where it is; with consent it comes in front again. */
static void set_accept__again_moves_only_when_asked(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(set_changes_release) struct set_changes c = SET_CHANGES_INIT;
	struct digest x = set_of(s, "x", "1", NGINX ":1=a"), y = set_of(s, "y", "1", NGINX ":1=b");
	struct set_info info;
	struct err e = ERR_INIT;

	assert_ok(accept(s, &x, NULL, NULL, &e));
	assert_ok(accept(s, &y, "x", NULL, &e));
	assert_served(s, NGINX, "1", "b@y1");
	assert_ok(accept(s, &x, NULL, &c, &e));
	assert_true(c.held && c.active && !c.activates && c.count == 0 && c.same == 1);
	assert_served(s, NGINX, "1", "b@y1");
	set_changes_release(&c);
	assert_ok(accept(s, &x, "y", &c, &e));
	assert_true(c.activates && c.taken == 1);
	assert_served(s, NGINX, "1", "a@x1");
	assert_int_equal(set_find(s, "x", &info, &e), 1);
	assert_int_equal(info.generation, 2);
	assert_string_equal(info.takes, "y");
}

static void set_accept__keeps_owners_when_asked(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(set_changes_release) struct set_changes c = SET_CHANGES_INIT;
	struct digest y;
	struct set_offer offer = { .digest = &y, .activate = true, .keep_owners = true };
	struct set_info info;
	struct err e = ERR_INIT;

	accept_text(s, "x", "1", NGINX ":1=a");
	y = set_of(s, "y", "1", NGINX ":1=b " APP ":1=b");
	assert_ok(set_accept(s, &offer, &c, &e));
	assert_true(!c.activates && !c.active && c.taken == 1);
	assert_int_equal(set_find(s, "y", &info, &e), 1);
	assert_false(info.active);
	assert_served(s, NGINX, "1", "a@x1");
	assert_served(s, APP, "1", "none");
	/* It is here: with consent it only has to become active. */
	assert_ok(accept(s, &y, "x", NULL, &e));
	assert_served(s, NGINX, "1", "b@y1");
	assert_served(s, APP, "1", "b@y1");
}

static void set_accept__a_successor_follows_the_newest(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest first = set_of(s, "x", "1", NGINX ":1=a"), second;
	struct set_offer offer = { .digest = &first, .activate = true, .successor = true };
	struct set_info info;
	struct err e = ERR_INIT;

	/* Sets of these tests name no predecessor: the first one is what it says ... */
	assert_int_equal(set_accept(s, &offer, NULL, &e), 0);
	assert_int_equal(set_accept(s, &offer, NULL, &e), 0);
	/* ... and the second one is not. */
	second = set_of(s, "x", "2", NGINX ":1=b");
	offer.digest = &second;
	assert_int_equal(set_accept(s, &offer, NULL, &e), 1);
	assert_int_equal(set_find(s, "x", &info, &e), 1);
	assert_string_equal(info.version, "1");
}

/* --- while others write -------------------------------------------------------------------------- */

/* Between the comparison and the switch another handle does something, `times` times. */
struct race {
	struct store *store, *other;
	void (*act)(struct race *r);
	unsigned times, told, judged;
	unsigned refused; /* the judgement with this number refuses; 0: none does */
	struct digest set;
	char *last; /* what was told last */
	struct digest newest; /* as judged last */
};

static int judge(void *ctx, const struct set_changes *c, struct err *e)
{
	struct race *r = ctx;

	r->newest = c->newest;
	return ++r->judged == r->refused ? err_set(e, ERR_UNTRUSTED, "judged so") : 0;
}

static void told(void *ctx, const struct set_changes *c)
{
	struct race *r = ctx;

	mem_free(&r->last);
	r->last = changes_text(r->store, c);
	r->told++;
	if (r->times) {
		r->times--;
		r->act(r);
	}
}

static void accept_other(struct race *r)
{
	struct err e = ERR_INIT;

	assert_ok(accept(r->other, &r->set, NULL, NULL, &e));
}

static void sign_other(struct race *r)
{
	struct set_signature sig = { .digest = image(r->other, "c"),
		.media_type = MEDIA_OCI_MANIFEST };
	struct set_offer offer = {
		.digest = &r->set, .activate = true, .signatures = &sig, .signature_count = 1
	};
	struct err e = ERR_INIT;

	assert_ok(set_accept(r->other, &offer, NULL, &e));
}

static void push_pinned(struct race *r)
{
	image_add(r->other, NGINX, "1", r->times % 2 ? "p" : "c", 1);
}

static void push_elsewhere(struct race *r)
{
	image_add(r->other, "team/app", "1", r->times % 2 ? "p" : "c", 1);
}

static void set_accept__sees_what_others_do_meanwhile(void **state)
{
	static const struct {
		const char *name, *before; /* NULL: nothing is accepted before */
		void (*act)(struct race *r);
		const char *other[3]; /* the set that comes between: name, version, pins */
		unsigned times, told;
		enum err_code code;
		const char *want; /* told last, or of the error */
		const char *served; /* NGINX:1 */
	} races[] = {
		{ "nothing", NULL, NULL, { "z", "1", APP ":1=a" }, 0, 1, ERR_OK, "added 1 same 0",
			"a@x2" },
		{ "a newer version", NULL, accept_other, { "x", "3", NGINX ":1=b" }, 1, 1,
			ERR_UNTRUSTED, "set x 2 is older than version 3", "b@x3" },
		{ "an older version", NULL, accept_other, { "x", "1", NGINX ":1=b" }, 1, 2, ERR_OK,
			"added 0 same 0; " NGINX ":1 b@x1 -> a@x2", "a@x2" },
		{ "the same version, another set", NULL, accept_other, { "x", "2", NGINX ":1=b" },
			1, 1, ERR_UNTRUSTED, "already with other contents", "b@x2" },
		{ "the very same set", NULL, accept_other, { "x", "2", NGINX ":1=a" }, 1, 2, ERR_OK,
			"added 0 same 1", "a@x2" },
		{ "another set's tag", NULL, accept_other, { "z", "1", NGINX ":1=b" }, 1, 1,
			ERR_DENIED, "--take z", "b@z1" },
		{ "the same image in another set", NULL, accept_other, { "z", "1", NGINX ":1=a" },
			1, 2, ERR_OK, "added 0 same 0; " NGINX ":1 a@z1 -> a@x2", "a@x2" },
		{ "a set beside it", NULL, accept_other, { "z", "1", APP ":1=b" }, 1, 1, ERR_OK,
			"added 1 same 0", "a@x2" },
		{ "the one in whose place it comes", "x 1 " NGINX ":2=a", accept_other,
			{ "x", "1.5", NGINX ":3=b" }, 1, 2, ERR_OK,
			"added 1 same 0; " NGINX ":3 b@x1.5 -> none", "a@x2" },
		{ "one of the same tags in between", "x 1 " NGINX ":1=a", accept_other,
			{ "x", "1.5", NGINX ":1=a" }, 1, 2, ERR_OK, "added 0 same 1", "a@x2" },
		{ "a signature of the one before", "x 1 " NGINX ":1=a", sign_other,
			{ "x", "1", NGINX ":1=a" }, 1, 2, ERR_OK, "added 0 same 1", "a@x2" },
		{ "a signature of its own", "x 2 " NGINX ":1=a", sign_other,
			{ "x", "2", NGINX ":1=a" }, 1, 2, ERR_OK, "added 0 same 1", "a@x2" },
		{ "a signature of a set beside it", "z 1 " APP ":1=a", sign_other,
			{ "z", "1", APP ":1=a" }, 1, 1, ERR_OK, "added 1 same 0", "a@x2" },
		{ "a push of its tag", NULL, push_pinned, { "z", "1", APP ":1=a" }, 1, 2, ERR_OK,
			"added 0 same 0; " NGINX ":1 c@push -> a@x2", "a@x2" },
		{ "pushes elsewhere", NULL, push_elsewhere, { "z", "1", APP ":1=a" }, 9, 1, ERR_OK,
			"added 1 same 0", "a@x2" },
		{ "pushes without end", NULL, push_pinned, { "z", "1", APP ":1=a" }, 1000,
			SET_TRIES, ERR_BUSY, "its tags changed under each of", "c@push" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(races); i++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		AUTO(store_close) struct store *other = sandbox_store(*state, "s", STORE_WRITE);
		struct digest mine = set_of(s, "x", "2", NGINX ":1=a");
		struct race r = {
			.store = s, .other = other, .act = races[i].act, .times = races[i].times
		};
		struct set_offer offer = {
			.activate = true, .digest = &mine, .judge = judge, .tell = told, .ctx = &r
		};
		struct check_report report;
		struct err e = ERR_INIT;
		int rc;

		print_message("%s\n", races[i].name);
		if (races[i].before)
			accept_before(s, races[i].before);
		r.set = set_of(other, races[i].other[0], races[i].other[1], races[i].other[2]);
		image_add(s, "team/app", "1", "a", 1);
		rc = set_accept(s, &offer, NULL, &e);
		assert_int_equal(rc == 0 ? ERR_OK : e.code, races[i].code);
		if (!strstr(rc == 0 ? r.last : e.text, races[i].want))
			fail_msg("%s", rc == 0 ? r.last : e.text);
		assert_int_equal(r.told, races[i].told);
		assert_int_equal(r.judged, races[i].told);
		assert_served(s, NGINX, "1", races[i].served);
		mem_free(&r.last);
		assert_ok(sandbox_check(s, true, NULL, NULL, &report, &e));
		assert_int_equal(report.problems, 0);
		store_close(&s);
		store_close(&other);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

/* Who signs is judged by the set in whose place it really comes. */
static void set_accept__is_judged_by_what_it_follows(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(store_close) struct store *other = sandbox_store(*state, "s", STORE_WRITE);
	struct digest mine = set_of(s, "x", "2", NGINX ":1=a");
	struct race r = {
		.store = s, .other = other, .act = accept_other, .times = 1, .refused = 2
	};
	struct set_offer offer = {
		.digest = &mine, .activate = true, .judge = judge, .tell = told, .ctx = &r
	};
	struct set_info info;
	struct err e = ERR_INIT;

	r.set = set_of(other, "x", "1", NGINX ":1=a");
	assert_err(set_accept(s, &offer, NULL, &e), ERR_UNTRUSTED, "judged so");
	assert_int_equal(r.judged, 2);
	assert_true(digest_eq(&r.newest, &r.set));
	assert_int_equal(set_find(s, "x", &info, &e), 1);
	assert_string_equal(info.version, "1");
	mem_free(&r.last);
	err_clear(&e);
	r.times = 0;
	assert_ok(set_accept(s, &offer, NULL, &e));
	assert_true(digest_eq(&r.newest, &r.set));
	mem_free(&r.last);
}

/* --- two sets on one tag ------------------------------------------------------------------------- */

static int add_conflict(void *ctx, const struct tag_conflict *c, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s:%s %s%s not %s%s;", c->repo, c->tag, c->served.set, c->served.version,
		c->other.set, c->other.version);
	return 0;
}

static void assert_conflicts(struct store *s, const char *want)
{
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(list_conflicts(s, add_conflict, &got, &e), 0);
	assert_string_equal(got.len ? got.data : "", want);
}

static void list_conflicts__names_who_is_not_served(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);

	assert_conflicts(s, "");
	accept_before(s, "x 1 " NGINX ":1=a " NGINX ":2=a " NGINX ":=a");
	accept_before(s, "y 1 " NGINX ":1=b " NGINX ":2=a " NGINX ":=b");
	assert_conflicts(s, NGINX ":1 y1 not x1;");
	accept_before(s, "z 1 " NGINX ":1=c " NGINX ":2=c");
	assert_conflicts(s, NGINX ":1 z1 not y1;" NGINX ":1 z1 not x1;" NGINX ":2 z1 not y1;" NGINX
				  ":2 z1 not x1;");
	accept_before(s, "z 2 " NGINX ":1=b");
	assert_conflicts(s, NGINX ":1 z2 not x1;");
	/* Only active sets count. */
	accept_before(s, "x 2 " NGINX ":9=a");
	assert_conflicts(s, "");
}

static void consents__survive_a_rebuild(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct set_info info;
	struct err e = ERR_INIT;

	accept_before(s, "x 1 " NGINX ":1=a");
	accept_before(s, "y 1 " NGINX ":1=b"); /* takes from all */
	accept_text(s, "y", "2", NGINX ":1=c");
	for (int again = 0; again < 2; again++) {
		assert_int_equal(set_find(s, "y", &info, &e), 1);
		assert_string_equal(info.version, "2");
		assert_int_equal(info.generation, 2);
		assert_string_equal(info.takes, "x,y,yy,z");
		assert_int_equal(set_find(s, "x", &info, &e), 1);
		assert_served(s, NGINX, "1", "c@y2");
		assert_conflicts(s, NGINX ":1 y2 not x1;");
		store_close(&s);
		assert_ok(sandbox_rebuild(*state, "s", &e));
		s = sandbox_store(*state, "s", STORE_WRITE);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_owners(void)
{
	static const struct CMUnitTest tests[] = {
		T(set_accept__says_what_changes),
		T(set_accept__again_moves_only_when_asked),
		T(set_accept__keeps_owners_when_asked),
		T(set_accept__a_successor_follows_the_newest),
		T(set_accept__sees_what_others_do_meanwhile),
		T(set_accept__is_judged_by_what_it_follows),
		T(list_conflicts__names_who_is_not_served),
		T(consents__survive_a_rebuild),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
