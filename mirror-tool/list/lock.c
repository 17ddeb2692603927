/*
 * Build, sort and write locks. Equal structs must give equal bytes, in whatever order answers came;
 * reading is lock_read.c.
 */
#include "mirror-tool/list/lock.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/tree.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* --- building ---------------------------------------------------------------------------- */

void lock_set_text(char **field, const char *text)
{
	free(*field);
	*field = mem_strdup(text ? text : "");
}

void lock_pin_init(struct lock_pin *pin)
{
	*pin = (struct lock_pin){
		.media_type = mem_strdup(""),
		.artifact_type = mem_strdup(""),
	};
}

struct lock_pin *lock_add(struct lock *l)
{
	struct lock_pin *pin = VEC_PUSH(l->pins, l->count);

	lock_pin_init(pin);
	return pin;
}

void lock_move(struct lock *l, struct lock_pin *pin)
{
	*VEC_PUSH(l->pins, l->count) = *pin;
	*pin = (struct lock_pin){ .size = 0 };
}

struct lock_attachment *lock_attach(struct lock_pin *pin)
{
	struct lock_attachment *a = VEC_PUSH(pin->attached, pin->attached_count);

	a->media_type = mem_strdup("");
	a->artifact_type = mem_strdup("");
	return a;
}

static void attachment_release(struct lock_attachment *a)
{
	free(a->media_type);
	free(a->artifact_type);
}

void lock_pin_drop_excused(struct lock_pin *pin)
{
	size_t kept = 0;

	for (size_t i = 0; i < pin->attached_count; i++) {
		if (excuses_has(&pin->excused, EXCUSE_ATTACHMENT, &pin->attached[i].digest))
			attachment_release(&pin->attached[i]);
		else
			pin->attached[kept++] = pin->attached[i];
	}
	pin->attached_count = kept;
}

struct lock_file *lock_add_file(struct lock_pin *pin)
{
	struct lock_file *f = VEC_PUSH(pin->files, pin->file_count);

	f->url = mem_strdup("");
	f->media_type = mem_strdup("");
	f->title = mem_strdup("");
	return f;
}

bool platform_texts_has(const struct platform_texts *t, const char *text)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->items[i], text) == 0)
			return true;
	return false;
}

void platform_texts_add(struct platform_texts *t, const char *text)
{
	if (platform_texts_has(t, text))
		return;
	*VEC_PUSH(t->items, t->count) = mem_strdup(text);
}

static void texts_free(struct platform_texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
}

void lock_pin_release(struct lock_pin *pin)
{
	for (size_t i = 0; i < pin->attached_count; i++)
		attachment_release(&pin->attached[i]);
	for (size_t i = 0; i < pin->file_count; i++) {
		free(pin->files[i].url);
		free(pin->files[i].media_type);
		free(pin->files[i].title);
	}
	free(pin->attached);
	free(pin->files);
	free(pin->media_type);
	free(pin->artifact_type);
	texts_free(&pin->platforms);
	texts_free(&pin->absent);
	source_ref_release(&pin->from);
	excuses_release(&pin->excused);
	*pin = (struct lock_pin){ .size = 0 };
}

void lock_release(struct lock *l)
{
	int saved = errno;

	for (size_t i = 0; i < l->count; i++)
		lock_pin_release(&l->pins[i]);
	free(l->pins);
	free(l->list_text);
	registry_confs_release(&l->registries);
	skips_release(&l->skipped);
	*l = (struct lock)LOCK_INIT;
	errno = saved;
}

/* --- order ------------------------------------------------------------------------------- */

static int pin_cmp(const void *a, const void *b)
{
	char left[REF_TEXT_SIZE], right[REF_TEXT_SIZE];
	const struct lock_pin *one = a, *other = b;

	return strcmp(ref_text(&one->ref, left), ref_text(&other->ref, right));
}

static int attachment_cmp(const void *a, const void *b)
{
	const struct lock_attachment *left = a, *right = b;
	int order = digest_cmp(&left->digest, &right->digest);

	return order ? order : strcmp(left->tag, right->tag);
}

