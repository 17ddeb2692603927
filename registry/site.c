/*
 * From a raw request to its reply: cache first, then route, then who may, then handler.
 * Must never serve from the cache what the store no longer says (S4), nor to anyone who may not have
 * it.
 */
#include "registry/site.h"

#include <stdio.h>

#include "registry/writing.h"
#include "storage/base/banned.h"

void site_refresh(struct site *s, int64_t now_ms)
{
	s->now_ms = now_ms;
}

/* Has another process committed since we asked last? Then every hit of the cache is stale. */
static int check_change(struct site *s, struct err *e)
{
	uint64_t now;

	if (store_change(s->store, &now, e) < 0)
		return -1;
	if (now != s->change)
		cache_changed(s->cache);
	s->change = now;
	s->checked_ms = s->now_ms;
	return 0;
}

/* --- who may --------------------------------------------------------------------------------- */

static bool is_open(const struct site *s)
{
	return !s->auth || auth_is_open(s->auth);
}

const char *site_keep(const struct site *s)
{
	return is_open(s) ? "public, max-age=31536000, immutable"
			  : "private, max-age=31536000, immutable";
}

bool site_may(const struct site *s, const struct request *q, const char *path, const char *repo,
	enum action action)
{
	return !s->auth || auth_may(s->auth, q->who, path, repo, action);
}

/* In the words of the request: whose rule it was, or whether anything is there, has no part in it. */
static int refuse(const struct request *q, const char *path, unsigned actions, struct reply *r)
{
	const char *what = actions & ACTION_DELETE    ? "delete from"
			   : actions & ACTION_PUSH    ? "push to"
			   : actions & ACTION_PULL    ? "pull from"
			   : actions & ACTION_CATALOG ? "list the repositories of"
						      : "use";

	return reply_error(r, 403, "DENIED", "%s may not %s %s",
		*q->who->name ? q->who->name : "nobody without a login", what,
		*path ? path : "this registry");
}

int site_deny(struct site *s, const struct request *q, const char *path, unsigned actions,
	struct reply *r)
{
	AUTO(buf_release) struct buf challenge = BUF_INIT;

	if (!auth_login_helps(s->auth, q->who, path, actions))
		return refuse(q, path, actions, r);
	auth_challenge(s->auth, q->who, q->host, s->tls, path, actions, &challenge);
	reply_error(r, 401, "UNAUTHORIZED", "a login is needed for that");
	reply_header(r, "WWW-Authenticate", challenge.data);
	return 0;
}

/* Leave out what is not for who asks: to them it is as if it were not there. True: nothing was. */
static bool keep_readable(struct site *s, const struct request *q, struct candidates *names)
{
	size_t count = names->count;

	names->count = 0;
	for (size_t i = 0; i < count; i++)
		if (site_may(s, q, q->route->name, names->name[i], ACTION_PULL))
			memmove(names->name[names->count++], names->name[i],
				sizeof(names->name[i]));
	return names->count == count;
}

/* --- reading --------------------------------------------------------------------------------- */

int site_find(
	struct site *s, const struct request *q, find_fn *find, struct content **out, struct err *e)
{
	bool fresh = false;
	AUTO(content_unref) struct content *hint = cache_get(s->cache, span_of(q->uri), &fresh);
	uint64_t epoch = cache_epoch(s->cache);

	for (size_t i = 0; i < q->repos->count; i++) {
		int rc = find(s, q->route, q->repos->name[i], hint, out, e);

		if (rc < 0)
			return err_ctx(e, "%s", q->repos->name[i]);
		if (rc > 0) {
			if (q->repos_all)
				cache_put(s->cache, span_of(q->uri), epoch, *out);
			return 1;
		}
	}
	return 0;
}

void site_doubt(struct site *s, const struct digest *d, const struct err *why)
{
	if (why->code != ERR_BUSY && why->code != ERR_FULL && why->code != ERR_LIMIT &&
		why->code != ERR_RIGHTS)
		checker_suspect(s->checker, d);
}

void site_keep_list(struct site *s, const struct request *q, uint64_t epoch, const struct reply *r)
{
	AUTO(content_unref) struct content *c = NULL;

	if (!q->repos_all || r->bytes.len > CACHE_CONTENT_MAX)
		return;
	c = content_list(buf_span(&r->bytes), reply_get(r, "Content-Type"), reply_get(r, "Link"),
		q->route->ns);
	cache_put(s->cache, span_of(q->uri), epoch, c);
}

