/* Which files lie where. Pure; must never let a name through that leads out of the folder. */
#include <errno.h>
#include <stdlib.h>

#include "mirror-tool/extract/extract.h"
#include "mirror-tool/list/file_artifact.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

static void file_done(struct extract_file *f)
{
	free(f->path);
	free(f->reference);
}

void extract_files_release(struct extract_files *f)
{
	int saved = errno;

	for (size_t i = 0; i < f->count; i++)
		file_done(&f->items[i]);
	free(f->items);
	*f = (struct extract_files)EXTRACT_FILES_INIT;
	errno = saved;
}

uint64_t extract_bytes(const struct extract_files *f)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < f->count; i++)
		sum += f->items[i].size;
	return sum;
}

static int check_path(const char *path, struct err *e)
{
	for (const char *at = path;; at++) {
		size_t len = strcspn(at, "/");

		if (file_title_check((struct span){ at, len }, e) < 0)
			return -1;
		at += len;
		if (!*at)
			return 0;
	}
}

int extract_add(struct extract_files *f, const char *path, const char *reference,
	const struct digest *d, uint64_t size, struct err *e)
{
	if (check_path(path, e) < 0)
		return err_ctx(e, "%s", reference);
	if (f->count == EXTRACT_FILES_MAX)
		return err_set(
			e, ERR_INPUT, "more than %d files; name some of them", EXTRACT_FILES_MAX);
	*VEC_PUSH(f->items, f->count) =
		(struct extract_file){ mem_strdup(path), mem_strdup(reference), *d, size };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct extract_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int check_twins(const struct extract_files *f, struct err *e)
{
	for (size_t i = 1; i < f->count; i++) {
		const struct extract_file *a = &f->items[i - 1], *b = &f->items[i];

		if (strcmp(a->path, b->path) == 0 &&
			(!digest_eq(&a->digest, &b->digest) || a->size != b->size))
			return err_set(e, ERR_INPUT, "two different files of %s%s%s would be %s",
				a->reference, strcmp(a->reference, b->reference) ? " and " : "",
				strcmp(a->reference, b->reference) ? b->reference : "", a->path);
	}
	return 0;
}

/* A blob may be in a manifest twice. */
static void drop_twins(struct extract_files *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++)
		if (kept && strcmp(f->items[kept - 1].path, f->items[i].path) == 0)
			file_done(&f->items[i]);
		else
			f->items[kept++] = f->items[i];
	f->count = kept;
}

/* Is a file where this one needs a folder? */
static int check_folders(
	const struct extract_files *f, const struct extract_file *file, struct err *e)
{
	for (const char *at = strchr(file->path, '/'); at; at = strchr(at + 1, '/')) {
		AUTO(mem_free) char *folder = mem_strndup(file->path, (size_t)(at - file->path));
		const struct extract_file key = { .path = folder };

		if (bsearch(&key, f->items, f->count, sizeof(key), compare))
			return err_set(e, ERR_INPUT, "%s would be a file and the folder of %s",
				folder, file->path);
	}
	return 0;
}

int extract_sort(struct extract_files *f, struct err *e)
{
	if (f->count)
		qsort(f->items, f->count, sizeof(*f->items), compare);
	if (check_twins(f, e) < 0)
		return -1;
	drop_twins(f);
	for (size_t i = 0; i < f->count; i++)
		if (check_folders(f, &f->items[i], e) < 0)
			return -1;
	return 0;
}
