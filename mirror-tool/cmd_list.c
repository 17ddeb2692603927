/* `moat list`: a store, or a medium that is not imported -> its sets, images and files. Must never write. */
#include <inttypes.h>

#include "mirror-tool/changes.h"
#include "mirror-tool/gc/rules_text.h"
#include "mirror-tool/view/view.h"
#include "mirror-tool/report.h"
#include "mirror-tool/switch.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

#define LIST_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, FLAG, sets, "sets", NULL, NULL, "only the sets")                                 \
	OPTION(S, FLAG, images, "images", NULL, NULL, "only the images of the active sets")        \
	OPTION(S, FLAG, files, "files", NULL, NULL, "only the files of the active sets")           \
	OPTION(S, FLAG, all_versions, "all-versions", NULL, NULL,                                  \
		"only the versions of each set, with their times and where a rollback goes")       \
	OPTION(S, FLAG, unsealed, "unsealed", NULL, NULL,                                          \
		"only what is in no active set: pulled and not sealed yet, or pushed")
struct list_options {
	LIST_OPTIONS(SETTING_FIELD, list_options)
};
static const struct setting options[] = { LIST_OPTIONS(SETTING_ROW, list_options) };

/* One run, and what moatd answers for the entry that is being listed. */
struct listing {
	struct report report;
	struct view view;
	bool served; /* its reference is answered with it */
	bool elsewhere; /* another set owns the tag, and has the row */
};

static void listing_release(struct listing *l)
{
	report_release(&l->report);
	view_release(&l->view);
}

/* --- sets -------------------------------------------------------------------------------------- */

static const struct report_column set_columns[] = {
	{ "set", "SET" },
	{ "version", "VERSION" },
	{ "digest", "DIGEST" },
	{ "bytes", "SIZE" },
	{ "pins", "PINS" },
	{ "accepted", "ACCEPTED" },
	{ NULL, "STATE" },
};

static void list_state(struct report *r, const struct set_info *info)
{
	const char *word = info->active ? "active" : "-";
	const char *expired = switch_expired(info) ? ", expired" : "";
	AUTO(mem_free) char *state = mem_printf("%s%s", word, expired);
	AUTO(mem_free) char *lost = mem_printf("%s, %" PRIu64 " missing", state, info->missing);

	report_cell(r, "STATE", info->missing ? lost : state);
}

static void list_set(struct report *r, const struct set_info *info)
{
	report_row(r, true);
	report_text(r, "set", info->name);
	report_text(r, "version", info->version);
	report_digest(r, "digest", &info->digest);
	report_bytes(r, "bytes", info->bytes);
	report_number(r, "pins", info->pins);
	report_time(r, "accepted", info->accepted);
	report_number(r, "generation", info->generation);
	report_flag(r, "active", info->active);
	report_flag(r, "expired", switch_expired(info));
	report_number(r, "missing", info->missing);
	report_words(r, "takes", info->takes, ',');
	list_state(r, info);
	report_end(r);
}

static int list_sets_of(struct listing *l, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < l->view.count; i++)
		list_set(&l->report, &l->view.sets[i].info);
	return 0;
}

/* --- versions ----------------------------------------------------------------------------------- */

static const struct report_column version_columns[] = {
	{ "set", "SET" },
	{ "version", "VERSION" },
	{ "digest", "DIGEST" },
	{ "created", "SEALED" },
	{ "expires", "EXPIRES" },
	{ "accepted", "ACCEPTED" },
	{ "activated", "ACTIVATED" },
	{ NULL, "STATE" },
};

static void version_state(struct report *r, const struct set_info *info)
{
	AUTO(buf_release) struct buf words = BUF_INIT;

	buf_str(&words, info->active ? "active" : info->back ? "rollback goes here" : "-");
	buf_str(&words, switch_expired(info) ? ", expired" : "");
	report_cell(r, "STATE", words.data);
}

