/*
 * Fetch each pin from its digest down: manifest, children that are held, config, layers; then its
 * attachments in the same way. Blobs and manifests go into one batch; images are put when all is
 * durable. Must never put an incomplete image, and never fetch what the store has.
 */
#include "mirror-tool/pull/pull.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "mirror-tool/list/file_artifact.h"
#include "mirror-tool/pull/foreign.h"
#include "mirror-tool/list/selection.h"
#include "storage/oci/reach.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* Pins in progress at once. Bounds the memory of waiting requests (some 3 KiB each, one for each
 * blob). Manifests are fetched before blobs, so the total is known early even of so many pins. */
#define JOBS_MAX 512
#define GROUP_JOBS 256 /* whose images are put in one transaction: other writers wait for it */

/* A manifest to be put once everything is durable. */
struct pending_manifest {
	struct digest digest;
	char *media_type;
	const char *tag; /* borrowed from the lock; NULL: none */
};

struct pin_job {
	struct puller *puller;
	const struct lock_pin *pin;
	struct origin origin; /* set when something has to be fetched */
	bool has_origin;
	struct pending_manifest *manifests; /* the pin, then its attachments */
	size_t manifest_count;
	struct digest_map reached[2]; /* struct reached, of the pin and of what is attached */
	unsigned pending; /* requests without an answer; 0: done */
	unsigned unread; /* manifests not read yet; 0: all its blobs have been asked for */
	bool failed;
	struct err e; /* the first failure */
};

/* A manifest being fetched, and the visits that wait for it: tags often share a digest. */
struct manifest_fetch {
	LIST_ENTRY(manifest_fetch) link;
	struct puller *puller;
	const struct lock_pin *pin; /* the pin whose source is asked */
	struct digest digest;
	struct manifest_visit *waiting;
};

/* A visit of one manifest for one job. */
struct manifest_visit {
	struct manifest_visit *next;
	struct pin_job *job;
	struct digest digest;
	uint64_t size;
	char *media_type; /* as announced by the lock, or by the index that lists it */
	unsigned depth; /* manifests above */
	bool attached; /* part of an attachment, which is held whole */
};

struct puller {
	struct session *session;
	struct store *store;
	struct blob_batch *batch;
	struct pull_report *report;
	struct failures *failures;
	struct pin_job *jobs;
	size_t count, started, running;
	size_t unread; /* jobs with manifests to read, started or not */
	bool starting; /* inside start_jobs() */
	LIST_HEAD(manifest_fetches, manifest_fetch) fetches; /* without an answer */
	struct foreign_layers foreign;
};

static void start_jobs(struct puller *p);
static void visit_bytes(struct manifest_visit *v, struct span bytes);

/* --- jobs ---------------------------------------------------------------------------------- */

/* Record the first failure of a job. Local errors (a full or broken store, rights, limits) end the
 * run: everything after would fail, too. What no source has is reported as missing. */
static void job_fail(struct pin_job *j, const struct err *e)
{
	if (!j->failed)
		j->e = *e;
	j->failed = true;
	if (j->e.code == ERR_ABSENT)
		j->e.code = ERR_INCOMPLETE;
	if (err_is_local(e->code))
		upstream_abandon(j->puller->session->upstream, e);
}

static void job_hold(struct pin_job *j)
{
	j->pending++;
}

static void job_drop(struct pin_job *j)
{
	struct puller *p = j->puller;

	if (--j->pending)
		return;
	p->running--;
	p->session->state.done++;
	progress_show(&p->session->progress, &p->session->state);
	start_jobs(p);
}

/* Count a manifest as read. After the last of all jobs the total of bytes is known. */
static void job_read(struct pin_job *j)
{
	struct puller *p = j->puller;

	if (--j->unread == 0)
		p->unread--;
	p->session->state.growing = p->unread > 0;
}

static void job_ref(const struct pin_job *j, struct ref *ref, const struct digest *d)
{
	*ref = j->pin->ref;
	ref->tag[0] = '\0';
	ref->digest = *d;
}

/* Open the source when it is needed: a local one may be gone when the store has all of it. */
static int need_origin(struct pin_job *j, struct err *e)
{
	if (j->has_origin)
		return 0;
	if (origin_of(&j->puller->session->origins, &j->pin->from, &j->origin, e) < 0)
		return -1;
	j->has_origin = true;
	return 0;
}

static void add_manifest(
	struct pin_job *j, const struct digest *d, const char *media_type, const char *tag)
{
	*VEC_PUSH(j->manifests, j->manifest_count) =
		(struct pending_manifest){ *d, mem_strdup(media_type), tag };
}

/* --- blobs --------------------------------------------------------------------------------- */

