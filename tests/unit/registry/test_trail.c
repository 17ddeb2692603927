/* What moatd records: a group of changes by one append and one sync, before it is made; denied requests by a bounded
 * number of summaries. */
#include "tests/support/cm.h"

#include <arpa/inet.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/push/commit.h"
#include "tests/support/sandbox.h"

#define CHANGES 40
#define FLOOD 10000

/* Appends of the whole process, counted in the place of the real ones (--wrap). */
static unsigned appends;
int __real_audit_append(struct audit *a, const struct audit_record records[], size_t count,
	uint64_t *seq, struct err *e);
int __wrap_audit_append(struct audit *a, const struct audit_record records[], size_t count,
	uint64_t *seq, struct err *e);
int __wrap_audit_append(struct audit *a, const struct audit_record records[], size_t count,
	uint64_t *seq, struct err *e)
{
	appends++;
	return __real_audit_append(a, records, count, seq, e);
}

/* Lines of the log, by result, and what the last one said. */
struct seen {
	unsigned accepted, denied, failed, other;
	uint64_t requests; /* that summaries stand for */
	uint64_t begun; /* of the last that failed or was denied */
	char peer[64];
};

static int see(void *ctx, const struct audit_line *l, struct err *e)
{
	struct seen *s = ctx;
	const char *result = audit_get(l, "result"), *count = audit_get(l, "count");
	const char *begun = audit_get(l, "begun"), *peer = audit_get(l, "peer");

	(void)e;
	s->accepted += strcmp(result, "accepted") == 0;
	s->denied += strcmp(result, "denied") == 0;
	s->failed += strcmp(result, "failed") == 0;
	s->requests += count ? strtoull(count, NULL, 10) : 0;
	s->begun = begun ? strtoull(begun, NULL, 10) : s->begun;
	if (peer)
		snprintf(s->peer, sizeof(s->peer), "%s", peer);
	return 0;
}

static struct seen look(const struct sandbox *sb)
{
	struct seen s = { .accepted = 0 };
	struct audit_report report;
	struct err e = ERR_INIT;

