/*
 * The check of what is served, without a server: each kind of damage, found by one that reads and by one that
 * writes; what is told, left behind, and done once good bytes are back.
 */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/api/cache.h"
#include "registry/ops/check.h"
#include "registry/push/commit.h"
#include "registry/push/commit_mend.h"
#include "storage/base/log.h"
#include "storage/base/throttle.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define WAIT_MS 30000 /* then it will never come */

struct world {
	const struct sandbox *sb;
	struct cache *cache;
	struct committer *committer;
	struct mender *mender;
	struct checker *checker;
	struct digest layer;
	struct buf good;
};

static void world_release(struct world *w)
{
	checker_free(&w->checker);
	mender_free(&w->mender);
	committer_free(&w->committer);
	cache_free(&w->cache);
	buf_release(&w->good);
	sandbox_remove(sandbox_path(w->sb, "s"));
}

static void make(struct world *w, const struct sandbox *sb)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, "s", STORE_WRITE);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;
	struct digest d = image_add(s, "team/app", "1", "n", 2);

	w->sb = sb;
	assert_int_equal(blob_read(s, &d, 1 << 20, &bytes, &e), 1);
	assert_ok(manifest_parse(&m, "m", NULL, buf_span(&bytes), &e));
	w->layer = m.items[0].digest;
	assert_int_equal(blob_read(s, &w->layer, 1 << 20, &w->good, &e), 1);
}

static void drop_hits(void *cache)
{
	cache_changed(cache);
}

static void begin(struct world *w, bool writes, uint64_t rate)
{
	struct checker_config config = {
		.store = sandbox_path(w->sb, "s"), .rate = rate, .cpu = 100, .every = 1
	};
	struct err e = ERR_INIT;

	w->cache = cache_new(1 << 20, 16);
	if (writes) {
		assert_ok(committer_new(&w->committer, config.store, w->cache, NULL, &e));
		assert_ok(mender_new(&w->mender, config.store, w->committer, &e));
	}
	config.mender = w->mender;
	config.changed = drop_hits;
	config.ctx = w->cache;
	assert_ok(checker_new(&w->checker, &config, &e));
}

static const char *path_of(const struct world *w)
{
	char name[300], hex[DIGEST_HEX_SIZE];

	snprintf(name, sizeof(name), "s/blobs/sha256/%s", digest_hex(&w->layer, hex));
	return sandbox_path(w->sb, name);
}

static const char *mark_of(const struct world *w)
{
	char name[300], hex[DIGEST_HEX_SIZE];

	snprintf(name, sizeof(name), "s/marks/sha256-%s", digest_hex(&w->layer, hex));
	return sandbox_path(w->sb, name);
}

static void wait_bad(struct world *w, unsigned bad)
{
	struct check_counts counts = { .bad = bad + 1 };

	for (int ms = 0; ms < WAIT_MS && counts.bad != bad; ms += 10) {
		checker_counts(w->checker, &counts);
		usleep(10000);
	}
	assert_int_equal(counts.bad, bad);
}

static bool wait_for(const char *path, bool there)
{
	for (int ms = 0; ms < WAIT_MS && sandbox_exists(path) != there; ms += 10)
		usleep(10000);
	return sandbox_exists(path) == there;
}

enum damage { FLIPPED, CUT, MISSING, DIRECTORY };

static void harm(const struct world *w, enum damage how)
{
	AUTO(buf_release) struct buf other = BUF_INIT;
	const char *path = path_of(w);

	sandbox_remove(path);
	buf_add(&other, w->good.data, w->good.len);
	other.data[7] ^= 1;
	if (how == FLIPPED || how == CUT)
		sandbox_write(path, other.data, how == CUT ? 9 : other.len);
	else if (how == DIRECTORY)
		assert_int_equal(mkdir(path, 0755), 0);
}

static void put_back(const struct world *w)
{
	sandbox_remove(path_of(w));
	sandbox_write(path_of(w), w->good.data, w->good.len);
}

