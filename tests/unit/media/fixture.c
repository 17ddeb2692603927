#include "tests/unit/media/fixture.h"

#include <stdio.h>
#include <string.h>

#include "mirror-tool/media/signatures.h"
#include "mirror-tool/media/verify.h"
#include "mirror-tool/sign/cosign.h"

static struct image_pin pins[8];
static struct digest subject;

static size_t make_images(struct fixture *f, size_t layer_size)
{
	struct store *s = f->out;
	struct digest child[2], index;
	static const char *const platforms[] = { "linux/amd64", "linux/arm64" };
	uint64_t sizes[2] = { 0, 777 };
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < 3; i++) {
		static const char *const repos[] = { "docker.io/library/a", "quay.io/b/b",
			"registry.k8s.io/c" };
		char seed[] = "image-0";

		seed[6] = (char)('0' + i);
		pins[i] = (struct image_pin){ .repo = repos[i],
			.tag = "1.0",
			.digest = image_make(s, NULL,
				&(struct image_want){ .seed = seed,
					.layers = 3,
					.layer_size = layer_size,
					.shared = 1 }) };
	}
	child[0] = image_make(s, NULL,
		&(struct image_want){ .seed = "child", .layers = 2, .layer_size = layer_size });
	digest_of(&child[1], DIGEST_SHA256, span_of("a child that is not held"));
	assert_int_equal(blob_stat(s, &child[0], &sizes[0], &e), 1);
	index = image_index(s, child, platforms, sizes, 2);
	pins[3] = (struct image_pin){ .repo = "docker.io/library/multi",
		.tag = "2",
		.digest = index,
		.media_type = MEDIA_OCI_INDEX };
	subject = pins[0].digest;
	pins[4] = (struct image_pin){ .repo = pins[0].repo,
		.tag = "",
		.digest = image_make(s, NULL,
			&(struct image_want){ .seed = "sbom",
				.layers = 1,
				.artifact_type = "application/spdx+json",
				.subject = &subject }),
		.subject = &subject };
	pins[5] = (struct image_pin){ .repo = "moat.local/cni/plugins",
		.tag = "v1",
		.digest = image_make(s, NULL,
			&(struct image_want){ .seed = "file",
				.layers = 1,
				.artifact_type = "application/gzip" }) };
	return 6;
}

static struct digest put(struct store *s, const struct buf *bytes)
{
	struct digest d;
	struct err e = ERR_INIT;

	assert_ok(blob_put(s, NULL, buf_span(bytes), &d, &e));
	return d;
}

void fixture_sign(
	struct fixture *f, const char *name, const char *version, const struct digest *set)
{
	AUTO(cosign_signature_release) struct cosign_signature legacy = COSIGN_SIGNATURE_INIT;
	AUTO(cosign_signature_release) struct cosign_signature bundle = COSIGN_SIGNATURE_INIT;
	AUTO(mem_free) char *reference = mem_printf("moat.local/set/%s:%s", name, version);
	struct cosign_claim claim = { .digest = *set, .reference = reference };
	struct set_signature signatures[2] = { 0 };
	uint64_t size = 0;
	struct err e = ERR_INIT;

	assert_int_equal(blob_stat(f->out, set, &size, &e), 1);
	assert_ok(cosign_sign_legacy(f->key, &claim, &legacy, &e));
	assert_ok(cosign_sign_bundle(f->key, &claim, size, "2026-11-23T00:00:00Z", &bundle, &e));
	put(f->out, &legacy.blob);
	put(f->out, &legacy.config);
	put(f->out, &bundle.blob);
	put(f->out, &bundle.config);
	signatures[0].digest = put(f->out, &legacy.manifest);
	signatures[1].digest = put(f->out, &bundle.manifest);
	strcpy(signatures[0].media_type, MEDIA_OCI_MANIFEST);
	strcpy(signatures[1].media_type, MEDIA_OCI_MANIFEST);
	ref_fallback_tag(set, ".sig", signatures[0].tag);
	assert_ok(
		signature_join(f->out, NULL, set, &signatures[0], buf_span(&legacy.manifest), &e));
	assert_ok(set_accept(f->out,
		&(struct set_offer){ .activate = true,
			.digest = set,
			.signatures = signatures,
			.signature_count = 2 },
		NULL, &e));
}

struct digest fixture_set(struct fixture *f, const char *name, const char *version)
{
	return image_set(f->out, name, version, pins, 6);
}

