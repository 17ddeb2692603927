/*
 * Read `files:` of a list: addresses, checksums and names. What a list says of a file decides bytes
 * of its artifact, so defaults here may never change.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/list/section.h"
#include "storage/base/banned.h"

static const struct {
	const char *suffix, *media_type;
} file_types[] = {
	{ ".tgz", "application/gzip" },
	{ ".tar.gz", "application/gzip" },
	{ ".gz", "application/gzip" },
	{ ".tar.zst", "application/zstd" },
	{ ".zst", "application/zstd" },
	{ ".tar.xz", "application/x-xz" },
	{ ".xz", "application/x-xz" },
	{ ".tar", "application/x-tar" },
	{ ".zip", "application/zip" },
	{ ".yaml", "application/yaml" },
	{ ".yml", "application/yaml" },
	{ ".json", "application/json" },
	{ ".txt", "text/plain" },
	{ ".sha256", "text/plain" },
	{ ".sha512", "text/plain" },
};

static const char *type_of_title(const char *title)
{
	size_t len = strlen(title);

	for (size_t i = 0; i < ARRAY_SIZE(file_types); i++) {
		size_t tail = strlen(file_types[i].suffix);

		if (len > tail && strcmp(title + len - tail, file_types[i].suffix) == 0)
			return file_types[i].media_type;
	}
	return "application/octet-stream";
}

/* Take the last component of the path of a URL. */
static struct span url_title(const char *url)
{
	size_t end = strcspn(url, "?#");
	const char *slash = memrchr(url, '/', end);

	return (struct span){ slash + 1, end - (size_t)(slash + 1 - url) };
}

static int check_url(const struct list_reader *r, const struct node *n, struct err *e)
{
	const char *url = n->text, *rest;
	bool plain = strncmp(url, "http://", 7) == 0;
	const struct registry_conf *conf;
	char host[REF_HOST_MAX + 1];
	size_t len;

	if (strlen(url) > FILE_URL_MAX)
		return node_err(r->doc, n, e, "longer than %d bytes", FILE_URL_MAX);
	if (!plain && strncmp(url, "https://", 8) != 0)
		return node_err(r->doc, n, e, "an https:// address is needed here");
	for (const char *p = url; *p; p++)
		if (*p <= ' ' || *p > '~')
			return node_err(r->doc, n, e, "a space or control byte in an address");
	rest = strstr(url, "://") + 3;
	len = strcspn(rest, "/?#");
	if (memchr(rest, '@', len))
		return node_err(r->doc, n, e, "credentials do not belong into a list");
	if (len == 0 || len > REF_HOST_MAX || rest[len] != '/')
		return node_err(r->doc, n, e, "an address needs a host and a path");
	memcpy(host, rest, len);
	host[len] = 0;
	conf = registry_conf_find(&r->list->registries, host);
	if (plain && (!conf || !conf->plain_http))
		return node_err(r->doc, n, e,
			"http:// needs \"registries: {%s: {plain-http: true}}\"", host);
	return 0;
}

/* Read the checksum: exactly one of sha256 and sha512. */
static int read_checksum(
	struct list_file *f, const struct doc *d, const struct node *map, struct err *e)
{
	const char *sha256 = NULL, *sha512 = NULL;
	const struct node *n;
	int rc;

	if (node_string(d, map, "sha256", OPTIONAL, &sha256, e) < 0 ||
		node_string(d, map, "sha512", OPTIONAL, &sha512, e) < 0)
		return -1;
	if (!sha256 == !sha512)
		return node_err(d, map, e, "one of sha256 and sha512 is needed");
	n = node_get(map, sha256 ? "sha256" : "sha512");
	rc = digest_from_hex(
		&f->digest, sha256 ? DIGEST_SHA256 : DIGEST_SHA512, span_of(n->text), e);
	return rc < 0 ? node_err(d, n, e, "%s", e->text) : 0;
}

/* Read the name. Without a host it gets ours: names of files exist nowhere else. */
static int read_file_name(
	struct list_file *f, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *n = node_get(map, "name");
	AUTO(mem_free) char *full = NULL;
	const char *text = NULL;
	size_t first;

	if (node_string(d, map, "name", REQUIRED, &text, e) < 0)
		return -1;
	first = strcspn(text, "/");
	if (!text[first] || !(memchr(text, '.', first) || memchr(text, ':', first)))
		full = mem_printf("%s/%s", SET_HOST, text);
	if (section_ref(&f->ref, d, n, full ? full : text, e) < 0)
		return -1;
	if (!f->ref.tag[0] || f->ref.digest.alg)
		return node_err(d, n, e, "a file is named NAME:TAG, without a digest");
	return 0;
}

static int copy_type(const struct doc *d, const struct node *map, const char *key,
	const char *initial, char out[MEDIA_TYPE_MAX + 1], struct err *e)
{
	const char *text = initial;

	if (node_string(d, map, key, OPTIONAL, &text, e) < 0)
		return -1;
	if (!media_type_is_valid(span_of(text)))
		return node_err(d, node_get(map, key), e, "not a media type");
	snprintf(out, MEDIA_TYPE_MAX + 1, "%s", text);
	return 0;
}

static int read_title(
	struct list_file *f, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *n = node_get(map, "title");
	struct span title = url_title(f->url);
	const char *text = NULL;
	int rc = node_string(d, map, "title", OPTIONAL, &text, e);

	if (rc < 0)
		return -1;
	if (rc > 0)
		title = span_of(text);
	if (file_title_check(title, e) < 0)
		return node_err(d, n ? n : node_get(map, "url"), e, "%s", e->text);
	memcpy(f->title, title.data, title.len);
	return 0;
}

