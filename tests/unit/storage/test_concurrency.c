/*
 * Several processes on one store: two write the same and different things while two read. Nobody
 * ever sees a lock error, a tag without its manifest, or two generations mixed.
 */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/engine.h"
#include "storage/gc.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define ROUNDS 25
#define REPO "docker.io/library/nginx"

/* Runs in a child: what goes wrong is told on stderr and by the status. */
typedef int child_fn(const struct sandbox *sb, unsigned number, struct err *e);

static pid_t start(const struct sandbox *sb, child_fn *fn, unsigned number)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct err e = ERR_INIT;
		int rc = fn(sb, number, &e);

		if (rc < 0)
			fprintf(stderr, "child %u: %s\n", number, e.text);
		_exit(rc < 0);
	}
	return pid;
}

static void join(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- blobs ---------------------------------------------------------------------------------- */

/* Both writers want the same blobs: half by resumable stages, in batches, in opposite orders. */
static int put_blobs(const struct sandbox *sb, unsigned number, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(batch_free) struct blob_batch *b = NULL;

	if (store_open(&s, sandbox_path(sb, "s"), STORE_WRITE, e) < 0)
		return -1;
	b = batch_new(s);
	for (unsigned i = 0; i < 4 * ROUNDS; i++) {
		AUTO(blob_abort) struct blob_writer *w = NULL;
		unsigned n = number ? i : 4 * ROUNDS - 1 - i;
		struct digest d;
		char text[20];
		int rc;

		snprintf(text, sizeof(text), "blob %u", n);
		digest_of(&d, DIGEST_SHA256, span_of(text));
		rc = blob_begin(s, &d, strlen(text), n % 2 ? BLOB_RESUME : 0, &w, e);
		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		blob_write(w, text + blob_offset(w), strlen(text) - blob_offset(w));
		if (blob_commit(&w, i % 3 ? b : NULL, NULL, e) < 0)
			return -1;
	}
	return batch_flush(b, e);
}

static void blobs__two_writers_of_the_same(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct check_report report;
	struct err e = ERR_INIT;
	pid_t a = start(*state, put_blobs, 0), b = start(*state, put_blobs, 1);

	join(a);
	join(b);
	assert_ok(sandbox_check(s, true, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
	assert_int_equal(report.blobs, 4 * ROUNDS);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
}

/* --- sets ----------------------------------------------------------------------------------- */

static struct digest sets[2], images[2];

/* Switches to and fro between two sets of the same names. */
static int switch_sets(const struct sandbox *sb, unsigned number, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;

	if (store_open(&s, sandbox_path(sb, "s"), STORE_WRITE, e) < 0)
		return -1;
	for (unsigned i = 0; i < ROUNDS; i++)
		if (set_accept(s,
			    &(struct set_offer){ .digest = &sets[(i + number) % 2],
				    .activate = true,
				    .older = true },
			    NULL, e) < 0)
			return -1;
	return 0;
}

struct seen {
	unsigned count, first;
};

static int count_set(void *ctx, const struct set_info *info, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	seen->count += info->active;
	return 0;
}

static int read_tags(const struct sandbox *sb, unsigned number, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;

	(void)number;
	if (store_open(&s, sandbox_path(sb, "s"), STORE_READ, e) < 0)
		return -1;
	for (unsigned i = 0; i < 40 * ROUNDS; i++) {
		struct manifest_info info;
		struct seen seen = { 0, 0 };
		AUTO(buf_release) struct buf bytes = BUF_INIT;

		if (manifest_by_tag(s, REPO, "1", &info, e) <= 0)
			return err_ctx(e, "the tag is gone");
		if (!digest_eq(&info.digest, &images[0]) && !digest_eq(&info.digest, &images[1]))
			return err_set(e, ERR_CORRUPT, "an image of neither set");
		if (blob_read(s, &info.digest, MANIFEST_MAX, &bytes, e) <= 0 ||
			list_sets(s, count_set, &seen, e) < 0)
			return -1;
		if (seen.count != 1)
			return err_set(e, ERR_CORRUPT, "%u sets are active", seen.count);
	}
	return 0;
}

/* Two sets to switch between; the first is active. */
static void make_sets(struct store *s)
{
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < 2; i++) {
		struct image_want want = { .seed = i ? "one" : "none", .layers = 1 };
		struct image_pin pin = { .repo = REPO, .tag = "1" };

		images[i] = pin.digest = image_make(s, NULL, &want);
		sets[i] = image_set(s, "platform", i ? "1" : "2", &pin, 1);
	}
	assert_ok(set_accept(
		s, &(struct set_offer){ .digest = &sets[0], .activate = true }, NULL, &e));
}

static void sets__switch_under_readers(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct check_report report;
	struct err e = ERR_INIT;
	pid_t pids[4];

	make_sets(s);
	for (unsigned i = 0; i < 4; i++)
		pids[i] = start(*state, i < 2 ? switch_sets : read_tags, i);
	for (unsigned i = 0; i < 4; i++)
		join(pids[i]);
	assert_ok(sandbox_check(s, true, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
}

/* --- changes -------------------------------------------------------------------------------- */

#define GROUP 8
#define WAITS_MAX 300000 /* of 200 us: the writer is gone */
#define EMPTY "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}"

static int apply_all(struct store *s, struct change *items, size_t count, struct err *e)
{
	struct change *changes[2 * GROUP];

	for (size_t i = 0; i < count; i++)
		changes[i] = &items[i];
	if (store_apply(s, changes, count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (items[i].rc < 0) {
			*e = items[i].err;
			return -1;
		}
	return 0;
}

/* Blobs and a tag a round, all of one number, so that readers can tell a half. */
static int push_round(struct store *s, const struct manifest *m, unsigned round, struct err *e)
{
	char text[GROUP][20], name[16];
	const char *tag = name;
	struct change items[GROUP + 1];

	for (unsigned i = 0; i < GROUP; i++) {
		items[i] = (struct change){ .kind = CHANGE_BLOB, .repo = "team/app" };
		snprintf(text[i], sizeof(text[i]), "%u-%u", round, i);
		digest_of(&items[i].digest, DIGEST_SHA256, span_of(text[i]));
		if (blob_begin_unnamed(s, DIGEST_SHA256, &items[i].writer, e) < 0)
			return -1;
		blob_write(items[i].writer, text[i], strlen(text[i]));
		if (blob_seal(items[i].writer, &items[i].digest, e) < 0)
			return -1;
	}
	snprintf(name, sizeof(name), "%u", round);
	items[GROUP] = (struct change){ .kind = CHANGE_MANIFEST,
		.repo = "team/app",
		.text = span_of(EMPTY),
		.manifest = m,
		.tags = &tag,
		.tag_count = 1 };
	digest_of(&items[GROUP].digest, DIGEST_SHA256, span_of(EMPTY));
	return apply_all(s, items, GROUP + 1, e);
}

static int push_rounds(const struct sandbox *sb, unsigned number, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;

	(void)number;
	if (store_open(&s, sandbox_path(sb, "s"), STORE_WRITE, e) < 0 ||
		manifest_parse(&m, "m", NULL, span_of(EMPTY), e) < 0)
		return -1;
	for (unsigned round = 0; round < ROUNDS; round++)
		if (push_round(s, &m, round, e) < 0 ||
			(round % 5 == 4 && sandbox_flush_index(s, e) < 0))
			return -1;
	return 0;
}

/* Whoever sees a round's tag sees its blobs: they were one commit. */
static int read_rounds(const struct sandbox *sb, unsigned number, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	unsigned waits = 0;

	(void)number;
	if (store_open(&s, sandbox_path(sb, "s"), STORE_READ, e) < 0)
		return -1;
	for (unsigned round = 0; round < ROUNDS;) {
		char name[20];
		struct manifest_info info;
		struct digest d;
		uint64_t size;
		int rc;

		snprintf(name, sizeof(name), "%u", round);
		rc = manifest_by_tag(s, "team/app", name, &info, e);
		if (rc < 0)
			return -1;
		if (rc == 0 && waits++ > WAITS_MAX)
			return err_set(e, ERR_BUSY, "round %u never came", round);
		if (rc == 0) {
			usleep(200);
			continue;
		}
		for (unsigned i = 0; i < GROUP; i++) {
			snprintf(name, sizeof(name), "%u-%u", round, i);
			digest_of(&d, DIGEST_SHA256, span_of(name));
			if (repo_has_blob(s, "team/app", &d, &size, e) <= 0)
				return err_ctx(e, "blob %s of a tag that is there", name);
		}
		round++;
	}
	return 0;
}

static void changes__under_readers_beside_an_import(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct check_report report;
	struct err e = ERR_INIT;
	pid_t pids[5];

	make_sets(s);
	pids[0] = start(*state, push_rounds, 0);
	pids[1] = start(*state, switch_sets, 1);
	pids[2] = start(*state, put_blobs, 0);
	pids[3] = start(*state, read_rounds, 0);
	pids[4] = start(*state, read_tags, 0);
	for (unsigned i = 0; i < 5; i++)
		join(pids[i]);
	assert_ok(sandbox_flush_index(s, &e));
	assert_ok(sandbox_check(s, true, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
}

/* --- making a store ------------------------------------------------------------------------- */

static int make_store(const struct sandbox *sb, unsigned number, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	struct digest d;
	char text[20];

	snprintf(text, sizeof(text), "of %u", number);
	if (store_open(&s, sandbox_path(sb, "new"), STORE_WRITE, e) < 0)
		return -1;
	return blob_put(s, NULL, span_of(text), &d, e);
}

static void store_open__made_by_several_at_once(void **state)
{
	for (unsigned round = 0; round < 5; round++) {
		pid_t pids[4];

		for (unsigned i = 0; i < 4; i++)
			pids[i] = start(*state, make_store, i);
		for (unsigned i = 0; i < 4; i++)
			join(pids[i]);
		assert_int_equal(sandbox_count(sandbox_path(*state, "new/blobs/sha256")), 4);
		sandbox_remove(sandbox_path(*state, "new"));
	}
}

/* --- index.json ----------------------------------------------------------------------------- */

static struct blob_ops delayed;
static const struct blob_ops *undelayed;
static struct store *meanwhile; /* writes while the other one makes its list */

static int stage_late(struct blobs *b, struct stage **st, struct err *e)
{
	struct store *s = meanwhile;

	meanwhile = NULL;
	if (s)
		image_add(s, REPO, "later", "later", 1);
	if (s && sandbox_flush_index(s, e) < 0)
		return -1;
	return undelayed->index_stage(b, st, e);
}

static int open_delayed(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	if (engine_local.open_blobs(b, where, mode, e) < 0)
		return -1;
	undelayed = (*b)->ops;
	delayed = *undelayed;
	delayed.index_stage = stage_late;
	(*b)->ops = &delayed;
	return 0;
}

static const struct engine engine_delayed = { "delayed", open_delayed, &db_sqlite };

/* Who makes the list keeps nobody from writing, and does not put an older one over a newer. */
static void index_json__the_later_list_stays(void **state)
{
	AUTO(store_close) struct store *other = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(store_close) struct store *s = NULL;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct check_report report;
	struct err e = ERR_INIT;

	assert_ok(
		store_open_engine(&s, &engine_delayed, sandbox_path(*state, "s"), STORE_WRITE, &e));
	image_add(s, REPO, "first", "first", 1);
	meanwhile = other;
	assert_ok(sandbox_flush_index(s, &e));
	assert_null(meanwhile);
	assert_int_equal(
		fs_read_file(AT_FDCWD, sandbox_path(*state, "s/index.json"), 1 << 20, &text, &e),
		1);
	assert_non_null(strstr(text.data, REPO ":first"));
	assert_non_null(strstr(text.data, REPO ":later"));
	assert_ok(sandbox_check(s, false, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
}

/* --- quarantine ----------------------------------------------------------------------------- */

/* dry: 1 counts only. */
static int purge_quarantine(const struct sandbox *sb, unsigned dry, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	struct gc_count found = { .blobs = 0 };

	if (store_open(&s, sandbox_path(sb, "s"), STORE_WRITE, e) < 0 ||
		gc_purge(s, LITTER_QUARANTINE, clock_now() + 1, dry, &found, e) < 0)
		return -1;
	return found.blobs == 1 ? 0 : err_set(e, ERR_IO, "%d found", (int)found.blobs);
}

/* By the kernel's list: does the process wait for a lock of a whole file? */
static bool waits(pid_t pid)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	bool found = false;
	int who;

	assert_non_null(locks);
	while (!found && fgets(line, sizeof(line), locks))
		found = sscanf(line, "%*d: -> FLOCK ADVISORY WRITE %d", &who) == 1 && who == pid;
	fclose(locks);
	return found;
}

/* Nobody else takes a file away while one is being put there. */
static void gc_purge__waits_for_who_puts_a_file_into_quarantine(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(fd_close) int dir = -1;
	pid_t pid;

	assert_int_equal(mkdir(sandbox_path(*state, "s/quarantine"), 0755), 0);
	sandbox_write(sandbox_path(*state, "s/quarantine/x"), "x", 1);
	store_close(&s);
	dir = open(sandbox_path(*state, "s/quarantine"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(dir, LOCK_EX), 0);
	join(start(*state, purge_quarantine, 1));
	pid = start(*state, purge_quarantine, 0);
	while (!waits(pid)) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
	assert_true(sandbox_exists(sandbox_path(*state, "s/quarantine/x")));
	assert_int_equal(flock(dir, LOCK_UN), 0);
	join(pid);
	assert_false(sandbox_exists(sandbox_path(*state, "s/quarantine/x")));
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(blobs__two_writers_of_the_same),
		T(sets__switch_under_readers),
		T(changes__under_readers_beside_an_import),
		T(store_open__made_by_several_at_once),
		T(index_json__the_later_list_stays),
		T(gc_purge__waits_for_who_puts_a_file_into_quarantine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
