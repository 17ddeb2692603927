/* The keys of verbs that judge sets. */
#include "mirror-tool/sign/sign.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

int tool_trust_load(struct trust *t, const struct texts *keys, struct err *e)
{
	if (trust_load(t, keys->items, keys->count, e) < 0)
		return -1;
	for (size_t i = 0; i < t->count && t->count > 1; i++)
		if (verify_key_text(t->keys[i])->set_count == 0)
			tool_warn(
				"%s may sign every set; a line \"sets: NAME, NAME-*\" in front of "
				"its BEGIN says which",
				verify_key_name(t->keys[i]));
	return 0;
}