static int read_file_platform(
	struct list_file *f, const struct doc *d, const struct node *map, struct err *e)
{
	const char *text = NULL;
	int rc = node_string(d, map, "platform", OPTIONAL, &text, e);

	if (rc <= 0)
		return rc;
	if (platform_parse(&f->platform, span_of(text), e) < 0)
		return node_err(d, node_get(map, "platform"), e, "%s", e->text);
	f->has_platform = true;
	return 0;
}

static int read_file(
	struct list_reader *r, struct list_file *f, const struct node *n, struct err *e)
{
	static const char *const known[] = { "url", "sha256", "sha512", "size", "name", "platform",
		"title", "media-type", "artifact-type", NULL };
	const char *url, *kind;
	int64_t size = 0;
	int has_size;

	f->line = n->line;
	if (node_only(r->doc, n, known, e) < 0 ||
		node_string(r->doc, n, "url", REQUIRED, &url, e) < 0 ||
		check_url(r, node_get(n, "url"), e) < 0)
		return -1;
	f->url = mem_strdup(url);
	has_size = node_int(r->doc, n, "size", OPTIONAL, 0, INT64_MAX, &size, e);
	if (has_size < 0 || read_checksum(f, r->doc, n, e) < 0 ||
		read_file_name(f, r->doc, n, e) < 0 || read_file_platform(f, r->doc, n, e) < 0 ||
		read_title(f, r->doc, n, e) < 0)
		return -1;
	f->has_size = has_size > 0;
	f->size = (uint64_t)size;
	kind = strncmp(f->ref.repo, "cni/", 4) == 0 ? "application/vnd.moat.cni.plugins.v1"
						    : "application/vnd.moat.file.v1";
	if (copy_type(r->doc, n, "media-type", type_of_title(f->title), f->media_type, e) < 0)
		return -1;
	return copy_type(r->doc, n, "artifact-type", kind, f->artifact_type, e);
}

static int read(struct list_reader *r, const struct node *root, struct err *e)
{
	const struct node *files = NULL;
	int rc = node_list(r->doc, root, "files", OPTIONAL, &files, e);

	if (rc <= 0)
		return rc;
	if (files->count > LIST_FILES_MAX)
		return node_err(r->doc, files, e, "more than %d files", LIST_FILES_MAX);
	r->list->files = mem_alloc(files->count * sizeof(*r->list->files));
	node_each(n, files) if (read_file(r, &r->list->files[r->list->file_count++], n, e) <
				0) return -1;
	return 0;
}

static void release(struct list *l)
{
	for (size_t i = 0; i < l->file_count; i++)
		free(l->files[i].url);
	free(l->files);
}

/* --- entries -------------------------------------------------------------------------------- */

static size_t count(const struct list *l)
{
	return l->file_count;
}

static struct list_entry identity(const struct list *l, size_t i)
{
	const struct list_file *f = &l->files[i];
	char text[REF_TEXT_SIZE], platform[PLATFORM_TEXT_SIZE] = "";

	if (f->has_platform)
		platform_text(&f->platform, platform);
	return (struct list_entry){ mem_printf("%s %s", ref_text(&f->ref, text), platform), f->ref,
		f->line };
}

static struct list_entry content(const struct list *l, size_t i)
{
	const struct list_file *f = &l->files[i];
	AUTO(buf_release) struct buf out = BUF_INIT;
	char text[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	buf_str(&out, ref_text(&f->ref, text));
	entry_put(&out, "url", f->url);
	entry_put(&out, "digest", digest_text(&f->digest, digest));
	if (f->has_size)
		buf_printf(&out, "\nsize %llu", (unsigned long long)f->size);
	if (f->has_platform)
		entry_put_platform(&out, &f->platform);
	entry_put(&out, "type", f->media_type);
	entry_put(&out, "artifact", f->artifact_type);
	entry_put(&out, "title", f->title);
	return (struct list_entry){ buf_detach(&out), f->ref, f->line };
}

static bool same_ref(const struct ref *a, const struct ref *b)
{
	return strcmp(a->host, b->host) == 0 && strcmp(a->repo, b->repo) == 0 &&
	       strcmp(a->tag, b->tag) == 0;
}

/* Refuse a name that several files share unless each has a platform. */
static int check_lone(const struct list *l, const char *file, struct err *e)
{
	char text[REF_TEXT_SIZE];

	for (size_t i = 0; i < l->file_count; i++) {
		for (size_t j = 0; j < l->file_count; j++) {
			const struct list_file *one = &l->files[i], *other = &l->files[j];

			if (i == j || one->has_platform || !same_ref(&one->ref, &other->ref))
				continue;
			return err_set(e, ERR_INPUT,
				"%s:%u: %s is several files (line %u): give each a platform", file,
				one->line, ref_text(&one->ref, text), other->line);
		}
	}
	return 0;
}

static int check(const struct list *l, const char *file, struct err *e)
{
	for (size_t i = 0; i < l->file_count; i++)
		for (size_t j = 0; j < l->image_count; j++)
			if (same_ref(&l->files[i].ref, &l->images[j].ref))
				return err_set(e, ERR_INPUT,
					"%s:%u: a file has the name of the image at line %u", file,
					l->files[i].line, l->images[j].line);
	return check_lone(l, file, e);
}

const struct section section_files = { "files", read, release, count, identity, content, check };
