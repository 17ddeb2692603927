/* What a client of a registry holds and pushes, through the store's changes; and what it finds then. */
#ifndef MOAT_TEST_PUSHED_H
#define MOAT_TEST_PUSHED_H

#include "storage/store_write.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define APP "team/app"
#define OTHER "team/other"
#define NGINX "docker.io/library/nginx"

static const struct image_want image = { .seed = "app", .layers = 2 };

/* A manifest as a client holds it. */
struct pushed {
	struct buf text;
	struct manifest manifest;
	struct digest digest;
	struct digest layer, config;
};

int apply(struct store *s, struct change *c, struct err *e);
struct blob_writer *sealed(
	struct store *s, struct span bytes, struct digest *d, enum digest_alg alg);
int push_blob(
	struct store *s, const char *repo, struct span bytes, struct digest *d, struct err *e);
void pushed_release(struct pushed *p);
/* Made in a store of its own, where the client built it. */
void build(const struct sandbox *sb, struct pushed *p, const struct image_want *want);
void build_index(const struct sandbox *sb, struct pushed *p, const struct digest *child);
/* Of any text. */
void build_text(struct pushed *p, const char *text);
/* An index of one child that is said to be of this type and size. */
void build_index_saying(
	struct pushed *p, const struct digest *child, const char *type, unsigned long long size);
/* Its blobs, as uploads. */
void push_blobs(
	const struct sandbox *sb, struct store *s, const char *repo, const struct pushed *p);
struct change manifest_change(
	const struct pushed *p, const char *repo, const char *const *tags, size_t count);
int push_manifest(
	struct store *s, const char *repo, const char *tag, const struct pushed *p, struct err *e);
bool has_tag(struct store *s, const char *repo, const char *tag, const struct digest *d);
bool has_manifest(struct store *s, const char *repo, const struct digest *d);
bool has_blob(struct store *s, const char *repo, const struct digest *d);
void assert_sound(struct store *s);
struct digest pin_nginx(struct store *s);

#endif
