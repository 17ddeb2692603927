/* Tasks and their requests. Must track every request without an answer, so that those of an aborted
 * run are freed. */
#include <stdlib.h>

#include "mirror-tool/pin/task.h"
#include "storage/base/banned.h"

void task_hold(struct task *t)
{
	t->pending++;
}

void task_drop(struct task *t)
{
	if (--t->pending == 0)
		t->done(t);
}

void task_fail(struct task *t, const struct err *e)
{
	if (!t->failed)
		t->e = *e;
	t->failed = true;
}

bool task_leaves(struct task *t, const struct digest *d, const char *type, const char *suffix)
{
	AUTO(mem_free) char *why = NULL;

	if (exceptions_want(&t->exceptions, type, suffix))
		return false;
	if (t->exceptions.attachments == ATTACH_NONE)
		why = mem_strdup("attachments: none");
	else
		why = mem_printf("its type is %s", *suffix ? suffix : *type ? type : "not told");
	excuses_add(&t->pin.excused, EXCUSE_ATTACHMENT, d, why);
	return true;
}

/* --- requests ------------------------------------------------------------------------------ */

void *request_new(struct task *t, size_t size)
{
	struct request *r = mem_alloc(size);

	task_hold(t);
	LIST_INSERT_HEAD(&t->requests, r, link);
	r->task = t;
	r->ref = t->ref;
	r->ref.tag[0] = '\0';
	r->ref.digest = (struct digest){ .alg = DIGEST_NONE };
	return r;
}

void request_end(struct request *r)
{
	struct task *t = r->task;

	LIST_REMOVE(r, link);
	free(r);
	task_drop(t);
}

void requests_release(struct task *t)
{
	for (struct request *r; (r = LIST_FIRST(&t->requests));) {
		LIST_REMOVE(r, link);
		free(r);
	}
}
