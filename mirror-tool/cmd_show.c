/*
 * `moat show`: everything about one set or one reference, of a store or of a medium that nobody
 * imported. Proves nothing: keys are named as the signatures name them.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "mirror-tool/changes.h"
#include "mirror-tool/json_out.h"
#include "mirror-tool/look/look.h"
#include "mirror-tool/pin/lock.h"
#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/table.h"
#include "mirror-tool/tool.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

struct show_options {
	struct texts from;
};

static const struct option_def options[] = {
	{ "from", OPTION_TEXTS, offsetof(struct show_options, from), "MEDIUM", NULL,
		"a folder or volume file instead of the store; may be repeated" },
};

/* What is said: lines for people, or one JSON object. */
struct page {
	struct look *look;
	bool json;
	struct buf text;
};

static void page_release(struct page *p)
{
	buf_release(&p->text);
}

/* A line "label  value", or a member. Nothing when there is no value. */
static void fact(struct page *p, const char *label, const char *value)
{
	if (!*value)
		return;
	if (p->json)
		json_pair(&p->text, label, value);
	else
		buf_printf(&p->text, "%-12s %s\n", label, value);
}

static void fact_digest(struct page *p, const char *label, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	if (d->alg != DIGEST_NONE)
		fact(p, label, digest_text(d, text));
}

static void fact_bytes(struct page *p, const char *label, uint64_t bytes)
{
	char size[SIZE_TEXT_SIZE];

	if (p->json)
		json_number(&p->text, label, bytes);
	else
		buf_printf(&p->text, "%-12s %s (%" PRIu64 " bytes)\n", label,
			size_text(bytes, size), bytes);
}

/* A list of things: its heading and what closes it. */
static void list_begin(struct page *p, const char *label)
{
	if (p->json) {
		json_key(&p->text, label);
		buf_char(&p->text, '[');
	} else {
		buf_printf(&p->text, "\n%s\n", label);
	}
}

static void list_end(struct page *p)
{
	if (p->json)
		buf_char(&p->text, ']');
}

static void item_begin(struct page *p)
{
	if (!p->json)
		return;
	json_comma(&p->text);
	buf_char(&p->text, '{');
}

static void item_end(struct page *p)
{
	if (p->json)
		buf_char(&p->text, '}');
}

/* --- a set --------------------------------------------------------------------------------------- */

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
	item_begin(p);
	if (p->json)
		signature_json(&p->text, form, digest, &keys);
	else
		buf_printf(&p->text, "  %s  %s  key", form, digest);
	for (size_t i = 0; !p->json && i < keys.count; i++)
		buf_printf(&p->text, "%s %s", i ? "," : "",
			digest_hex(verify_key_id(keys.keys[i]), hex));
	if (!p->json)
		buf_str(&p->text, keys.count ? "\n" : " unnamed\n");
	item_end(p);
	return 0;
}

