/* store_check() against damaged files, opening, and the OCI layout that others read. */
#include "tests/support/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MOAT_STORE_PART
#include "storage/store_private.h"
#include "storage/index_json.h"

#include "storage/base/fs.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"
#include "tests/unit/storage/view.h"

static void keep_problem(void *ctx, const char *invariant, const char *text)
{
	buf_printf(ctx, "%s: %s\n", invariant, text);
}

static const char *blob_path(const struct sandbox *sb, const struct digest *d)
{
	static char name[300];
	char hex[DIGEST_HEX_SIZE];

	snprintf(name, sizeof(name), "s/blobs/sha256/%s", digest_hex(d, hex));
	return sandbox_path(sb, name);
}

static void assert_problem(struct store *s, bool deep, const char *words)
{
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct check_report report;
	struct err e = ERR_INIT;

	assert_ok(sandbox_check(s, deep, keep_problem, &got, &report, &e));
	if (!words)
		assert_string_equal(got.data, "");
	else if (report.problems != 1 || !strstr(got.data, words))
		fail_msg("found: %s", got.data);
}

static void store_check__finds_damaged_files(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d = image_text(s, "hello"), orphan;

	assert_problem(s, true, NULL);
	sandbox_remove(blob_path(*state, &d));
	sandbox_write(blob_path(*state, &d), "hullo", 5);
	assert_problem(s, false, NULL);
	assert_problem(s, true, "S1: blob sha256:2cf24d");
	sandbox_write(blob_path(*state, &d), "hell", 4);
	assert_problem(s, false, "S2: blob sha256:2cf24d");
	sandbox_remove(blob_path(*state, &d));
	assert_problem(s, false, "its file is missing");
	sandbox_write(blob_path(*state, &d), "hello", 5);
	/* A file without a row is what a death between link and row leaves. */
	digest_of(&orphan, DIGEST_SHA256, span_of("orphan"));
	sandbox_write(blob_path(*state, &orphan), "orphan", 6);
	assert_problem(s, true, NULL);
	sandbox_write(sandbox_path(*state, "s/blobs/sha256/notes.txt"), "x", 1);
	assert_problem(s, false, "S1: \"notes.txt\" among the blobs is none");
}

/* --- files that cannot be read ------------------------------------------------------------------- */

/* In front of the store's own operations: one blob fails in one of three ways. */
enum place { AT_OPEN, AT_STAT, AT_SCAN, AT_INDEX };

static struct {
	struct blob_ops ops;
	const struct blob_ops *real;
	struct digest which;
	int number; /* errno; 0: nothing fails */
	enum place where;
} bad;

static int fails(const struct digest *d, enum place where, struct err *e)
{
	if (!bad.number || bad.where != where || (d && !digest_eq(d, &bad.which)))
		return 0;
	errno = bad.number;
	return err_sys(e, "its file");
}

static int bad_open(struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e)
{
	return fails(d, AT_OPEN, e) < 0 ? -1 : bad.real->open(b, d, r, e);
}

static int bad_stat(struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e)
{
	return fails(d, AT_STAT, e) < 0 ? -1 : bad.real->stat(b, d, out, e);
}

static int bad_scan(struct blobs *b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e)
{
	return fails(NULL, AT_SCAN, e) < 0 ? -1 : bad.real->scan(b, fn, stray, ctx, e);
}

static int bad_index_open(struct blobs *b, struct blob_reader *r, struct err *e)
{
	return fails(NULL, AT_INDEX, e) < 0 ? -1 : bad.real->index_open(b, r, e);
}

static void stand_in_front(struct store *s)
{
	bad.real = s->blobs->ops;
	bad.ops = *bad.real;
	bad.ops.open = bad_open;
	bad.ops.stat = bad_stat;
	bad.ops.scan = bad_scan;
	bad.ops.index_open = bad_index_open;
	s->blobs->ops = &bad.ops;
}

