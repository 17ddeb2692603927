/*
 * The audit log of a store: who did what, appended to and never changed, each record chained to the one before.
 *
 *	DIR/audit/000001.jsonl, 000002.jsonl ...	one JSON object a line; storage/README.md, "The audit log"
 *
 * A record has the number `seq`, and as `prev` the SHA-256 of the line before it with its line feed, over files too; so
 * nothing in the middle can be changed, cut out or moved without the next line telling. What is cut off at the end shows
 * beside a head that was kept elsewhere. The chain cannot be made again from anything: no rebuild touches it.
 *
 * One writer at a time over all processes, by a lock on the folder that is held for one append. Readers take no lock.
 * No symbolic link is followed. Nothing here knows what a store is but a folder.
 */
#ifndef MOAT_AUDIT_H
#define MOAT_AUDIT_H

#include "storage/base/log.h"
#include "storage/oci/digest.h"

#define AUDIT_FOLDER "audit"
#define AUDIT_FILE_MAX (8u << 20) /* bytes; the append behind it begins the next file */
#define AUDIT_FACTS_MAX 16 /* fields of a record beside those that each has */
#define AUDIT_TEXT_MAX 1024 /* bytes of one of them; longer ones are cut and end in "..." */
#define AUDIT_LINE_MAX (160u << 10) /* bytes of a line, that a reader takes for one */
#define AUDIT_RECORDS_MAX 1024 /* of one append */
#define AUDIT_BUSY_MS 60000 /* how long another process's append is waited for */
#define AUDIT_NAME_SIZE 32 /* of a file's name with its NUL */

/* The last record: what travels, so that what is cut off at the end shows. */
struct audit_head {
	uint64_t seq; /* 0: there is none */
	struct digest hash; /* of its line */
};

/* --- writing ---------------------------------------------------------------------------------- */

struct audit;

/* What is written of one event; who, when and where are added. Text is borrowed and may come from outside. */
struct audit_record {
	const char *action; /* "import", "push": a constant */
	const char *result; /* "begun", "allowed", "denied", "failed", ...: a constant */
	const struct log_field
		*facts; /* ended by a NULL key; at most AUDIT_FACTS_MAX; keys are constants */
};

/*
 * Open the log of a store for appending; make its folder when there is none. For one thread at a time.
 *
 * store: the store's folder, which exists. What is made belongs to the owner of that.
 * Fails: ERR_RIGHTS, ERR_INPUT: something else lies there, ERR_IO.
 */
MUST int audit_open(struct audit **a, const char *store, struct err *e);
void audit_close(struct audit **a); /* for AUTO */

/*
 * Append records, at most AUDIT_RECORDS_MAX, as one write with one sync. Durable on 0.
 *
 * seq:   NULL, or set to the number of the first.
 * Fails: ERR_BUSY: another process had the lock for AUDIT_BUSY_MS; ERR_FULL, ERR_IO, ERR_RIGHTS. Of what failed, a
 *        beginning may be in the file. What is left of a line that a power cut or a full disk ended early is kept, and
 *        the next record names it: `torn`, or `bad` where it had a line feed.
 */
MUST int audit_append(struct audit *a, const struct audit_record records[], size_t count,
	uint64_t *seq, struct err *e);

/* What this handle records from now on frees space: on a full disk the reserve, a file beside the others, is given up for
 * it. It is made again by an audit_open() that finds room. audit_give_room() gives it up at once, for the rows that must be
 * written before space is free; audit_keep_room() makes it again, if there is room. */
#define AUDIT_RESERVE "reserve"
#define AUDIT_RESERVE_BYTES (1 << 20)
void audit_frees_space(struct audit *a);
void audit_give_room(struct audit *a);
void audit_keep_room(struct audit *a);

/* The head as this handle's last append left it; seq 0: it made none, or it failed. */
void audit_last(const struct audit *a, struct audit_head *head);

/* --- reading ---------------------------------------------------------------------------------- */

/* The head of a store's log: 1; 0 and seq 0: nothing was recorded; -1. Takes no lock, reads the end of a file. */
MUST int audit_head(const char *store, struct audit_head *head, struct err *e);

/* A head as text, "HEX@SEQ", "" when there is none; and read again: ERR_INPUT. */
#define AUDIT_HEAD_SIZE 96
const char *audit_head_text(const struct audit_head *head, char text[AUDIT_HEAD_SIZE]);
MUST int audit_head_parse(struct audit_head *head, struct span text, struct err *e);

/* A line, valid while it is told. */
struct audit_line {
	const char *file; /* its name in the folder; of older records their file in the store */
	uint64_t number; /* of the line in the file, from 1 */
	struct span text; /* without its line feed */
	bool whole; /* it has one; false: a line that is cut short, or a part of one that is too long */
	bool is_record; /* of the chain; then seq, prev and hash are set */
	uint64_t seq;
	struct digest prev, hash;
	const struct doc *doc; /* private: NULL: it is no JSON object */
};

/* A member of the object: its text, as written of numbers; NULL: none. Valid as long as the line. */
const char *audit_get(const struct audit_line *l, const char *key);

typedef int audit_line_fn(void *ctx, const struct audit_line *l, struct err *e);

/* Tell each line of each file, in order, until fn returns something else than 0, which is then the result. Memory is a
 * line's, whatever the files hold. 0 also when there is no log; ERR_RIGHTS, ERR_IO, ERR_INPUT. */
MUST int audit_read(const char *store, audit_line_fn *fn, void *ctx, struct err *e);

/* Where a reader stands, who comes back for what was appended since. Zeros: in front of the first record. */
struct audit_place {
	unsigned file; /* its number */
	uint64_t offset, line; /* bytes and lines of it that were told */
};

/* The same of what is behind a place, which moves behind what was told. A line at the end that has no line feed is left for
 * the next time, as its writer may not be done. */
MUST int audit_read_on(
	const char *store, struct audit_place *at, audit_line_fn *fn, void *ctx, struct err *e);

/* As audit_read(), of imports.log, which moat wrote before there was a chain. Its lines are no records. */
#define AUDIT_OLDER "imports.log"
MUST int audit_read_older(const char *store, audit_line_fn *fn, void *ctx, struct err *e);

/* --- proof ------------------------------------------------------------------------------------ */

struct audit_report {
	uint64_t records, files;
	uint64_t torn; /* lines that were cut short, and are known as such */
	uint64_t clock_back; /* times that the clock went back within one run of the machine */
	uint64_t problems;
	struct audit_head head; /* the last record */
};

/* Called for each problem: the file, the line in it (0: the file as a whole), and a sentence. */
typedef void audit_problem_fn(void *ctx, const char *file, uint64_t line, const char *text);

/*
 * Check the whole chain: edits, cuts, another order, doubled lines, missing files.
 *
 * head:    NULL, or one that was kept elsewhere: its record must be there as it was.
 * problem: or NULL.
 * Returns: 0 when the check could run (look at report->problems); -1 as audit_read().
 */
MUST int audit_verify(const char *store, const struct audit_head *head, audit_problem_fn *problem,
	void *ctx, struct audit_report *report, struct err *e);

#endif