static const struct {
	handler_fn *get;
	const struct write_handler *post, *put, *patch, *delete;
	bool named; /* in a repository: what may be read of it decides */
} table[ROUTE_COUNT] = {
	[ROUTE_BASE] = { .get = get_base },
	[ROUTE_CATALOG] = { .get = list_catalog },
	[ROUTE_DISCOVER] = { .get = get_discover },
	[ROUTE_TAGS] = { .get = list_tags, .named = true },
	[ROUTE_MANIFEST] = { .get = get_manifest,
		.put = &put_manifest,
		.delete = &delete_manifest,
		.named = true },
	[ROUTE_BLOB] = { .get = get_blob, .delete = &delete_blob, .named = true },
	[ROUTE_REFERRERS] = { .get = list_referrers_of, .named = true },
	[ROUTE_UPLOADS] = { .post = &upload_start },
	[ROUTE_UPLOAD] = { .put = &upload_put, .patch = &upload_patch, .delete = &upload_cancel },
	[ROUTE_TOKEN] = { .get = get_token },
	[ROUTE_METRICS] = { .get = get_metrics },
	[ROUTE_HEALTH] = { .get = get_health },
	[ROUTE_READY] = { .get = get_ready },
};

static bool cached(struct site *s, struct request *q, struct reply *r)
{
	bool fresh = false;
	AUTO(content_unref) struct content *c = cache_get(s->cache, span_of(q->uri), &fresh);

	if (!c || !fresh)
		return false;
	if (!c->digest.alg)
		q->kind = strcmp(c->media_type, MEDIA_JSON) == 0 ? ROUTE_TAGS : ROUTE_REFERRERS;
	else
		q->kind = strcmp(c->media_type, MEDIA_BLOB) == 0 ? ROUTE_BLOB : ROUTE_MANIFEST;
	reply_content(r, q, c);
	return true;
}

/* From the cache: 1 answered, 0 the store has to be looked into. */
static int answer_cached(struct site *s, struct request *q, struct reply *r, struct err *e)
{
	if (s->checked_ms != s->now_ms && check_change(s, e) < 0)
		return -1;
	return cached(s, q, r);
}

/* What is found may be newer than the cache: nobody may get it before all hits are stale. */
static int look_up(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	if (table[q->route->kind].get(s, q, r, e) < 0)
		return -1;
	if (r->body == BODY_BYTES && r->status == 200 && table[q->route->kind].named &&
		*q->route->ns)
		reply_header(r, "OCI-Namespace", q->route->ns); /* a list; content has it itself */
	return check_change(s, e);
}

static bool is_writable(const struct site *s)
{
	return s->writers && s->writers->committer;
}

static enum action action_of(const struct request *q)
{
	bool content = q->route->kind == ROUTE_MANIFEST || q->route->kind == ROUTE_BLOB;

	return q->method == METHOD_DELETE && content ? ACTION_DELETE : ACTION_PUSH;
}

static void list_methods(const struct site *s, enum route_kind kind, struct buf *out)
{
	bool push = is_writable(s), upload = kind == ROUTE_UPLOAD;
	const struct {
		const char *name;
		bool may;
	} methods[] = { { "GET, HEAD", table[kind].get || (push && upload) },
		{ "POST", push && table[kind].post }, { "PUT", push && table[kind].put },
		{ "PATCH", push && table[kind].patch },
		{ "DELETE", push && table[kind].delete &&(upload || s->writers->deletes) } };

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].may)
			buf_printf(out, "%s%s", out->len ? ", " : "", methods[i].name);
}

static void refuse_method(const struct site *s, const struct request *q, struct reply *r)
{
	AUTO(buf_release) struct buf allow = BUF_INIT;

	reply_error(r, 405, "UNSUPPORTED",
		!is_writable(s)                 ? "this registry is read-only (push is off)"
		: action_of(q) == ACTION_DELETE ? "deleting is switched off here"
						: "no such method here");
	list_methods(s, q->route->kind, &allow);
	if (allow.len > 0)
		reply_header(r, "Allow", allow.data);
}

/* The state of an upload: read, but of the table of uploads. */
static int answer_upload(struct site *s, struct request *q, struct reply *r, struct err *e)
{
	static const struct waker nobody = { .ctx = NULL }; /* it is answered at once */
	AUTO(writing_free) struct writing *w = NULL;

	site_write(s, q, &nobody, &w, r, e);
	if (!w)
		return 0;
	reply_release(r);
	*r = w->reply;
	reply_init(&w->reply);
	return 0;
}

/* Not found among what may be read, but some names were left out, and a login could change that:
 * clients log in on a 401 only. Whether anything is there has no part in it. */
static bool is_hidden(const struct site *s, const struct request *q)
{
	return !q->repos_all && (*q->who->name || !q->who->by_token) &&
	       auth_login_helps(s->auth, q->who, q->route->name, ACTION_PULL);
}