	assert_ok(audit_read(sandbox_path(sb, "s"), see, &s, &e));
	assert_ok(audit_verify(sandbox_path(sb, "s"), NULL, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
	return s;
}

/* --- changes ---------------------------------------------------------------------------------- */

struct push {
	struct commit commit; /* first */
	char text[200];
	struct manifest manifest;
	struct log_field facts[2];
};

static sem_t entered, leave;
static unsigned refused;

static void note_answer(struct commit *c)
{
	refused += c->change.rc < 0;
}

static void hold(struct commit *c)
{
	note_answer(c);
	sem_post(&entered);
	sem_wait(&leave);
}

static void make(struct push *p, unsigned number)
{
	struct err e = ERR_INIT;

	*p = (struct push){ .manifest = MANIFEST_INIT };
	snprintf(p->text, sizeof(p->text),
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
		"\",\"annotations\":{\"n\":\"%u\"},\"manifests\":[]}",
		number);
	assert_ok(manifest_parse(&p->manifest, "m", NULL, span_of(p->text), &e));
	p->facts[0] = (struct log_field){ "repository", "a/b", 0 };
	p->commit.done = note_answer;
	p->commit.record = (struct audit_record){ "push", "accepted", p->facts };
	p->commit.change = (struct change){ .kind = CHANGE_MANIFEST,
		.repo = "a/b",
		.text = span_of(p->text),
		.manifest = &p->manifest };
	digest_of(&p->commit.change.digest, DIGEST_SHA256, p->commit.change.text);
}

/* Commit the changes in two groups: the first alone, the others together. */
static void commit_all(const struct sandbox *sb, struct push pushes[], size_t count)
{
	AUTO(committer_free) struct committer *c = NULL;
	AUTO(trail_close) struct trail *t = NULL;
	struct cache *cache = cache_new(1 << 20, 64);
	uint64_t groups, changes;
	struct err e = ERR_INIT;

	sem_init(&entered, 0, 0);
	sem_init(&leave, 0, 0);
	refused = 0;
	assert_ok(trail_open(&t, sandbox_path(sb, "s"), &e));
	assert_ok(committer_new(&c, sandbox_path(sb, "s"), cache, t, &e));
	appends = 0;
	pushes[0].commit.done = hold;
	committer_add(c, &pushes[0].commit);
	sem_wait(&entered);
	for (size_t i = 1; i < count; i++)
		committer_add(c, &pushes[i].commit);
	sem_post(&leave);
	committer_stop(c);
	committer_counts(c, &groups, &changes);
	assert_int_equal(groups, 2);
	assert_int_equal(changes, count);
	committer_free(&c);
	cache_free(&cache);
}

static void make_all(const struct sandbox *sb, struct push pushes[])
{
	struct err e = ERR_INIT;
	AUTO(store_close) struct store *s = NULL;

	assert_ok(store_open(&s, sandbox_path(sb, "s"), STORE_WRITE, &e));
	for (unsigned i = 0; i < CHANGES; i++)
		make(&pushes[i], i);
}

static void release_all(struct push pushes[])
{
	for (unsigned i = 0; i < CHANGES; i++)
		manifest_release(&pushes[i].manifest);
}

static void committer__records_a_group_by_one_append(void **state)
{
	static struct push pushes[CHANGES];

	make_all(*state, pushes);
	commit_all(*state, pushes, CHANGES);
	assert_int_equal(refused, 0);
	assert_int_equal(appends, 2);
	assert_int_equal(look(*state).accepted, CHANGES);
	release_all(pushes);
}

/* What was recorded and not made has a second record, which costs no append of its own while there is more to do. */
static void committer__records_what_was_not_made(void **state)
{
	static struct push pushes[CHANGES];
	struct seen seen;

	make_all(*state, pushes);
	pushes[0].commit.change =
		(struct change){ .kind = CHANGE_DELETE_MANIFEST, .repo = "a/none" };
	digest_of(&pushes[0].commit.change.digest, DIGEST_SHA256, span_of("not there"));
	commit_all(*state, pushes, CHANGES);
	assert_int_equal(refused, 1);
	assert_int_equal(appends, 2);
	seen = look(*state);
	assert_int_equal(seen.accepted, CHANGES);
	assert_int_equal(seen.failed, 1);
	assert_int_equal(seen.begun, 1);
	release_all(pushes);
}

static int count_manifest(void *ctx, const char *name, struct err *e)
{
	(void)name, (void)e;
	++*(unsigned *)ctx;
	return 0;
}

static void committer__makes_nothing_that_cannot_be_recorded(void **state)
{
	struct sandbox *sb = *state;
	static struct push pushes[CHANGES];
	struct err e = ERR_INIT;
	unsigned repos = 0;
	bool more;

	make_all(sb, pushes);
	assert_int_equal(mkdir(sandbox_path(sb, "s/audit"), 0755), 0);
	assert_int_equal(mkdir(sandbox_path(sb, "s/audit/000001.jsonl"), 0755), 0);
	commit_all(sb, pushes, CHANGES);
	assert_int_equal(refused, CHANGES);
	AUTO(store_close) struct store *s = sandbox_store(sb, "s", STORE_READ);
	assert_ok(page_repos(s, NULL, 10, count_manifest, &repos, &more, &e));
	assert_int_equal(repos, 0);
	release_all(pushes);
}

/* --- denied requests -------------------------------------------------------------------------- */

static struct address address_of(unsigned number, bool six)
{
	struct address a = { .len = sizeof(struct sockaddr_in6) };
	struct sockaddr_in *in = (struct sockaddr_in *)&a.sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a.sa;

	if (six) {
		in6->sin6_family = AF_INET6;
		in6->sin6_addr.s6_addr[0] = 0x20;
		in6->sin6_addr.s6_addr[1] = 0x01;
		memcpy(in6->sin6_addr.s6_addr + 12, &number, sizeof(number));
	} else {
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(0x0a000000 + number);
		in->sin_port = htons((uint16_t)(1024 + number % 60000));
	}
	return a;
}

static void flood(struct trail *t, unsigned clients, bool six)
{
	for (unsigned i = 0; i < FLOOD; i++) {
		struct address a = address_of(i % clients, six);

		trail_denied(t, &(struct denied_request){ &a, "mallory", "push", "team/app" });
	}
}

static const struct flood_case {
	const char *name;
	unsigned clients;
	bool six;
	unsigned lines;
	const char *peer; /* of the last line */
} floods[] = {
	{ "one client, by many ports", 1, false, 1, "10.0.0.0" },
	{ "three clients", 3, false, 3, "10.0.0.2" },
	{ "as many as are named", DENIED_CLIENTS_MAX, false, DENIED_CLIENTS_MAX, "10.0.0.15" },
	{ "more", FLOOD, false, DENIED_CLIENTS_MAX + 1, "others" },
	{ "one network of IPv6", FLOOD, true, 1, "2001::/64" },
};

static void trail_denied__a_flood_leaves_a_bounded_number_of_lines(void **state)
{
	struct sandbox *sb = *state;

	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		AUTO(trail_close) struct trail *t = NULL;
		struct err e = ERR_INIT;
		struct seen seen;

		print_message("%s\n", floods[i].name);
		assert_int_equal(mkdir(sandbox_path(sb, "s"), 0755), 0);
		assert_ok(trail_open(&t, sandbox_path(sb, "s"), &e));
		assert_ok(trail_start(t, &e));
		appends = 0;
		flood(t, floods[i].clients, floods[i].six);
		assert_int_equal(appends, 0); /* none on the way of a request */
		trail_close(&t);
		seen = look(sb);
		assert_int_equal(appends, 1);
		assert_int_equal(seen.denied, floods[i].lines);
		assert_int_equal(seen.requests, FLOOD);
		assert_string_equal(seen.peer, floods[i].peer);
		sandbox_remove(sandbox_path(sb, "s"));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(committer__records_a_group_by_one_append),
		T(committer__records_what_was_not_made),
		T(committer__makes_nothing_that_cannot_be_recorded),
		T(trail_denied__a_flood_leaves_a_bounded_number_of_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
