/* Blobs into a store: whole, in pieces, over several processes, and from servers that cheat. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cm.h"
#include "tests/support/sandbox.h"
#include "world.h"

#define BIG (3u << 20) /* resumable */

enum mode {
	HONEST,
	CUT, /* the first answers end after 1.5 MiB, those to a range do not */
	ALWAYS_CUT, /* a bit more each time */
	NO_RANGES, /* first cut, then 200 from the start */
	WRONG_RANGE, /* 206 from another place */
	NO_RANGE_HEADER, /* 206 without Content-Range */
	UNSATISFIED, /* 416 */
	DAMAGED, /* bytes after the cut are wrong, a whole transfer is right */
	DAMAGED_ALWAYS,
	LONGER, /* one byte more, no length */
	LONGER_STATED,
	SHORTER, /* no length, ends early, every time */
	ENDLESS,
	CHUNKED,
	ABSENT
};

static char *big_text(void)
{
	char *text = mem_alloc(BIG + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < BIG; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (char)('a' + (x >> 24) % 26);
	}
	return text;
}

static void give_range(struct world *w, const struct fake_request *r, struct fake_reply *out)
{
	size_t from = 0, all = out->body.len;
	char *rest;

	if (sscanf(r->range, "bytes=%zu-", &from) != 1 || w->ours == NO_RANGES)
		return;
	out->status = w->ours == UNSATISFIED ? 416 : 206;
	if (w->ours == WRONG_RANGE)
		from--;
	rest = mem_strndup(out->body.data + from, all - from);
	buf_clear(&out->body);
	buf_add(&out->body, rest, all - from);
	free(rest);
	if (w->ours == DAMAGED || w->ours == DAMAGED_ALWAYS)
		out->body.data[10] = '#';
	if (w->ours != NO_RANGE_HEADER)
		fake_header(out, "Content-Range: bytes %zu-%zu/%zu", from, all - 1, all);
}

static void server(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;
	bool first = r->count == 0;

	buf_str(&out->body, w->body);
	give_range(w, r, out);
	switch ((enum mode)w->ours) {
	case CUT:
	case NO_RANGES:
	case WRONG_RANGE:
	case NO_RANGE_HEADER:
	case UNSATISFIED:
	case DAMAGED:
		out->cut = first ? BIG / 2 : 0;
		break;
	case DAMAGED_ALWAYS:
		if (!r->range[0])
			out->body.data[10] = '#';
		out->cut = first ? BIG / 2 : 0;
		break;
	case ALWAYS_CUT:
		out->cut = BIG / 16;
		break;
	case LONGER:
		out->no_length = true;
		buf_char(&out->body, '!');
		break;
	case LONGER_STATED:
		buf_char(&out->body, '!');
		break;
	case SHORTER:
		out->no_length = true;
		buf_cut(&out->body, out->body.len - 1);
		break;
	case ENDLESS:
		out->endless = true;
		break;
	case CHUNKED:
		out->chunked = true;
		break;
	case ABSENT:
		fake_text(out, 404, "");
		break;
	case HONEST:
		break;
	}
}

static void assert_held(struct store *s, const char *content)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(content));
	if (blob_read(s, &d, BIG, &bytes, &e) != 1)
		fail_msg("not held: %s", e.text);
	assert_int_equal(bytes.len, strlen(content));
	assert_memory_equal(bytes.data, content, bytes.len);
}

static void assert_not_held(struct store *s, const char *content)
{
	struct err e = ERR_INIT;
	struct digest d;
	uint64_t size;

	digest_of(&d, DIGEST_SHA256, span_of(content));
	assert_int_equal(blob_stat(s, &d, &size, &e), 0);
}

/* What progress said last. */
static struct upstream_progress told;

static void keep_told(void *ctx, const struct upstream_progress *p)
{
	(void)ctx;
	told = *p;
}

static void blob__arrives_whatever_the_server_does_to_its_ranges(void **state)
{
	static const struct {
		enum mode mode;
		unsigned requests;
		uint64_t bytes; /* of the blob, as progress tells them */
	} cases[] = {
		{ HONEST, 1, BIG },
		{ CHUNKED, 1, BIG },
		{ CUT, 2, BIG },
		{ NO_RANGES, 2, BIG },
		{ WRONG_RANGE, 3, BIG },
		{ NO_RANGE_HEADER, 3, BIG },
		{ UNSATISFIED, 3, BIG },
		{ DAMAGED, 3, 2 * BIG },
		{ ALWAYS_CUT, 16, BIG },
	};
	AUTO(mem_free) char *big = big_text();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;
		AUTO(store_close) struct store *s = NULL;
		char name[16];

		snprintf(name, sizeof(name), "store%zu", i);
		s = sandbox_store(*state, name, STORE_WRITE);
		world_init(&w, server, NULL);
		w.ours = (int)cases[i].mode;
		w.body = big;
		w.o.attempts = cases[i].mode == ALWAYS_CUT ? 12 : 6;
		w.o.progress = keep_told;
		get_blob(&w, "app", big, s, &r);
		assert_found(&r);
		assert_held(s, big);
		assert_int_equal(told.blob_bytes, cases[i].bytes);
		assert_int_equal(told.blob_due, 0);
		assert_int_equal(fake_count(w.a, "GET "), cases[i].requests);
		get_blob(&w, "app", big, s, &r);
		assert_found(&r);
		assert_int_equal(fake_count(w.a, "GET "), cases[i].requests);
	}
}

