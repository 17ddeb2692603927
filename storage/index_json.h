/* Annotations of index.json: the standard ones, and ours that a rebuild reads back. */
#ifndef MOAT_INDEX_JSON_H
#define MOAT_INDEX_JSON_H

#include "storage/oci/keys.h"

#define NOTE_REF KEY_REF_NAME
#define NOTE_CONTAINERD KEY_CONTAINERD_NAME
#define NOTE_SUBJECT KEY_CONTAINERD_SUBJECT
#define NOTE_REPOSITORY "vnd.moat.repository" /* of what has no tag */
#define NOTE_SET_NAME "vnd.moat.set.name"
#define NOTE_SET_VERSION "vnd.moat.set.version"
#define NOTE_ACCEPTED "vnd.moat.set.accepted" /* seconds since the epoch */
#define NOTE_GENERATION "vnd.moat.set.generation" /* number in its channel, when active */
#define NOTE_ACTIVATION "vnd.moat.set.activation" /* order over all channels, when active */
#define NOTE_TAG                                                                                   \
	"vnd.moat.tag" /* a tag that was put: REPOSITORY:TAG as the store has it; or no TAG */
#define NOTE_SPARSE "vnd.moat.sparse" /* not all that it names is linked to that repository ... */
#define NOTE_SPARSE_ALONE "true" /* ... a rebuild links nothing of it */
#define NOTE_SPARSE_FOREIGN "foreign" /* ... but all except foreign layers is */

#endif
