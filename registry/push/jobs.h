/*
 * Threads for what takes long: hashing and writing bodies, reading JSON, checking passwords. Loops
 * hand jobs over and go on; a job that is done wakes its connection.
 */
#ifndef MOAT_JOBS_H
#define MOAT_JOBS_H

#include "storage/base/err.h"

struct job {
	void (*run)(struct job *j); /* may free the job */
	struct job *next; /* of the queue */
};

struct jobs;

MUST int jobs_new(struct jobs **out, unsigned threads, struct err *e);

/* First come, first served. */
void jobs_add(struct jobs *jobs, struct job *j);

/* Run what is queued, then end the threads; what is added later is run by whoever adds it. */
void jobs_stop(struct jobs *jobs);
void jobs_free(struct jobs **jobs); /* for AUTO; stops first */

#endif
