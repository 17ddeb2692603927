/* Listings of a running cluster -> digests. Must never take a listing that it does not understand for an empty one. */
#include "mirror-tool/gc/in_use.h"

#include <fcntl.h>
#include <stdlib.h>

#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct reading {
	struct in_use *out;
	const char *path;
	struct doc doc;
	size_t seen; /* images and containers, whatever is known of them */
};

static void reading_release(struct reading *r)
{
	doc_release(&r->doc);
}

void in_use_release(struct in_use *u)
{
	for (size_t i = 0; i < u->count; i++)
		free(u->images[i].name);
	for (size_t i = 0; i < u->tag_count; i++)
		free(u->tags[i]);
	free(u->images);
	free(u->tags);
	*u = (struct in_use)IN_USE_INIT;
}

/* --- names of images ------------------------------------------------------------------------------- */

/* The digest in "NAME@sha256:..", "docker-pullable://NAME@sha256:..", "docker://sha256:..", "sha256:.." or 64 digits: 1,
 * 0 it names none, -1 what should be one is not. */
static int find_digest(const char *text, struct digest *d, struct err *e)
{
	const char *scheme = strstr(text, "://"), *at;

	if (scheme)
		text = scheme + 3;
	at = strrchr(text, '@');
	if (at)
		return digest_parse(d, span_of(at + 1), e) < 0 ? -1 : 1;
	if (strncmp(text, "sha256:", 7) == 0 || strncmp(text, "sha512:", 7) == 0)
		return digest_parse(d, span_of(text), e) < 0 ? -1 : 1;
	if (strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64)
		return digest_from_hex(d, DIGEST_SHA256, span_of(text), e) < 0 ? -1 : 1;
	return 0;
}

static int add_digest(struct reading *r, const struct node *n, const struct digest *d,
	const char *name, struct err *e)
{
	if (r->out->count >= IN_USE_MAX)
		return node_err(&r->doc, n, e, "more than %d images", IN_USE_MAX);
	*VEC_PUSH(r->out->images, r->out->count) =
		(struct in_use_image){ *d, mem_strdup(name), r->path };
	return 0;
}

/* What `key` of a container names: 1 a digest was added, 0 none is there, -1. name: for people; NULL: the same. */
static int add_id(struct reading *r, const struct node *container, const char *key,
	const char *name, struct err *e)
{
	const char *text = NULL;
	struct digest d;
	int rc = node_string(&r->doc, container, key, OPTIONAL, &text, e);

	if (rc <= 0 || !*text)
		return rc < 0 ? -1 : 0;
	rc = find_digest(text, &d, e);
	if (rc < 0)
		return node_err(
			&r->doc, node_get(container, key), e, "\"%.200s\" has no digest", text);
	if (rc == 0)
		return 0;
	return add_digest(r, container, &d, name && *name ? name : text, e) < 0 ? -1 : 1;
}

/* --- pods -------------------------------------------------------------------------------------------- */

static int add_statuses(
	struct reading *r, const struct node *status, const char *key, size_t *known, struct err *e)
{
	const struct node *list = NULL;

	if (node_list(&r->doc, status, key, OPTIONAL, &list, e) < 0)
		return -1;
	if (!list)
		return 0;
	node_each(c, list)
	{
		const char *image = NULL;
		int rc = node_string(&r->doc, c, "image", OPTIONAL, &image, e);

		/* Some runtimes put the config's digest into `image`. */
		if (rc >= 0 && add_id(r, c, "image", NULL, e) < 0)
			return -1;
		if (rc >= 0)
			rc = add_id(r, c, "imageID", image, e);
		if (rc < 0)
			return -1;
		*known += (size_t)rc;
	}
	return 0;
}

static void add_tag(struct reading *r, const char *image)
{
	*VEC_PUSH(r->out->tags, r->out->tag_count) = mem_strdup(image);
}

/* known: statuses of the pod that say what runs. Without, a tag is told as not known. */
static int add_spec(
	struct reading *r, const struct node *spec, const char *key, bool known, struct err *e)
{
	const struct node *list = NULL;

	if (node_list(&r->doc, spec, key, OPTIONAL, &list, e) < 0)
		return -1;
	if (!list)
		return 0;
	node_each(c, list)
	{
		const char *image = NULL;
		int rc = node_string(&r->doc, c, "image", REQUIRED, &image, e);

		if (rc > 0)
			rc = add_id(r, c, "image", NULL, e);
		if (rc < 0)
			return -1;
		if (rc == 0 && !known)
			add_tag(r, image);
		r->seen++;
	}
	return 0;
}

