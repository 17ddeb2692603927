/*
 * The check's thread: suspects first, then a quick look at all files, then the bytes of those that are due.
 * Must never delay an answer, and never serve a blob that was bad before it was read and was good.
 */
#include "registry/ops/check_private.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/clock.h"
#include "storage/base/lock.h"
#include "storage/base/log.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define STACK_SIZE (512u << 10)
#define PAGE 64 /* blobs that are asked for at once */
#define QUICK_MS 600000 /* between two quick looks at all files */
#define QUICK_NAP_US 500 /* after each file of it */
#define AGAIN_MS 2000 /* between two looks at the bad blobs, which may have been repaired */
#define RECORD_MS 30000 /* between two records of progress: as much is lost when the process dies */
#define NAP_US 1000000 /* when there is nothing to do */
#define IOPRIO_IDLE (3 << 13)

static int64_t now_s(void)
{
	return clock_now();
}

/* --- what was bad before ----------------------------------------------------------------------------- */

struct list {
	struct digest *items;
	size_t count;
};

static void list_release(struct list *l)
{
	free(l->items);
}

static int list_add(void *ctx, const struct digest *d, struct err *e)
{
	struct list *l = ctx;

	(void)e;
	*VEC_PUSH(l->items, l->count) = *d;
	return 0;
}

static int list_add_quarantined(void *ctx, const char *where, const char *reason, struct err *e)
{
	struct err ignored = ERR_INIT;
	const char *dash = strchr(where, '-');
	struct digest d;
	size_t len = dash ? strcspn(dash + 1, ".") : 0;

	(void)reason;
	if (dash && strncmp(where, "sha512", 6) == 0 &&
		digest_from_hex(&d, DIGEST_SHA512, (struct span){ dash + 1, len }, &ignored) == 0)
		return list_add(ctx, &d, e);
	if (dash &&
		digest_from_hex(&d, DIGEST_SHA256, (struct span){ dash + 1, len }, &ignored) == 0)
		return list_add(ctx, &d, e);
	return 0;
}

/* Block what an earlier process found bad, until it was read again. */
static int recall(struct checker *c, struct list *suspects, struct err *e)
{
	static const struct blob_file none = { .size = 0 };

	if (list_marks(c->store, list_add, suspects, e) < 0)
		return -1;
	for (size_t i = 0; i < suspects->count; i++)
		(void)check_set_standing(c, &suspects->items[i], &none, STANDING_BLOCKED);
	return list_quarantine(c->store, list_add_quarantined, suspects, e);
}

/* --- all of them ---------------------------------------------------------------------------------- */

struct page {
	struct digest items[PAGE];
	size_t count;
};

static int page_add(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct page *p = ctx;

	(void)size, (void)e;
	p->items[p->count++] = *d;
	return 0;
}

/* Check the next blobs behind the cursor. False: there are none. */
static bool do_page(struct checker *c, struct blob_cursor *at, enum blob_check how)
{
	struct page page = { .count = 0 };
	struct err e = ERR_INIT;

	if (blobs_after(c->store, at, PAGE, page_add, &page, &e) < 0) {
		log_fields(LOG_LINE_ERROR, "check.failed", { "error", e.text, 0 });
		return false;
	}
	for (size_t i = 0; i < page.count && !check_is_ending(c); i++) {
		check_suspects(c);
		check_judge(c, &page.items[i], how);
		if (how == BLOB_CHECK_CHANGED)
			check_nap(c, QUICK_NAP_US);
	}
	return page.count > 0;
}

/* Take the list of bad blobs, and put those on it again that still are. */
static void take_bad(struct checker *c, struct list *list)
{
	LOCK_SCOPE(&c->lock);
	list->items = STEAL(c->bad_ones);
	list->count = c->bad_count;
	c->bad_count = 0;
	for (size_t i = 0; i < list->count; i++)
		if (check_standing(digest_map_find(&c->known, &list->items[i])) != STANDING_GOOD)
			check_list_bad(c, &list->items[i]);
}

static void retry_bad(struct checker *c)
{
	AUTO(list_release) struct list list = { NULL, 0 };

	take_bad(c, &list);
	for (size_t i = 0; i < list.count && !check_is_ending(c); i++)
		check_judge_suspect(c, &list.items[i]);
	c->again_ms = clock_ms() + AGAIN_MS;
}

static bool has_bad(struct checker *c)
{
	return c->bad > 0;
}

