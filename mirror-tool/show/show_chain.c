/* Where a set stands among the versions of its name that are here. Must never end in a circle. */
#include "mirror-tool/show/show.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

/* Load the versions of the name, as far as their bytes are here. */
static int load_versions(struct view *view, const char *name, struct err *e)
{
	for (size_t i = 0; i < view->count; i++) {
		struct err why = ERR_INIT;

		if (strcmp(view->sets[i].info.name, name) != 0 ||
			view_load(view, &view->sets[i], &why) == 0)
			continue;
		if (!err_is_loss(why.code)) {
			*e = why;
			return -1;
		}
	}
	return 0;
}

static const struct view_set *find_set(const struct view *view, const struct digest *d)
{
	for (size_t i = 0; i < view->count; i++)
		if (digest_eq(&view->sets[i].info.digest, d))
			return &view->sets[i];
	return NULL;
}

static const struct view_set *find_next(const struct view *view, const struct view_set *s)
{
	for (size_t i = 0; i < view->count; i++)
		if (&view->sets[i] != s && view->sets[i].loaded &&
			digest_eq(&view->sets[i].set.previous, &s->info.digest))
			return &view->sets[i];
	return NULL;
}

static void show_version(struct report *r, const struct view_set *s, struct buf *words)
{
	report_object(r, NULL);
	report_text(r, "version", s->info.version);
	report_digest(r, "digest", &s->info.digest);
	report_end(r);
	buf_printf(words, "%s%s", words->len ? ", " : "", s->info.version);
}

/* The nearest first; what is missing then is the gap. */
static void show_predecessors(struct page *p, const struct view_set *s)
{
	AUTO(buf_release) struct buf words = BUF_INIT;
	struct report *r = p->report;
	struct digest gap = { .alg = DIGEST_NONE };

	report_array(r, "predecessors");
	for (size_t i = 0; i < p->view->count && s; i++) {
		gap = s->set.previous;
		s = gap.alg == DIGEST_NONE ? NULL : find_set(p->view, &gap);
		if (s)
			show_version(r, s, &words);
		if (s && !s->loaded)
			break;
	}
	report_end(r);
	if (s)
		gap.alg = DIGEST_NONE;
	report_digest(r, "gap", &gap);
	if (gap.alg != DIGEST_NONE)
		buf_printf(&words, "%sone that is not here", words.len ? ", " : "");
	report_label(r, "predecessors", words.data);
}

static void show_successors(struct page *p, const struct view_set *s)
{
	AUTO(buf_release) struct buf words = BUF_INIT;
	struct report *r = p->report;

	report_array(r, "successors");
	for (size_t i = 0; i < p->view->count && (s = find_next(p->view, s)); i++)
		show_version(r, s, &words);
	report_end(r);
	report_label(r, "successors", words.data);
}

/* What it has in common with the version that is active, unless it is that itself. */
static void show_shared(struct page *p, const struct view_set *s)
{
	const struct view_set *active = NULL;
	char size[SIZE_TEXT_SIZE];
	uint64_t bytes = 0;
	size_t blobs = 0;

	for (size_t i = 0; i < p->view->count; i++)
		if (p->view->sets[i].info.active && p->view->sets[i].loaded &&
			&p->view->sets[i] != s &&
			strcmp(p->view->sets[i].info.name, s->info.name) == 0)
			active = &p->view->sets[i];
	for (size_t i = 0; active && i < s->held.count; i++) {
		if (!inventory_find(&active->held, &s->held.lines[i].digest))
			continue;
		blobs++;
		bytes += s->held.lines[i].size;
	}
	report_object(p->report, "shared");
	report_text(p->report, "version", active ? active->info.version : "");
	report_number(p->report, "blobs", blobs);
	report_number(p->report, "bytes", bytes);
	report_end(p->report);
	if (active)
		report_line(p->report, "%-12s %s in %zu blob%s with %s, which is active", "shared",
			size_text(bytes, size), blobs, blobs == 1 ? "" : "s", active->info.version);
}

int show_chain(struct page *p, const struct view_set *s, struct err *e)
{
	if (load_versions(p->view, s->info.name, e) < 0)
		return -1;
	show_predecessors(p, s);
	show_successors(p, s);
	show_shared(p, s);
	return 0;
}
