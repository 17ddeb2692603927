/*
 * Pin `files:` of a list: ask for sizes where the list has none; everything else follows from the
 * list. Must never pin a name when a file of it is unknown.
 */
#include "mirror-tool/list/file_artifact.h"
#include "mirror-tool/pin/task.h"
#include "storage/base/banned.h"

static bool is_asked(const struct list *list, const struct list_file *f)
{
	return !list->only || choice_has(list->only, &f->ref, &f->ref.digest);
}

static void got_size(void *ctx, int rc, uint64_t size, struct err *e)
{
	struct file_size *f = ctx;

	if (rc == 0)
		rc = err_set(e, ERR_ABSENT, "is not there");
	if (rc < 0)
		failures_add(f->failures, f->file->url, e);
	f->size = size;
	f->known = rc > 0;
}

void files_ask(struct session *s, const struct list *list, struct file_size sizes[],
	struct failures *failures)
{
	for (size_t i = 0; i < list->file_count; i++) {
		const struct list_file *f = &list->files[i];

		sizes[i] = (struct file_size){ failures, f, f->size, f->has_size };
		if (!f->has_size && is_asked(list, f))
			upstream_url_size(s->upstream, f->url, got_size, &sizes[i]);
	}
}

static void add_file(struct lock_pin *pin, const struct list_file *from, uint64_t size)
{
	struct lock_file *f = lock_add_file(pin);
	char text[PLATFORM_TEXT_SIZE];

	lock_set_text(&f->url, from->url);
	lock_set_text(&f->media_type, from->media_type);
	lock_set_text(&f->title, from->title);
	f->digest = from->digest;
	f->size = size;
	f->has_platform = from->has_platform;
	f->platform = from->platform;
	if (f->has_platform)
		platform_texts_add(&pin->platforms, platform_text(&f->platform, text));
}

/* Add the pin of a name, at its first file; all files of the name must be known. */
static void pin_files(
	const struct list *list, const struct file_size sizes[], size_t first, struct lock *lock)
{
	const struct list_file *file = sizes[first].file;
	struct file_manifests built;
	struct lock_pin pin;
	bool whole = true;

	lock_pin_init(&pin);
	pin.ref = file->ref;
	lock_set_text(&pin.artifact_type, file->artifact_type);
	for (size_t i = 0; i < list->file_count; i++) {
		if (i < first && ref_eq(&sizes[i].file->ref, &file->ref)) {
			lock_pin_release(&pin); /* done at its first file */
			return;
		}
		if (!ref_eq(&sizes[i].file->ref, &file->ref))
			continue;
		whole &= sizes[i].known;
		add_file(&pin, sizes[i].file, sizes[i].size);
	}
	lock_pin_sort(&pin);
	files_build(&built, &pin);
	pin.digest = built.items[built.count - 1].digest;
	pin.size = built.items[built.count - 1].bytes.len;
	lock_set_text(&pin.media_type, built.items[built.count - 1].media_type);
	files_release(&built);
	if (whole)
		lock_move(lock, &pin);
	else
		lock_pin_release(&pin);
}

void files_pin(const struct list *list, const struct file_size sizes[], struct lock *lock)
{
	for (size_t i = 0; i < list->file_count; i++)
		if (is_asked(list, &list->files[i]))
			pin_files(list, sizes, i, lock);
}