static void show_entry(struct page *p, const struct set_entry *entry)
{
	char reference[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	item_begin(p);
	if (p->json) {
		json_pair(&p->text, "reference", look_reference(entry, reference));
		json_pair(&p->text, "digest", digest_text(&entry->digest, digest));
		json_pair(&p->text, "mediaType", entry->media_type);
	} else {
		buf_printf(&p->text, "  %s  %s\n", digest_text(&entry->digest, digest),
			look_reference(entry, reference));
	}
	item_end(p);
}

static void show_entries(
	struct page *p, const struct set *s, enum look_kind kind, const char *label)
{
	bool any = p->json;

	for (size_t i = 0; i < s->count && !any; i++)
		any = look_kind_of(&s->entries[i]) == kind;
	if (!any)
		return;
	list_begin(p, label);
	for (size_t i = 0; i < s->count; i++)
		if (look_kind_of(&s->entries[i]) == kind)
			show_entry(p, &s->entries[i]);
	list_end(p);
}

static void show_state(struct page *p, const struct set_info *info)
{
	if (p->json) {
		json_flag(&p->text, "active", info->active);
		json_number(&p->text, "generation", info->generation);
	} else if (info->active) {
		buf_printf(&p->text, "%-12s active, generation %" PRIu64 "\n", "state",
			info->generation);
	} else {
		fact(p, "state", p->look->store ? "accepted, not active" : "on a medium");
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
	item_begin(p);
	if (p->json) {
		json_pair(&p->text, "reference", ref);
		json_pair(&p->text, "kind", kind);
		json_pair(&p->text, "digest", text);
		json_pair(&p->text, "why", why);
	} else {
		buf_printf(
			&p->text, "  %-14s %s  %s%s%s\n", kind, ref, text, *text ? "  " : "", why);
	}
	item_end(p);
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
		list_begin(p, "excused");
	if (rc > 0)
		show_lock_excuses(p, &lock);
	if (p->json || rc > 0)
		list_end(p);
	return 0;
}

static int show_set(struct page *p, struct look_set *s, struct err *e)
{
	if (look_load(p->look, s, e) < 0)
		return -1;
	fact(p, "set", s->set.name);
	fact(p, "version", s->set.version);
	fact_digest(p, "digest", &s->info.digest);
	fact(p, "created", s->set.created);
	fact(p, "expires", s->set.expires);
	fact_digest(p, "previous", &s->set.previous);
	fact_bytes(p, "size", s->set.bytes);
	show_state(p, &s->info);
	if (p->json)
		takes_json(&p->text, &s->info);
	else
		fact(p, "takes from", s->info.takes);
	list_begin(p, "signatures");
	for (size_t i = 0; i < s->signature_count; i++)
		if (show_signature(p, &s->signatures[i], e) < 0)
			return -1;
	list_end(p);
	if (show_excuses(p, &s->set, e) < 0)
		return -1;
	show_entries(p, &s->set, LOOK_IMAGE, "images");
	show_entries(p, &s->set, LOOK_FILE, "files");
	show_entries(p, &s->set, LOOK_ATTACHED, "attached");
	if (!p->look->store)
		return 0;
	return p->json ? conflicts_json(p->look->store, s->set.name, &p->text, e)
		       : conflicts_note(p->look->store, e);
}

/* --- a reference ---------------------------------------------------------------------------------- */

struct shown {
	struct page *page;
	struct look_set *set; /* that pins or holds it; NULL: it was pushed */
	const struct set_entry *entry;
	bool served; /* moatd answers with it */
};

/* Ordinary layers are held; of foreign ones it is said. */
static const char *layer_state(const struct look_layer *layer)
{
	if (media_is_foreign(layer->media_type))
		return layer->held ? "  (foreign, held)" : "  (foreign, not held)";
	return layer->held ? "" : "  (not held)";
}

static void show_layer(struct page *p, const struct look_layer *layer)
{
	char digest[DIGEST_TEXT_SIZE], size[SIZE_TEXT_SIZE];

	item_begin(p);
	if (p->json) {
		json_pair(&p->text, "digest", digest_text(&layer->digest, digest));
		json_number(&p->text, "size", layer->size);
		json_pair(&p->text, "mediaType", layer->media_type);
		json_pair(&p->text, "title", layer->title);
		json_flag(&p->text, "held", layer->held);
	} else {
		buf_printf(&p->text, "    %s  %10s  %s%s%s%s\n",
			digest_text(&layer->digest, digest), size_text(layer->size, size),
			layer->media_type, *layer->title ? "  " : "", layer->title,
			layer_state(layer));
	}
	item_end(p);
}

static void child_heading(struct page *p, const struct look_child *c)
{
	char digest[DIGEST_TEXT_SIZE], size[SIZE_TEXT_SIZE];
	const char *what = c->attestation ? "attestation"
			   : *c->platform ? c->platform
			   : c->is_index  ? "index"
					  : "-";

	if (p->json) {
		json_pair(&p->text, "platform", c->platform);
		json_pair(&p->text, "digest", digest_text(&c->digest, digest));
		json_flag(&p->text, "attestation", c->attestation);
		json_flag(&p->text, "held", c->held);
		json_number(&p->text, "bytes", c->bytes);
		return;
	}
	buf_printf(&p->text, "  %-14s%s  %s\n", what, digest_text(&c->digest, digest),
		c->held ? size_text(c->bytes, size) : "not held");
}

static void show_child(struct page *p, const struct look_child *c)
{
	item_begin(p);
	child_heading(p, c);
	if (p->json) {
		json_key(&p->text, "layers");
		buf_char(&p->text, '[');
	}
	for (size_t i = 0; i < c->layer_count; i++)
		show_layer(p, &c->layers[i]);
	list_end(p);
	item_end(p);
}

/* Signatures, attestations and other referrers of the image and of its held children. */
static void show_attached(struct page *p, const struct look_set *s, const struct set_entry *entry,
	const struct look_image *image)
{
	list_begin(p, "attached");
	for (size_t i = 0; i < s->set.count; i++) {
		const struct set_entry *other = &s->set.entries[i];
		bool about = digest_eq(&other->subject, &entry->digest);
		char tag[REF_TAG_MAX + 1];

		if (look_kind_of(other) != LOOK_ATTACHED || strcmp(other->name, entry->name) != 0)
			continue;
		ref_fallback_tag(&entry->digest, "", tag);
		about = about || strncmp(other->tag, tag, strlen(tag)) == 0;
		for (size_t j = 0; j < image->count && !about; j++) {
			ref_fallback_tag(&image->children[j].digest, "", tag);
			about = strncmp(other->tag, tag, strlen(tag)) == 0 ||
				digest_eq(&other->subject, &image->children[j].digest);
		}
		if (about)
			show_entry(p, other);
	}
	list_end(p);
}

/* What is attached to a pushed image. */
static int show_referrer(void *ctx, const struct referrer *r, struct err *e)
{
	struct shown *shown = ctx;
	struct set_entry entry = { .name = shown->entry->name,
		.tag = "",
		.digest = r->info.digest,
		.media_type = r->info.media_type };

	(void)e;
	show_entry(shown->page, &entry);
	return 0;
}

static int show_referrers(struct shown *shown, struct err *e)
{
	struct page *p = shown->page;

	list_begin(p, "attached");
	if (list_referrers(p->look->store, shown->entry->name, &shown->entry->digest, show_referrer,
		    shown, e) < 0)
		return -1;
	list_end(p);
	return 0;
}

static const struct set_entry *find_tag(const struct set *s, const struct set_entry *like)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->entries[i].name, like->name) == 0 &&
			strcmp(s->entries[i].tag, like->tag) == 0)
			return &s->entries[i];
	return NULL;
}