static const struct {
	enum damage how;
	bool blocked; /* a look at its length would not tell */
	bool kept; /* a mark, or quarantine */
} cases[] = { { FLIPPED, true, true }, { CUT, true, true }, { MISSING, false, false },
	{ DIRECTORY, false, true } };

static void check__a_reader_stops_serving_and_leaves_a_mark(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_release) struct world w = { .good = BUF_INIT };

		make(&w, *state);
		harm(&w, cases[i].how);
		begin(&w, false, 0);
		wait_bad(&w, 1);
		assert_true(wait_for(mark_of(&w), cases[i].kept));
		assert_int_equal(checker_blocks(w.checker, &w.layer), cases[i].blocked);
		assert_false(sandbox_exists(sandbox_path(*state, "s/quarantine")));
		put_back(&w);
		wait_bad(&w, 0);
		assert_false(checker_blocks(w.checker, &w.layer));
		assert_true(checker_was_bad(w.checker, &w.layer));
	}
}

static void check__a_writer_takes_it_to_quarantine(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_release) struct world w = { .good = BUF_INIT };
		AUTO(store_close) struct store *s = NULL;
		struct err e = ERR_INIT;
		uint64_t size;

		make(&w, *state);
		harm(&w, cases[i].how);
		begin(&w, true, 0);
		wait_bad(&w, 1);
		assert_true(wait_for(sandbox_path(*state, "s/quarantine"), cases[i].kept));
		checker_stop(w.checker); /* it has done what it does */
		assert_false(sandbox_exists(mark_of(&w)));
		assert_false(checker_blocks(w.checker, &w.layer));
		s = sandbox_store(*state, "s", STORE_READ);
		/* One that is missing may come back: its row stays. */
		assert_int_equal(repo_has_blob(s, "team/app", &w.layer, &size, &e), !cases[i].kept);
	}
}

/* Rot that no look shows is found by reading, for which it need not be asked for. */
static void check__reads_what_is_due(void **state)
{
	AUTO(world_release) struct world w = { .good = BUF_INIT };
	struct timespec times[2];
	struct stat st;
	int fd;

	make(&w, *state);
	assert_int_equal(stat(path_of(&w), &st), 0);
	assert_int_equal(chmod(path_of(&w), 0644), 0);
	fd = open(path_of(&w), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "?", 1, 3), 1);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	begin(&w, false, 1 << 30);
	wait_bad(&w, 1);
	assert_true(checker_blocks(w.checker, &w.layer));
	/* Another one knows it from the mark, before it has looked. */
	checker_free(&w.checker);
	cache_free(&w.cache);
	begin(&w, false, 0);
	assert_true(checker_blocks(w.checker, &w.layer));
}

/* A reader goes on where it was: a whole pass is not done again before its time. */
static void check__a_reader_keeps_its_place(void **state)
{
	AUTO(world_release) struct world w = { .good = BUF_INIT };
	AUTO(store_close) struct store *s = NULL;
	struct check_counts counts = { .pass = 0 };
	struct check_place place;
	struct err e = ERR_INIT;
	int64_t pass;

	make(&w, *state);
	begin(&w, false, 1 << 30);
	for (int ms = 0; ms < WAIT_MS && !counts.pass; ms += 10) {
		checker_counts(w.checker, &counts);
		usleep(10000);
	}
	assert_true(counts.pass > 0);
	checker_stop(w.checker);
	checker_counts(w.checker, &counts);
	pass = counts.pass;
	s = sandbox_store(*state, "s", STORE_READ);
	assert_int_equal(place_read(s, &place, &e), 1);
	assert_int_equal(place.done, pass);
	checker_free(&w.checker);
	cache_free(&w.cache);
	begin(&w, false, 0);
	checker_counts(w.checker, &counts);
	assert_int_equal(counts.pass, pass);
}

struct waiting {
	struct check_waiter waiter;
	sem_t done;
};

static void wake(struct check_waiter *w)
{
	sem_post(&CONTAINER_OF(w, struct waiting, waiter)->done);
}

