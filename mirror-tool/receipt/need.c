/* Write and read need lists. Pure; must believe nothing of a list but what it asks for. */
#include "mirror-tool/receipt/need.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/oci/digest_node.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

void need_release(struct need *n)
{
	int saved = errno;

	for (size_t i = 0; i < n->count; i++)
		inventory_release(&n->sets[i].blobs);
	free(n->sets);
	*n = (struct need)NEED_INIT;
	errno = saved;
}

struct need_set *need_add(
	struct need *n, const char *name, const char *version, const struct digest *d)
{
	struct need_set *s = VEC_PUSH(n->sets, n->count);

	if (strlen(name) > SET_NAME_MAX || strlen(version) > SET_VERSION_MAX)
		BUG("%s %s is no set", name, version);
	memcpy(s->name, name, strlen(name) + 1);
	memcpy(s->version, version, strlen(version) + 1);
	s->digest = *d;
	return s;
}

size_t need_total(const struct need *n, uint64_t *bytes)
{
	size_t count = 0;

	*bytes = 0;
	for (size_t i = 0; i < n->count; i++) {
		count += n->sets[i].blobs.count;
		*bytes += inventory_bytes(&n->sets[i].blobs);
	}
	return count;
}

static void write_set(struct need_set *s, struct buf *out)
{
	char text[DIGEST_TEXT_SIZE];

	buf_str(out, "{\"set\":");
	json_quote(out, s->name, false);
	buf_str(out, ",\"version\":");
	json_quote(out, s->version, false);
	buf_printf(out, ",\"digest\":\"%s\",\"blobs\":[", digest_text(&s->digest, text));
	inventory_sort(&s->blobs);
	for (size_t i = 0; i < s->blobs.count; i++)
		buf_printf(out, "%s\n{\"digest\":\"%s\",\"size\":%llu}", i ? "," : "",
			digest_text(&s->blobs.lines[i].digest, text),
			(unsigned long long)s->blobs.lines[i].size);
	buf_str(out, "\n]}");
}

void need_write(struct need *n, struct buf *out)
{
	buf_str(out, "{\"moatNeed\":1,\"sets\":[");
	for (size_t i = 0; i < n->count; i++) {
		buf_str(out, i ? ",\n" : "\n");
		write_set(&n->sets[i], out);
	}
	buf_str(out, "\n]}\n");
}

/* --- reading ------------------------------------------------------------------------------------ */

static int read_blob(struct need_set *s, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "digest", "size", NULL };
	struct digest digest;
	int64_t size;

	if (n->kind != NODE_MAP)
		return node_err(d, n, e, "not an object");
	if (node_only(d, n, known, e) < 0 || node_digest(d, n, "digest", &digest, e) < 0 ||
		node_int(d, n, "size", REQUIRED, 0, INT64_MAX / 2, &size, e) < 0)
		return -1;
	if (s->blobs.count && digest_cmp(&s->blobs.lines[s->blobs.count - 1].digest, &digest) >= 0)
		return node_err(d, n, e, "out of order or there twice");
	inventory_add(&s->blobs, &digest, (uint64_t)size);
	return 0;
}

static int check_names(const struct doc *d, const struct node *n, const char *name,
	const char *version, struct err *e)
{
	AUTO(mem_free) char *reference = mem_printf(SET_HOST "/set/%s:%s", name, version);
	struct ref ref;

	if (set_check_name(span_of(name), e) == 0 && !strpbrk(version, "@:/") &&
		ref_parse(&ref, span_of(reference), e) == 0)
		return 0;
	return node_err(d, n, e, "no name and version of a set");
}

static int read_set(struct need *need, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "set", "version", "digest", "blobs", NULL };
	const char *name, *version;
	const struct node *blobs;
	struct digest digest;
	struct need_set *s;

	if (n->kind != NODE_MAP)
		return node_err(d, n, e, "not an object");
	if (node_only(d, n, known, e) < 0 || node_string(d, n, "set", REQUIRED, &name, e) < 0 ||
		node_string(d, n, "version", REQUIRED, &version, e) < 0 ||
		node_list(d, n, "blobs", REQUIRED, &blobs, e) < 0 ||
		node_digest(d, n, "digest", &digest, e) < 0 ||
		check_names(d, n, name, version, e) < 0)
		return -1;
	for (size_t i = 0; i < need->count; i++)
		if (digest_eq(&need->sets[i].digest, &digest))
			return node_err(d, n, e, "a set that is there twice");
	s = need_add(need, name, version, &digest);
	node_each(blob, blobs) if (read_blob(s, d, blob, e) < 0) return -1;
	return 0;
}

static int read_need(struct need *need, const struct doc *d, struct err *e)
{
	static const char *const known[] = { "moatNeed", "sets", NULL };
	const struct node *sets;
	int64_t format;

	if (d->root->kind != NODE_MAP || !node_get(d->root, "moatNeed"))
		return err_set(e, ERR_INPUT, "%s: not a need list of moat", d->name);
	if (node_int(d, d->root, "moatNeed", REQUIRED, 1, INT64_MAX, &format, e) < 0)
		return -1;
	if (format != 1)
		return err_set(e, ERR_UNSUPPORTED,
			"%s: a need list of format %lld; this moat reads 1", d->name,
			(long long)format);
	if (node_only(d, d->root, known, e) < 0 ||
		node_list(d, d->root, "sets", REQUIRED, &sets, e) < 0)
		return -1;
	if (sets->count > NEED_SETS_MAX)
		return node_err(d, sets, e, "more than %d sets", NEED_SETS_MAX);
	node_each(n, sets) if (read_set(need, d, n, e) < 0) return -1;
	return 0;
}

int need_parse(struct need *n, const char *name, struct span bytes, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;

	*n = (struct need)NEED_INIT;
	if (json_parse(&d, name, bytes, NEED_BYTES_MAX, e) < 0)
		return -1;
	if (read_need(n, &d, e) == 0)
		return 0;
	need_release(n);
	return -1;
}