static void show_other(struct page *p, const struct look_set *s, const struct set_entry *entry)
{
	char digest[DIGEST_TEXT_SIZE];

	item_begin(p);
	if (p->json) {
		json_pair(&p->text, "set", s->info.name);
		json_pair(&p->text, "version", s->info.version);
		json_pair(&p->text, "digest", digest_text(&entry->digest, digest));
	} else {
		buf_printf(&p->text, "  %s  %s:%s\n", digest_text(&entry->digest, digest),
			s->info.name, s->info.version);
	}
	item_end(p);
}

/* Other active sets that pin the tag to something else. */
static int show_others(struct shown *shown, struct err *e)
{
	struct page *p = shown->page;
	bool any = p->json;

	if (any)
		list_begin(p, "others");
	for (size_t i = 0; i < p->look->count; i++) {
		struct look_set *s = &p->look->sets[i];
		const struct set_entry *entry;

		if (!s->info.active || s == shown->set || !*shown->entry->tag)
			continue;
		if (look_load(p->look, s, e) < 0)
			return -1;
		entry = find_tag(&s->set, shown->entry);
		if (!entry || digest_eq(&entry->digest, &shown->entry->digest))
			continue;
		if (!any)
			list_begin(p, "pinned to something else by");
		any = true;
		show_other(p, s, entry);
	}
	if (any)
		list_end(p);
	return 0;
}

/* Of what is served under a tag, the owner; of the rest, the set in which it was found. */
static void show_owner(struct shown *shown)
{
	static const struct set_info none;
	struct page *p = shown->page;
	const struct set_info *info = shown->set ? &shown->set->info : &none;
	AUTO(mem_free) char *set = mem_printf("%s:%s", info->name, info->version);

	if (shown->set)
		fact(p, "set", set);
	if (shown->set || p->json)
		show_state(p, info);
	else
		fact(p, "state", "pushed");
	if (p->json)
		json_flag(&p->text, "served", shown->served);
	else if (info->active && !shown->served)
		fact(p, "served", "no");
}

static int show_reference(struct shown *shown, struct err *e)
{
	AUTO(look_image_release) struct look_image image = LOOK_IMAGE_INIT;
	const struct set_entry *entry = shown->entry;
	struct page *p = shown->page;
	char reference[REF_TEXT_SIZE];

	if (look_image(p->look, shown->set ? &shown->set->held : NULL, &entry->digest, entry->size,
		    entry->media_type, &image, e) < 0)
		return -1;
	fact(p, "reference", look_reference(entry, reference));
	fact_digest(p, "digest", &entry->digest);
	fact(p, "mediaType", entry->media_type);
	fact(p, "artifactType", entry->artifact_type);
	show_owner(shown);
	fact_bytes(p, "held", image.bytes);
	if (show_others(shown, e) < 0)
		return -1;
	list_begin(p, "manifests");
	for (size_t i = 0; i < image.count; i++)
		show_child(p, &image.children[i]);
	list_end(p);
	if (!shown->set)
		return show_referrers(shown, e);
	show_attached(p, shown->set, entry, &image);
	return 0;
}

