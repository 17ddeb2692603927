/*
 * Walk each pin from its digest down: manifest, children that are held, config, layers; then its
 * attachments in the same way. Blobs and manifests go into one batch; images are put when all is
 * durable. Must never put an image of which something failed, and never ask the network for what
 * the store has.
 */
#include "mirror-tool/pull/pull.h"

#include <stdlib.h>

#include "mirror-tool/list/file_artifact.h"
#include "mirror-tool/pull/foreign.h"
#include "mirror-tool/list/selection.h"
#include "storage/oci/reach.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* Pins under way. Bounds the requests that wait in memory (some 3 KiB each, one a blob); manifests are asked for
 * before blobs, so that of so many pins it is known early how much will come. */
#define JOBS_MAX 512

/* A manifest to be put once everything is durable. */
struct put {
	struct digest digest;
	char *media_type;
	const char *tag; /* borrowed from the lock; NULL none */
};

struct job {
	struct puller *puller;
	const struct lock_pin *pin;
	struct origin origin; /* once something has to be fetched */
	bool has_origin;
	struct put *puts; /* the pin, then its attachments */
	size_t put_count;
	struct digest_map reached[2]; /* struct reached, of the pin and of what is attached */
	unsigned pending; /* requests without an answer; 0: done */
	unsigned unread; /* manifests that were not read yet; 0: all its blobs were asked for */
	bool failed;
	struct err e; /* the first failure */
};

/* A manifest that was asked for, and what waits for it: tags often share a digest. */
struct fetch {
	struct fetch *next;
	struct puller *puller;
	const struct lock_pin *pin; /* whose place it is */
	struct digest digest;
	struct walk *waiting;
};

/* One manifest of one job. */
struct walk {
	struct walk *next;
	struct job *job;
	struct digest digest;
	uint64_t size;
	char *media_type; /* as announced by the lock, or by the index that lists it */
	unsigned depth; /* manifests above */
	bool attached; /* of something attached, which is held whole */
};

struct puller {
	struct session *session;
	struct store *store;
	struct blob_batch *batch;
	struct pull_report *report;
	struct failures *failures;
	struct job *jobs;
	size_t count, started, running;
	size_t unread; /* jobs that have manifests to read, or will */
	bool starting; /* start_jobs() is at work */
	struct fetch *fetches;
	struct foreign_layers foreign;
};

static void start_jobs(struct puller *p);
static void walk_bytes(struct walk *w, struct span bytes);

/* --- jobs ---------------------------------------------------------------------------------- */

/* What the machine refuses (a full or broken store, rights, limits) fails all that would come behind, so it
 * ends the run. What the lock names and no place has is missing. */
static void job_fail(struct job *j, const struct err *e)
{
	if (!j->failed)
		j->e = *e;
	j->failed = true;
	if (j->e.code == ERR_ABSENT)
		j->e.code = ERR_INCOMPLETE;
	if (err_is_local(e->code))
		upstream_abandon(j->puller->session->upstream, e);
}

static void job_hold(struct job *j)
{
	j->pending++;
}

static void job_drop(struct job *j)
{
	struct puller *p = j->puller;

	if (--j->pending)
		return;
	p->running--;
	p->session->state.done++;
	progress_show(&p->session->progress, &p->session->state);
	start_jobs(p);
}

/* With the last manifest of all, the bytes that will come are known. */
static void job_read(struct job *j)
{
	struct puller *p = j->puller;

	if (--j->unread == 0)
		p->unread--;
	p->session->state.growing = p->unread > 0;
}

static void job_ref(const struct job *j, struct ref *ref, const struct digest *d)
{
	*ref = j->pin->ref;
	ref->tag[0] = '\0';
	ref->digest = *d;
}

/* A local source need not be there any more when the store has all of it. */
static int need_origin(struct job *j, struct err *e)
{
	if (j->has_origin)
		return 0;
	if (origin_of(&j->puller->session->origins, &j->pin->from, &j->origin, e) < 0)
		return -1;
	j->has_origin = true;
	return 0;
}

