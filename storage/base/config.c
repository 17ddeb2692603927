/* Configuration tables. Must never fall back to a default on a value that it cannot read. */
#include "storage/base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define CONFIG_FILE_MAX (1u << 20)

static void *field(const struct config_key *key, void *config)
{
	return (char *)config + key->offset;
}

static void strings_release(struct config_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
	*s = (struct config_strings){ .items = NULL };
}

static void strings_add(struct config_strings *s, const char *text)
{
	s->items = mem_grow(s->items, s->count + 1, sizeof(*s->items));
	s->items[s->count++] = mem_strdup(text);
}

static int set_int(const struct config_key *key, int64_t *out, const char *value, const char *where,
	struct err *e)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (errno || end == value || *end)
		return err_set(
			e, ERR_INPUT, "%s: %s: \"%s\" is not a number", where, key->key, value);
	if (n < key->min || n > key->max)
		return err_set(e, ERR_INPUT, "%s: %s: %lld is not between %lld and %lld %s", where,
			key->key, n, (long long)key->min, (long long)key->max, key->unit);
	*out = n;
	return 0;
}

static int set_bool(const struct config_key *key, bool *out, const char *value, const char *where,
	struct err *e)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "on", true }, { "off", false }, { "yes", true }, { "no", false },
		{ "true", true }, { "false", false } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].word, value) == 0) {
			*out = words[i].value;
			return 0;
		}
	}
	return err_set(
		e, ERR_INPUT, "%s: %s: \"%s\" is neither on nor off", where, key->key, value);
}

int config_set(const struct config_key *key, void *config, const char *value, bool append,
	const char *where, struct err *e)
{
	void *at = field(key, config);

	switch (key->type) {
	case CONFIG_INT:
		return set_int(key, at, value, where, e);
	case CONFIG_BOOL:
		return set_bool(key, at, value, where, e);
	case CONFIG_STRINGS:
		if (!append)
			strings_release(at);
		strings_add(at, value);
		((struct config_strings *)at)->given = true;
		return 0;
	case CONFIG_STRING:
		free(*(char **)at);
		*(char **)at = mem_strdup(value);
		return 0;
	}
	BUG("config type %d", (int)key->type);
}

void config_init(const struct config_key table[], size_t count, void *config)
{
	struct err e;

	for (size_t i = 0; i < count; i++) {
		void *at = field(&table[i], config);

		if (table[i].type == CONFIG_STRINGS)
			*(struct config_strings *)at = (struct config_strings){ .items = NULL };
		else if (table[i].type == CONFIG_STRING)
			*(char **)at = NULL;
		if (table[i].initial &&
			config_set(&table[i], config, table[i].initial, false, "default", &e) < 0)
			BUG("%s", e.text);
		if (table[i].type == CONFIG_STRINGS)
			((struct config_strings *)at)->given = false;
	}
}

void config_release(const struct config_key table[], size_t count, void *config)
{
	for (size_t i = 0; i < count; i++) {
		void *at = field(&table[i], config);

		if (table[i].type == CONFIG_STRINGS) {
			strings_release(at);
		} else if (table[i].type == CONFIG_STRING) {
			free(*(char **)at);
			*(char **)at = NULL;
		}
	}
}

const struct config_key *config_find(const struct config_key table[], size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].key, key) == 0)
			return &table[i];
	return NULL;
}

static int set_from_node(const struct doc *d, const struct config_key *key, void *config,
	const struct node *n, struct err *e)
{
	AUTO(mem_free) char *where = mem_printf("%s:%u", d->name, n->line);
	bool append = false;

	if (key->type == CONFIG_STRINGS && n->kind == NODE_LIST) {
		strings_release(field(key, config));
		node_each(item, n)
		{
			if (item->kind >= NODE_LIST || item->kind == NODE_NULL)
				return node_err(d, item, e, "a string is needed here");
			if (config_set(key, config, item->text, append, where, e) < 0)
				return -1;
			append = true;
		}
		return 0;
	}
	if (n->kind >= NODE_LIST || n->kind == NODE_NULL)
		return node_err(d, n, e, "one value is needed here");
	return config_set(key, config, n->text, false, where, e);
}

int config_read(const struct config_key table[], size_t count, void *config, const char *path,
	struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	int rc = fs_read_file(AT_FDCWD, path, CONFIG_FILE_MAX, &text, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: no such file", path);
	if (rc < 0 || yaml_parse(&d, path, buf_span(&text), e) < 0)
		return -1;
	if (d.root->kind == NODE_NULL)
		return 0; /* every key is a comment */
	if (d.root->kind != NODE_MAP)
		return node_err(&d, d.root, e, "\"key: value\" lines are needed here");
	node_each(n, d.root)
	{
		const struct config_key *key = config_find(table, count, n->key);

		if (!key)
			return node_err(&d, n, e, "unknown key");
		if (set_from_node(&d, key, config, n, e) < 0)
			return -1;
	}
	return 0;
}

static const char *type_name(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_INT:
		return "number";
	case CONFIG_BOOL:
		return "on or off";
	case CONFIG_STRINGS:
		return "list";
	default:
		return "text";
	}
}

void config_describe(const struct config_key table[], size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct config_key *k = &table[i];

		buf_printf(out, "%s# %s\n# %s", i ? "\n" : "", k->help, type_name(k));
		if (k->type == CONFIG_INT)
			buf_printf(out, ", %lld to %lld%s%s", (long long)k->min, (long long)k->max,
				*k->unit ? " " : "", k->unit);
		buf_printf(out, "\n#%s: %s\n", k->key, k->initial ? k->initial : "");
	}
}
