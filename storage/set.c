/* Sets in the store: finding, listing. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/banned.h"

int set_signatures(struct store *s, const struct digest *set, struct set_signature **sigs,
	size_t *count, struct err *e)
{
	return META(s, signatures, set, sigs, count, e);
}