static void add_put(struct job *j, const struct digest *d, const char *media_type, const char *tag)
{
	*VEC_PUSH(j->puts, j->put_count) = (struct put){ *d, mem_strdup(media_type), tag };
}

/* --- blobs --------------------------------------------------------------------------------- */

static void got_blob(void *ctx, int rc, struct err *e)
{
	struct job *j = ctx;

	if (rc < 0)
		job_fail(j, e);
	job_drop(j);
}

/* Does the store have it, now or at the next flush? Failing is the job's business. */
static bool is_held(struct job *j, const struct digest *d, uint64_t want)
{
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	uint64_t size;
	int rc;

	if (batch_has(j->puller->batch, d))
		return true;
	rc = blob_held(j->puller->store, d, &size, &e);
	if (rc > 0 && size != want)
		rc = err_set(&e, ERR_CORRUPT, "blob %s has %llu bytes, not the %llu announced",
			digest_text(d, text), (unsigned long long)size, (unsigned long long)want);
	if (rc < 0)
		job_fail(j, &e);
	return rc != 0;
}

/* From a local source it comes at once, while nothing else does. */
static void copy_blob(struct job *j, const struct ref *ref, const struct descriptor *d)
{
	struct puller *p = j->puller;
	struct session *s = p->session;
	uint64_t end = s->copied + d->size;

	s->state.bytes_total += d->size;
	origin_blob(&j->origin, ref, &d->digest, d->size, p->store, p->batch, got_blob, j);
	s->state.bytes_total -= end - s->copied; /* what failed, or was there already */
}

/* A layer with addresses of its own is got like others, and from those where that fails. */
static void want_blob(struct job *j, const struct descriptor *d, bool attached)
{
	struct puller *p = j->puller;
	struct err e = ERR_INIT;
	struct reached *at = reach_blob(&j->reached[attached], d, &e);
	struct ref ref;

	if (!at)
		job_fail(j, &e);
	if (!at || at->state == REACHED_HELD || is_held(j, &d->digest, d->size))
		return;
	at->state = REACHED_HELD;
	if (need_origin(j, &e) < 0) {
		job_fail(j, &e);
		return;
	}
	job_ref(j, &ref, &d->digest);
	job_hold(j);
	if (d->url_count)
		foreign_layer_get(&p->foreign, &j->origin, &ref, d, got_blob, j);
	else if (j->origin.layout)
		copy_blob(j, &ref, d);
	else
		origin_blob(&j->origin, &ref, &d->digest, d->size, p->store, p->batch, got_blob, j);
}

static void skip_foreign(struct job *j, const struct descriptor *d)
{
	struct pull_report *r = j->puller->report;
	char ref[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	*VEC_PUSH(r->foreign, r->foreign_count) =
		mem_printf("%s %s", ref_text(&j->pin->ref, ref), digest_text(&d->digest, digest));
}

/* Put bytes under their digest; they are what was asked for, or the commit says so. */
static int keep(struct puller *p, const struct digest *d, struct span bytes, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	int rc = blob_begin(p->store, d, bytes.len, BLOB_CHECK, &w, e);

	if (rc)
		return rc < 0 ? -1 : 0;
	blob_write(w, bytes.data, bytes.len);
	return blob_commit(&w, p->batch, NULL, e);
}

/* --- manifests ------------------------------------------------------------------------------- */

static void walk_free(struct walk *w)
{
	free(w->media_type);
	free(w);
}

static void walk_end(struct walk *w)
{
	struct job *j = w->job;

	walk_free(w);
	job_read(j);
	job_drop(j);
}

static void walk_fail(struct walk *w, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	err_ctx(e, "manifest %s", digest_text(&w->digest, text));
	job_fail(w->job, e);
	walk_end(w);
}

static void fetch(struct walk *w);

static bool same_place(const struct lock_pin *a, const struct lock_pin *b)
{
	const char *x = a->from.text ? a->from.text : "", *y = b->from.text ? b->from.text : "";

	return strcmp(a->ref.host, b->ref.host) == 0 && strcmp(a->ref.repo, b->ref.repo) == 0 &&
	       strcmp(x, y) == 0;
}

/* Hand a manifest, or the failure to get it, to all that wait; where another registry may have it, that
 * one is asked. */
static void fetch_end(struct fetch *f, int rc, struct span bytes, const struct err *e)
{
	struct fetch **at = &f->puller->fetches;
	struct walk *w = f->waiting, *next;
	const struct lock_pin *asked = f->pin;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f);
	for (; w; w = next) {
		struct err own = *e;

		next = w->next;
		if (rc >= 0)
			walk_bytes(w, bytes);
		else if (same_place(w->job->pin, asked))
			walk_fail(w, &own);
		else
			fetch(w);
	}
}

