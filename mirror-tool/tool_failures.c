/* What failed while the rest went on, told to people and turned into one exit status. */
#include "mirror-tool/list/failures.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

/* Their code when they share an exit status. */
static enum err_code code_of(const struct failures *f)
{
	for (size_t i = 1; i < f->count; i++)
		if (tool_exit_status(f->items[i].code) != tool_exit_status(f->items[0].code))
			return ERR_INCOMPLETE;
	return f->items[0].code;
}

int tool_failures(struct failures *f, size_t of, const char *things, struct err *e)
{
	if (!f->count)
		return 0;
	failures_sort(f);
	for (size_t i = 0; i < f->count; i++)
		tool_say("failed: %s: %s", f->items[i].item, f->items[i].text);
	return err_set(e, code_of(f), "%zu of %zu %s failed", f->count, of, things);
}
