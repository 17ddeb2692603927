/*
 * Manifests and indexes, from bytes into structs. The tree they are read from is retained as the
 * struct's memory, so strings are not copied. Never writes a manifest back, never does I/O.
 */
#include "storage/oci/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/tree.h"
#include "storage/base/vec.h"
#include "storage/oci/digest_node.h"
#include "storage/oci/index_written.h"
#include "storage/base/banned.h"

/* Everything a struct manifest points to. */
struct memory {
	struct doc doc;
	struct index_written written; /* instead of the doc: an index that we wrote */
	void **blocks;
	size_t count;
};

static void *own_block(struct manifest *m, size_t count, size_t size)
{
	struct memory *mem = m->memory;

	void **block = VEC_PUSH(mem->blocks, mem->count);

	*block = mem_alloc(count * size);
	return *block;
}

void manifest_release(struct manifest *m)
{
	struct memory *mem = m->memory;
	int saved = errno;

	if (mem) {
		for (size_t i = 0; i < mem->count; i++)
			free(mem->blocks[i]);
		free(mem->blocks);
		doc_release(&mem->doc);
		index_written_release(&mem->written);
		free(mem);
	}
	*m = (struct manifest)MANIFEST_INIT;
	errno = saved;
}

size_t manifest_memory(const struct manifest *m)
{
	const struct memory *mem = m->memory;

	return mem ? doc_memory(&mem->doc) + index_written_memory(&mem->written) : 0;
}

static const struct doc *doc_of(const struct manifest *m)
{
	return &((struct memory *)m->memory)->doc;
}

/* --- parts ------------------------------------------------------------------------------- */

/* Types are carried and repeated, not understood: any text that is safe to repeat. "" says nothing. */
static int read_type(const struct manifest *m, const struct node *map, const char *key,
	int required, const char **out, struct err *e)
{
	const char *text = NULL;
	int rc = node_string(doc_of(m), map, key, required, &text, e);

	if (rc <= 0 || (!required && !*text))
		return rc < 0 ? -1 : 0;
	if (!media_type_is_safe(span_of(text)))
		return node_err(doc_of(m), node_get(map, key), e,
			"a type has 1 to %d bytes and no control characters", MEDIA_TYPE_MAX);
	*out = text;
	return 1;
}

static int read_annotations(
	struct manifest *m, const struct node *map, struct annotations *out, struct err *e)
{
	const struct node *items = NULL;
	int rc = node_map(doc_of(m), map, "annotations", OPTIONAL, &items, e);

	if (rc <= 0)
		return rc;
	if (items->count > ANNOTATIONS_MAX)
		return node_err(doc_of(m), items, e, "more than %d annotations", ANNOTATIONS_MAX);
	out->items = own_block(m, items->count, sizeof(*out->items));
	node_each(n, items)
	{
		if (n->kind != NODE_STRING && n->kind != NODE_NULL)
			return node_err(doc_of(m), n, e, "an annotation must be a string");
		out->items[out->count++] =
			(struct annotation){ n->key, n->kind == NODE_NULL ? "" : n->text };
	}
	return 0;
}

static int read_word(const struct doc *d, const struct node *map, const char *key, char *out,
	size_t room, struct err *e)
{
	const char *text = "";
	int rc = node_string(d, map, key, OPTIONAL, &text, e);

	if (rc < 0)
		return -1;
	if (strlen(text) >= room)
		return node_err(d, node_get(map, key), e, "longer than %zu bytes", room - 1);
	snprintf(out, room, "%s", text);
	return 0;
}

static int read_platform(
	const struct manifest *m, const struct node *map, struct descriptor *d, struct err *e)
{
	const struct node *n = NULL;
	struct platform *p = &d->platform;
	int rc = node_map(doc_of(m), map, "platform", OPTIONAL, &n, e);

	if (rc <= 0)
		return rc;
	if (read_word(doc_of(m), n, "os", p->os, sizeof(p->os), e) < 0 ||
		read_word(doc_of(m), n, "architecture", p->arch, sizeof(p->arch), e) < 0 ||
		read_word(doc_of(m), n, "variant", p->variant, sizeof(p->variant), e) < 0 ||
		read_word(doc_of(m), n, "os.version", p->os_version, sizeof(p->os_version), e) < 0)
		return -1;
	d->has_platform = *p->os || *p->arch;
	platform_normalise(p);
	return 0;
}

/* What is no text is no address; an address is judged where it is followed. */
static void read_urls(struct manifest *m, const struct node *list, struct descriptor *d)
{
	const char **urls = own_block(m, DESCRIPTOR_URLS_MAX, sizeof(*urls));

	d->urls = urls;
	node_each(n, list) if (n->kind == NODE_STRING && d->url_count < DESCRIPTOR_URLS_MAX)
		urls[d->url_count++] = n->text;
}