static void got_manifest(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct fetch *f = ctx;
	struct span bytes = { "", 0 };

	if (rc == 0)
		rc = err_set(e, ERR_ABSENT, "the lock holds it, and upstream does not have it");
	if (rc > 0) {
		bytes = m->bytes;
		rc = keep(f->puller, &f->digest, bytes, e);
	}
	fetch_end(f, rc, bytes, e);
}

static void fetch(struct walk *w)
{
	struct puller *p = w->job->puller;
	struct fetch *f = p->fetches;
	struct err e = ERR_INIT;
	struct ref ref;

	if (need_origin(w->job, &e) < 0) {
		walk_fail(w, &e);
		return;
	}
	while (f && !digest_eq(&f->digest, &w->digest))
		f = f->next;
	if (f) {
		w->next = f->waiting;
		f->waiting = w;
		return;
	}
	f = mem_alloc(sizeof(*f));
	w->next = NULL;
	*f = (struct fetch){ p->fetches, p, w->job->pin, w->digest, w };
	p->fetches = f;
	job_ref(w->job, &ref, &w->digest);
	origin_manifest(&w->job->origin, &ref, false, got_manifest, f);
}

/* A manifest that is in the store, or in the batch and flushed for it: 1, 0, -1. One that is bad is in
 * quarantine afterwards, and not in the store. */
static int read_held(struct puller *p, const struct digest *d, struct buf *bytes, struct err *e)
{
	int rc = blob_read(p->store, d, MANIFEST_MAX, bytes, e);

	if (rc < 0 && e->code == ERR_CORRUPT)
		rc = blob_drop_bad(p->store, d, e);
	if (rc || !batch_has(p->batch, d))
		return rc;
	if (batch_flush(p->batch, e) < 0)
		return -1;
	return blob_read(p->store, d, MANIFEST_MAX, bytes, e);
}

/* Go on with a manifest that has something new to be found in it. */
static void walk_read(struct walk *w)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = read_held(w->job->puller, &w->digest, &bytes, &e);

	if (rc < 0)
		walk_fail(w, &e);
	else if (rc > 0)
		walk_bytes(w, buf_span(&bytes));
	else
		fetch(w);
}

/* up: the index that lists it; NULL: the lock does. */
static void walk_start(
	struct job *j, const struct descriptor *d, const struct walk *up, bool attached)
{
	unsigned depth = up ? up->depth + 1 : 0;
	struct err e = ERR_INIT;
	struct reached *at = reach_blob(&j->reached[attached], d, &e);
	enum reach reach = REACH_NOTHING;
	struct walk *w;

	if (!at || reach_manifest(at, d, depth, &reach, &e) < 0)
		job_fail(j, &e);
	if (!at || reach == REACH_NOTHING)
		return;
	at->state = REACHED_HELD;
	w = mem_alloc(sizeof(*w));
	*w = (struct walk){ .job = j, .digest = d->digest, .size = d->size, .depth = depth };
	w->media_type = mem_strdup(d->media_type);
	w->attached = attached;
	j->unread++;
	job_hold(j);
	walk_read(w);
}

