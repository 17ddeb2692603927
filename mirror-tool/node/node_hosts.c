/* The hosts that nodes know. Must never make a switch fail. */
#include "mirror-tool/node/node_hosts.h"

#include "storage/base/fs.h"
#include "storage/store.h"
#include "storage/base/banned.h"

static int write_hosts(const char *store, struct span text, struct err *e)
{
	AUTO(fd_close) int dir = fs_open_dir(store, e);

	return dir < 0 ? -1 : fs_replace_file(dir, NODE_HOSTS, text, 0644, e);
}

void node_hosts_remember(const struct tool *t, const struct texts *hosts)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	buf_str(&text, "");
	for (size_t i = 0; i < hosts->count; i++)
		buf_printf(&text, "%s\n", hosts->items[i]);
	if (write_hosts(t->store, buf_span(&text), &e) < 0)
		tool_note(t, "`moat activate` will not tell which hosts nodes lack: %s", e.text);
}

struct lacking {
	const struct buf *known;
	struct buf names; /* with commas between */
	size_t count;
};

static void lacking_release(struct lacking *l)
{
	buf_release(&l->names);
}

static bool is_known(const struct lacking *l, const char *host)
{
	for (struct span rest = buf_span(l->known); rest.len;)
		if (span_is(span_until(&rest, '\n'), host))
			return true;
	return false;
}

static int add_lacking(void *ctx, const char *host, struct err *e)
{
	struct lacking *l = ctx;

	(void)e;
	if (!is_known(l, host))
		buf_printf(&l->names, "%s%s", l->count++ ? ", " : "", host);
	return 0;
}

int node_hosts_note(const struct tool *t, struct store *s, struct err *e)
{
	AUTO(buf_release) struct buf known = BUF_INIT;
	AUTO(lacking_release) struct lacking l = { .known = &known, .names = BUF_INIT };
	AUTO(fd_close) int dir = fs_open_dir(t->store, e);
	struct err unread = ERR_INIT;

	if (dir < 0)
		return -1;
	if (fs_read_file(dir, NODE_HOSTS, NODE_HOSTS_MAX, &known, &unread) <= 0)
		return 0;
	if (list_hosts(s, add_lacking, &l, e) < 0)
		return -1;
	if (l.count)
		tool_warn(
			"the configuration of nodes that was written last lacks %zu host%s of the "
			"active sets: %s; write it again: `moat node config --write`",
			l.count, l.count == 1 ? "" : "s", l.names.data);
	return 0;
}
