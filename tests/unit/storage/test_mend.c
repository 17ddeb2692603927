/*
 * What is held is good: each kind of damage to the file of each kind of blob, and each way in which the
 * right bytes can come again. All of it ends with a sound store and the bad file in quarantine.
 */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"

#define REPO "docker.io/a/b"
#define PUSHED "team/app"

/* --- damage ------------------------------------------------------------------------------------- */

enum damage { FLIPPED, CUT, LONGER, MISSING, EMPTY, DIRECTORY, LINK, DAMAGES };
static const struct {
	const char *name, *fault;
	unsigned aside; /* files in quarantine afterwards */
} damages[DAMAGES] = {
	[FLIPPED] = { "flipped", "bytes", 1 },
	[CUT] = { "cut", "length", 1 },
	[LONGER] = { "longer", "length", 1 },
	[MISSING] = { "missing", NULL, 0 },
	[EMPTY] = { "empty", "length", 1 },
	[DIRECTORY] = { "directory", "no-file", 1 },
	[LINK] = { "link", "no-file", 1 },
};

static const char *blob_path(const struct sandbox *sb, const struct digest *d)
{
	char name[300], hex[DIGEST_HEX_SIZE];

	snprintf(name, sizeof(name), "s/blobs/sha256/%s", digest_hex(d, hex));
	return sandbox_path(sb, name);
}

/* Written to a while later: the clock of files stands still for milliseconds. */
static void touch(const char *path)
{
	static const struct timespec later[2] = { { 2000000000, 0 }, { 2000000000, 0 } };

	assert_int_equal(utimensat(AT_FDCWD, path, later, AT_SYMLINK_NOFOLLOW), 0);
}

static void write_at(const char *path, off_t at, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
	touch(path);
}

static void flip(const char *path)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_file(AT_FDCWD, path, 1 << 20, &bytes, &e), 1);
	bytes.data[bytes.len / 2] ^= 1;
	write_at(path, 0, bytes.data, bytes.len);
}

static void harm(const struct sandbox *sb, const struct digest *d, enum damage how)
{
	const char *path = blob_path(sb, d);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(chmod(path, 0644), 0);
	if (how == FLIPPED)
		flip(path);
	else if (how == CUT || how == EMPTY)
		assert_int_equal(truncate(path, how == CUT ? st.st_size / 2 : 0), 0);
	else if (how == LONGER)
		write_at(path, st.st_size, "x", 1);
	else
		sandbox_remove(path);
	if (how == DIRECTORY)
		assert_int_equal(mkdir(path, 0755), 0);
	if (how == LINK)
		assert_int_equal(symlink("/dev/null", path), 0);
}

/* As a disk does it: other bytes, and nobody wrote. */
static void rot(const struct sandbox *sb, const struct digest *d)
{
	const char *path = blob_path(sb, d);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	harm(sb, d, FLIPPED);
	assert_int_equal(
		utimensat(AT_FDCWD, path, (struct timespec[2]){ st.st_atim, st.st_mtim }, 0), 0);
}

/* --- things ------------------------------------------------------------------------------------- */

enum thing { LAYER, CONFIG, MANIFEST, SET_INDEX, THINGS };
static const char *const things[THINGS] = { "layer", "config", "manifest", "set index" };

struct world {
	const struct sandbox *sb;
	struct store *s;
	struct digest set, manifest, of[THINGS];
	struct buf bytes[THINGS];
	struct manifest parsed;
};

static void world_release(struct world *w)
{
	store_close(&w->s);
	manifest_release(&w->parsed);
	for (int i = 0; i < THINGS; i++)
		buf_release(&w->bytes[i]);
}