static void walk_edge(struct walk *w, const struct edge *edge)
{
	if (edge->role == EDGE_FOREIGN && w->job->pin->leave_foreign &&
		media_is_foreign(edge->to->media_type))
		skip_foreign(w->job, edge->to);
	else if (edge_is_manifest(edge))
		walk_start(w->job, edge->to, w, w->attached);
	else if (edge->role != EDGE_SUBJECT)
		want_blob(w->job, edge->to, w->attached);
}

static int walk_manifest(struct walk *w, const struct manifest *m, struct err *e)
{
	if (m->kind == MEDIA_INDEX && graph_check_depth(w->depth + 1, e) < 0)
		return -1;
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);

		if (edge.role != EDGE_CHILD || select_held(m, i, w->job->pin, w->attached))
			walk_edge(w, &edge);
	}
	return 0;
}

static void walk_bytes(struct walk *w, struct span bytes)
{
	struct manifest m = MANIFEST_INIT;
	struct err e = ERR_INIT;
	int rc = 0;

	if (bytes.len != w->size)
		rc = err_set(&e, ERR_CORRUPT, "%zu bytes, not the %llu that were announced",
			bytes.len, (unsigned long long)w->size);
	if (rc == 0)
		rc = manifest_parse(&m, "manifest", w->media_type, bytes, &e);
	if (rc == 0)
		rc = walk_manifest(w, &m, &e);
	manifest_release(&m);
	if (rc < 0)
		walk_fail(w, &e);
	else
		walk_end(w);
}

/* --- pins ---------------------------------------------------------------------------------- */

static void want_file(struct job *j, const struct lock_file *f)
{
	struct puller *p = j->puller;

	if (is_held(j, &f->digest, f->size))
		return;
	job_hold(j);
	upstream_url(
		p->session->upstream, f->url, &f->digest, f->size, p->store, p->batch, got_blob, j);
}

/* The manifests follow from the lock; the digest that it states must be theirs. */
static int start_files(struct job *j, struct err *e)
{
	AUTO(files_release) struct file_manifests built = { NULL, 0 };
	const struct file_manifest *last;

	files_build(&built, j->pin);
	last = &built.items[built.count - 1];
	if (!digest_eq(&last->digest, &j->pin->digest))
		return err_set(e, ERR_CORRUPT, "the lock's digest is not that of its files");
	for (size_t i = 0; i < built.count; i++)
		if (keep(j->puller, &built.items[i].digest, buf_span(&built.items[i].bytes), e) < 0)
			return -1;
	if (keep(j->puller, &digest_empty_json, span_of("{}"), e) < 0)
		return -1;
	for (size_t i = 0; i < j->pin->file_count; i++)
		want_file(j, &j->pin->files[i]);
	return 0;
}

static void start_image(struct job *j)
{
	const struct lock_pin *pin = j->pin;

	struct descriptor d = {
		.digest = pin->digest, .size = pin->size, .media_type = pin->media_type
	};

	walk_start(j, &d, NULL, false);
	for (size_t i = 0; i < pin->attached_count; i++) {
		const struct lock_attachment *a = &pin->attached[i];

		add_put(j, &a->digest, a->media_type, a->tag[0] ? a->tag : NULL);
		d = (struct descriptor){
			.digest = a->digest, .size = a->size, .media_type = a->media_type
		};
		walk_start(j, &d, NULL, true);
	}
}

static void job_start(struct job *j)
{
	const struct lock_pin *pin = j->pin;
	struct err e = ERR_INIT;

	reach_init(&j->reached[0]);
	reach_init(&j->reached[1]);
	add_put(j, &pin->digest, pin->media_type, pin->ref.tag[0] ? pin->ref.tag : NULL);
	job_hold(j);
	j->unread = 1; /* the lock */
	if (!pin->file_count)
		start_image(j);
	else if (start_files(j, &e) < 0)
		job_fail(j, &e);
	job_read(j);
	job_drop(j);
}

