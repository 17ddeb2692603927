/* Steps -> manifests and a script. Must never let a name from a manifest be more than a word of the script or a path. */
#include "mirror-tool/rollout_files.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define NAME_PART_MAX 80 /* bytes of a namespace or name in the name of a file */

static const char *const verbs[] = { "create", "update", "delete" };
static const char *const commands[] = { "create", "replace", "delete" };

static const struct k8s_object *object_of(const struct rollout_change *c)
{
	return c->is ? c->is : c->was;
}

static bool has_namespace(const struct k8s_object *o)
{
	return strcmp(o->kind, "NetworkPolicy") == 0 || strcmp(o->kind, "CiliumNetworkPolicy") == 0;
}

void rollout_name(const struct k8s_object *o, struct buf *out)
{
	buf_printf(out, "%s %s%s%s", o->kind, has_namespace(o) ? namespace_of(o) : "",
		has_namespace(o) ? "/" : "", o->name);
}

/* --- JSON --------------------------------------------------------------------------------------------- */

static const char *const of_server[] = { "creationTimestamp", "generation", "managedFields",
	"resourceVersion", "selfLink", "uid" };

/* Is it left out: the value of a key that is there again, or what a server added? */
static bool is_left_out(const struct node *n, unsigned depth)
{
	if (!n->key)
		return false;
	for (const struct node *later = n->next; later; later = later->next)
		if (strcmp(later->key, n->key) == 0)
			return true;
	if (depth == 1)
		return strcmp(n->key, "status") == 0 || strcmp(n->key, "apiVersion") == 0 ||
		       strcmp(n->key, "kind") == 0;
	if (depth != 2 || strcmp(n->up->key, "metadata") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(of_server); i++)
		if (strcmp(n->key, of_server[i]) == 0)
			return true;
	return false;
}

static void write_scalar(const struct node *n, struct buf *out)
{
	if (n->kind == NODE_NULL)
		buf_str(out, "null");
	else if (n->kind == NODE_BOOL)
		buf_str(out, n->number ? "true" : "false");
	else if (n->kind == NODE_INT)
		buf_printf(out, "%lld", (long long)n->number);
	else if (n->kind == NODE_REAL && isfinite(strtod(n->text, NULL)))
		buf_printf(out, "%.17g", strtod(n->text, NULL));
	else
		json_quote(out, n->text, false);
}

static void write_node(const struct node *n, unsigned depth, struct buf *out);

/* Children of a map or list; sep: in front of the first. Returns whether there was any. */
static bool write_children(const struct node *n, unsigned depth, const char *sep, struct buf *out)
{
	bool any = false;

	node_each(child, n)
	{
		if (is_left_out(child, depth))
			continue;
		buf_printf(out, "%s\n%*s", any ? "," : sep, (int)(2 * depth), "");
		if (child->key) {
			json_quote(out, child->key, false);
			buf_str(out, ": ");
		}
		write_node(child, depth, out);
		any = true;
	}
	return any;
}

/* depth: of the node; 0 is the object. */
static void write_node(const struct node *n, unsigned depth, struct buf *out)
{
	const char *open = n->kind == NODE_MAP ? "{" : "[",
		   *close = n->kind == NODE_MAP ? "}" : "]";

	if (n->kind != NODE_MAP && n->kind != NODE_LIST)
		write_scalar(n, out);
	else if (write_children(n, depth + 1, open, out))
		buf_printf(out, "\n%*s%s", (int)(2 * depth), "", close);
	else
		buf_printf(out, "%s%s", open, close);
}

/* The item of a list need not say what it is. */
static void write_object(const struct k8s_object *o, struct buf *out)
{
	buf_str(out, "{\n  \"apiVersion\": ");
	json_quote(out, o->api_version, false);
	buf_str(out, ",\n  \"kind\": ");
	json_quote(out, o->kind, false);
	write_children(o->root, 1, ",", out);
	buf_str(out, "\n}\n");
}

/* --- files ---------------------------------------------------------------------------------------------- */

