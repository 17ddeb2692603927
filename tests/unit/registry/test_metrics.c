/* What /metrics says, read by a parser that takes nothing on trust. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "registry/dispatch.h"
#include "registry/ops/clients.h"
#include "registry/ops/metrics.h"
#include "registry/ops/fair_queue.h"
#include "registry/push/push.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "storage/base/clock.h"

struct fixture {
	struct sandbox *sb;
	struct store *writer;
	struct dispatch dispatch;
	struct reply reply;
};

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	void *sandbox = NULL;

	if (sandbox_setup(&sandbox) != 0)
		return -1;
	f->sb = sandbox;
	f->writer = sandbox_store(f->sb, "store", STORE_WRITE);
	f->dispatch = (struct dispatch){ .clients = clients_new(10, 10),
		.bodies = fair_queue_new(4, false),
		.metrics = metrics_new(2, &dispatch_labels),
		.context = { .store = sandbox_store(f->sb, "store", STORE_READ),
			.cache = cache_new(1 << 20, 64),
			.now_ms = 1000 } };
	reply_init(&f->reply);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *sandbox = f->sb;

	reply_release(&f->reply);
	metrics_free(&f->dispatch.metrics);
	fair_queue_free(&f->dispatch.bodies);
	clients_free(&f->dispatch.clients);
	cache_free(&f->dispatch.context.cache);
	store_close(&f->dispatch.context.store);
	store_close(&f->writer);
	mem_free(&f);
	return sandbox_teardown(&sandbox);
}

static const char *scrape(struct fixture *f)
{
	struct err e = ERR_INIT;

	reply_release(&f->reply);
	reply_init(&f->reply);
	assert_ok(get_metrics(&f->dispatch, &f->reply));
	assert_int_equal(f->reply.status, 200);
	return f->reply.bytes.data;
}

/* The value of a series that must be there. */
static double value_of(const char *text, const char *series)
{
	AUTO(mem_free) char *start = mem_printf("\n%s ", series);
	const char *at = strstr(text, start);

	if (!at)
		fail_msg("no %s in:\n%s", series, text);
	return strtod(at + strlen(start), NULL);
}

/* --- a strict parser ------------------------------------------------------------------------- */

#define SERIES_MAX 2000

struct parser {
	char family[128], type[16];
	char families[SERIES_MAX][128];
	char series[SERIES_MAX][256];
	size_t family_count, series_count;
	bool has_type;
	double last_bucket, infinite; /* of the histogram that is being read */
	char bucket_labels[128];
};

static size_t name_length(const char *s)
{
	return strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789");
}

static void once(char seen[], size_t width, size_t *count, const char *text)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(seen + i * width, text) == 0)
			fail_msg("twice: %s", text);
	assert_true(*count < SERIES_MAX && strlen(text) < width);
	snprintf(seen + (*count)++ * width, width, "%s", text);
}

static void read_help(struct parser *p, const char *line)
{
	size_t n = name_length(line);

	assert_true(n > 0 && n < sizeof(p->family) && line[n] == ' ' && line[n + 1]);
	snprintf(p->family, sizeof(p->family), "%.*s", (int)n, line);
	once(p->families[0], sizeof(p->families[0]), &p->family_count, p->family);
	p->has_type = false;
}

static void read_type(struct parser *p, const char *line)
{
	size_t n = strlen(p->family);

	if (strncmp(line, p->family, n) != 0 || line[n] != ' ' || p->has_type)
		fail_msg("type without its help: %s", line);
	snprintf(p->type, sizeof(p->type), "%s", line + n + 1);
	if (strcmp(p->type, "counter") == 0)
		assert_true(n > 6 && strcmp(p->family + n - 6, "_total") == 0);
	else
		assert_true(strcmp(p->type, "gauge") == 0 || strcmp(p->type, "histogram") == 0);
	p->has_type = true;
}

