/* A tree -> YAML. Must never write a string bare that YAML 1.1 reads as a number, a truth value, a date or null. */
#include "mirror-tool/k8s/yaml_text.h"

#include <inttypes.h>
#include <strings.h>

#include "storage/base/banned.h"

#define BARE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"

/* It begins with a letter, has nothing that YAML gives a meaning, and is no word of YAML 1.1. */
static bool is_bare(const char *text)
{
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false",
		"null" };

	if (strspn(text, BARE) != strlen(text))
		return false;
	if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z')))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return false;
	return true;
}

static void write_string(const char *text, struct buf *out)
{
	if (is_bare(text))
		buf_str(out, text);
	else
		json_quote(out, text, false);
}

static void write_scalar(const struct node *n, struct buf *out)
{
	switch (n->kind) {
	case NODE_NULL:
		buf_str(out, "null");
		break;
	case NODE_BOOL:
		buf_str(out, n->number ? "true" : "false");
		break;
	case NODE_INT:
		buf_printf(out, "%" PRId64, n->number);
		break;
	case NODE_REAL:
		buf_str(out, n->text);
		break;
	case NODE_STRING:
		write_string(n->text, out);
		break;
	case NODE_LIST:
		buf_str(out, "[]");
		break;
	case NODE_MAP:
		buf_str(out, "{}");
		break;
	}
}

static void indent(unsigned columns, struct buf *out)
{
	buf_printf(out, "%*s", (int)columns, "");
}

static void write_value(const struct node *n, unsigned column, struct buf *out);

/* here: the first key stands behind what is on the line. */
static void write_map(const struct node *map, unsigned column, bool here, struct buf *out)
{
	node_each(n, map)
	{
		if (!here)
			indent(column, out);
		here = false;
		write_string(n->key, out);
		buf_char(out, ':');
		write_value(n, column, out);
	}
}

static void write_list(const struct node *list, unsigned column, struct buf *out)
{
	node_each(n, list)
	{
		indent(column, out);
		buf_char(out, '-');
		if (n->kind == NODE_MAP && n->count) {
			buf_char(out, ' ');
			write_map(n, column + 2, true, out);
		} else {
			write_value(n, column + 2, out);
		}
	}
}

/* What stands behind "key:" or "-". */
static void write_value(const struct node *n, unsigned column, struct buf *out)
{
	if (n->count) {
		buf_char(out, '\n');
		if (n->kind == NODE_MAP)
			write_map(n, column + 2, false, out);
		else
			write_list(n, column, out);
		return;
	}
	buf_char(out, ' ');
	write_scalar(n, out);
	buf_char(out, '\n');
}

void yaml_text(const struct node *map, struct buf *out)
{
	write_map(map, 0, false, out);
}
