/* Count and render metrics. Must never have a label whose values a client can invent. */
#include "registry/ops/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/lock.h"
#include "storage/base/banned.h"

#define TOTALS_MS 60000
#define LINE 64 /* bytes of a cache line */

static const unsigned codes[] = { 200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 413, 414,
	416, 429, 500, 503, 507, 0 };
#define CODES (sizeof(codes) / sizeof(codes[0])) /* the last one: any other, or none */

static const unsigned bounds_us[] = { 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
	500000, 1000000, 2500000, 5000000, 10000000, 60000000 };
#define BOUNDS (sizeof(bounds_us) / sizeof(bounds_us[0]))

typedef _Atomic uint64_t counter;

struct shard {
	counter requests[METRICS_ROUTES_MAX][METRICS_METHODS_MAX][CODES];
	counter within[METRICS_ROUTES_MAX][BOUNDS + 1]; /* not cumulative; the last: longer */
	counter microseconds[METRICS_ROUTES_MAX];
	counter sent[METRICS_ROUTES_MAX], received;
	counter refused[2];
	counter paused;
} __attribute__((aligned(LINE)));

struct metrics {
	const struct metrics_labels *labels;
	unsigned count;
	struct shard *shards;

	int statm, files; /* /proc/self/statm and fd, opened while they may be; -1 */
	struct timespec started;
	pthread_mutex_t lock; /* of what follows */
	struct store_totals totals;
	int64_t counted_ms; /* 0: never */
	bool counting; /* a thread is counting */
};

struct metrics *metrics_new(unsigned shards, const struct metrics_labels *labels)
{
	struct metrics *m = mem_alloc(sizeof(*m));

	if (labels->route_count > METRICS_ROUTES_MAX || labels->method_count > METRICS_METHODS_MAX)
		BUG("more labels than counters");
	m->labels = labels;
	m->count = shards;
	m->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	m->files = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	clock_gettime(CLOCK_REALTIME, &m->started);
	pthread_mutex_init(&m->lock, NULL);
	if (posix_memalign((void **)&m->shards, LINE, shards * sizeof(*m->shards)) != 0)
		BUG("out of memory");
	memset(m->shards, 0, shards * sizeof(*m->shards));
	return m;
}

void metrics_free(struct metrics **m)
{
	if (!*m)
		return;
	fd_close(&(*m)->statm);
	fd_close(&(*m)->files);
	pthread_mutex_destroy(&(*m)->lock);
	free((*m)->shards);
	free(*m);
	*m = NULL;
}

struct shard *metrics_shard(struct metrics *m, unsigned index)
{
	return &m->shards[index];
}