static int file_cmp(const void *a, const void *b)
{
	const struct lock_file *left = a, *right = b;
	char left_text[PLATFORM_TEXT_SIZE], right_text[PLATFORM_TEXT_SIZE];
	int order = strcmp(platform_text(&left->platform, left_text),
		platform_text(&right->platform, right_text));

	return order ? order : strcmp(left->url, right->url);
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(void *items, size_t count, size_t size, int (*cmp)(const void *, const void *))
{
	if (count)
		qsort(items, count, size, cmp);
}

void lock_pin_sort(struct lock_pin *pin)
{
	sort(pin->platforms.items, pin->platforms.count, sizeof(char *), text_cmp);
	sort(pin->absent.items, pin->absent.count, sizeof(char *), text_cmp);
	sort(pin->attached, pin->attached_count, sizeof(*pin->attached), attachment_cmp);
	sort(pin->files, pin->file_count, sizeof(*pin->files), file_cmp);
	excuses_sort(&pin->excused);
}

size_t lock_excuses(const struct lock *l)
{
	size_t count = l->skipped.count;

	for (size_t i = 0; i < l->count; i++)
		count += l->pins[i].excused.count;
	return count;
}

void lock_sort(struct lock *l)
{
	for (size_t i = 0; i < l->count; i++)
		lock_pin_sort(&l->pins[i]);
	sort(l->pins, l->count, sizeof(*l->pins), pin_cmp);
	skips_sort(&l->skipped);
}

const struct lock_pin *lock_find(const struct lock *l, const struct ref *ref)
{
	struct lock_pin key = { .ref = *ref };

	return l->count ? bsearch(&key, l->pins, l->count, sizeof(*l->pins), pin_cmp) : NULL;
}

/* --- writing ----------------------------------------------------------------------------- */

static void put_text(struct buf *out, const char *before, const char *text)
{
	buf_str(out, before);
	json_quote(out, text, false);
}

static void put_size(struct buf *out, uint64_t size)
{
	buf_printf(out, ",\"size\":%llu", (unsigned long long)size);
}

static void put_texts(struct buf *out, const char *before, const struct platform_texts *t)
{
	buf_str(out, before);
	for (size_t i = 0; i < t->count; i++)
		put_text(out, i ? "," : "", t->items[i]);
	buf_char(out, ']');
}

static void put_attachment(struct buf *out, const struct lock_attachment *a)
{
	char text[DIGEST_TEXT_SIZE];

	put_text(out, "{\"digest\":", digest_text(&a->digest, text));
	put_size(out, a->size);
	put_text(out, ",\"mediaType\":", a->media_type);
	if (*a->artifact_type)
		put_text(out, ",\"artifactType\":", a->artifact_type);
	put_text(out, ",\"subject\":", digest_text(&a->subject, text));
	if (a->tag[0])
		put_text(out, ",\"tag\":", a->tag);
	buf_char(out, '}');
}

static void put_file(struct buf *out, const struct lock_file *f)
{
	char text[DIGEST_TEXT_SIZE], platform[PLATFORM_TEXT_SIZE];

	put_text(out, "{\"url\":", f->url);
	put_text(out, ",\"digest\":", digest_text(&f->digest, text));
	put_size(out, f->size);
	put_text(out, ",\"mediaType\":", f->media_type);
	put_text(out, ",\"title\":", f->title);
	if (f->has_platform)
		put_text(out, ",\"platform\":", platform_text(&f->platform, platform));
	buf_char(out, '}');
}

static void put_pin(struct buf *out, const struct lock_pin *pin)
{
	char ref[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	put_text(out, "{\"ref\":", ref_text(&pin->ref, ref));
	put_text(out, ",\"digest\":", digest_text(&pin->digest, digest));
	put_size(out, pin->size);
	put_text(out, ",\"mediaType\":", pin->media_type);
	if (*pin->artifact_type)
		put_text(out, ",\"artifactType\":", pin->artifact_type);
	put_texts(out, ",\"platforms\":[", &pin->platforms);
	put_texts(out, ",\"absent\":[", &pin->absent);
	if (pin->from.kind != SOURCE_REGISTRY)
		put_text(out, ",\"from\":", pin->from.text);
	for (size_t i = 0; i < pin->attached_count; i++) {
		buf_str(out, i ? "," : ",\"attached\":[");
		put_attachment(out, &pin->attached[i]);
	}
	buf_str(out, pin->attached_count ? "]" : "");
	if (pin->leave_foreign)
		buf_str(out, ",\"foreignLayers\":\"leave\"");
	excuses_write(&pin->excused, out);
	for (size_t i = 0; i < pin->file_count; i++) {
		buf_str(out, i ? "," : ",\"files\":[");
		put_file(out, &pin->files[i]);
	}
	buf_str(out, pin->file_count ? "]}" : "}");
}

void lock_write(struct lock *l, struct buf *out)
{
	char text[DIGEST_TEXT_SIZE];

	lock_sort(l);
	put_text(out, "{\n\"moatLock\": 1,\n\"set\": ", l->name);
	if (l->version[0])
		put_text(out, ",\n\"version\": ", l->version);
	put_text(out, ",\n\"created\": ", l->created);
	put_text(out, ",\n\"list\": ", digest_text(&l->list, text));
	put_text(out, ",\n\"listText\": ", l->list_text ? l->list_text : "");
	buf_str(out, ",\n\"registries\": ");
	registry_confs_write(&l->registries, out);
	if (l->skipped.count) {
		buf_str(out, ",\n\"skipped\": ");
		skips_json(&l->skipped, out);
	}
	buf_str(out, ",\n\"pins\": [");
	for (size_t i = 0; i < l->count; i++) {
		buf_str(out, i ? ",\n" : "\n");
		put_pin(out, &l->pins[i]);
	}
	buf_str(out, "\n]\n}\n");
}
