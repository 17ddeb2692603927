/* What check.c, check_judge.c and check_state.c share. Other files may not include it. */
#ifndef MOAT_CHECK_PRIVATE_H
#define MOAT_CHECK_PRIVATE_H

#include <pthread.h>

#include "registry/ops/check.h"
#include "storage/base/throttle.h"
#include "storage/oci/digest_map.h"

#define SUSPECTS_MAX 256

/* What the check knows of a blob, beside the database. */
struct known {
	struct digest digest;
	bool bad; /* missing, or not good, or gone to quarantine */
	bool blocked; /* ... and it would be served all the same */
	bool was_bad; /* at any time */
	struct blob_file file; /* that was examined */
};

struct checker {
	struct checker_config config;
	struct store *store;
	bool may_mark;
	bool first; /* no mark can be left for the next start: read before serving */
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* of what is below */
	pthread_cond_t wake;
	bool ending;
	struct digest_map known;
	struct digest suspects[SUSPECTS_MAX];
	size_t suspect_count;
	struct check_waiter *waiters;
	struct digest *bad_ones; /* some of them may be good again */
	size_t bad_count;

	_Atomic unsigned bad, blocked, ever_bad;
	_Atomic uint64_t blobs, bytes;
	_Atomic int64_t pass;

	/* Of the check's thread. */
	bool nested; /* a suspect is read between two chunks of another file */
	int64_t chunk_us, chunk_cpu_us; /* when the last chunk was read */
	struct blob_cursor quick;
	struct check_place place;
	int64_t quick_ms, again_ms, record_ms; /* when each is due next */
};

enum standing { STANDING_GOOD, STANDING_BAD, STANDING_BLOCKED };

/* check_state.c: any thread. */
bool check_is_ending(struct checker *c);
/* Sleep at most that long: until the end, or until there is a suspect or a waiter. */
void check_nap(struct checker *c, int64_t us);
/* Take a suspect off the list. False: there is none, or the check ends. */
bool check_take_suspect(struct checker *c, struct digest *d);
/* What the next waiter waits for, likewise. */
bool check_next_waiter(struct checker *c, struct digest *d);
/* Take the waiters for this blob off the list; NULL: all of them. */
struct check_waiter *check_take_waiters(struct checker *c, const struct digest *d);
void check_tell(struct check_waiter *w); /* call done() of each */
/* Set the standing of a blob; the one before. Tells config.changed when it differs. */
enum standing check_set_standing(
	struct checker *c, const struct digest *d, const struct blob_file *file, enum standing now);
/* The caller has the lock. k: NULL when nothing is known. */
enum standing check_standing(const struct known *k);
/* Note a bad blob, to be read again soon. The caller has the lock. */
void check_list_bad(struct checker *c, const struct digest *d);

/*
 * check_judge.c, on the check's thread. Examine a blob and act on the finding. A suspect is judged by its
 * bytes, and also when its row is gone.
 */
void check_judge(struct checker *c, const struct digest *d, enum blob_check how);
void check_judge_suspect(struct checker *c, const struct digest *d);
/* Read all suspects now; also called between two chunks of a file. */
void check_suspects(struct checker *c);

#endif