static bool is_meant(const struct set_entry *entry, const struct ref *wanted)
{
	char name[REF_TEXT_SIZE];

	if (strcmp(entry->name, ref_name(wanted, name)) != 0)
		return false;
	if (wanted->digest.alg != DIGEST_NONE)
		return digest_eq(&entry->digest, &wanted->digest);
	return strcmp(entry->tag, *wanted->tag ? wanted->tag : "latest") == 0;
}

/* In those of the sets that are active, or not: 1 shown, 0 in none, -1. By digest all of them are
 * served. */
static int find_in_sets(struct page *p, const struct ref *wanted, bool active, struct err *e)
{
	bool served = p->look->store && wanted->digest.alg != DIGEST_NONE;

	for (size_t i = 0; i < p->look->count; i++) {
		struct look_set *s = &p->look->sets[i];

		if (s->info.active != active)
			continue;
		if (look_load(p->look, s, e) < 0)
			return -1;
		for (size_t j = 0; j < s->set.count; j++) {
			struct shown shown = { p, s, &s->set.entries[j], served };

			if (is_meant(shown.entry, wanted))
				return show_reference(&shown, e) < 0 ? -1 : 1;
		}
	}
	return 0;
}

/* A manifest of the repository that no active set pins. */
static int find_pushed(struct page *p, const char *repo, const struct ref *wanted, struct err *e)
{
	bool tagged = wanted->digest.alg == DIGEST_NONE;
	const char *tag = *wanted->tag ? wanted->tag : "latest";
	struct manifest_info info;
	struct set_entry entry = { .name = repo, .tag = tagged ? tag : "", .artifact_type = "" };
	struct shown shown = { p, NULL, &entry, true };
	int rc = tagged ? manifest_by_tag(p->look->store, repo, tag, &info, e)
			: manifest_by_digest(p->look->store, repo, &wanted->digest, &info, e);

	if (rc <= 0)
		return rc;
	entry.digest = info.digest;
	entry.size = info.size;
	entry.media_type = info.media_type;
	return show_reference(&shown, e) < 0 ? -1 : 1;
}

static struct look_set *find_active(struct look *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->sets[i].info.active && strcmp(l->sets[i].info.name, name) == 0)
			return &l->sets[i];
	return NULL;
}

/* What moatd answers for a tag: the pin of the set that owns it, or what was pushed. */
static int find_served(struct page *p, const char *repo, const struct ref *wanted, struct err *e)
{
	struct set_entry like = { .name = repo, .tag = *wanted->tag ? wanted->tag : "latest" };
	struct shown shown = { .page = p, .served = true };
	struct tag_owner owner;
	int rc = tag_owner_get(p->look->store, repo, like.tag, &owner, e);

	if (rc <= 0)
		return rc;
	shown.set = find_active(p->look, owner.set);
	if (!shown.set)
		return find_pushed(p, repo, wanted, e);
	if (look_load(p->look, shown.set, e) < 0)
		return -1;
	shown.entry = find_tag(&shown.set->set, &like);
	return shown.entry ? (show_reference(&shown, e) < 0 ? -1 : 1) : 0;
}

/* In the order in which moatd looks; what it does not serve comes last. */
static int find_anywhere(struct page *p, const struct ref *wanted, struct err *e)
{
	bool tagged = wanted->digest.alg == DIGEST_NONE;
	char repo[REF_TEXT_SIZE];
	int rc;

	ref_name(wanted, repo);
	if (p->look->store && tagged)
		rc = find_served(p, repo, wanted, e);
	else
		rc = find_in_sets(p, wanted, true, e);
	if (rc == 0)
		rc = find_in_sets(p, wanted, false, e);
	if (rc == 0 && p->look->store && !tagged)
		rc = find_pushed(p, repo, wanted, e);
	return rc;
}

/* Or was the host put before it? Then it may be a file's, which are written without theirs, too. */
static bool begins_with_host(const char *which, const struct ref *wanted)
{
	size_t len = strlen(wanted->host);

	return strncmp(which, wanted->host, len) == 0 && which[len] == '/';
}

/* -------------------------------------------------------------------------------------------------- */