static void blob__cheating_leaves_nothing(void **state)
{
	static const struct {
		enum mode mode;
		enum err_code code;
		const char *words;
		unsigned requests;
	} cases[] = {
		{ DAMAGED_ALWAYS, ERR_CORRUPT, "", 3 },
		{ LONGER, ERR_CORRUPT, "more than the expected", 1 },
		{ LONGER_STATED, ERR_CORRUPT, "bytes announced by the server", 1 },
		{ ENDLESS, ERR_CORRUPT, "more than the expected", 1 },
		{ ABSENT, ERR_ABSENT, "HTTP 404", 1 },
	};
	AUTO(mem_free) char *big = big_text();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;
		AUTO(store_close) struct store *s = NULL;
		char name[16];

		snprintf(name, sizeof(name), "store%zu", i);
		s = sandbox_store(*state, name, STORE_WRITE);
		world_init(&w, server, NULL);
		w.ours = (int)cases[i].mode;
		w.body = big;
		get_blob(&w, "app", big, s, &r);
		assert_failed(&r, cases[i].code, cases[i].words);
		assert_not_held(s, big);
		assert_int_equal(fake_count(w.a, "GET "), cases[i].requests);
	}
}

static void blob__short_body_without_a_length_is_tried_again_then_fails(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	AUTO(store_close) struct store *s = sandbox_store(*state, "store", STORE_WRITE);

	world_init(&w, server, NULL);
	w.ours = SHORTER;
	w.body = "small";
	get_blob(&w, "app", "small", s, &r);
	assert_failed(&r, ERR_NET, "the body ends after 4 of 5 bytes");
	assert_not_held(s, "small");
}

static void blob__goes_on_in_another_process(void **state)
{
	AUTO(mem_free) char *big = big_text();

	for (int round = 0; round < 2; round++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;
		AUTO(store_close) struct store *s = sandbox_store(*state, "store", STORE_WRITE);

		world_init(&w, server, NULL);
		w.body = big;
		w.ours = round ? HONEST : CUT;
		w.o.attempts = 1;
		w.o.progress = keep_told;
		get_blob(&w, "app", big, s, &r);
		/* What the stage has does not come again, but for a buffer. */
		assert_in_range(told.blob_bytes, BIG / 2, BIG / 2 + (256u << 10));
		assert_int_equal(told.blob_due, 0);
		if (round == 0) {
			assert_failed(&r, ERR_NET, "after 1 attempts");
			assert_not_held(s, big);
			continue;
		}
		assert_found(&r);
		assert_held(s, big);
		upstream_free(&w.up);
		assert_int_equal(fake_count(w.a, "GET "), 1);
		assert_int_equal(w.notes.len, 0);
	}
}

static void blob__same_digest_twice_is_got_once_and_a_second_place_is_tried(void **state)
{
	AUTO(world_end) struct world w;
	struct result r[3] = { 0 };
	AUTO(store_close) struct store *s = sandbox_store(*state, "store", STORE_WRITE);
	struct ref ref;
	struct digest d;

	world_init(&w, server, NULL);
	w.body = "content";
	w.ours = HONEST;
	w.o.progress = keep_told;
	world_open(&w);
	world_ref(&w, "app", &ref);
	digest_of(&d, DIGEST_SHA256, span_of("content"));
	for (size_t i = 0; i < 3; i++)
		upstream_blob(w.up, &ref, &d, 7, s, NULL, on_done, &r[i]);
	world_run(&w);
	assert_int_equal(told.blob_bytes, 7);
	for (size_t i = 0; i < 3; i++)
		assert_found(&r[i]);
	assert_int_equal(fake_count(w.a, "GET "), 1);
	assert_held(s, "content");

	memset(r, 0, sizeof(r));
	w.ours = ABSENT;
	digest_of(&d, DIGEST_SHA256, span_of("other"));
	for (size_t i = 0; i < 3; i++)
		upstream_blob(w.up, &ref, &d, 5, s, NULL, on_done, &r[i]);
	world_run(&w);
	for (size_t i = 0; i < 3; i++)
		assert_failed(&r[i], ERR_ABSENT, "HTTP 404");
	assert_int_equal(told.blob_bytes, 7);
	assert_int_equal(told.blob_due, 0);
	assert_int_equal(fake_count(w.a, "GET "), 4);
}

