/* Read settings of registries from a list (YAML) or a lock (JSON), and write them. */
#include "mirror-tool/list/registry_conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/list/place.h"
#include "storage/base/banned.h"

static void names_release(struct host_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

static int read_names(struct host_names *names, const struct doc *d, const struct node *map,
	const char *key, struct err *e)
{
	const struct node *list = NULL;
	int rc = node_list(d, map, key, OPTIONAL, &list, e);

	if (rc <= 0)
		return rc;
	if (list->count > REGISTRY_HOSTS_MAX)
		return node_err(d, list, e, "more than %d hosts", REGISTRY_HOSTS_MAX);
	names->items = mem_alloc(list->count * sizeof(*names->items));
	node_each(n, list)
	{
		if (n->kind != NODE_STRING)
			return node_err(d, n, e, "the name of a host is needed here");
		if (ref_check_host(span_of(n->text), e) < 0)
			return node_err(d, n, e, "%s", e->text);
		names->items[names->count++] = mem_strdup(n->text);
	}
	return 0;
}

/* Read the host as a reference would, so that index.docker.io is docker.io. */
static int read_host(
	struct registry_conf *c, const struct doc *d, const struct node *n, struct err *e)
{
	AUTO(mem_free) char *text = mem_printf("%s/x", n->key);
	struct ref r;

	if (ref_check_host(span_of(n->key), e) < 0 || ref_parse(&r, span_of(text), e) < 0)
		return node_err(d, n, e, "%s", e->text);
	if (strcmp(r.repo, "x") != 0 && strcmp(r.repo, "library/x") != 0)
		return node_err(d, n, e, "a host has a dot or a port, or is localhost");
	memcpy(c->host, r.host, sizeof(c->host));
	return 0;
}

static int read_source(
	struct registry_conf *c, const struct doc *d, const struct node *n, struct err *e)
{
	const char *text = NULL;
	int rc = node_string(d, n, "source", OPTIONAL, &text, e);

	if (rc <= 0)
		return rc;
	if (place_check_prefix(text, e) < 0)
		return node_err(d, node_get(n, "source"), e, "%s", e->text);
	c->source = mem_strdup(text);
	return 0;
}

static int read_one(
	struct registry_conf *c, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "plain-http", "connections", "stop-below", "realms",
		"source", NULL };
	int64_t connections = 0, stop_below = 0;

	if (read_host(c, d, n, e) < 0 || node_only(d, n, known, e) < 0 ||
		node_bool(d, n, "plain-http", OPTIONAL, &c->plain_http, e) < 0 ||
		node_int(d, n, "connections", OPTIONAL, 1, REGISTRY_CONNECTIONS_MAX, &connections,
			e) < 0 ||
		node_int(d, n, "stop-below", OPTIONAL, 0, REGISTRY_STOP_BELOW_MAX, &stop_below, e) <
			0)
		return -1;
	c->connections = (unsigned)connections;
	c->stop_below = (unsigned)stop_below;
	return read_source(c, d, n, e) < 0 ? -1 : read_names(&c->realms, d, n, "realms", e);
}

static int host_cmp(const void *a, const void *b)
{
	const struct registry_conf *left = a, *right = b;

	return strcmp(left->host, right->host);
}

static int read_all(
	struct registry_confs *c, const struct doc *d, const struct node *map, struct err *e)
{
	c->items = mem_alloc(map->count * sizeof(*c->items));
	node_each(n, map)
	{
		if (read_one(&c->items[c->count++], d, n, e) < 0)
			return -1;
		if (registry_conf_find(c, c->items[c->count - 1].host) != &c->items[c->count - 1])
			return node_err(d, n, e, "%s is there twice", c->items[c->count - 1].host);
	}
	if (c->count)
		qsort(c->items, c->count, sizeof(*c->items), host_cmp);
	return 0;
}

int registry_confs_read(
	struct registry_confs *c, const struct doc *d, const struct node *map, struct err *e)
{
	*c = (struct registry_confs){ NULL, 0 };
	if (!map || read_all(c, d, map, e) == 0)
		return 0;
	registry_confs_release(c);
	return -1;
}

static void write_names(const struct host_names *names, const char *key, struct buf *out)
{
	if (!names->count)
		return;
	buf_printf(out, "\"%s\":[", key);
	for (size_t i = 0; i < names->count; i++) {
		buf_str(out, i ? "," : "");
		json_quote(out, names->items[i], false);
	}
	buf_str(out, "],");
}

static void write_one(const struct registry_conf *c, struct buf *out)
{
	json_quote(out, c->host, false);
	buf_str(out, ":{");
	if (c->plain_http)
		buf_str(out, "\"plain-http\":true,");
	if (c->connections)
		buf_printf(out, "\"connections\":%u,", c->connections);
	if (c->stop_below)
		buf_printf(out, "\"stop-below\":%u,", c->stop_below);
	if (c->source) {
		buf_str(out, "\"source\":");
		json_quote(out, c->source, false);
		buf_char(out, ',');
	}
	write_names(&c->realms, "realms", out);
	if (out->data[out->len - 1] == ',')
		buf_cut(out, out->len - 1);
	buf_char(out, '}');
}

void registry_confs_write(const struct registry_confs *c, struct buf *out)
{
	buf_char(out, '{');
	for (size_t i = 0; i < c->count; i++) {
		if (i)
			buf_char(out, ',');
		write_one(&c->items[i], out);
	}
	buf_char(out, '}');
}

static struct host_names names_copy(const struct host_names *from)
{
	struct host_names names = { mem_alloc(from->count * sizeof(*names.items)), from->count };

	for (size_t i = 0; i < from->count; i++)
		names.items[i] = mem_strdup(from->items[i]);
	return names;
}

void registry_confs_copy(struct registry_confs *to, const struct registry_confs *from)
{
	*to = (struct registry_confs){ mem_alloc(from->count * sizeof(*to->items)), from->count };
	for (size_t i = 0; i < from->count; i++) {
		to->items[i] = from->items[i];
		to->items[i].realms = names_copy(&from->items[i].realms);
		to->items[i].source =
			from->items[i].source ? mem_strdup(from->items[i].source) : NULL;
	}
}

void registry_confs_release(struct registry_confs *c)
{
	for (size_t i = 0; i < c->count; i++) {
		names_release(&c->items[i].realms);
		free(c->items[i].source);
	}
	free(c->items);
	*c = (struct registry_confs){ NULL, 0 };
}

const struct registry_conf *registry_conf_find(const struct registry_confs *c, const char *host)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->items[i].host, host) == 0)
			return &c->items[i];
	return NULL;
}
