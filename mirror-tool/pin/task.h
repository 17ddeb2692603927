/*
 * A reference on its way to a pin, for the files of this folder only. Who calls whom: resolve.c the others,
 * signed.c and attach.c, attach.c pin_tree.c, all of them task.c; upwards only by the two callbacks of a task.
 */
#ifndef MOAT_TASK_H
#define MOAT_TASK_H

#include <sys/queue.h>

#include "mirror-tool/pin/resolve.h"
#include "storage/oci/reach.h"

struct task {
	struct resolver *resolver;
	struct ref ref; /* what is asked for: by tag, or by digest */
	struct digest expect; /* what the list says the tag must be; or DIGEST_NONE */
	struct platforms wanted;
	const struct source_ref *from; /* borrowed from the list */
	struct exceptions exceptions;
	struct origin origin;
	struct lock_pin pin; /* grows */
	struct digest_map
		reached[2]; /* pin_tree.c: struct reached, of the pin and of what is attached */
	struct digest_map visited; /* attach.c: whose attachments were asked for */
	LIST_HEAD(, request) requests; /* without an answer yet */
	/* Called when the last request has its answer; may make further ones, or else ends the task. */
	void (*done)(struct task *t);
	/* Called for each manifest that is reached for the first time: attach_scan(). */
	void (*reached_first)(struct task *t, const struct digest *d);
	struct buf root; /* the pin's manifest, while its signatures are wanted */
	struct evidence *evidence;
	unsigned pending; /* requests without an answer; 0: done */
	bool failed;
	struct err e; /* the first failure */
};

/* Count a request before it is made, and its answer when it is dealt with: with the last one t->done() is
 * called, after which the task may not be touched. */
void task_hold(struct task *t);
void task_drop(struct task *t);
/* The first failure is kept; requests under way go on. */
void task_fail(struct task *t, const struct err *e);

/* Does the list leave this attachment behind? Then it is excused from now on. type: its artifactType;
 * suffix: of its tag, or "". */
bool task_leaves(struct task *t, const struct digest *d, const char *type, const char *suffix);
#define ATTESTATION_TYPE "attestation-manifest" /* as lists name buildkit's, which have no type */

/* A question, the first member of what its answer needs: a task's ref without tag and digest. It
 * holds the task until its end. release: those that a run which could not go on left. */
struct request {
	LIST_ENTRY(request) link;
	struct task *task;
	struct ref ref;
};
void *request_new(struct task *t, size_t size);
void request_end(struct request *r);
void requests_release(struct task *t);

/* attach.c: find what is attached to `subject` and, in turn, to that. */
void attach_scan(struct task *t, const struct digest *subject);
/*
 * pin_tree.c: the manifests that a pin holds. depth: manifests above; attached: it belongs to something
 * attached, which is held whole.
 *
 * ask:   a manifest that an index or a list names must be there, and is entered in turn.
 * enter: go on with what a manifest that was read names. Sorts the platforms of the pin.
 * reach: note one; the first time, what is attached to it is looked for.
 */
void tree_ask(struct task *t, const struct descriptor *d, unsigned depth, bool attached);
MUST int tree_enter(
	struct task *t, const struct manifest *m, unsigned depth, bool attached, struct err *e);
MUST int tree_reach(struct task *t, const struct descriptor *d, unsigned depth, bool attached,
	enum reach *reach, struct err *e);

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

#endif
