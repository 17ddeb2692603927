/*
 * Kubernetes objects out of files: YAML of several documents, JSON, *List kinds, what `kubectl get` prints.
 *
 * An object is a tree that its collection owns, with its file and line; nothing here knows what a kind means.
 * What is no object (no apiVersion or kind) is left out and counted.
 */
#ifndef MOAT_K8S_OBJECTS_H
#define MOAT_K8S_OBJECTS_H

#include "storage/base/tree.h"

#define K8S_FILE_MAX (512u << 20) /* bytes of one file: a listing of 100,000 pods */
#define K8S_FILES_MAX 100000 /* of one collection */
#define K8S_OBJECTS_MAX 1000000

struct k8s_object {
	const struct doc *doc; /* its file: doc->name */
	const struct node *root; /* a map */
	const char *api_version, *kind, *name; /* "" when absent */
	const char *ns; /* metadata.namespace as written; "" when absent */
};

struct k8s_objects {
	struct k8s_object *items; /* by file, then in document order */
	size_t count;
	size_t others; /* documents that are no objects; the first: */
	const struct doc *other_doc;
	uint32_t other_line;
	struct doc **docs;
	size_t doc_count;
	char **texts; /* names of files, kinds of items */
	size_t text_count;
};
#define K8S_OBJECTS_INIT                                                                           \
	{                                                                                          \
		.count = 0                                                                         \
	}
void k8s_objects_release(struct k8s_objects *o); /* for AUTO */

/*
 * Add what a file holds, or each *.yaml, *.yml and *.json below a folder, in order of their names ("-": standard
 * input). Links to folders are not followed; dot files are passed over.
 *
 * Fails: ERR_INPUT with file and line: not YAML or JSON, over a limit; ERR_ABSENT; ERR_IO. Then *o is as it was, but
 *        for whole files.
 */
MUST int k8s_load(struct k8s_objects *o, const char *path, struct err *e);

/* The same of a text that is no file. name: for messages, copied. */
MUST int k8s_load_text(struct k8s_objects *o, const char *name, struct span bytes, struct err *e);

/* "apps/v1" -> "apps"; "" for the core group. Into the caller's array, which is returned. */
#define K8S_GROUP_SIZE 128
const char *k8s_group(const struct k8s_object *o, char text[K8S_GROUP_SIZE]);

#endif
