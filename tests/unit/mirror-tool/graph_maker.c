/* Random graphs: a grammar of manifests, a few places of which are made wrong. */
#include "tests/unit/mirror-tool/graph_maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/fs.h"
#include "storage/oci/keys.h"
#include "tests/support/cm.h"

#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar+gzip"
#define DEPTH_MAX 10 /* sometimes more than is allowed */

static const char *const layer_types[] = { LAYER_TYPE, LAYER_TYPE, LAYER_TYPE,
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "text/plain; charset=utf-8",
	"application/octet-stream" };
static const char *const odd_types[] = { MEDIA_OCI_MANIFEST, MEDIA_OCI_INDEX, MEDIA_DOCKER_MANIFEST,
	MEDIA_DOCKER_LIST, MEDIA_OCI_ARTIFACT, MEDIA_OCI_CONFIG, LAYER_TYPE, "vuln-scan", "",
	"a/b\\u001b[31m\\u202e", MEDIA_DOCKER_SCHEMA1 };
static const char *const odd_values[] = { "null", "0", "-1", "1.5", "true", "[]", "{}", "\"\"",
	"[[[[]]]]", "\"\\u0000\"", "18446744073709551616", "{\"a\":1,\"A\":2}", "\"\xc2\x9b\"",
	"\"\xff\"" };
static const char *const platforms[][2] = { { "linux", "amd64" }, { "linux", "amd64" },
	{ "linux", "arm64" }, { "linux", "s390x" }, { "windows", "amd64" }, { "linux", "x86_64" } };

static uint64_t random_bits(struct maker *m)
{
	uint64_t z = (m->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static unsigned roll(struct maker *m, unsigned sides)
{
	return (unsigned)(random_bits(m) % sides);
}

#define PICK(m, list) ((list)[roll(m, ARRAY_SIZE(list))])

/* Now and then, as long as lies are left. */
static bool lie(struct maker *m, unsigned one_in)
{
	if (!m->lies || roll(m, one_in))
		return false;
	m->lies--;
	m->told++;
	return true;
}

/* --- bytes ---------------------------------------------------------------------------------- */

static struct thing *remember(struct maker *m, const char *type, struct span bytes)
{
	struct thing *t = &m->things[m->count < THINGS_MAX ? m->count++ : THINGS_MAX - 1];
	AUTO(mem_free) char *path = NULL;
	char hex[DIGEST_HEX_SIZE];

	*t = (struct thing){ .size = bytes.len, .type = type };
	digest_of(&t->digest, DIGEST_SHA256, bytes);
	path = mem_printf("%s/blobs/sha256/%s", m->folder, digest_hex(&t->digest, hex));
	sandbox_write(path, bytes.data, bytes.len);
	return t;
}

static struct thing make_blob(struct maker *m, const char *type)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	unsigned seed = roll(m, 12), size = roll(m, 300);

	buf_printf(&text, "blob %u ", seed);
	for (unsigned i = 0; i < size; i++)
		buf_char(&text, (char)('a' + (seed + i) % 26));
	return *remember(m, type, buf_span(&text));
}

/* Wrong bytes under a right digest. */
static void damage(struct maker *m, struct buf *text)
{
	size_t at = roll(m, (unsigned)text->len);

	switch (roll(m, 5)) {
	case 0:
		text->data[at] = (char)random_bits(m);
		break;
	case 1:
		buf_cut(text, at);
		break;
	case 2:
		buf_str(text, "{}");
		break;
	case 3:
		buf_reserve(text, at);
		buf_add(text, text->data, at);
		break;
	default:
		buf_clear(text);
		buf_str(text, PICK(m, odd_values));
	}
}

static struct thing make_manifest(struct maker *m, const char *type, struct buf *text)
{
	if (lie(m, 12))
		damage(m, text);
	return *remember(m, type, buf_span(text));
}

/* --- descriptors ---------------------------------------------------------------------------- */

static void write_digest(struct maker *m, struct buf *out, const struct thing *t)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest d = t->digest;

	if (lie(m, 24))
		d = m->things[roll(m, (unsigned)m->count)].digest;
	if (lie(m, 24))
		d.bytes[roll(m, 32)] ^= 1;
	buf_printf(out, ",\"digest\":\"%s\"", digest_text(&d, text));
}