/* Called again from inside of job_start when a job ends at once: only the outermost goes on. */
static void start_jobs(struct puller *p)
{
	if (p->starting)
		return;
	p->starting = true;
	while (p->started < p->count && p->running < JOBS_MAX) {
		p->running++;
		job_start(&p->jobs[p->started++]);
	}
	p->starting = false;
}

/* --- the end: images ------------------------------------------------------------------------- */

static int put_images(struct job *j, struct err *e)
{
	char repo[REF_TEXT_SIZE];

	ref_name(&j->pin->ref, repo);
	for (size_t i = 0; i < j->put_count; i++)
		if (image_put(j->puller->store, repo, j->puts[i].tag, &j->puts[i].digest,
			    j->puts[i].media_type, e) < 0)
			return -1;
	return 0;
}

static int finish(struct puller *p, struct err *e)
{
	char ref[REF_TEXT_SIZE];

	if (batch_flush(p->batch, e) < 0)
		return -1;
	for (size_t i = 0; i < p->count; i++) {
		struct job *j = &p->jobs[i];

		if (!j->failed && put_images(j, &j->e) < 0)
			j->failed = true;
		if (j->failed)
			failures_add(p->failures, ref_text(&j->pin->ref, ref), &j->e);
		else
			p->report->pins++;
	}
	return 0;
}

/* Those that a run which could not go on left without an answer. */
static void fetches_free(struct puller *p)
{
	for (struct fetch *f = p->fetches, *next; f; f = next) {
		next = f->next;
		for (struct walk *w = f->waiting, *behind; w; w = behind) {
			behind = w->next;
			walk_free(w);
		}
		free(f);
	}
}

static void puller_release(struct puller *p)
{
	fetches_free(p);
	for (size_t i = 0; i < p->count; i++) {
		for (size_t k = 0; k < p->jobs[i].put_count; k++)
			free(p->jobs[i].puts[k].media_type);
		free(p->jobs[i].puts);
		digest_map_release(&p->jobs[i].reached[0]);
		digest_map_release(&p->jobs[i].reached[1]);
	}
	free(p->jobs);
	foreign_layers_release(&p->foreign);
	batch_free(&p->batch);
}

/* Local sources are copied at once, so they come before the network has anything in flight. */
static void add_jobs(struct puller *p, const struct lock_pin *const pins[], size_t count)
{
	p->jobs = mem_alloc(count * sizeof(*p->jobs));
	for (int local = 1; local >= 0; local--)
		for (size_t i = 0; i < count; i++)
			if (source_is_local(&pins[i]->from) == local)
				p->jobs[p->count++] = (struct job){ .puller = p, .pin = pins[i] };
}

int pull_pins(struct session *s, struct store *store, const struct lock_pin *const pins[],
	size_t count, struct pull_report *report, struct failures *failures, struct err *e)
{
	AUTO(puller_release)
	struct puller p = { .session = s,
		.store = store,
		.batch = batch_new(store),
		.report = report,
		.failures = failures };

	p.foreign = (struct foreign_layers){ .store = store, .batch = p.batch };
	add_jobs(&p, pins, count);
	p.unread = count;
	s->state.total = count;
	s->state.growing = count > 0;
	start_jobs(&p);
	if (session_run(s, e) < 0) {
		struct err ignored = ERR_INIT;

		/* What is whole is kept for the next run. */
		(void)!batch_flush(p.batch, &ignored);
		return -1;
	}
	return finish(&p, e);
}

void pull_report_release(struct pull_report *r)
{
	for (size_t i = 0; i < r->foreign_count; i++)
		free(r->foreign[i]);
	free(r->foreign);
	*r = (struct pull_report){ .pins = 0 };
}
