/* How the database stands to the files: it is lost, an old copy, or files that it needs are. */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "tests/unit/storage/pushed.h"
#include "tests/unit/storage/suite.h"
#include "tests/unit/storage/view.h"

#define DB "s/meta/moat.db"

static void keep_problem(void *ctx, const char *invariant, const char *text)
{
	buf_printf(ctx, "%s: %s\n", invariant, text);
}

static void read_whole(const struct sandbox *sb, const char *name, struct buf *out)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_file(AT_FDCWD, sandbox_path(sb, name), 64 << 20, out, &e), 1);
}

static void write_whole(const struct sandbox *sb, const char *name, const struct buf *text)
{
	sandbox_write(sandbox_path(sb, name), text->data, text->len);
}

static void lose_meta(const struct sandbox *sb)
{
	sandbox_remove(sandbox_path(sb, "s/meta"));
}

/* --- an old copy ---------------------------------------------------------------------------- */

static struct digest a1, a2, put;

static void fill(struct store *s)
{
	struct digest b1 = one(s, "b", "1", "n3");
	struct err e = ERR_INIT;

	a1 = one(s, "a", "1", "n1");
	a2 = one(s, "a", "2", "n2");
	put = image_add(s, REPO, "put", "tagged", 2);
	assert_ok(image_set_force(s, &b1, &e));
	assert_ok(image_set_force(s, &a1, &e));
}

static void import(const struct sandbox *sb, struct store *s)
{
	struct err e = ERR_INIT;

	(void)sb;
	assert_ok(image_set_force(s, &a2, &e));
}

static void roll_back(const struct sandbox *sb, struct store *s)
{
	struct err e = ERR_INIT;

	import(sb, s);
	assert_ok(image_set_force(s, &a1, &e));
}

static void another_set(const struct sandbox *sb, struct store *s)
{
	struct digest c = one(s, "c", "1", "n4"), b2 = one(s, "b", "2", "n5");
	struct err e = ERR_INIT;

	(void)sb;
	assert_ok(image_set_force(s, &c, &e));
	assert_ok(image_set_force(s, &b2, &e));
}

static void move_tag(const struct sandbox *sb, struct store *s)
{
	(void)sb;
	(void)image_add(s, REPO, "put", "moved", 2);
	(void)image_add(s, REPO, "new", "new", 1);
}

static void push(const struct sandbox *sb, struct store *s)
{
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;

	build(sb, &p, &image);
	push_blobs(sb, s, APP, &p);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(sandbox_flush_index(s, &e));
}

/* What went must not come back. */
static void untag(const struct sandbox *sb, struct store *s)
{
	struct change c = { .kind = CHANGE_DELETE_MANIFEST, .repo = REPO, .digest = put };
	struct err e = ERR_INIT;

	(void)sb;
	assert_ok(apply(s, &c, &e));
	assert_ok(sandbox_flush_index(s, &e));
}

static const struct {
	const char *name;
	void (*happens)(const struct sandbox *sb, struct store *s); /* after the copy */
} later[] = {
	{ "an import", import },
	{ "two activations, back to the older version", roll_back },
	{ "other sets", another_set },
	{ "a tag is put and one moves", move_tag },
	{ "a push", push },
	{ "a delete", untag },
};

static void assert_not_current(const struct sandbox *sb)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, "s", STORE_READ);
	AUTO(buf_release) struct buf problems = BUF_INIT;
	struct check_report report;
	struct err e = ERR_INIT, why = ERR_INIT;

	assert_int_equal(store_is_current(s, &why, &e), 0);
	assert_int_equal(why.code, ERR_CORRUPT);
	assert_non_null(strstr(why.text, "older than index.json"));
	assert_non_null(strstr(why.text, "import"));
	assert_ok(sandbox_check(s, true, keep_problem, &problems, &report, &e));
	assert_non_null(strstr(problems.data, "S6: the database is older"));
}

static void assert_current(const struct sandbox *sb)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, "s", STORE_READ);
	struct err e = ERR_INIT, why = ERR_INIT;

	assert_int_equal(store_is_current(s, &why, &e), 1);
	assert_sound(s);
}