static void write_size(struct maker *m, struct buf *out, const struct thing *t)
{
	static const char *const odd[] = { "0", "1", "-1", "9223372036854775807", "null", "\"5\"",
		"1e3" };

	if (lie(m, 24))
		buf_printf(out, ",\"size\":%s", PICK(m, odd));
	else
		buf_printf(
			out, ",\"size\":%llu", (unsigned long long)t->size + (lie(m, 24) ? 1 : 0));
}

static void write_platform(struct maker *m, struct buf *out, const char *const platform[2])
{
	if (lie(m, 16))
		buf_printf(out, ",\"platform\":%s", PICK(m, odd_values));
	else if (platform)
		buf_printf(out, ",\"platform\":{\"os\":\"%s\",\"architecture\":\"%s\"%s}",
			platform[0], platform[1], roll(m, 6) ? "" : ",\"variant\":\"v2\"");
}

static void describe(
	struct maker *m, struct buf *out, const struct thing *t, const char *const platform[2])
{
	const char *type = lie(m, 24) ? PICK(m, odd_types) : t->type;

	buf_printf(out, "{\"mediaType\":\"%s\"", type);
	write_digest(m, out, t);
	write_size(m, out, t);
	write_platform(m, out, platform);
	if (!roll(m, 15))
		buf_str(out, ",\"urls\":[\"http://127.0.0.1:1/x\"]");
	if (lie(m, 30))
		buf_printf(out, ",\"%s\":%s", roll(m, 2) ? "annotations" : "artifactType",
			PICK(m, odd_values));
	buf_char(out, '}');
}

/* An attestation of `of` in the way of buildkit. */
static void describe_attestation(
	struct maker *m, struct buf *out, const struct thing *t, const struct thing *of)
{
	static const char *const unknown[2] = { "unknown", "unknown" };
	char text[DIGEST_TEXT_SIZE];

	describe(m, out, t, unknown);
	buf_cut(out, out->len - 1);
	buf_printf(out, ",\"annotations\":{\"%s\":\"attestation-manifest\",\"%s\":\"%s\"}}",
		KEY_REFERENCE_TYPE, KEY_REFERENCE_DIGEST, digest_text(&of->digest, text));
}

/* --- manifests ------------------------------------------------------------------------------ */

static void write_member(struct maker *m, struct buf *out)
{
	static const char *const names[] = { "subject", "annotations", "artifactType", "config",
		"layers", "manifests", "blobs", "mediaType", "x" };

	if (lie(m, 8))
		buf_printf(out, ",\"%s\":%s", PICK(m, names), PICK(m, odd_values));
}

static void begin_manifest(struct maker *m, struct buf *out, const char *type)
{
	buf_printf(out, "{\"schemaVersion\":%s", lie(m, 20) ? PICK(m, odd_values) : "2");
	if (strcmp(type, MEDIA_OCI_MANIFEST) != 0 || roll(m, 4))
		buf_printf(out, ",\"mediaType\":\"%s\"", lie(m, 20) ? PICK(m, odd_types) : type);
	write_member(m, out);
}

static void write_subject(struct maker *m, struct buf *out, const struct thing *subject)
{
	if (!subject)
		return;
	buf_str(out, ",\"subject\":");
	describe(m, out, subject, NULL);
}

static void write_layers(struct maker *m, struct buf *out, const char *key)
{
	unsigned count = roll(m, 5);

	if (!roll(m, 12)) {
		buf_printf(out, ",\"%s\":null", key);
		return;
	}
	buf_printf(out, ",\"%s\":[", key);
	for (unsigned i = 0; i < count; i++) {
		struct thing layer = make_blob(m, PICK(m, layer_types));

		buf_str(out, i ? "," : "");
		describe(m, out, &layer, NULL);
	}
	buf_char(out, ']');
}

static void write_config(struct maker *m, struct buf *out, const char *const platform[2])
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct thing config;

	buf_printf(&text, "{\"os\":\"%s\",\"architecture\":\"%s\"}", platform[0], platform[1]);
	config = make_manifest(m, roll(m, 5) ? MEDIA_OCI_CONFIG : MEDIA_OCI_EMPTY, &text);
	buf_str(out, ",\"config\":");
	describe(m, out, &config, NULL);
}

