/*
 * The check's thread: what is in doubt first, then a quick look at all files, then the bytes of those that
 * are due. Must never hold up an answer, and never serve again what was bad before it was seen to be good.
 */
#include "registry/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "registry/commit_mend.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/oci/digest_map.h"
#include "storage/base/banned.h"

#define STACK_SIZE (512u << 10)
#define PAGE 64 /* blobs that are asked for at once */
#define QUICK_MS 600000 /* between two quick looks at all files */
#define QUICK_NAP_US 500 /* after each file of it */
#define AGAIN_MS 2000 /* between two looks at what is bad, whether it is good now */
#define KEEP_MS 30000 /* progress that a death may lose */
#define NAP_US 1000000 /* when there is nothing to do */
#define SUSPECTS_MAX 256
#define KNOWN_MAX 100000 /* touched files that a reader remembers as good */
#define USERS_MAX 20 /* of a bad blob, in the log */
#define IOPRIO_IDLE (3 << 13)

/* What is known of a blob beside the database. */
struct known {
	struct digest digest;
	bool bad; /* missing, or not good, or gone to quarantine */
	bool blocked; /* bad in a way that serving it would not notice */
	struct blob_file file; /* that was looked at */
};

struct checker {
	struct checker_config config;
	struct store *store;
	struct mender *mender; /* NULL: this server only reads */
	bool may_mark;
	bool first; /* nothing can be left for the next start: read before serving */
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* of what is below */
	pthread_cond_t wake;
	bool ending;
	struct digest_map known;
	struct digest suspects[SUSPECTS_MAX];
	size_t suspect_count;
	struct check_waiter *waiters;
	struct digest *bad_ones; /* some of them no more */
	size_t bad_count;

	_Atomic unsigned bad, blocked;
	_Atomic uint64_t blobs, bytes;
	_Atomic int64_t pass;

	/* The thread's. */
	bool nested; /* something in doubt is looked at while another file is read */
	int64_t piece_us, piece_cpu_us; /* when the last piece was read */
	struct blob_cursor quick;
	struct check_place place;
	int64_t quick_ms, again_ms, kept_ms; /* when it is due next */
};

static int64_t now_s(void)
{
	return (int64_t)time(NULL);
}

/* --- asked by others ------------------------------------------------------------------------------ */

bool checker_blocks(struct checker *c, const struct digest *d)
{
	const struct known *k;
	bool bad;

	if (!c || !c->blocked)
		return false;
	pthread_mutex_lock(&c->lock);
	k = digest_map_find(&c->known, d);
	bad = k && k->blocked;
	pthread_mutex_unlock(&c->lock);
	return bad;
}

/* One too many is found when all files are looked at. */
void checker_suspect(struct checker *c, const struct digest *d)
{
	bool there = false;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->suspect_count && !there; i++)
		there = digest_eq(&c->suspects[i], d);
	if (!there && c->suspect_count < SUSPECTS_MAX)
		c->suspects[c->suspect_count++] = *d;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

bool checker_unsure(struct checker *c, const struct digest *d)
{
	bool known;

	if (!c || !c->first)
		return false;
	pthread_mutex_lock(&c->lock);
	known = digest_map_find(&c->known, d) != NULL;
	pthread_mutex_unlock(&c->lock);
	return !known;
}

void checker_await(struct checker *c, struct check_waiter *w)
{
	bool ending;

	pthread_mutex_lock(&c->lock);
	ending = c->ending;
	if (!ending) {
		w->next = c->waiters;
		c->waiters = w;
	}
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (ending)
		w->done(w);
}

void checker_counts(struct checker *c, struct check_counts *out)
{
	*out = (struct check_counts){ c->blobs, c->bytes, c->bad, c->pass };
}

/* --- the pace ------------------------------------------------------------------------------------- */

