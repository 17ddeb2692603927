/* References on their way to pins; for resolve*.c, attach.c and signed.c only. */
#ifndef MOAT_RESOLVE_TASK_H
#define MOAT_RESOLVE_TASK_H

#include "mirror-tool/pin/resolve.h"

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

/* --- resolve_files.c ------------------------------------------------------------------------- */

struct file_size {
	struct failures *failures;
	const struct list_file *file;
	uint64_t size;
	bool known;
};

/* sizes: one a file of the list; they must live until the session has run. */
void files_ask(struct session *s, const struct list *list, struct file_size sizes[],
	struct failures *failures);
void files_pin(const struct list *list, const struct file_size sizes[], struct lock *lock);

/* --- small words ----------------------------------------------------------------------------- */

bool ref_same(const struct ref *a, const struct ref *b); /* with tag and digest */
void text_replace(char **field, const char *text); /* a heap string by a copy; NULL: "" */

#endif
