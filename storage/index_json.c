/*
 * index.json: the accepted sets with their signatures, the active pins, the tags. It makes the store
 * an OCI layout that others can read, and holds what a rebuild needs (S6). Written after the commit
 * that changed it, as a whole; a writer that died in between is made up for by the next open.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/fault.h"
#include "storage/index_json.h"
#include "storage/base/banned.h"

#define ITEM_ANNOTATIONS 8

struct listing {
	struct store *store;
	struct buf *out;
	size_t count;
	char last[REF_TEXT_SIZE]; /* the last reference: what comes under the same one is hidden */
};

/* A descriptor with few annotations. */
struct item {
	struct descriptor d;
	struct annotation notes[ITEM_ANNOTATIONS];
};

static void note(struct item *item, const char *key, const char *value)
{
	struct annotations *a = &item->d.annotations;

	if (a->count == ITEM_ANNOTATIONS)
		BUG("too many annotations in index.json");
	a->items = item->notes;
	a->items[a->count++] = (struct annotation){ key, value };
}

static void add(struct listing *l, const struct item *item)
{
	buf_str(l->out, l->count++ ? ",\n" : "\n");
	descriptor_write(l->out, &item->d);
}

/* --- sets ----------------------------------------------------------------------------------- */

static int list_signatures(struct listing *l, const struct set_info *info, struct err *e)
{
	AUTO(mem_free) struct set_signature *sigs = NULL;
	char subject[DIGEST_TEXT_SIZE];
	size_t count = 0;

	if (set_signatures(l->store, &info->digest, &sigs, &count, e) < 0)
		return -1;
	digest_text(&info->digest, subject);
	for (size_t i = 0; i < count; i++) {
		struct item item = { .d = { .digest = sigs[i].digest,
					     .media_type = sigs[i].media_type } };
		AUTO(mem_free) char *repo = mem_printf("%s/set/%s", SET_HOST, info->name);
		AUTO(mem_free) char *ref = mem_printf("%s:%s", repo, sigs[i].tag);

		if (blob_stat(l->store, &sigs[i].digest, &item.d.size, e) < 0)
			return -1;
		note(&item, NOTE_SUBJECT, subject);
		note(&item, sigs[i].tag[0] ? NOTE_REF : NOTE_REPOSITORY,
			sigs[i].tag[0] ? ref : repo);
		add(l, &item);
	}
	return 0;
}

static int list_set(void *ctx, const struct set_row *row, struct err *e)
{
	struct listing *l = ctx;
	const struct set_info *info = &row->info;
	struct item item = { .d = { .digest = info->digest,
				     .media_type = MEDIA_OCI_INDEX,
				     .artifact_type = MEDIA_MOAT_SET } };
	AUTO(mem_free) char *ref = mem_printf("%s/set/%s:%s", SET_HOST, info->name, info->version);
	char accepted[24], generation[24], activation[24];

	if (blob_stat(l->store, &info->digest, &item.d.size, e) < 0)
		return -1;
	snprintf(accepted, sizeof(accepted), "%" PRId64, info->accepted);
	snprintf(generation, sizeof(generation), "%" PRIu64, info->generation);
	snprintf(activation, sizeof(activation), "%" PRId64, row->activation);
	note(&item, NOTE_REF, ref);
	note(&item, NOTE_SET_NAME, info->name);
	note(&item, NOTE_SET_VERSION, info->version);
	note(&item, NOTE_ACCEPTED, accepted);
	if (info->active) {
		note(&item, NOTE_GENERATION, generation);
		note(&item, NOTE_ACTIVATION, activation);
	}
	add(l, &item);
	return list_signatures(l, info, e);
}

/* --- pins and tags -------------------------------------------------------------------------- */

static int list_name(void *ctx, const struct name_row *row, struct err *e)
{
	struct listing *l = ctx;
	struct item item = { .d = { .digest = row->info.digest,
				     .size = row->info.size,
				     .media_type = row->info.media_type } };
	AUTO(mem_free) char *ref = mem_printf("%s:%s", row->repo, row->tag);

	(void)e;
	if (row->tag[0] && strcmp(ref, l->last) != 0) {
		note(&item, NOTE_REF, ref);
		note(&item, NOTE_CONTAINERD, ref);
	} else {
		note(&item, NOTE_REPOSITORY, row->repo);
	}
	if (!row->pin)
		note(&item, NOTE_TAG, ref);
	if (!row->pin && row->links != LINKS_ALL)
		note(&item, NOTE_SPARSE,
			row->links == LINKS_ALONE ? NOTE_SPARSE_ALONE : NOTE_SPARSE_FOREIGN);
	snprintf(l->last, sizeof(l->last), "%s", ref);
	add(l, &item);
	return 0;
}

/* --- the file ------------------------------------------------------------------------------- */

int index_json_text(struct store *s, struct buf *out, struct err *e)
{
	struct listing l = { .store = s, .out = out };

	buf_str(out, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[");
	if (META(s, set_each, list_set, &l, e) < 0 || META(s, names_each, list_name, &l, e) < 0)
		return -1;
	buf_str(out, l.count ? "\n]}\n" : "]}\n");
	return 0;
}

/* Within a transaction, so that two writers cannot leave the older of their two lists. */
static int rewrite(struct store *s, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = tx_begin(s, &tx, e);

	if (rc == 0)
		rc = META(s, names_stale, e);
	if (rc <= 0)
		return rc;
	if (index_json_text(s, &text, e) < 0 || fault("index.write", e) < 0 ||
		BLOBS(s, index_put, buf_span(&text), e) < 0 || META(s, names_written, e) < 0)
		return -1;
	return tx_commit(&tx, e);
}

int index_json_write(struct store *s, struct err *e)
{
	int rc = META(s, names_stale, e);

	if (rc > 0)
		rc = rewrite(s, e);
	if (rc < 0)
		return err_ctx(e, "index.json");
	s->names_changed = false;
	return 0;
}
