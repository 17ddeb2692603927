/*
 * Read moat.lock. People review and merge locks, so order does not matter here; everything else is
 * strict: an unknown key, a pin that is there twice and a list text without the stated digest are
 * refused with file and line.
 */
#include "mirror-tool/list/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/list/file_artifact.h"
#include "storage/base/fs.h"
#include "storage/oci/digest_node.h"
#include "storage/base/banned.h"

#define LOCK_FORMAT 1

static int read_size(const struct doc *d, const struct node *map, uint64_t *out, struct err *e)
{
	int64_t size = 0;

	if (node_int(d, map, "size", REQUIRED, 0, INT64_MAX, &size, e) < 0)
		return -1;
	*out = (uint64_t)size;
	return 0;
}

/* Read a media type, which may be absent unless it is required, into *out. */
static int read_type(const struct doc *d, const struct node *map, const char *key, int required,
	char **out, struct err *e)
{
	const char *text = NULL;
	int rc = node_string(d, map, key, required, &text, e);

	if (rc <= 0)
		return rc;
	if (!media_type_is_safe(span_of(text)))
		return node_err(d, node_get(map, key), e, "not a media type");
	lock_set_text(out, text);
	return 0;
}

static int read_texts(const struct doc *d, const struct node *map, const char *key,
	struct platform_texts *out, struct err *e)
{
	const struct node *list = NULL;
	int rc = node_list(d, map, key, OPTIONAL, &list, e);

	if (rc <= 0)
		return rc;
	if (list->count > LOCK_PLATFORMS_MAX)
		return node_err(d, list, e, "more than %d platforms", LOCK_PLATFORMS_MAX);
	node_each(n, list)
	{
		if (n->kind != NODE_STRING || n->text_len >= PLATFORM_TEXT_SIZE)
			return node_err(d, n, e, "a platform is needed here");
		platform_texts_add(out, n->text);
	}
	return 0;
}

/* Call `read` for each item of the list `key`, which may be absent. */
typedef int item_fn(struct lock_pin *pin, const struct doc *d, const struct node *n, struct err *e);

static int read_items(struct lock_pin *pin, const struct doc *d, const struct node *map,
	const char *key, unsigned max, item_fn *read, struct err *e)
{
	const struct node *list = NULL;
	int rc = node_list(d, map, key, OPTIONAL, &list, e);

	if (rc <= 0)
		return rc;
	if (list->count > max)
		return node_err(d, list, e, "more than %u entries", max);
	node_each(n, list) if (read(pin, d, n, e) < 0) return -1;
	return 0;
}

static int read_attachment(
	struct lock_pin *pin, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "digest", "size", "mediaType", "artifactType",
		"subject", "tag", NULL };
	struct lock_attachment *a = lock_attach(pin);
	const char *tag = NULL;
	int rc;

	if (node_only(d, n, known, e) < 0 || node_digest(d, n, "digest", &a->digest, e) < 0 ||
		read_size(d, n, &a->size, e) < 0 ||
		read_type(d, n, "mediaType", REQUIRED, &a->media_type, e) < 0 ||
		read_type(d, n, "artifactType", OPTIONAL, &a->artifact_type, e) < 0 ||
		node_digest(d, n, "subject", &a->subject, e) < 0)
		return -1;
	rc = node_string(d, n, "tag", OPTIONAL, &tag, e);
	if (rc <= 0)
		return rc;
	if (ref_check_tag(span_of(tag), e) < 0)
		return node_err(d, node_get(n, "tag"), e, "%s", e->text);
	snprintf(a->tag, sizeof(a->tag), "%s", tag);
	return 0;
}

static int read_file_platform(
	struct lock_file *f, const struct doc *d, const struct node *n, struct err *e)
{
	const char *text = NULL;
	int rc = node_string(d, n, "platform", OPTIONAL, &text, e);

	if (rc <= 0)
		return rc;
	if (platform_parse(&f->platform, span_of(text), e) < 0)
		return node_err(d, node_get(n, "platform"), e, "%s", e->text);
	f->has_platform = true;
	return 0;
}

