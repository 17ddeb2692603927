/* What one operand has: references, blobs, signers. Must never count a set's own documents as its content. */
#include "mirror-tool/compare/side.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "mirror-tool/media/medium.h"
#include "mirror-tool/show/show.h"
#include "storage/base/clock.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

void side_release(struct side *s)
{
	int saved = errno;

	set_release(&s->set);
	inventory_release(&s->held);
	trust_release(&s->signers);
	free(s->pins);
	*s = (struct side)SIDE_INIT;
	errno = saved;
}

/* --- references ------------------------------------------------------------------------------ */

static void add_set_entries(struct side *s, const struct set *from)
{
	for (size_t i = 0; i < from->count; i++)
		if (view_kind_of(&from->entries[i]) != VIEW_OWN)
			*set_add(&s->set) = from->entries[i];
}

static void add_lock_entries(struct side *s, const struct lock_pin *pin)
{
	char text[REF_TEXT_SIZE];
	const char *name = set_keep(&s->set, ref_name(&pin->ref, text));

	*set_add(&s->set) = (struct set_entry){ .role = SET_PIN,
		.name = name,
		.tag = pin->ref.tag,
		.digest = pin->digest,
		.size = pin->size,
		.media_type = pin->media_type,
		.artifact_type = pin->artifact_type };
	for (size_t i = 0; i < pin->attached_count; i++) {
		const struct lock_attachment *a = &pin->attached[i];

		*set_add(&s->set) = (struct set_entry){ .role = *a->tag ? SET_PIN : SET_ATTACHED,
			.name = name,
			.tag = a->tag,
			.digest = a->digest,
			.size = a->size,
			.media_type = a->media_type,
			.artifact_type = a->artifact_type };
	}
}

static int by_digest(const void *a, const void *b)
{
	const struct lock_pin *const *x = a, *const *y = b;

	return digest_cmp(&(*x)->digest, &(*y)->digest);
}

static void add_lock(struct side *s, const struct lock *l)
{
	for (size_t i = 0; i < l->count; i++) {
		add_lock_entries(s, &l->pins[i]);
		*VEC_PUSH(s->pins, s->pin_count) = &l->pins[i];
	}
	if (s->pin_count)
		qsort(s->pins, s->pin_count, sizeof(const struct lock_pin *), by_digest);
}

/* By place; at one place in the order in which they were added. */
static int by_place(const void *a, const void *b)
{
	const struct set_entry *const *x = a, *const *y = b;
	int c = set_entry_cmp(*x, *y);

	return c ? c : *x < *y ? -1 : *x > *y;
}

/* As those of a single set are. */
static bool is_sorted(const struct set *s)
{
	for (size_t i = 1; i < s->count; i++)
		if (set_entry_cmp(&s->entries[i - 1], &s->entries[i]) >= 0)
			return false;
	return true;
}

/* Sort the entries, and keep the first of each place. */
static void sort_entries(struct set *s)
{
	AUTO(mem_free) const struct set_entry **order = NULL;
	struct set sorted = SET_INIT;

	if (is_sorted(s))
		return;
	order = mem_alloc(s->count * sizeof(const struct set_entry *));
	for (size_t i = 0; i < s->count; i++)
		order[i] = &s->entries[i];
	qsort(order, s->count, sizeof(const struct set_entry *), by_place);
	for (size_t i = 0; i < s->count; i++)
		if (i == 0 || set_entry_cmp(order[i - 1], order[i]) != 0)
			*set_add(&sorted) = *order[i];
	free(s->entries);
	s->entries = sorted.entries;
	s->count = sorted.count;
}

static size_t count_references(const struct set *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++)
		count += view_kind_of(&s->entries[i]) != VIEW_ATTACHED;
	return count;
}

/* --- blobs ----------------------------------------------------------------------------------- */