static void got_blob(void *ctx, int rc, struct err *e)
{
	struct pin_job *j = ctx;

	if (rc < 0)
		job_fail(j, e);
	job_drop(j);
}

/* Does the store have the blob, or will it after the next flush? True also when that cannot be
 * told: the job has failed then. */
static bool is_held(struct pin_job *j, const struct digest *d, uint64_t want)
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

/* Copy a blob from a layout, at once and with nothing else in flight. */
static void copy_blob(struct pin_job *j, const struct ref *ref, const struct descriptor *d)
{
	struct puller *p = j->puller;
	struct session *s = p->session;
	uint64_t end = s->copied + d->size;

	s->state.bytes_total += d->size;
	origin_blob(&j->origin, ref, &d->digest, d->size, p->store, p->batch, got_blob, j);
	s->state.bytes_total -= end - s->copied; /* failed, or held already */
}

/* Fetch a blob unless it is held; a layer with addresses of its own also from those. */
static void want_blob(struct pin_job *j, const struct descriptor *d, bool attached)
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

static void skip_foreign(struct pin_job *j, const struct descriptor *d)
{
	struct pull_report *r = j->puller->report;
	char ref[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	*VEC_PUSH(r->foreign, r->foreign_count) =
		mem_printf("%s %s", ref_text(&j->pin->ref, ref), digest_text(&d->digest, digest));
}

/* Commit bytes to the store; fails when their digest is not d. */
static int commit_bytes(struct puller *p, const struct digest *d, struct span bytes, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	int rc = blob_begin(p->store, d, bytes.len, BLOB_VERIFY, &w, e);

	if (rc)
		return rc < 0 ? -1 : 0;
	blob_write(w, bytes.data, bytes.len);
	return blob_commit(&w, p->batch, NULL, e);
}

/* --- manifests ------------------------------------------------------------------------------- */

static void visit_free(struct manifest_visit *v)
{
	free(v->media_type);
	free(v);
}

static void visit_end(struct manifest_visit *v)
{
	struct pin_job *j = v->job;

	visit_free(v);
	job_read(j);
	job_drop(j);
}

static void visit_fail(struct manifest_visit *v, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	err_ctx(e, "manifest %s", digest_text(&v->digest, text));
	job_fail(v->job, e);
	visit_end(v);
}

static void fetch(struct manifest_visit *v);

static bool same_place(const struct lock_pin *a, const struct lock_pin *b)
{
	const char *x = a->from.text ? a->from.text : "", *y = b->from.text ? b->from.text : "";

	return strcmp(a->ref.host, b->ref.host) == 0 && strcmp(a->ref.repo, b->ref.repo) == 0 &&
	       strcmp(x, y) == 0;
}

/* Give a manifest, or the failure to fetch it, to all visits that wait. Those of another source ask
 * there after a failure. */
static void fetch_end(struct manifest_fetch *f, int rc, struct span bytes, const struct err *e)
{
	struct manifest_visit *v = f->waiting, *next;
	const struct lock_pin *asked = f->pin;

	LIST_REMOVE(f, link);
	free(f);
	for (; v; v = next) {
		struct err own = *e;

		next = v->next;
		if (rc >= 0)
			visit_bytes(v, bytes);
		else if (same_place(v->job->pin, asked))
			visit_fail(v, &own);
		else
			fetch(v);
	}
}

static void got_manifest(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct manifest_fetch *f = ctx;
	struct span bytes = { "", 0 };

	if (rc == 0)
		rc = err_set(e, ERR_ABSENT, "pinned by the lock, but upstream does not have it");
	if (rc > 0) {
		bytes = m->bytes;
		rc = commit_bytes(f->puller, &f->digest, bytes, e);
	}
	fetch_end(f, rc, bytes, e);
}

static void fetch(struct manifest_visit *v)
{
	struct puller *p = v->job->puller;
	struct manifest_fetch *f;
	struct err e = ERR_INIT;
	struct ref ref;

	if (need_origin(v->job, &e) < 0) {
		visit_fail(v, &e);
		return;
	}
	LIST_FOREACH(f, &p->fetches, link)
		if (digest_eq(&f->digest, &v->digest))
			break;
	if (f) {
		v->next = f->waiting;
		f->waiting = v;
		return;
	}
	f = mem_alloc(sizeof(*f));
	v->next = NULL;
	*f = (struct manifest_fetch){
		.puller = p, .pin = v->job->pin, .digest = v->digest, .waiting = v
	};
	LIST_INSERT_HEAD(&p->fetches, f, link);
	job_ref(v->job, &ref, &v->digest);
	origin_manifest(&v->job->origin, &ref, false, got_manifest, f);
}

/* Read a manifest from the store, or from the batch after a flush. Returns 1, 0, -1. A corrupt one
 * is moved to quarantine and is 0. */
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

/* Read a manifest, or fetch it. */
static void visit_read(struct manifest_visit *v)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = read_held(v->job->puller, &v->digest, &bytes, &e);

	if (rc < 0)
		visit_fail(v, &e);
	else if (rc > 0)
		visit_bytes(v, buf_span(&bytes));
	else
		fetch(v);
}