static int read_file(struct lock_pin *pin, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "url", "digest", "size", "mediaType", "title",
		"platform", NULL };
	struct lock_file *f = lock_add_file(pin);
	const char *url = NULL, *title = NULL;

	if (node_only(d, n, known, e) < 0 || node_string(d, n, "url", REQUIRED, &url, e) < 0 ||
		node_digest(d, n, "digest", &f->digest, e) < 0 ||
		read_size(d, n, &f->size, e) < 0 ||
		read_type(d, n, "mediaType", REQUIRED, &f->media_type, e) < 0 ||
		node_string(d, n, "title", REQUIRED, &title, e) < 0 ||
		read_file_platform(f, d, n, e) < 0)
		return -1;
	if (file_title_check(span_of(title), e) < 0)
		return node_err(d, node_get(n, "title"), e, "%s", e->text);
	lock_set_text(&f->url, url);
	lock_set_text(&f->title, title);
	return 0;
}

static int read_ref(struct lock_pin *pin, const struct doc *d, const struct node *n, struct err *e)
{
	const char *text = NULL, *from = NULL;
	int rc;

	if (node_string(d, n, "ref", REQUIRED, &text, e) < 0)
		return -1;
	if (ref_parse(&pin->ref, span_of(text), e) < 0)
		return node_err(d, node_get(n, "ref"), e, "%s", e->text);
	if (!pin->ref.tag[0] == !pin->ref.digest.alg)
		return node_err(d, node_get(n, "ref"), e, "a pin has a tag or a digest");
	if (pin->ref.digest.alg && !digest_eq(&pin->ref.digest, &pin->digest))
		return node_err(d, node_get(n, "ref"), e, "the digest is not that of the pin");
	rc = node_string(d, n, "from", OPTIONAL, &from, e);
	if (rc <= 0)
		return rc;
	if (source_ref_parse(&pin->from, from, e) < 0)
		return node_err(d, node_get(n, "from"), e, "%s", e->text);
	return 0;
}

static int read_foreign(
	struct lock_pin *pin, const struct doc *d, const struct node *n, struct err *e)
{
	const char *text = NULL;
	int rc = node_string(d, n, "foreignLayers", OPTIONAL, &text, e);

	if (rc <= 0)
		return rc;
	if (strcmp(text, "leave") != 0)
		return node_err(d, node_get(n, "foreignLayers"), e, "\"leave\" is needed here");
	pin->leave_foreign = true;
	return 0;
}

static int read_pin(struct lock *l, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "ref", "digest", "size", "mediaType", "artifactType",
		"platforms", "absent", "from", "attached", "excused", "files", "foreignLayers",
		NULL };
	struct lock_pin *pin = lock_add(l);

	if (node_only(d, n, known, e) < 0 || node_digest(d, n, "digest", &pin->digest, e) < 0 ||
		read_ref(pin, d, n, e) < 0 || read_size(d, n, &pin->size, e) < 0 ||
		read_type(d, n, "mediaType", REQUIRED, &pin->media_type, e) < 0 ||
		read_type(d, n, "artifactType", OPTIONAL, &pin->artifact_type, e) < 0 ||
		read_texts(d, n, "platforms", &pin->platforms, e) < 0 ||
		read_texts(d, n, "absent", &pin->absent, e) < 0 ||
		read_items(pin, d, n, "attached", LOCK_ATTACHED_MAX, read_attachment, e) < 0 ||
		excuses_read(&pin->excused, d, n, e) < 0 || read_foreign(pin, d, n, e) < 0 ||
		read_items(pin, d, n, "files", LOCK_PLATFORMS_MAX, read_file, e) < 0)
		return -1;
	if (media_kind_of(pin->media_type) == MEDIA_OTHER)
		return node_err(d, node_get(n, "mediaType"), e, "not the type of a manifest");
	if (pin->file_count && !*pin->artifact_type)
		return node_err(d, n, e, "a pin of files needs \"artifactType\"");
	return 0;
}

