/* What the files of this folder share. For this folder only. */
#ifndef MOAT_AUDIT_PRIVATE_H
#define MOAT_AUDIT_PRIVATE_H

#include "storage/audit/audit.h"
#include "storage/base/fs.h"
#include "storage/base/tree.h"

/* --- line.c ----------------------------------------------------------------------------------- */

/* As whom and where this process runs; the same in each of its records. */
struct audit_who {
	unsigned uid;
	char *user, *login, *sudo, *host, *tty, *boot; /* "": the system does not know */
};
/* Ask the system once, before a sandbox; audit_who_release() afterwards. */
void audit_who_find(struct audit_who *who);
void audit_who_release(struct audit_who *who); /* for AUTO */

/* What the end of the last file holds behind the last record that can be read. */
struct audit_rest {
	uint64_t bytes; /* 0: nothing */
	bool is_open; /* no line feed ends it */
	bool is_torn; /* and none is in it: what a power cut leaves of a line */
	struct digest hash; /* of these bytes, and of the line feed that ends them */
	bool is_record; /* it lacks its line feed only */
	struct audit_head head; /* of that record */
};

/* Append a record's line to `out`, chained to *head, which moves on to it. rest: of the first record of an append, or
 * NULL. */
void audit_line_add(struct buf *out, const struct audit_who *who, const struct audit_record *r,
	const struct audit_rest *rest, struct audit_head *head);

/* Read a line, which the caller has filled but for what is read here. *doc: doc_release() behind its last use. */
void audit_line_parse(struct audit_line *l, struct doc *doc);

/* --- files.c ---------------------------------------------------------------------------------- */

/* Names of files by number, from 1. */
const char *audit_name(unsigned number, char name[AUDIT_NAME_SIZE]);

/* Numbers of the files of a folder, rising; free() afterwards. Other names are passed over. */
MUST int audit_files(int dir, unsigned **numbers, size_t *count, struct err *e);

/* Open the log's folder in the store's: 1 and *dir, 0 there is none, -1. */
MUST int audit_open_folder(const char *store, int *dir, struct err *e);

/* Find the last record, looking back from the end of the last of these files (at least one), of which `size` bytes count,
 * and over those before it; *rest: what lies behind it in that file. Head seq 0: none in any file. ERR_INPUT: a file is
 * too large to be one of ours. */
MUST int audit_find_end(int dir, const unsigned numbers[], size_t count, uint64_t size,
	struct audit_head *head, struct audit_rest *rest, struct err *e);

#endif