/* One blob is damaged, another cannot be read: both are told. */
static void store_check__goes_on_behind_a_file_that_it_cannot_read(void **state)
{
	static const struct {
		enum place where;
		int number;
		uint64_t denied, problems; /* with the damaged one, when it is come to */
		const char *words;
	} cases[] = {
		{ AT_OPEN, EIO, 0, 2, "S1: blob %s: its file cannot be opened: its file: Input" },
		{ AT_OPEN, EACCES, 1, 2, "S1: blob %s: its file cannot be read: its file: Perm" },
		{ AT_STAT, EIO, 0, 3, "S2: blob %s: its file cannot be read: its file: Input" },
		{ AT_STAT, EACCES, 2, 3, "S1: blob %s: its file cannot be read: its file: Perm" },
		{ AT_SCAN, EACCES, 1, 1, "S1: the folder of blobs cannot be read: its file: Perm" },
		{ AT_INDEX, EACCES, 1, 2, "S6: index.json cannot be read: its file: Permission" },
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest damaged = image_text(s, "hello");
	char name[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	bad.which = image_text(s, "unread");
	digest_text(&bad.which, name);
	sandbox_remove(blob_path(*state, &damaged));
	sandbox_write(blob_path(*state, &damaged), "hullo", 5);
	stand_in_front(s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf got = BUF_INIT, want = BUF_INIT;
		struct check_report report;
		const char *rest = strchr(cases[i].words, '%');

		bad.where = cases[i].where;
		bad.number = cases[i].number;
		buf_add(&want, cases[i].words,
			rest ? (size_t)(rest - cases[i].words) : strlen(cases[i].words));
		if (rest)
			buf_printf(&want, "%s%s", name, rest + 2);
		assert_ok(sandbox_check(s, true, keep_problem, &got, &report, &e));
		if (!strstr(got.data, want.data) || report.problems != cases[i].problems ||
			report.denied != cases[i].denied)
			fail_msg("case %zu: %s", i, got.data);
	}
	bad.number = EMFILE; /* of this process, which can tell of none */
	bad.where = AT_OPEN;
	assert_int_equal(sandbox_check(s, true, NULL, NULL, &(struct check_report){ 0 }, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	bad.number = 0;
	s->blobs->ops = bad.real;
}

struct seen {
	struct check_progress last;
	unsigned calls;
};

static void see(void *ctx, const struct check_progress *p)
{
	struct seen *seen = ctx;

	assert_true(p->bytes >= seen->last.bytes && p->bytes <= p->bytes_total);
	assert_true(p->blobs >= seen->last.blobs && p->blobs <= p->blobs_total);
	seen->last = *p;
	seen->calls++;
}

/* Files without a row are hashed too; a bad one counts as a good one. */
static void store_check__tells_bytes_of_all_bytes(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest layer = image_blob(s, "layer", 1000000), orphan;
	struct seen seen = { .calls = 0 };
	const struct check_events events = { .moved = see, .ctx = &seen };
	struct check_report report;
	struct err e = ERR_INIT;

	digest_of(&orphan, DIGEST_SHA256, span_of("orphan"));
	sandbox_write(blob_path(*state, &orphan), "orphan", 6);
	assert_ok(store_check(s, true, &events, &report, &e));
	assert_int_equal(report.problems, 0);
	assert_int_equal(seen.last.blobs_total, 2);
	assert_int_equal(seen.last.bytes_total, 1000006);
	assert_int_equal(seen.last.bytes, 1000006);
	assert_int_equal(seen.last.blobs, 2);
	assert_true(seen.calls > 4);
	assert_int_equal(chmod(blob_path(*state, &layer), 0644), 0);
	sandbox_write(blob_path(*state, &layer), "short", 5);
	seen = (struct seen){ .calls = 0 };
	assert_ok(store_check(s, true, &events, &report, &e));
	assert_int_equal(seen.last.bytes, 11);
	assert_int_equal(seen.last.bytes_total, 11);
}

static void store_open__reading_needs_a_store(void **state)
{
	struct store *s = NULL;
	struct err e = ERR_INIT;

	assert_err(store_open(&s, sandbox_path(*state, "no"), STORE_READ, &e), ERR_ABSENT, "no");
	assert_int_equal(mkdir(sandbox_path(*state, "empty"), 0755), 0);
	assert_err(
		store_open(&s, sandbox_path(*state, "empty"), STORE_READ, &e), ERR_ABSENT, "empty");
	assert_int_equal(sandbox_count(sandbox_path(*state, "empty")), 0);
}

static void read_text(const struct sandbox *sb, const char *name, struct buf *out)
{
	AUTO(fd_close) int dir = -1;
	struct err e = ERR_INIT;

	assert_ok(dir = fs_open_dir(sb->path, &e));
	assert_int_equal(fs_read_file(dir, name, 1 << 20, out, &e), 1);
}

static void store__is_an_oci_layout(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf layout = BUF_INIT, empty = BUF_INIT, index = BUF_INIT;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct image_pin pin = { .repo = "docker.io/a/b", .tag = "2" };
	struct image_want want = { .seed = "n", .layers = 1 };
	struct err e = ERR_INIT;
	struct digest set;

	read_text(*state, "s/oci-layout", &layout);
	assert_string_equal(layout.data, "{\"imageLayoutVersion\":\"1.0.0\"}");
	read_text(*state, "s/index.json", &empty);
	assert_ok(manifest_parse(&m, "index.json", MEDIA_OCI_INDEX, buf_span(&empty), &e));
	assert_int_equal(m.count, 0);
	manifest_release(&m);
	image_add(s, "docker.io/a/b", "1", "put", 1);
	image_add(s, "docker.io/a/b", "2", "hidden", 1);
	pin.digest = image_make(s, NULL, &want);
	set = image_set(s, "platform", "1", &pin, 1);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	read_text(*state, "s/index.json", &index);
	assert_ok(manifest_parse(&m, "index.json", MEDIA_OCI_INDEX, buf_span(&index), &e));
	assert_int_equal(m.count, 4); /* set, :1, pin :2, tag :2 under it without the name */
	assert_non_null(strstr(index.data, "\"org.opencontainers.image.ref.name\":"
					   "\"moat.local/set/platform:1\""));
	for (const char *p = index.data, *name = "image.ref.name\":\"docker.io/a/b:2\"";;) {
		p = strstr(p, name);
		assert_non_null(p);
		assert_null(strstr(p + 1, name));
		break;
	}
}

/* Tags reach index.json when the writer closes. */
static void store_close__writes_tags_to_index_json(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf index = BUF_INIT;

	image_add(s, "docker.io/a/b", "1", "put", 1);
	store_close(&s);
	read_text(*state, "s/index.json", &index);
	assert_non_null(strstr(index.data, "docker.io/a/b:1"));
}

static void store_totals__count(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct store_totals t;
	struct err e = ERR_INIT;
	uint64_t space = 0;

	image_add(s, "docker.io/a/b", "1", "put", 2);
	assert_ok(store_totals(s, &t, &e));
	assert_int_equal(t.blobs, 4);
	assert_true(t.bytes > 2000);
	assert_int_equal(t.manifests, 1);
	assert_int_equal(t.repos, 1);
	assert_int_equal(t.sets, 0);
	assert_ok(store_free_bytes(s, &space, &e));
	assert_true(space > 0);
}

/* --- what was removed ---------------------------------------------------------------------------- */

#define REMOVED 1000

static void remove_many(struct store *s)
{
	AUTO(tx_abort) struct store *tx = NULL;
	struct err e = ERR_INIT;

	assert_ok(tx_begin(s, &tx, &e));
	for (unsigned i = 0; i < REMOVED; i++) {
		AUTO(mem_free) char *name = mem_printf("customer-%u", i);

		assert_ok(meta_removed_put(s->db, name, "1.0", &e));
	}
	assert_ok(meta_index_dirty(s->db, &e));
	assert_ok(tx_commit(&tx, &e));
}

/* The names of a thousand sets that were removed do not grow what a start reads: behind the head the file may be anything. Only
 * the newest version of a name is in them, and a rebuild reads them all. */
static void index_json_head__is_short_however_many_sets_were_removed(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(buf_release) struct buf removed = BUF_INIT;
	const char *path = sandbox_path(*state, "s/index.json");
	struct err e = ERR_INIT;
	struct index_head head;

	remove_many(s);
	for (int lists = 0; lists < 2; lists++) {
		if (lists) {
			struct digest d = one(s, "stays", "1", "the same");

			assert_ok(set_accept(s, &(struct set_offer){ .digest = &d }, NULL, &e));
		}
		assert_ok(index_json_write(s, &e));
		buf_clear(&removed);
		assert_ok(index_json_removed(s, &removed, &e));
		assert_non_null(strstr(removed.data, "customer-0:1.0 customer-1:1.0 "));
		assert_true(removed.len > REMOVED * 14);
		buf_clear(&text);
		assert_int_equal(fs_read_file(AT_FDCWD, path, 1u << 20, &text, &e), 1);
		memset(text.data + 4096, 'x', text.len - 4096);
		sandbox_write(path, text.data, text.len);
		assert_int_equal(index_json_head(s, &head, &e), 1);
		assert_true(head.lists);
		assert_true(head.serial > 0);
	}
}

/* Names of removed sets, few or many of them, with entries behind them or not, are something that was here. */
static void index_json_head__sees_what_was_removed(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	const char *path = sandbox_path(*state, "s/index.json");

	for (unsigned names = 1; names < 2000; names += 999) {
		for (int lists = 0; lists < 2; lists++) {
			AUTO(buf_release) struct buf text = BUF_INIT;
			AUTO(buf_release) struct buf removed = BUF_INIT;
			struct err e = ERR_INIT;
			struct index_head head;

			buf_str(&text, INDEX_BEGIN INDEX_SERIAL "77" INDEX_REMOVED "first:1");
			for (unsigned i = 1; i < names; i++)
				buf_printf(&text, " customer-%u:1.0", i);
			buf_str(&text, INDEX_SERIAL_END INDEX_LIST);
			if (lists)
				buf_str(&text, "{\"mediaType\":\"" MEDIA_OCI_INDEX
					       "\",\"digest\":\"sha256:"
					       "0123456789abcdef0123456789abcdef"
					       "0123456789abcdef0123456789abcdef\",\"size\":2}");
			buf_str(&text, "]}\n");
			sandbox_write(path, text.data, text.len);
			assert_int_equal(index_json_head(s, &head, &e), 1);
			assert_true(head.lists);
			assert_int_equal(head.serial, 77);
			assert_ok(index_json_removed(s, &removed, &e));
			assert_memory_equal(removed.data, "first:1", 7);
		}
	}
}

/* A lost database is made again for the names alone: nothing older comes in where no set is left. */
static void open__brings_back_what_was_removed(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct err e = ERR_INIT;
	struct digest d;

	remove_many(s);
	assert_ok(index_json_write(s, &e));
	store_close(&s);
	assert_ok(sandbox_rebuild(*state, "s", &e));
	s = sandbox_store(*state, "s", STORE_WRITE);
	d = one(s, "customer-7", "0.9", "older");
	assert_err(set_accept(s, &(struct set_offer){ .digest = &d }, NULL, &e), ERR_UNTRUSTED,
		"version 1.0, which was here and was removed");
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_check(void)
{
	static const struct CMUnitTest tests[] = {
		T(store_check__finds_damaged_files),
		T(store_check__goes_on_behind_a_file_that_it_cannot_read),
		T(store_check__tells_bytes_of_all_bytes),
		T(store_open__reading_needs_a_store),
		T(store__is_an_oci_layout),
		T(store_close__writes_tags_to_index_json),
		T(store_totals__count),
		T(index_json_head__is_short_however_many_sets_were_removed),
		T(index_json_head__sees_what_was_removed),
		T(open__brings_back_what_was_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
