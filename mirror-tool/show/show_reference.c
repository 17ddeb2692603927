/* A reference: whose it is, its manifests, layers, and what is attached. */
#include "mirror-tool/show/show.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

/* Ordinary layers are held; of foreign ones it is said. */
static const char *layer_state(const struct view_layer *layer)
{
	if (media_is_foreign(layer->media_type))
		return layer->held ? "  (foreign, held)" : "  (foreign, not held)";
	return layer->held ? "" : "  (not held)";
}

static void show_layer(struct report *r, const struct view_layer *layer)
{
	char digest[DIGEST_TEXT_SIZE], size[SIZE_TEXT_SIZE];

	report_object(r, NULL);
	report_digest(r, "digest", &layer->digest);
	report_number(r, "size", layer->size);
	report_text(r, "mediaType", layer->media_type);
	report_text(r, "title", layer->title);
	report_flag(r, "held", layer->held);
	report_line(r, "    %s  %10s  %s%s%s%s", digest_text(&layer->digest, digest),
		size_text(layer->size, size), layer->media_type, *layer->title ? "  " : "",
		layer->title, layer_state(layer));
	report_end(r);
}

static const char *child_name(const struct view_child *c)
{
	if (c->attestation)
		return "attestation";
	if (*c->platform)
		return c->platform;
	return c->is_index ? "index" : "-";
}

static void show_child(struct report *r, const struct view_child *c)
{
	char digest[DIGEST_TEXT_SIZE], size[SIZE_TEXT_SIZE];

	report_object(r, NULL);
	report_text(r, "platform", c->platform);
	report_digest(r, "digest", &c->digest);
	report_flag(r, "attestation", c->attestation);
	report_flag(r, "held", c->held);
	report_number(r, "bytes", c->bytes);
	report_line(r, "  %-14s%s  %s", child_name(c), digest_text(&c->digest, digest),
		c->held ? size_text(c->bytes, size) : "not held");
	report_array(r, "layers");
	for (size_t i = 0; i < c->layer_count; i++)
		show_layer(r, &c->layers[i]);
	report_end(r);
	report_end(r);
}

/* Signatures, attestations and other referrers of the image and of its held children. */
static void show_attached(struct page *p, const struct view_set *s, const struct set_entry *entry,
	const struct view_image *image)
{
	report_section(p->report, "attached", "attached", true);
	for (size_t i = 0; i < s->set.count; i++) {
		const struct set_entry *other = &s->set.entries[i];
		bool about = digest_eq(&other->subject, &entry->digest);
		char tag[REF_TAG_MAX + 1];

		if (view_kind_of(other) != VIEW_ATTACHED || strcmp(other->name, entry->name) != 0)
			continue;
		ref_fallback_tag(&entry->digest, "", tag);
		about = about || strncmp(other->tag, tag, strlen(tag)) == 0;
		for (size_t j = 0; j < image->count && !about; j++) {
			ref_fallback_tag(&image->children[j].digest, "", tag);
			about = strncmp(other->tag, tag, strlen(tag)) == 0 ||
				digest_eq(&other->subject, &image->children[j].digest);
		}
		if (about)
			show_entry(p->report, other);
	}
	report_end(p->report);
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
	show_entry(shown->page->report, &entry);
	return 0;
}

static int show_referrers(struct shown *shown, struct err *e)
{
	struct page *p = shown->page;

	report_section(p->report, "attached", "attached", true);
	if (list_referrers(p->view->store, shown->entry->name, &shown->entry->digest, show_referrer,
		    shown, e) < 0)
		return -1;
	report_end(p->report);
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

static void show_other(struct report *r, const struct view_set *s, const struct set_entry *entry)
{
	char digest[DIGEST_TEXT_SIZE];

	report_object(r, NULL);
	report_text(r, "set", s->info.name);
	report_text(r, "version", s->info.version);
	report_digest(r, "digest", &entry->digest);
	report_line(r, "  %s  %s:%s", digest_text(&entry->digest, digest), s->info.name,
		s->info.version);
	report_end(r);
}

/* Other active sets that pin the tag to something else. */
static int show_others(struct shown *shown, struct err *e)
{
	struct page *p = shown->page;

	report_section(p->report, "others", "pinned to something else by", false);
	for (size_t i = 0; i < p->view->count; i++) {
		struct view_set *s = &p->view->sets[i];
		const struct set_entry *entry;

		if (!s->info.active || s == shown->set || !*shown->entry->tag)
			continue;
		if (view_load(p->view, s, e) < 0)
			return -1;
		entry = show_find_tag(&s->set, shown->entry);
		if (entry && !digest_eq(&entry->digest, &shown->entry->digest))
			show_other(p->report, s, entry);
	}
	report_end(p->report);
	return 0;
}

/* Of what is served under a tag, the owner; of the rest, the set in which it was found. */
static void show_owner(struct shown *shown)
{
	static const struct set_info none;
	const struct set_info *info = shown->set ? &shown->set->info : &none;
	AUTO(mem_free) char *set = mem_printf("%s:%s", info->name, info->version);
	struct report *r = shown->page->report;

	report_text(r, "set", info->name);
	report_text(r, "version", info->version);
	report_label(r, "set", shown->set ? set : "");
	show_state(shown->page, shown->set ? info : NULL);
	report_flag(r, "served", shown->served);
	report_label(r, "served", info->active && !shown->served ? "no" : "");
}

int show_reference(struct shown *shown, struct err *e)
{
	AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
	const struct set_entry *entry = shown->entry;
	struct page *p = shown->page;
	struct report *r = p->report;
	char reference[REF_TEXT_SIZE];

	if (view_image(p->view, shown->set ? &shown->set->held : NULL, &entry->digest, entry->size,
		    entry->media_type, &image, e) < 0)
		return -1;
	report_fact(r, "reference", view_reference(entry, reference));
	report_fact_digest(r, "digest", &entry->digest);
	report_fact(r, "mediaType", entry->media_type);
	report_fact(r, "artifactType", entry->artifact_type);
	show_owner(shown);
	report_fact_bytes(r, "held", image.bytes);
	if (show_others(shown, e) < 0)
		return -1;
	report_section(r, "manifests", "manifests", true);
	for (size_t i = 0; i < image.count; i++)
		show_child(r, &image.children[i]);
	report_end(r);
	if (!shown->set)
		return show_referrers(shown, e);
	show_attached(p, shown->set, entry, &image);
	return 0;
}
