/*
 * Build a set from a lock: entries, artifacts, version, predecessor. Must never read the clock or
 * anything else that differs between two machines with the same lock and predecessor.
 */
#include "mirror-tool/seal/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mirror-tool/list/selection.h"
#include "storage/oci/keys.h"
#include "storage/walk.h"
#include "storage/base/clock.h"
#include "storage/base/number.h"
#include "storage/base/banned.h"

#define DAY_SECONDS 86400
#define EXPIRES_DAYS_MAX 36500

void seal_release(struct seal *s)
{
	struct seal_artifact *own[] = { &s->lock, &s->list, &s->contents };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		buf_release(&own[i]->blob);
		buf_release(&own[i]->manifest);
	}
	buf_release(&s->index);
	set_changes_release(&s->changes);
	inventory_release(&s->inventory);
	set_release(&s->set);
}

/* --- what travels with an entry ------------------------------------------------------------------ */

/* A walk over the manifests of a lock into the inventory. Reports what is missing and goes on, so
 * that all of it is seen at once. */
struct gather {
	struct store *store;
	struct inventory *inventory;
	seal_missing_fn *missing;
	void *ctx;
	uint64_t missing_count;
	char reference[REF_TEXT_SIZE + DIGEST_TEXT_SIZE]; /* of the current entry */
	struct lock_pin *pin;
	bool attached; /* an attachment of the pin: held whole */
};

static int gather_read(void *ctx, const struct digest *d, struct buf *out, struct err *e)
{
	const struct gather *g = ctx;

	return blob_read(g->store, d, MANIFEST_MAX, out, e);
}

static bool gather_wanted(void *ctx, const struct walk_node *n)
{
	const struct gather *g = ctx;

	return n->edge.role != EDGE_CHILD || !n->in ||
	       select_held(n->in, (size_t)(n->edge.to - n->in->items), g->pin, g->attached);
}

static int gather_held(void *ctx, const struct walk_node *n, struct err *e)
{
	const char *what = n->parent ? edge_name(n->edge.role) : "manifest";
	const struct descriptor *d = n->edge.to;
	struct gather *g = ctx;
	char text[DIGEST_TEXT_SIZE];
	uint64_t size;
	int rc = blob_stat(g->store, &d->digest, &size, e);

	if (rc == 0 && n->edge.role == EDGE_FOREIGN && g->pin->leave_foreign &&
		media_is_foreign(d->media_type)) {
		excuses_add(&g->pin->excused, EXCUSE_FOREIGN_LAYER, &d->digest,
			"foreign-layers: leave");
	} else if (rc == 0) {
		g->missing_count++;
		g->missing(g->ctx, g->reference, &d->digest, what);
	}
	if (rc <= 0)
		return rc;
	if (size != d->size)
		return err_set(e, ERR_CORRUPT, "%s %s: %llu bytes are held, %llu announced", what,
			digest_text(&d->digest, text), (unsigned long long)size,
			(unsigned long long)d->size);
	inventory_add(g->inventory, &d->digest, size);
	return 1;
}

static int gather(struct gather *g, const struct set_entry *entry, struct err *e)
{
	static const struct walk_ops ops = {
		.read = gather_read, .wanted = gather_wanted, .held = gather_held
	};
	const struct descriptor root = {
		.digest = entry->digest, .size = entry->size, .media_type = entry->media_type
	};

	return walk(&ops, g, &root, e) < 0 ? err_ctx(e, "%s", g->reference) : 0;
}

/* --- entries ------------------------------------------------------------------------------- */

static struct set_entry *add_entry(struct set *set, enum set_role role, const char *name,
	const char *tag, const struct digest *d, uint64_t size)
{
	struct set_entry *entry = set_add(set);

	entry->role = role;
	entry->name = set_keep(set, name);
	entry->tag = set_keep(set, tag);
	entry->digest = *d;
	entry->size = size;
	return entry;
}

static int add_attachment(struct set *set, struct gather *g, const char *name,
	const struct lock_attachment *a, struct err *e)
{
	enum set_role role = *a->tag ? SET_PIN : SET_ATTACHED;
	struct set_entry *entry = add_entry(set, role, name, a->tag, &a->digest, a->size);
	char digest[DIGEST_TEXT_SIZE];

	entry->media_type = set_keep(set, a->media_type);
	entry->artifact_type = set_keep(set, a->artifact_type);
	if (role == SET_ATTACHED)
		entry->subject = a->subject;
	snprintf(g->reference, sizeof(g->reference), "%s%s%s", name, *a->tag ? ":" : "@",
		*a->tag ? a->tag : digest_text(&a->digest, digest));
	g->attached = true;
	return gather(g, entry, e);
}

