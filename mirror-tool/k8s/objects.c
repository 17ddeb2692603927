/* Files -> Kubernetes objects. Must never take a file that cannot be read for one without objects. */
#include "mirror-tool/k8s/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

void k8s_objects_release(struct k8s_objects *o)
{
	for (size_t i = 0; i < o->doc_count; i++) {
		doc_release(o->docs[i]);
		free(o->docs[i]);
	}
	for (size_t i = 0; i < o->text_count; i++)
		free(o->texts[i]);
	free(o->docs);
	free(o->texts);
	free(o->items);
	*o = (struct k8s_objects)K8S_OBJECTS_INIT;
}

/* The text of a child, "" when it is no scalar. */
static const char *text_of(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n && n->kind != NODE_LIST && n->kind != NODE_MAP && n->kind != NODE_NULL ? n->text
											: "";
}

static int add_object(struct k8s_objects *o, const struct doc *d, const struct node *root,
	const struct k8s_object *list, struct err *e);

/* A PodList has pods that need not say so. */
static int add_items(struct k8s_objects *o, const struct k8s_object *list, const struct node *items,
	struct err *e)
{
	node_each(item, items)
	{
		if (add_object(o, list->doc, item, list, e) < 0)
			return -1;
	}
	return 0;
}

static bool is_list(const struct k8s_object *found)
{
	size_t len = strlen(found->kind);
	const struct node *items = node_get(found->root, "items");

	return len >= 4 && strcmp(found->kind + len - 4, "List") == 0 && items &&
	       items->kind == NODE_LIST;
}

static const char *keep(struct k8s_objects *o, char *text)
{
	*VEC_PUSH(o->texts, o->text_count) = text;
	return text;
}

static int add_object(struct k8s_objects *o, const struct doc *d, const struct node *root,
	const struct k8s_object *list, struct err *e)
{
	const struct node *metadata = node_get(root, "metadata");
	struct k8s_object found = { .doc = d,
		.root = root,
		.api_version = text_of(root, "apiVersion"),
		.kind = text_of(root, "kind"),
		.name = text_of(metadata, "name"),
		.ns = text_of(metadata, "namespace") };

	if (list && root->kind == NODE_MAP && !*found.kind) {
		found.kind = keep(o, mem_strndup(list->kind, strlen(list->kind) - 4));
		found.api_version = list->api_version;
	}
	if (root->kind != NODE_MAP || !*found.kind || !*found.api_version) {
		if (o->others++ == 0) {
			o->other_doc = d;
			o->other_line = root->line;
		}
		return 0;
	}
	if (o->count >= K8S_OBJECTS_MAX)
		return node_err(d, root, e, "more than %d objects", K8S_OBJECTS_MAX);
	if (is_list(&found))
		return add_items(o, &found, node_get(root, "items"), e);
	*VEC_PUSH(o->items, o->count) = found;
	return 0;
}

int k8s_load_text(struct k8s_objects *o, const char *name, struct span bytes, struct err *e)
{
	const char *kept = keep(o, mem_strdup(name));
	struct doc *d = mem_alloc(sizeof(*d));
	size_t before = o->count;

	*VEC_PUSH(o->docs, o->doc_count) = d;
	if (documents_parse(d, kept, bytes, K8S_FILE_MAX, e) < 0)
		return -1;
	node_each(document, d->root)
	{
		if (add_object(o, d, document, NULL, e) < 0) {
			o->count = before;
			return -1;
		}
	}
	return 0;
}

/* --- files and folders ------------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

static bool is_wanted(const char *name)
{
	return *name != '.' &&
	       (ends_in(name, ".yaml") || ends_in(name, ".yml") || ends_in(name, ".json"));
}

static int load_file(
	struct k8s_objects *o, int dir, const char *name, const char *path, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	int rc;

	if (o->doc_count >= K8S_FILES_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %d files", path, K8S_FILES_MAX);
	rc = fs_read_file(dir, name, K8S_FILE_MAX, &bytes, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s is not there", path);
	return k8s_load_text(o, path, buf_span(&bytes), e);
}

#define FOLDERS_MAX 32 /* one in the other */

static int load_folder(
	struct k8s_objects *o, int dir, const char *path, unsigned depth, struct err *e);

static int load_entry(struct k8s_objects *o, int dir, const char *name, const char *folder,
	unsigned depth, struct err *e)
{
	AUTO(mem_free) char *path = mem_printf("%s/%s", folder, name);
	AUTO(fd_close) int sub = -1;
	struct stat st;

	if (*name == '.' || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return is_wanted(name) ? load_file(o, dir, name, path, e) : 0;
	if (depth >= FOLDERS_MAX)
		return err_set(
			e, ERR_INPUT, "%s: folders nested deeper than %d", path, FOLDERS_MAX);
	sub = fs_open_dir_at(dir, name, e);
	return sub < 0 ? -1 : load_folder(o, sub, path, depth + 1, e);
}

static int load_folder(
	struct k8s_objects *o, int dir, const char *path, unsigned depth, struct err *e)
{
	AUTO(fs_names_free) struct fs_names names = { 0 };

	if (fs_list(dir, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (load_entry(o, dir, names.names[i], path, depth, e) < 0)
			return -1;
	return 0;
}

static int load_stdin(struct k8s_objects *o, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;

	return fs_read_stdin(K8S_FILE_MAX, &bytes, e) < 0
		       ? -1
		       : k8s_load_text(o, "-", buf_span(&bytes), e);
}

int k8s_load(struct k8s_objects *o, const char *path, struct err *e)
{
	AUTO(fd_close) int dir = -1;
	struct stat st;

	if (strcmp(path, "-") == 0)
		return load_stdin(o, e);
	if (stat(path, &st) < 0)
		return err_sys(e, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return load_file(o, AT_FDCWD, path, path, e);
	dir = fs_open_dir(path, e);
	return dir < 0 ? -1 : load_folder(o, dir, path, 0, e);
}

const char *k8s_group(const struct k8s_object *o, char text[K8S_GROUP_SIZE])
{
	const char *slash = strchr(o->api_version, '/');

	snprintf(text, K8S_GROUP_SIZE, "%.*s", slash ? (int)(slash - o->api_version) : 0,
		o->api_version);
	return text;
}