static void store_open__brings_an_old_copy_forward(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		AUTO(buf_release) struct buf copy = BUF_INIT, before = BUF_INIT, after = BUF_INIT;

		print_message("%s\n", later[i].name);
		fill(s);
		store_close(&s);
		read_whole(*state, DB, &copy);
		s = sandbox_store(*state, "s", STORE_WRITE);
		later[i].happens(*state, s);
		describe(s, &before);
		store_close(&s);
		assert_current(*state);
		write_whole(*state, DB, &copy);
		assert_not_current(*state);
		s = sandbox_store(*state, "s", STORE_WRITE);
		describe(s, &after);
		assert_string_equal(after.data, before.data);
		assert_sound(s);
		store_close(&s);
		assert_current(*state);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

/* What is done after it counts from where index.json was: neither is taken for the other. */
static void store_open__goes_on_counting(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf copy = BUF_INIT;
	struct set_info info;
	struct err e = ERR_INIT;

	fill(s);
	store_close(&s);
	read_whole(*state, DB, &copy);
	for (int i = 0; i < 3; i++) {
		s = sandbox_store(*state, "s", STORE_WRITE);
		assert_ok(image_set_force(s, i % 2 ? &a1 : &a2, &e));
		store_close(&s);
		write_whole(*state, DB, &copy);
	}
	s = sandbox_store(*state, "s", STORE_READ);
	assert_int_equal(set_find(s, "a:1", &info, &e), 1);
	assert_int_equal(info.generation, 1); /* the copy's */
	store_close(&s);
	s = sandbox_store(*state, "s", STORE_WRITE);
	assert_int_equal(set_find(s, "a:2", &info, &e), 1);
	assert_int_equal(info.generation, 4);
	assert_true(info.active);
}

/* --- the database is lost ------------------------------------------------------------------- */

static void store_open__readers_are_told_of_a_lost_database(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf empty = BUF_INIT;
	struct store *r = NULL;
	struct err e = ERR_INIT;

	fault_arm(FAULT_FAIL, 0); /* between the schema and index.json */
	assert_int_equal(store_open(&r, sandbox_path(*state, "new"), STORE_WRITE, &e), -1);
	fault_arm(FAULT_OFF, 0);
	read_whole(*state, "new/meta/moat.db", &empty);
	fill(s);
	store_close(&s);
	lose_meta(*state);
	assert_err(store_open(&r, sandbox_path(*state, "s"), STORE_READ, &e), ERR_INCOMPLETE,
		"the database was lost");
	/* What is left when a rebuild dies: a new database that was told of nothing. */
	assert_int_equal(mkdir(sandbox_path(*state, "s/meta"), 0755), 0);
	write_whole(*state, DB, &empty);
	assert_err(store_open(&r, sandbox_path(*state, "s"), STORE_READ, &e), ERR_INCOMPLETE,
		"the database was lost");
	assert_non_null(strstr(e.text, "import"));
}

/* --- files are lost, too -------------------------------------------------------------------- */

enum what { LAYER, CONFIG, MANIFEST, INVENTORY, LIST, INDEX };

/* The blob of set a:1. */
static struct digest blob_of(struct store *s, enum what what)
{
	AUTO(manifest_release) struct manifest set = MANIFEST_INIT, m = MANIFEST_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT, inner = BUF_INIT;
	bool inventory = what == INVENTORY || what == LIST;
	struct descriptor *d = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(blob_read(s, &a1, 1 << 20, &text, &e), 1);
	assert_ok(manifest_parse(&set, "set", NULL, buf_span(&text), &e));
	for (size_t i = 0; i < set.count; i++)
		if ((annotation_get(&set.items[i].annotations,
			     "org.opencontainers.image.ref.name") == NULL) == inventory)
			d = &set.items[i];
	assert_non_null(d);
	assert_int_equal(blob_read(s, &d->digest, 1 << 20, &inner, &e), 1);
	assert_ok(manifest_parse(&m, "m", NULL, buf_span(&inner), &e));
	switch (what) {
	case INDEX:
		return a1;
	case MANIFEST:
	case INVENTORY:
		return d->digest;
	case CONFIG:
		return m.config.digest;
	default:
		return m.items[0].digest;
	}
}

enum harm { GONE, CUT, FLIPPED };

static void harm_blob(const struct sandbox *sb, const struct digest *d, enum harm harm)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char name[200], hex[DIGEST_HEX_SIZE];

	snprintf(name, sizeof(name), "s/blobs/sha256/%s", digest_hex(d, hex));
	if (!sandbox_exists(sandbox_path(sb, name)))
		return;
	read_whole(sb, name, &bytes);
	sandbox_remove(sandbox_path(sb, name));
	if (harm == FLIPPED)
		bytes.data[0] ^= 1;
	if (harm != GONE)
		sandbox_write(sandbox_path(sb, name), bytes.data,
			harm == CUT ? bytes.len / 2 : bytes.len);
}

