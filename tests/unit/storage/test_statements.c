/* An operation costs a number of statements that does not depend on how much it is about. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/engine.h"
#include "tests/support/db_double.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define REPO "docker.io/library/nginx"

static int open_blobs(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	return engine_local.open_blobs(b, where, mode, e);
}

static const struct engine engine_double = { "double", open_blobs, &db_double };

/* --- sets ------------------------------------------------------------------------------------ */

static struct digest make_set(struct store *s, const char *version, size_t count)
{
	struct image_pin *pins = mem_grow(NULL, count, sizeof(*pins));
	AUTO(batch_free) struct blob_batch *batch = batch_new(s);
	struct err e = ERR_INIT;
	struct digest set;

	for (size_t i = 0; i < count; i++) {
		AUTO(mem_free) char *seed = mem_printf("%s/%zu", version, i);
		struct image_want want = { .seed = seed, .layers = 2 };

		pins[i] = (struct image_pin){ .repo = mem_printf("docker.io/app/n%zu", i % 20),
			.tag = mem_printf("t%zu", i),
			.digest = image_make(s, batch, &want) };
	}
	assert_ok(batch_flush(batch, &e));
	set = image_set(s, "platform", version, pins, count);
	for (size_t i = 0; i < count; i++) {
		free((char *)(uintptr_t)pins[i].repo);
		free((char *)(uintptr_t)pins[i].tag);
	}
	free(pins);
	return set;
}

static unsigned accept(const struct sandbox *sb, const char *name, size_t count)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, name, STORE_WRITE);
	struct digest set = make_set(s, "1", count);
	struct err e = ERR_INIT;
	unsigned before = db_double_state.statements;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	return db_double_state.statements - before;
}

static void set_accept__takes_statements_by_no_size(void **state)
{
	unsigned few = accept(*state, "few", 10), many = accept(*state, "many", 1000);

	print_message("%u statements\n", few);
	assert_int_equal(few, many);
	assert_true(few <= SET_ACCEPT_STATEMENTS);
}

/* A switch of a set that is here: one, and back. */
static unsigned switch_over(const struct sandbox *sb, const char *name, size_t count)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, name, STORE_WRITE);
	struct digest set = make_set(s, "1", count), next = make_set(s, "2", count);
	struct set_offer how = { .dry = false };
	struct err e = ERR_INIT;
	struct set_info to;
	unsigned before;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &next }, NULL, &e));
	before = db_double_state.statements;
	assert_ok(set_activate(s, &(struct set_offer){ .digest = &next }, NULL, &e));
	print_message("%u statements forward\n", db_double_state.statements - before);
	assert_true(db_double_state.statements - before <= SET_SWITCH_STATEMENTS);
	before = db_double_state.statements;
	assert_ok(set_rollback(s, "platform", NULL, &how, &to, NULL, &e));
	print_message("%u statements back\n", db_double_state.statements - before);
	return db_double_state.statements - before;
}

static void set_activate__takes_statements_by_no_size(void **state)
{
	unsigned few = switch_over(*state, "few", 10), many = switch_over(*state, "many", 1000);

	assert_int_equal(few, many);
	assert_true(few <= SET_SWITCH_STATEMENTS);
}

/* --- images ---------------------------------------------------------------------------------- */

static unsigned put(struct store *s, unsigned layers)
{
	AUTO(mem_free) char *seed = mem_printf("put%u", layers);
	struct image_want want = { .seed = seed, .layers = layers };
	struct digest d = image_make(s, NULL, &want);
	struct err e = ERR_INIT;
	unsigned before = db_double_state.statements;

	assert_ok(image_put(s, REPO, seed, &d, MEDIA_OCI_MANIFEST, &e));
	return db_double_state.statements - before;
}

static void image_put__takes_statements_by_no_size(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	unsigned first = put(s, 3), few = put(s, 5), many = put(s, 100);

	print_message("%u statements\n", few);
	assert_true(first <= few + 1); /* which makes the repository */
	assert_int_equal(few, many);
	assert_true(few <= IMAGE_PUT_STATEMENTS);
}