static int read_pins(struct lock *l, const struct doc *d, const struct node *root, struct err *e)
{
	char text[REF_TEXT_SIZE];
	const struct node *pins;

	if (node_list(d, root, "pins", REQUIRED, &pins, e) < 0)
		return -1;
	if (pins->count > LOCK_PINS_MAX)
		return node_err(d, pins, e, "more than %d pins", LOCK_PINS_MAX);
	node_each(n, pins) if (read_pin(l, d, n, e) < 0) return -1;
	lock_sort(l);
	for (size_t i = 1; i < l->count; i++)
		if (ref_eq(&l->pins[i].ref, &l->pins[i - 1].ref))
			return node_err(
				d, pins, e, "%s is there twice", ref_text(&l->pins[i].ref, text));
	return 0;
}

static int read_list_text(
	struct lock *l, const struct doc *d, const struct node *root, struct err *e)
{
	const char *text = NULL;
	struct digest have;

	if (node_digest(d, root, "list", &l->list, e) < 0 ||
		node_string(d, root, "listText", REQUIRED, &text, e) < 0)
		return -1;
	digest_of(&have, DIGEST_SHA256, span_of(text));
	if (!digest_eq(&have, &l->list))
		return node_err(d, node_get(root, "listText"), e,
			"the text does not have the digest that \"list\" states");
	l->list_text = mem_strdup(text);
	return 0;
}

static int read_names(struct lock *l, const struct doc *d, const struct node *root, struct err *e)
{
	const char *name = NULL, *version = "", *created = NULL;

	if (node_string(d, root, "set", REQUIRED, &name, e) < 0 ||
		node_string(d, root, "version", OPTIONAL, &version, e) < 0 ||
		node_string(d, root, "created", REQUIRED, &created, e) < 0)
		return -1;
	if (set_check_name(span_of(name), e) < 0)
		return node_err(d, node_get(root, "set"), e, "%s", e->text);
	if (*version && ref_check_tag(span_of(version), e) < 0)
		return node_err(d, node_get(root, "version"), e, "%s", e->text);
	if (strlen(created) != strlen("2026-11-23T23:00:00Z"))
		return node_err(
			d, node_get(root, "created"), e, "a time like 2026-11-23T23:00:00Z");
	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(l->version, sizeof(l->version), "%s", version);
	snprintf(l->created, sizeof(l->created), "%s", created);
	return 0;
}

static int read_all(struct lock *l, const struct doc *d, struct err *e)
{
	static const char *const known[] = { "moatLock", "set", "version", "created", "list",
		"listText", "registries", "skipped", "pins", NULL };
	const struct node *registries = NULL;
	int64_t format = 0;

	if (node_int(d, d->root, "moatLock", REQUIRED, 1, INT64_MAX, &format, e) < 0)
		return -1;
	if (format != LOCK_FORMAT)
		return err_set(e, ERR_UNSUPPORTED,
			"%s: written by a newer moat (format %lld, this one reads %d)", d->name,
			(long long)format, LOCK_FORMAT);
	if (node_only(d, d->root, known, e) < 0 || read_names(l, d, d->root, e) < 0 ||
		read_list_text(l, d, d->root, e) < 0 ||
		node_map(d, d->root, "registries", OPTIONAL, &registries, e) < 0 ||
		registry_confs_read(&l->registries, d, registries, e) < 0 ||
		skips_read(&l->skipped, d, d->root, LOCK_PINS_MAX, e) < 0)
		return -1;
	return read_pins(l, d, d->root, e);
}

int lock_parse(struct lock *l, const char *name, struct span bytes, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;

	*l = (struct lock)LOCK_INIT;
	if (json_parse(&d, name, bytes, LOCK_BYTES_MAX, e) < 0)
		return -1;
	if (read_all(l, &d, e) == 0)
		return 0;
	lock_release(l);
	return -1;
}

int lock_read(struct lock *l, const char *path, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	int rc;

	*l = (struct lock)LOCK_INIT;
	rc = fs_read_file(AT_FDCWD, path, LOCK_BYTES_MAX, &bytes, e);
	if (rc <= 0)
		return rc;
	return lock_parse(l, path, buf_span(&bytes), e) < 0 ? -1 : 1;
}
