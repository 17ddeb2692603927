/* GET /metrics: the counters, and the state of the server now. */
#include <math.h>
#include <sys/resource.h>
#include <time.h>

#include "registry/ops/old_sets.h"
#include "registry/dispatch.h"
#include "registry/ops/clients.h"
#include "registry/ops/fair_queue.h"
#include "registry/ops/metrics.h"
#include "registry/push/push.h"
#include "storage/base/banned.h"
#include "storage/base/clock.h"

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
	metrics_number(out, name, "gauge", help, value);
}

static void add_server(const struct dispatch *d, struct buf *out)
{
	unsigned active = 0, waiting = 0;

	gauge(out, "moat_http_connections", "Connections now.", clients_count(d->clients));
	fair_queue_count(d->bodies, &active, &waiting);
	gauge(out, "moat_pull_bodies_active", "Large bodies being sent.", active);
	gauge(out, "moat_pull_queue_waiting", "Requests that wait for their turn.", waiting);
}

/* A line a rule: the administrator wrote them, no client can add one. */
static void add_quotas(const struct quotas *q, struct buf *out)
{
	if (!q || !q->count)
		return;
	buf_str(out, "# HELP moat_quota_refused_total Pushes that a quota refused.\n"
		     "# TYPE moat_quota_refused_total counter\n");
	for (size_t i = 0; i < q->count; i++)
		buf_printf(out, "moat_quota_refused_total{quota=\"%s\"} %llu\n",
			q->items[i].pattern, (unsigned long long)q->items[i].refused);
	buf_str(out, "# HELP moat_quota_bytes Most bytes of a repository of that quota.\n"
		     "# TYPE moat_quota_bytes gauge\n");
	for (size_t i = 0; i < q->count; i++)
		buf_printf(out, "moat_quota_bytes{quota=\"%s\"} %llu\n", q->items[i].pattern,
			(unsigned long long)q->items[i].bytes);
}

static void add_pushes(const struct push_service *w, struct buf *out)
{
	uint64_t groups = 0, changes = 0;

	if (!w || !w->committer)
		return;
	add_quotas(w->quotas, out);
	committer_counts(w->committer, &groups, &changes);
	gauge(out, "moat_uploads_open", "Upload sessions.", uploads_open(w->uploads));
	gauge(out, "moat_upload_bytes_staged", "Bytes of them, without requests on their way.",
		(double)uploads_staged(w->uploads));
	metrics_number(
		out, "moat_commit_groups_total", "counter", "Durable commits.", (double)groups);
	metrics_number(
		out, "moat_commit_changes_total", "counter", "Changes in them.", (double)changes);
}

static void add_cache(struct cache *c, struct buf *out)
{
	uint64_t hits = 0, puts = 0;

	cache_counts(c, &hits, &puts);
	metrics_number(
		out, "moat_cache_hits_total", "counter", "Answers from the cache.", (double)hits);
	metrics_number(out, "moat_cache_misses_total", "counter",
		"Found in the store instead, and put into the cache.", (double)puts);
}

/* Add the state of the check. A blob that was never read, or not since that was recorded, has an infinite
 * age. */
static void add_check(const struct dispatch *d, struct buf *out)
{
	struct check_counts counts;
	struct err ignored = ERR_INIT;
	int64_t oldest = 0;
	double age;

	if (!d->context.checker)
		return;
	checker_counts(d->context.checker, &counts);
	if (blobs_oldest(d->context.store, &oldest, &ignored) < 0 || oldest < counts.pass)
		oldest = counts.pass;
	age = oldest ? difftime(clock_now(), (time_t)oldest) : (double)INFINITY;
	metrics_number(out, "moat_check_blobs_total", "counter",
		"Blobs whose bytes were read again.", (double)counts.blobs);
	metrics_number(out, "moat_check_bytes_total", "counter", "Bytes that were read for that.",
		(double)counts.bytes);
	gauge(out, "moat_check_bad_blobs", "Blobs that are bad or missing, and needed.",
		counts.bad);
	gauge(out, "moat_check_oldest_seconds",
		"Since the bytes of the blob that waits longest were read.", age);
}