static int read_descriptor(
	struct manifest *m, const struct node *map, struct descriptor *d, struct err *e)
{
	const struct node *urls = NULL;
	int64_t size = 0;

	if (map->kind != NODE_MAP)
		return node_err(doc_of(m), map, e, "a descriptor is needed here");
	if (read_type(m, map, "mediaType", REQUIRED, &d->media_type, e) < 0 ||
		read_type(m, map, "artifactType", OPTIONAL, &d->artifact_type, e) < 0 ||
		node_digest(doc_of(m), map, "digest", &d->digest, e) < 0 ||
		node_int(doc_of(m), map, "size", REQUIRED, 0, DESCRIBED_BYTES_MAX, &size, e) < 0 ||
		node_list(doc_of(m), map, "urls", OPTIONAL, &urls, e) < 0)
		return -1;
	d->size = (uint64_t)size;
	d->has_urls = urls && urls->count > 0;
	if (d->has_urls)
		read_urls(m, urls, d);
	if (read_platform(m, map, d, e) < 0)
		return -1;
	return read_annotations(m, map, &d->annotations, e);
}

/* null, as Go writes an empty list, and a list that is left out are empty. */
static int read_items(struct manifest *m, const char *key, uint32_t max, struct err *e)
{
	const struct node *list = NULL;
	int rc = node_list(doc_of(m), doc_of(m)->root, key, OPTIONAL, &list, e);

	if (rc <= 0)
		return rc;
	if (list->count > max)
		return node_err(doc_of(m), list, e, "%u entries, more than the limit of %u",
			list->count, max);
	m->items = own_block(m, list->count, sizeof(*m->items));
	node_each(n, list) if (read_descriptor(m, n, &m->items[m->count++], e) < 0) return -1;
	return 0;
}

/* --- the whole ----------------------------------------------------------------------------- */

static bool has(const struct manifest *m, const char *key)
{
	return node_get(doc_of(m)->root, key) != NULL;
}

static bool says_nothing(const char *media_type)
{
	return !media_type || !*media_type || strcmp(media_type, "application/json") == 0;
}

static bool is_schema1(const char *type)
{
	return type && (strcmp(type, MEDIA_DOCKER_SCHEMA1) == 0 ||
			       strcmp(type, MEDIA_DOCKER_SCHEMA1_SIGNED) == 0);
}

static int refuse_schema1(const struct manifest *m, const char *announced, struct err *e)
{
	int64_t version = 2;

	/* Artifact manifests have none. */
	if (node_int(doc_of(m), doc_of(m)->root, "schemaVersion", OPTIONAL, 1, INT64_MAX, &version,
		    e) < 0)
		return -1;
	if (version == 1 || is_schema1(announced) || has(m, "fsLayers"))
		return node_err(doc_of(m), doc_of(m)->root, e,
			"a docker schema 1 image: its digest does not cover its bytes; "
			"push it again with a current tool");
	if (version != 2)
		return node_err(doc_of(m), node_get(doc_of(m)->root, "schemaVersion"), e,
			"schema version %lld is not known", (long long)version);
	return 0;
}

/* The type of a body that is silent: what OCI asks its fields to be, as docker's types ask for a
 * mediaType. NULL: they are ambiguous, or none's. */
static const char *implied_type(const struct manifest *m)
{
	bool image = has(m, "config") || has(m, "layers");

	if (image == has(m, "manifests"))
		return NULL;
	return image ? MEDIA_OCI_MANIFEST : MEDIA_OCI_INDEX;
}

static int refuse_type(const struct manifest *m, const char *type, struct err *e)
{
	return node_err(doc_of(m), doc_of(m)->root, e, "manifest type %.120s is not known", type);
}

/* Take the type from the bytes, whatever the source: the announced one must agree. */
static int decide_type(struct manifest *m, const char *announced, struct err *e)
{
	const struct node *root = doc_of(m)->root;
	int said = read_type(m, root, "mediaType", OPTIONAL, &m->media_type, e);

	if (said < 0)
		return -1;
	if (says_nothing(announced))
		announced = NULL;
	if (!said && announced && media_kind_of(announced) == MEDIA_OTHER)
		return refuse_type(m, announced, e);
	if (!said)
		m->media_type = implied_type(m);
	if (!m->media_type)
		return node_err(doc_of(m), root, e, "neither an image manifest nor an index");
	if (announced && strcmp(m->media_type, announced) != 0)
		return node_err(doc_of(m), root, e, "announced as %.120s, but %s %.120s", announced,
			said ? "it says" : "without a mediaType it is", m->media_type);
	m->kind = media_kind_of(m->media_type);
	return m->kind == MEDIA_OTHER ? refuse_type(m, m->media_type, e) : 0;
}

