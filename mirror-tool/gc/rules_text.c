/* Rules of versions -> a sentence. */
#include "mirror-tool/gc/rules_text.h"

#include <inttypes.h>

#include "storage/base/banned.h"

void rules_text(const struct gc_rules *r, struct buf *out)
{
	if (!r->keep_versions && !r->keep_days)
		return;
	buf_str(out, "`moat gc` keeps of each set ");
	if (r->keep_versions > 1)
		buf_printf(out, "the %" PRId64 " newest versions, ", r->keep_versions);
	else
		buf_str(out, "the newest version, ");
	if (r->keep_days)
		buf_printf(out, "what was accepted within %" PRId64 " day%s, ", r->keep_days,
			r->keep_days == 1 ? "" : "s");
	buf_str(out, "what is active and what a rollback goes to");
}
