/* A view of what the command line names. Must never write. */
#include "mirror-tool/view_open.h"
#include "storage/base/banned.h"

int view_open(struct tool *t, const struct texts *from, struct view *view, struct store **s,
	struct err *e)
{
	if (from->count && t->store_given)
		return tool_usage(e, "--store and --from exclude each other");
	if (from->count)
		return view_medium(view, from->items, from->count, e);
	if (tool_store_read(t, s, e) < 0)
		return -1;
	return view_store(view, *s, e);
}