static void add_process(struct metrics *m, struct buf *out)
{
	uint64_t resident = metrics_resident(m), files = metrics_files(m);
	struct rusage use;

	if (resident)
		gauge(out, "process_resident_memory_bytes", "Resident memory.", (double)resident);
	if (files)
		gauge(out, "process_open_fds", "Open files.", (double)files);
	gauge(out, "process_start_time_seconds", "When it began to count, since the epoch.",
		metrics_started(m));
	getrusage(RUSAGE_SELF, &use);
	metrics_number(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
		(double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
			(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
}

/* Add an active set, as labels: there are few. */
static int add_set(void *ctx, const struct set_info *set, struct err *e)
{
	(void)e;
	buf_printf(ctx, "moat_set_generation{channel=\"%s\",version=\"%s\",digest=\"%s\"} %llu\n",
		set->name, set->version, digest_text(&set->digest, (char[DIGEST_TEXT_SIZE]){ "" }),
		(unsigned long long)set->generation);
	return 0;
}

static int add_expired(void *ctx, const struct set_info *set, struct err *e)
{
	(void)e;
	buf_printf(ctx, "moat_set_expired{channel=\"%s\",version=\"%s\"} %d\n", set->name,
		set->version, set_info_expired(set, clock_now()));
	return 0;
}

static int add_age(void *ctx, const struct set_info *set, struct err *e)
{
	(void)e;
	buf_printf(ctx, "moat_set_age_seconds{channel=\"%s\",version=\"%s\"} %lld\n", set->name,
		set->version, (long long)old_set_age(set, clock_now()));
	return 0;
}

/* Add the state of the store. Totals count rows, so they are counted once a minute, however often they are
 * asked for. */
static int add_store(struct dispatch *d, struct buf *out, struct err *e)
{
	struct store_totals t;
	uint64_t left = 0;

	if (metrics_totals(d->metrics, d->context.store, d->context.now_ms, &t, e) < 0 ||
		store_free_bytes(d->context.store, &left, e) < 0)
		return -1;
	gauge(out, "moat_store_blobs", "Blobs held.", (double)t.blobs);
	gauge(out, "moat_store_bytes", "Bytes of them.", (double)t.bytes);
	gauge(out, "moat_store_manifests", "Manifests among them.", (double)t.manifests);
	gauge(out, "moat_store_repositories", "Repositories.", (double)t.repos);
	gauge(out, "moat_store_sets", "Sets held.", (double)t.sets);
	gauge(out, "moat_store_free_bytes", "Space left for blobs.", (double)left);
	buf_str(out, "# HELP moat_set_generation The active generation of each channel.\n"
		     "# TYPE moat_set_generation gauge\n");
	if (list_active_sets(d->context.store, add_set, out, e) < 0)
		return -1;
	buf_str(out, "# HELP moat_set_expired 1: the active set of the channel has expired.\n"
		     "# TYPE moat_set_expired gauge\n");
	if (list_active_sets(d->context.store, add_expired, out, e) < 0)
		return -1;
	buf_str(out, "# HELP moat_set_age_seconds Since the active set of the channel was sealed.\n"
		     "# TYPE moat_set_age_seconds gauge\n");
	return list_active_sets(d->context.store, add_age, out, e);
}

/* Add the state of the store if it answers. A store that fails must not take the counters with it: then they
 * are needed most. */
static void add_store_or_not(struct dispatch *d, struct buf *out)
{
	AUTO(buf_release) struct buf store = BUF_INIT;
	struct err e;
	bool up = add_store(d, &store, &e) == 0;

	gauge(out, "moat_store_up", "1: the store answers; 0: what it would say is missing.", up);
	if (up)
		buf_add(out, store.data, store.len);
}

int get_metrics(struct dispatch *d, struct reply *r)
{
	if (!d->metrics)
		return reply_error(r, 404, "UNSUPPORTED", "no such path in this registry");
	metrics_write(d->metrics, &r->bytes);
	add_server(d, &r->bytes);
	add_pushes(d->push, &r->bytes);
	add_cache(d->context.cache, &r->bytes);
	add_process(d->metrics, &r->bytes);
	add_check(d, &r->bytes);
	add_store_or_not(d, &r->bytes);
	buf_str(&r->bytes, "# HELP moat_build_info This program.\n# TYPE moat_build_info gauge\n"
			   "moat_build_info{version=\"" MOAT_VERSION "\"} 1\n");
	reply_header(r, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	reply_header(r, "Cache-Control", "no-store");
	return 0;
}
