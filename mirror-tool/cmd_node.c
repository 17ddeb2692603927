/*
 * `moat node config`: the hosts of the active sets -> configuration of a container runtime, printed or merged into a
 * root directory. Must never write a file before all of them were judged.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "mirror-tool/node/node.h"
#include "mirror-tool/node/node_hosts.h"
#include "mirror-tool/report.h"
#include "mirror-tool/sign/passphrase.h"
#include "mirror-tool/tool.h"
#include "storage/base/fs.h"
#include "storage/store.h"
#include "storage/base/banned.h"

#define BACKUP ".before-moat"

#define NODE_CONFIG_OPTIONS(OPTION, S)                                                             \
	OPTION(S, TEXT, runtime, "runtime", "NAME", NULL,                                          \
		"containerd, crio, podman, docker or k3s")                                         \
	OPTION(S, TEXT, server, "server", "URL", NULL,                                             \
		"where moatd is, as the nodes see it: https://HOST[:PORT]")                        \
	OPTION(S, TEXT, ca, "ca", "FILE", NULL,                                                    \
		"PEM of the CA that signed the server's certificate")                              \
	OPTION(S, TEXT, user, "user", "NAME", NULL, "the user the nodes log in as")                \
	OPTION(S, TEXT, password_file, "password-file", "FILE", NULL,                              \
		"the password of --user, in the first line")                                       \
	OPTION(S, TEXT, client_cert, "client-cert", "FILE", NULL,                                  \
		"PEM of the nodes' certificate and its key")                                       \
	OPTION(S, TEXT, write, "write", "ROOT", NULL,                                              \
		"merge the files into this root, to be copied to nodes, instead of printing")
struct node_options {
	NODE_CONFIG_OPTIONS(SETTING_FIELD, node_options)
};
static const struct setting options[] = { NODE_CONFIG_OPTIONS(SETTING_ROW, node_options) };

/* --- what is wanted ---------------------------------------------------------------------------- */

static int add_host(void *ctx, const char *name, struct err *e)
{
	(void)e;
	texts_add(ctx, name);
	return 0;
}

static int read_hosts(const struct tool *t, struct texts *hosts, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;

	if (tool_store_read(t, &s, e) < 0 || list_hosts(s, add_host, hosts, e) < 0)
		return -1;
	if (hosts->count == 0)
		tool_warn("%s: no active set names an upstream host", t->store);
	return 0;
}

/* --- logins ------------------------------------------------------------------------------------- */

static int check_login(const struct node_options *o, struct err *e)
{
	bool secret = o->password_file || o->client_cert;

	if (!o->user != !o->password_file)
		return tool_usage(e, "--user and --password-file go together");
	if (secret && !o->write)
		return tool_usage(
			e, "--write ROOT is needed with a login: secrets are not printed");
	for (const char *c = o->user; c && *c; c++)
		if (*c == ':' || (unsigned char)*c <= ' ' || *c == 0x7f)
			return tool_usage(e, "--user: not a valid name of a user");
	if (o->user && !*o->user)
		return tool_usage(e, "--user: a name is needed");
	return 0;
}

static int read_password(
	const struct node_options *o, struct node_settings *s, struct buf *out, struct err *e)
{
	struct passphrase_source source = { .file = o->password_file };

	if (!o->user)
		return 0;
	if (passphrase_get(&source, "the password", false, out, e) < 0)
		return -1;
	s->user = o->user;
	s->password = out->data;
	return 0;
}

static int read_client(
	const struct node_options *o, struct node_settings *s, struct buf *client, struct err *e)
{
	int rc = o->client_cert ? fs_read_file(AT_FDCWD, o->client_cert, NODE_FILE_MAX, client, e)
				: 1;

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_ABSENT, "%s: no such file", o->client_cert);
	if (o->client_cert && s->plain_http)
		return err_set(
			e, ERR_INPUT, "--client-cert needs a server with https, not %s", s->server);
	if (o->client_cert && (!strstr(client->data, "-----BEGIN CERTIFICATE-----") ||
				      !strstr(client->data, "PRIVATE KEY-----")))
		return err_set(e, ERR_INPUT,
			"%s: a CERTIFICATE and its PRIVATE KEY are needed, in one file",
			o->client_cert);
	s->client = buf_span(client);
	return 0;
}