static unsigned put_many(struct store *s, size_t count, unsigned layers)
{
	struct digest *digests = mem_grow(NULL, count, sizeof(*digests));
	struct image_item *items = mem_grow(NULL, count, sizeof(*items));
	AUTO(batch_free) struct blob_batch *batch = batch_new(s);
	struct err e = ERR_INIT;
	unsigned before;

	for (size_t i = 0; i < count; i++) {
		AUTO(mem_free) char *seed = mem_printf("many%zu/%zu/%u", count, i, layers);
		struct image_want want = { .seed = seed, .layers = layers };

		digests[i] = image_make(s, batch, &want);
		items[i] = (struct image_item){ REPO, "t", &digests[i], MEDIA_OCI_MANIFEST };
	}
	assert_ok(batch_flush(batch, &e));
	before = db_double_state.statements;
	assert_ok(images_put(s, items, count, &e));
	free(items);
	free(digests);
	return db_double_state.statements - before;
}

/* What a manifest names is to be asked for; all else is once a transaction. */
static void images_put__takes_one_statement_an_image(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	unsigned first = put_many(s, 1, 2), few = put_many(s, 10, 2), many = put_many(s, 200, 9);

	assert_true(first <= IMAGE_PUT_STATEMENTS);
	assert_int_equal(many - few, 190);
	assert_true(few <= IMAGE_PUT_STATEMENTS + 9);
}

/* --- pushes ---------------------------------------------------------------------------------- */

static unsigned push(struct store *s, unsigned layers)
{
	static const char *const tags[] = { "1" };
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(mem_free) char *seed = mem_printf("push%u", layers);
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct image_want want = { .seed = seed, .layers = layers };
	struct change c = { .kind = CHANGE_MANIFEST,
		.repo = "team/app",
		.manifest = &m,
		.tags = tags,
		.tag_count = 1 };
	struct change *changes[] = { &c };
	struct err e = ERR_INIT;
	unsigned before;

	c.digest = image_make(s, NULL, &want);
	assert_int_equal(blob_read(s, &c.digest, MANIFEST_MAX, &text, &e), 1);
	c.text = buf_span(&text);
	assert_ok(manifest_parse(&m, "pushed", NULL, c.text, &e));
	before = db_double_state.statements;
	assert_ok(store_apply(s, changes, 1, &e));
	assert_int_equal(c.rc, 0);
	return db_double_state.statements - before;
}

static void store_apply__takes_statements_by_no_size(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	unsigned first = push(s, 3), few = push(s, 5), many = push(s, 100);

	print_message("%u statements\n", few);
	assert_true(first <= few + 1);
	assert_int_equal(few, many);
	assert_true(few <= PUSH_STATEMENTS);
}

/* --- blobs ----------------------------------------------------------------------------------- */

static unsigned flush(struct store *s, unsigned count, const char *seed)
{
	AUTO(batch_free) struct blob_batch *b = batch_new(s);
	struct err e = ERR_INIT;
	struct digest d;
	unsigned before = db_double_state.statements;

	for (unsigned i = 0; i < count; i++) {
		AUTO(blob_abort) struct blob_writer *w = NULL;
		AUTO(mem_free) char *text = mem_printf("%s%u", seed, i);

		digest_of(&d, DIGEST_SHA256, span_of(text));
		assert_int_equal(blob_begin(s, &d, strlen(text), 0, &w, &e), 0);
		blob_write(w, text, strlen(text));
		assert_ok(blob_commit(&w, b, NULL, &e));
	}
	assert_ok(batch_flush(b, &e));
	return db_double_state.statements - before;
}

static void batch_flush__takes_statements_by_no_size(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	unsigned few = flush(s, 5, "few"), many = flush(s, BATCH_BLOBS_MAX - 1, "many");

	print_message("%u statements\n", few);
	assert_int_equal(few, many);
	assert_int_equal(few, 4); /* begin, what index.json shows, the rows, commit */
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(set_accept__takes_statements_by_no_size),
		T(set_activate__takes_statements_by_no_size),
		T(image_put__takes_statements_by_no_size),
		T(images_put__takes_one_statement_an_image),
		T(store_apply__takes_statements_by_no_size),
		T(batch_flush__takes_statements_by_no_size),
	};

	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	sandbox_engine = &engine_double;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