/* Record progress: a writer in the rows, a reader in its place. */
static void record_progress(struct checker *c)
{
	struct err e = ERR_INIT;

	c->record_ms = clock_ms() + RECORD_MS;
	if (c->config.mender)
		c->config.mender->flush(c->config.mender);
	else if (c->may_mark && place_record(c->store, &c->place, &e) < 0)
		log_fields(LOG_LINE_ERROR, "check.failed", { "error", e.text, 0 });
}

/* Begin a pass over what was not read for long, the oldest first. What it reads is due again after `every`. */
static void begin_pass(struct checker *c)
{
	c->place.began = now_s();
	c->place.at = (struct blob_cursor){ .by_age = true, .before = now_s() - c->config.every };
}

static void end_pass(struct checker *c)
{
	c->place.done = c->place.began;
	c->place.began = 0;
	c->pass = c->place.done;
	record_progress(c);
}

/* Is a pass due? A writer knows from its rows, a reader from the time of its last pass. */
static bool is_due(const struct checker *c)
{
	if (!c->config.rate)
		return false;
	return c->place.began || c->config.mender || now_s() - c->place.done >= c->config.every;
}

/* Do the most urgent work. True: there was some. */
static bool work(struct checker *c)
{
	check_suspects(c);
	if (has_bad(c) && clock_ms() >= c->again_ms)
		retry_bad(c);
	if (clock_ms() >= c->record_ms)
		record_progress(c);
	if (clock_ms() >= c->quick_ms) {
		if (do_page(c, &c->quick, BLOB_CHECK_CHANGED))
			return true;
		c->quick = (struct blob_cursor){ .id = 0 };
		c->quick_ms = clock_ms() + QUICK_MS;
	}
	if (!is_due(c))
		return false;
	if (!c->place.began)
		begin_pass(c);
	if (do_page(c, &c->place.at, BLOB_CHECK_BYTES))
		return true;
	if (!check_is_ending(c))
		end_pass(c);
	return false;
}

/* Read at the lowest priority; best effort, as a service manager may forbid it. */
static void lower_priority(void)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	(void)!syscall(SYS_ioprio_set, 1, 0, IOPRIO_IDLE);
	(void)!setpriority(PRIO_PROCESS, (id_t)tid, 19);
}

static void *run(void *cls)
{
	struct checker *c = cls;

	lower_priority();
	while (!check_is_ending(c))
		if (!work(c))
			check_nap(c, NAP_US);
	record_progress(c);
	return NULL;
}

/* --- beginning and end ----------------------------------------------------------------------------- */

static int open_check(struct checker *c, struct err *e)
{
	AUTO(list_release) struct list suspects = { NULL, 0 };
	const struct checker_config *config = &c->config;

	if (store_open(&c->store, config->store, STORE_READ, e) < 0 || recall(c, &suspects, e) < 0)
		return -1;
	for (size_t i = 0; i < suspects.count; i++)
		checker_suspect(c, &suspects.items[i]);
	if (c->config.mender)
		return 0;
	c->may_mark = store_may_mark(c->store, e) > 0;
	c->first = !c->may_mark;
	return c->may_mark && place_read(c->store, &c->place, e) < 0 ? -1 : 0;
}

int checker_new(struct checker **out, const struct checker_config *config, struct err *e)
{
	AUTO(checker_free) struct checker *c = mem_alloc(sizeof(*c));
	pthread_attr_t stack;
	pthread_condattr_t clock;
	int rc;

	c->config = *config;
	c->record_ms = clock_ms() + RECORD_MS;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &clock);
	pthread_condattr_destroy(&clock);
	if (open_check(c, e) < 0)
		return err_ctx(e, "check of the store");
	c->pass = c->place.done;
	pthread_attr_init(&stack);
	pthread_attr_setstacksize(&stack, STACK_SIZE);
	rc = pthread_create(&c->thread, &stack, run, c);
	pthread_attr_destroy(&stack);
	if (rc != 0)
		return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
	c->started = true;
	*out = STEAL(c);
	return 0;
}

static void tell_end(struct checker *c)
{
	LOCK_SCOPE(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->wake);
}

void checker_stop(struct checker *c)
{
	if (!c->started)
		return;
	tell_end(c);
	pthread_join(c->thread, NULL);
	c->started = false;
	check_tell(check_take_waiters(c, NULL));
}

void checker_free(struct checker **out)
{
	struct checker *c = STEAL(*out);

	if (!c)
		return;
	checker_stop(c);
	store_close(&c->store);
	digest_map_release(&c->known);
	free(c->bad_ones);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