static int read_ca(const struct node_settings *s, const char *path, struct buf *ca, struct err *e)
{
	int rc = fs_read_file(AT_FDCWD, path, NODE_FILE_MAX, ca, e);

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_ABSENT, "%s: no such file", path);
	if (!strstr(ca->data, "-----BEGIN CERTIFICATE-----"))
		return err_set(e, ERR_INPUT, "%s: no CERTIFICATE in it", path);
	if (s->plain_http)
		return err_set(e, ERR_INPUT, "--ca needs a server with https, not %s", s->server);
	return 0;
}

/* --- printing ---------------------------------------------------------------------------------- */

/* The next line of the notes, and *rest behind it; false: there is none. */
static bool next_note(struct span *rest, struct span *line)
{
	if (!rest->len)
		return false;
	*line = span_until(rest, '\n');
	return true;
}

static int report_files(const struct tool *t, struct node_files *files, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct span rest = buf_span(&files->notes), line;

	report_list(&r, NULL);
	for (size_t i = 0; i < files->count; i++) {
		struct node_file *f = &files->items[i];

		if (node_file_merge(f, (struct span){ NULL, 0 }, &text, e) < 0)
			return -1;
		report_object(&r, NULL);
		report_text(&r, "path", f->path);
		report_text(&r, "text", text.data);
		report_line(&r, "### %s", f->path);
		report_block(&r, text.data);
		report_line(&r, "%s", "");
		report_end(&r);
	}
	while (next_note(&rest, &line))
		report_line(&r, "# %.*s", (int)line.len, line.data);
	report_end(&r);
	return report_print(&r, e);
}

/* --- writing ----------------------------------------------------------------------------------- */

/* A file to write. */
struct change {
	char *path;
	struct buf text, have;
	bool needed, keep; /* keep: a backup of what is there */
	mode_t mode;
};

struct changes {
	struct change *items;
	size_t count;
};

static void changes_free(struct changes *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->items[i].path);
		secret_release(&c->items[i].text);
		secret_release(&c->items[i].have);
	}
	free(c->items);
}

/* Keep the mode of a file that exists, but close it to others when there is a secret in it now. */
static mode_t mode_of(const struct node_file *f, const char *path)
{
	struct stat st;
	mode_t have = stat(path, &st) == 0 ? st.st_mode & 0777 : 0644;

	return f->secret ? have & 0600 : have;
}

static bool is_shared(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & 0077);
}

static int judge(struct node_file *f, const char *root, struct change *c, struct err *e)
{
	struct span have = { NULL, 0 };
	int rc;

	*c = (struct change){ .text = BUF_INIT, .have = BUF_INIT };
	c->path = mem_printf("%s%s", strcmp(root, "/") == 0 ? "" : root, f->path);
	rc = fs_read_file(AT_FDCWD, c->path, NODE_FILE_MAX, &c->have, e);
	if (rc < 0)
		return -1;
	if (rc == 1)
		have = buf_span(&c->have);
	c->keep = rc == 1 && f->kind != NODE_OURS;
	rc = node_file_merge(f, have, &c->text, e);
	c->mode = mode_of(f, c->path);
	c->needed = rc == 1 || (f->secret && is_shared(c->path));
	return rc < 0 ? err_ctx(e, "%s", root) : 0;
}

/* Back up the file that was there before moat; never overwrite that backup. */
static int keep_backup(const struct change *c, struct err *e)
{
	AUTO(mem_free) char *path = mem_printf("%s%s", c->path, BACKUP);
	AUTO(fd_close) int fd = -1;
	uint64_t size;
	int rc = fs_open_file(AT_FDCWD, path, &fd, &size, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return fs_replace_file(AT_FDCWD, path, buf_span(&c->have), 0600, e);
}

static const char *change_name(const struct change *c)
{
	return !c->needed ? "unchanged" : c->keep ? "merged" : "written";
}

static int apply(const struct tool *t, const struct change *c, struct err *e)
{
	AUTO(mem_free) char *folder = mem_strdup(c->path);

	if (!c->needed) {
		tool_note(t, "%s: %s", c->path, change_name(c));
		return 0;
	}
	*strrchr(folder, '/') = '\0';
	if (fs_make_dirs(folder, 0755, e) < 0 || (c->keep && keep_backup(c, e) < 0) ||
		fs_replace_file(AT_FDCWD, c->path, buf_span(&c->text), c->mode, e) < 0)
		return -1;
	tool_note(t, "%s: %s%s", c->path, change_name(c),
		c->keep ? "; before: " BACKUP " beside it" : "");
	return 0;
}

static int report_changes(const struct tool *t, const struct changes *all, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);

	report_list(&r, NULL);
	for (size_t i = 0; i < all->count; i++) {
		report_object(&r, NULL);
		report_text(&r, "path", all->items[i].path);
		report_text(&r, "change", change_name(&all->items[i]));
		report_end(&r);
	}
	report_end(&r);
	return report_print(&r, e);
}

