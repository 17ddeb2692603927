/* The files of the audit log: their names, and the end of the last one. Must never follow a link. */
#include "storage/audit/audit_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/number.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define SUFFIX ".jsonl"
#define DIGITS 6
#define NUMBER_MAX 99999999u
#define FILE_LIMIT                                                                                 \
	(4 * AUDIT_FILE_MAX) /* a file of ours is smaller, whatever append began before its limit */

const char *audit_name(unsigned number, char name[AUDIT_NAME_SIZE])
{
	snprintf(name, AUDIT_NAME_SIZE, "%0*u" SUFFIX, DIGITS, number);
	return name;
}

/* The number of a name; 0: it is none that audit_name() makes. */
static unsigned number_of(const char *name)
{
	struct span text = span_of(name);
	char again[AUDIT_NAME_SIZE];
	uint64_t number;

	if (!number_take(&text, &number) || number > NUMBER_MAX ||
		strcmp(audit_name((unsigned)number, again), name) != 0)
		return 0;
	return (unsigned)number;
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

int audit_files(int dir, unsigned **numbers, size_t *count, struct err *e)
{
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };

	*numbers = NULL;
	*count = 0;
	if (fs_list(dir, &list, e) < 0)
		return err_ctx(e, AUDIT_FOLDER);
	for (size_t i = 0; i < list.count; i++) {
		unsigned number = number_of(list.names[i]);

		if (number)
			*VEC_PUSH(*numbers, *count) = number;
	}
	if (*count)
		qsort(*numbers, *count, sizeof(**numbers), by_number);
	return 0;
}

int audit_open_folder(const char *store, int *dir, struct err *e)
{
	AUTO(fd_close) int root = fs_open_dir(store, e);

	if (root < 0)
		return -1;
	*dir = openat(root, AUDIT_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*dir >= 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, "%s/" AUDIT_FOLDER, store);
}

/* --- the end of a file ------------------------------------------------------------------------ */

/* The last `len` bytes of a file. */
struct window {
	int fd;
	const char *name;
	uint64_t size;
	struct buf text;
};

static void window_release(struct window *w)
{
	buf_release(&w->text);
	fd_close(&w->fd);
}

static int read_window(struct window *w, uint64_t len, struct err *e)
{
	buf_clear(&w->text);
	buf_reserve(&w->text, (size_t)len);
	if (fs_pread_all(w->fd, w->text.data, (size_t)len, w->size - len, w->name, e) < 0)
		return -1;
	w->text.len = (size_t)len;
	w->text.data[len] = '\0';
	return 0;
}

/* Is the line that ends before `end`, where its line feed stands, a record? *begin: where it begins. */
static bool is_record(const struct window *w, size_t end, size_t *begin, struct audit_head *head)
{
	const char *feed = end ? memrchr(w->text.data, '\n', end) : NULL;
	AUTO(doc_release) struct doc doc = DOC_INIT;
	struct audit_line l = { .file = w->name, .whole = true };

	*begin = feed ? (size_t)(feed + 1 - w->text.data) : 0;
	if (!feed && w->text.len < w->size)
		return false; /* its beginning is not in the window */
	l.text = (struct span){ w->text.data + *begin, end - *begin };
	audit_line_parse(&l, &doc);
	if (l.is_record)
		*head = (struct audit_head){ l.seq, l.hash };
	return l.is_record;
}

static void describe_rest(const struct window *w, size_t from, struct audit_rest *rest)
{
	struct span text = { w->text.data + from, w->text.len - from };
	AUTO(hasher_release) struct hasher h = HASHER_INIT;
	size_t begin;

	rest->bytes = text.len;
	if (!text.len)
		return;
	rest->is_open = text.data[text.len - 1] != '\n';
	rest->is_torn = !memchr(text.data, '\n', text.len);
	rest->is_record =
		rest->is_open && rest->is_torn && is_record(w, w->text.len, &begin, &rest->head);
	hasher_init(&h, DIGEST_SHA256);
	hasher_add(&h, text.data, text.len);
	if (rest->is_open)
		hasher_add(&h, "\n", 1);
	hasher_end(&h, &rest->hash);
}

/* Find the last record of a window: 1, 0 it holds none. */
static int look_back(const struct window *w, struct audit_head *head, struct audit_rest *rest)
{
	const char *feed = w->text.len ? memrchr(w->text.data, '\n', w->text.len) : NULL;

	while (feed) {
		size_t end = (size_t)(feed - w->text.data), begin;

		if (is_record(w, end, &begin, head)) {
			describe_rest(w, end + 1, rest);
			return 1;
		}
		feed = begin > 0 ? w->text.data + begin - 1 : NULL;
	}
	if (w->text.len == w->size)
		describe_rest(w, 0, rest);
	return 0;
}

/* Look back over a file, further and further: 1, 0 it holds no record. */
static int search_file(
	struct window *w, struct audit_head *head, struct audit_rest *rest, struct err *e)
{
	uint64_t len = 0;

	for (uint64_t want = 4096; len < w->size; want *= 8) {
		len = want < w->size ? want : w->size;
		if (read_window(w, len, e) < 0)
			return -1;
		if (look_back(w, head, rest))
			return 1;
	}
	return 0;
}

/* size: how much of the file counts; UINT64_MAX: all of it. */
static int search(int dir, unsigned number, uint64_t size, struct audit_head *head,
	struct audit_rest *rest, struct err *e)
{
	char name[AUDIT_NAME_SIZE];
	AUTO(window_release)
	struct window w = { .fd = -1, .name = audit_name(number, name), .text = BUF_INIT };
	int rc = fs_open_file(dir, name, &w.fd, &w.size, e);

	if (rc <= 0)
		return rc < 0 ? err_ctx(e, AUDIT_FOLDER) : 0;
	if (size < w.size)
		w.size = size;
	if (w.size > FILE_LIMIT)
		return err_set(e, ERR_INPUT,
			AUDIT_FOLDER "/%s: more than %u bytes, no file of moat's", name,
			FILE_LIMIT);
	return search_file(&w, head, rest, e);
}

int audit_find_end(int dir, const unsigned numbers[], size_t count, uint64_t size,
	struct audit_head *head, struct audit_rest *rest, struct err *e)
{
	struct audit_rest before;
	int rc;

	*head = (struct audit_head){ .hash.alg = DIGEST_SHA256 };
	*rest = (struct audit_rest){ .bytes = 0 };
	rc = search(dir, numbers[--count], size, head, rest, e);
	while (rc == 0 && count > 0)
		rc = search(dir, numbers[--count], UINT64_MAX, head, &before, e);
	return rc < 0 ? -1 : 0;
}
