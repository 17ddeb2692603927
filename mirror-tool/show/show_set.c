/* A set: its facts, signatures, excuses and entries. Proves nothing: keys are named as signatures name them. */
#include <inttypes.h>

#include "mirror-tool/changes.h"
#include "mirror-tool/json_out.h"
#include "mirror-tool/list/lock.h"
#include "mirror-tool/show/show.h"
#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

/* The keys that a signature says it is by; none when it says nothing. */
static int keys_of(
	struct look *l, const struct set_signature *sig, struct trust *keys, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	const char *pem;
	int rc = look_blob(l, &sig->digest, MANIFEST_MAX, &bytes, e);

	if (rc <= 0)
		return rc;
	if (manifest_parse(&m, "signature", sig->media_type, buf_span(&bytes), e) < 0)
		return -1;
	pem = annotation_get(&m.annotations, COSIGN_PUBLIC_KEY);
	return pem ? trust_add(keys, "signature", span_of(pem), e) : 0;
}

/* JSON has the first key as a text too, as it did when there was but one. */
static void signature_json(
	struct buf *out, const char *form, const char *digest, const struct trust *keys)
{
	char hex[DIGEST_HEX_SIZE] = "";

	if (keys->count)
		digest_hex(verify_key_id(keys->keys[0]), hex);
	json_pair(out, "form", form);
	json_pair(out, "digest", digest);
	json_pair(out, "key", hex);
	json_key(out, "keys");
	buf_char(out, '[');
	for (size_t i = 0; i < keys->count; i++)
		buf_printf(out, "%s\"%s\"", i ? "," : "",
			digest_hex(verify_key_id(keys->keys[i]), hex));
	buf_char(out, ']');
}

static int show_signature(struct page *p, const struct set_signature *sig, struct err *e)
{
	AUTO(trust_release) struct trust keys = TRUST_INIT;
	char digest[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE];
	const char *form = *sig->tag ? "cosign" : "bundle";

	digest_text(&sig->digest, digest);
	if (keys_of(p->look, sig, &keys, e) < 0)
		return err_ctx(e, "signature %s", digest);
	page_item_begin(p);
	if (p->json)
		signature_json(&p->text, form, digest, &keys);
	else
		buf_printf(&p->text, "  %s  %s  key", form, digest);
	for (size_t i = 0; !p->json && i < keys.count; i++)
		buf_printf(&p->text, "%s %s", i ? "," : "",
			digest_hex(verify_key_id(keys.keys[i]), hex));
	if (!p->json)
		buf_str(&p->text, keys.count ? "\n" : " unnamed\n");
	page_item_end(p);
	return 0;
}