/* A set of one image, active; the image is pushed too. */
static void world_make(struct world *w, const struct sandbox *sb)
{
	static const struct image_want want = { .seed = "n", .layers = 2 };
	struct image_pin pin = { .repo = REPO, .tag = "1" };
	struct err e = ERR_INIT;

	w->sb = sb;
	w->s = sandbox_store(sb, "s", STORE_WRITE);
	pin.digest = w->manifest = image_make(w->s, NULL, &want);
	w->set = image_set(w->s, "platform", "1", &pin, 1);
	assert_ok(set_accept(
		w->s, &(struct set_offer){ .digest = &w->set, .activate = true }, NULL, &e));
	assert_ok(image_put(w->s, PUSHED, "1", &w->manifest, MEDIA_OCI_MANIFEST, &e));
	w->of[MANIFEST] = w->manifest;
	w->of[SET_INDEX] = w->set;
	assert_int_equal(blob_read(w->s, &w->manifest, 1 << 20, &w->bytes[MANIFEST], &e), 1);
	assert_ok(manifest_parse(&w->parsed, "m", NULL, buf_span(&w->bytes[MANIFEST]), &e));
	w->of[LAYER] = w->parsed.items[1].digest;
	w->of[CONFIG] = w->parsed.config.digest;
	for (int i = 0; i < THINGS; i++) {
		buf_clear(&w->bytes[i]);
		assert_int_equal(blob_read(w->s, &w->of[i], 1 << 20, &w->bytes[i], &e), 1);
	}
}

/* --- ways --------------------------------------------------------------------------------------- */

static void write_rest(struct world *w, enum thing t, struct blob_batch *batch, unsigned flags)
{
	AUTO(blob_abort) struct blob_writer *writer = NULL;
	const struct buf *bytes = &w->bytes[t];
	struct err e = ERR_INIT;

	assert_int_equal(blob_begin(w->s, &w->of[t], bytes->len, flags, &writer, &e), 0);
	blob_write(writer, bytes->data + blob_offset(writer), bytes->len - blob_offset(writer));
	assert_ok(blob_commit(&writer, batch, NULL, &e));
}

static void by_writer(struct world *w, enum thing t)
{
	write_rest(w, t, NULL, 0);
}

static void by_batch(struct world *w, enum thing t)
{
	AUTO(batch_free) struct blob_batch *batch = batch_new(w->s);
	struct err e = ERR_INIT;

	write_rest(w, t, batch, 0);
	assert_ok(batch_flush(batch, &e));
}

static void by_resume(struct world *w, enum thing t)
{
	AUTO(blob_abort) struct blob_writer *writer = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(blob_begin(w->s, &w->of[t], w->bytes[t].len, BLOB_RESUME, &writer, &e), 0);
	blob_write(writer, w->bytes[t].data, w->bytes[t].len / 2);
	blob_abort(&writer);
	write_rest(w, t, NULL, BLOB_RESUME);
}

static void by_put(struct world *w, enum thing t)
{
	struct err e = ERR_INIT;
	struct digest got;

	assert_ok(blob_put(w->s, NULL, buf_span(&w->bytes[t]), &got, &e));
	assert_true(digest_eq(&got, &w->of[t]));
}

static void apply(struct world *w, struct change *c)
{
	struct change *changes[] = { c };
	struct err e = ERR_INIT;

	assert_ok(store_apply(w->s, changes, 1, &e));
}

static void by_push(struct world *w, enum thing t)
{
	struct change c = { .kind = CHANGE_BLOB, .repo = PUSHED, .digest = w->of[t] };
	struct err e = ERR_INIT;

	assert_ok(blob_begin_unnamed(w->s, DIGEST_SHA256, &c.writer, &e));
	blob_write(c.writer, w->bytes[t].data, w->bytes[t].len);
	assert_ok(blob_seal(c.writer, &c.digest, &e));
	apply(w, &c);
	assert_int_equal(c.rc, 0);
}

static void by_manifest(struct world *w, enum thing t)
{
	struct change c = { .kind = CHANGE_MANIFEST,
		.repo = PUSHED,
		.digest = w->of[t],
		.text = buf_span(&w->bytes[t]),
		.manifest = &w->parsed,
		.strict = true };

	apply(w, &c);
	assert_int_equal(c.rc, 0);
}

/* Never given away; then its client brings the bytes. */
static void by_mount(struct world *w, enum thing t)
{
	struct change c = {
		.kind = CHANGE_MOUNT, .repo = "team/other", .from = REPO, .digest = w->of[t]
	};

	if (t == SET_INDEX)
		c.from = "moat.local/set/platform";
	apply(w, &c);
	assert_int_equal(c.rc, -1);
	assert_int_equal(c.err.code, ERR_ABSENT);
	by_push(w, t);
}

static const struct {
	const char *name;
	void (*bring)(struct world *w, enum thing t);
	bool manifests_only;
} ways[] = {
	{ "writer", by_writer, false },
	{ "batch", by_batch, false },
	{ "resume", by_resume, false },
	{ "put", by_put, false },
	{ "push", by_push, false },
	{ "push of a manifest", by_manifest, true },
	{ "mount", by_mount, false },
};

