/* Read `registries:` of a list (registry_conf.h). Before `files:`, whose addresses are checked
 * against it. */
#include "mirror-tool/list/section.h"
#include "storage/base/banned.h"

static int read(struct list_reader *r, const struct node *root, struct err *e)
{
	const struct node *map = NULL;

	if (node_map(r->doc, root, "registries", OPTIONAL, &map, e) < 0)
		return -1;
	return registry_confs_read(&r->list->registries, r->doc, map, e);
}

static void release(struct list *l)
{
	registry_confs_release(&l->registries);
}

const struct section section_registries = { .key = "registries", .read = read, .release = release };
