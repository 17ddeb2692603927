#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "registry/api/cache.h"
#include "tests/support/cm.h"

static struct content *text_content(const char *text)
{
	struct buf b = BUF_INIT;
	struct digest d;

	buf_str(&b, text);
	digest_of(&d, DIGEST_SHA256, buf_span(&b));
	return content_bytes(&d, "text/plain", &b, "");
}

static void put(struct cache *c, const char *uri, const char *text)
{
	AUTO(content_unref) struct content *content = text_content(text);

	cache_put(c, span_of(uri), cache_epoch(c), content);
}

static bool has(struct cache *c, const char *uri, const char *text)
{
	bool fresh = false;
	AUTO(content_unref) struct content *content = cache_get(c, span_of(uri), &fresh);

	return content && fresh && strcmp(content->bytes.data, text) == 0;
}

static void cache__gives_back_what_was_put(void **state)
{
	AUTO(cache_free) struct cache *c = cache_new(1 << 20, 16);
	bool fresh;

	(void)state;
	assert_null(cache_get(c, span_of("/a"), &fresh));
	put(c, "/a", "one");
	put(c, "/b", "two");
	assert_true(has(c, "/a", "one"));
	assert_true(has(c, "/b", "two"));
	put(c, "/a", "three");
	assert_true(has(c, "/a", "three"));
}

/* S4: what was looked up before a change is a hint afterwards, never an answer. */
static void cache__a_change_makes_everything_stale(void **state)
{
	AUTO(cache_free) struct cache *c = cache_new(1 << 20, 16);
	bool fresh = true;

	(void)state;
	put(c, "/a", "one");
	cache_changed(c);
	AUTO(content_unref) struct content *hint = cache_get(c, span_of("/a"), &fresh);
	assert_non_null(hint);
	assert_false(fresh);
}

/* The lookup began before the change and ended after it. */
static void cache__a_late_put_is_stale_at_once(void **state)
{
	AUTO(cache_free) struct cache *c = cache_new(1 << 20, 16);
	AUTO(content_unref) struct content *content = text_content("old");
	uint64_t before = cache_epoch(c);

	(void)state;
	cache_changed(c);
	cache_put(c, span_of("/a"), before, content);
	assert_false(has(c, "/a", "old"));
}

static void cache__sweep_lets_go_of_stale_files(void **state)
{
	AUTO(cache_free) struct cache *c = cache_new(1 << 20, 160);
	struct digest d = { .alg = DIGEST_SHA256 };
	int fds[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	struct content *file =
		content_file(&d, "x/y", &(struct blob_reader){ .size = 1, .fd = fds[1] }, "");
	cache_put(c, span_of("/a"), cache_epoch(c), file);
	content_unref(&file);
	cache_sweep(c);
	bool fresh;
	AUTO(content_unref) struct content *still = cache_get(c, span_of("/a"), &fresh);
	assert_true(fresh);
	content_unref(&still);
	cache_changed(c);
	cache_sweep(c);
	assert_int_equal(read(fds[0], &byte, 1), 0); /* the write end is closed */
	close(fds[0]);
}

static void cache__stays_within_its_bytes(void **state)
{
	AUTO(cache_free) struct cache *c = cache_new(16 * 20000, 16);
	char text[8001], uri[32];
	unsigned kept = 0;

	(void)state;
	memset(text, 'x', 8000);
	text[8000] = '\0';
	for (int i = 0; i < 1000; i++) {
		snprintf(uri, sizeof(uri), "/v2/%d", i);
		put(c, uri, text);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(uri, sizeof(uri), "/v2/%d", i);
		kept += has(c, uri, text);
	}
	assert_true(kept >= 16 && kept <= 16 * 2);
}

static void cache__no_room_at_all(void **state)
{
	AUTO(cache_free) struct cache *c = cache_new(0, 0);

	(void)state;
	put(c, "/a", "one");
	assert_false(has(c, "/a", "one"));
}

static void *hammer(void *cls)
{
	struct cache *c = cls;
	char uri[32];

	for (int i = 0; i < 20000; i++) {
		bool fresh;
		struct content *content;

		snprintf(uri, sizeof(uri), "/v2/%d", i * 7 % 97);
		content = cache_get(c, span_of(uri), &fresh);
		if (!content || !fresh)
			put(c, uri, uri);
		content_unref(&content);
		if (i % 1000 == 0)
			cache_changed(c);
		if (i % 500 == 0)
			cache_sweep(c);
	}
	return NULL;
}

static void cache__many_threads(void **state)
{
	AUTO(cache_free) struct cache *c = cache_new(1 << 16, 16);
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, c), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cache__gives_back_what_was_put),
		cmocka_unit_test(cache__a_change_makes_everything_stale),
		cmocka_unit_test(cache__a_late_put_is_stale_at_once),
		cmocka_unit_test(cache__sweep_lets_go_of_stale_files),
		cmocka_unit_test(cache__stays_within_its_bytes),
		cmocka_unit_test(cache__no_room_at_all),
		cmocka_unit_test(cache__many_threads),
	};

	return cmocka_run_group_tests_name("registry/cache", tests, NULL, NULL);
}