static struct thing make_image(
	struct maker *m, const char *const platform[2], const struct thing *subject)
{
	static const char *const types[] = { MEDIA_OCI_MANIFEST, MEDIA_OCI_MANIFEST,
		MEDIA_DOCKER_MANIFEST };
	const char *type = PICK(m, types);
	AUTO(buf_release) struct buf text = BUF_INIT;

	begin_manifest(m, &text, type);
	if (!lie(m, 16))
		write_config(m, &text, platform);
	write_layers(m, &text, "layers");
	write_subject(m, &text, subject);
	buf_char(&text, '}');
	return make_manifest(m, type, &text);
}

static struct thing make_artifact(struct maker *m, const struct thing *subject)
{
	static const char *const types[] = { MEDIA_OCI_ARTIFACT, MEDIA_ORAS_ARTIFACT };
	const char *type = PICK(m, types);
	AUTO(buf_release) struct buf text = BUF_INIT;

	buf_printf(&text, "{\"mediaType\":\"%s\",\"artifactType\":\"application/x.scan\"", type);
	write_member(m, &text);
	write_layers(m, &text, "blobs");
	write_subject(m, &text, subject);
	buf_char(&text, '}');
	return make_manifest(m, type, &text);
}

/* Something that is there already, or will be in every set, as a child for whatever platform. */
static void describe_again(struct maker *m, struct buf *out)
{
	static const char *const types[] = { MEDIA_OCI_MANIFEST, MEDIA_OCI_INDEX,
		MEDIA_DOCKER_MANIFEST, MEDIA_OCI_ARTIFACT };
	struct thing t = { .digest = digest_empty_json, .size = 2, .type = PICK(m, types) };

	if (m->count && roll(m, 3)) {
		t = m->things[roll(m, (unsigned)m->count)];
		if (!roll(m, 2))
			t.type = PICK(m, types);
	}
	if (!roll(m, 4))
		t.size += roll(m, 3);
	describe(m, out, &t, PICK(m, platforms));
}

static struct thing make_index(struct maker *m, unsigned depth);

static struct thing make_child(struct maker *m, unsigned depth, const char *const platform[2])
{
	unsigned kind = roll(m, 12);

	if (depth && kind < 3)
		return make_index(m, depth - 1);
	if (kind == 3)
		return make_blob(m, "application/vnd.buildkit.cacheconfig.v0");
	return kind == 4 ? make_artifact(m, NULL) : make_image(m, platform, NULL);
}

static struct thing make_index(struct maker *m, unsigned depth)
{
	const char *type = roll(m, 3) ? MEDIA_OCI_INDEX : MEDIA_DOCKER_LIST;
	AUTO(buf_release) struct buf text = BUF_INIT;
	unsigned count = 1 + roll(m, 4);

	begin_manifest(m, &text, type);
	buf_str(&text, ",\"manifests\":[");
	for (unsigned i = 0; i < count; i++) {
		const char *const *platform = PICK(m, platforms);
		struct thing child = make_child(m, depth, platform);

		buf_str(&text, i ? "," : "");
		if (!roll(m, 16)) {
			describe_again(m, &text);
			buf_char(&text, ',');
		}
		describe(m, &text, &child, roll(m, 3) ? platform : NULL);
		if (!roll(m, 16)) {
			buf_char(&text, ',');
			describe_again(m, &text);
		}
		if (!roll(m, 6)) {
			struct thing attestation = make_image(m, platform, NULL);

			buf_char(&text, ',');
			describe_attestation(m, &text, &attestation, &child);
		}
	}
	buf_str(&text, "]}");
	return make_manifest(m, type, &text);
}

/* A tower: deep, and nothing else. */
static struct thing make_tower(struct maker *m)
{
	struct thing t = make_image(m, platforms[0], NULL);
	unsigned height = 1 + roll(m, DEPTH_MAX);

	for (unsigned i = 0; i < height; i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;
		unsigned times = 1 + roll(m, 3);

		begin_manifest(m, &text, MEDIA_OCI_INDEX);
		buf_str(&text, ",\"manifests\":[");
		for (unsigned k = 0; k < times; k++) {
			buf_str(&text, k ? "," : "");
			describe(m, &text, &t, NULL);
		}
		buf_str(&text, "]}");
		t = make_manifest(m, MEDIA_OCI_INDEX, &text);
	}
	return t;
}

