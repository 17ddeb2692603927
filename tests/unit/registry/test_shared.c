/* Turns, upload sessions, jobs, metrics and log lines: what the server's threads share. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/dispatch.h"
#include "registry/ops/access_log.h"
#include "registry/ops/metrics.h"
#include "registry/ops/fair_queue.h"
#include "registry/push/jobs.h"
#include "registry/push/uploads.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

/* --- turns ---------------------------------------------------------------------------------- */

struct waiter {
	struct fair_turn turn;
	char name;
	bool paused;
};

static char order[64];

static void went(struct fair_turn *t)
{
	struct waiter *w = (struct waiter *)(void *)t;
	size_t n = strlen(order);

	assert_true(w->paused);
	order[n] = w->name;
	order[n + 1] = '\0';
}

static void paused(struct fair_turn *t)
{
	((struct waiter *)(void *)t)->paused = true;
}

static bool enter(
	struct fair_queue *t, struct waiter *w, char name, const void *client, int64_t now)
{
	*w = (struct waiter){ .turn.go = went, .name = name };
	return fair_queue_enter(t, &w->turn, &(struct fair_client){ .id = client }, now, paused);
}

/* Client 1 asks for much, 2 and 3 for little: each is served in turn. */
static void fair_queue__client_by_client(void **state)
{
	struct fair_queue *t = fair_queue_new(4, false);
	struct waiter w[10];
	unsigned active, waiting;
	int one, two, three;

	(void)state;
	order[0] = '\0';
	assert_true(enter(t, &w[0], 'a', &one, 0));
	assert_true(enter(t, &w[1], 'b', &one, 0));
	for (int i = 2; i < 6; i++)
		assert_false(enter(t, &w[i], (char)('a' + i), &one, 0));
	assert_true(enter(t, &w[6], 'X', &two, 0)); /* half of the turns are for others */
	assert_true(enter(t, &w[7], 'Y', &three, 0));
	assert_false(enter(t, &w[8], 'Z', &two, 0));
	fair_queue_count(t, &active, &waiting);
	assert_int_equal(active, 4);
	assert_int_equal(waiting, 5);
	for (int i = 0; i < 9; i++)
		fair_queue_leave(t, &w[i].turn);
	assert_string_equal(order, "cZdef");
	fair_queue_count(t, &active, &waiting);
	assert_int_equal(active, 0);
	assert_int_equal(waiting, 0);
	assert_true(enter(t, &w[9], 'n', &one, 0));
	fair_queue_leave(t, &w[9].turn);
	fair_queue_free(&t);
}

/* Client 1 reads slowly, and asks for more than there is. */
static void fair_queue__one_client_has_half(void **state)
{
	struct fair_queue *t = fair_queue_new(4, false);
	struct waiter w[7];
	unsigned active, waiting;
	int one, two;

	(void)state;
	order[0] = '\0';
	for (int i = 0; i < 4; i++)
		assert_int_equal(enter(t, &w[i], (char)('a' + i), &one, 0), i < 2);
	for (int i = 4; i < 7; i++) {
		assert_true(enter(t, &w[i], 'x', &two, 0));
		fair_queue_leave(t, &w[i].turn);
	}
	assert_string_equal(order, "");
	fair_queue_count(t, &active, &waiting);
	assert_int_equal(active, 2);
	assert_int_equal(waiting, 2);
	for (int i = 0; i < 4; i++)
		fair_queue_leave(t, &w[i].turn);
	assert_string_equal(order, "cd");
	fair_queue_free(&t);
}

static void fair_queue__newest_first(void **state)
{
	struct fair_queue *t = fair_queue_new(2, true);
	struct waiter w[5];
	int clients[5];

	(void)state;
	order[0] = '\0';
	for (int i = 0; i < 5; i++)
		assert_int_equal(enter(t, &w[i], (char)('a' + i), &clients[i], 0), i < 2);
	for (const char *over = "abedc"; *over; over++)
		fair_queue_leave(t, &w[*over - 'a'].turn);
	assert_string_equal(order, "edc");
	fair_queue_free(&t);
}

static bool enter_last(struct fair_queue *t, struct waiter *w, char name, const void *client)
{
	*w = (struct waiter){ .turn.go = went, .name = name };
	return fair_queue_enter(t, &w->turn, &(struct fair_client){ client, true }, 0, paused);
}

