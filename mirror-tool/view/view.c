/* Sets and small blobs, of a store or from the cache of a medium. Must never write. */
#include "mirror-tool/view/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/view/places.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

static void set_done(struct view_set *s)
{
	set_release(&s->set);
	inventory_release(&s->held);
	free(s->signatures);
}

void view_release(struct view *view)
{
	int saved = errno;

	for (size_t i = 0; i < view->count; i++)
		set_done(&view->sets[i]);
	free(view->sets);
	places_free(&view->places);
	store_close(&view->documents);
	*view = (struct view)VIEW_INIT;
	errno = saved;
}

static int add_set(void *ctx, const struct set_info *info, struct err *e)
{
	struct view *view = ctx;

	(void)e;
	VEC_PUSH(view->sets, view->count)->info = *info;
	return 0;
}

int view_store(struct view *view, struct store *s, struct err *e)
{
	view->store = s;
	return list_sets(s, add_set, view, e) < 0 ? -1 : 0;
}

int view_blob(
	struct view *view, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	if (view->store)
		return blob_read(view->store, d, limit, out, e);
	return places_read(view->places, d, limit, out, e);
}

static int need_blob(struct view *view, const struct digest *d, size_t limit, const char *what,
	struct buf *out, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = view_blob(view, d, limit, out, e);

	if (rc == 0)
		return err_set(e, ERR_CORRUPT, "%s %s is not there", what, digest_text(d, text));
	return rc < 0 ? err_ctx(e, "%s", what) : 0;
}

int view_document(struct view *view, const struct set *s, enum set_role role, size_t limit,
	struct buf *out, struct err *e)
{
	const struct set_entry *entry = set_role_entry(s, role);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	int rc = entry ? view_blob(view, &entry->digest, MANIFEST_MAX, &bytes, e) : 0;

	if (rc <= 0)
		return rc;
	if (manifest_parse(&m, "document", entry->media_type, buf_span(&bytes), e) < 0)
		return -1;
	if (m.kind != MEDIA_IMAGE || m.count != 1)
		return err_set(e, ERR_CORRUPT, "its manifest has not one layer");
	return view_blob(view, &m.items[0].digest, limit, out, e);
}

static int load_inventory(struct view *view, struct view_set *s, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = view_document(view, &s->set, SET_INVENTORY, INVENTORY_BYTES_MAX, &text, e);

	if (rc < 0)
		return err_ctx(e, "inventory");
	if (rc == 0)
		return err_set(e, ERR_CORRUPT, "the inventory is not there");
	return inventory_parse(&s->held, "inventory", buf_span(&text), e);
}

int view_load(struct view *view, struct view_set *s, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;

	if (s->loaded)
		return 0;
	if (need_blob(view, &s->info.digest, SET_BYTES_MAX, "set", &bytes, e) < 0 ||
		set_parse(&s->set, "set", buf_span(&bytes), e) < 0 ||
		load_inventory(view, s, e) < 0)
		return -1;
	if (view->store && set_signatures(view->store, &s->info.digest, &s->signatures,
				   &s->signature_count, e) < 0)
		return -1;
	memcpy(s->info.name, s->set.name, sizeof(s->info.name));
	memcpy(s->info.version, s->set.version, sizeof(s->info.version));
	s->info.bytes = s->set.bytes;
	s->loaded = true;
	return 0;
}

struct view_set *view_find(struct view *view, const char *which)
{
	struct view_set *newest = NULL;

	for (size_t i = 0; i < view->count; i++) {
		const struct set_info *info = &view->sets[i].info;
		char name[SET_NAME_MAX + SET_VERSION_MAX + 2], digest[DIGEST_TEXT_SIZE];
		bool named = strcmp(which, info->name) == 0;

		snprintf(name, sizeof(name), "%s:%s", info->name, info->version);
		if ((named && info->active) || strcmp(which, name) == 0 ||
			strcmp(which, digest_text(&info->digest, digest)) == 0)
			return &view->sets[i];
		if (named && !newest)
			newest = &view->sets[i];
	}
	return newest;
}

bool view_is_fallback_tag(const char *tag)
{
	return strlen(tag) >= 71 && strncmp(tag, "sha256-", 7) == 0;
}

enum view_kind view_kind_of(const struct set_entry *entry)
{
	if (entry->role == SET_LOCK || entry->role == SET_LIST || entry->role == SET_INVENTORY)
		return VIEW_OWN;
	if (entry->role == SET_ATTACHED || view_is_fallback_tag(entry->tag))
		return VIEW_ATTACHED;
	return *entry->artifact_type ? VIEW_FILE : VIEW_IMAGE;
}

bool view_is_meant(const struct set_entry *entry, const struct ref *wanted)
{
	char name[REF_TEXT_SIZE];

	if (strcmp(entry->name, ref_name(wanted, name)) != 0)
		return false;
	if (wanted->digest.alg != DIGEST_NONE)
		return digest_eq(&entry->digest, &wanted->digest);
	return strcmp(entry->tag, *wanted->tag ? wanted->tag : "latest") == 0;
}

const char *view_reference(const struct set_entry *entry, char text[REF_TEXT_SIZE])
{
	char digest[DIGEST_TEXT_SIZE];

	if (*entry->tag)
		snprintf(text, REF_TEXT_SIZE, "%s:%s", entry->name, entry->tag);
	else
		snprintf(text, REF_TEXT_SIZE, "%s@%s", entry->name,
			digest_text(&entry->digest, digest));
	return text;
}
