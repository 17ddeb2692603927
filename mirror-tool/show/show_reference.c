/* A reference: whose it is, its manifests, layers, and what is attached. */
#include "mirror-tool/json_out.h"
#include "mirror-tool/show/show.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

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

	page_item_begin(p);
	if (p->json) {
		json_pair(&p->text, "digest", digest_text(&layer->digest, digest));
		json_number(&p->text, "size", layer->size);
		json_pair(&p->text, "mediaType", layer->media_type);
		json_pair(&p->text, "title", layer->title);
		json_flag(&p->text, "held", layer->held);
	} else {
		page_words(p, "    %s  %10s  %s%s%s%s", digest_text(&layer->digest, digest),
			size_text(layer->size, size), layer->media_type, *layer->title ? "  " : "",
			layer->title, layer_state(layer));
	}
	page_item_end(p);
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
	page_words(p, "  %-14s%s  %s", what, digest_text(&c->digest, digest),
		c->held ? size_text(c->bytes, size) : "not held");
}

static void show_child(struct page *p, const struct look_child *c)
{
	page_item_begin(p);
	child_heading(p, c);
	if (p->json) {
		json_key(&p->text, "layers");
		buf_char(&p->text, '[');
	}
	for (size_t i = 0; i < c->layer_count; i++)
		show_layer(p, &c->layers[i]);
	page_list_end(p);
	page_item_end(p);
}

/* Signatures, attestations and other referrers of the image and of its held children. */
static void show_attached(struct page *p, const struct look_set *s, const struct set_entry *entry,
	const struct look_image *image)
{
	page_list_begin(p, "attached");
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
	page_list_end(p);
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

	page_list_begin(p, "attached");
	if (list_referrers(p->look->store, shown->entry->name, &shown->entry->digest, show_referrer,
		    shown, e) < 0)
		return -1;
	page_list_end(p);
	return 0;
}

const struct set_entry *show_find_tag(const struct set *s, const struct set_entry *like)
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

	page_item_begin(p);
	if (p->json) {
		json_pair(&p->text, "set", s->info.name);
		json_pair(&p->text, "version", s->info.version);
		json_pair(&p->text, "digest", digest_text(&entry->digest, digest));
	} else {
		buf_printf(&p->text, "  %s  %s:%s\n", digest_text(&entry->digest, digest),
			s->info.name, s->info.version);
	}
	page_item_end(p);
}

/* Other active sets that pin the tag to something else. */
static int show_others(struct shown *shown, struct err *e)
{
	struct page *p = shown->page;
	bool any = p->json;

	if (any)
		page_list_begin(p, "others");
	for (size_t i = 0; i < p->look->count; i++) {
		struct look_set *s = &p->look->sets[i];
		const struct set_entry *entry;

		if (!s->info.active || s == shown->set || !*shown->entry->tag)
			continue;
		if (look_load(p->look, s, e) < 0)
			return -1;
		entry = show_find_tag(&s->set, shown->entry);
		if (!entry || digest_eq(&entry->digest, &shown->entry->digest))
			continue;
		if (!any)
			page_list_begin(p, "pinned to something else by");
		any = true;
		show_other(p, s, entry);
	}
	if (any)
		page_list_end(p);
	return 0;
}

/* Of what is served under a tag, the owner; of the rest, the set in which it was found. */
static void show_owner(struct shown *shown)
{
	static const struct set_info none;
	struct page *p = shown->page;
	const struct set_info *info = shown->set ? &shown->set->info : &none;
	AUTO(mem_free) char *set = mem_printf("%s:%s", info->name, info->version);

	if (p->json) {
		json_pair(&p->text, "set", info->name);
		json_pair(&p->text, "version", info->version);
	} else if (shown->set) {
		page_fact(p, "set", set);
	}
	if (shown->set || p->json)
		show_state(p, info);
	else
		page_fact(p, "state", "pushed");
	if (p->json)
		json_flag(&p->text, "served", shown->served);
	else if (info->active && !shown->served)
		page_fact(p, "served", "no");
}

int show_reference(struct shown *shown, struct err *e)
{
	AUTO(look_image_release) struct look_image image = LOOK_IMAGE_INIT;
	const struct set_entry *entry = shown->entry;
	struct page *p = shown->page;
	char reference[REF_TEXT_SIZE];

	if (look_image(p->look, shown->set ? &shown->set->held : NULL, &entry->digest, entry->size,
		    entry->media_type, &image, e) < 0)
		return -1;
	page_fact(p, "reference", look_reference(entry, reference));
	page_fact_digest(p, "digest", &entry->digest);
	page_fact(p, "mediaType", entry->media_type);
	page_fact(p, "artifactType", entry->artifact_type);
	show_owner(shown);
	page_fact_bytes(p, "held", image.bytes);
	if (show_others(shown, e) < 0)
		return -1;
	page_list_begin(p, "manifests");
	for (size_t i = 0; i < image.count; i++)
		show_child(p, &image.children[i]);
	page_list_end(p);
	if (!shown->set)
		return show_referrers(shown, e);
	show_attached(p, shown->set, entry, &image);
	return 0;
}
