/*
 * Reading the fields of a Kubernetes object as the one who decodes it does, because they differ: what one client drops
 * silently another refuses, and a selector that lost its only key selects everything.
 *
 * Exact names decide for the API server: DECODE_STRICT refuses an unknown key, DECODE_LENIENT drops it (and takes the
 * last of a key that is there twice). DECODE_FOLDING is a client built on sigs.k8s.io/yaml: keys in any case are taken,
 * scalars become strings where a string is wanted.
 *
 * What was dropped or folded is noted, whatever the mode. (apimachinery 0.37, sigs.k8s.io/yaml 1.6)
 */
#ifndef MOAT_K8S_FIELDS_H
#define MOAT_K8S_FIELDS_H

#include "mirror-tool/k8s/objects.h"

enum k8s_decode { DECODE_LENIENT, DECODE_STRICT, DECODE_FOLDING };

enum k8s_note_kind {
	K8S_UNKNOWN_FIELD, /* near: the known key it may mean, or NULL */
	K8S_WRONG_CASE, /* near: the key in its right case */
	K8S_DUPLICATE_KEY,
	K8S_NOT_A_STRING, /* a scalar that is no string where one is needed; only in DECODE_FOLDING */
};

struct k8s_note {
	enum k8s_note_kind kind;
	const struct k8s_object *object;
	const struct node *at; /* the key's value */
	const char *near; /* or NULL */
};

struct k8s_notes {
	struct k8s_note *items;
	size_t count;
};
#define K8S_NOTES_INIT                                                                             \
	{                                                                                          \
		.count = 0                                                                         \
	}
void k8s_notes_release(struct k8s_notes *n); /* for AUTO */

struct k8s_fields {
	enum k8s_decode decode;
	const struct k8s_object *object;
	struct k8s_notes *notes;
};

/* The value of a key, the last one, or NULL; null is a value. map: NULL and what is no map have no keys. */
const struct node *k8s_get(const struct k8s_fields *f, const struct node *map, const char *key);

/* Each: 1 found, 0 absent or null, -1 ERR_INPUT with file, line and path: another type. */
MUST int k8s_map(const struct k8s_fields *f, const struct node *map, const char *key,
	const struct node **out, struct err *e);
MUST int k8s_list(const struct k8s_fields *f, const struct node *map, const char *key,
	const struct node **out, struct err *e);
MUST int k8s_string(const struct k8s_fields *f, const struct node *map, const char *key,
	const char **out, struct err *e);
MUST int k8s_int(const struct k8s_fields *f, const struct node *map, const char *key, int64_t min,
	int64_t max, int64_t *out, struct err *e);
MUST int k8s_bool(const struct k8s_fields *f, const struct node *map, const char *key, bool *out,
	struct err *e);

/* The text of a scalar where a string is needed: 1; 0 it is null, -1 ERR_INPUT it is no string. */
MUST int k8s_text(
	const struct k8s_fields *f, const struct node *n, const char **out, struct err *e);

/* Note each key of a map that is not known (NULL-terminated), or is there again. Must be called once a map.
 * DECODE_STRICT: ERR_INPUT. */
MUST int k8s_known(const struct k8s_fields *f, const struct node *map, const char *const known[],
	struct err *e);

/* The same of a map whose keys are free: note those that are there again. */
MUST int k8s_once(const struct k8s_fields *f, const struct node *map, struct err *e);

/* "FILE:LINE: KIND NS/NAME: at PATH: TEXT" as ERR_INPUT. Returns -1. */
int k8s_err(const struct k8s_fields *f, const struct node *n, struct err *e, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
#ifdef __clang_analyzer__ /* as in storage/base/err.h */
#define k8s_err(...) ((void)k8s_err(__VA_ARGS__), -1)
#endif

#endif
