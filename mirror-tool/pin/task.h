/*
 * A task resolves one reference to a pin. For the files of this folder only, in this order: task.c,
 * pin_tree.c, attach.c and signed.c, resolve.c. Calls up are the two callbacks of a task.
 */
#ifndef MOAT_TASK_H
#define MOAT_TASK_H

#include <sys/queue.h>

#include "mirror-tool/pin/resolve.h"
#include "storage/oci/reach.h"

struct task {
	struct resolver *resolver;
	struct ref ref; /* to resolve: with a tag or a digest */
	struct digest expect; /* the digest that the list expects; or DIGEST_NONE */
	struct platforms wanted;
	const struct source_ref *from; /* borrowed from the list */
	struct exceptions exceptions;
	struct origin origin;
	struct lock_pin pin; /* the result, in the making */
	struct digest_map
		reached[2]; /* pin_tree.c: struct reached, of the pin and of what is attached */
	struct digest_map visited; /* attach.c: whose attachments were asked for */
	LIST_HEAD(requests, request) requests; /* without an answer yet */
	/* Called when no request is pending. Makes further ones, or ends the task. */
	void (*done)(struct task *t);
	/* Called for each manifest that is found for the first time: attach_scan(). */
	void (*reached_first)(struct task *t, const struct digest *d);
	struct buf root; /* manifest of the pin, while a rule needs it */
	struct evidence *evidence;
	unsigned pending; /* requests without an answer; 0: done */
	bool failed;
	struct err e; /* the first failure */
};

/* Count a request before it is made, and drop it when its answer has been handled. The last drop
 * calls t->done(); the task may not be touched after it. */
void task_hold(struct task *t);
void task_drop(struct task *t);
/* Record a failure, unless there is one. Pending requests go on. */
void task_fail(struct task *t, const struct err *e);

/* Does the list leave this attachment out? Then excuse it. type: its artifactType; suffix: of its
 * tag, or "". */
bool task_leaves(struct task *t, const struct digest *d, const char *type, const char *suffix);
#define ATTESTATION_TYPE "attestation-manifest" /* as lists name buildkit's, which have no type */

/* A request, as first member of a larger struct; its ref is that of the task without tag and
 * digest. It holds the task until request_end(), which frees it. requests_release() frees those of
 * an aborted run. */
struct request {
	LIST_ENTRY(request) link;
	struct task *task;
	struct ref ref;
};
void *request_new(struct task *t, size_t size); /* zeroed; size: of the larger struct */
void request_end(struct request *r);
void requests_release(struct task *t);

/* attach.c: find what is attached to `subject` and, in turn, to each attachment. Once for each
 * subject. */
void attach_scan(struct task *t, const struct digest *subject);
/*
 * pin_tree.c: the manifests that a pin holds. depth: manifests above; attached: part of an
 * attachment, which is held whole.
 *
 * tree_ask:   ask for a manifest that an index or a list names, and enter it.
 * tree_enter: go on with what a manifest names. Sorts the platforms of the pin.
 * tree_reach: mark one as found; the first time, look for its attachments.
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

/* files_ask: ask for the sizes that the list does not have. sizes: one for each file of the list,
 * kept by the caller until the session has run. files_pin: add the pins of names whose files are
 * all known. */
void files_ask(struct session *s, const struct list *list, struct file_size sizes[],
	struct failures *failures);
void files_pin(const struct list *list, const struct file_size sizes[], struct lock *lock);

#endif
