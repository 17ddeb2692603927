/* `moat list`: sets, images and files of a store or of a medium that nobody imported. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "mirror-tool/changes.h"
#include "mirror-tool/json_out.h"
#include "mirror-tool/look/look.h"
#include "mirror-tool/table.h"
#include "mirror-tool/tool.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

struct list_options {
	bool sets, images, files, unsealed;
};

static const struct option_def options[] = {
	{ "sets", OPTION_FLAG, offsetof(struct list_options, sets), NULL, NULL, "only the sets" },
	{ "images", OPTION_FLAG, offsetof(struct list_options, images), NULL, NULL,
		"only the images of the active sets" },
	{ "files", OPTION_FLAG, offsetof(struct list_options, files), NULL, NULL,
		"only the files of the active sets" },
	{ "unsealed", OPTION_FLAG, offsetof(struct list_options, unsealed), NULL, NULL,
		"only what is in no active set: pulled and not sealed yet, or pushed" },
};

/* One list: a table for people, or the inside of a JSON array. */
struct listing {
	bool json;
	struct table table;
	struct buf text;
	size_t count;
	/* Of the entry at hand: */
	bool served; /* its reference is answered with it */
	bool elsewhere; /* another set owns the tag, and has the row */
};

static void listing_release(struct listing *l)
{
	table_release(&l->table);
	buf_release(&l->text);
}

static void row_begin(struct listing *l)
{
	buf_str(&l->text, l->count++ ? ",\n{" : "{");
}

static void short_digest(const struct digest *d, char text[DIGEST_TEXT_SIZE])
{
	digest_text(d, text);
	text[strlen(digest_alg_name(d->alg)) + 1 + 12] = '\0';
}

/* --- sets -------------------------------------------------------------------------------------- */

static const char *state_of(const struct set_info *info, char text[50])
{
	const char *word = info->active ? "active" : "-";

	if (!info->missing)
		return word;
	snprintf(text, 50, "%s, %" PRIu64 " missing", word, info->missing);
	return text;
}

