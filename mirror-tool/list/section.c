/* What the sections of a list share. */
#include "mirror-tool/list/section.h"

#include "storage/base/banned.h"

int section_ref(
	struct ref *r, const struct doc *d, const struct node *n, const char *text, struct err *e)
{
	if (ref_parse(r, span_of(text), e) < 0)
		return node_err(d, n, e, "%s", e->text);
	return 0;
}

void entry_put(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "\n%s %zu %s", key, strlen(value), value);
}

void entry_put_platform(struct buf *out, const struct platform *p)
{
	char text[PLATFORM_TEXT_SIZE];

	entry_put(out, "platform", platform_text(p, text));
}
