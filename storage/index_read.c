/*
 * index.json read in chunks: whatever a store came to list must be readable when it is needed (S6),
 * so there is no limit to the whole, only to one entry. The strict parser reads the entries, some at a
 * time, and what is around them; here only their ends are found. Must never take for an entry what
 * the parser would not.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/number.h"
#include "storage/base/tree.h"
#include "storage/index_json.h"
#include "storage/base/banned.h"

#define WINDOW (64u << 10) /* bytes read at once */
#define BATCH (64u << 10) /* of entries, parsed at once */
#define ENTRY_MAX (4u << 20) /* bytes of one entry */
#define AROUND_MAX                                                                                 \
	(64u << 20) /* of all that is around them: names of 300,000 sets that were removed */
#define BEFORE INDEX_BEGIN INDEX_LIST
#define AFTER "]}"
#define HEAD_MAX 4096 /* bytes: what is before the first entry */

enum where { AROUND, LIST }; /* LIST: between the brackets of the entries */

struct reading {
	index_item_fn *fn;
	void *ctx;
	size_t number; /* of the next entry */
	enum where where;
	unsigned depth; /* of brackets, outside strings */
	bool in_string, escaped;
	struct buf around; /* everything else, with an empty list */
	size_t key; /* where the last string at depth 1 begins in it */
	struct buf batch; /* BEFORE and entries */
	bool comma; /* the batch before ended with one */
	uint64_t serial; /* of the index itself; 0: none was found */
	struct buf removed; /* NOTE_REMOVED of it */
};

static void reading_release(struct reading *r)
{
	buf_release(&r->around);
	buf_release(&r->batch);
	buf_release(&r->removed);
}

/* The number that a text begins with, 0 when it does not; *end: what is behind it, unless NULL. */
static uint64_t number_at(const char *text, const char **end)
{
	struct span rest = span_of(text);
	uint64_t n = 0;

	(void)number_take(&rest, &n);
	if (end)
		*end = rest.data;
	return n;
}

static int hand_over(struct reading *r, struct span text, struct err *e)
{
	static const struct manifest_limits limits = { 2 * AROUND_MAX, ENTRY_MAX, DOC_NODES_MAX };
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	const char *serial, *removed;

	if (manifest_parse_limited(&m, "index.json", MEDIA_OCI_INDEX, text, &limits, e) < 0)
		return err_ctx(e, "after entry %zu", r->number);
	serial = annotation_get(&m.annotations, NOTE_SERIAL);
	if (serial)
		r->serial = number_at(serial, NULL);
	removed = annotation_get(&m.annotations, NOTE_REMOVED);
	if (removed)
		buf_str(&r->removed, removed);
	for (size_t i = 0; i < m.count; i++)
		if (r->fn(r->ctx, r->number++, &m.items[i], e) < 0)
			return -1;
	return 0;
}

/* comma: one comes behind this batch, so there must be something before and behind it. */
static int end_batch(struct reading *r, bool comma, struct err *e)
{
	size_t before = r->number;

	buf_str(&r->batch, AFTER);
	if (hand_over(r, buf_span(&r->batch), e) < 0)
		return -1;
	if (r->number == before && (comma || r->comma))
		return err_set(e, ERR_INPUT, "index.json: an entry is missing after number %zu",
			r->number);
	r->comma = comma;
	buf_clear(&r->batch);
	buf_str(&r->batch, BEFORE);
	return 0;
}

/* Is the list that begins here that of the entries? */
static bool is_entries(const struct reading *r)
{
	static const char key[] = "\"manifests\"";
	const char *p = r->around.data + r->key;

	if (strncmp(p, key, strlen(key)) != 0)
		return false;
	p += strlen(key);
	p += strspn(p, " \t\r\n");
	if (*p++ != ':')
		return false;
	return p[strspn(p, " \t\r\n")] == '\0';
}

/* What a byte outside of strings does: 1 when it is dealt with. */
static int take_mark(struct reading *r, char c, struct err *e)
{
	bool opens = c == '[' || c == '{', closes = c == ']' || c == '}';

	if (opens && r->depth++ == 1 && c == '[' && r->where == AROUND && is_entries(r)) {
		buf_char(&r->around, c);
		r->comma = false;
		r->where = LIST;
		return 1;
	}
	if (closes && r->depth > 0)
		r->depth--;
	if (closes && r->depth == 1 && r->where == LIST) {
		r->where = AROUND;
		return end_batch(r, false, e);
	}
	if (c == ',' && r->depth == 2 && r->where == LIST && r->batch.len >= BATCH)
		return end_batch(r, true, e) < 0 ? -1 : 1;
	return 0;
}