static const struct {
	const char *name;
	enum what what;
	enum harm harm;
} lost[] = {
	{ "layer gone", LAYER, GONE },
	{ "layer cut", LAYER, CUT },
	{ "config gone", CONFIG, GONE },
	{ "manifest gone", MANIFEST, GONE },
	{ "manifest cut", MANIFEST, CUT },
	{ "inventory gone", INVENTORY, GONE },
	{ "inventory flipped", INVENTORY, FLIPPED },
	{ "list gone", LIST, GONE },
	{ "list cut", LIST, CUT },
	{ "set index gone", INDEX, GONE },
	{ "set index flipped", INDEX, FLIPPED },
};

/* What the medium would bring. */
static void bring_back(const struct sandbox *sb, struct store *s)
{
	AUTO(store_close) struct store *outside = sandbox_store(sb, "outside", STORE_WRITE);
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };
	struct err e = ERR_INIT;
	AUTO(fd_close) int dir = -1;

	fill(outside);
	dir = fs_open_dir(sandbox_path(sb, "outside/blobs/sha256"), &e);
	assert_ok(fs_list(dir, &names, &e));
	for (size_t i = 0; i < names.count; i++) {
		AUTO(buf_release) struct buf bytes = BUF_INIT;
		struct digest d;

		assert_ok(digest_from_hex(&d, DIGEST_SHA256, span_of(names.names[i]), &e));
		assert_int_equal(blob_read(outside, &d, 1 << 20, &bytes, &e), 1);
		assert_ok(blob_put(s, NULL, buf_span(&bytes), &d, &e));
	}
}

/* Everything of the other sets is there, and of this one what was known. */
static void assert_half(struct store *s)
{
	AUTO(buf_release) struct buf problems = BUF_INIT;
	struct manifest_info info;
	struct check_report report;
	struct set_info set;
	struct err e = ERR_INIT;

	assert_int_equal(manifest_by_tag(s, REPO, "put", &info, &e), 1);
	assert_int_equal(set_find(s, "b:1", &set, &e), 1);
	assert_true(set.active && set.missing == 0);
	assert_int_equal(set_find(s, "a", &set, &e), 1);
	assert_true(set.active && set.missing > 0);
	assert_string_equal(set.version, "1");
	assert_int_equal(set.generation, 1);
	assert_ok(sandbox_check(s, true, keep_problem, &problems, &report, &e));
	assert_true(report.problems > 0);
	assert_non_null(strstr(problems.data, "S5: set a:1 was not whole"));
	assert_null(strstr(problems.data, "S6"));
}

static void rebuild__goes_on_without_lost_blobs(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lost) * 2; i++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		AUTO(buf_release) struct buf before = BUF_INIT, after = BUF_INIT;
		bool by_import = i % 2; /* else the next opening makes it whole */
		struct digest d;
		struct err e = ERR_INIT;

		print_message("%s, %d\n", lost[i / 2].name, by_import);
		fill(s);
		describe(s, &before);
		d = blob_of(s, lost[i / 2].what);
		store_close(&s);
		harm_blob(*state, &d, lost[i / 2].harm);
		for (int again = 0; again < 2; again++) { /* index.json went on listing it */
			lose_meta(*state);
			s = sandbox_store(*state, "s", STORE_WRITE);
			assert_half(s);
			store_close(&s);
		}
		s = sandbox_store(*state, "s", STORE_WRITE);
		bring_back(*state, s);
		if (by_import)
			assert_ok(set_accept(s,
				&(struct set_offer){ .digest = &a1, .activate = true }, NULL, &e));
		store_close(&s);
		s = sandbox_store(*state, "s", STORE_WRITE);
		describe(s, &after);
		assert_string_equal(after.data, before.data);
		assert_sound(s);
		store_close(&s);
		sandbox_remove(sandbox_path(*state, "s"));
		sandbox_remove(sandbox_path(*state, "outside"));
	}
}

/* --- index.json ----------------------------------------------------------------------------- */