/* --- proof -------------------------------------------------------------------------------------- */

static void keep_problem(void *ctx, const char *invariant, const char *text)
{
	buf_printf(ctx, "%s: %s\n", invariant, text);
}

static void assert_sound(struct store *s, const char *after)
{
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct check_report report;
	struct err e = ERR_INIT;

	assert_ok(sandbox_check(s, true, keep_problem, &got, &report, &e));
	if (report.problems)
		fail_msg("%s: %s", after, got.data);
}

static int keep_reason(void *ctx, const char *where, const char *reason, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s %s", where, reason);
	return 0;
}

static void assert_aside(
	struct world *w, const struct digest *d, enum damage how, const char *after)
{
	AUTO(buf_release) struct buf got = BUF_INIT;
	AUTO(doc_release) struct doc doc = DOC_INIT;
	struct err e = ERR_INIT;
	char text[DIGEST_TEXT_SIZE];
	const char *json;

	assert_int_equal(list_quarantine(w->s, keep_reason, &got, &e), 0);
	if (!damages[how].aside) {
		assert_int_equal(got.len, 0);
		return;
	}
	json = strchr(got.data, ' ');
	assert_non_null(json);
	if (json_parse(&doc, "reason", span_of(json), 4096, &e) < 0)
		fail_msg("%s: %s: %s", after, e.text, got.data);
	digest_text(d, text);
	if (!strstr(json, damages[how].fault) || !strstr(json, text) ||
		!strstr(json, "\"operation\":\"test\""))
		fail_msg("%s: %s", after, got.data);
	assert_int_equal(sandbox_count(sandbox_path(w->sb, "s/quarantine")), 2);
	sandbox_remove(sandbox_path(w->sb, "s/quarantine"));
}

static void mend_one(struct world *w, size_t way, enum damage how, enum thing t)
{
	AUTO(mem_free)
	char *what = mem_printf("%s %s, %s", damages[how].name, things[t], ways[way].name);
	struct err e = ERR_INIT;
	uint64_t size;

	harm(w->sb, &w->of[t], how);
	ways[way].bring(w, t);
	if (blob_held(w->s, &w->of[t], &size, &e) != 1)
		fail_msg("%s: not held", what);
	assert_int_equal(size, w->bytes[t].len);
	assert_sound(w->s, what);
	assert_aside(w, &w->of[t], how, what);
	assert_ok(set_accept(
		w->s, &(struct set_offer){ .digest = &w->set, .activate = true }, NULL, &e));
}