/* name="value",...}: to behind the brace. */
static const char *skip_labels(const char *at)
{
	for (;;) {
		size_t n = name_length(at);

		assert_true(n > 0 && at[n] == '=' && at[n + 1] == '"');
		at += n + 2;
		at += strcspn(at, "\"\\\n");
		assert_int_equal(*at, '"');
		at++;
		if (*at == '}')
			return at + 1;
		assert_int_equal(*at++, ',');
	}
}

/* Buckets rise up to +Inf, which is the count. */
static void read_histogram(struct parser *p, const char *part, const char *labels, double value)
{
	const char *le = strstr(labels, ",le=");
	size_t n = le ? (size_t)(le - labels) : 0;

	if (strcmp(part, "_bucket") == 0) {
		assert_non_null(le);
		if (strncmp(p->bucket_labels, labels, n) != 0 || p->bucket_labels[n])
			p->last_bucket = 0;
		snprintf(p->bucket_labels, sizeof(p->bucket_labels), "%.*s", (int)n, labels);
		assert_true(value >= p->last_bucket);
		p->last_bucket = value;
		p->infinite = strncmp(le, ",le=\"+Inf\"", 10) == 0 ? value : -1;
	} else if (strcmp(part, "_count") == 0) {
		assert_true(value == p->infinite);
	} else {
		assert_string_equal(part, "_sum");
	}
}

static void read_sample(struct parser *p, const char *line)
{
	size_t n = name_length(line), family = strlen(p->family);
	const char *labels = line + n, *end = labels;
	char part[128], series[256], *rest;
	double value;

	assert_true(p->has_type && n >= family && strncmp(line, p->family, family) == 0);
	snprintf(part, sizeof(part), "%.*s", (int)(n - family), line + family);
	if (*labels == '{')
		end = skip_labels(++labels);
	assert_int_equal(*end, ' ');
	value = strtod(end + 1, &rest);
	assert_true(rest > end + 1 && *rest == '\0');
	snprintf(series, sizeof(series), "%.*s", (int)(end - line), line);
	once(p->series[0], sizeof(p->series[0]), &p->series_count, series);
	if (strcmp(p->type, "histogram") == 0)
		read_histogram(p, part, labels, value);
	else
		assert_string_equal(part, "");
}

static void read_exposition(const char *text)
{
	AUTO(mem_free) struct parser *p = mem_alloc(sizeof(*p));
	struct span rest = span_of(text);

	assert_true(rest.len > 0 && text[rest.len - 1] == '\n');
	while (rest.len > 0) {
		struct span line = span_until(&rest, '\n');
		AUTO(mem_free) char *copy = mem_strndup(line.data, line.len);

		if (strncmp(copy, "# HELP ", 7) == 0)
			read_help(p, copy + 7);
		else if (strncmp(copy, "# TYPE ", 7) == 0)
			read_type(p, copy + 7);
		else
			read_sample(p, copy);
	}
}

/* --- tests ----------------------------------------------------------------------------------- */

