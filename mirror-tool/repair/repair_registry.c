/*
 * Blobs from a registry, many at once: each from the repositories that the store links it to, as a blob and then as a
 * manifest, under the name without its host, as mirrors of one registry have it, and then under the whole one, as moatd
 * has it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/list/place.h"
#include "mirror-tool/repair/repair.h"
#include "mirror-tool/source/session.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define ASKED_MAX 256 /* blobs at once: what waits takes memory */
#define REPOS_MAX 16 /* of one blob */
#define FAILURES_MAX 3 /* of the network, in a row: then the registry is gone */

/* One blob. */
struct asking {
	struct fetching *f;
	struct repair_blob *blob;
	struct ref *places;
	size_t count, at; /* at: the one that is asked */
	bool as_manifest;
	char why[ERR_TEXT_MAX]; /* the last answer but "not here"; "" none */
};

struct fetching {
	struct repair *r;
	const char *place; /* HOST[/PREFIX] */
	struct ref host; /* of it */
	struct session session;
	struct asking *items; /* one a blob that is left */
	size_t count, begun, running;
	unsigned failures;
	bool gone; /* the registry */
	bool starting;
};

static void fetching_release(struct fetching *f)
{
	session_end(&f->session);
	for (size_t i = 0; i < f->count; i++)
		free(f->items[i].places);
	free(f->items);
}

/* --- where it may be ----------------------------------------------------------------------------- */

/* Names that are too long for the place are left out. */
static void add_place(struct asking *a, const char *repo)
{
	struct err ignored = ERR_INIT;
	struct ref at = { .digest = a->blob->digest };

	if (strlen(repo) > REF_REPO_MAX)
		return;
	memcpy(at.repo, repo, strlen(repo) + 1);
	if (place_under(&at, a->f->place, &ignored) == 0)
		*VEC_PUSH(a->places, a->count) = at;
}

/* Take a stored name apart: behind its host, or NULL of a bare one. */
static const char *behind_host(const char *name)
{
	const char *slash = strchr(name, '/');
	struct err ignored = ERR_INIT;
	struct ref ref;

	if (!slash || ref_parse(&ref, span_of(name), &ignored) < 0 ||
		strlen(ref.host) != (size_t)(slash - name) ||
		strncmp(ref.host, name, strlen(ref.host)) != 0)
		return NULL;
	return slash + 1;
}

static int add_repo(void *ctx, const char *name, struct err *e)
{
	struct asking *a = ctx;
	const char *rest = behind_host(name), *host = a->f->host.host;
	char api[REF_TEXT_SIZE];

	(void)e;
	if (rest)
		add_place(a, rest);
	/* A registry that is the name's own has no other. */
	if (rest && !strchr(a->f->place, '/') && strlen(host) == (size_t)(rest - name) - 1 &&
		strncmp(host, name, strlen(host)) == 0)
		return 0;
	ref_api_name(name, api);
	add_place(a, api);
	return a->count >= 2 * (size_t)REPOS_MAX;
}

/* --- asking -------------------------------------------------------------------------------------- */

static void start(struct fetching *f);

static void end(struct asking *a)
{
	struct fetching *f = a->f;

	if (!a->blob->held && *a->why)
		repair_answer(f->r, a->blob, "%s", a->why);
	free(a->places);
	a->places = NULL;
	f->running--;
	f->session.state.done++;
	start(f);
}

static void ask(struct asking *a);

/* Go on behind an answer that brought nothing. */
static void go_on(struct asking *a, const struct err *e)
{
	struct fetching *f = a->f;
	bool absent = e->code == ERR_ABSENT;

	if (err_is_local(e->code) || e->code == ERR_BUSY) {
		upstream_abandon(f->session.upstream, e);
		return;
	}
	if (!absent)
		snprintf(a->why, sizeof(a->why), "%s", e->text);
	f->failures = e->code == ERR_NET ? f->failures + 1 : 0;
	if (f->failures == FAILURES_MAX) {
		f->gone = true;
		upstream_abandon(f->session.upstream, e);
		return;
	}
	if (absent && !a->as_manifest && a->blob->size <= MANIFEST_MAX) {
		a->as_manifest = true;
	} else {
		a->as_manifest = false;
		a->at++;
	}
	ask(a);
}

