/* Opening and closing a store, and its transactions. Must never know what an engine is made of. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdlib.h>

#include "storage/base/buf.h"
#include "storage/base/fault.h"
#include "storage/base/banned.h"

int store_open(struct store **s, const char *dir, enum store_mode mode, struct err *e)
{
	return store_open_engine(s, &engine_local, dir, mode, e);
}

/* A reader needs metadata that was told of what is here. */
static int check_reading(struct store *s, struct err *e)
{
	struct err why;
	int rc = store_is_current(s, &why, e);

	if (rc != 0 || why.code != ERR_INCOMPLETE)
		return rc < 0 ? -1 : 0;
	*e = why;
	return -1;
}

static int open_meta(struct store *s, const struct engine *engine, const char *where, struct err *e)
{
	if (engine->open_meta(&s->meta, where, s->mode, e) == 0)
		return 0;
	if (s->mode == STORE_READ && e->code == ERR_ABSENT && store_was_here(s, e) < 0)
		return err_ctx(e, "open store %s", where);
	return -1;
}

int store_open_engine(struct store **out, const struct engine *engine, const char *where,
	enum store_mode mode, struct err *e)
{
	AUTO(store_close) struct store *s = mem_alloc(sizeof(*s));

	s->mode = mode;
	if (engine->open_blobs(&s->blobs, where, mode, e) < 0 || open_meta(s, engine, where, e) < 0)
		return -1;
	/* The metadata was lost or is an old copy; or a writer died between a commit and index.json. */
	if (mode == STORE_READ ? check_reading(s, e) < 0
			       : rebuild_if_due(s, e) < 0 || marks_settle(s, e) < 0 ||
					 index_json_write(s, e) < 0)
		return err_ctx(e, "open store %s", where);
	*out = STEAL(s);
	return 0;
}

void store_close(struct store **sp)
{
	struct store *s = *sp;
	struct err e = ERR_INIT;

	if (!s)
		return;
	passed_flush(s);
	if (s->names_changed)
		(void)!index_json_write(s, &e); /* else the next writer does it */
	if (s->meta)
		s->meta->ops->close(s->meta);
	if (s->blobs)
		s->blobs->ops->close(s->blobs);
	free(s->passed);
	free(s);
	*sp = NULL;
}

int store_change(struct store *s, uint64_t *number, struct err *e)
{
	return META(s, change, number, e);
}

int store_totals(struct store *s, struct store_totals *out, struct err *e)
{
	return META(s, totals, out, e);
}

int store_free_bytes(struct store *s, uint64_t *bytes, struct err *e)
{
	return BLOBS(s, free_bytes, bytes, e);
}

int store_may_write(const struct store *s, struct err *e)
{
	if (s->mode == STORE_WRITE)
		return 0;
	return err_set(e, ERR_DENIED, "the store was opened for reading");
}

int tx_begin(struct store *s, struct store **tx, struct err *e)
{
	if (store_may_write(s, e) < 0 || fault("meta.begin", e) < 0 || META(s, begin, e) < 0)
		return -1;
	*tx = s;
	return 0;
}

int tx_commit(struct store **tx, struct err *e)
{
	struct store *s = *tx;

	if (fault("meta.commit", e) < 0)
		return -1;
	*tx = NULL;
	if (META(s, commit, e) < 0)
		return -1;
	return fault("meta.committed", e);
}

int tx_look(struct store *s, struct store **tx, struct err *e)
{
	if (META(s, look, e) < 0)
		return -1;
	*tx = s;
	return 0;
}

void tx_abort(struct store **tx)
{
	if (*tx)
		META(*tx, abort);
	*tx = NULL;
}
