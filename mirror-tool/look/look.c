/* Sets and small blobs, from a store or from what was kept of a medium. Writes nothing. */
#include "mirror-tool/look/look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/look/shelf.h"
#include "storage/base/banned.h"

static void set_done(struct look_set *s)
{
	set_release(&s->set);
	inventory_release(&s->held);
	free(s->signatures);
}

void look_release(struct look *l)
{
	int saved = errno;

	for (size_t i = 0; i < l->count; i++)
		set_done(&l->sets[i]);
	free(l->sets);
	shelf_free(&l->shelf);
	*l = (struct look)LOOK_INIT;
	errno = saved;
}

static int add_set(void *ctx, const struct set_info *info, struct err *e)
{
	struct look *l = ctx;

	(void)e;
	l->sets = mem_grow(l->sets, l->count + 1, sizeof(*l->sets));
	l->sets[l->count++] = (struct look_set){ .info = *info };
	return 0;
}

int look_store(struct look *l, struct store *s, struct err *e)
{
	l->store = s;
	return list_sets(s, add_set, l, e) < 0 ? -1 : 0;
}

int look_blob(struct look *l, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	const struct shelf_item *item;

	if (l->store)
		return blob_read(l->store, d, limit, out, e);
	item = shelf_find(l->shelf, d);
	if (!item || !item->whole)
		return 0;
	if (item->bytes.len > limit)
		return err_set(e, ERR_INPUT, "%zu bytes, more than the limit of %zu",
			item->bytes.len, limit);
	buf_add(out, item->bytes.data, item->bytes.len);
	return 1;
}

static int need_blob(struct look *l, const struct digest *d, size_t limit, const char *what,
	struct buf *out, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = look_blob(l, d, limit, out, e);

	if (rc == 0)
		return err_set(e, ERR_CORRUPT, "%s %s is not there", what, digest_text(d, text));
	return rc < 0 ? err_ctx(e, "%s", what) : 0;
}

static int load_inventory(struct look *l, struct look_set *s, struct err *e)
{
	const struct set_entry *entry = set_role_entry(&s->set, SET_INVENTORY);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (need_blob(l, &entry->digest, MANIFEST_MAX, "inventory", &bytes, e) < 0 ||
		manifest_parse(&m, "inventory", entry->media_type, buf_span(&bytes), e) < 0)
		return -1;
	if (m.kind != MEDIA_IMAGE || m.count != 1)
		return err_set(e, ERR_CORRUPT, "the inventory's manifest has not one layer");
	if (need_blob(l, &m.items[0].digest, INVENTORY_BYTES_MAX, "inventory", &text, e) < 0)
		return -1;
	return inventory_parse(&s->held, "inventory", buf_span(&text), e);
}

int look_load(struct look *l, struct look_set *s, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;

	if (s->loaded)
		return 0;
	if (need_blob(l, &s->info.digest, SET_BYTES_MAX, "set", &bytes, e) < 0 ||
		set_parse(&s->set, "set", buf_span(&bytes), e) < 0 || load_inventory(l, s, e) < 0)
		return -1;
	if (l->store && set_signatures(l->store, &s->info.digest, &s->signatures,
				&s->signature_count, e) < 0)
		return -1;
	memcpy(s->info.name, s->set.name, sizeof(s->info.name));
	memcpy(s->info.version, s->set.version, sizeof(s->info.version));
	s->info.bytes = s->set.bytes;
	s->loaded = true;
	return 0;
}

struct look_set *look_find(struct look *l, const char *which)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct set_info *info = &l->sets[i].info;
		char name[SET_NAME_MAX + SET_VERSION_MAX + 2], digest[DIGEST_TEXT_SIZE];

		snprintf(name, sizeof(name), "%s:%s", info->name, info->version);
		if (strcmp(which, info->name) == 0 || strcmp(which, name) == 0 ||
			strcmp(which, digest_text(&info->digest, digest)) == 0)
			return &l->sets[i];
	}
	return NULL;
}

bool look_is_fallback_tag(const char *tag)
{
	return strlen(tag) >= 71 && strncmp(tag, "sha256-", 7) == 0;
}

enum look_kind look_kind_of(const struct set_entry *entry)
{
	if (entry->role == SET_LOCK || entry->role == SET_LIST || entry->role == SET_INVENTORY)
		return LOOK_OWN;
	if (entry->role == SET_ATTACHED || look_is_fallback_tag(entry->tag))
		return LOOK_ATTACHED;
	return *entry->artifact_type ? LOOK_FILE : LOOK_IMAGE;
}

const char *look_reference(const struct set_entry *entry, char text[REF_TEXT_SIZE])
{
	char digest[DIGEST_TEXT_SIZE];

	if (*entry->tag)
		snprintf(text, REF_TEXT_SIZE, "%s:%s", entry->name, entry->tag);
	else
		snprintf(text, REF_TEXT_SIZE, "%s@%s", entry->name,
			digest_text(&entry->digest, digest));
	return text;
}