static void list_set(struct listing *l, const struct look_set *s)
{
	char digest[DIGEST_TEXT_SIZE], size[SIZE_TEXT_SIZE], pins[24], when[32] = "-", state[50];
	time_t accepted = (time_t)s->info.accepted;
	struct tm tm;

	if (accepted && gmtime_r(&accepted, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	if (!l->json) {
		short_digest(&s->info.digest, digest);
		snprintf(pins, sizeof(pins), "%" PRIu64, s->info.pins);
		table_row(&l->table, s->info.name, s->info.version, digest,
			size_text(s->info.bytes, size), pins, when, state_of(&s->info, state));
		return;
	}
	row_begin(l);
	json_pair(&l->text, "set", s->info.name);
	json_pair(&l->text, "version", s->info.version);
	json_pair(&l->text, "digest", digest_text(&s->info.digest, digest));
	json_number(&l->text, "bytes", s->info.bytes);
	json_number(&l->text, "pins", s->info.pins);
	json_number(&l->text, "accepted", (uint64_t)s->info.accepted);
	json_number(&l->text, "generation", s->info.generation);
	json_flag(&l->text, "active", s->info.active);
	json_number(&l->text, "missing", s->info.missing);
	takes_json(&l->text, &s->info);
	buf_char(&l->text, '}');
}

static int list_sets_of(struct look *look, struct listing *l, struct err *e)
{
	(void)e;
	l->table.columns = 7;
	table_row(&l->table, "SET", "VERSION", "DIGEST", "SIZE", "PINS", "ACCEPTED", "STATE");
	for (size_t i = 0; i < look->count; i++)
		list_set(l, &look->sets[i]);
	return 0;
}

/* --- images and files --------------------------------------------------------------------------- */

/* "linux/amd64 linux/arm64": of the children that are held, or of those that are not. */
static void platforms(const struct look_image *image, bool held, struct buf *out)
{
	for (size_t i = 0; i < image->count; i++) {
		const struct look_child *c = &image->children[i];

		if (c->held != held || c->attestation || !*c->platform)
			continue;
		buf_str(out, out->len ? " " : "");
		buf_str(out, c->platform);
	}
}

static void json_platforms(struct buf *out, const char *key, const struct buf *words)
{
	struct span rest = buf_span(words);
	bool first = true;

	buf_printf(out, ",\"%s\":[", key);
	while (rest.len) {
		struct span word = span_until(&rest, ' ');
		AUTO(mem_free) char *text = mem_strndup(word.data, word.len);

		buf_str(out, first ? "" : ",");
		json_quote(out, text, false);
		first = false;
	}
	buf_char(out, ']');
}

/* By the rule that serves: a medium serves nothing, and what has no tag is asked for by digest. */
static int find_owner(struct look *look, struct listing *l, const struct look_set *s,
	const struct set_entry *entry, struct err *e)
{
	struct tag_owner owner;

	l->served = look->store != NULL;
	l->elsewhere = false;
	if (!look->store || !*entry->tag)
		return 0;
	if (tag_owner_get(look->store, entry->name, entry->tag, &owner, e) < 0)
		return -1;
	l->served = digest_eq(&owner.digest, &entry->digest);
	l->elsewhere = strcmp(owner.set, s->info.name) != 0;
	return 0;
}

static void image_row(struct listing *l, const struct look_set *s, const struct set_entry *entry,
	const struct look_image *image)
{
	AUTO(buf_release) struct buf held = BUF_INIT;
	AUTO(buf_release) struct buf absent = BUF_INIT;
	char reference[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE], size[SIZE_TEXT_SIZE];

	platforms(image, true, &held);
	platforms(image, false, &absent);
	look_reference(entry, reference);
	if (!l->json && l->elsewhere)
		return;
	if (!l->json) {
		short_digest(&entry->digest, digest);
		table_row(&l->table, reference, digest,
			image->known ? size_text(image->bytes, size) : "?",
			held.len ? held.data : "-", absent.len ? absent.data : "-");
		return;
	}
	row_begin(l);
	json_pair(&l->text, "reference", reference);
	json_pair(&l->text, "digest", digest_text(&entry->digest, digest));
	json_pair(&l->text, "mediaType", entry->media_type);
	json_pair(&l->text, "set", s->info.name);
	json_pair(&l->text, "version", s->info.version);
	json_flag(&l->text, "served", l->served);
	json_number(&l->text, "bytes", image->bytes);
	json_platforms(&l->text, "held", &held);
	json_platforms(&l->text, "absent", &absent);
	buf_char(&l->text, '}');
}

static void file_row(struct listing *l, const struct look_set *s, const struct set_entry *entry,
	const struct look_child *child, const struct look_layer *layer)
{
	char reference[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE], size[SIZE_TEXT_SIZE];

	look_reference(entry, reference);
	if (!l->json && l->elsewhere)
		return;
	if (!l->json) {
		short_digest(&layer->digest, digest);
		table_row(&l->table, layer->title, size_text(layer->size, size), digest,
			*child->platform ? child->platform : "-", reference);
		return;
	}
	row_begin(l);
	json_pair(&l->text, "file", layer->title);
	json_pair(&l->text, "digest", digest_text(&layer->digest, digest));
	json_pair(&l->text, "mediaType", layer->media_type);
	json_pair(&l->text, "platform", child->platform);
	json_pair(&l->text, "reference", reference);
	json_pair(&l->text, "set", s->info.name);
	json_pair(&l->text, "version", s->info.version);
	json_flag(&l->text, "served", l->served);
	json_number(&l->text, "size", layer->size);
	buf_char(&l->text, '}');
}

static void file_rows(struct listing *l, const struct look_set *s, const struct set_entry *entry,
	const struct look_image *image)
{
	for (size_t i = 0; i < image->count; i++)
		for (size_t j = 0; j < image->children[i].layer_count; j++)
			if (*image->children[i].layers[j].title)
				file_row(l, s, entry, &image->children[i],
					&image->children[i].layers[j]);
}

static int list_entries(struct look *look, struct listing *l, struct look_set *s,
	enum look_kind kind, struct err *e)
{
	if (look_load(look, s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->set.count; i++) {
		const struct set_entry *entry = &s->set.entries[i];
		AUTO(look_image_release) struct look_image image = LOOK_IMAGE_INIT;

		if (look_kind_of(entry) != kind)
			continue;
		if (find_owner(look, l, s, entry, e) < 0 ||
			look_image(look, &s->held, &entry->digest, entry->size, entry->media_type,
				&image, e) < 0)
			return -1;
		if (kind == LOOK_FILE)
			file_rows(l, s, entry, &image);
		else
			image_row(l, s, entry, &image);
	}
	return 0;
}

/* Of a store the active sets count; a medium has no active ones, so all of it does. One that lost
 * something does not keep the others from being listed. */
static int list_active(struct look *look, struct listing *l, enum look_kind kind, struct err *e)
{
	for (size_t i = 0; i < look->count; i++) {
		struct look_set *s = &look->sets[i];

		if (look->store && !s->info.active)
			continue;
		if (list_entries(look, l, s, kind, e) == 0)
			continue;
		if (!s->info.missing)
			return -1;
		tool_warn("set %s:%s lost %" PRIu64 " blobs, import its medium again: %s",
			s->info.name, s->info.version, s->info.missing, e->text);
	}
	return 0;
}

static int list_images_of(struct look *look, struct listing *l, struct err *e)
{
	l->table.columns = 5;
	table_row(&l->table, "IMAGE", "DIGEST", "SIZE", "HELD", "NOT HELD");
	return list_active(look, l, LOOK_IMAGE, e);
}

static int list_files_of(struct look *look, struct listing *l, struct err *e)
{
	l->table.columns = 5;
	table_row(&l->table, "FILE", "SIZE", "DIGEST", "PLATFORM", "REFERENCE");
	return list_active(look, l, LOOK_FILE, e);
}

/* --- what is in no set -------------------------------------------------------------------------- */

struct unsealed {
	struct look *look;
	struct listing *l;
};

static void unsealed_row(struct listing *l, const char *reference, const struct manifest_info *info,
	const struct look_image *image)
{
	char digest[DIGEST_TEXT_SIZE], size[SIZE_TEXT_SIZE];

	if (!l->json) {
		short_digest(&info->digest, digest);
		table_row(&l->table, reference, digest, size_text(image->bytes, size));
		return;
	}
	row_begin(l);
	json_pair(&l->text, "reference", reference);
	json_pair(&l->text, "digest", digest_text(&info->digest, digest));
	json_pair(&l->text, "mediaType", info->media_type);
	json_number(&l->text, "bytes", image->bytes);
	buf_char(&l->text, '}');
}

/* Pins, sets themselves, and signatures under tags are not listed. */
static bool is_sealed(const struct look_tag *tag)
{
	static const char sets[] = SET_HOST "/set/";

	return *tag->owner.set || look_is_fallback_tag(tag->tag) ||
	       strncmp(tag->repo, sets, strlen(sets)) == 0;
}

static int list_unsealed(void *ctx, const struct look_tag *tag, struct err *e)
{
	struct unsealed *u = ctx;
	AUTO(look_image_release) struct look_image image = LOOK_IMAGE_INIT;
	AUTO(mem_free) char *reference = mem_printf("%s:%s", tag->repo, tag->tag);
	struct manifest_info info;
	int rc;

	if (is_sealed(tag))
		return 0;
	rc = manifest_by_tag(u->look->store, tag->repo, tag->tag, &info, e);
	if (rc > 0)
		rc = look_image(u->look, NULL, &info.digest, info.size, info.media_type, &image, e);
	if (rc < 0)
		return err_ctx(e, "%s", reference);
	if (image.known)
		unsealed_row(u->l, reference, &info, &image);
	return 0;
}

static int list_unsealed_of(struct look *look, struct listing *l, struct err *e)
{
	struct unsealed u = { look, l };
	struct look_tag_sink sink = { list_unsealed, &u };

	l->table.columns = 3;
	table_row(&l->table, "IN NO SET", "DIGEST", "SIZE");
	return look->store ? look_all_tags(look, &sink, e) : 0;
}

/* ------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*list)(struct look *, struct listing *, struct err *);
} lists[] = {
	{ "sets", list_sets_of },
	{ "images", list_images_of },
	{ "files", list_files_of },
	{ "unsealed", list_unsealed_of },
};

/* With all of them a table that is empty is left out; one that was asked for has its heading. */
static int print_list(const struct tool *t, struct look *look, size_t which, bool alone, bool first,
	struct err *e)
{
	AUTO(listing_release) struct listing l = { .json = t->json, .text = BUF_INIT };

	if (lists[which].list(look, &l, e) < 0)
		return -1;
	if (t->json && alone)
		fprintf(t->out, "[%s]\n", l.text.data);
	else if (t->json)
		fprintf(t->out, "%s\"%s\":[%s]", first ? "{" : ",\n", lists[which].name,
			l.text.data);
	else if (alone || l.table.count > l.table.columns) {
		fputs(first ? "" : "\n", t->out);
		table_print(&l.table, t->out);
	}
	return 0;
}

/* With what two active sets of a store pin differently. */
static int end_object(const struct tool *t, struct look *look, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (conflicts_json(look->store, NULL, &text, e) < 0)
		return -1;
	fprintf(t->out, ",\n%s}\n", text.data);
	return 0;
}

static int print_lists(
	const struct tool *t, struct look *look, const struct list_options *o, struct err *e)
{
	bool asked[] = { o->sets, o->images, o->files, o->unsealed };
	int count = o->sets + o->images + o->files + o->unsealed;
	bool first = true;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (count && !asked[i])
			continue;
		if (print_list(t, look, i, count == 1, first, e) < 0)
			return -1;
		first = false;
	}
	if (t->json && count != 1)
		return end_object(t, look, e);
	return look->store ? conflicts_note(look->store, e) : 0;
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(look_release) struct look look = LOOK_INIT;
	int rc;

	if (args->count && t->store_given)
		return tool_usage(e, "--store or a medium: one of them");
	if (args->count) {
		rc = look_medium(&look, args->items, args->count, e);
	} else {
		rc = tool_store_read(t, &s, e);
		if (rc == 0)
			rc = look_store(&look, s, e);
	}
	return rc < 0 ? -1 : print_lists(t, &look, given, e);
}

const struct command cmd_list = {
	.name = "list",
	.args = "[--store DIR | MEDIUM...] [--sets] [--images] [--files] [--unsealed]",
	.summary = "sets, images and files of a store or a medium",
	.about = "MEDIUM is a folder or volume files. It is not imported and nothing of it is "
		 "verified:\n`moat verify` does that.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct list_options),
	.run = run,
};
