/* A queue and its workers. Must never drop a job: a connection or a session waits for each. */
#include "registry/push/jobs.h"

#include <stdbool.h>
#include <stdlib.h>

#include "storage/base/lock.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define STACK_SIZE (512u << 10)

struct jobs {
	pthread_mutex_t lock; /* of the queue and `ending` */
	pthread_cond_t added;
	STAILQ_HEAD(job_queue, job) queue;
	bool ending;
	pthread_t *threads;
	size_t thread_count;
};

/* Wait for the next job. NULL: the workers are to end. */
static struct job *next_job(struct jobs *jobs)
{
	struct job *j;

	LOCK_SCOPE(&jobs->lock);
	while (STAILQ_EMPTY(&jobs->queue) && !jobs->ending)
		pthread_cond_wait(&jobs->added, &jobs->lock);
	j = STAILQ_FIRST(&jobs->queue);
	if (j)
		STAILQ_REMOVE_HEAD(&jobs->queue, entry);
	return j;
}

static void *work(void *cls)
{
	struct jobs *jobs = cls;
	struct job *j;

	while ((j = next_job(jobs)))
		j->run(j);
	return NULL;
}

int jobs_new(struct jobs **out, unsigned threads, struct err *e)
{
	AUTO(jobs_free) struct jobs *jobs = mem_alloc(sizeof(*jobs));
	pthread_attr_t attr;
	pthread_t thread;
	int rc = 0;

	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->added, NULL);
	STAILQ_INIT(&jobs->queue);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	while (jobs->thread_count < threads) {
		rc = pthread_create(&thread, &attr, work, jobs);
		if (rc != 0)
			break;
		*VEC_PUSH(jobs->threads, jobs->thread_count) = thread;
	}
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
	*out = STEAL(jobs);
	return 0;
}

/* False: the workers are ending, the job is not queued. */
static bool enqueue(struct jobs *jobs, struct job *j)
{
	LOCK_SCOPE(&jobs->lock);
	if (jobs->ending)
		return false;
	STAILQ_INSERT_TAIL(&jobs->queue, j, entry);
	pthread_cond_signal(&jobs->added);
	return true;
}

void jobs_add(struct jobs *jobs, struct job *j)
{
	if (!enqueue(jobs, j))
		j->run(j);
}

static void tell_end(struct jobs *jobs)
{
	LOCK_SCOPE(&jobs->lock);
	jobs->ending = true;
	pthread_cond_broadcast(&jobs->added);
}

void jobs_stop(struct jobs *jobs)
{
	tell_end(jobs);
	while (jobs->thread_count > 0)
		pthread_join(jobs->threads[--jobs->thread_count], NULL);
}

void jobs_free(struct jobs **out)
{
	struct jobs *jobs = STEAL(*out);

	if (!jobs)
		return;
	jobs_stop(jobs);
	pthread_cond_destroy(&jobs->added);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs->threads);
	free(jobs);
}