/* Visit a manifest unless it brings nothing new. up: the index that lists it; NULL: the lock does. */
static void visit_start(struct pin_job *j, const struct descriptor *d,
	const struct manifest_visit *up, bool attached)
{
	unsigned depth = up ? up->depth + 1 : 0;
	struct err e = ERR_INIT;
	struct reached *at = reach_blob(&j->reached[attached], d, &e);
	enum reach reach = REACH_NOTHING;
	struct manifest_visit *v;

	if (!at || reach_manifest(at, d, depth, &reach, &e) < 0)
		job_fail(j, &e);
	if (!at || reach == REACH_NOTHING)
		return;
	at->state = REACHED_HELD;
	v = mem_alloc(sizeof(*v));
	*v = (struct manifest_visit){
		.job = j, .digest = d->digest, .size = d->size, .depth = depth
	};
	v->media_type = mem_strdup(d->media_type);
	v->attached = attached;
	j->unread++;
	job_hold(j);
	visit_read(v);
}

static void visit_edge(struct manifest_visit *v, const struct edge *edge)
{
	if (edge->role == EDGE_FOREIGN && v->job->pin->leave_foreign &&
		media_is_foreign(edge->to->media_type))
		skip_foreign(v->job, edge->to);
	else if (edge_is_manifest(edge))
		visit_start(v->job, edge->to, v, v->attached);
	else if (edge->role != EDGE_SUBJECT)
		want_blob(v->job, edge->to, v->attached);
}

static int visit_manifest(struct manifest_visit *v, const struct manifest *m, struct err *e)
{
	if (m->kind == MEDIA_INDEX && graph_check_depth(v->depth + 1, e) < 0)
		return -1;
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);

		if (edge.role != EDGE_CHILD || select_held(m, i, v->job->pin, v->attached))
			visit_edge(v, &edge);
	}
	return 0;
}

static void visit_bytes(struct manifest_visit *v, struct span bytes)
{
	struct manifest m = MANIFEST_INIT;
	struct err e = ERR_INIT;
	int rc = 0;

	if (bytes.len != v->size)
		rc = err_set(&e, ERR_CORRUPT, "%zu bytes, not the %llu that were announced",
			bytes.len, (unsigned long long)v->size);
	if (rc == 0)
		rc = manifest_parse(&m, "manifest", v->media_type, bytes, &e);
	if (rc == 0)
		rc = visit_manifest(v, &m, &e);
	manifest_release(&m);
	if (rc < 0)
		visit_fail(v, &e);
	else
		visit_end(v);
}

/* --- pins ---------------------------------------------------------------------------------- */

static void want_file(struct pin_job *j, const struct lock_file *f)
{
	struct puller *p = j->puller;

	if (is_held(j, &f->digest, f->size))
		return;
	job_hold(j);
	upstream_url(
		p->session->upstream, f->url, &f->digest, f->size, p->store, p->batch, got_blob, j);
}

/* Build the manifests from the lock and compare with the stated digest; fetch the files. */
static int start_files(struct pin_job *j, struct err *e)
{
	AUTO(files_release) struct file_manifests built = { NULL, 0 };
	const struct file_manifest *last;

	files_build(&built, j->pin);
	last = &built.items[built.count - 1];
	if (!digest_eq(&last->digest, &j->pin->digest))
		return err_set(e, ERR_CORRUPT, "the lock's digest is not that of its files");
	for (size_t i = 0; i < built.count; i++)
		if (commit_bytes(j->puller, &built.items[i].digest, buf_span(&built.items[i].bytes),
			    e) < 0)
			return -1;
	if (commit_bytes(j->puller, &digest_empty_json, span_of("{}"), e) < 0)
		return -1;
	for (size_t i = 0; i < j->pin->file_count; i++)
		want_file(j, &j->pin->files[i]);
	return 0;
}

static void start_image(struct pin_job *j)
{
	const struct lock_pin *pin = j->pin;

	struct descriptor d = {
		.digest = pin->digest, .size = pin->size, .media_type = pin->media_type
	};

	visit_start(j, &d, NULL, false);
	for (size_t i = 0; i < pin->attached_count; i++) {
		const struct lock_attachment *a = &pin->attached[i];

		add_manifest(j, &a->digest, a->media_type, a->tag[0] ? a->tag : NULL);
		d = (struct descriptor){
			.digest = a->digest, .size = a->size, .media_type = a->media_type
		};
		visit_start(j, &d, NULL, true);
	}
}