static void mend__good_bytes_take_the_place_of_bad_ones(void **state)
{
	static const struct store_care care = { .operation = "test" };

	for (size_t way = 0; way < ARRAY_SIZE(ways); way++) {
		AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };

		world_make(&w, *state);
		for (int t = 0; t < THINGS; t++)
			for (int how = 0; how < DAMAGES; how++) {
				if (ways[way].manifests_only && t != MANIFEST)
					continue;
				/* Each time a new handle: one that found something reads all. */
				store_close(&w.s);
				w.s = sandbox_store(*state, "s", STORE_WRITE);
				store_set_care(w.s, &care);
				mend_one(&w, way, (enum damage)how, (enum thing)t);
			}
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

/* A set or an image of which something is missing or of another length is not accepted; nor is a manifest or
 * set index with other bytes. */
static void mend__nothing_is_accepted_over_a_bad_file(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	struct err e = ERR_INIT;

	world_make(&w, *state);
	for (int t = 0; t < THINGS; t++) {
		for (int how = 0; how < DAMAGES; how++) {
			harm(*state, &w.of[t], (enum damage)how);
			if (how != FLIPPED || t == SET_INDEX)
				assert_int_equal(set_accept(w.s,
							 &(struct set_offer){ .digest = &w.set,
								 .activate = true },
							 NULL, &e),
					-1);
			if (t != SET_INDEX && (how != FLIPPED || t == MANIFEST))
				assert_int_equal(image_put(w.s, REPO, "2", &w.manifest,
							 MEDIA_OCI_MANIFEST, &e),
					-1);
			by_writer(&w, (enum thing)t);
		}
	}
	assert_sound(w.s, "all of it");
}

/* Bytes that were rotten without a trace are found when all is to be read, or once anything was bad. */
static void mend__all_is_read_when_asked_or_in_doubt(void **state)
{
	static const struct store_care strict = { .operation = "test", .check = true };
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	struct err e = ERR_INIT;
	struct timespec before[2];
	struct stat st;
	uint64_t size;

	world_make(&w, *state);
	for (int asked = 0; asked < 2; asked++) {
		const char *path = blob_path(*state, &w.of[LAYER]);

		assert_int_equal(stat(path, &st), 0);
		harm(*state, &w.of[LAYER], FLIPPED);
		before[0] = st.st_atim;
		before[1] = st.st_mtim;
		assert_int_equal(utimensat(AT_FDCWD, path, before, 0), 0);
		assert_int_equal(blob_held(w.s, &w.of[LAYER], &size, &e), 1);
		if (asked)
			store_set_care(w.s, &strict);
		else
			harm(*state, &w.of[CONFIG], CUT);
		assert_int_equal(blob_held(w.s, &w.of[CONFIG], &size, &e), asked);
		assert_int_equal(blob_held(w.s, &w.of[LAYER], &size, &e), 0);
		assert_int_equal(store_found_bad(w.s), asked ? 1 : 2);
		by_writer(&w, LAYER);
		if (!asked)
			by_writer(&w, CONFIG);
		store_close(&w.s);
		w.s = sandbox_store(*state, "s", STORE_WRITE);
	}
	assert_sound(w.s, "both");
}

/* A copy that was put back, or touched, is read once, and then known. */
static void mend__a_touched_file_is_read_once(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	struct err e = ERR_INIT;
	struct finding f;
	uint64_t size;

	world_make(&w, *state);
	touch(blob_path(*state, &w.of[LAYER]));
	assert_int_equal(blob_examine(w.s, &w.of[LAYER], BLOB_CHECK_LENGTH, NULL, &f, &e), 1);
	assert_true(f.changed);
	assert_false(f.read);
	assert_int_equal(blob_held(w.s, &w.of[LAYER], &size, &e), 1);
	store_close(&w.s);
	w.s = sandbox_store(*state, "s", STORE_WRITE);
	assert_int_equal(blob_examine(w.s, &w.of[LAYER], BLOB_CHECK_CHANGED, NULL, &f, &e), 1);
	assert_false(f.changed);
	assert_false(f.read);
	assert_int_equal(f.fault, BLOB_GOOD);
}

/* What was looked at is not what lies there any more: it stays. */
static void mend__another_file_stays(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	struct err e = ERR_INIT;
	struct finding f;

	world_make(&w, *state);
	harm(*state, &w.of[LAYER], CUT);
	assert_int_equal(blob_examine(w.s, &w.of[LAYER], BLOB_CHECK_BYTES, NULL, &f, &e), 1);
	assert_int_equal(f.fault, BLOB_LENGTH);
	by_push(&w, LAYER); /* others mend it meanwhile */
	assert_int_equal(blob_apply_finding(w.s, &f, &e), 0);
	assert_sound(w.s, "another file");
}

/* Several of one digest within a second are all kept. */
static void mend__nothing_is_thrown_away(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };

	world_make(&w, *state);
	for (int i = 0; i < 3; i++) {
		harm(*state, &w.of[LAYER], CUT);
		by_writer(&w, LAYER);
	}
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/quarantine")), 6);
}

static int stop(void *ctx, size_t bytes, struct err *e)
{
	size_t *seen = ctx;

	*seen += bytes;
	return err_set(e, ERR_BUSY, "enough");
}

/* Whoever only reads looks and does nothing; slowly, if wanted. */
static void mend__a_reader_changes_nothing(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	AUTO(store_close) struct store *reader = NULL;
	struct err e = ERR_INIT;
	size_t seen = 0;
	struct throttle throttle = { .read = stop, .ctx = &seen };
	struct finding f;
	uint64_t size;

	world_make(&w, *state);
	reader = sandbox_store(*state, "s", STORE_READ);
	assert_err(blob_examine(reader, &w.of[LAYER], BLOB_CHECK_BYTES, &throttle, &f, &e),
		ERR_BUSY, "enough");
	assert_int_equal(seen, w.bytes[LAYER].len);
	harm(*state, &w.of[LAYER], FLIPPED);
	assert_int_equal(blob_examine(reader, &w.of[LAYER], BLOB_CHECK_BYTES, NULL, &f, &e), 1);
	assert_int_equal(f.fault, BLOB_BYTES);
	assert_err(blob_apply_finding(reader, &f, &e), ERR_DENIED, "reading");
	assert_int_equal(blob_stat(reader, &w.of[LAYER], &size, &e), 1);
	harm(*state, &w.of[LAYER], CUT);
	assert_int_equal(blob_stat(reader, &w.of[LAYER], &size, &e), 0);
	assert_false(sandbox_exists(sandbox_path(*state, "s/quarantine")));
}