/* Sleep, unless the end has come or something is in doubt. */
static void nap(struct checker *c, int64_t us)
{
	struct timespec until;

	if (us <= 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += us / 1000000;
	until.tv_nsec += us % 1000000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&c->lock);
	if (!c->ending && !c->suspect_count && !c->waiters)
		pthread_cond_timedwait(&c->wake, &c->lock, &until);
	pthread_mutex_unlock(&c->lock);
}

static bool is_ending(struct checker *c)
{
	bool ending;

	pthread_mutex_lock(&c->lock);
	ending = c->ending;
	pthread_mutex_unlock(&c->lock);
	return ending;
}

static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void look_at_suspects(struct checker *c);

/* After each piece: as long as rate and share want it, from the piece before. */
static int keep_pace(void *ctx, size_t bytes, struct err *e)
{
	struct checker *c = ctx;
	int64_t wanted, by_cpu, start = c->piece_us;

	c->bytes += bytes;
	if (is_ending(c))
		return err_set(e, ERR_BUSY, "the check ends");
	if (c->nested)
		return 0;
	look_at_suspects(c);
	wanted = c->config.rate ? (int64_t)(bytes * 1000000 / c->config.rate) : 0;
	by_cpu = (cpu_us() - c->piece_cpu_us) * 100 / c->config.cpu;
	nap(c, start + (wanted > by_cpu ? wanted : by_cpu) - clock_us());
	c->piece_us = clock_us();
	c->piece_cpu_us = cpu_us();
	return 0;
}

/* --- findings ------------------------------------------------------------------------------------- */

static int add_user(void *ctx, const char *repo, const char *tag, struct err *e)
{
	struct buf *out = ctx;

	(void)e;
	buf_printf(out, "%s%s%s%s", out->len ? "," : "", repo, *tag ? ":" : "", tag);
	return 0;
}

static void users_of(struct checker *c, const struct digest *d, struct buf *out)
{
	struct err ignored = ERR_INIT;

	buf_str(out, "");
	if (blob_users(c->store, d, USERS_MAX, add_user, out, &ignored) < 0)
		buf_str(out, "?");
}

static void list_bad(struct checker *c, const struct digest *d)
{
	c->bad_ones = mem_grow(c->bad_ones, c->bad_count + 1, sizeof(*c->bad_ones));
	c->bad_ones[c->bad_count++] = *d;
}

enum standing { GOOD, BAD, BLOCKED };

static enum standing standing_of(const struct known *k)
{
	return !k || !k->bad ? GOOD : k->blocked ? BLOCKED : BAD;
}

/* How it stood before. */
static enum standing set_standing(
	struct checker *c, const struct digest *d, const struct blob_file *file, enum standing now)
{
	struct known *k;
	enum standing was;

	pthread_mutex_lock(&c->lock);
	k = digest_map_find(&c->known, d);
	was = standing_of(k);
	if (!k && now != GOOD)
		k = digest_map_add(&c->known, d, sizeof(*k));
	if (k)
		*k = (struct known){ *d, now != GOOD, now == BLOCKED, *file };
	if (was == GOOD && now != GOOD)
		list_bad(c, d);
	c->bad += (unsigned)(now != GOOD) - (unsigned)(was != GOOD);
	c->blocked += (unsigned)(now == BLOCKED) - (unsigned)(was == BLOCKED);
	pthread_mutex_unlock(&c->lock);
	if (was != now)
		cache_changed(c->config.cache);
	return was;
}

/* The file of one that is missing or cannot be read may come back: then nothing is written. */
static const char *act(struct checker *c, const struct finding *f, struct err *e)
{
	bool stays = f->fault == BLOB_MISSING || f->fault == BLOB_UNREADABLE;

	if (stays || (!c->mender && !c->may_mark))
		return "not-served";
	if (c->mender && mender_settle(c->mender, f, e) < 0)
		return "failed";
	if (c->mender) {
		(void)set_standing(c, &f->digest, &f->file, BAD);
		return "quarantined";
	}
	return mark_put(c->store, f, e) < 0 ? "failed" : "marked";
}

