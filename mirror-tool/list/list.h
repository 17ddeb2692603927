/*
 * The list (`moat.yaml`): what a user wants, as written. docs/man/moat.yaml.5 is its manual.
 *
 * Reading is strict: an unknown key, a value of the wrong type, an invalid platform or reference,
 * and an entry that is there twice are ERR_INPUT with file, line and path. Nothing here reaches a
 * network or another file.
 */
#ifndef MOAT_LIST_H
#define MOAT_LIST_H

#include "mirror-tool/list/choice.h"
#include "mirror-tool/list/exceptions.h"
#include "mirror-tool/list/file_artifact.h"
#include "mirror-tool/list/pattern.h"
#include "mirror-tool/list/platforms.h"
#include "mirror-tool/list/registry_conf.h"
#include "mirror-tool/list/source_ref.h"
#include "storage/oci/set.h"

#define LIST_BYTES_MAX (4u << 20)
#define LIST_ENTRIES_MAX 20000
#define LIST_FILES_MAX 2000
#define FILE_URL_MAX 2000

struct list_image {
	struct ref ref; /* a tag, a digest, both; or neither when there are patterns */
	struct pattern *patterns; /* tags that any of them matches */
	size_t pattern_count;
	struct platforms platforms;
	struct exceptions exceptions;
	struct source_ref from; /* where it is fetched from */
	uint32_t line;
};

struct list_file {
	char *url;
	struct digest digest; /* of the file's bytes */
	struct ref ref; /* host (moat.local when none was written), repo and tag */
	bool has_size;
	uint64_t size;
	bool has_platform;
	struct platform platform;
	char media_type[MEDIA_TYPE_MAX + 1];
	char artifact_type[MEDIA_TYPE_MAX + 1];
	char title[FILE_TITLE_MAX + 1];
	uint32_t line;
};

/* A rule for signatures of upstream: images whose name matches need one by any of the keys. */
struct list_verify {
	struct pattern images; /* over host/repository */
	char **keys; /* files, relative to the folder of the list */
	size_t key_count;
	uint32_t line;
};

struct list {
	char name[SET_NAME_MAX + 1];
	char version[SET_VERSION_MAX + 1]; /* "" when none */
	struct list_image *images; /* in the order of the file */
	size_t image_count;
	struct list_file *files;
	size_t file_count;
	struct list_verify *verify;
	size_t verify_count;
	struct registry_confs registries;
	const struct choice *only; /* what to resolve of it, borrowed; NULL: all */
};
#define LIST_ZERO                                                                                  \
	{                                                                                          \
		.image_count = 0                                                                   \
	}

/* Parse a list of at most LIST_BYTES_MAX bytes. name: of the file, for messages. *l is overwritten;
 * on failure it owns nothing. */
MUST int list_parse(struct list *l, const char *name, struct span bytes, struct err *e);
void list_release(struct list *l); /* for AUTO; leaves it empty */

/* Does the rule ask for a signature of this image? By its name alone, whatever its tag or digest. */
bool list_verify_applies(const struct list_verify *rule, const struct ref *ref);

#endif