static int take(struct reading *r, char c, struct err *e)
{
	struct buf *to;
	size_t most;
	int rc = 0;

	if (r->in_string) {
		if (!r->escaped && c == '"')
			r->in_string = false;
		r->escaped = !r->escaped && c == '\\';
	} else if (c == '"') {
		r->in_string = true;
		if (r->where == AROUND && r->depth == 1)
			r->key = r->around.len;
	} else {
		rc = take_mark(r, c, e);
	}
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	to = r->where == LIST ? &r->batch : &r->around;
	most = r->where == LIST ? BATCH + ENTRY_MAX : AROUND_MAX;
	if (to->len > most)
		return err_set(e, ERR_INPUT,
			"index.json: an entry after number %zu, or what is around them, of more "
			"than "
			"%zu bytes",
			r->number, most);
	buf_char(to, c);
	return 0;
}

static int read_all(struct reading *r, const struct blob_reader *index, struct err *e)
{
	AUTO(mem_free) char *window = mem_alloc(WINDOW);

	for (uint64_t at = 0; at < index->size;) {
		uint64_t left = index->size - at;
		size_t len = left < WINDOW ? (size_t)left : WINDOW;

		if (reader_read(index, at, window, len, e) < 0)
			return err_ctx(e, "index.json");
		for (size_t i = 0; i < len; i++)
			if (take(r, window[i], e) < 0)
				return -1;
		at += len;
	}
	return hand_over(r, buf_span(&r->around), e);
}

static int read_index(struct reading *r, struct store *s, struct err *e)
{
	AUTO(reader_close) struct blob_reader index = BLOB_READER_INIT;
	int rc = blobs_index_open(s->blobs, &index, e);

	if (rc <= 0)
		return rc;
	buf_str(&r->batch, BEFORE);
	return read_all(r, &index, e) < 0 ? -1 : 1;
}

int64_t entry_number(const struct descriptor *d, const char *key)
{
	const char *text = annotation_get(&d->annotations, key);
	uint64_t n = text ? number_at(text, NULL) : 0;

	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

bool entry_is_ours(const struct descriptor *d)
{
	static const char *const keys[] = { NOTE_CONTAINERD, NOTE_REPOSITORY, NOTE_TAG,
		NOTE_SET_NAME, NOTE_SUBJECT };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (annotation_get(&d->annotations, keys[i]))
			return true;
	return false;
}

int index_json_each(struct store *s, index_item_fn *fn, void *ctx, struct err *e)
{
	AUTO(reading_release)
	struct reading r = {
		.fn = fn, .ctx = ctx, .around = BUF_INIT, .batch = BUF_INIT, .removed = BUF_INIT
	};

	return read_index(&r, s, e);
}

static int pass_over(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	(void)ctx;
	(void)number;
	(void)d;
	(void)e;
	return 0;
}

int index_json_removed(struct store *s, struct buf *out, struct err *e)
{
	AUTO(reading_release)
	struct reading r = {
		.fn = pass_over, .around = BUF_INIT, .batch = BUF_INIT, .removed = BUF_INIT
	};

	if (read_index(&r, s, e) < 0)
		return -1;
	buf_add(out, r.removed.data, r.removed.len);
	return 0;
}

/* --- the head ------------------------------------------------------------------------------- */

static bool skip_text(const char **p, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*p, text, len) != 0)
		return false;
	*p += len;
	return true;
}

/* As a store writes it, now or before it was numbered? Anything else is left to the parser. */
static bool head_is_ours(struct index_head *head, const char *text)
{
	const char *p = text;

	if (!skip_text(&p, INDEX_BEGIN))
		return false;
	if (skip_text(&p, INDEX_SERIAL)) {
		head->serial = number_at(p, &p);
		/* What follows is as long as its names are many. */
		head->lists = skip_text(&p, INDEX_REMOVED);
		if (head->serial && head->lists)
			return true;
		if (head->serial == 0 || !skip_text(&p, INDEX_SERIAL_END))
			return false;
	}
	if (!skip_text(&p, INDEX_LIST))
		return false;
	p += strspn(p, " \t\r\n");
	head->lists = *p == '{';
	return *p == '{' || *p == ']';
}

static int see_entry(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	struct index_head *head = ctx;

	(void)number;
	(void)d;
	(void)e;
	head->lists = true;
	return 0;
}

static int parse_head(struct store *s, struct index_head *head, struct err *e)
{
	AUTO(reading_release)
	struct reading r = { .fn = see_entry,
		.ctx = head,
		.around = BUF_INIT,
		.batch = BUF_INIT,
		.removed = BUF_INIT };
	int rc = read_index(&r, s, e);

	head->serial = r.serial;
	head->lists = head->lists || r.removed.len;
	return rc;
}

int index_json_head(struct store *s, struct index_head *head, struct err *e)
{
	AUTO(reader_close) struct blob_reader index = BLOB_READER_INIT;
	char text[HEAD_MAX + 1] = "";
	int rc = blobs_index_open(s->blobs, &index, e);
	size_t len = index.size < HEAD_MAX ? (size_t)index.size : HEAD_MAX;

	*head = (struct index_head){ .serial = 0 };
	if (rc <= 0)
		return rc;
	if (reader_read(&index, 0, text, len, e) < 0)
		return err_ctx(e, "index.json");
	if (head_is_ours(head, text))
		return 1;
	*head = (struct index_head){ .serial = 0 };
	return parse_head(s, head, e);
}