static const struct {
	const char *name, *text; /* NULL: it is gone */
} damaged[] = {
	{ "gone", NULL },
	{ "empty", "" },
	{ "cut", "{\"schemaVersion\":2,\"mediaType\":\"application/"
		 "vnd.oci.image.index.v1+json\",\"annota" },
	{ "of nothing", "{\"schemaVersion\":2,\"manifests\":[]}" },
};

/* The database is whole: index.json is made again from it, whatever it was. */
static void store_open__writes_a_damaged_index_again(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf good = BUF_INIT, old = BUF_INIT;

	read_whole(*state, "s/index.json", &old);
	fill(s);
	store_close(&s);
	for (size_t i = 0; i <= ARRAY_SIZE(damaged); i++) {
		const char *text = i < ARRAY_SIZE(damaged) ? damaged[i].text : old.data;

		print_message("%s\n", i < ARRAY_SIZE(damaged) ? damaged[i].name : "an older one");
		sandbox_remove(sandbox_path(*state, "s/index.json"));
		if (text)
			sandbox_write(sandbox_path(*state, "s/index.json"), text, strlen(text));
		s = sandbox_store(*state, "s", STORE_READ);
		store_close(&s);
		s = sandbox_store(*state, "s", STORE_WRITE);
		assert_sound(s);
		store_close(&s);
		buf_clear(&good);
		read_whole(*state, "s/index.json", &good);
		assert_non_null(strstr(good.data, "vnd.moat.set.generations"));
	}
}

/* What an index.json says that people or a disk changed: of whatever is odd in it the rest comes back. */
static const struct {
	const char *name, *what, *by; /* the first one in it */
	unsigned sets; /* that come back */
} odd[] = {
	{ "a set twice", "", "", 2 },
	{ "no history", "vnd.moat.set.generations", "x", 2 },
	{ "words for a history", "\"vnd.moat.set.generations\":\"", "&soon ", 2 },
	{ "the same generation twice", "\"vnd.moat.set.generations\":\"", "&1:1:1 1:1:1 ", 2 },
	{ "no order", "vnd.moat.set.order", "x", 2 },
	{ "no version", "vnd.moat.set.version", "x", 2 },
	{ "no name", "vnd.moat.set.name", "x", 1 },
	{ "the last number", "\"vnd.moat.store.serial\":\"", "&99999999999999999", 2 },
	{ "no number", "vnd.moat.store.serial", "x", 2 },
};

/* `by` with & for `what`; with neither, the first entry twice. */
static void change_text(const struct buf *text, size_t i, struct buf *out)
{
	const char *begin = strstr(text->data, odd[i].what), *line = strchr(text->data, '\n') + 1;
	size_t at = (size_t)(begin - text->data), skip = strlen(odd[i].what);

	assert_non_null(begin);
	if (!skip) {
		buf_add(out, text->data, (size_t)(line - text->data));
		buf_add(out, line, strcspn(line, "\n") + 1);
		buf_str(out, line);
		return;
	}
	buf_add(out, text->data, at);
	if (*odd[i].by == '&')
		buf_str(out, odd[i].what);
	buf_str(out, odd[i].by + (*odd[i].by == '&'));
	buf_str(out, text->data + at + skip);
}

static int count_set(void *ctx, const struct set_info *info, struct err *e)
{
	unsigned *count = ctx;

	(void)info;
	(void)e;
	++*count;
	return 0;
}