/* Add the lock and the list of a set, each with its manifest. */
static int add_own(struct view *view, const struct set *set, struct inventory *own, struct err *e)
{
	for (size_t i = 0; i < set->count; i++) {
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
		AUTO(buf_release) struct buf bytes = BUF_INIT;
		const struct set_entry *entry = &set->entries[i];
		int rc;

		if (view_kind_of(entry) != VIEW_OWN)
			continue;
		inventory_add(own, &entry->digest, entry->size);
		rc = view_blob(view, &entry->digest, MANIFEST_MAX, &bytes, e);
		if (rc < 0 || (rc > 0 && manifest_parse(&m, "document", entry->media_type,
						 buf_span(&bytes), e) < 0))
			return -1;
		for (size_t k = 0; k < m.count; k++)
			inventory_add(own, &m.items[k].digest, m.items[k].size);
	}
	return 0;
}

static int add_blobs(struct side *s, struct view_set *from, struct err *e)
{
	AUTO(inventory_release) struct inventory own = INVENTORY_INIT;

	if (add_own(&s->from->view, &from->set, &own, e) < 0)
		return -1;
	inventory_sort(&own);
	for (size_t i = 0; i < from->held.count; i++)
		if (!inventory_find(&own, &from->held.lines[i].digest))
			inventory_add(
				&s->held, &from->held.lines[i].digest, from->held.lines[i].size);
	return 0;
}

/* --- signers --------------------------------------------------------------------------------- */

static int add_signers(struct side *s, struct view_set *from, struct err *e)
{
	for (size_t i = 0; i < from->signature_count; i++)
		if (show_keys(&s->from->view, &from->signatures[i], &s->signers, e) < 0)
			return err_ctx(
				e, "signature of %s %s", from->info.name, from->info.version);
	return 0;
}

static int add_judged(struct side *s, const struct medium *m, struct err *e)
{
	for (size_t i = 0; i < m->trust->count; i++) {
		AUTO(buf_release) struct buf pem = BUF_INIT;

		if (!medium_is_signed_by(m, m->trust->keys[i]))
			continue;
		if (verify_key_write(m->trust->keys[i], &pem, e) < 0 ||
			trust_add(&s->signers, "key", buf_span(&pem), e) < 0)
			return -1;
	}
	return 0;
}

static int verify_medium(struct side *s, const struct texts *keys, struct err *e)
{
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	AUTO(medium_release)
	struct medium m = { .trust = &trust,
		.now = clock_now(),
		.allow_expired = true,
		.documents = s->from->view.documents };

	if (tool_trust_load(&trust, keys, e) < 0 ||
		medium_read_heads(&m, &s->from->what, 1, e) < 0 || add_judged(s, &m, e) < 0)
		return -1;
	if (!digest_eq(&m.head.digest, &s->from->sets[0]->info.digest))
		return err_set(e, ERR_CORRUPT, "%s: it was changed meanwhile", s->from->what);
	s->verified = true;
	return 0;
}

/* --------------------------------------------------------------------------------------------- */

static int add_set(struct side *s, struct view_set *from, bool judged, struct err *e)
{
	add_set_entries(s, &from->set);
	if (add_blobs(s, from, e) < 0)
		return -1;
	return judged ? 0 : add_signers(s, from, e);
}

int side_fill(struct side *s, struct operand *from, const struct texts *keys, struct err *e)
{
	bool judge = from->kind == OPERAND_MEDIUM && keys->count;

	s->from = from;
	s->has_inventory = from->kind != OPERAND_LOCK;
	s->verified = from->store != NULL;
	if (judge && verify_medium(s, keys, e) < 0)
		return -1;
	for (size_t i = 0; i < from->count; i++)
		if (add_set(s, from->sets[i], judge, e) < 0)
			return err_ctx(e, "%s", from->word);
	add_lock(s, &from->lock);
	sort_entries(&s->set);
	s->references = count_references(&s->set);
	inventory_sort(&s->held);
	return 0;
}