static void got_blob(void *ctx, int rc, struct err *e)
{
	struct asking *a = ctx;

	if (rc < 0) {
		go_on(a, e);
		return;
	}
	a->f->failures = 0;
	repair_settle(a->f->r, a->blob, a->f->r->source);
	end(a);
}

static void got_manifest(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct asking *a = ctx;

	if (rc == 0)
		rc = err_set(e, ERR_ABSENT, "does not have it");
	if (rc > 0)
		rc = repair_put(a->f->r, a->blob, m->bytes, e);
	if (rc < 0)
		go_on(a, e);
	else
		end(a);
}

static void ask(struct asking *a)
{
	struct fetching *f = a->f;
	struct upstream *up = f->session.upstream;

	if (a->at == a->count)
		end(a);
	else if (a->as_manifest)
		upstream_manifest(up, &a->places[a->at], 0, got_manifest, a);
	else
		upstream_blob(up, &a->places[a->at], &a->blob->digest, a->blob->size, f->r->store,
			f->r->batch, got_blob, a);
}

/* end() calls this again when a blob is in no repository: only the outer call goes on. */
static void start(struct fetching *f)
{
	if (f->starting)
		return;
	f->starting = true;
	while (f->begun < f->count && f->running < ASKED_MAX) {
		f->running++;
		ask(&f->items[f->begun++]);
	}
	f->starting = false;
}

/* --- the run ------------------------------------------------------------------------------------- */

static int gather(struct fetching *f, struct err *e)
{
	struct repair_blob *b;

	f->items = mem_alloc(f->r->left * sizeof(*f->items));
	for (size_t at = 0; (b = repair_next(f->r, &at));) {
		struct asking *a = &f->items[f->count++];

		*a = (struct asking){ .f = f, .blob = b };
		if (repos_with_blob(f->r->store, &b->digest, add_repo, a, e) < 0)
			return -1;
	}
	f->session.state.total = f->count;
	return 0;
}

/* Tell the scheme: the place behind it. */
static const char *place_of(const char *word, bool *plain)
{
	*plain = strncmp(word, "http://", strlen("http://")) == 0;
	if (*plain)
		return word + strlen("http://");
	return strncmp(word, "https://", strlen("https://")) == 0 ? word + strlen("https://")
								  : word;
}

int repair_check_registry(const char *place, struct err *e)
{
	bool plain;

	return place_check_prefix(place_of(place, &plain), e) < 0 ? err_ctx(e, "registry:") : 0;
}

static int run(struct fetching *f, struct err *e)
{
	if (gather(f, e) < 0)
		return -1;
	start(f);
	return session_run(&f->session, e);
}

int repair_from_registry(struct repair *r, const char *place, struct err *e)
{
	AUTO(fetching_release) struct fetching f = { .r = r, .host = { .repo = "x/x" } };
	struct registry_conf conf = { .plain_http = false };
	const struct registry_confs confs = { &conf, 1 };
	const struct session_options how = { .authfile = r->authfile,
		.certs_dirs = r->certs_dirs,
		.registries = &confs,
		.base = ".",
		.verb = "repair",
		.things = "blobs",
		.blobs = true };
	int rc;

	f.place = place_of(place, &conf.plain_http);
	if (place_under(&f.host, f.place, e) < 0)
		return -1;
	memcpy(conf.host, f.host.host, sizeof(conf.host));
	if (session_begin(&f.session, r->tool, &how, e) < 0)
		return -1;
	rc = run(&f, e);
	if (rc < 0 && f.gone) {
		repair_failed(r, e);
		err_clear(e);
		return 0;
	}
	return rc;
}