struct digest fixture_seal(struct fixture *f, const char *name, const char *version)
{
	struct digest set = fixture_set(f, name, version);

	fixture_sign(f, name, version, &set);
	return set;
}

void fixture_open(struct fixture *f, struct sandbox *sb, size_t layer_size)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	*f = (struct fixture){ .sb = sb, .trust = TRUST_INIT };
	f->out = sandbox_store(sb, "out", STORE_WRITE);
	snprintf(f->medium, sizeof(f->medium), "%s", sandbox_path(sb, "medium"));
	assert_ok(sign_key_new(&f->key, &e));
	assert_ok(sign_key_write_public(f->key, &pem, &e));
	assert_ok(trust_add(&f->trust, "moat.pub", buf_span(&pem), &e));
	make_images(f, layer_size);
	f->set = fixture_seal(f, "platform", "1.0");
}

void fixture_close(struct fixture *f)
{
	store_close(&f->out);
	sign_key_free(&f->key);
	trust_release(&f->trust);
}

void fixture_export(struct fixture *f, uint64_t limit)
{
	static const struct export_events none;
	struct err e = ERR_INIT;

	if (sandbox_exists(f->medium))
		sandbox_remove(f->medium);
	assert_ok(export_folder(
		f->out, &f->set, f->medium, limit, NULL, (struct span){ "", 0 }, &none, &e));
}

unsigned fixture_volumes(const struct fixture *f)
{
	AUTO(medium_paths_release) struct medium_paths paths = { NULL, 0 };
	const char *folder = f->medium;
	struct err e = ERR_INIT;

	assert_ok(medium_paths_find(&paths, &folder, 1, &e));
	return (unsigned)paths.count;
}

static void told_signers(void *ctx, const struct signers *by)
{
	*(struct signers *)ctx = *by;
}

int fixture_import(
	struct fixture *f, const char *name, const char *const *paths, size_t count, struct err *e)
{
	AUTO(store_close) struct store *s = sandbox_store(f->sb, name, STORE_WRITE);
	AUTO(medium_release) struct medium m = { .trusted = false };
	const char *folder = f->medium;
	struct import_events events = { .signers = told_signers, .ctx = &f->signers };
	struct import_terms terms = { .trust = &f->trust,
		.paths = paths ? paths : &folder,
		.path_count = paths ? count : 1,
		.activate = true };

	err_clear(e);
	return import_medium(s, &terms, &events, &m, e);
}

static int accept_volume(
	void *ctx, struct medium *m, const char *name, uint32_t volume, struct err *e)
{
	(void)ctx;
	(void)m;
	(void)name;
	(void)volume;
	(void)e;
	return 0;
}

static int accept_medium(void *ctx, struct medium *m, struct err *e)
{
	(void)ctx;
	(void)m;
	(void)e;
	return 0;
}

int fixture_verify(struct fixture *f, const char *const *paths, size_t count, struct err *e)
{
	static const struct medium_events events = { accept_medium, accept_volume, NULL };
	AUTO(verify_sink_release) struct verify_sink sink = VERIFY_SINK_INIT;
	AUTO(medium_release)
	struct medium m = { .trust = &f->trust,
		.now = 0,
		.documents = f->out,
		.sink = &verify_sink,
		.ctx = &sink };
	const char *folder = f->medium;

	err_clear(e);
	if (medium_read(&m, paths ? paths : &folder, paths ? count : 1, &events, e) < 0)
		return -1;
	return medium_check_complete(&m, "", e) < 0;
}

const char *fixture_volume(const struct fixture *f, unsigned n, unsigned of)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/platform-1.0.%03u-of-%03u.tar", f->medium, n, of);
	return path;
}

static int count_set(void *ctx, const struct set_info *info, struct err *e)
{
	(void)info;
	(void)e;
	++*(size_t *)ctx;
	return 0;
}

size_t fixture_sets(struct store *s)
{
	struct err e = ERR_INIT;
	size_t count = 0;

	assert_ok(list_sets(s, count_set, &count, &e));
	return count;
}

static void print_problem(void *ctx, const char *invariant, const char *text)
{
	(void)ctx;
	print_message("%s: %s\n", invariant, text);
}

uint64_t fixture_problems(struct store *s)
{
	struct check_report r = { .problems = 0 };
	struct err e = ERR_INIT;

	assert_ok(sandbox_check(s, true, print_problem, NULL, &r, &e));
	return r.problems;
}
