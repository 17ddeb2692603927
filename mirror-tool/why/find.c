/* Chains from what sets pin to a blob. Must never take what a manifest says for more than a claim. */
#include <errno.h>
#include <stdlib.h>

#include "mirror-tool/why/why.h"
#include "storage/walk.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

void why_release(struct why *w)
{
	int saved = errno;

	for (size_t i = 0; i < w->count; i++)
		free(w->uses[i].wants);
	free(w->uses);
	free(w->holds);
	*w = (struct why)WHY_INIT;
	errno = saved;
}

/* The search below one root. */
struct search {
	struct view *view;
	const struct why_targets *targets;
	struct why *out;
	const struct view_set *set;
	const struct set_entry *entry;
	const char *kind;
	bool all_held; /* what is below is in no inventory: the inventory itself, signatures */
	bool is_full;
};

static bool is_target(const struct why_targets *t, const struct digest *d)
{
	for (size_t i = 0; i < t->count; i++)
		if (digest_eq(&t->items[i], d))
			return true;
	return false;
}

static struct why_use *add_use(struct search *s)
{
	struct why_use *use;

	s->is_full = s->out->count == WHY_USES_MAX;
	if (s->is_full)
		return NULL;
	use = VEC_PUSH(s->out->uses, s->out->count);
	use->set = s->set;
	use->entry = s->entry;
	use->kind = s->kind;
	use->wants = mem_strdup("");
	s->out->holds[s->set - s->view->sets] = true;
	return use;
}

static void set_link(struct why_link *link, const struct walk_node *n)
{
	link->digest = n->edge.to->digest;
	link->role = n->parent ? edge_name(n->edge.role) : "pin";
	if (n->edge.to->has_platform)
		platform_text(&n->edge.to->platform, link->platform);
}

static void add_chain(struct search *s, const struct walk_node *n)
{
	struct why_use *use = add_use(s);
	size_t depth = 0;

	if (!use)
		return;
	for (const struct walk_node *at = n; at; at = at->parent)
		depth++;
	use->count = depth;
	for (const struct walk_node *at = n; at; at = at->parent)
		if (--depth < WHY_CHAIN_MAX)
			set_link(&use->chain[depth], at);
	if (use->count > WHY_CHAIN_MAX)
		use->count = WHY_CHAIN_MAX;
}

static int search_read(void *ctx, const struct digest *d, struct buf *out, struct err *e)
{
	const struct search *s = ctx;

	return view_blob(s->view, d, MANIFEST_MAX, out, e);
}

static bool is_held(const struct search *s, const struct descriptor *d)
{
	const struct inventory_line *line = inventory_find(&s->set->held, &d->digest);

	return s->all_held || (line && line->size == d->size);
}

/* Every edge is seen here, so each manifest that needs a shared layer is found. */
static bool search_edge(void *ctx, const struct walk_node *n)
{
	struct search *s = ctx;

	if (n->edge.role != EDGE_SUBJECT && is_target(s->targets, &n->edge.to->digest) &&
		is_held(s, n->edge.to))
		add_chain(s, n);
	return true;
}

static int search_held(void *ctx, const struct walk_node *n, struct err *e)
{
	const struct search *s = ctx;

	(void)e;
	return !n->parent || is_held(s, n->edge.to);
}

static int pass_over(void *ctx, const struct walk_node *n, struct err *e)
{
	(void)ctx;
	(void)n;
	(void)e;
	return 0;
}

static int search_below(struct search *s, const struct digest *d, uint64_t size,
	const char *media_type, struct err *e)
{
	static const struct walk_ops ops = { .read = search_read,
		.wanted = search_edge,
		.held = search_held,
		.missing = pass_over,
		.untrue = pass_over };
	const struct descriptor root = { .digest = *d, .size = size, .media_type = media_type };

	if (walk(&ops, s, &root, e) < 0)
		return -1;
	return s->is_full ? err_set(e, ERR_INPUT, "more than %d uses", WHY_USES_MAX) : 0;
}

static const char *kind_of(const struct set_entry *entry)
{
	if (entry->role == SET_LOCK)
		return "lock";
	if (entry->role == SET_LIST)
		return "list";
	if (entry->role == SET_INVENTORY)
		return "inventory";
	switch (view_kind_of(entry)) {
	case VIEW_FILE:
		return "file";
	case VIEW_ATTACHED:
		return "attached";
	default:
		return "image";
	}
}

static int search_entries(struct search *s, bool own, struct err *e)
{
	const struct set *set = &s->set->set;

	for (size_t i = 0; i < set->count; i++) {
		const struct set_entry *entry = &set->entries[i];

		if ((entry->role == SET_INVENTORY) != own)
			continue;
		s->entry = entry;
		s->kind = kind_of(entry);
		s->all_held = own;
		if (search_below(s, &entry->digest, entry->size, entry->media_type, e) < 0)
			return -1;
	}
	return 0;
}

/* The set, its inventory and its signatures are in no inventory. */
static int search_outside(struct search *s, struct err *e)
{
	const struct view_set *set = s->set;
	const struct descriptor itself = { .digest = set->info.digest };
	const struct walk_node pin = { .edge = { EDGE_CHILD, &itself } };

	s->entry = NULL;
	s->kind = "set";
	if (is_target(s->targets, &itself.digest))
		add_chain(s, &pin);
	s->kind = "signature";
	s->all_held = true;
	for (size_t i = 0; i < set->signature_count; i++) {
		const struct set_signature *sig = &set->signatures[i];

		if (search_below(s, &sig->digest, 0, sig->media_type, e) < 0)
			return -1;
	}
	return search_entries(s, true, e);
}

static bool has_target(const struct view_set *set, const struct why_targets *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (inventory_find(&set->held, &t->items[i]))
			return true;
	return false;
}

static int search_set(struct search *s, struct err *e)
{
	size_t first = s->out->count;

	if (has_target(s->set, s->targets)) {
		s->out->holds[s->set - s->view->sets] = true;
		if (search_entries(s, false, e) < 0)
			return -1;
	}
	if (search_outside(s, e) < 0)
		return -1;
	return s->out->count > first ? why_name_lines(s->view, s->set, s->out, first, e) : 0;
}

int why_find(struct view *view, const struct why_targets *targets, struct why *out, struct err *e)
{
	out->holds = mem_alloc((view->count + 1) * sizeof(bool));
	for (size_t i = 0; i < view->count; i++) {
		struct search s = {
			.view = view, .targets = targets, .out = out, .set = &view->sets[i]
		};

		if (view_load(view, &view->sets[i], e) < 0 || search_set(&s, e) < 0)
			return err_ctx(e, "%s:%s", s.set->info.name, s.set->info.version);
	}
	return 0;
}