static int list_versions_of(struct listing *l, struct err *e)
{
	struct report *r = &l->report;

	for (size_t i = 0; i < l->view.count; i++) {
		struct view_set *s = &l->view.sets[i];
		struct set_info *info = &s->info;

		if (!l->view.store && view_load(&l->view, s, e) < 0)
			return -1;
		if (!l->view.store) {
			info->created = clock_seconds(s->set.created);
			info->expires = clock_seconds(s->set.expires);
		}
		report_row(r, true);
		report_text(r, "set", info->name);
		report_text(r, "version", info->version);
		report_digest(r, "digest", &info->digest);
		report_time(r, "created", info->created);
		report_time(r, "expires", info->expires);
		report_time(r, "accepted", info->accepted);
		report_time(r, "activated", info->activated);
		report_flag(r, "active", info->active);
		report_flag(r, "back", info->back);
		report_flag(r, "expired", switch_expired(info));
		version_state(r, info);
		report_end(r);
	}
	return 0;
}

/* --- images and files --------------------------------------------------------------------------- */

static const struct report_column image_columns[] = {
	{ "reference", "IMAGE" },
	{ "digest", "DIGEST" },
	{ "bytes", "SIZE" },
	{ "held", "HELD" },
	{ "absent", "NOT HELD" },
};

static const struct report_column file_columns[] = {
	{ "file", "FILE" },
	{ "size", "SIZE" },
	{ "digest", "DIGEST" },
	{ "platform", "PLATFORM" },
	{ "reference", "REFERENCE" },
};

/* "linux/amd64 linux/arm64": of the children that are held, or of those that are not. */
static void list_platforms(
	struct report *r, const char *key, const struct view_image *image, bool held)
{
	AUTO(buf_release) struct buf words = BUF_INIT;

	for (size_t i = 0; i < image->count; i++) {
		const struct view_child *c = &image->children[i];

		if (c->held != held || c->attestation || !*c->platform)
			continue;
		buf_printf(&words, "%s%s", words.len ? " " : "", c->platform);
	}
	report_words(r, key, words.data, ' ');
}

/* Find out what moatd answers for the entry: nothing of a medium; without a tag it is asked for by digest. */
static int find_owner(
	struct listing *l, const struct view_set *s, const struct set_entry *entry, struct err *e)
{
	struct store *store = l->view.store;
	struct tag_owner owner;

	l->served = store != NULL;
	l->elsewhere = false;
	if (!store || !*entry->tag)
		return 0;
	if (tag_owner_get(store, entry->name, entry->tag, &owner, e) < 0)
		return -1;
	l->served = digest_eq(&owner.digest, &entry->digest);
	l->elsewhere = strcmp(owner.set, s->info.name) != 0;
	return 0;
}

static void list_image(struct listing *l, const struct view_set *s, const struct set_entry *entry,
	const struct view_image *image)
{
	struct report *r = &l->report;
	char reference[REF_TEXT_SIZE];

	report_row(r, !l->elsewhere);
	report_text(r, "reference", view_reference(entry, reference));
	report_digest(r, "digest", &entry->digest);
	report_text(r, "mediaType", entry->media_type);
	report_text(r, "set", s->info.name);
	report_text(r, "version", s->info.version);
	report_flag(r, "served", l->served);
	report_bytes(r, "bytes", image->bytes);
	if (!image->known)
		report_cell(r, "SIZE", "?");
	list_platforms(r, "held", image, true);
	list_platforms(r, "absent", image, false);
	report_end(r);
}

static void list_file(struct listing *l, const struct view_set *s, const struct set_entry *entry,
	const struct view_child *child, const struct view_layer *layer)
{
	struct report *r = &l->report;
	char reference[REF_TEXT_SIZE];

	report_row(r, !l->elsewhere);
	report_text(r, "file", layer->title);
	report_digest(r, "digest", &layer->digest);
	report_text(r, "mediaType", layer->media_type);
	report_text(r, "platform", child->platform);
	report_text(r, "reference", view_reference(entry, reference));
	report_text(r, "set", s->info.name);
	report_text(r, "version", s->info.version);
	report_flag(r, "served", l->served);
	report_bytes(r, "size", layer->size);
	report_end(r);
}