static int answer_readable(struct site *s, struct request *q, struct reply *r, struct err *e)
{
	if (q->repos->count == 0)
		return site_deny(s, q, q->route->name, ACTION_PULL, r);
	if (!is_open(s) && q->repos_all) {
		int rc = answer_cached(s, q, r, e);

		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	if (look_up(s, q, r, e) < 0)
		return -1;
	return r->status == 404 && is_hidden(s, q) ? site_deny(s, q, q->route->name, ACTION_PULL, r)
						   : 0;
}

static int answer_named(struct site *s, struct request *q, struct reply *r, struct err *e)
{
	struct candidates repos;
	int rc;

	names_find(s->names, q->route->name, q->route->ns, &repos);
	q->repos_all = keep_readable(s, q, &repos);
	q->repos = &repos;
	rc = answer_readable(s, q, r, e);
	q->repos = NULL;
	return rc;
}

static int answer(
	struct site *s, struct request *q, struct route *route, struct reply *r, struct err *e)
{
	enum route_fault fault;
	int rc = is_open(s) ? answer_cached(s, q, r, e) : 0;

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	fault = route_parse(route, span_of(q->uri));
	q->route = route;
	q->kind = route->kind;
	if (fault != ROUTE_OK) {
		reply_fault(r, fault, route);
		return 0;
	}
	if (route->kind == ROUTE_NONE)
		return reply_error(r, 404, "UNSUPPORTED", "no such path in this registry");
	if (route->kind == ROUTE_UPLOAD)
		return answer_upload(s, q, r, e);
	if (!table[route->kind].get) {
		refuse_method(s, q, r);
		return 0;
	}
	return table[route->kind].named ? answer_named(s, q, r, e) : look_up(s, q, r, e);
}

void site_answer(struct site *s, struct request *q, struct reply *r, struct err *failed)
{
	struct route route;

	failed->code = ERR_OK;
	s->waits = false;
	if (answer(s, q, &route, r, failed) < 0)
		reply_failure(r, failed);
	q->route = NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

static const struct write_handler *handler_for(const struct request *q)
{
	switch (q->method) {
	case METHOD_GET:
	case METHOD_HEAD:
		return q->route->kind == ROUTE_UPLOAD ? &upload_status : NULL;
	case METHOD_POST:
		return table[q->route->kind].post;
	case METHOD_PUT:
		return table[q->route->kind].put;
	case METHOD_PATCH:
		return table[q->route->kind].patch;
	case METHOD_DELETE:
		return table[q->route->kind].delete;
	default:
		return NULL;
	}
}

/* Where it goes: the first of the names that is a repository already, else the path itself. */
static int choose_target(struct site *s, const struct candidates *names, const char *path,
	char repo[NAME_MAX_BYTES + 1], struct err *e)
{
	for (size_t i = 0; i < names->count; i++) {
		int rc = repo_exists(s->store, names->name[i], e);

		if (rc < 0)
			return -1;
		if (rc > 0) {
			snprintf(repo, NAME_MAX_BYTES + 1, "%s", names->name[i]);
			return 0;
		}
	}
	snprintf(repo, NAME_MAX_BYTES + 1, "%.*s", REF_REPO_MAX, path);
	return 0;
}

static int begin_write(struct site *s, struct request *q, const struct waker *waker,
	struct writing **w, struct reply *r, struct err *e)
{
	const struct write_handler *handler = handler_for(q);
	const struct route *route = q->route;
	char repo[NAME_MAX_BYTES + 1];
	struct candidates names, readable;

	if (!handler || !is_writable(s) ||
		(action_of(q) == ACTION_DELETE && !s->writers->deletes)) {
		refuse_method(s, q, r);
		return 0;
	}
	names_find_target(s->names, route->name, route->ns, &names);
	readable = names;
	q->repos_all = keep_readable(s, q, &readable);
	if (choose_target(s, &readable, route->name, repo, e) < 0)
		return -1;
	if (!site_may(s, q, route->name, repo, action_of(q)))
		return site_deny(s, q, route->name, ACTION_PULL | (unsigned)action_of(q), r);
	*w = writing_new(s, q, q->who ? q->who->name : "", repo, &names, handler, waker);
	return 0;
}

void site_write(struct site *s, struct request *q, const struct waker *waker, struct writing **w,
	struct reply *r, struct err *failed)
{
	struct route route;
	enum route_fault fault = route_parse(&route, span_of(q->uri));

	failed->code = ERR_OK;
	q->route = &route;
	q->kind = route.kind;
	*w = NULL;
	if (fault == ROUTE_BAD_TAG)
		reply_error(r, 400, "MANIFEST_INVALID", "not a tag that could exist");
	else if (route.kind == ROUTE_NONE && fault == ROUTE_OK)
		reply_error(r, 404, "UNSUPPORTED", "no such path in this registry");
	else if (fault != ROUTE_OK)
		reply_fault(r, fault, &route);
	else if (begin_write(s, q, waker, w, r, failed) < 0)
		reply_failure(r, failed);
	q->route = NULL;
}