static int add_pin(struct set *set, struct gather *g, struct lock_pin *pin, struct err *e)
{
	char name[REF_TEXT_SIZE];
	struct set_entry *entry = add_entry(
		set, SET_PIN, ref_name(&pin->ref, name), pin->ref.tag, &pin->digest, pin->size);

	entry->media_type = set_keep(set, pin->media_type);
	entry->artifact_type = set_keep(set, pin->artifact_type);
	ref_text(&pin->ref, g->reference);
	g->pin = pin;
	g->attached = false;
	if (gather(g, entry, e) < 0)
		return -1;
	for (size_t i = 0; i < pin->attached_count; i++)
		if (add_attachment(set, g, name, &pin->attached[i], e) < 0)
			return -1;
	return 0;
}

static bool same_place(const struct set_entry *a, const struct set_entry *b)
{
	return a->role == b->role && strcmp(a->name, b->name) == 0 && strcmp(a->tag, b->tag) == 0;
}

/* Add each attachment once: two tags of one image share them. */
static int drop_repeated(struct set *set, struct err *e)
{
	AUTO(buf_release) struct buf sorted = BUF_INIT;
	size_t kept = 0;

	set_write(set, &sorted); /* sorts */
	for (size_t i = 0; i < set->count; i++) {
		const struct set_entry *now = &set->entries[i];
		const struct set_entry *last = kept ? &set->entries[kept - 1] : NULL;

		if (last && same_place(last, now) && digest_eq(&last->digest, &now->digest))
			continue;
		if (last && same_place(last, now) && *now->tag)
			return err_set(e, ERR_INPUT, "%s:%s is two different manifests in the lock",
				now->name, now->tag);
		set->entries[kept++] = *now;
	}
	set->count = kept;
	return 0;
}

/* --- our own artifacts ----------------------------------------------------------------------- */

static const struct {
	enum set_role role;
	const char *type, *title;
} artifact_kinds[] = {
	{ SET_LOCK, MEDIA_MOAT_LOCK, "moat.lock" },
	{ SET_LIST, MEDIA_MOAT_LIST, "moat.yaml" },
	{ SET_INVENTORY, MEDIA_MOAT_INVENTORY, "inventory.txt" },
};

static void add_artifact(struct seal *s, size_t kind, struct seal_artifact *a)
{
	struct annotation title = { KEY_TITLE, artifact_kinds[kind].title };
	struct descriptor layer = { .size = a->blob.len,
		.media_type = artifact_kinds[kind].type,
		.annotations = { &title, 1 } };
	char name[REF_TEXT_SIZE];
	struct set_entry *entry;
	struct digest manifest;
	struct ref own;

	digest_of(&layer.digest, DIGEST_SHA256, buf_span(&a->blob));
	artifact_write(&a->manifest, artifact_kinds[kind].type, &layer);
	digest_of(&manifest, DIGEST_SHA256, buf_span(&a->manifest));
	set_ref(&s->set, &own);
	entry = add_entry(&s->set, artifact_kinds[kind].role, ref_name(&own, name), "", &manifest,
		a->manifest.len);
	entry->media_type = MEDIA_OCI_MANIFEST;
	entry->artifact_type = artifact_kinds[kind].type;
	if (artifact_kinds[kind].role == SET_INVENTORY)
		return; /* it cannot list itself */
	inventory_add(&s->inventory, &layer.digest, layer.size);
	inventory_add(&s->inventory, &manifest, a->manifest.len);
	inventory_add(&s->inventory, &digest_empty_json, 2);
}

static void add_artifacts(struct seal *s, struct lock *lock)
{
	lock_write(lock, &s->lock.blob);
	buf_str(&s->list.blob, lock->list_text);
	add_artifact(s, 0, &s->lock);
	add_artifact(s, 1, &s->list);
	inventory_write(&s->inventory, &s->contents.blob);
	s->set.bytes = inventory_bytes(&s->inventory);
	add_artifact(s, 2, &s->contents);
}

/* --- terms --------------------------------------------------------------------------------- */

static bool parse_days(const char *text, uint64_t *days)
{
	struct span rest = span_of(text);

	return number_take(&rest, days) && span_is(rest, "d") && *days > 0 &&
	       *days <= EXPIRES_DAYS_MAX;
}

