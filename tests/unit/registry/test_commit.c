/* The committer: what goes together, and what waits for what. */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "registry/push/commit.h"
#include "storage/base/fs.h"
#include "tests/support/sandbox.h"

struct push {
	struct commit commit; /* first */
	struct buf text;
	struct manifest manifest;
	char name;
};

/* The committer answers on its own thread; these are looked at when it has ended. */
static char answered[32];
static size_t answers;
static sem_t entered, leave;

static void note_answer(struct commit *c)
{
	assert_int_equal(c->change.rc, 0);
	answered[answers++] = ((struct push *)c)->name;
}

static void hold(struct commit *c)
{
	note_answer(c);
	sem_post(&entered);
	sem_wait(&leave);
}

/* An index of that many children, none of them here. */
static void make(struct push *p, char name, unsigned children)
{
	struct err e = ERR_INIT;

	*p = (struct push){ .text = BUF_INIT, .manifest = MANIFEST_INIT, .name = name };
	buf_printf(&p->text,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
		"\",\"annotations\":{\"name\":\"%c\"},\"manifests\":[",
		name);
	for (unsigned i = 0; i < children; i++)
		buf_printf(&p->text,
			"%s{\"mediaType\":\"a/b\",\"size\":1,\"digest\":\"sha256:%064x\"}",
			i ? "," : "", i);
	buf_str(&p->text, "]}");
	assert_ok(manifest_parse(&p->manifest, "m", NULL, buf_span(&p->text), &e));
	p->commit.done = note_answer;
	p->commit.change = (struct change){ .kind = CHANGE_MANIFEST,
		.repo = "a/b",
		.text = buf_span(&p->text),
		.manifest = &p->manifest };
	digest_of(&p->commit.change.digest, DIGEST_SHA256, p->commit.change.text);
}

static void release(struct push *p)
{
	buf_release(&p->text);
	manifest_release(&p->manifest);
}

/* index.json tells of every one. */
static void assert_settled(const struct sandbox *sb)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, "s", STORE_READ);
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct check_report report;
	struct err e = ERR_INIT;
	size_t count = 0;

	assert_ok(sandbox_check(s, false, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
	assert_int_equal(
		fs_read_file(AT_FDCWD, sandbox_path(sb, "s/index.json"), 1 << 20, &text, &e), 1);
	for (const char *p = text.data; (p = strstr(p, "\"digest\"")); p++)
		count++;
	assert_true(count > 0);
}

/* What is queued while a change is answered is the next groups' to share. */
static void committer__small_ones_do_not_wait_for_large_ones(void **state)
{
	static const struct {
		const char *queued; /* L 3,000 children, M 1,000, s 32 */
		const char *answered;
		unsigned groups;
	} cases[] = {
		{ "sss", "sss", 1 },
		{ "LLsL", "LsLL", 3 },
		{ "MMsMs", "MMssM", 2 },
		{ "MLsM", "MsML", 2 },
		{ "LMMs", "LsMM", 2 },
		{ "sL", "sL", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(committer_free) struct committer *c = NULL;
		struct cache *cache = cache_new(1 << 20, 64);
		struct push first, pushes[8];
		size_t count = strlen(cases[i].queued);
		uint64_t groups, changes;
		struct err e = ERR_INIT;

		print_message("%s\n", cases[i].queued);
		memset(answered, 0, sizeof(answered));
		answers = 0;
		sem_init(&entered, 0, 0);
		sem_init(&leave, 0, 0);
		assert_ok(committer_new(&c, sandbox_path(*state, "s"), cache, NULL, &e));
		make(&first, '-', 0);
		first.commit.done = hold;
		committer_add(c, &first.commit);
		sem_wait(&entered);
		for (size_t k = 0; k < count; k++) {
			char name = cases[i].queued[k];

			make(&pushes[k], name, name == 'L' ? 3000 : name == 'M' ? 1000 : 32);
			committer_add(c, &pushes[k].commit);
		}
		sem_post(&leave);
		committer_stop(c);
		committer_counts(c, &groups, &changes);
		assert_string_equal(answered + 1, cases[i].answered);
		assert_int_equal(changes, count + 1);
		assert_int_equal(groups, cases[i].groups + 1);
		assert_settled(*state);
		for (size_t k = 0; k < count; k++)
			release(&pushes[k]);
		release(&first);
		committer_free(&c);
		cache_free(&cache);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(committer__small_ones_do_not_wait_for_large_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