static void rebuild__of_an_odd_index(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		AUTO(buf_release) struct buf text = BUF_INIT, other = BUF_INIT;
		struct manifest_info info;
		struct err e = ERR_INIT, why = ERR_INIT;
		unsigned sets = 0;

		print_message("%s\n", odd[i].name);
		fill(s);
		store_close(&s);
		read_whole(*state, "s/index.json", &text);
		change_text(&text, i, &other);
		write_whole(*state, "s/index.json", &other);
		lose_meta(*state);
		s = sandbox_store(*state, "s", STORE_WRITE);
		assert_ok(list_sets(s, count_set, &sets, &e));
		assert_int_equal(sets, odd[i].sets);
		assert_int_equal(manifest_by_tag(s, REPO, "put", &info, &e), 1);
		assert_int_equal(store_is_current(s, &why, &e), 1);
		assert_sound(s);
		store_close(&s);
		s = sandbox_store(*state, "s", STORE_WRITE);
		assert_int_equal(store_is_current(s, &why, &e), 1);
		store_close(&s);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

/* --- a copy made on purpose ------------------------------------------------------------------- */

static void store_backup__replaces_nothing_and_comes_forward(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf copy = BUF_INIT;
	struct set_info info;
	struct err e = ERR_INIT;
	uint64_t bytes = 0, again = 1, tags;

	fill(s);
	assert_ok(store_tags(s, &tags, &e));
	assert_int_equal(tags, 1);
	assert_ok(store_backup(s, sandbox_path(*state, "copy"), &bytes, &e));
	assert_err(store_backup(s, sandbox_path(*state, "copy"), &again, &e), ERR_INPUT,
		"is there already");
	assert_int_equal(again, 1);
	read_whole(*state, "copy", &copy);
	assert_int_equal(copy.len, bytes);
	import(*state, s);
	store_close(&s);
	lose_meta(*state);
	assert_int_equal(mkdir(sandbox_path(*state, "s/meta"), 0755), 0);
	write_whole(*state, DB, &copy);
	assert_not_current(*state);
	s = sandbox_store(*state, "s", STORE_WRITE);
	assert_int_equal(set_find(s, "a", &info, &e), 1);
	assert_true(digest_eq(&info.digest, &a2) && info.active);
	assert_sound(s);
}

/* --- made again by command -------------------------------------------------------------------- */

static void assert_remade(const struct sandbox *sb)
{
	AUTO(store_close) struct store *s = NULL;
	struct set_info info;
	struct err e = ERR_INIT;
	char aside[STORE_ASIDE_SIZE], name[STORE_ASIDE_SIZE + 20];
	uint64_t tags;

	assert_ok(store_remake(&s, sandbox_path(sb, "s"), aside, &e));
	snprintf(name, sizeof(name), "s/%s/moat.db", aside);
	assert_int_equal(access(sandbox_path(sb, name), F_OK), 0);
	assert_int_equal(set_find(s, "a", &info, &e), 1);
	assert_true(digest_eq(&info.digest, &a1) && info.active);
	assert_ok(store_tags(s, &tags, &e));
	assert_int_equal(tags, 1);
	assert_sound(s);
}

static void store_remake__of_a_sound_and_of_a_damaged_database(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);

	fill(s);
	store_close(&s);
	assert_remade(*state);
	sandbox_write(sandbox_path(*state, DB), "no database at all", 18);
	assert_remade(*state);
}

/* The damaged database stays when nothing else tells what was here. */
static void store_remake__needs_an_index(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = { { NULL, "index.json is missing" }, { "no index", "index.json is damaged" } };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	char aside[STORE_ASIDE_SIZE];
	struct err e = ERR_INIT;

	fill(s);
	store_close(&s);
	sandbox_write(sandbox_path(*state, DB), "no database at all", 18);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		sandbox_remove(sandbox_path(*state, "s/index.json"));
		if (bad[i].text)
			sandbox_write(sandbox_path(*state, "s/index.json"), bad[i].text,
				strlen(bad[i].text));
		assert_err(store_remake(&s, sandbox_path(*state, "s"), aside, &e), ERR_INCOMPLETE,
			bad[i].words);
		assert_string_equal(aside, "");
		assert_int_equal(access(sandbox_path(*state, DB), F_OK), 0);
	}
}

static void store_remake__of_a_link_is_refused(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	char aside[STORE_ASIDE_SIZE];
	struct err e = ERR_INIT;

	fill(s);
	store_close(&s);
	assert_int_equal(rename(sandbox_path(*state, "s/meta"), sandbox_path(*state, "m")), 0);
	assert_int_equal(symlink("../m", sandbox_path(*state, "s/meta")), 0);
	assert_err(store_remake(&s, sandbox_path(*state, "s"), aside, &e), ERR_UNSUPPORTED,
		"meta is a link");
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_standing(void)
{
	static const struct CMUnitTest tests[] = {
		T(store_open__brings_an_old_copy_forward),
		T(store_open__goes_on_counting),
		T(store_open__readers_are_told_of_a_lost_database),
		T(rebuild__goes_on_without_lost_blobs),
		T(store_open__writes_a_damaged_index_again),
		T(rebuild__of_an_odd_index),
		T(store_backup__replaces_nothing_and_comes_forward),
		T(store_remake__of_a_sound_and_of_a_damaged_database),
		T(store_remake__needs_an_index),
		T(store_remake__of_a_link_is_refused),
	};

	return cmocka_run_group_tests_name("storage/standing", tests, NULL, NULL);
}
