/* Tiny images and sets for tests. */
#include "tests/support/image.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/cm.h"

void image_bytes(struct buf *out, const char *seed, size_t size)
{
	uint64_t x = 1469598103934665603u;

	for (const char *p = seed; *p; p++)
		x = (x ^ (uint8_t)*p) * 1099511628211u;
	for (size_t i = 0; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf_char(out, (char)(x >> 32));
	}
}

static struct digest put(struct store *s, struct blob_batch *batch, struct span bytes)
{
	struct err e = ERR_INIT;
	struct digest d;

	assert_ok(blob_put(s, batch, bytes, &d, &e));
	return d;
}

struct digest image_blob(struct store *s, const char *seed, size_t size)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;

	image_bytes(&bytes, seed, size);
	return put(s, NULL, buf_span(&bytes));
}

struct digest image_text(struct store *s, const char *text)
{
	return put(s, NULL, span_of(text));
}

/* --- manifests ------------------------------------------------------------------------------ */

static void write_descriptor(
	struct buf *out, const char *type, const struct digest *d, uint64_t size)
{
	struct descriptor item = { .digest = *d, .size = size, .media_type = type };

	descriptor_write(out, &item);
}

static void write_layer(struct buf *out, struct store *s, struct blob_batch *batch,
	const struct image_want *want, unsigned i)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	size_t size = want->layer_size ? want->layer_size : 1000;
	struct digest d;
	char seed[200];

	snprintf(seed, sizeof(seed), "%s/%u", i < want->shared ? "shared" : want->seed, i);
	image_bytes(&bytes, seed, size);
	if (s)
		d = put(s, batch, buf_span(&bytes));
	else
		digest_of(&d, DIGEST_SHA256, buf_span(&bytes));
	buf_str(out, i ? "," : "");
	write_descriptor(out,
		want->artifact_type ? "application/octet-stream"
				    : "application/vnd.oci.image.layer.v1.tar",
		&d, size);
}

static struct digest write_config(
	struct buf *out, struct store *s, struct blob_batch *batch, const struct image_want *want)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct platform p;
	struct err e = ERR_INIT;
	struct digest d;

	if (want->artifact_type) {
		buf_str(&text, "{}");
	} else {
		assert_ok(platform_parse(
			&p, span_of(want->platform ? want->platform : "linux/amd64"), &e));
		buf_printf(&text,
			"{\"os\":\"%s\",\"architecture\":\"%s\",\"config\":{},"
			"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},\"moat.seed\":\"%s\"}",
			p.os, p.arch, want->seed);
	}
	if (s)
		d = put(s, batch, buf_span(&text));
	else
		digest_of(&d, DIGEST_SHA256, buf_span(&text));
	write_descriptor(
		out, want->artifact_type ? MEDIA_OCI_EMPTY : MEDIA_OCI_CONFIG, &d, text.len);
	return d;
}

/* parts: where config and layers are put; NULL: they are not. */
static void write_manifest(struct buf *out, struct store *parts, struct blob_batch *batch,
	const struct image_want *want)
{
	buf_printf(out, "{\"schemaVersion\":2,\"mediaType\":\"%s\"",
		want->media_type ? want->media_type : MEDIA_OCI_MANIFEST);
	if (want->artifact_type)
		buf_printf(out, ",\"artifactType\":\"%s\"", want->artifact_type);
	buf_str(out, ",\"config\":");
	write_config(out, parts, batch, want);
	buf_str(out, ",\"layers\":[");
	for (unsigned i = 0; i < want->layers; i++)
		write_layer(out, parts, batch, want, i);
	buf_str(out, "]");
	if (want->subject) {
		buf_str(out, ",\"subject\":");
		write_descriptor(out, MEDIA_OCI_MANIFEST, want->subject, 100);
	}
	buf_str(out, "}");
}

struct digest image_make(struct store *s, struct blob_batch *batch, const struct image_want *want)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	write_manifest(&text, s, batch, want);
	return put(s, batch, buf_span(&text));
}

struct digest image_make_bare(struct store *s, const struct image_want *want)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	write_manifest(&text, NULL, NULL, want);
	return put(s, NULL, buf_span(&text));
}

