/* Read and write scopes. Must never grant. */
#include "registry/access/scope.h"

#include "storage/base/banned.h"

void scope_add(struct buf *value, const char *path, unsigned actions)
{
	if (actions & ACTION_CATALOG) {
		buf_str(value, ",scope=\"registry:catalog:*\"");
		return;
	}
	if (!*path || !actions)
		return;
	buf_printf(value, ",scope=\"repository:%s:", path);
	buf_str(value, "pull");
	if (actions & ACTION_PUSH)
		buf_str(value, ",push");
	if (actions & ACTION_DELETE)
		buf_str(value, ",delete");
	buf_char(value, '"');
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode a value of a form; -1: it is none. */
static int form_value(struct span raw, struct buf *out)
{
	for (size_t i = 0; i < raw.len; i++) {
		int c = (unsigned char)raw.data[i];

		if (c == '+')
			c = ' ';
		if (c == '%') {
			if (raw.len - i < 3 || hex(raw.data[i + 1]) < 0 || hex(raw.data[i + 2]) < 0)
				return -1;
			c = hex(raw.data[i + 1]) * 16 + hex(raw.data[i + 2]);
			i += 2;
		}
		if (c < ' ' || c >= 0x7f)
			return -1;
		buf_char(out, (char)c);
	}
	return 0;
}

static unsigned actions_of(struct span list)
{
	unsigned actions = 0;

	while (list.len > 0) {
		struct span word = span_until(&list, ',');

		if (span_is(word, "pull"))
			actions |= ACTION_PULL;
		else if (span_is(word, "push"))
			actions |= ACTION_PUSH;
		else if (span_is(word, "delete"))
			actions |= ACTION_DELETE;
		else if (span_is(word, "*"))
			actions |= ACTION_PULL | ACTION_PUSH | ACTION_DELETE;
	}
	return actions;
}

int scope_read(struct span scope, struct grant *out)
{
	struct span rest = scope;
	struct span type = span_until(&rest, ':');
	const char *colon = rest.len ? memrchr(rest.data, ':', rest.len) : NULL;
	struct span name, list;

	if (!colon)
		return 0;
	name = (struct span){ rest.data, (size_t)(colon - rest.data) };
	list = (struct span){ colon + 1, rest.len - name.len - 1 };
	*out = (struct grant){ .actions = ACTION_CATALOG };
	if (span_is(type, "registry") && span_is(name, "catalog"))
		return 1;
	if (!span_is(type, "repository") || !ref_is_repo(name))
		return 0;
	memcpy(out->name, name.data, name.len);
	out->actions = actions_of(list);
	return 1;
}

/* Read the scopes. Each counts, granted or not: each is asked of all rules. */
int scope_each(struct span query, unsigned max, scope_fn *fn, void *ctx)
{
	unsigned read = 0;

	while (query.len > 0) {
		struct span value = span_until(&query, '&');
		struct span key = span_until(&value, '=');
		AUTO(buf_release) struct buf text = BUF_INIT;
		struct span scopes;

		if (!span_is(key, "scope")) /* account, client_id and what else clients send */
			continue;
		if (form_value(value, &text) < 0)
			return -1;
		scopes = buf_span(&text);
		while (scopes.len > 0 && read++ < max)
			fn(ctx, span_until(&scopes, ' '));
	}
	return 0;
}