/* Whoever guesses passwords, from however many addresses, comes behind a first login. */
static void fair_queue__suspects_come_last(void **state)
{
	struct fair_queue *t = fair_queue_new(2, false);
	struct waiter w[6];
	int one, two, three, four;

	(void)state;
	order[0] = '\0';
	assert_true(enter_last(t, &w[0], 'a', &one));
	assert_true(enter_last(t, &w[1], 'b', &two));
	assert_false(enter_last(t, &w[2], 'c', &two));
	assert_false(enter_last(t, &w[3], 'd', &three));
	assert_false(enter(t, &w[4], 'X', &four, 0));
	fair_queue_leave(t, &w[0].turn);
	assert_string_equal(order, "X");
	assert_false(enter(t, &w[0], 'Y', &one, 0)); /* no suspect any more */
	fair_queue_leave(t, &w[4].turn);
	assert_string_equal(order, "XY");
	for (int i = 0; i < 4; i++)
		fair_queue_leave(t, &w[i].turn);
	assert_int_equal(strlen(order), 4);
	fair_queue_free(&t);
}

/* Else those who guess would have all threads to themselves once they had waited long enough. */
static void fair_queue__suspects_do_not_expire(void **state)
{
	struct fair_queue *t = fair_queue_new(1, true);
	struct waiter w[4];
	int one, two;

	(void)state;
	order[0] = '\0';
	assert_true(enter(t, &w[0], 'a', &one, 0));
	assert_false(enter_last(t, &w[1], 'b', &two));
	assert_false(enter_last(t, &w[2], 'c', &two));
	fair_queue_expire(t, INT64_MAX - 1);
	assert_string_equal(order, "");
	assert_false(enter(t, &w[3], 'X', &one, 0));
	fair_queue_leave(t, &w[0].turn);
	assert_string_equal(order, "X");
	fair_queue_expire(t, INT64_MAX);
	assert_string_equal(order, "Xbc");
	for (int i = 1; i < 4; i++)
		fair_queue_leave(t, &w[i].turn);
	fair_queue_free(&t);
}

static void fair_queue__every_turn_comes(void **state)
{
	struct fair_queue *t = fair_queue_new(1, false);
	struct waiter w[4];
	unsigned active, waiting;
	int one, two;

	(void)state;
	order[0] = '\0';
	assert_true(enter(t, &w[0], 'a', &one, 100));
	assert_false(enter(t, &w[1], 'b', &one, 100));
	assert_false(enter(t, &w[2], 'c', &two, 200));
	fair_queue_expire(t, 50);
	assert_string_equal(order, "");
	fair_queue_expire(t, 150);
	assert_string_equal(order, "b");
	fair_queue_count(t, &active, &waiting);
	assert_int_equal(active, 2);
	fair_queue_leave(t, &w[0].turn); /* still as many as there may be */
	assert_string_equal(order, "b");
	fair_queue_leave(t, &w[1].turn);
	assert_string_equal(order, "bc");
	fair_queue_leave(t, &w[2].turn);
	fair_queue_free(&t);
}

/* --- jobs ----------------------------------------------------------------------------------- */

struct add {
	struct job job;
	_Atomic(int) *sum;
};

static void add_one(struct job *j)
{
	(*((struct add *)(void *)j)->sum)++;
	free(j);
}

static void jobs__all_are_run(void **state)
{
	_Atomic(int) sum = 0;
	struct jobs *own = NULL;
	struct err e;

	(void)state;
	assert_ok(jobs_new(&own, 4, &e));
	for (int i = 0; i < 1000; i++) {
		struct add *a = mem_alloc(sizeof(*a));

		a->job.run = add_one;
		a->sum = &sum;
		if (i == 900) {
			jobs_stop(own);
			assert_int_equal(sum, 900);
		}
		jobs_add(own, &a->job);
	}
	assert_int_equal(sum, 1000);
	jobs_free(&own);
}

/* --- upload sessions ------------------------------------------------------------------------ */

static const struct uploads_limits limits = { .total = 4, .each = 3, .expiry_seconds = 10 };
static struct jobs *jobs; /* without workers: what they are given is done at once */

static int stopped_jobs(void **state)
{
	struct err e;

	(void)state;
	assert_ok(jobs_new(&jobs, 0, &e));
	jobs_stop(jobs);
	return 0;
}

static int free_jobs(void **state)
{
	(void)state;
	jobs_free(&jobs);
	return 0;
}