/* A file that is missing or of another length is not served anyway, and comes back without being asked for
 * again; nor is what has lost its row. */
static enum standing bad_standing(const struct finding *f)
{
	return f->fault == BLOB_BYTES ? BLOCKED : BAD;
}

static void found_bad(struct checker *c, const struct finding *f)
{
	AUTO(buf_release) struct buf users = BUF_INIT;
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	const char *action;

	if (set_standing(c, &f->digest, &f->file, bad_standing(f)) != GOOD)
		return;
	users_of(c, &f->digest, &users);
	action = act(c, f, &e);
	log_fields(LOG_LINE_ERROR, "check.bad", { "digest", digest_text(&f->digest, text), 0 },
		{ "file", f->text, 0 }, { "action", action, 0 }, { "users", users.data, 0 },
		{ "error", e.text, 0 });
}

/* A reader cannot record that a touched file is good: it remembers some. */
static void remember(struct checker *c, const struct finding *f)
{
	struct known *k;

	pthread_mutex_lock(&c->lock);
	k = digest_map_find(&c->known, &f->digest);
	if (!k && (c->first || (f->touched && c->known.count < KNOWN_MAX)))
		k = digest_map_add(&c->known, &f->digest, sizeof(*k));
	if (k)
		k->file = f->file;
	pthread_mutex_unlock(&c->lock);
}

static void found_good(struct checker *c, const struct finding *f)
{
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	if (f->read && set_standing(c, &f->digest, &f->file, GOOD) != GOOD)
		log_fields(LOG_LINE_INFO, "check.good",
			{ "digest", digest_text(&f->digest, text), 0 });
	if (!f->read)
		return;
	c->blobs++;
	if (!c->mender)
		remember(c, f);
	else if (mender_settle(c->mender, f, &e) < 0)
		log_fields(LOG_LINE_ERROR, "check.failed", { "error", e.text, 0 });
}

/* Is this the very file that was looked at before? */
static bool is_known(struct checker *c, const struct finding *f, bool *bad)
{
	const struct known *k;
	bool known;

	pthread_mutex_lock(&c->lock);
	k = digest_map_find(&c->known, &f->digest);
	*bad = k && k->bad;
	known = k && k->file.stamp == f->file.stamp && k->file.size == f->file.size;
	pthread_mutex_unlock(&c->lock);
	return known;
}

static int examine(struct checker *c, const struct digest *d, enum blob_look how, struct finding *f,
	struct err *e)
{
	struct pace pace = { keep_pace, c };

	if (!c->nested) {
		c->piece_us = clock_us();
		c->piece_cpu_us = cpu_us();
	}
	return blob_examine(c->store, d, how, &pace, f, e);
}

/* Its row is no more, or not live: of what somebody needs, the bytes are lost. */
static void found_no_row(struct checker *c, const struct digest *d)
{
	AUTO(buf_release) struct buf users = BUF_INIT;

	users_of(c, d, &users);
	(void)set_standing(c, d, &(struct blob_file){ .size = 0 }, users.len ? BAD : GOOD);
}

static void judge(struct checker *c, const struct digest *d, enum blob_look how)
{
	struct err e = ERR_INIT;
	struct finding f;
	bool bad = false;
	int rc = examine(c, d, LOOK_LENGTH, &f, &e);

	if (rc > 0 && f.fault == BLOB_GOOD) {
		bool known = is_known(c, &f, &bad);

		if ((how != LOOK_BYTES || bad) && known)
			return;
		if (how == LOOK_BYTES || f.touched || bad)
			rc = examine(c, d, LOOK_BYTES, &f, &e);
	}
	if (rc < 0 && !is_ending(c))
		log_fields(LOG_LINE_ERROR, "check.failed", { "error", e.text, 0 });
	if (rc > 0 && f.fault == BLOB_GOOD)
		found_good(c, &f);
	else if (rc > 0)
		found_bad(c, &f);
}

