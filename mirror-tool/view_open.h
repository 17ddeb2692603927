/* What the commands that look at a store or a medium share. */
#ifndef MOAT_VIEW_OPEN_H
#define MOAT_VIEW_OPEN_H

#include "mirror-tool/tool.h"
#include "mirror-tool/view/view.h"

/* View the medium at these paths, or without one the store of the command, which is *s then: store_close() behind
 * view_release(). TOOL_USAGE: both were named. */
MUST int view_open(struct tool *t, const struct texts *from, struct view *view, struct store **s,
	struct err *e);

#endif