static void uploads__belong_to_who_began_them(void **state)
{
	AUTO(uploads_free) struct uploads *u = uploads_new(&limits, jobs);
	struct upload *up = NULL, *again = NULL;
	struct digest d;
	char id[SESSION_ID_SIZE];

	(void)state;
	assert_int_equal(uploads_begin(u, "team/app", "alice", DIGEST_SHA256, 0, &up), UPLOADS_OK);
	memcpy(id, up->id, sizeof(id));
	assert_int_equal(uploads_take(u, id, "team/app", "alice", 0, &again, &d), UPLOADS_TAKEN);
	uploads_give(u, &up, 0);
	assert_null(up);
	assert_int_equal(uploads_take(u, id, "team/app", "bob", 0, &up, &d), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_take(u, id, "team/app", "", 0, &up, &d), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_take(u, id, "team/other", "alice", 0, &up, &d), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_take(u, "", "team/app", "alice", 0, &up, &d), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_take(u, id, "team/app", "alice", 0, &up, &d), UPLOADS_OK);
	uploads_give(u, &up, 0);
}

static void uploads__as_many_as_there_may_be(void **state)
{
	AUTO(uploads_free) struct uploads *u = uploads_new(&limits, jobs);
	struct upload *up[5] = { NULL };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			uploads_begin(u, "a", "alice", DIGEST_SHA256, 0, &up[i]), UPLOADS_OK);
	assert_int_equal(uploads_begin(u, "a", "alice", DIGEST_SHA256, 0, &up[4]), UPLOADS_FULL);
	assert_int_equal(uploads_begin(u, "a", "bob", DIGEST_SHA256, 0, &up[3]), UPLOADS_OK);
	assert_int_equal(uploads_begin(u, "a", "carol", DIGEST_SHA256, 0, &up[4]), UPLOADS_FULL);
	assert_int_equal(uploads_open(u), 4);
	uploads_drop(u, &up[0]);
	assert_int_equal(uploads_begin(u, "a", "carol", DIGEST_SHA256, 0, &up[4]), UPLOADS_OK);
	for (int i = 1; i < 5; i++)
		uploads_drop(u, &up[i]);
	assert_int_equal(uploads_open(u), 0);
}

/* Clients that left without a word do not keep others out. */
static void uploads__the_idlest_makes_room(void **state)
{
	AUTO(uploads_free) struct uploads *u = uploads_new(&limits, jobs);
	struct upload *up[4] = { NULL }, *more = NULL, *again = NULL;
	char id[SESSION_ID_SIZE];
	struct digest d;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			uploads_begin(u, "a", "alice", DIGEST_SHA256, 0, &up[i]), UPLOADS_OK);
	memcpy(id, up[1]->id, sizeof(id));
	uploads_give(u, &up[0], 200);
	uploads_give(u, &up[1], 100);
	assert_int_equal(uploads_begin(u, "a", "alice", DIGEST_SHA256, UPLOADS_EVICT_MS, &more),
		UPLOADS_FULL);
	assert_int_equal(uploads_open(u), 3);
	assert_int_equal(
		uploads_begin(u, "a", "alice", DIGEST_SHA256, UPLOADS_EVICT_MS + 100, &more),
		UPLOADS_OK);
	assert_int_equal(uploads_take(u, id, "a", "alice", 200, &again, &d), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_open(u), 3);
	uploads_drop(u, &more);
	uploads_drop(u, &up[2]);
}

static void uploads__expire_when_idle(void **state)
{
	AUTO(uploads_free) struct uploads *u = uploads_new(&limits, jobs);
	struct upload *idle = NULL, *busy = NULL;
	struct digest d;
	char id[SESSION_ID_SIZE];

	(void)state;
	assert_int_equal(uploads_begin(u, "a", "", DIGEST_SHA256, 0, &idle), UPLOADS_OK);
	assert_int_equal(uploads_begin(u, "a", "", DIGEST_SHA256, 0, &busy), UPLOADS_OK);
	memcpy(id, idle->id, sizeof(id));
	uploads_give(u, &idle, 5000);
	uploads_expire(u, 15000);
	assert_int_equal(uploads_open(u), 2);
	assert_int_equal(uploads_take(u, id, "a", "", 15001, &idle, &d), UPLOADS_UNKNOWN);
	uploads_expire(u, 15001);
	assert_int_equal(uploads_open(u), 1);
	uploads_drop(u, &busy);
}