struct digest image_index(struct store *s, const struct digest *children,
	const char *const *platforms, const uint64_t *sizes, size_t count)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	buf_str(&text,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[");
	for (size_t i = 0; i < count; i++) {
		struct descriptor d = { .digest = children[i],
			.media_type = MEDIA_OCI_MANIFEST,
			.has_platform = platforms[i] != NULL };

		if (sizes)
			d.size = sizes[i];
		else if (blob_stat(s, &children[i], &d.size, &e) <= 0)
			d.size = 500;
		if (platforms[i])
			assert_ok(platform_parse(&d.platform, span_of(platforms[i]), &e));
		buf_str(&text, i ? "," : "");
		descriptor_write(&text, &d);
	}
	buf_str(&text, "]}");
	return put(s, NULL, buf_span(&text));
}

int image_put(struct store *s, const char *repo, const char *tag, const struct digest *d,
	const char *media_type, struct err *e)
{
	const struct image_item item = { repo, tag, d, media_type };

	return images_put(s, &item, 1, e);
}

struct digest image_add(
	struct store *s, const char *repo, const char *tag, const char *seed, unsigned layers)
{
	struct image_want want = { .seed = seed, .layers = layers };
	struct digest d = image_make(s, NULL, &want);
	struct err e = ERR_INIT;

	assert_ok(image_put(s, repo, tag, &d, MEDIA_OCI_MANIFEST, &e));
	return d;
}

/* --- sets ----------------------------------------------------------------------------------- */

static void add_closure(struct store *s, struct inventory *v, const struct digest *d,
	const char *media_type, bool optional);

static void add_blob(struct store *s, struct inventory *v, const struct digest *d)
{
	struct err e = ERR_INIT;
	uint64_t size;

	assert_int_equal(blob_stat(s, d, &size, &e), 1);
	inventory_add(v, d, size);
}

static void add_parts(struct store *s, struct inventory *v, const struct manifest *m)
{
	if (m->kind == MEDIA_IMAGE)
		add_blob(s, v, &m->config.digest);
	for (size_t i = 0; i < m->count; i++) {
		if (m->kind == MEDIA_IMAGE)
			add_blob(s, v, &m->items[i].digest);
		else
			add_closure(s, v, &m->items[i].digest, m->items[i].media_type, true);
	}
}

static void add_closure(struct store *s, struct inventory *v, const struct digest *d,
	const char *media_type, bool optional)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct err e = ERR_INIT;
	uint64_t size;

	if (optional && blob_stat(s, d, &size, &e) == 0)
		return;
	if (blob_read(s, d, MANIFEST_MAX, &bytes, &e) <= 0)
		fail_msg("a pin of the set: %s", e.text);
	assert_ok(manifest_parse(&m, "pin", media_type, buf_span(&bytes), &e));
	add_blob(s, v, d);
	add_parts(s, v, &m);
}

/* One of the set's own artifacts; returns its manifest's digest. */
static struct digest own_artifact(
	struct store *s, struct set *set, enum set_role role, const char *type, struct span bytes)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(mem_free) char *repo = mem_printf("%s/set/%s", SET_HOST, set->name);
	struct descriptor layer = { .size = bytes.len, .media_type = type };
	struct set_entry *entry = set_add(set);

	put(s, NULL, span_of("{}"));
	layer.digest = put(s, NULL, bytes);
	artifact_write(&text, type, &layer);
	entry->role = role;
	entry->name = set_keep(set, repo);
	entry->digest = put(s, NULL, buf_span(&text));
	entry->size = text.len;
	entry->media_type = MEDIA_OCI_MANIFEST;
	entry->artifact_type = type;
	return entry->digest;
}

static void add_pin(
	struct store *s, struct set *set, struct inventory *v, const struct image_pin *pin)
{
	const char *type = pin->media_type ? pin->media_type : MEDIA_OCI_MANIFEST;
	struct set_entry *entry = set_add(set);
	struct err e = ERR_INIT;

	entry->role = pin->subject ? SET_ATTACHED : SET_PIN;
	entry->name = set_keep(set, pin->repo);
	entry->tag = set_keep(set, pin->tag);
	entry->digest = pin->digest;
	entry->media_type = type;
	if (pin->subject)
		entry->subject = *pin->subject;
	assert_int_equal(blob_stat(s, &pin->digest, &entry->size, &e), 1);
	add_closure(s, v, &pin->digest, type, false);
}

struct digest image_set(struct store *s, const char *name, const char *version,
	const struct image_pin *pins, size_t count)
{
	return image_set_dated(s, name, version, pins, count, "2026-11-23T00:00:00Z", "");
}

struct digest image_set_dated(struct store *s, const char *name, const char *version,
	const struct image_pin *pins, size_t count, const char *created, const char *expires)
{
	AUTO(set_release) struct set set = SET_INIT;
	AUTO(inventory_release) struct inventory v = INVENTORY_INIT;
	AUTO(buf_release) struct buf lines = BUF_INIT, text = BUF_INIT;
	struct digest lock;

	snprintf(set.name, sizeof(set.name), "%s", name);
	snprintf(set.version, sizeof(set.version), "%s", version);
	snprintf(set.created, sizeof(set.created), "%s", created);
	snprintf(set.expires, sizeof(set.expires), "%s", expires);
	for (size_t i = 0; i < count; i++)
		add_pin(s, &set, &v, &pins[i]);
	lock = own_artifact(s, &set, SET_LOCK, MEDIA_MOAT_LOCK, span_of("{\"moatLock\":1}\n"));
	add_closure(s, &v, &lock, MEDIA_OCI_MANIFEST, false);
	inventory_write(&v, &lines);
	set.bytes = inventory_bytes(&v);
	own_artifact(s, &set, SET_INVENTORY, MEDIA_MOAT_INVENTORY, buf_span(&lines));
	set_write(&set, &text);
	return put(s, NULL, buf_span(&text));
}

int image_set_force(struct store *s, const struct digest *set, struct err *e)
{
	static const char *const all[] = { "a", "b", "c" };
	struct set_offer offer = { .activate = true,
		.digest = set,
		.older = true,
		.take = all,
		.take_count = ARRAY_SIZE(all) };

	return set_accept(s, &offer, NULL, e);
}
