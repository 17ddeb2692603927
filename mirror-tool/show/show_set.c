/* A set: its facts, signatures, excuses and entries. Proves nothing: keys are named as signatures name them. */
#include <inttypes.h>

#include "mirror-tool/changes.h"
#include "mirror-tool/list/lock.h"
#include "mirror-tool/show/show.h"
#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

int show_keys(struct view *view, const struct set_signature *sig, struct trust *keys, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	const char *pem;
	int rc = view_blob(view, &sig->digest, MANIFEST_MAX, &bytes, e);

	if (rc <= 0)
		return rc;
	if (manifest_parse(&m, "signature", sig->media_type, buf_span(&bytes), e) < 0)
		return -1;
	pem = annotation_get(&m.annotations, COSIGN_PUBLIC_KEY);
	return pem ? trust_add(keys, "signature", span_of(pem), e) : 0;
}

/* JSON has the first key as a text too, as it did when there was but one. */
static int show_signature(struct page *p, const struct set_signature *sig, struct err *e)
{
	AUTO(trust_release) struct trust keys = TRUST_INIT;
	AUTO(buf_release) struct buf names = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE];
	const char *form = *sig->tag ? "cosign" : "bundle";
	struct report *r = p->report;

	digest_text(&sig->digest, digest);
	if (show_keys(p->view, sig, &keys, e) < 0)
		return err_ctx(e, "signature %s", digest);
	report_object(r, NULL);
	report_text(r, "form", form);
	report_text(r, "digest", digest);
	report_text(r, "key", keys.count ? digest_hex(verify_key_id(keys.keys[0]), hex) : "");
	report_array(r, "keys");
	for (size_t i = 0; i < keys.count; i++) {
		digest_hex(verify_key_id(keys.keys[i]), hex);
		report_text(r, NULL, hex);
		buf_printf(&names, "%s %s", i ? "," : "", hex);
	}
	report_end(r);
	report_line(r, "  %s  %s  key%s", form, digest, keys.count ? names.data : " unnamed");
	report_end(r);
	return 0;
}

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
	struct report *r = p->report;

	report_flag(r, "active", info && info->active);
	report_number(r, "generation", info ? info->generation : 0);
	if (!info)
		report_label(r, "state", "pushed");
	else if (info->active)
		report_line(r, "%-12s active, generation %" PRIu64, "state", info->generation);
	else
		report_label(r, "state", p->view->store ? "accepted, not active" : "on a medium");
}

/* The lock that travels in a set: 1, 0 it is not here, -1. */
static int read_lock(struct view *view, const struct set *s, struct lock *out, struct err *e)
{
	const struct set_entry *entry = set_role_entry(s, SET_LOCK);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = entry ? view_blob(view, &entry->digest, MANIFEST_MAX, &bytes, e) : 0;

	if (rc <= 0)
		return rc;
	if (manifest_parse(&m, "lock", entry->media_type, buf_span(&bytes), e) < 0)
		return -1;
	if (m.kind != MEDIA_IMAGE || m.count != 1)
		return err_set(e, ERR_CORRUPT, "the lock's manifest has not one layer");
	rc = view_blob(view, &m.items[0].digest, LOCK_BYTES_MAX, &text, e);
	if (rc <= 0)
		return rc;
	return lock_parse(out, "moat.lock", buf_span(&text), e) < 0 ? -1 : 1;
}

/* digest: NULL of what was skipped. */
static void show_excuse(struct report *r, const char *ref, const char *kind,
	const struct digest *digest, const char *why)
{
	char text[DIGEST_TEXT_SIZE] = "";

	if (digest)
		digest_text(digest, text);
	report_object(r, NULL);
	report_text(r, "reference", ref);
	report_text(r, "kind", kind);
	report_text(r, "digest", text);
	report_text(r, "why", why);
	report_line(r, "  %-14s %s  %s%s%s", kind, ref, text, *text ? "  " : "", why);
	report_end(r);
}

static void show_lock_excuses(struct report *r, const struct lock *l)
{
	char ref[REF_TEXT_SIZE];

	for (size_t i = 0; i < l->skipped.count; i++)
		show_excuse(r, l->skipped.items[i].ref, "skipped", NULL, l->skipped.items[i].why);
	for (size_t i = 0; i < l->count; i++) {
		const struct excuses *x = &l->pins[i].excused;

		for (size_t k = 0; k < x->count; k++)
			show_excuse(r, ref_text(&l->pins[i].ref, ref),
				excuse_name(x->items[k].kind), &x->items[k].digest,
				x->items[k].why);
	}
}

/* How much the set leaves out that its list wants; what and why is in its lock. */
static int show_excuses(struct page *p, const struct set *s, struct err *e)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	struct report *r = p->report;
	int rc = s->excuses ? read_lock(p->view, s, &lock, e) : 0;

	if (rc < 0)
		return -1;
	report_number(r, "excuses", s->excuses);
	if (s->excuses)
		report_line(r, "%-12s %" PRIu64, "excuses", s->excuses);
	report_section(r, "excused", "excused", rc > 0);
	if (rc > 0)
		show_lock_excuses(r, &lock);
	report_end(r);
	return 0;
}

int show_set(struct page *p, struct view_set *s, struct err *e)
{
	struct report *r = p->report;

	if (view_load(p->view, s, e) < 0)
		return -1;
	report_fact(r, "set", s->set.name);
	report_fact(r, "version", s->set.version);
	report_fact_digest(r, "digest", &s->info.digest);
	report_fact(r, "created", s->set.created);
	report_fact(r, "expires", s->set.expires);
	report_fact_digest(r, "previous", &s->set.previous);
	report_fact_bytes(r, "size", s->set.bytes);
	show_state(p, &s->info);
	report_words(r, "takes", s->info.takes, ',');
	report_label(r, "takes from", s->info.takes);
	report_section(r, "signatures", "signatures", true);
	for (size_t i = 0; i < s->signature_count; i++)
		if (show_signature(p, &s->signatures[i], e) < 0)
			return -1;
	report_end(r);
	if (show_excuses(p, &s->set, e) < 0)
		return -1;
	show_entries(r, &s->set, VIEW_IMAGE, "images");
	show_entries(r, &s->set, VIEW_FILE, "files");
	show_entries(r, &s->set, VIEW_ATTACHED, "attached");
	if (conflicts_report(r, p->view->store, s->set.name, e) < 0)
		return -1;
	return r->tool->json || !p->view->store ? 0 : conflicts_note(p->view->store, e);
}