/* A PUT that is sent again because its answer was lost. */
static void uploads__finished_ones_are_remembered(void **state)
{
	AUTO(uploads_free) struct uploads *u = uploads_new(&limits, jobs);
	struct digest d, got = { .alg = DIGEST_NONE };
	struct upload *up = NULL;
	char first[SESSION_ID_SIZE], id[SESSION_ID_SIZE];

	(void)state;
	digest_of(&d, DIGEST_SHA256, span_of("x"));
	for (int i = 0; i <= UPLOADS_ENDED_MAX; i++) {
		assert_int_equal(uploads_begin(u, "a", "alice", DIGEST_SHA256, 0, &up), UPLOADS_OK);
		memcpy(i ? id : first, up->id, sizeof(id));
		uploads_end(u, &up, &d, 1000);
	}
	assert_int_equal(uploads_take(u, id, "a", "alice", 2000, &up, &got), UPLOADS_ENDED);
	assert_true(digest_eq(&got, &d));
	assert_int_equal(uploads_take(u, id, "a", "bob", 2000, &up, &got), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_take(u, id, "a", "alice", 2000000, &up, &got), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_take(u, first, "a", "alice", 2000, &up, &got), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_open(u), 0);
}

static void uploads__staged_bytes_are_those_given_back(void **state)
{
	AUTO(uploads_free) struct uploads *u = uploads_new(&limits, jobs);
	struct upload *a, *b;

	(void)state;
	assert_int_equal(uploads_begin(u, "x", "", DIGEST_SHA256, 1000, &a), UPLOADS_OK);
	assert_int_equal(uploads_begin(u, "x", "", DIGEST_SHA256, 1000, &b), UPLOADS_OK);
	a->offset = 100;
	b->offset = 20;
	assert_int_equal(uploads_staged(u), 0);
	uploads_give(u, &a, 1000);
	assert_int_equal(uploads_staged(u), 100);
	uploads_give(u, &b, 1000);
	assert_int_equal(uploads_staged(u), 120);
	uploads_expire(u, 1000000);
	assert_int_equal(uploads_staged(u), 0);
}

/* Reading where a session goes on is use of it, and takes it from no request. */
static void uploads__reading_leaves_them_idle(void **state)
{
	AUTO(uploads_free) struct uploads *u = uploads_new(&limits, jobs);
	struct upload *up = NULL;
	char id[SESSION_ID_SIZE];
	struct digest d = { .alg = DIGEST_NONE };
	uint64_t at = 7;

	(void)state;
	assert_int_equal(uploads_begin(u, "a", "alice", DIGEST_SHA256, 0, &up), UPLOADS_OK);
	memcpy(id, up->id, sizeof(id));
	assert_int_equal(uploads_read(u, id, "a", "alice", 0, &at), UPLOADS_TAKEN);
	up->offset = 100;
	uploads_give(u, &up, 0);
	assert_int_equal(uploads_read(u, id, "a", "bob", 0, &at), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_read(u, id, "b", "alice", 0, &at), UPLOADS_UNKNOWN);
	assert_int_equal(uploads_read(u, "", "a", "alice", 0, &at), UPLOADS_UNKNOWN);
	assert_int_equal(at, 7);
	assert_int_equal(uploads_read(u, id, "a", "alice", 8000, &at), UPLOADS_OK);
	assert_int_equal(at, 100);
	assert_int_equal(uploads_take(u, id, "a", "alice", 18000, &up, &d), UPLOADS_OK);
	uploads_end(u, &up, &d, 18000);
	assert_int_equal(uploads_read(u, id, "a", "alice", 18000, &at), UPLOADS_UNKNOWN);
}

/* --- metrics -------------------------------------------------------------------------------- */

struct counting {
	struct shard *shard;
};

static void *count(void *cls)
{
	for (int i = 0; i < 10000; i++)
		metrics_request(cls, ROUTE_BLOB, METHOD_GET, 200, 10, 1, i % 2 ? 400 : 70000000);
	return NULL;
}

static bool has_line(const struct buf *text, const char *line)
{
	AUTO(mem_free) char *whole = mem_printf("\n%s\n", line);

	return strstr(text->data, whole) != NULL;
}

