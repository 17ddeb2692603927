/*
 * A sealed, signed and accepted set in a store, as `moat seal` leaves it, and its medium.
 */
#ifndef MOAT_TEST_MEDIA_FIXTURE_H
#define MOAT_TEST_MEDIA_FIXTURE_H

#include "mirror-tool/media/export.h"
#include "mirror-tool/media/import.h"
#include "mirror-tool/sign/sign.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

struct fixture {
	struct sandbox *sb;
	struct store *out; /* the connected side */
	struct sign_key *key;
	struct trust trust; /* of that key */
	struct digest set;
	char medium[128]; /* its folder */
	struct signers signers; /* as the last import told */
};

/* Three images that share layers, a two-platform index of which one child is held, an artifact with
 * a subject. layer_size: bytes of each layer. */
void fixture_open(struct fixture *f, struct sandbox *sb, size_t layer_size);
void fixture_close(struct fixture *f); /* for AUTO */

/* The same pins under another name or version: unsigned, and not accepted. */
struct digest fixture_set(struct fixture *f, const char *name, const char *version);

/* The same; sealed, signed, accepted. */
struct digest fixture_seal(struct fixture *f, const char *name, const char *version);

/* Sign it with f->key, beside whoever signed it already. */
void fixture_sign(
	struct fixture *f, const char *name, const char *version, const struct digest *set);

/* Onto f->medium (emptied first), in volumes of at most limit bytes (0: one). */
void fixture_export(struct fixture *f, uint64_t limit);

/* Import f->medium or the paths into the store `name` of the sandbox: 0, or -1 with e. */
int fixture_import(
	struct fixture *f, const char *name, const char *const *paths, size_t count, struct err *e);

/* Read f->medium or the paths as `moat verify` does: 0 complete, 1 incomplete, -1. */
int fixture_verify(struct fixture *f, const char *const *paths, size_t count, struct err *e);

/* The n-th volume's file, from 1; the eighth next call uses the buffer again. */
const char *fixture_volume(const struct fixture *f, unsigned n, unsigned of);

unsigned fixture_volumes(const struct fixture *f);

/* Sets accepted in a store, and problems that a deep check of it finds. */
size_t fixture_sets(struct store *s);
uint64_t fixture_problems(struct store *s);

#endif