/* CVE-2021-41190: a document must not be both. */
static int refuse_ambiguous(const struct manifest *m, struct err *e)
{
	static const char *const in_index[] = { "config", "layers", "blobs", NULL };
	static const char *const in_image[] = { "manifests", NULL };

	for (const char *const *k = m->kind == MEDIA_INDEX ? in_index : in_image; *k; k++)
		if (has(m, *k))
			return node_err(doc_of(m), node_get(doc_of(m)->root, *k), e,
				"not allowed in %s", m->media_type);
	return 0;
}

static int read_config(struct manifest *m, struct err *e)
{
	const struct node *n = NULL;
	int rc = node_map(doc_of(m), doc_of(m)->root, "config", OPTIONAL, &n, e);

	if (rc <= 0)
		return rc;
	m->has_config = true;
	return read_descriptor(m, n, &m->config, e);
}

static int read_contents(struct manifest *m, uint32_t max, struct err *e)
{
	if (m->kind == MEDIA_INDEX)
		return read_items(m, "manifests", max, e);
	if (media_is_artifact(m->media_type))
		return read_items(m, "blobs", max, e);
	if (read_config(m, e) < 0)
		return -1;
	return read_items(m, "layers", max, e);
}

static int read_subject(struct manifest *m, struct err *e)
{
	const struct node *n = NULL;
	int rc = node_map(doc_of(m), doc_of(m)->root, "subject", OPTIONAL, &n, e);

	if (rc <= 0)
		return rc;
	m->has_subject = true;
	return read_descriptor(m, n, &m->subject, e);
}

static int read_manifest(
	struct manifest *m, const char *media_type, uint32_t max_items, struct err *e)
{
	const struct node *root = doc_of(m)->root;

	if (root->kind != NODE_MAP)
		return node_err(doc_of(m), root, e, "not a manifest");
	if (refuse_schema1(m, media_type, e) < 0 || decide_type(m, media_type, e) < 0 ||
		refuse_ambiguous(m, e) < 0 ||
		read_type(m, root, "artifactType", OPTIONAL, &m->artifact_type, e) < 0 ||
		read_contents(m, max_items, e) < 0 || read_subject(m, e) < 0)
		return -1;
	return read_annotations(m, root, &m->annotations, e);
}

#define ITEM_VALUES                                                                                \
	11 /* of a descriptor at most, without its annotations; so has what is around all */

/* Read an index that we wrote. False: it is none, or says more than is allowed; then it is parsed as any other. */
static bool read_written(struct manifest *m, const char *announced, struct span bytes,
	const struct manifest_limits *limits)
{
	struct index_written *w = &((struct memory *)m->memory)->written;

	if (bytes.len > limits->bytes ||
		(!says_nothing(announced) && strcmp(announced, MEDIA_OCI_INDEX) != 0))
		return false;
	if (!index_written_parse(w, bytes, limits->items) ||
		(w->count + 1) * ITEM_VALUES + w->note_count > limits->values) {
		index_written_release(w);
		return false;
	}
	m->kind = MEDIA_INDEX;
	m->media_type = MEDIA_OCI_INDEX;
	m->artifact_type = w->artifact_type;
	m->items = w->items;
	m->count = w->count;
	m->annotations = w->annotations;
	return true;
}

static int check_values(
	const char *name, struct span bytes, const struct manifest_limits *limits, struct err *e)
{
	if (bytes.len > limits->bytes || json_values(bytes) <= limits->values)
		return 0;
	return err_set(e, ERR_INPUT, "%s: more than %zu values", name, limits->values);
}

int manifest_parse_limited(struct manifest *m, const char *name, const char *media_type,
	struct span bytes, const struct manifest_limits *limits, struct err *e)
{
	struct memory *mem = mem_alloc(sizeof(*mem));

	*m = (struct manifest)MANIFEST_INIT;
	m->memory = mem;
	if (read_written(m, media_type, bytes, limits))
		return 0;
	if (check_values(name, bytes, limits, e) < 0 ||
		json_parse(&mem->doc, name, bytes, limits->bytes, e) < 0 ||
		read_manifest(m, media_type, limits->items, e) < 0) {
		manifest_release(m);
		return -1;
	}
	mem->doc.name = ""; /* was borrowed for messages */
	return 0;
}

int manifest_parse(struct manifest *m, const char *name, const char *media_type, struct span bytes,
	struct err *e)
{
	static const struct manifest_limits limits = { MANIFEST_MAX, DESCRIPTORS_MAX,
		MANIFEST_VALUES_MAX };

	return manifest_parse_limited(m, name, media_type, bytes, &limits, e);
}

const char *manifest_artifact_type(const struct manifest *m)
{
	if (m->artifact_type)
		return m->artifact_type;
	return m->kind == MEDIA_IMAGE && m->has_config ? m->config.media_type : NULL;
}