static void metrics__exact_over_threads(void **state)
{
	struct metrics *m = metrics_new(3, &dispatch_labels);
	AUTO(buf_release) struct buf text = BUF_INIT;
	pthread_t threads[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, metrics_shard(m, i)), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	metrics_request(metrics_shard(m, 0), ROUTE_NONE, METHOD_OTHER, 418, 0, 0, 500);
	metrics_refused(metrics_shard(m, 1), true);
	metrics_write(m, &text);
	assert_true(has_line(&text,
		"moat_http_requests_total{route=\"blob\",method=\"GET\",code=\"200\"} 30000"));
	assert_true(has_line(&text,
		"moat_http_requests_total{route=\"other\",method=\"other\",code=\"other\"} 1"));
	assert_true(has_line(&text,
		"moat_http_request_duration_seconds_bucket{route=\"blob\",le=\"0.0005\"} 15000"));
	assert_true(has_line(&text,
		"moat_http_request_duration_seconds_bucket{route=\"blob\",le=\"60\"} 15000"));
	assert_true(has_line(&text,
		"moat_http_request_duration_seconds_bucket{route=\"blob\",le=\"+Inf\"} 30000"));
	assert_true(
		has_line(&text, "moat_http_request_duration_seconds_count{route=\"blob\"} 30000"));
	assert_true(has_line(&text, "moat_http_response_bytes_total{route=\"blob\"} 300000"));
	assert_true(has_line(&text, "moat_http_request_bytes_total 30000"));
	assert_true(has_line(&text, "moat_http_connections_refused_total{reason=\"address\"} 1"));
	metrics_free(&m);
}

/* --- log lines ------------------------------------------------------------------------------ */

#define NASTY "/v2/a\"b\\c\n\x01 =\xff"

static struct address loopback(void)
{
	struct address a;
	struct err e;

	assert_ok(address_parse(&a, "127.0.0.1:1", &e));
	return a;
}

static void log_lines__nothing_from_outside_ends_them(void **state)
{
	struct address peer = loopback();
	struct access_entry entry = { .peer = &peer,
		.method = "GET",
		.uri = NASTY,
		.id = "id1",
		.user = "",
		.status = 200,
		.bytes = 5,
		.ms = 1.5 };
	AUTO(buf_release) struct buf text = BUF_INIT, json = BUF_INIT;

	(void)state;
	access_log_add(&text, LOG_TEXT, &entry);
	access_log_add(&json, LOG_JSON, &entry);
	assert_ptr_equal(strchr(text.data, '\n'), text.data + text.len - 1);
	assert_ptr_equal(strchr(json.data, '\n'), json.data + json.len - 1);
	assert_non_null(strstr(text.data, " user=- method=GET uri=\""));
	assert_non_null(strstr(text.data, " status=200 bytes=5 ms=1.500 id=id1\n"));
	assert_non_null(strstr(json.data, "\"event\":\"request\",\"peer\":\"127.0.0.1:1\""));
	assert_non_null(strstr(json.data, "\"uri\":\"/v2/a\\\"b\\\\c\\n\\u0001 =\\\\xff\""));
	assert_non_null(
		strstr(json.data, "\"status\":200,\"bytes\":5,\"ms\":1.500,\"id\":\"id1\"}"));
}

static void audit_lines__say_what_came_of_it(void **state)
{
	static const struct {
		unsigned status;
		const char *result;
	} cases[] = { { 201, "allowed" }, { 202, "allowed" }, { 401, "denied" }, { 403, "denied" },
		{ 404, "failed" }, { 507, "failed" }, { 0, "aborted" } };
	struct address peer = loopback();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct audit_entry entry = { .peer = &peer,
			.id = "id1",
			.user = "alice",
			.action = "push",
			.repo = "team/app",
			.reference = "1",
			.status = cases[i].status };
		AUTO(buf_release) struct buf line = BUF_INIT;
		AUTO(mem_free)
		char *want =
			mem_printf(" event=audit result=%s user=alice peer=127.0.0.1:1 "
				   "action=push repository=team/app reference=1 status=%u id=id1\n",
				cases[i].result, cases[i].status);

		audit_add(&line, LOG_TEXT, &entry);
		assert_non_null(strstr(line.data, want));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(fair_queue__client_by_client),
		T(fair_queue__one_client_has_half),
		T(fair_queue__newest_first),
		T(fair_queue__suspects_come_last),
		T(fair_queue__suspects_do_not_expire),
		T(fair_queue__every_turn_comes),
		T(jobs__all_are_run),
		T(uploads__belong_to_who_began_them),
		T(uploads__as_many_as_there_may_be),
		T(uploads__the_idlest_makes_room),
		T(uploads__expire_when_idle),
		T(uploads__finished_ones_are_remembered),
		T(uploads__staged_bytes_are_those_given_back),
		T(uploads__reading_leaves_them_idle),
		T(metrics__exact_over_threads),
		T(log_lines__nothing_from_outside_ends_them),
		T(audit_lines__say_what_came_of_it),
	};

	return cmocka_run_group_tests_name("registry/shared", tests, stopped_jobs, free_jobs);
}
