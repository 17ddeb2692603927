/* Which source a word means, and asking it; another store is read here. Must open nothing but for reading. */
#include "mirror-tool/media/medium.h"
#include "mirror-tool/progress.h"
#include "mirror-tool/repair/repair.h"
#include "mirror-tool/view/operand.h"
#include "storage/base/banned.h"

#define CHUNK_SIZE (256u << 10)
#define REGISTRY "registry:"

/* --- another store --------------------------------------------------------------------------------- */

static int copy_blob(
	struct repair *r, struct repair_blob *b, const struct blob_reader *in, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	AUTO(mem_free) char *chunk = mem_alloc(CHUNK_SIZE);
	struct err why = ERR_INIT;
	int rc = repair_begin(r, b, in->size, &w, e);

	if (rc <= 0)
		return rc;
	for (uint64_t at = 0, n; at < in->size && !blob_failed(w); at += n) {
		n = in->size - at < CHUNK_SIZE ? in->size - at : CHUNK_SIZE;
		if (reader_read(in, at, chunk, n, &why) < 0) {
			repair_answer(r, b, "%s", why.text);
			return 0;
		}
		blob_write(w, chunk, n);
	}
	return repair_commit(r, b, &w, e);
}

static int take_blob(struct repair *r, struct repair_blob *b, struct store *from, struct err *e)
{
	AUTO(reader_close) struct blob_reader in = BLOB_READER_INIT;
	struct err why = ERR_INIT;
	int rc = blob_open(from, &b->digest, &in, &why);

	if (rc > 0)
		return copy_blob(r, b, &in, e);
	repair_answer(r, b, "%s", rc < 0 ? why.text : "does not have it");
	return 0;
}

static int open_store(const struct tool *t, const char *dir, struct store **s, struct err *e)
{
	struct tool there = *t;

	there.store = dir;
	return tool_store_read(&there, s, e);
}

static int from_store(struct repair *r, const char *dir, struct err *e)
{
	AUTO(store_close) struct store *from = NULL;
	struct progress_state state = { .total = r->left };
	struct repair_blob *b;
	struct err why = ERR_INIT;
	struct progress bar;
	int rc = 0;

	if (open_store(r->tool, dir, &from, &why) < 0) {
		repair_failed(r, &why);
		return 0;
	}
	progress_begin(&bar, r->tool, "repair", "blobs");
	for (size_t at = 0; rc == 0 && (b = repair_next(r, &at)); state.done++) {
		rc = take_blob(r, b, from, e);
		state.bytes += b->held ? b->size : 0;
		progress_show(&bar, &state);
	}
	progress_end(&bar);
	return rc;
}

/* --- which source it is -------------------------------------------------------------------------- */

static const char *registry_of(const char *word)
{
	return strncmp(word, REGISTRY, strlen(REGISTRY)) == 0 ? word + strlen(REGISTRY) : NULL;
}

/* A store or a medium. */
static int find_kind(const struct tool *t, const char *word, enum operand_kind *kind,
	const char **what, struct err *e)
{
	if (operand_kind_of(t, word, kind, what, e) < 0)
		return -1;
	if (*kind == OPERAND_STORE || *kind == OPERAND_MEDIUM)
		return 0;
	return err_set(e, *kind == OPERAND_SET ? ERR_ABSENT : ERR_INPUT,
		"\"%s\" is %s; bytes come from store:DIR, medium:PATH or registry:HOST", word,
		*kind == OPERAND_SET ? "no path" : "a lock");
}

int repair_check_source(const struct tool *t, const char *word, struct err *e)
{
	AUTO(medium_paths_release) struct medium_paths paths = { NULL, 0 };
	AUTO(store_close) struct store *s = NULL;
	const char *registry = registry_of(word), *what;
	enum operand_kind kind;

	if (registry)
		return repair_check_registry(registry, e);
	if (find_kind(t, word, &kind, &what, e) < 0)
		return -1;
	return kind == OPERAND_STORE ? open_store(t, what, &s, e)
				     : medium_paths_find(&paths, &what, 1, e);
}

static int ask(struct repair *r, struct err *e)
{
	const char *registry = registry_of(r->source), *what;
	enum operand_kind kind;
	struct err why = ERR_INIT;

	if (registry)
		return repair_from_registry(r, registry, e);
	if (find_kind(r->tool, r->source, &kind, &what, &why) < 0) {
		repair_failed(r, &why);
		return 0;
	}
	return kind == OPERAND_STORE ? from_store(r, what, e) : repair_from_medium(r, what, e);
}

/* Others may have put some meanwhile. */
static int pass_held(struct repair *r, struct err *e)
{
	for (size_t i = 0; i < r->count; i++) {
		struct repair_blob *b = r->blobs[i];
		uint64_t size;
		int rc = b->held ? 0 : blob_held(r->store, &b->digest, &size, e);

		if (rc < 0)
			return -1;
		if (rc > 0)
			repair_settle(r, b, NULL);
	}
	return 0;
}

int repair_from(struct repair *r, const char *source, struct err *e)
{
	struct err second = ERR_INIT;
	struct repair_blob *b;
	int rc;

	r->source = source;
	if (pass_held(r, e) < 0)
		return -1;
	r->batch = batch_new(r->store);
	rc = ask(r, e);
	/* Also after a failure: what came whole stays. */
	if (batch_flush(r->batch, rc < 0 ? &second : e) < 0)
		rc = -1;
	batch_free(&r->batch);
	for (size_t at = 0; rc == 0 && (b = repair_next(r, &at));)
		repair_answer(r, b, "does not have it");
	return rc;
}