static void metrics__every_family_is_well_formed(void **state)
{
	struct fixture *f = *state;

	for (int route = 0; route < ROUTE_COUNT; route++)
		for (int method = 0; method <= METHOD_OTHER; method++)
			metrics_request(metrics_shard(f->dispatch.metrics, (unsigned)route % 2),
				(enum route_kind)route, (enum method)method, 200 + (unsigned)method,
				1, 2, 600LL * (method + 1) * (route + 1));
	read_exposition(scrape(f));
	assert_string_equal(
		reply_get(&f->reply, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
}

static double in_bucket(const struct buf *text, const char *le)
{
	AUTO(mem_free)
	char *series = mem_printf(
		"moat_http_request_duration_seconds_bucket{route=\"tags\",le=\"%s\"}", le);

	return value_of(text->data, series);
}

static void metrics__edges_of_the_histogram(void **state)
{
	static const struct {
		int64_t us;
		const char *le;
		const char *below; /* a bucket that it is not in; NULL none */
	} cases[] = { { 0, "0.0005", NULL }, { -5, "0.0005", NULL }, { 500, "0.0005", NULL },
		{ 501, "0.001", "0.0005" }, { 60000000, "60", "10" }, { 60000001, "+Inf", "60" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct metrics *m = metrics_new(1, &dispatch_labels);
		AUTO(buf_release) struct buf text = BUF_INIT;

		metrics_request(
			metrics_shard(m, 0), ROUTE_TAGS, METHOD_GET, 200, 0, 0, cases[i].us);
		metrics_write(m, &text);
		metrics_free(&m);
		assert_true(in_bucket(&text, cases[i].le) == 1);
		if (cases[i].below)
			assert_true(in_bucket(&text, cases[i].below) == 0);
	}
}

static void metrics__what_the_store_holds(void **state)
{
	struct image_want want = { .seed = "nginx", .layers = 2, .layer_size = 2048 };
	struct fixture *f = *state;
	struct digest d;
	struct err e;

	assert_true(value_of(scrape(f), "moat_store_repositories") == 0);
	d = image_make(f->writer, NULL, &want);
	assert_ok(image_put(f->writer, "docker.io/library/nginx", "1", &d, MEDIA_OCI_MANIFEST, &e));
	f->dispatch.context.now_ms += 60000;
	assert_true(value_of(scrape(f), "moat_store_repositories") == 0);
	f->dispatch.context.now_ms += 1;
	assert_true(value_of(scrape(f), "moat_store_repositories") == 1);
	assert_true(value_of(f->reply.bytes.data, "moat_store_manifests") == 1);
	assert_true(value_of(f->reply.bytes.data, "moat_store_blobs") == 4);
	assert_true(value_of(f->reply.bytes.data, "moat_store_up") == 1);
}

static void metrics__hits_and_misses(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct digest d;
	bool fresh = false;

	buf_str(&bytes, "{}");
	digest_of(&d, DIGEST_SHA256, buf_span(&bytes));
	AUTO(content_unref) struct content *c = content_bytes(&d, MEDIA_OCI_MANIFEST, &bytes, "");
	assert_null(cache_get(f->dispatch.context.cache, span_of("/a"), &fresh));
	cache_put(f->dispatch.context.cache, span_of("/a"), cache_epoch(f->dispatch.context.cache),
		c);
	for (int i = 0; i < 3; i++) {
		AUTO(content_unref)
		struct content *hit = cache_get(f->dispatch.context.cache, span_of("/a"), &fresh);
		assert_true(hit && fresh);
	}
	cache_changed(f->dispatch.context.cache);
	AUTO(content_unref) struct content *old =
			cache_get(f->dispatch.context.cache, span_of("/a"), &fresh);
	assert_true(old && !fresh);
	assert_true(value_of(scrape(f), "moat_cache_hits_total") == 3);
	assert_true(value_of(f->reply.bytes.data, "moat_cache_misses_total") == 1);
}

static void metrics__the_process(void **state)
{
	struct fixture *f = *state;
	double before = value_of(scrape(f), "process_open_fds"), after;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	after = value_of(scrape(f), "process_open_fds");
	close(fds[0]);
	close(fds[1]);
	assert_true(after == before + 2);
	assert_true(value_of(scrape(f), "process_open_fds") == before);
	assert_true(value_of(f->reply.bytes.data, "process_resident_memory_bytes") > 0);
	assert_true(value_of(f->reply.bytes.data, "process_start_time_seconds") <=
		    (double)clock_now() + 1);
	assert_true(value_of(f->reply.bytes.data, "process_start_time_seconds") >
		    (double)clock_now() - 3600);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(metrics__every_family_is_well_formed),
		T(metrics__edges_of_the_histogram),
		T(metrics__what_the_store_holds),
		T(metrics__hits_and_misses),
		T(metrics__the_process),
	};

	return cmocka_run_group_tests_name("registry/metrics", tests, NULL, NULL);
}
