/* Reckon what an export leaves out. Must never leave out what no base is known to hold. */
#include "mirror-tool/media/delta.h"

#include "mirror-tool/media/contents.h"
#include "storage/base/banned.h"

void delta_release(struct delta *d)
{
	inventory_release(&d->blobs);
	inventory_release(&d->lacking);
}

int delta_leave_set(struct delta *d, enum base_kind kind, struct store *s,
	const struct set_info *set, struct err *e)
{
	AUTO(inventory_release) struct inventory v = INVENTORY_INIT;

	d->base.kind = kind;
	if (set_inventory(s, &set->digest, &v, e) < 0)
		return err_ctx(e, "set %s %s", set->name, set->version);
	for (size_t i = 0; i < v.count; i++)
		inventory_add(&d->blobs, &v.lines[i].digest, v.lines[i].size);
	return base_add(&d->base, set->name, set->version, &set->digest, e);
}

void delta_ready(struct delta *d)
{
	inventory_sort(&d->blobs);
	inventory_sort(&d->lacking);
}

bool delta_carries(const struct delta *d, const struct digest *blob)
{
	bool listed = d->base.kind != BASE_NONE && inventory_find(&d->blobs, blob) != NULL;

	if (d->base.kind == BASE_NEED)
		return listed;
	return !listed || inventory_find(&d->lacking, blob);
}
