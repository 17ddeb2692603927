/*
 * Export a set from a store: a folder of volumes, with files to check them by hand, or a stream of
 * volumes.
 */
#ifndef MOAT_EXPORT_H
#define MOAT_EXPORT_H

#include "mirror-tool/media/volume_write.h"

#define EXPORT_FAT_LIMIT 4294967295ull /* bytes: no file on FAT can have more */
#define EXPORT_LIMIT_AUTO UINT64_MAX

struct export_report {
	const struct head *head; /* borrowed from the writer */
	uint32_t volumes;
	uint64_t bytes; /* of all volumes */
	const struct base *base; /* borrowed as well */
	uint64_t left_out, left_out_bytes; /* blobs of the set that no volume holds */
};

struct export_events {
	/* Before the first byte is written. */
	void (*begin)(void *ctx, const struct export_report *r);
	/* kept: it was there, with the same bytes */
	void (*volume)(void *ctx, const char *name, uint32_t volume, uint32_t volumes, bool kept);
	/* Called for bytes of volumes that were written, or found and compared, chunk by chunk:
	 * together all those of the report. Bytes written again after a comparison count once. */
	void (*moved)(void *ctx, uint64_t bytes);
	/* Called before a file of the folder is removed or replaced; why: "is removed: ..." */
	void (*lose)(void *ctx, const char *name, const char *why);
	void *ctx;
};

/*
 * Write the volumes of a set into a folder (made when it is not there), each under a name that ends
 * in .part until it is durable; then moat.pub, verify.txt and last SHA256SUMS.
 *
 * limit:      bytes of a volume at most; 0: one volume; EXPORT_LIMIT_AUTO: 4 GiB - 1 unless the
 *             file system is known to take larger files.
 * delta:      what is left out; NULL: nothing.
 * public_key: PEM, for moat.pub; empty: the one that the signature carries.
 * Again:      volumes that are whole are kept, a cut one is continued, volumes of the same set
 *             with another count are removed, whole or not; other files stay. SHA256SUMS goes before a
 *             volume changes. Whatever is removed or replaced by other bytes is told before. A folder
 *             that holds volumes of another set, of the same name and version or not, or of another kind of export, sums of other files,
 *             or what is no file under one of our names, is refused (ERR_INPUT).
 * Fails:      ERR_FULL before anything is written; ERR_CORRUPT when a blob of the store is damaged.
 */
MUST int export_folder(struct store *s, const struct digest *set, const char *dir, uint64_t limit,
	const struct delta *delta, struct span public_key, const struct export_events *events,
	struct err *e);

/*
 * Write the same volumes one behind the other to a descriptor, which stays open. Nothing is continued; no moat.pub,
 * verify.txt and SHA256SUMS.
 *
 * limit: as above; EXPORT_LIMIT_AUTO is one volume.
 * Fails: with the volume's number; what was written before stays written. ERR_CORRUPT when a blob of the store is
 *        damaged.
 */
MUST int export_stream(struct store *s, const struct digest *set, int fd, uint64_t limit,
	const struct delta *delta, const struct export_events *events, struct err *e);

#endif