static void job_start(struct pin_job *j)
{
	const struct lock_pin *pin = j->pin;
	struct err e = ERR_INIT;

	reach_init(&j->reached[0]);
	reach_init(&j->reached[1]);
	add_manifest(j, &pin->digest, pin->media_type, pin->ref.tag[0] ? pin->ref.tag : NULL);
	job_hold(j);
	j->unread = 1; /* this function */
	if (!pin->file_count)
		start_image(j);
	else if (start_files(j, &e) < 0)
		job_fail(j, &e);
	job_read(j);
	job_drop(j);
}

/* Start jobs up to the limit. job_start() may call this again when a job ends at once: only the
 * outer call goes on. */
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

/* What the jobs [from, to) put into the store. */
struct image_group {
	struct puller *puller;
	size_t from, to;
	char (*repos)[REF_TEXT_SIZE]; /* one a job */
	struct image_item *items;
	size_t count;
};

static void group_release(struct image_group *g)
{
	free(g->repos);
	free(g->items);
}

static void group_gather(struct image_group *g)
{
	g->repos = mem_grow(NULL, g->to - g->from, sizeof(*g->repos));
	for (size_t i = g->from; i < g->to; i++) {
		const struct pin_job *j = &g->puller->jobs[i];
		const char *repo = ref_name(&j->pin->ref, g->repos[i - g->from]);

		for (size_t m = 0; !j->failed && m < j->manifest_count; m++)
			*VEC_PUSH(g->items, g->count) = (struct image_item){ .repo = repo,
				.tag = j->manifests[m].tag,
				.digest = &j->manifests[m].digest,
				.media_type = j->manifests[m].media_type };
	}
}

static int put_jobs(struct puller *p, size_t from, size_t to, struct err *e)
{
	AUTO(group_release) struct image_group g = { .puller = p, .from = from, .to = to };

	group_gather(&g);
	return g.count ? images_put(p->store, g.items, g.count, e) : 0;
}

/* Put a group in one transaction; when it has an image that cannot be put, each job by itself, so that
 * only that one fails. A busy store was waited for long enough: not once more for each job. */
static int put_group(struct puller *p, size_t from, size_t to, struct err *e)
{
	if (put_jobs(p, from, to, e) == 0)
		return 0;
	if (err_is_local(e->code) || e->code == ERR_BUSY)
		return -1;
	for (size_t i = from; i < to; i++) {
		struct pin_job *j = &p->jobs[i];

		if (!j->failed && put_jobs(p, i, i + 1, &j->e) < 0)
			j->failed = true;
	}
	return 0;
}

static int finish(struct puller *p, struct err *e)
{
	char ref[REF_TEXT_SIZE];

	if (batch_flush(p->batch, e) < 0)
		return -1;
	for (size_t i = 0; i < p->count; i += GROUP_JOBS) {
		size_t to = p->count - i < GROUP_JOBS ? p->count : i + GROUP_JOBS;

		if (put_group(p, i, to, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < p->count; i++) {
		struct pin_job *j = &p->jobs[i];

		if (j->failed)
			failures_add(p->failures, ref_text(&j->pin->ref, ref), &j->e);
		else
			p->report->pins++;
	}
	return 0;
}

/* Free the fetches that an aborted run left without an answer. */
static void fetches_free(struct puller *p)
{
	for (struct manifest_fetch *f; (f = LIST_FIRST(&p->fetches));) {
		LIST_REMOVE(f, link);
		for (struct manifest_visit *v = f->waiting, *behind; v; v = behind) {
			behind = v->next;
			visit_free(v);
		}
		free(f);
	}
}

static void puller_release(struct puller *p)
{
	fetches_free(p);
	for (size_t i = 0; i < p->count; i++) {
		for (size_t k = 0; k < p->jobs[i].manifest_count; k++)
			free(p->jobs[i].manifests[k].media_type);
		free(p->jobs[i].manifests);
		digest_map_release(&p->jobs[i].reached[0]);
		digest_map_release(&p->jobs[i].reached[1]);
	}
	free(p->jobs);
	foreign_layers_release(&p->foreign);
	batch_free(&p->batch);
}

/* Add jobs of local sources first: they are copied before anything is in flight. */
static void add_jobs(struct puller *p, const struct lock_pin *const pins[], size_t count)
{
	p->jobs = mem_alloc(count * sizeof(*p->jobs));
	for (int local = 1; local >= 0; local--)
		for (size_t i = 0; i < count; i++)
			if (source_is_local(&pins[i]->from) == local)
				p->jobs[p->count++] =
					(struct pin_job){ .puller = p, .pin = pins[i] };
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

		/* Blobs that are complete stay for the next run. */
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