/* Where nothing can be left: not served before it was read, good or bad; who waits is always told. */
static void check__reads_before_serving_where_nothing_can_be_left(void **state)
{
	for (int bad = 0; bad < 2; bad++) {
		AUTO(world_release) struct world w = { .good = BUF_INIT };
		struct waiting one, late;

		make(&w, *state);
		if (bad)
			harm(&w, FLIPPED);
		sandbox_write(sandbox_path(*state, "s/marks"), "x", 1);
		begin(&w, false, 0);
		sem_init(&one.done, 0, 0);
		sem_init(&late.done, 0, 0);
		one.waiter = late.waiter = (struct check_waiter){ .digest = w.layer, .done = wake };
		checker_await(w.checker, &one.waiter);
		assert_int_equal(sem_wait(&one.done), 0);
		assert_false(checker_unsure(w.checker, &w.layer));
		assert_int_equal(checker_blocks(w.checker, &w.layer), bad);
		checker_stop(w.checker);
		checker_await(w.checker, &late.waiter);
		assert_int_equal(sem_wait(&late.done), 0);
		sem_destroy(&one.done);
		sem_destroy(&late.done);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

/* --- the pace ------------------------------------------------------------------------------------- */

#define PIECE (256u << 10)
#define BLOBS 4 /* of an image */
#define SECONDS(n) ((n)*INT64_C(1000000))

/* A machine whose time passes only as it is told. */
struct machine {
	int64_t now_us, cpu_us;
	uint64_t bytes;
};

/* One piece: so long it takes to read it, so much of that on the processor. The rest lasts longer than asked. */
static void read_piece(struct machine *m, const struct throttle_limit *p, uint64_t bytes,
	int64_t wall_us, int64_t cpu_us, int64_t late_us)
{
	int64_t begin = m->now_us, next = begin + throttle_us(p, bytes, cpu_us);

	m->bytes += bytes;
	m->cpu_us += cpu_us;
	m->now_us += wall_us;
	if (m->now_us < next)
		m->now_us = next + late_us;
}

static void pace__neither_rate_nor_share_is_exceeded(void **state)
{
	static const struct {
		struct throttle_limit pace;
		uint64_t piece;
		int64_t wall_us, cpu_us, late_us; /* of a piece */
		bool reached; /* the rate or the share, whichever is less: no needless rest */
	} paces[] = {
		{ { 16 << 20, 5 }, PIECE, 300, 100, 0, true },
		{ { 16 << 20, 5 }, PIECE, 300, 100, 700, false },
		{ { 16 << 20, 5 }, PIECE, 1000, 1000, 0, true }, /* the share is less */
		{ { 16 << 20, 100 }, PIECE, 1000, 1000, 0, true },
		{ { 16 << 20, 1 }, PIECE, 9, 9, 0, true },
		{ { 1, 100 }, 1, 1, 1, 0, true },
		{ { 3, 100 }, 1, 0, 0, 0, true },
		{ { 7, 3 }, 5, 13, 11, 1, false },
		{ { 1, 1 }, PIECE, 0, 0, 0, true }, /* three days a piece */
		{ { 1ull << 40, 100 }, PIECE, 0, 0, 0, true }, /* less than a microsecond a piece */
		{ { 1ull << 40, 100 }, PIECE, 50, 40, 0, false }, /* the disk is slower */
		{ { 0, 5 }, PIECE, 100, 100, 0, true }, /* no rate: the share alone */
		{ { 0, 33 }, PIECE, 100, 1, 0, false },
		{ { 999983, 17 }, 65521, 17, 13, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		const struct throttle_limit *p = &paces[i].pace;
		struct machine m = { .bytes = 0 };
		unsigned pieces = 0;

		/* Whenever a piece begins, what was read before fits in the time that has passed. */
		for (; pieces < 10000 && m.now_us < SECONDS(1000000); pieces++) {
			read_piece(&m, p, paces[i].piece, paces[i].wall_us, paces[i].cpu_us,
				paces[i].late_us);
			if (m.bytes * 1000000 > p->rate * (uint64_t)m.now_us && p->rate)
				fail_msg("case %zu: %llu bytes in %lld us", i,
					(unsigned long long)m.bytes, (long long)m.now_us);
			if (m.cpu_us * 100 > m.now_us * p->cpu)
				fail_msg("case %zu: %lld us of %lld", i, (long long)m.cpu_us,
					(long long)m.now_us);
		}
		if (paces[i].reached) {
			double by_rate = p->rate ? (double)m.bytes * 1e6 / (double)p->rate : 0;
			double by_cpu = (double)m.cpu_us * 100 / p->cpu;
			double want = by_rate > by_cpu ? by_rate : by_cpu;

			/* But for the microseconds that were rounded up. */
			if ((double)m.now_us > want + pieces)
				fail_msg("case %zu: %lld us instead of %.0f", i,
					(long long)m.now_us, want);
		}
	}
}

/* A piece at another rate than the one before, as a server with another configuration reads it. */
static void pace__is_of_each_piece(void **state)
{
	static const struct throttle_limit slow = { 1000, 50 }, fast = { 1000000, 50 };

	(void)state;
	assert_int_equal(throttle_us(&slow, 1000, 0), SECONDS(1));
	assert_int_equal(throttle_us(&fast, 1000, 0), 1000);
	assert_int_equal(throttle_us(&slow, 1000, 600000), 1200000);
	assert_int_equal(throttle_us(&slow, 0, 0), 0);
	assert_int_equal(throttle_us(&slow, 0, 1), 2);
	assert_int_equal(throttle_us(&(struct throttle_limit){ 3, 7 }, 1, 1), 333334);
}

/* What the check itself asks of a clock. Each look at the processor's costs some of it. */
struct fake {
	int64_t now_us, cpu_us, each_us;
	uint64_t rests;
};

static int64_t fake_now(void *ctx)
{
	return ((struct fake *)ctx)->now_us;
}

static int64_t fake_cpu(void *ctx)
{
	struct fake *f = ctx;

	return f->cpu_us += f->each_us;
}

/* Woken half way now and then. */
static void fake_rest(void *ctx, int64_t us)
{
	struct fake *f = ctx;

	f->now_us += f->rests++ % 3 || us < 2 ? us : us / 2;
}

static void check__reads_at_its_pace(void **state)
{
	static const struct {
		uint64_t rate;
		unsigned cpu;
		int64_t each_us;
	} paces[] = { { 1000, 100, 0 }, { 7, 100, 0 }, { 1ull << 40, 5, 100 }, { 1000, 1, 3 } };

	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		AUTO(world_release) struct world w = { .good = BUF_INIT };
		struct fake fake = { .each_us = paces[i].each_us };
		const struct check_clock clock = { fake_now, fake_cpu, fake_rest, &fake };
		struct checker_config config = {
			.rate = paces[i].rate, .cpu = paces[i].cpu, .clock = &clock, .every = 1
		};
		struct check_counts counts = { .blobs = 0 };
		struct err e = ERR_INIT;

		make(&w, *state);
		config.store = sandbox_path(w.sb, "s");
		config.changed = drop_hits;
		config.ctx = w.cache = cache_new(1 << 20, 16);
		assert_ok(checker_new(&w.checker, &config, &e));
		for (int ms = 0; ms < WAIT_MS && counts.blobs < BLOBS; ms += 10) {
			checker_counts(w.checker, &counts);
			usleep(10000);
		}
		checker_stop(w.checker);
		checker_counts(w.checker, &counts);
		assert_true(counts.blobs >= BLOBS && fake.rests > 0);
		assert_true(counts.bytes * 1000000 <= paces[i].rate * (uint64_t)fake.now_us);
		assert_true(fake.now_us >=
			    (int64_t)counts.blobs * paces[i].each_us * 100 / (int64_t)paces[i].cpu);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pace__neither_rate_nor_share_is_exceeded),
		cmocka_unit_test(pace__is_of_each_piece),
		T(check__reads_at_its_pace),
		T(check__a_reader_stops_serving_and_leaves_a_mark),
		T(check__a_writer_takes_it_to_quarantine),
		T(check__reads_what_is_due),
		T(check__a_reader_keeps_its_place),
		T(check__reads_before_serving_where_nothing_can_be_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
