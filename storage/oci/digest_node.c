/* A member of a tree -> a digest. Pure. */
#include "storage/oci/digest_node.h"

#include "storage/base/banned.h"

int node_digest(const struct doc *d, const struct node *map, const char *key, struct digest *out,
	struct err *e)
{
	const char *text = NULL;
	struct err why = ERR_INIT;

	if (node_string(d, map, key, REQUIRED, &text, e) < 0)
		return -1;
	if (digest_parse(out, span_of(text), &why) == 0)
		return 0;
	return node_err(d, node_get(map, key), e, "%.200s", why.text);
}