/* What was pushed without a host: "team/app:1", which reads as docker.io's. */
static int find_bare(struct page *p, const char *which, struct err *e)
{
	AUTO(mem_free) char *name = mem_strdup(which);
	struct ref wanted;

	if (ref_parse(&wanted, span_of(which), e) < 0)
		return -1;
	name[strcspn(name, ":@")] = '\0';
	return (wanted.digest.alg == DIGEST_NONE ? find_served : find_pushed)(p, name, &wanted, e);
}

static int show_tag(void *ctx, const struct look_tag *tag, struct err *e)
{
	struct page *p = ctx;
	char digest[DIGEST_TEXT_SIZE];

	(void)e;
	item_begin(p);
	digest_text(&tag->owner.digest, digest);
	if (p->json) {
		json_pair(&p->text, "tag", tag->tag);
		json_pair(&p->text, "digest", digest);
		json_pair(&p->text, "set", tag->owner.set);
		json_pair(&p->text, "version", tag->owner.version);
	} else {
		buf_printf(&p->text, "  %s  %s%s%s%s%s\n", digest, tag->tag,
			*tag->owner.set ? "  " : "", tag->owner.set, *tag->owner.set ? ":" : "",
			tag->owner.version);
	}
	item_end(p);
	return 0;
}

/* A repository that has no tag `latest`: 1 its tags are shown, 0 there is none, -1. */
static int show_tags(struct page *p, const char *repo, struct err *e)
{
	struct look_tag_sink sink = { show_tag, p };
	size_t start = p->text.len;
	int rc;

	fact(p, "repository", repo);
	list_begin(p, "tags");
	rc = look_tags(p->look, repo, &sink, e);
	list_end(p);
	if (rc == 0)
		buf_cut(&p->text, start);
	return rc;
}

static int find_repository(
	struct page *p, const char *which, const struct ref *wanted, struct err *e)
{
	char repo[REF_TEXT_SIZE];
	int rc;

	if (*wanted->tag || wanted->digest.alg != DIGEST_NONE)
		return 0;
	rc = show_tags(p, ref_name(wanted, repo), e);
	return rc || !p->look->store ? rc : show_tags(p, which, e);
}

static int show(struct page *p, const char *which, struct err *e)
{
	AUTO(mem_free) char *file = mem_printf(SET_HOST "/%s", which);
	struct look_set *s = look_find(p->look, which);
	struct ref wanted;
	int rc;

	if (s)
		return show_set(p, s, e);
	if (ref_parse(&wanted, span_of(which), e) < 0)
		return -1;
	rc = find_anywhere(p, &wanted, e);
	if (rc == 0 && !begins_with_host(which, &wanted) &&
		ref_parse(&wanted, span_of(file), e) == 0)
		rc = find_anywhere(p, &wanted, e);
	if (rc == 0 && p->look->store)
		rc = find_bare(p, which, e);
	if (rc == 0 && ref_parse(&wanted, span_of(which), e) == 0)
		rc = find_repository(p, which, &wanted, e);
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: neither a set nor a reference of one", which);
	return rc < 0 ? -1 : 0;
}

static int open_look(struct tool *t, const struct show_options *o, struct look *look,
	struct store **s, struct err *e)
{
	if (o->from.count)
		return look_medium(look, o->from.items, o->from.count, e);
	if (tool_store_read(t, s, e) < 0)
		return -1;
	return look_store(look, *s, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct show_options *o = given;
	AUTO(store_close) struct store *s = NULL;
	AUTO(look_release) struct look look = LOOK_INIT;
	AUTO(page_release) struct page page = { .look = &look, .json = t->json, .text = BUF_INIT };

	if (args->count != 1)
		return tool_usage(e, "show takes one set or reference");
	if (o->from.count && t->store_given)
		return tool_usage(e, "--store or --from: one of them");
	if (open_look(t, o, &look, &s, e) < 0)
		return -1;
	if (page.json)
		buf_char(&page.text, '{');
	if (show(&page, args->items[0], e) < 0)
		return -1;
	fputs(page.text.data, t->out);
	fputs(page.json ? "}\n" : "", t->out);
	return 0;
}

const struct command cmd_show = {
	.name = "show",
	.args = "[--store DIR | --from MEDIUM...] SET|REF",
	.summary = "everything about one set or one reference",
	.about = "SET is NAME, NAME:VERSION or a digest. Of a reference: what moatd serves under "
		 "it\n"
		 "and whose it is, its platforms, held or not, layers, and what is attached to it. "
		 "Nothing is proven by looking: `moat verify` "
		 "does\n"
		 "that.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct show_options),
	.run = run,
};