/* Add to a counter: the thread of its shard only. */
static void add(counter *c, uint64_t n)
{
	atomic_store_explicit(
		c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static unsigned code_index(unsigned status)
{
	unsigned i = 0;

	while (i < CODES - 1 && codes[i] != status)
		i++;
	return i;
}

static unsigned bound_index(int64_t us)
{
	unsigned i = 0;

	while (i < BOUNDS && us > (int64_t)bounds_us[i])
		i++;
	return i;
}

void metrics_request(struct shard *s, unsigned route, unsigned method, unsigned status,
	uint64_t sent, uint64_t received, int64_t us)
{
	add(&s->requests[route][method][code_index(status)], 1);
	add(&s->within[route][bound_index(us)], 1);
	add(&s->microseconds[route], us > 0 ? (uint64_t)us : 0);
	add(&s->sent[route], sent);
	add(&s->received, received);
}

void metrics_refused(struct shard *s, bool too_many_of_one)
{
	add(&s->refused[too_many_of_one], 1);
}

void metrics_paused(struct shard *s)
{
	add(&s->paused, 1);
}

uint64_t metrics_resident(const struct metrics *m)
{
	unsigned long long pages = 0;
	char text[128];
	ssize_t n = m->statm < 0 ? -1 : pread(m->statm, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%*u %llu", &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

double metrics_started(const struct metrics *m)
{
	return (double)m->started.tv_sec + (double)m->started.tv_nsec / 1e9;
}

/* Count the names in a folder, without "." and "..". */
static uint64_t count_names(int dir)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint64_t count = 0;

	if (!d) {
		fd_close(&fd);
		return 0;
	}
	rewinddir(d); /* the copy shares its position with the original */
	for (const struct dirent *entry = readdir(d); entry; entry = readdir(d))
		count += entry->d_name[0] != '.';
	closedir(d);
	return count > 0 ? count - 1 : 0; /* the copy is not there any more */
}

/* Count the open files. Linux 6.2 and later give the number as the folder's size. */
uint64_t metrics_files(struct metrics *m)
{
	struct stat st;

	if (m->files < 0 || fstat(m->files, &st) < 0)
		return 0;
	if (st.st_size > 0)
		return (uint64_t)st.st_size;
	LOCK_SCOPE(&m->lock);
	return count_names(m->files);
}

/* Must the caller count now? Otherwise *out is what was counted last. */
static bool must_count(struct metrics *m, int64_t now_ms, struct store_totals *out)
{
	bool due, mine;

	LOCK_SCOPE(&m->lock);
	due = !m->counted_ms || now_ms - m->counted_ms > TOTALS_MS;
	mine = due && (!m->counting || !m->counted_ms);
	m->counting |= mine;
	*out = m->totals;
	return mine;
}

int metrics_totals(
	struct metrics *m, struct store *s, int64_t now_ms, struct store_totals *out, struct err *e)
{
	int rc;

	if (!must_count(m, now_ms, out))
		return 0;
	rc = store_totals(s, out, e);
	LOCK_SCOPE(&m->lock);
	m->counting = false;
	m->counted_ms = rc == 0 ? now_ms : 0;
	if (rc == 0)
		m->totals = *out;
	return rc;
}

/* --- writing --------------------------------------------------------------------------------- */

/* Add up a counter over all shards; `first`: that of the first one. */
static uint64_t sum(const struct metrics *m, const counter *first)
{
	size_t offset = (size_t)((const char *)first - (const char *)m->shards);
	uint64_t total = 0;

	for (unsigned i = 0; i < m->count; i++) {
		const counter *c =
			(const counter *)(const void *)((const char *)&m->shards[i] + offset);

		total += atomic_load_explicit(c, memory_order_relaxed);
	}
	return total;
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_number(
	struct buf *out, const char *name, const char *type, const char *help, double value)
{
	head(out, name, type, help);
	buf_printf(out, "%s %.15g\n", name, value);
}

static void write_requests(const struct metrics *m, struct buf *out)
{
	head(out, "moat_http_requests_total", "counter", "Requests answered.");
	for (unsigned r = 0; r < m->labels->route_count; r++)
		for (unsigned k = 0; k < m->labels->method_count; k++)
			for (size_t c = 0; c < CODES; c++) {
				uint64_t n = sum(m, &m->shards[0].requests[r][k][c]);
				char code[16] = "other";

				if (n == 0)
					continue;
				if (codes[c])
					snprintf(code, sizeof(code), "%u", codes[c]);
				buf_printf(out,
					"moat_http_requests_total{route=\"%s\",method=\"%s\","
					"code=\"%s\"} %" PRIu64 "\n",
					m->labels->routes[r], m->labels->methods[k], code, n);
			}
}

static void write_histogram(const struct metrics *m, unsigned r, struct buf *out)
{
	uint64_t count = 0;

	for (size_t i = 0; i < BOUNDS; i++) {
		count += sum(m, &m->shards[0].within[r][i]);
		buf_printf(out,
			"moat_http_request_duration_seconds_bucket{route=\"%s\",le=\"%g\"} %" PRIu64
			"\n",
			m->labels->routes[r], bounds_us[i] / 1e6, count);
	}
	count += sum(m, &m->shards[0].within[r][BOUNDS]);
	buf_printf(out,
		"moat_http_request_duration_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n"
		"moat_http_request_duration_seconds_sum{route=\"%s\"} %.6f\n"
		"moat_http_request_duration_seconds_count{route=\"%s\"} %" PRIu64 "\n",
		m->labels->routes[r], count, m->labels->routes[r],
		(double)sum(m, &m->shards[0].microseconds[r]) / 1e6, m->labels->routes[r], count);
}

static void write_sent(const struct metrics *m, struct buf *out)
{
	head(out, "moat_http_response_bytes_total", "counter", "Bytes of bodies announced.");
	for (unsigned r = 0; r < m->labels->route_count; r++)
		buf_printf(out, "moat_http_response_bytes_total{route=\"%s\"} %" PRIu64 "\n",
			m->labels->routes[r], sum(m, &m->shards[0].sent[r]));
}

void metrics_write(const struct metrics *m, struct buf *out)
{
	write_requests(m, out);
	head(out, "moat_http_request_duration_seconds", "histogram",
		"From the request line to the last byte sent.");
	for (unsigned r = 0; r < m->labels->route_count; r++)
		write_histogram(m, r, out);
	write_sent(m, out);
	metrics_number(out, "moat_http_request_bytes_total", "counter", "Bytes of bodies received.",
		(double)sum(m, &m->shards[0].received));
	head(out, "moat_http_connections_refused_total", "counter", "Connections turned away.");
	for (int i = 0; i < 2; i++)
		buf_printf(out, "moat_http_connections_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			i ? "address" : "total", sum(m, &m->shards[0].refused[i]));
	metrics_number(out, "moat_http_accept_pauses_total", "counter",
		"Pauses in accepting connections, as no descriptor was free.",
		(double)sum(m, &m->shards[0].paused));
}