/* That this process has no descriptor left says nothing about a file. */
static void mend__a_limit_proves_no_file_bad(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d = image_blob(s, "x", 1000);
	struct rlimit before, low = { .rlim_cur = 0 };
	struct finding f;
	struct err e = ERR_INIT;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(blob_examine(s, &d, BLOB_CHECK_BYTES, NULL, &f, &e), -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(blob_examine(s, &d, BLOB_CHECK_BYTES, NULL, &f, &e), 1);
	assert_int_equal(f.fault, BLOB_GOOD);
}

/* Neither does a right that this process lacks: the owner may read it. */
static void mend__a_missing_right_proves_no_file_bad(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d = image_blob(s, "x", 1000);
	const char *path = blob_path(*state, &d);
	uid_t before = geteuid();
	struct err examined = ERR_INIT, held = ERR_INIT;
	struct finding f;
	uint64_t size;
	int rc[2];

	assert_int_equal(chmod(path, 0), 0);
	if (before == 0)
		assert_int_equal(seteuid(65534), 0);
	rc[0] = blob_examine(s, &d, BLOB_CHECK_BYTES, NULL, &f, &examined);
	store_suspect(s);
	rc[1] = blob_held(s, &d, &size, &held);
	assert_int_equal(seteuid(before), 0);
	assert_int_equal(rc[0], -1);
	assert_int_equal(examined.code, ERR_RIGHTS);
	assert_int_equal(rc[1], -1);
	assert_int_equal(held.code, ERR_RIGHTS);
	assert_true(sandbox_exists(path));
	assert_false(sandbox_exists(sandbox_path(*state, "s/quarantine")));
}

/* --- marks, and going through all ----------------------------------------------------------------- */

static int keep_digest(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	(void)size, (void)e;
	buf_printf(ctx, "%s\n", digest_text(d, text));
	return 0;
}

static int keep_mark(void *ctx, const struct digest *d, struct err *e)
{
	return keep_digest(ctx, d, 0, e);
}

/* A reader's mark becomes quarantine by the next writer; one that was wrong just goes. */
static void marks__become_quarantine_by_the_next_writer(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	AUTO(store_close) struct store *reader = NULL;
	AUTO(buf_release) struct buf marks = BUF_INIT, left = BUF_INIT, aside = BUF_INIT;
	struct err e = ERR_INIT;
	struct finding f, fine;
	uint64_t size;

	world_make(&w, *state);
	harm(*state, &w.of[LAYER], FLIPPED);
	store_close(&w.s);
	reader = sandbox_store(*state, "s", STORE_READ);
	assert_int_equal(store_may_mark(reader, &e), 1);
	assert_int_equal(blob_examine(reader, &w.of[LAYER], BLOB_CHECK_BYTES, NULL, &f, &e), 1);
	assert_int_equal(f.fault, BLOB_BYTES);
	assert_int_equal(blob_examine(reader, &w.of[CONFIG], BLOB_CHECK_BYTES, NULL, &fine, &e), 1);
	for (int again = 0; again < 2; again++) {
		assert_ok(mark_put(reader, &f, &e));
		assert_ok(mark_put(reader, &fine, &e));
	}
	assert_int_equal(list_marks(reader, keep_mark, &marks, &e), 0);
	assert_int_equal(marks.len, 2 * (7 + 64 + 1));
	w.s = sandbox_store(*state, "s", STORE_WRITE);
	assert_int_equal(list_marks(reader, keep_mark, &left, &e), 0);
	assert_int_equal(left.len, 0);
	assert_int_equal(list_quarantine(reader, keep_reason, &aside, &e), 0);
	assert_non_null(strstr(aside.data, "\"operation\":\"mark of a reader\""));
	assert_int_equal(blob_stat(w.s, &w.of[LAYER], &size, &e), 0);
	assert_int_equal(blob_stat(w.s, &w.of[CONFIG], &size, &e), 1);
	assert_int_equal(store_found_bad(w.s), 0);
}

/* Where a mark proved right, the writer that found it so reads what it relies on, whatever care it is given
 * afterwards; one whose marks were all wrong does not. */
static void marks__that_are_right_leave_a_doubt(void **state)
{
	for (int right = 0; right < 2; right++) {
		AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
		AUTO(store_close) struct store *reader = NULL;
		struct store_care care = { .operation = "import" };
		struct err e = ERR_INIT;
		struct finding f;
		uint64_t size;

		world_make(&w, *state);
		if (right)
			harm(*state, &w.of[LAYER], FLIPPED);
		assert_int_equal(blob_held(w.s, &w.of[CONFIG], &size, &e), 1);
		store_record_findings(w.s);
		rot(*state, &w.of[CONFIG]);
		store_close(&w.s);
		reader = sandbox_store(*state, "s", STORE_READ);
		assert_int_equal(store_may_mark(reader, &e), 1);
		assert_int_equal(
			blob_examine(reader, &w.of[LAYER], BLOB_CHECK_BYTES, NULL, &f, &e), 1);
		assert_ok(mark_put(reader, &f, &e));
		w.s = sandbox_store(*state, "s", STORE_WRITE);
		store_set_care(w.s, &care);
		assert_int_equal(blob_held(w.s, &w.of[LAYER], &size, &e), !right);
		assert_int_equal(blob_held(w.s, &w.of[CONFIG], &size, &e), !right);
		store_close(&reader);
		store_close(&w.s);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

static void marks__where_nothing_can_be_written(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	struct err e = ERR_INIT;

	world_make(&w, *state);
	sandbox_write(sandbox_path(*state, "s/marks"), "x", 1); /* no folder can be made */
	assert_int_equal(store_may_mark(w.s, &e), 0);
}

static void place__is_kept_and_recalled(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct check_place place = { { true, 1, 2, 3 }, 4, 5 }, got;
	struct err e = ERR_INIT;

	assert_int_equal(place_read(s, &got, &e), 0);
	assert_int_equal(store_may_mark(s, &e), 1);
	assert_ok(place_record(s, &place, &e));
	assert_int_equal(place_read(s, &got, &e), 1);
	assert_true(got.at.by_age && got.at.before == 1 && got.at.checked == 2 && got.at.id == 3);
	assert_true(got.began == 4 && got.done == 5);
	sandbox_write(sandbox_path(*state, "s/marks/place"), "1 2 x", 5);
	assert_int_equal(place_read(s, &got, &e), 0);
}

/* All of them, once each, in pieces; by age only those that are due. */
static void blobs_after__goes_through_all(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	struct err e = ERR_INIT;
	struct store_totals totals;
	int64_t oldest = -1;

	world_make(&w, *state);
	assert_ok(store_totals(w.s, &totals, &e));
	for (int by_age = 0; by_age < 2; by_age++) {
		for (unsigned max = 1; max <= 100; max += 33) {
			AUTO(buf_release) struct buf got = BUF_INIT;
			struct blob_cursor at = { .by_age = by_age, .before = INT64_MAX };
			int n, sum = 0;

			while ((n = blobs_after(w.s, &at, max, keep_digest, &got, &e)) > 0)
				sum += n;
			assert_int_equal(n, 0);
			assert_int_equal(sum, totals.blobs);
			assert_int_equal(got.len, totals.blobs * (7 + 64 + 1));
		}
	}
	assert_int_equal(blobs_oldest(w.s, &oldest, &e), 1);
	assert_true(oldest > 0);
	assert_int_equal(blobs_after(w.s, &(struct blob_cursor){ .by_age = true, .before = oldest },
				 100, keep_digest, NULL, &e),
		0);
}

static int keep_user(void *ctx, const char *repo, const char *tag, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s:%s ", repo, tag);
	return 0;
}

static void blob_users__are_tags_and_pins(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct err e = ERR_INIT;

	world_make(&w, *state);
	assert_ok(blob_users(w.s, &w.of[LAYER], 100, keep_user, &got, &e));
	assert_string_equal(got.data, "docker.io/a/b:1 moat.local/set/platform:1 team/app:1 ");
	buf_clear(&got);
	assert_ok(blob_users(w.s, &w.of[LAYER], 1, keep_user, &got, &e));
	assert_string_equal(got.data, "docker.io/a/b:1 ");
}

/* By its subject, or by the tag that names it; only where the attachment is linked. */
static void blob_users__of_an_attachment_are_its_image(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct digest image = image_add(s, "docker.io/a/b", "1", "image", 1), by_subject, by_tag;
	char tag[REF_TAG_MAX + 1];
	struct err e = ERR_INIT;

	assert_ok(image_put(s, "elsewhere/b", "2", &image, MEDIA_OCI_MANIFEST, &e));
	by_subject = image_make(s, NULL,
		&(struct image_want){ .seed = "sbom",
			.layers = 1,
			.artifact_type = "application/x.sbom",
			.subject = &image });
	assert_ok(image_put(s, "docker.io/a/b", NULL, &by_subject, MEDIA_OCI_MANIFEST, &e));
	assert_ok(blob_users(s, &by_subject, 100, keep_user, &got, &e));
	assert_string_equal(got.data, "docker.io/a/b:1 ");
	buf_clear(&got);
	ref_fallback_tag(&image, ".sig", tag);
	by_tag = image_add(s, "docker.io/a/b", tag, "signature", 1);
	assert_ok(blob_users(s, &by_tag, 100, keep_user, &got, &e));
	assert_memory_equal(got.data, "docker.io/a/b:1 docker.io/a/b:sha256-", 37);
}

static int keep_set(void *ctx, const struct set_info *info, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s:%s %s ", info->name, info->version, info->active ? "active" : "held");
	return 0;
}

/* Also when it is bad by now, and the set is not active. */
static void blob_sets__are_all_that_hold_it(void **state)
{
	AUTO(world_release) struct world w = { .parsed = MANIFEST_INIT };
	AUTO(buf_release) struct buf got = BUF_INIT;
	AUTO(buf_release) struct buf absent = BUF_INIT;
	const struct set_offer how = { .activate = false };
	char text[DIGEST_TEXT_SIZE];
	struct digest other;
	struct set_info was;
	struct err e = ERR_INIT;

	world_make(&w, *state);
	assert_ok(blob_sets(w.s, &w.of[LAYER], keep_set, &got, &e));
	assert_string_equal(got.data, "platform:1 active ");
	assert_ok(blobs_absent(w.s, keep_digest, &absent, &e));
	assert_int_equal(absent.len, 0);
	buf_clear(&got);
	rot(*state, &w.of[LAYER]);
	assert_ok(blob_drop_bad(w.s, &w.of[LAYER], &e));
	assert_int_equal(store_found_bad(w.s), 1);
	digest_text(&w.of[LAYER], text);
	assert_ok(blobs_absent(w.s, keep_digest, &absent, &e));
	assert_true(
		absent.len == strlen(text) + 1 && strncmp(absent.data, text, strlen(text)) == 0);
	assert_ok(set_deactivate(w.s, "platform", &how, &was, NULL, &e));
	assert_ok(blob_sets(w.s, &w.of[LAYER], keep_set, &got, &e));
	assert_string_equal(got.data, "platform:1 held ");
	buf_clear(&got);
	digest_of(&other, DIGEST_SHA256, span_of("in no set"));
	assert_ok(blob_sets(w.s, &other, keep_set, &got, &e));
	assert_int_equal(got.len, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_mend(void)
{
	static const struct CMUnitTest tests[] = {
		T(mend__good_bytes_take_the_place_of_bad_ones),
		T(mend__nothing_is_accepted_over_a_bad_file),
		T(mend__all_is_read_when_asked_or_in_doubt),
		T(mend__a_touched_file_is_read_once),
		T(mend__another_file_stays),
		T(mend__nothing_is_thrown_away),
		T(mend__a_reader_changes_nothing),
		T(mend__a_limit_proves_no_file_bad),
		T(mend__a_missing_right_proves_no_file_bad),
		T(marks__become_quarantine_by_the_next_writer),
		T(marks__that_are_right_leave_a_doubt),
		T(marks__where_nothing_can_be_written),
		T(place__is_kept_and_recalled),
		T(blobs_after__goes_through_all),
		T(blob_users__are_tags_and_pins),
		T(blob_users__of_an_attachment_are_its_image),
		T(blob_sets__are_all_that_hold_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