static bool parse_date(const char *text, time_t *at)
{
	struct tm tm = { .tm_mday = 0 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	char again[32];

	if (!end || *end)
		return false;
	tm.tm_hour = 23;
	tm.tm_min = tm.tm_sec = 59;
	*at = timegm(&tm); /* makes the 3rd of March of a 31st of February */
	return strftime(again, sizeof(again), "%Y-%m-%d", &tm) && strcmp(again, text) == 0;
}

static int set_expiry(struct set *set, const char *expires, struct err *e)
{
	struct tm tm = { .tm_mday = 0 };
	unsigned long days;
	time_t created, at;

	if (!expires)
		return 0;
	if (!strptime(set->created, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return err_set(e, ERR_INPUT, "the lock's time \"%s\" is unreadable", set->created);
	created = timegm(&tm);
	if (parse_days(expires, &days))
		at = created + (time_t)days * DAY_SECONDS;
	else if (!parse_date(expires, &at))
		return err_set(e, ERR_INPUT,
			"--expires %s: a date as 2026-12-31 or a number of days as 90d is needed",
			expires);
	if (at <= created)
		return err_set(e, ERR_INPUT, "--expires %s: the lock is from %s, after that",
			expires, set->created);
	clock_text(at, set->expires);
	return 0;
}

/* "": place_after() chooses, when it knows what comes before. */
static int choose_version(
	struct set *set, const struct lock *lock, const struct seal_terms *terms, struct err *e)
{
	const char *given = terms->version ? terms->version : lock->version;

	if (!*given)
		return 0;
	if (ref_check_tag(span_of(given), e) < 0)
		return err_ctx(e, "version \"%.150s\"", given);
	if (strlen(given) > SET_VERSION_MAX)
		return err_set(
			e, ERR_INPUT, "the version is longer than %d bytes", SET_VERSION_MAX);
	memcpy(set->version, given, strlen(given) + 1);
	return 0;
}

/* --- the newest set of that name --------------------------------------------------------------- */

static int read_newest(struct store *store, const char *name, struct set *set,
	struct digest *digest, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct set_info info;
	int rc = set_find(store, name, &info, e);

	if (rc <= 0)
		return rc;
	rc = blob_read(store, &info.digest, SET_BYTES_MAX, &bytes, e);
	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_CORRUPT, "set %s: its index is gone", name);
	*digest = info.digest;
	return set_parse(set, name, buf_span(&bytes), e) < 0 ? -1 : 1;
}

static void finish(struct seal *s, const char *version, const struct digest *previous)
{
	if (version != s->set.version)
		memmove(s->set.version, version, strlen(version) + 1);
	s->set.previous = *previous;
	buf_clear(&s->index);
	set_write(&s->set, &s->index);
	digest_of(&s->digest, DIGEST_SHA256, buf_span(&s->index));
}

static int refuse_version(
	const struct set *s, const char *version, const struct set *newest, struct err *e)
{
	AUTO(buf_release) struct buf what = BUF_INIT;

	set_difference(s, newest, &what);
	return err_set(e, ERR_INPUT,
		"%s %s is not newer than %s, which is sealed with other content (now %.700s): "
		"raise "
		"`version:` in the list, or give --version (their order: moat.yaml(5)); a key is "
		"added by sealing the very same",
		s->name, version, newest->version, what.data);
}

/* Find the newest set again when the content is the same; everything else must be newer. */
static int place_after(
	struct seal *s, struct store *store, const struct seal_terms *terms, struct err *e)
{
	AUTO(set_release) struct set newest = SET_INIT;
	char version[SET_VERSION_MAX + 1];
	struct digest digest = { .alg = DIGEST_NONE };
	int rc = read_newest(store, s->set.name, &newest, &digest, e);

	if (rc < 0)
		return -1;
	memcpy(version, s->set.version, sizeof(version));
	if (!*version && set_version_default(version, newest.version, s->set.created, e) < 0)
		return -1;
	if (rc == 1) {
		finish(s, terms->version ? version : newest.version, &newest.previous);
		s->again = digest_eq(&s->digest, &digest);
	}
	if (s->again)
		return 0;
	if (rc == 1 && set_version_cmp(version, newest.version) <= 0)
		return refuse_version(&s->set, version, &newest, e);
	finish(s, version, &digest);
	return 0;
}

/* ------------------------------------------------------------------------------------------- */

static int check_complete(const struct gather *g, struct err *e)
{
	if (!g->missing_count)
		return 0;
	return err_set(e, ERR_INCOMPLETE,
		"not complete: %llu blobs are not in the store; `moat pull` fetches them",
		(unsigned long long)g->missing_count);
}

int seal_build(struct seal *out, struct store *s, struct lock *lock, const struct seal_terms *terms,
	seal_missing_fn *missing, void *ctx, struct err *e)
{
	struct gather g = {
		.store = s, .inventory = &out->inventory, .missing = missing, .ctx = ctx
	};
	struct set *set = &out->set;

	out->take = terms->take;
	out->take_count = terms->take_count;
	snprintf(set->name, sizeof(set->name), "%s", lock->name);
	snprintf(set->created, sizeof(set->created), "%s", lock->created);
	if (choose_version(set, lock, terms, e) < 0 || set_expiry(set, terms->expires, e) < 0)
		return -1;
	for (size_t i = 0; i < lock->count; i++)
		if (add_pin(set, &g, &lock->pins[i], e) < 0)
			return -1;
	set->excuses = lock_excuses(lock);
	if (check_complete(&g, e) < 0 || drop_repeated(set, e) < 0)
		return -1;
	add_artifacts(out, lock);
	return place_after(out, s, terms, e);
}