/* --- what is in doubt ----------------------------------------------------------------------------- */

static bool take_suspect(struct checker *c, struct digest *d)
{
	bool any;

	pthread_mutex_lock(&c->lock);
	any = c->suspect_count > 0 && !c->ending;
	if (any)
		*d = c->suspects[--c->suspect_count];
	pthread_mutex_unlock(&c->lock);
	return any;
}

static void judge_doubtful(struct checker *c, const struct digest *d)
{
	struct err e = ERR_INIT;
	struct finding f;
	int rc = examine(c, d, LOOK_LENGTH, &f, &e);

	if (rc == 0)
		found_no_row(c, d);
	else
		judge(c, d, LOOK_BYTES);
}

/* Those who wait for this one; NULL: for any. */
static struct check_waiter *take_waiters(struct checker *c, const struct digest *d)
{
	struct check_waiter *taken = NULL;

	pthread_mutex_lock(&c->lock);
	for (struct check_waiter **at = &c->waiters, *w; (w = *at);) {
		if (d && !digest_eq(&w->digest, d)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = taken;
		taken = w;
	}
	pthread_mutex_unlock(&c->lock);
	return taken;
}

static void tell(struct check_waiter *w)
{
	for (struct check_waiter *next; w; w = next) {
		next = w->next;
		w->done(w);
	}
}

static bool next_waiter(struct checker *c, struct digest *d)
{
	bool any;

	pthread_mutex_lock(&c->lock);
	any = c->waiters && !c->ending;
	if (any)
		*d = c->waiters->digest;
	pthread_mutex_unlock(&c->lock);
	return any;
}

static void look_at_suspects(struct checker *c)
{
	struct digest d;

	c->nested = true;
	while (next_waiter(c, &d)) {
		if (checker_unsure(c, &d))
			judge_doubtful(c, &d);
		tell(take_waiters(c, &d));
	}
	while (take_suspect(c, &d))
		judge_doubtful(c, &d);
	c->nested = false;
}

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
	l->items = mem_grow(l->items, l->count + 1, sizeof(*l->items));
	l->items[l->count++] = *d;
	return 0;
}

static int list_add_aside(void *ctx, const char *where, const char *reason, struct err *e)
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

/* What was bad before this process: not served before it was looked at again. */
static int recall(struct checker *c, struct list *doubtful, struct err *e)
{
	static const struct blob_file none = { .size = 0 };

	if (list_marks(c->store, list_add, doubtful, e) < 0)
		return -1;
	for (size_t i = 0; i < doubtful->count; i++)
		(void)set_standing(c, &doubtful->items[i], &none, BLOCKED);
	return list_quarantine(c->store, list_add_aside, doubtful, e);
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

/* The next ones behind the cursor: false, there are none. */
static bool do_page(struct checker *c, struct blob_cursor *at, enum blob_look how)
{
	struct page page = { .count = 0 };
	struct err e = ERR_INIT;

	if (blobs_after(c->store, at, PAGE, page_add, &page, &e) < 0) {
		log_fields(LOG_LINE_ERROR, "check.failed", { "error", e.text, 0 });
		return false;
	}
	for (size_t i = 0; i < page.count && !is_ending(c); i++) {
		look_at_suspects(c);
		judge(c, &page.items[i], how);
		if (how == LOOK_TOUCHED)
			nap(c, QUICK_NAP_US);
	}
	return page.count > 0;
}

/* The list of those that are bad is taken, and those that still are come back to it. */
static void look_again(struct checker *c)
{
	AUTO(list_release) struct list list = { NULL, 0 };

	pthread_mutex_lock(&c->lock);
	list = (struct list){ STEAL(c->bad_ones), c->bad_count };
	c->bad_count = 0;
	for (size_t i = 0; i < list.count; i++)
		if (standing_of(digest_map_find(&c->known, &list.items[i])) != GOOD)
			list_bad(c, &list.items[i]);
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < list.count && !is_ending(c); i++)
		judge_doubtful(c, &list.items[i]);
	c->again_ms = clock_ms() + AGAIN_MS;
}

