/* Annotations of index.json: the standard ones, and ours that a rebuild reads back. */
#ifndef MOAT_INDEX_JSON_H
#define MOAT_INDEX_JSON_H

#include "storage/oci/keys.h"
#include "storage/oci/manifest.h"

#define NOTE_REF KEY_REF_NAME
#define NOTE_CONTAINERD KEY_CONTAINERD_NAME
#define NOTE_SUBJECT KEY_CONTAINERD_SUBJECT
#define NOTE_REPOSITORY "vnd.moat.repository" /* of what has no tag */
#define NOTE_SET_NAME "vnd.moat.set.name"
#define NOTE_SET_VERSION "vnd.moat.set.version"
#define NOTE_ACCEPTED "vnd.moat.set.accepted" /* seconds since the epoch */
#define NOTE_ORDER "vnd.moat.set.order" /* of acceptance, over all sets */
/* Each activation of the set, oldest first: ACTIVATION:GENERATION:TIME, a space between them; behind :
 * the sets whose tags it may take, if any, with commas between. */
#define NOTE_HISTORY "vnd.moat.set.generations"
#define NOTE_GENERATION "vnd.moat.set.generation" /* number in its channel, when active */
#define NOTE_ACTIVATION "vnd.moat.set.activation" /* order over all channels, when active */
#define NOTE_TAG                                                                                   \
	"vnd.moat.tag" /* a tag that was put: REPOSITORY:TAG as the store has it; or no TAG */
#define NOTE_SPARSE "vnd.moat.sparse" /* not all that it names is linked to that repository ... */
#define NOTE_SPARSE_ALONE "true" /* ... a rebuild links nothing of it */
#define NOTE_SPARSE_FOREIGN "foreign" /* ... but all except foreign layers is */

/* Of the index itself: which state of the metadata it shows (struct index_state). */
#define NOTE_SERIAL "vnd.moat.store.serial"

/* Of each activation in NOTE_HISTORY, where a rollback goes: GENERATION:GENERATION, 0 for nowhere, a space between two.
 * Before there was one, it went to the set that was active before. */
#define NOTE_BACK "vnd.moat.set.back"
/* Of the index itself, behind the serial: the newest versions that were removed, NAME:VERSION, a space between two. */
#define NOTE_REMOVED "vnd.moat.store.removed"

/* How index.json begins: with its number, so that the number is read without the rest. Before it was
 * numbered, it went on with INDEX_LIST at once. */
#define INDEX_BEGIN "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\","
#define INDEX_SERIAL "\"annotations\":{\"" NOTE_SERIAL "\":\""
#define INDEX_REMOVED "\",\"" NOTE_REMOVED "\":\""
#define INDEX_SERIAL_END "\"},"
#define INDEX_LIST "\"manifests\":["

/* index_read.c: an annotation of an entry as a number, 0 without it. */
int64_t entry_number(const struct descriptor *d, const char *key);
/* Does it carry a name of moat's kind? Another tool's layout is not a store. */
bool entry_is_ours(const struct descriptor *d);

#endif
