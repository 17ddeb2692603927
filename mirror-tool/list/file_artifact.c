/*
 * Build the manifests of files. Pure; must be deterministic byte for byte: the lock has the digest
 * of these bytes.
 */
#include "mirror-tool/list/file_artifact.h"

#include <stdlib.h>

#include "storage/base/tree.h"
#include "storage/oci/keys.h"
#include "storage/base/banned.h"

#define URL "vnd.moat.file.url"

static void finish(struct file_manifest *m, const char *media_type)
{
	digest_of(&m->digest, DIGEST_SHA256, buf_span(&m->bytes));
	m->media_type = media_type;
}

static void build_one(struct file_manifest *m, const char *artifact_type, const struct lock_file *f)
{
	struct annotation items[] = { { KEY_TITLE, f->title }, { URL, f->url } };
	struct descriptor layer = {
		.digest = f->digest,
		.size = f->size,
		.media_type = f->media_type,
		.annotations = { items, ARRAY_SIZE(items) },
	};

	artifact_write(&m->bytes, artifact_type, &layer);
	finish(m, MEDIA_OCI_MANIFEST);
}

static void build_index(struct file_manifests *all, const struct lock_pin *pin)
{
	struct file_manifest *index = &all->items[pin->file_count];

	buf_str(&index->bytes,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"artifactType\":");
	json_quote(&index->bytes, pin->artifact_type, false);
	buf_str(&index->bytes, ",\"manifests\":[");
	for (size_t i = 0; i < pin->file_count; i++) {
		struct descriptor child = {
			.digest = all->items[i].digest,
			.size = all->items[i].bytes.len,
			.media_type = MEDIA_OCI_MANIFEST,
			.artifact_type = pin->artifact_type,
			.has_platform = pin->files[i].has_platform,
			.platform = pin->files[i].platform,
		};

		buf_str(&index->bytes, i ? "," : "");
		descriptor_write(&index->bytes, &child);
	}
	buf_str(&index->bytes, "]}");
	finish(index, MEDIA_OCI_INDEX);
	all->count++;
}

void files_build(struct file_manifests *m, const struct lock_pin *pin)
{
	*m = (struct file_manifests){ mem_alloc((pin->file_count + 1) * sizeof(*m->items)),
		pin->file_count };
	for (size_t i = 0; i <= pin->file_count; i++)
		m->items[i].bytes = (struct buf)BUF_INIT;
	for (size_t i = 0; i < pin->file_count; i++)
		build_one(&m->items[i], pin->artifact_type, &pin->files[i]);
	if (pin->file_count > 1)
		build_index(m, pin);
}

void files_release(struct file_manifests *m)
{
	for (size_t i = 0; i < m->count; i++)
		buf_release(&m->items[i].bytes);
	free(m->items);
	*m = (struct file_manifests){ NULL, 0 };
}

int file_title_check(struct span title, struct err *e)
{
	if (title.len == 0 || title.len > FILE_TITLE_MAX)
		return err_set(e, ERR_INPUT, "a file name has 1 to %d bytes", FILE_TITLE_MAX);
	if (title.data[0] == '.' || title.data[0] == '-')
		return err_set(e, ERR_INPUT, "file name \"%.*s\" begins with '%c'", (int)title.len,
			title.data, title.data[0]);
	for (size_t i = 0; i < title.len; i++)
		if (title.data[i] <= ' ' || title.data[i] > '~' || title.data[i] == '/' ||
			title.data[i] == '\\')
			return err_set(e, ERR_INPUT,
				"a file name has a byte at %zu that is not allowed", i + 1);
	return 0;
}
