/*
 * What a walk over the image graph has reached: each blob once, and each index again only on a
 * longer path than before, or on a shorter one when something below it was cut off as too deep. So no
 * shape of manifests makes a walk slow, and neither the depth that is refused nor what is found depends
 * on the order of the walk. Pure; storage/walk.h is a walk over it.
 */
#ifndef MOAT_REACH_H
#define MOAT_REACH_H

#include "storage/oci/digest_map.h"
#include "storage/oci/graph.h"

enum reached_state {
	REACHED_NEW, /* set by the walk, which knows what is held */
	REACHED_HELD,
	REACHED_ABSENT,
	REACHED_FOREIGN /* absent, and reached as a foreign layer only */
};

struct reached {
	struct digest digest;
	uint64_t size;
	enum reached_state state;
	char *media_type; /* as a manifest: the announced type; NULL: as a blob only; "" it is none */
	bool entered; /* as a manifest */
	bool cut; /* something below it was left out, as a path was too deep; set by the walk */
	unsigned depth, least; /* as a manifest: the deepest so far, and the other end */
};

void reach_init(struct digest_map *reached); /* empty; end it by digest_map_release() */

/* The entry of a blob, made when it is new. NULL: ERR_INPUT, it is held and was announced with
 * another size. The map owns it. */
struct reached *reach_blob(struct digest_map *reached, const struct descriptor *d, struct err *e);

/* Record that it is reached as a manifest, `depth` manifests below the root. ERR_INPUT: an earlier
 * descriptor announced another type. */
enum reach {
	REACH_NOTHING, /* nothing new is to be found in it */
	REACH_FIRST,
	REACH_DEEPER, /* an index, again: only the depth of what it names is new */
	REACH_SHORTER /* an index, again: what was cut off below it may be found now */
};
MUST int reach_manifest(struct reached *at, const struct descriptor *d, unsigned depth,
	enum reach *out, struct err *e);

/* Correct the type of an entered manifest to what its bytes say ("": no manifest). A later descriptor with
 * the right type enters it again. */
void reach_correct(struct reached *at, const char *media_type);

#endif