static void list_files(struct listing *l, const struct view_set *s, const struct set_entry *entry,
	const struct view_image *image)
{
	for (size_t i = 0; i < image->count; i++)
		for (size_t j = 0; j < image->children[i].layer_count; j++)
			if (*image->children[i].layers[j].title)
				list_file(l, s, entry, &image->children[i],
					&image->children[i].layers[j]);
}

static int list_entries(struct listing *l, struct view_set *s, enum view_kind kind, struct err *e)
{
	if (view_load(&l->view, s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->set.count; i++) {
		const struct set_entry *entry = &s->set.entries[i];
		AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;

		if (view_kind_of(entry) != kind)
			continue;
		if (find_owner(l, s, entry, e) < 0 ||
			view_image(&l->view, &s->held, &entry->digest, entry->size,
				entry->media_type, &image, e) < 0)
			return -1;
		(kind == VIEW_FILE ? list_files : list_image)(l, s, entry, &image);
	}
	return 0;
}

/* List the active sets of a store, or all of a medium, where none is active. Skip a set that lost blobs, with a
 * warning. */
static int list_active(struct listing *l, enum view_kind kind, struct err *e)
{
	for (size_t i = 0; i < l->view.count; i++) {
		struct view_set *s = &l->view.sets[i];

		if (l->view.store && !s->info.active)
			continue;
		if (list_entries(l, s, kind, e) == 0)
			continue;
		if (!s->info.missing)
			return -1;
		tool_warn("set %s:%s lost %" PRIu64 " blobs, import its medium again: %s",
			s->info.name, s->info.version, s->info.missing, e->text);
	}
	return 0;
}

static int list_images_of(struct listing *l, struct err *e)
{
	return list_active(l, VIEW_IMAGE, e);
}

static int list_files_of(struct listing *l, struct err *e)
{
	return list_active(l, VIEW_FILE, e);
}

/* --- what is in no set -------------------------------------------------------------------------- */

static const struct report_column unsealed_columns[] = {
	{ "reference", "IN NO SET" },
	{ "digest", "DIGEST" },
	{ "bytes", "SIZE" },
};

/* Is it a pin, a set itself, or a signature under a tag? */
static bool is_sealed(const struct view_tag *tag)
{
	static const char sets[] = SET_HOST "/set/";

	return *tag->owner.set || view_is_fallback_tag(tag->tag) ||
	       strncmp(tag->repo, sets, strlen(sets)) == 0;
}

static void list_unsealed(struct report *r, const char *reference, const struct manifest_info *info,
	const struct view_image *image)
{
	report_row(r, true);
	report_text(r, "reference", reference);
	report_digest(r, "digest", &info->digest);
	report_text(r, "mediaType", info->media_type);
	report_bytes(r, "bytes", image->bytes);
	report_end(r);
}

static int visit_tag(void *ctx, const struct view_tag *tag, struct err *e)
{
	struct listing *l = ctx;
	AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
	AUTO(mem_free) char *reference = mem_printf("%s:%s", tag->repo, tag->tag);
	struct manifest_info info;
	int rc;

	if (is_sealed(tag))
		return 0;
	rc = manifest_by_tag(l->view.store, tag->repo, tag->tag, &info, e);
	if (rc > 0)
		rc = view_image(
			&l->view, NULL, &info.digest, info.size, info.media_type, &image, e);
	if (rc < 0)
		return err_ctx(e, "%s", reference);
	if (image.known)
		list_unsealed(&l->report, reference, &info, &image);
	return 0;
}

static int list_unsealed_of(struct listing *l, struct err *e)
{
	struct view_tag_sink sink = { visit_tag, l };

	return l->view.store ? view_all_tags(&l->view, &sink, e) : 0;
}

/* ------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const struct report_column *columns;
	size_t column_count;
	int (*list)(struct listing *, struct err *);
} lists[] = {
	{ "sets", set_columns, ARRAY_SIZE(set_columns), list_sets_of },
	{ "images", image_columns, ARRAY_SIZE(image_columns), list_images_of },
	{ "files", file_columns, ARRAY_SIZE(file_columns), list_files_of },
	{ "unsealed", unsealed_columns, ARRAY_SIZE(unsealed_columns), list_unsealed_of },
	{ "versions", version_columns, ARRAY_SIZE(version_columns), list_versions_of },
};
#define ASKED_ONLY 4 /* the first that is listed only when it is asked for */

/* alone: it is the whole result, and its table has a heading even when it is empty. */
static int list_one(struct listing *l, size_t which, bool alone, struct err *e)
{
	report_table(&l->report, alone ? NULL : lists[which].name, lists[which].columns,
		lists[which].column_count, alone);
	if (lists[which].list(l, e) < 0)
		return -1;
	report_end(&l->report);
	return 0;
}

/* Which versions collection removes, when rules for that were saved; a medium has none. */
static void read_rules(struct listing *l, struct gc_rules *rules)
{
	struct err e = ERR_INIT;

	*rules = (struct gc_rules){ .grace = 0 };
	if (l->view.store && gc_rules_read(l->view.store, rules, &e) < 0)
		tool_warn("the rules of collection: %s", e.text);
}

static void list_rules(struct listing *l)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct gc_rules rules;

	read_rules(l, &rules);
	rules_text(&rules, &text);
	if (text.len)
		report_line(&l->report, "%s", text.data);
}