static int add_pod(struct reading *r, const struct node *pod, struct err *e)
{
	static const char *const kinds[] = { "containers", "initContainers",
		"ephemeralContainers" };
	static const char *const statuses[] = { "containerStatuses", "initContainerStatuses",
		"ephemeralContainerStatuses" };
	const struct node *spec = NULL, *status = NULL;
	size_t known = 0;

	if (node_map(&r->doc, pod, "spec", REQUIRED, &spec, e) < 0 ||
		node_map(&r->doc, pod, "status", OPTIONAL, &status, e) < 0)
		return -1;
	for (size_t i = 0; status && i < ARRAY_SIZE(statuses); i++)
		if (add_statuses(r, status, statuses[i], &known, e) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (add_spec(r, spec, kinds[i], known > 0, e) < 0)
			return -1;
	return 0;
}

static int add_pods(struct reading *r, const struct node *items, struct err *e)
{
	node_each(pod, items)
	{
		const char *kind = "Pod";

		if (node_string(&r->doc, pod, "kind", OPTIONAL, &kind, e) < 0)
			return -1;
		if (strcmp(kind, "Pod") != 0)
			return node_err(&r->doc, pod, e, "a %.100s, and no Pod", kind);
		if (add_pod(r, pod, e) < 0)
			return -1;
	}
	return 0;
}

/* --- a node's images and containers -------------------------------------------------------------------- */

static int add_repo_digests(
	struct reading *r, const struct node *image, const char *name, struct err *e)
{
	const struct node *list = NULL;
	struct digest d;

	if (node_list(&r->doc, image, "repoDigests", OPTIONAL, &list, e) < 0)
		return -1;
	if (!list)
		return 0;
	node_each(n, list)
	{
		if (n->kind != NODE_STRING || find_digest(n->text, &d, e) <= 0)
			return node_err(&r->doc, n, e, "\"%.200s\" is no NAME@DIGEST", n->text);
		if (add_digest(r, n, &d, name ? name : n->text, e) < 0)
			return -1;
	}
	return 0;
}

static int add_images(struct reading *r, const struct node *images, struct err *e)
{
	node_each(image, images)
	{
		const struct node *tags = NULL;
		const char *name = NULL;

		if (node_list(&r->doc, image, "repoTags", OPTIONAL, &tags, e) < 0)
			return -1;
		if (tags && tags->first && tags->first->kind == NODE_STRING)
			name = tags->first->text;
		if (add_repo_digests(r, image, name, e) < 0 || add_id(r, image, "id", name, e) < 0)
			return -1;
		r->seen++;
	}
	return 0;
}

static int add_containers(struct reading *r, const struct node *containers, struct err *e)
{
	static const char *const keys[] = { "imageRef", "imageId" };

	node_each(c, containers)
	{
		const struct node *image = NULL;
		int found, rc = node_map(&r->doc, c, "image", REQUIRED, &image, e);

		found = rc < 0 ? -1 : add_id(r, image, "image", NULL, e);
		if (found < 0)
			return -1;
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			rc = add_id(r, c, keys[i], NULL, e);
			if (rc < 0)
				return -1;
			found += rc;
		}
		if (!found)
			return node_err(
				&r->doc, c, e, "a container without the digest of its image");
		r->seen++;
	}
	return 0;
}

/* --- listings ---------------------------------------------------------------------------------------------- */

static int by_digest(const void *a, const void *b)
{
	const struct in_use_image *x = a, *y = b;

	return digest_cmp(&x->digest, &y->digest);
}

static void sort(struct in_use *u)
{
	size_t n = 0;

	if (u->count)
		qsort(u->images, u->count, sizeof(*u->images), by_digest);
	for (size_t i = 0; i < u->count; i++) {
		if (n && digest_eq(&u->images[n - 1].digest, &u->images[i].digest))
			free(u->images[i].name);
		else
			u->images[n++] = u->images[i];
	}
	u->count = n;
}

static int read_listing(struct reading *r, struct err *e)
{
	static const struct {
		const char *key;
		int (*add)(struct reading *r, const struct node *list, struct err *e);
	} kinds[] = { { "items", add_pods }, { "images", add_images },
		{ "containers", add_containers } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct node *list = NULL;
		int rc = node_list(&r->doc, r->doc.root, kinds[i].key, OPTIONAL, &list, e);

		if (rc != 0)
			return rc < 0 ? -1 : kinds[i].add(r, list, e);
	}
	return err_set(e, ERR_INPUT,
		"%s: no list of pods, images or containers, as `kubectl get pods -A -o json`, "
		"`crictl "
		"images -o json` and `crictl ps -o json` print",
		r->path);
}

static int parse(struct in_use *u, const char *path, struct span bytes, struct err *e)
{
	AUTO(reading_release) struct reading r = { .out = u, .path = path, .doc = DOC_INIT };

	if (json_parse(&r.doc, path, bytes, IN_USE_BYTES_MAX, e) < 0 || read_listing(&r, e) < 0)
		return -1;
	if (!r.seen)
		return err_set(e, ERR_INPUT,
			"%s names no image: an empty listing does not say that nothing is in use; "
			"leave "
			"--in-use out if so",
			path);
	sort(u);
	return 0;
}

int in_use_read(struct in_use *u, const char *path, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = fs_read_file(AT_FDCWD, path, IN_USE_BYTES_MAX, &text, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s is not there", path);
	return rc < 0 ? -1 : parse(u, path, buf_span(&text), e);
}