/* --- names and what is attached ------------------------------------------------------------- */

static void name(struct maker *m, const char *tag, const struct thing *t)
{
	if (m->name_count == NAMES_MAX)
		return;
	snprintf(m->names[m->name_count].tag, sizeof(m->names[0].tag), "%s", tag);
	m->names[m->name_count++].thing = *t;
}

/* Something about any of what was made: a referrer, in the fallback tag's list, or cosign's tag. */
static void attach(struct maker *m)
{
	struct thing subject = m->things[roll(m, (unsigned)m->count)];
	struct thing about =
		roll(m, 3) ? make_image(m, platforms[0], &subject) : make_artifact(m, &subject);
	AUTO(buf_release) struct buf list = BUF_INIT;
	char tag[REF_TAG_MAX + 1];
	struct thing index;

	if (roll(m, 2)) {
		ref_fallback_tag(&subject.digest, ".sig", tag);
		name(m, tag, &about);
		return;
	}
	buf_str(&list,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[");
	describe(m, &list, &about, NULL);
	buf_str(&list, "]}");
	index = make_manifest(m, MEDIA_OCI_INDEX, &list);
	ref_fallback_tag(&subject.digest, "", tag);
	name(m, tag, &index);
}

static void write_layout(struct maker *m)
{
	AUTO(mem_free) char *marker = mem_printf("%s/oci-layout", m->folder);
	AUTO(mem_free) char *path = mem_printf("%s/index.json", m->folder);
	AUTO(buf_release) struct buf text = BUF_INIT;

	sandbox_write(marker, "{\"imageLayoutVersion\":\"1.0.0\"}", 30);
	buf_str(&text, "{\"schemaVersion\":2,\"manifests\":[");
	for (size_t i = 0; i < m->name_count; i++) {
		struct annotation a = { KEY_REF_NAME, m->names[i].tag };
		struct descriptor d = { .digest = m->names[i].thing.digest,
			.size = m->names[i].thing.size,
			.media_type = m->names[i].thing.type,
			.annotations = { &a, 1 } };

		buf_str(&text, i ? "," : "");
		descriptor_write(&text, &d);
	}
	buf_str(&text, "]}");
	sandbox_write(path, text.data, text.len);
}

static struct thing make_root(struct maker *m)
{
	switch (roll(m, 6)) {
	case 0:
		return make_image(m, platforms[0], NULL);
	case 1:
		return make_artifact(m, NULL);
	case 2:
		return make_tower(m);
	default:
		return make_index(m, roll(m, 4));
	}
}

void maker_begin(struct maker *m, const struct sandbox *sb, uint64_t seed)
{
	AUTO(mem_free) char *blobs = NULL;
	struct err e = ERR_INIT;
	struct thing root;

	*m = (struct maker){ .sb = sb, .state = seed };
	m->folder = mem_strdup(sandbox_path(sb, "src"));
	blobs = mem_printf("%s/blobs/sha256", m->folder);
	assert_ok(fs_make_dirs(blobs, 0700, &e));
	m->lies = roll(m, 4);
	root = make_root(m);
	name(m, "one", &root);
	for (unsigned i = roll(m, 4); i; i--)
		attach(m);
	write_layout(m);
}

void maker_release(struct maker *m)
{
	free(m->folder);
	m->folder = NULL;
}

/* --- as a registry -------------------------------------------------------------------------- */

const struct thing *maker_find(const struct maker *m, const char *which)
{
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < m->name_count; i++)
		if (strcmp(m->names[i].tag, which) == 0)
			return &m->names[i].thing;
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(digest_text(&m->things[i].digest, text), which) == 0)
			return &m->things[i];
	return NULL;
}

void maker_read(const struct maker *m, const struct thing *t, struct buf *out)
{
	char hex[DIGEST_HEX_SIZE];
	AUTO(mem_free)
	char *path = mem_printf("%s/blobs/sha256/%s", m->folder, digest_hex(&t->digest, hex));
	FILE *f = fopen(path, "rb");
	int c;

	if (!f)
		return;
	while ((c = getc(f)) != EOF)
		buf_char(out, (char)c);
	fclose(f);
}
