/* One reference on its way to a pin; shared by resolve.c and attach.c only. */
#ifndef MOAT_RESOLVE_TASK_H
#define MOAT_RESOLVE_TASK_H

#include "mirror-tool/resolve.h"

struct task {
	struct resolver *resolver;
	struct ref ref; /* what is asked for: by tag, or by digest */
	struct digest expect; /* what the list says the tag must be; or DIGEST_NONE */
	struct platforms wanted;
	const struct source_ref *from; /* borrowed from the list */
	struct origin origin;
	struct lock_pin pin; /* grows */
	struct digest *visited; /* whose attachments were asked for */
	size_t visited_count;
	struct probe *probes; /* attach.c: without an answer yet */
	struct buf root; /* the pin's manifest, while its signatures are wanted */
	struct evidence *evidence;
	unsigned pending; /* requests without an answer; 0: done */
	bool failed;
	struct err e; /* the first failure */
};

/* Count a request before it is made, and its answer when it is dealt with: the last one ends the
 * task, after which it may not be touched. */
void task_hold(struct task *t);
void task_drop(struct task *t);
void task_fail(struct task *t, const struct err *e);

/* attach.c: find what is attached to `subject` and, in turn, to that. */
void attach_scan(struct task *t, const struct digest *subject);
/* Forget what a run that could not go on left without an answer. */
void attach_release(struct task *t);

#endif
