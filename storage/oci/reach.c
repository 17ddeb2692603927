/* The bookkeeping of walks. Must never depend on the order in which things are reached. */
#include "storage/oci/reach.h"

#include <stdlib.h>

#include "storage/base/banned.h"

static void reached_done(void *item)
{
	free(((struct reached *)item)->media_type);
}

void reach_init(struct digest_map *reached)
{
	*reached = (struct digest_map){ .done = reached_done };
}

struct reached *reach_blob(struct digest_map *reached, const struct descriptor *d, struct err *e)
{
	struct reached *at = digest_map_add(reached, &d->digest, sizeof(*at));
	char text[DIGEST_TEXT_SIZE];

	if (at->state != REACHED_HELD)
		at->size = d->size;
	if (at->size == d->size)
		return at;
	err_set(e, ERR_INPUT, "%s is listed with %llu bytes and with %llu",
		digest_text(&d->digest, text), (unsigned long long)at->size,
		(unsigned long long)d->size);
	return NULL;
}

/* An index that was entered, on a path of another length. */
static enum reach reach_again(struct reached *at, const char *type, unsigned depth)
{
	if (media_kind_of(type) == MEDIA_IMAGE)
		return REACH_NOTHING;
	if (depth > at->depth) {
		at->depth = depth;
		return REACH_DEEPER;
	}
	if (!at->cut || depth >= at->least)
		return REACH_NOTHING;
	at->least = depth;
	return REACH_SHORTER;
}

int reach_manifest(struct reached *at, const struct descriptor *d, unsigned depth, enum reach *out,
	struct err *e)
{
	const char *type = d->media_type ? d->media_type : "";
	char text[DIGEST_TEXT_SIZE];

	*out = REACH_NOTHING;
	if (!at->media_type)
		at->media_type = mem_strdup(type);
	else if (strcmp(at->media_type, type) != 0)
		return err_set(e, ERR_INPUT, "%s is listed as %.120s and as %.120s",
			digest_text(&d->digest, text),
			*at->media_type ? at->media_type : "no manifest", type);
	if (at->entered) {
		*out = reach_again(at, type, depth);
		return 0;
	}
	*out = REACH_FIRST;
	at->entered = true;
	at->cut = false;
	at->depth = at->least = depth;
	return 0;
}

void reach_correct(struct reached *at, const char *media_type)
{
	free(at->media_type);
	at->media_type = mem_strdup(media_type);
	at->entered = false;
}