/* The rules as a member of several lists. */
static void report_rules(struct listing *l)
{
	struct gc_rules rules;

	read_rules(l, &rules);
	report_object(&l->report, "rules");
	report_number(&l->report, "keepVersions", (uint64_t)rules.keep_versions);
	report_number(&l->report, "keepDays", (uint64_t)rules.keep_days);
	report_end(&l->report);
}

/* Several lists, and the conflicts between active sets of a store. */
static int list_several(struct listing *l, const bool asked[], bool all, struct err *e)
{
	report_object(&l->report, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (((all && i < ASKED_ONLY) || asked[i]) && list_one(l, i, false, e) < 0)
			return -1;
	if (conflicts_report(&l->report, l->view.store, NULL, e) < 0)
		return -1;
	if (l->report.tool->json)
		report_rules(l);
	report_end(&l->report);
	return 0;
}

static int print_lists(
	const struct tool *t, struct listing *l, const struct list_options *o, struct err *e)
{
	const bool asked[] = { o->sets, o->images, o->files, o->unsealed, o->all_versions };
	int count = o->sets + o->images + o->files + o->unsealed + o->all_versions, rc;
	size_t first = 0;

	while (count == 1 && !asked[first])
		first++;
	rc = count == 1 ? list_one(l, first, true, e) : list_several(l, asked, !count, e);
	if (rc == 0 && o->sets && l->view.store && !t->json)
		list_rules(l);
	if (rc < 0 || report_print(&l->report, e) < 0)
		return -1;
	/* In JSON the object of several lists has them. */
	return l->view.store && (!t->json || count == 1) ? conflicts_note(l->view.store, e) : 0;
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(listing_release)
	struct listing l = { .report = REPORT_INIT(t), .view = VIEW_INIT };
	int rc;

	if (args->count && t->store_given)
		return tool_usage(e, "--store and a medium exclude each other");
	if (args->count) {
		rc = view_medium(&l.view, args->items, args->count, tool_store_beside(t), e);
	} else {
		rc = tool_store_read(t, &s, e);
		if (rc == 0)
			rc = view_store(&l.view, s, e);
	}
	return rc < 0 ? -1 : print_lists(t, &l, given, e);
}

const struct command cmd_list = {
	.name = "list",
	.args = "[--store DIR | MEDIUM...] [--sets] [--images] [--files] [--unsealed] "
		"[--all-versions]",
	.summary = "sets, images and files of a store or a medium",
	.about = "MEDIUM is a folder or volume files. It is not imported and nothing of it is "
		 "verified:\n`moat verify` does that.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct list_options),
	.run = run,
};
