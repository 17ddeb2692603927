/*
 * Opening and closing a store: the roof, as an opening makes again what was lost. Must never know what an
 * engine is made of.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdlib.h>

#include "storage/gc.h"
#include "storage/base/buf.h"
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

static int open_db(struct store *s, const struct engine *engine, const char *where, struct err *e)
{
	if (db_open(&s->db, engine->db, where, s->mode == STORE_WRITE, e) == 0)
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
	if (blobs_attach(&s->blobs, engine, where, mode, e) < 0 || open_db(s, engine, where, e) < 0)
		return -1;
	/* The metadata was lost or is an old copy; or a writer died between a commit and index.json. */
	if (mode == STORE_READ ? check_reading(s, e) < 0
			       : rebuild_if_due(s, e) < 0 || marks_apply(s, e) < 0 ||
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
	(void)!touched_flush(s, &e); /* else whoever goes on finds it again */
	if (s->index_dirty)
		(void)!index_json_write(s, &e); /* else the next writer does it */
	db_close(&s->db);
	blobs_detach(&s->blobs);
	free(s->passed);
	free(s->touched);
	free(s);
	*sp = NULL;
}

/* --- made again by command ---------------------------------------------------------------------- */

/* What the database has and index.json does not show yet, goes there; of a damaged one nothing can. */
static int save_index(const char *dir, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;

	if (store_open(&s, dir, STORE_WRITE, e) == 0)
		return 0;
	if (e->code != ERR_CORRUPT && e->code != ERR_IO)
		return -1;
	err_clear(e);
	return 0;
}

static int pass_entry(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	(void)ctx, (void)number, (void)d, (void)e;
	return 0;
}

int store_open_bare(struct store **out, const char *dir, enum store_mode mode, struct err *e)
{
	AUTO(store_close) struct store *s = mem_alloc(sizeof(*s));

	s->mode = mode;
	if (blobs_attach(&s->blobs, &engine_local, dir, mode, e) < 0)
		return -1;
	*out = STEAL(s);
	return 0;
}

/* Refuse what would leave nothing that tells sets and tags. */
static int check_index(const char *dir, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	int rc;

	if (store_open_bare(&s, dir, STORE_READ, e) < 0)
		return -1;
	rc = index_json_each(s, pass_entry, NULL, e);
	if (rc > 0)
		return 0;
	if (rc < 0 && e->code != ERR_INPUT)
		return -1;
	return err_set(e, ERR_INCOMPLETE,
		"%s: index.json is %s, and the database cannot be read: nothing else tells sets "
		"and tags, so it stays where it is",
		dir, rc < 0 ? "damaged" : "missing");
}

int store_remake(struct store **s, const char *dir, char aside[STORE_ASIDE_SIZE], struct err *e)
{
	aside[0] = '\0';
	if (save_index(dir, e) < 0 || check_index(dir, e) < 0 ||
		db_set_aside(engine_local.db, dir, aside, e) < 0)
		return -1;
	if (store_open(s, dir, STORE_WRITE, e) < 0)
		return err_ctx(e, "the database of before is %s/", aside);
	return 0;
}
