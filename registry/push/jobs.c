/* A queue and its threads. Must never drop a job: somebody waits for each. */
#include "registry/push/jobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "storage/base/buf.h"
#include "storage/base/banned.h"

#define STACK_SIZE (512u << 10)

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct job *first, **last;
	bool ending;
	unsigned count;
	pthread_t *threads;
};

/* The next job, or NULL at the end of all. */
static struct job *take(struct jobs *jobs)
{
	struct job *j;

	pthread_mutex_lock(&jobs->lock);
	while (!jobs->first && !jobs->ending)
		pthread_cond_wait(&jobs->some, &jobs->lock);
	j = jobs->first;
	if (j) {
		jobs->first = j->next;
		if (!jobs->first)
			jobs->last = &jobs->first;
	}
	pthread_mutex_unlock(&jobs->lock);
	return j;
}

static void *work(void *cls)
{
	struct jobs *jobs = cls;
	struct job *j;

	while ((j = take(jobs)))
		j->run(j);
	return NULL;
}

int jobs_new(struct jobs **out, unsigned threads, struct err *e)
{
	AUTO(jobs_free) struct jobs *jobs = mem_alloc(sizeof(*jobs));
	pthread_attr_t attr;
	int rc = 0;

	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->some, NULL);
	jobs->last = &jobs->first;
	jobs->threads = mem_grow(NULL, threads, sizeof(*jobs->threads));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (; jobs->count < threads && rc == 0; jobs->count += rc == 0)
		rc = pthread_create(&jobs->threads[jobs->count], &attr, work, jobs);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
	*out = STEAL(jobs);
	return 0;
}

void jobs_add(struct jobs *jobs, struct job *j)
{
	j->next = NULL;
	pthread_mutex_lock(&jobs->lock);
	if (jobs->ending) {
		pthread_mutex_unlock(&jobs->lock);
		j->run(j);
		return;
	}
	*jobs->last = j;
	jobs->last = &j->next;
	pthread_cond_signal(&jobs->some);
	pthread_mutex_unlock(&jobs->lock);
}

void jobs_stop(struct jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	jobs->ending = true;
	pthread_cond_broadcast(&jobs->some);
	pthread_mutex_unlock(&jobs->lock);
	while (jobs->count > 0)
		pthread_join(jobs->threads[--jobs->count], NULL);
}

void jobs_free(struct jobs **out)
{
	struct jobs *jobs = STEAL(*out);

	if (!jobs)
		return;
	jobs_stop(jobs);
	pthread_cond_destroy(&jobs->some);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs->threads);
	free(jobs);
}