/* Read the file that serves as a model for hosts that are new. */
static int read_like(struct node_files *files, const char *root, struct buf *like, struct err *e)
{
	AUTO(mem_free) char *path = mem_printf("%s" NODE_CONTAINERD_DEFAULT, root);

	if (fs_read_file(AT_FDCWD, path, NODE_FILE_MAX, like, e) < 0)
		return -1;
	for (size_t i = 0; i < files->count; i++)
		if (files->items[i].hosts.server)
			files->items[i].hosts.like = buf_span(like);
	return 0;
}

static int write_files(
	const struct tool *t, struct node_files *files, const char *root, struct err *e)
{
	AUTO(changes_free) struct changes all = { NULL, 0 };
	AUTO(secret_release) struct buf like = BUF_INIT;
	struct span rest = buf_span(&files->notes), line;

	if (read_like(files, root, &like, e) < 0)
		return -1;
	all.items = mem_alloc(files->count * sizeof(*all.items));
	for (; all.count < files->count; all.count++)
		if (judge(&files->items[all.count], root, &all.items[all.count], e) < 0) {
			all.count++;
			return -1;
		}
	for (size_t i = 0; i < all.count; i++)
		if (apply(t, &all.items[i], e) < 0)
			return -1;
	while (!t->quiet && next_note(&rest, &line))
		fprintf(stderr, "# %.*s\n", (int)line.len, line.data);
	return report_changes(t, &all, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct node_options *o = given;
	AUTO(texts_release) struct texts hosts = { .items = NULL };
	AUTO(node_files_release) struct node_files files = NODE_FILES_INIT;
	AUTO(buf_release) struct buf ca = BUF_INIT;
	AUTO(secret_release) struct buf password = BUF_INIT;
	AUTO(secret_release) struct buf client = BUF_INIT;
	struct node_settings s = { .plain_http = false };

	if (args->count)
		return tool_usage(e, "node config takes no arguments");
	if (!o->runtime || !o->server)
		return tool_usage(e, "--runtime and --server are needed");
	if (check_login(o, e) < 0)
		return TOOL_USAGE;
	if (node_runtime_parse(o->runtime, &s.runtime, e) < 0 ||
		node_server_parse(&s, o->server, e) < 0)
		return TOOL_USAGE;
	if ((o->ca && read_ca(&s, o->ca, &ca, e) < 0) || read_password(o, &s, &password, e) < 0 ||
		read_client(o, &s, &client, e) < 0 || read_hosts(t, &hosts, e) < 0)
		return -1;
	s.hosts = hosts.items;
	s.host_count = hosts.count;
	s.ca = buf_span(&ca);
	node_files_make(&files, &s);
	if (!o->write)
		return report_files(t, &files, e);
	if (write_files(t, &files, o->write, e) < 0)
		return -1;
	node_hosts_remember(t, &hosts);
	return 0;
}

const struct command cmd_node_config = {
	.name = "node config",
	.args = "--runtime NAME --server URL [--ca FILE] [--write ROOT [LOGIN]]",
	.summary = "configuration of a container runtime that pulls from here",
	.about = "Redirects every upstream host of the active sets to the server and blocks the "
		 "real\n"
		 "one. Prints the files, or merges them into ROOT and keeps what others wrote "
		 "there.\n"
		 "Needs the store: run it on the server, with URL as nodes reach it, and copy ROOT "
		 "to\n"
		 "them.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct node_options),
	.run = run,
};