static bool has_bad(struct checker *c)
{
	return c->bad > 0;
}

/* Progress that is not to be lost: a writer's in the rows, a reader's in a place. */
static void keep(struct checker *c)
{
	struct err e = ERR_INIT;

	c->kept_ms = clock_ms() + KEEP_MS;
	if (c->mender)
		mender_flush(c->mender);
	else if (c->may_mark && place_keep(c->store, &c->place, &e) < 0)
		log_fields(LOG_LINE_ERROR, "check.failed", { "error", e.text, 0 });
}

/* A pass over what was not read for long, the oldest first. What it read is due again after `every`. */
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
	keep(c);
}

/* A writer knows from its rows what is due, a reader from the time of its last pass. */
static bool is_due(const struct checker *c)
{
	if (!c->config.rate)
		return false;
	return c->place.began || c->mender || now_s() - c->place.done >= c->config.every;
}

/* True: there was something to do. */
static bool work(struct checker *c)
{
	look_at_suspects(c);
	if (has_bad(c) && clock_ms() >= c->again_ms)
		look_again(c);
	if (clock_ms() >= c->kept_ms)
		keep(c);
	if (clock_ms() >= c->quick_ms) {
		if (do_page(c, &c->quick, LOOK_TOUCHED))
			return true;
		c->quick = (struct blob_cursor){ .id = 0 };
		c->quick_ms = clock_ms() + QUICK_MS;
	}
	if (!is_due(c))
		return false;
	if (!c->place.began)
		begin_pass(c);
	if (do_page(c, &c->place.at, LOOK_BYTES))
		return true;
	if (!is_ending(c))
		end_pass(c);
	return false;
}

/* Best effort: a service manager may not let us. */
static void stand_back(void)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	(void)!syscall(SYS_ioprio_set, 1, 0, IOPRIO_IDLE);
	(void)!setpriority(PRIO_PROCESS, (id_t)tid, 19);
}

static void *run(void *cls)
{
	struct checker *c = cls;

	stand_back();
	while (!is_ending(c))
		if (!work(c))
			nap(c, NAP_US);
	keep(c);
	return NULL;
}

/* --- beginning and end ----------------------------------------------------------------------------- */

static int open_check(struct checker *c, struct err *e)
{
	AUTO(list_release) struct list doubtful = { NULL, 0 };
	const struct checker_config *config = &c->config;

	if (config->committer && mender_new(&c->mender, config->store, config->committer, e) < 0)
		return -1;
	if (store_open(&c->store, config->store, STORE_READ, e) < 0 || recall(c, &doubtful, e) < 0)
		return -1;
	for (size_t i = 0; i < doubtful.count; i++)
		checker_suspect(c, &doubtful.items[i]);
	if (c->mender)
		return 0;
	c->may_mark = store_may_mark(c->store, e) > 0;
	c->first = !c->may_mark;
	return c->may_mark && place_recall(c->store, &c->place, e) < 0 ? -1 : 0;
}

int checker_new(struct checker **out, const struct checker_config *config, struct err *e)
{
	AUTO(checker_free) struct checker *c = mem_alloc(sizeof(*c));
	pthread_attr_t stack;
	pthread_condattr_t clock;
	int rc;

	c->config = *config;
	c->kept_ms = clock_ms() + KEEP_MS;
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

void checker_stop(struct checker *c)
{
	if (!c->started)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	c->started = false;
	tell(take_waiters(c, NULL));
}

void checker_free(struct checker **out)
{
	struct checker *c = STEAL(*out);

	if (!c)
		return;
	checker_stop(c);
	mender_free(&c->mender);
	store_close(&c->store);
	digest_map_release(&c->known);
	free(c->bad_ones);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
