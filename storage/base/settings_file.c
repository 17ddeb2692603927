/* Files of settings, and the file that describes them. */
#include "storage/base/settings.h"

#include <fcntl.h>

#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define FILE_MAX (1u << 20) /* bytes */

/* One value of the node at hand. */
static int read_one(const struct doc *d, const struct settings *s, const struct setting *of,
	const struct node *n, bool replace, struct err *e)
{
	if (n->kind >= NODE_LIST || n->kind == NODE_NULL)
		return node_err(d, n, e,
			of->type == SETTING_TEXTS ? "a string is needed here"
						  : "one value is needed here");
	if (setting_read(s, of, n->text, replace, e) < 0)
		return err_ctx(e, "%s:%u: %s", d->name, n->line, of->name);
	return 0;
}

static int read_list(const struct doc *d, const struct settings *s, const struct setting *of,
	const struct node *n, struct err *e)
{
	bool first = true;

	if (!n->count)
		texts_release((struct texts *)((char *)s->values + of->offset));
	node_each(item, n)
	{
		if (read_one(d, s, of, item, first, e) < 0)
			return -1;
		first = false;
	}
	return 0;
}

static int read_node(
	const struct doc *d, const struct settings *s, const struct node *n, struct err *e)
{
	const struct setting *of = setting_find(s, n->key, strlen(n->key));
	const char *best;

	if (of && of->type == SETTING_TEXTS && n->kind == NODE_LIST)
		return read_list(d, s, of, n, e);
	if (of)
		return read_one(d, s, of, n, true, e);
	best = setting_nearest(s, n->key);
	return node_err(d, n, e, best ? "unknown key; did you mean %s?" : "unknown key%s",
		best ? best : "");
}

int settings_read_file(const struct settings *s, const char *path, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	int rc = fs_read_file(AT_FDCWD, path, FILE_MAX, &text, e);

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
		if (read_node(&d, s, n, e) < 0)
			return -1;
	}
	return 0;
}

/* --- the description -------------------------------------------------------------------------- */

static void add_words(const struct setting *of, struct buf *out)
{
	for (const char *const *word = of->words; *word; word++)
		buf_printf(out, "%s%s", word == of->words ? "" : " or ", *word);
}

static void add_limits(const struct setting *of, const char *unit, struct buf *out)
{
	const char *blank = *unit ? " " : "";

	if (of->max)
		buf_printf(out, ", %llu to %llu%s%s", (unsigned long long)of->min,
			(unsigned long long)of->max, blank, unit);
	else if (of->min)
		buf_printf(out, ", at least %llu%s%s", (unsigned long long)of->min, blank, unit);
}

static void add_type(const struct setting *of, struct buf *out)
{
	switch (of->type) {
	case SETTING_FLAG:
	case SETTING_BOOL:
		buf_str(out, "on or off");
		return;
	case SETTING_TEXT:
		buf_str(out, "text");
		return;
	case SETTING_PATH:
		buf_str(out, "path");
		return;
	case SETTING_WORD:
		add_words(of, out);
		return;
	case SETTING_TEXTS:
		buf_str(out, "list");
		return;
	case SETTING_COUNT:
		buf_str(out, "number");
		add_limits(of, of->unit ? of->unit : "", out);
		return;
	case SETTING_SIZE:
		buf_str(out, "size (512, 64K, 700MB, 4GiB)");
		add_limits(of, of->unit ? of->unit : "bytes", out);
		return;
	case SETTING_DURATION:
		buf_str(out, "time (90, 90s, 15m, 12h, 30d)");
		add_limits(of, "seconds", out);
		return;
	}
}

void settings_describe(const struct setting table[], size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct setting *of = &table[i];

		buf_printf(out, "%s# %s\n# ", i ? "\n" : "", of->help);
		add_type(of, out);
		buf_printf(out, "\n#%s: %s\n", of->name, of->initial ? of->initial : "");
	}
}