static void add_part(struct buf *out, const char *text)
{
	buf_char(out, '-');
	for (size_t i = 0; i < NAME_PART_MAX && text[i]; i++)
		buf_char(out,
			isalnum((unsigned char)text[i]) || strchr(".-", text[i]) ? text[i] : '_');
}

static void file_name(const struct rollout_change *c, size_t number, struct buf *out)
{
	const struct k8s_object *o = object_of(c);

	buf_printf(out, "%02zu-%s", number, verbs[c->action]);
	if (has_namespace(o))
		add_part(out, namespace_of(o));
	add_part(out, o->name);
	buf_str(out, ".yaml");
}

/* One word of the shell. */
static void add_word(struct buf *out, const char *text)
{
	buf_str(out, " '");
	for (; *text; text++) {
		if (*text == '\'')
			buf_str(out, "'\\''");
		else
			buf_char(out, *text);
	}
	buf_char(out, '\'');
}

/* KIND.VERSION.GROUP: kinds of one name are of several groups. */
static void add_kind(struct buf *out, const struct k8s_object *o)
{
	char group[K8S_GROUP_SIZE];
	const char *slash = strchr(o->api_version, '/');
	AUTO(mem_free)
	char *kind = mem_printf(
		"%s.%s.%s", o->kind, slash ? slash + 1 : o->api_version, k8s_group(o, group));

	add_word(out, kind);
}

static void add_command(struct buf *out, const struct rollout_change *c, const char *file)
{
	const struct k8s_object *o = object_of(c);

	buf_printf(out, "kubectl %s", commands[c->action]);
	if (has_namespace(o)) {
		buf_str(out, " --namespace");
		add_word(out, namespace_of(o));
	}
	buf_str(out, c->action == ROLLOUT_DELETE ? " --" : " -f");
	if (c->action == ROLLOUT_DELETE) {
		add_kind(out, o);
		add_word(out, o->name);
	} else {
		add_word(out, file);
	}
	buf_char(out, '\n');
}

static int create(int dir, const char *folder, const char *name, struct span bytes, mode_t mode,
	struct err *e)
{
	int rc = fs_create_file(dir, name, bytes, mode, e);

	if (rc == 0)
		return err_set(e, ERR_INPUT, "%s/%s is there already", folder, name);
	return rc < 0 ? -1 : 0;
}

static int write_step(const struct rollout *p, const struct rollout_step *s, size_t number, int dir,
	const char *folder, struct buf *script, struct err *e)
{
	AUTO(buf_release) struct buf name = BUF_INIT, text = BUF_INIT;
	const struct rollout_change *c = &p->changes[s->change];

	file_name(c, number, &name);
	if (s->faults)
		buf_printf(script, "# step %zu leaves a state that should not be: see the plan\n",
			number);
	add_command(script, c, name.data);
	if (c->action == ROLLOUT_DELETE)
		return 0;
	write_object(c->is, &text);
	return create(dir, folder, name.data, buf_span(&text), 0644, e);
}

static int open_empty(const char *folder, struct err *e)
{
	AUTO(fs_names_free) struct fs_names names = { .count = 0 };
	AUTO(fd_close) int dir = -1;
	int out;

	if (fs_make_dirs(folder, 0755, e) < 0)
		return -1;
	dir = fs_open_dir(folder, e);
	if (dir < 0 || fs_list(dir, &names, e) < 0)
		return -1;
	if (names.count)
		return err_set(e, ERR_INPUT, "%s is not empty", folder);
	out = dir;
	dir = -1;
	return out;
}

int rollout_write(const struct rollout *p, const struct rollout_step *steps, const char *folder,
	struct err *e)
{
	AUTO(buf_release) struct buf script = BUF_INIT;
	AUTO(fd_close) int dir = open_empty(folder, e);

	if (dir < 0)
		return -1;
	buf_str(&script, "#!/bin/sh\nset -eu\ncd \"$(dirname \"$0\")\"\n");
	for (size_t i = 0; i < p->count; i++)
		if (write_step(p, &steps[i], i + 1, dir, folder, &script, e) < 0)
			return -1;
	return create(dir, folder, "apply.sh", buf_span(&script), 0755, e);
}
