/* A set: its facts, what its lock tells, and its entries. */
#include <inttypes.h>

#include "mirror-tool/changes.h"
#include "mirror-tool/list/lock.h"
#include "mirror-tool/show/show.h"
#include "mirror-tool/switch.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

void show_entry(struct report *r, const struct set_entry *entry)
{
	char reference[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	view_reference(entry, reference);
	report_object(r, NULL);
	report_text(r, "reference", reference);
	report_digest(r, "digest", &entry->digest);
	report_text(r, "mediaType", entry->media_type);
	report_line(r, "  %s  %s", digest_text(&entry->digest, digest), reference);
	report_end(r);
}

static void show_entries(
	struct report *r, const struct set *s, enum view_kind kind, const char *key)
{
	report_section(r, key, key, false);
	for (size_t i = 0; i < s->count; i++)
		if (view_kind_of(&s->entries[i]) == kind)
			show_entry(r, &s->entries[i]);
	report_end(r);
}

void show_state(struct page *p, const struct set_info *info)
{
	AUTO(buf_release) struct buf words = BUF_INIT;
	struct report *r = p->report;

	report_flag(r, "active", info && info->active);
	report_number(r, "generation", info ? info->generation : 0);
	if (!info)
		buf_str(&words, "pushed");
	else if (info->active)
		buf_printf(&words, "active, generation %" PRIu64, info->generation);
	else
		buf_str(&words, p->view->store ? "accepted, not active" : "on a medium");
	if (info && switch_expired(info))
		buf_str(&words, ", expired");
	if (info && info->missing)
		buf_printf(&words, ", %" PRIu64 " blobs missing", info->missing);
	report_label(r, "state", words.data);
}

/* The lock that travels in a set: 1, 0 it is not here, -1. */
static int read_lock(struct view *view, const struct set *s, struct lock *out, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = view_document(view, s, SET_LOCK, LOCK_BYTES_MAX, &text, e);

	if (rc <= 0)
		return rc < 0 ? err_ctx(e, "lock") : 0;
	return lock_parse(out, "moat.lock", buf_span(&text), e) < 0 ? -1 : 1;
}

/* How much the set leaves out that its list wants; what and why is in its lock, if that is here. */
static void show_excuses(struct report *r, const struct set *s, const struct lock *l)
{
	report_number(r, "excuses", s->excuses);
	if (s->excuses)
		report_line(r, "%-12s %" PRIu64, "excuses", s->excuses);
	report_section(r, "excused", "excused", s->excuses && l->count);
	show_excused(r, l);
	report_end(r);
}

static void count_entries(struct report *r, const struct set *s)
{
	struct show_count count = { .images = 0 };

	for (size_t i = 0; i < s->count; i++) {
		enum view_kind kind = view_kind_of(&s->entries[i]);

		count.images += kind == VIEW_IMAGE;
		count.files += kind == VIEW_FILE;
		count.attached += kind == VIEW_ATTACHED;
	}
	show_counts(r, &count);
}

static int show_facts(struct page *p, const struct view_set *s, const struct lock *l, struct err *e)
{
	struct report *r = p->report;

	report_fact(r, "set", s->set.name);
	report_fact(r, "version", s->set.version);
	report_fact_digest(r, "digest", &s->info.digest);
	report_fact(r, "created", s->set.created);
	report_fact(r, "expires", s->set.expires);
	report_fact_digest(r, "previous", &s->set.previous);
	report_fact_bytes(r, "size", s->set.bytes);
	show_state(p, &s->info);
	report_flag(r, "expired", switch_expired(&s->info));
	report_number(r, "missing", s->info.missing);
	report_words(r, "takes", s->info.takes, ',');
	report_label(r, "takes from", s->info.takes);
	count_entries(r, &s->set);
	show_platforms(r, l);
	return show_chain(p, s, e);
}

int show_set(struct page *p, struct view_set *s, struct err *e)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	struct report *r = p->report;

	if (view_load(p->view, s, e) < 0 || read_lock(p->view, &s->set, &lock, e) < 0)
		return -1;
	s->info.expires = clock_seconds(s->set.expires);
	if (show_facts(p, s, &lock, e) < 0 || show_signatures(p, s, e) < 0)
		return -1;
	show_excuses(r, &s->set, &lock);
	show_entries(r, &s->set, VIEW_IMAGE, "images");
	show_entries(r, &s->set, VIEW_FILE, "files");
	show_entries(r, &s->set, VIEW_ATTACHED, "attached");
	if (conflicts_report(r, p->view->store, s->set.name, e) < 0)
		return -1;
	return r->tool->json || !p->view->store ? 0 : conflicts_note(p->view->store, e);
}
