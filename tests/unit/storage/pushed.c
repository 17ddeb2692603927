/* The words of the tests of changes. */
#include "tests/unit/storage/pushed.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/cm.h"

int apply(struct store *s, struct change *c, struct err *e)
{
	struct change *changes[] = { c };

	if (store_apply(s, changes, 1, e) < 0)
		return -1;
	if (c->rc < 0)
		*e = c->err;
	return c->rc;
}

struct blob_writer *sealed(
	struct store *s, struct span bytes, struct digest *d, enum digest_alg alg)
{
	struct blob_writer *w = NULL;
	struct err e = ERR_INIT;

	digest_of(d, alg, bytes);
	assert_ok(blob_begin_unnamed(s, DIGEST_SHA256, &w, &e));
	blob_write(w, bytes.data, bytes.len);
	assert_ok(blob_seal(w, d, &e));
	return w;
}

int push_blob(struct store *s, const char *repo, struct span bytes, struct digest *d, struct err *e)
{
	struct change c = { .kind = CHANGE_BLOB, .repo = repo };

	c.writer = sealed(s, bytes, d, DIGEST_SHA256);
	c.digest = *d;
	return apply(s, &c, e);
}

void pushed_release(struct pushed *p)
{
	buf_release(&p->text);
	manifest_release(&p->manifest);
}

static void load(struct store *client, struct pushed *p, const struct digest *d)
{
	struct err e = ERR_INIT;

	*p = (struct pushed){ .text = BUF_INIT, .manifest = MANIFEST_INIT, .digest = *d };
	assert_int_equal(blob_read(client, d, MANIFEST_MAX, &p->text, &e), 1);
	assert_ok(manifest_parse(&p->manifest, "m", NULL, buf_span(&p->text), &e));
	p->config = p->manifest.config.digest;
	if (p->manifest.count)
		p->layer = p->manifest.items[0].digest;
}

void build(const struct sandbox *sb, struct pushed *p, const struct image_want *want)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, "client", STORE_WRITE);
	struct digest d = image_make(s, NULL, want);

	load(s, p, &d);
}

void build_index(const struct sandbox *sb, struct pushed *p, const struct digest *child)
{
	static const char *const platforms[] = { "linux/amd64" };
	AUTO(store_close) struct store *s = sandbox_store(sb, "client", STORE_WRITE);
	struct digest d = image_index(s, child, platforms, NULL, 1);

	load(s, p, &d);
}

void build_text(struct pushed *p, const char *text)
{
	struct err e = ERR_INIT;

	*p = (struct pushed){ .text = BUF_INIT, .manifest = MANIFEST_INIT };
	buf_str(&p->text, text);
	assert_ok(manifest_parse(&p->manifest, "m", NULL, buf_span(&p->text), &e));
	digest_of(&p->digest, DIGEST_SHA256, buf_span(&p->text));
}

void build_index_saying(
	struct pushed *p, const struct digest *child, const char *type, unsigned long long size)
{
	char text[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *json = mem_printf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
				"\",\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
				"\"size\":%llu}]}",
		type, digest_text(child, text), size);

	build_text(p, json);
}

void push_blobs(const struct sandbox *sb, struct store *s, const char *repo, const struct pushed *p)
{
	AUTO(store_close) struct store *client = sandbox_store(sb, "client", STORE_READ);
	struct err e = ERR_INIT;

	for (size_t i = 0; i <= p->manifest.count; i++) {
		const struct digest *d =
			i ? &p->manifest.items[i - 1].digest : &p->manifest.config.digest;
		AUTO(buf_release) struct buf bytes = BUF_INIT;
		struct digest got;

		assert_int_equal(blob_read(client, d, 1 << 20, &bytes, &e), 1);
		assert_ok(push_blob(s, repo, buf_span(&bytes), &got, &e));
		assert_true(digest_eq(&got, d));
	}
}

struct change manifest_change(
	const struct pushed *p, const char *repo, const char *const *tags, size_t count)
{
	return (struct change){ .kind = CHANGE_MANIFEST,
		.repo = repo,
		.digest = p->digest,
		.text = buf_span(&p->text),
		.manifest = &p->manifest,
		.tags = tags,
		.tag_count = count };
}

int push_manifest(
	struct store *s, const char *repo, const char *tag, const struct pushed *p, struct err *e)
{
	struct change c = manifest_change(p, repo, &tag, tag != NULL);

	return apply(s, &c, e);
}

bool has_tag(struct store *s, const char *repo, const char *tag, const struct digest *d)
{
	struct manifest_info info;
	struct err e = ERR_INIT;

	return manifest_by_tag(s, repo, tag, &info, &e) == 1 && digest_eq(&info.digest, d);
}

bool has_manifest(struct store *s, const char *repo, const struct digest *d)
{
	struct manifest_info info;
	struct err e = ERR_INIT;

	return manifest_by_digest(s, repo, d, &info, &e) == 1;
}

bool has_blob(struct store *s, const char *repo, const struct digest *d)
{
	struct err e = ERR_INIT;
	uint64_t size;

	return repo_has_blob(s, repo, d, &size, &e) == 1;
}

static void print_problem(void *ctx, const char *invariant, const char *text)
{
	(void)ctx;
	print_message("%s: %s\n", invariant, text);
}

void assert_sound(struct store *s)
{
	struct check_report report;
	struct err e = ERR_INIT;

	assert_ok(sandbox_check(s, true, print_problem, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
}

struct digest pin_nginx(struct store *s)
{
	struct image_want want = { .seed = "pinned", .layers = 1 };
	struct image_pin pin = {
		.repo = NGINX, .tag = "1.27", .digest = image_make(s, NULL, &want)
	};
	struct digest set = image_set(s, "platform", "2026.11", &pin, 1);
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	return pin.digest;
}