static void blob__batch_makes_it_durable_at_its_flush(void **state)
{
	AUTO(world_end) struct world w;
	struct result r[2] = { 0 };
	AUTO(store_close) struct store *s = sandbox_store(*state, "store", STORE_WRITE);
	AUTO(batch_free) struct blob_batch *b = batch_new(s);
	struct err e = ERR_INIT;
	struct ref ref;
	struct digest d;

	world_init(&w, server, NULL);
	w.body = "content";
	world_open(&w);
	world_ref(&w, "app", &ref);
	digest_of(&d, DIGEST_SHA256, span_of("content"));
	for (int i = 0; i < 2; i++) {
		upstream_blob(w.up, &ref, &d, 7, s, b, on_done, &r[i]);
		world_run(&w);
		assert_found(&r[i]);
	}
	assert_int_equal(fake_count(w.a, "GET "), 1);
	assert_not_held(s, "content");
	assert_ok(batch_flush(b, &e));
	assert_held(s, "content");
}

static void blob__waits_for_another_writer_without_holding_up_others(void **state)
{
	AUTO(mem_free) char *big = big_text();
	AUTO(world_end) struct world w;
	AUTO(store_close) struct store *s = sandbox_store(*state, "store", STORE_WRITE);
	AUTO(store_close) struct store *rival = sandbox_store(*state, "store", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *writer = NULL;
	AUTO(result_release) struct result waiting = RESULT_INIT;
	AUTO(result_release) struct result other = RESULT_INIT;
	volatile sig_atomic_t stop = 0;
	struct err e = ERR_INIT;
	struct digest d;
	struct ref ref;

	world_init(&w, server, NULL);
	w.body = "content";
	w.o.stop = &stop;
	world_open(&w);
	world_ref(&w, "app", &ref);
	digest_of(&d, DIGEST_SHA256, span_of(big));
	assert_ok(blob_begin(rival, &d, BIG, BLOB_RESUME, &writer, &e));
	upstream_blob(w.up, &ref, &d, BIG, s, NULL, on_done, &waiting);
	digest_of(&d, DIGEST_SHA256, span_of("content"));
	upstream_blob(w.up, &ref, &d, 7, s, NULL, on_done, &other);
	/* the rival finishes when the other one has been told */
	blob_write(writer, big, BIG);
	stop = 1;
	assert_err(upstream_run(w.up, &e), ERR_BUSY, "interrupted");
	stop = 0;
	assert_int_equal(waiting.calls, 0);
	assert_ok(blob_commit(&writer, NULL, NULL, &e));
	world_run(&w);
	assert_found(&waiting);
	assert_found(&other);
	assert_int_equal(fake_count(w.a, "GET "), 1);
	assert_held(s, big);
}

static void blob_bytes__are_checked(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result good = RESULT_INIT;
	AUTO(result_release) struct result bad = RESULT_INIT;
	AUTO(result_release) struct result longer = RESULT_INIT;
	struct digest d;
	struct ref ref;

	(void)state;
	world_init(&w, server, NULL);
	w.body = "content";
	world_open(&w);
	world_ref(&w, "app", &ref);
	digest_of(&d, DIGEST_SHA256, span_of("content"));
	upstream_blob_bytes(w.up, &ref, &d, 7, on_bytes, &good);
	upstream_blob_bytes(w.up, &ref, &d, 6, on_bytes, &longer);
	digest_of(&d, DIGEST_SHA256, span_of("other"));
	upstream_blob_bytes(w.up, &ref, &d, 7, on_bytes, &bad);
	world_run(&w);
	assert_found(&good);
	assert_string_equal(good.bytes.data, "content");
	assert_failed(&bad, ERR_CORRUPT, "its bytes are sha256:");
	assert_failed(&longer, ERR_INPUT, "larger than 6 bytes");
}

static void count_bytes(void *ctx, const struct upstream_progress *p)
{
	struct world *w = ctx;

	w->ours = (int)p->bytes;
}

/* However short the run: the last thing that progress says is the whole. */
static void run__ends_with_all_that_was_received(void **state)
{
	AUTO(world_end) struct world w;

	(void)state;
	world_init(&w, server, NULL);
	w.body = "content";
	w.o.progress = count_bytes;
	for (int i = 1; i <= 2; i++) {
		AUTO(result_release) struct result r = RESULT_INIT;

		w.ours = HONEST;
		get_manifest(&w, "app:v1", false, &r);
		assert_int_equal(w.ours, 7 * i);
	}
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(blob__arrives_whatever_the_server_does_to_its_ranges),
		BOXED(blob__cheating_leaves_nothing),
		BOXED(blob__short_body_without_a_length_is_tried_again_then_fails),
		BOXED(blob__goes_on_in_another_process),
		BOXED(blob__same_digest_twice_is_got_once_and_a_second_place_is_tried),
		BOXED(blob__batch_makes_it_durable_at_its_flush),
		cmocka_unit_test(run__ends_with_all_that_was_received),
		BOXED(blob__waits_for_another_writer_without_holding_up_others),
		BOXED(blob_bytes__are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