void show_entry(struct page *p, const struct set_entry *entry)
{
	char reference[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	page_item_begin(p);
	if (p->json) {
		json_pair(&p->text, "reference", look_reference(entry, reference));
		json_pair(&p->text, "digest", digest_text(&entry->digest, digest));
		json_pair(&p->text, "mediaType", entry->media_type);
	} else {
		buf_printf(&p->text, "  %s  %s\n", digest_text(&entry->digest, digest),
			look_reference(entry, reference));
	}
	page_item_end(p);
}

static void show_entries(
	struct page *p, const struct set *s, enum look_kind kind, const char *label)
{
	bool any = p->json;

	for (size_t i = 0; i < s->count && !any; i++)
		any = look_kind_of(&s->entries[i]) == kind;
	if (!any)
		return;
	page_list_begin(p, label);
	for (size_t i = 0; i < s->count; i++)
		if (look_kind_of(&s->entries[i]) == kind)
			show_entry(p, &s->entries[i]);
	page_list_end(p);
}

void show_state(struct page *p, const struct set_info *info)
{
	if (p->json) {
		json_flag(&p->text, "active", info->active);
		json_number(&p->text, "generation", info->generation);
	} else if (info->active) {
		buf_printf(&p->text, "%-12s active, generation %" PRIu64 "\n", "state",
			info->generation);
	} else {
		page_fact(p, "state", p->look->store ? "accepted, not active" : "on a medium");
	}
}

/* The lock that travels in a set: 1, 0 it is not here, -1. */
static int read_lock(struct look *l, const struct set *s, struct lock *out, struct err *e)
{
	const struct set_entry *entry = set_role_entry(s, SET_LOCK);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = entry ? look_blob(l, &entry->digest, MANIFEST_MAX, &bytes, e) : 0;

	if (rc <= 0)
		return rc;
	if (manifest_parse(&m, "lock", entry->media_type, buf_span(&bytes), e) < 0)
		return -1;
	if (m.kind != MEDIA_IMAGE || m.count != 1)
		return err_set(e, ERR_CORRUPT, "the lock's manifest has not one layer");
	rc = look_blob(l, &m.items[0].digest, LOCK_BYTES_MAX, &text, e);
	if (rc <= 0)
		return rc;
	return lock_parse(out, "moat.lock", buf_span(&text), e) < 0 ? -1 : 1;
}

/* digest may be NULL. */
static void show_excuse(struct page *p, const char *ref, const char *kind,
	const struct digest *digest, const char *why)
{
	char text[DIGEST_TEXT_SIZE] = "";

	if (digest)
		digest_text(digest, text);
	page_item_begin(p);
	if (p->json) {
		json_pair(&p->text, "reference", ref);
		json_pair(&p->text, "kind", kind);
		json_pair(&p->text, "digest", text);
		json_pair(&p->text, "why", why);
	} else {
		buf_printf(
			&p->text, "  %-14s %s  %s%s%s\n", kind, ref, text, *text ? "  " : "", why);
	}
	page_item_end(p);
}

static void show_lock_excuses(struct page *p, const struct lock *l)
{
	char ref[REF_TEXT_SIZE];

	for (size_t i = 0; i < l->skipped.count; i++)
		show_excuse(p, l->skipped.items[i].ref, "skipped", NULL, l->skipped.items[i].why);
	for (size_t i = 0; i < l->count; i++) {
		const struct excuses *x = &l->pins[i].excused;

		for (size_t k = 0; k < x->count; k++)
			show_excuse(p, ref_text(&l->pins[i].ref, ref),
				excuse_name(x->items[k].kind), &x->items[k].digest,
				x->items[k].why);
	}
}

/* How much the set leaves out that its list wants; what and why is in its lock. */
static int show_excuses(struct page *p, const struct set *s, struct err *e)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	int rc = s->excuses ? read_lock(p->look, s, &lock, e) : 0;

	if (rc < 0)
		return -1;
	if (p->json)
		json_number(&p->text, "excuses", s->excuses);
	else if (s->excuses)
		buf_printf(&p->text, "%-12s %" PRIu64 "\n", "excuses", s->excuses);
	if (p->json || rc > 0)
		page_list_begin(p, "excused");
	if (rc > 0)
		show_lock_excuses(p, &lock);
	if (p->json || rc > 0)
		page_list_end(p);
	return 0;
}

int show_set(struct page *p, struct look_set *s, struct err *e)
{
	if (look_load(p->look, s, e) < 0)
		return -1;
	page_fact(p, "set", s->set.name);
	page_fact(p, "version", s->set.version);
	page_fact_digest(p, "digest", &s->info.digest);
	page_fact(p, "created", s->set.created);
	page_fact(p, "expires", s->set.expires);
	page_fact_digest(p, "previous", &s->set.previous);
	page_fact_bytes(p, "size", s->set.bytes);
	show_state(p, &s->info);
	if (p->json)
		takes_json(&p->text, &s->info);
	else
		page_fact(p, "takes from", s->info.takes);
	page_list_begin(p, "signatures");
	for (size_t i = 0; i < s->signature_count; i++)
		if (show_signature(p, &s->signatures[i], e) < 0)
			return -1;
	page_list_end(p);
	if (show_excuses(p, &s->set, e) < 0)
		return -1;
	show_entries(p, &s->set, LOOK_IMAGE, "images");
	show_entries(p, &s->set, LOOK_FILE, "files");
	show_entries(p, &s->set, LOOK_ATTACHED, "attached");
	if (p->json)
		return conflicts_json(p->look->store, s->set.name, &p->text, e);
	return p->look->store ? conflicts_note(p->look->store, e) : 0;
}
