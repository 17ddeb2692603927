/*
 * Worker threads for what takes long: hashing and writing bodies, reading JSON, checking passwords. A loop
 * adds a job and goes on; a job that is done wakes its connection.
 *
 * Safe from any thread.
 */
#ifndef MOAT_JOBS_H
#define MOAT_JOBS_H

#include <sys/queue.h>

#include "storage/base/err.h"

/* Embedded in what the job is about; the adder owns it. */
struct job {
	void (*run)(struct job *j); /* on a worker; may free the job */
	STAILQ_ENTRY(job) entry; /* of the queue */
};

struct jobs;

/* Start `threads` workers. Returns 0, or -1 with e: ERR_FULL, a thread could not be started. */
MUST int jobs_new(struct jobs **out, unsigned threads, struct err *e);

/* Queue a job: first come, first served. Never fails. After jobs_stop() the caller runs it before this
 * returns. */
void jobs_add(struct jobs *jobs, struct job *j);

/* Run what is queued, then end the workers; again, it does nothing. Not on a worker. */
void jobs_stop(struct jobs *jobs);

/* Stop and free, for AUTO. */
void jobs_free(struct jobs **jobs);

#endif
