/* Questions of a task that are without an answer: what a run that could not go on leaves behind. */
#include <stdlib.h>

#include "mirror-tool/pin/resolve_task.h"
#include "storage/base/banned.h"

void *request_new(struct task *t, size_t size)
{
	struct request *r = mem_alloc(size);

	task_hold(t);
	r->next = t->requests;
	t->requests = r;
	r->task = t;
	r->ref = t->ref;
	r->ref.tag[0] = '\0';
	r->ref.digest = (struct digest){ .alg = DIGEST_NONE };
	return r;
}

void request_end(struct request *r)
{
	struct task *t = r->task;
	struct request **at = &t->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	free(r);
	task_drop(t);
}

void requests_release(struct task *t)
{
	for (struct request *r = t->requests, *next; r; r = next) {
		next = r->next;
		free(r);
	}
	t->requests = NULL;
}
