/*
 * Answer a request: cache first, then route, then who may, then handler. Must never serve from the cache what
 * the store no longer says (S4), nor to a caller who may not have it.
 */
#include "registry/dispatch.h"

#include <stdio.h>

#include "registry/ops/metrics.h"
#include "registry/push/push.h"
#include "storage/base/banned.h"

/* Answer /metrics, which covers the whole server, where other handlers know a context. */
static int answer_metrics(
	struct context *context, const struct request *q, struct reply *r, struct err *e)
{
	(void)q, (void)e;
	return get_metrics(CONTAINER_OF(context, struct dispatch, context), r);
}

static handler_fn answer_upload;

static const struct {
	handler_fn *get;
	const struct push_handler *post, *put, *patch, *del;
	bool named; /* in a repository: the caller's rights to it decide */
} table[ROUTE_COUNT] = {
	[ROUTE_BASE] = { .get = get_base },
	[ROUTE_CATALOG] = { .get = list_catalog },
	[ROUTE_DISCOVER] = { .get = get_discover },
	[ROUTE_TAGS] = { .get = list_tags, .named = true },
	[ROUTE_MANIFEST] = { .get = get_manifest,
		.put = &put_manifest,
		.del = &delete_manifest,
		.named = true },
	[ROUTE_BLOB] = { .get = get_blob, .del = &delete_blob, .named = true },
	[ROUTE_REFERRERS] = { .get = list_referrers_of, .named = true },
	[ROUTE_UPLOADS] = { .post = &upload_start },
	[ROUTE_UPLOAD] = { .get = answer_upload,
		.put = &upload_put,
		.patch = &upload_patch,
		.del = &upload_cancel },
	[ROUTE_TOKEN] = { .get = get_token },
	[ROUTE_METRICS] = { .get = answer_metrics },
	[ROUTE_HEALTH] = { .get = get_health },
	[ROUTE_READY] = { .get = get_ready },
};

const struct metrics_labels dispatch_labels = {
	.routes = (const char *const[ROUTE_COUNT]){ "other", "base", "catalog", "discover", "tags",
		"manifest", "blob", "referrers", "uploads", "upload", "token", "metrics", "health",
		"ready" },
	.methods = (const char *const[METHOD_COUNT]){ "GET", "HEAD", "POST", "PUT", "PATCH",
		"DELETE", "other" },
	.route_count = ROUTE_COUNT,
	.method_count = METHOD_COUNT,
};

void dispatch_refresh(struct dispatch *d, int64_t now_ms)
{
	d->context.now_ms = now_ms;
}

/* Make all hits of the cache stale if another process has committed since the last time. */
static int check_change(struct dispatch *d, struct err *e)
{
	uint64_t now;

	if (store_change(d->context.store, &now, e) < 0)
		return -1;
	if (now != d->change)
		cache_changed(d->context.cache);
	d->change = now;
	d->checked_ms = d->context.now_ms;
	return 0;
}

/* The kind of route that put this content into the cache: each has its own kind of content. */
static enum route_kind kind_of(const struct content *c)
{
	if (!c->digest.alg)
		return strcmp(c->media_type, MEDIA_JSON) == 0 ? ROUTE_TAGS : ROUTE_REFERRERS;
	return strcmp(c->media_type, MEDIA_BLOB) == 0 ? ROUTE_BLOB : ROUTE_MANIFEST;
}

static bool cached(struct dispatch *d, struct request *q, struct reply *r)
{
	bool fresh = false;
	AUTO(content_unref) struct content *c =
			cache_get(d->context.cache, span_of(q->uri), &fresh);

	if (!c || !fresh)
		return false;
	q->route.kind = kind_of(c);
	reply_content(r, q, c);
	return true;
}

/* Answer from the cache: 1 done, 0 the store has to be asked. */
static int answer_cached(struct dispatch *d, struct request *q, struct reply *r, struct err *e)
{
	if (d->checked_ms != d->context.now_ms && check_change(d, e) < 0)
		return -1;
	return cached(d, q, r);
}

/* Call the handler. Then invalidate the cache before replying with data newer than it (S4). */
static int call_handler(struct dispatch *d, const struct request *q, struct reply *r, struct err *e)
{
	if (table[q->route.kind].get(&d->context, q, r, e) < 0)
		return -1;
	if (r->body == BODY_BYTES && r->status == 200 && table[q->route.kind].named && *q->route.ns)
		reply_header(r, "OCI-Namespace", q->route.ns); /* a list; content has its own */
	return check_change(d, e);
}

static bool is_writable(const struct dispatch *d)
{
	return d->push && d->push->committer;
}

/* May routes of this kind be read here? Uploads are there where pushes are. */
static bool is_readable(const struct dispatch *d, enum route_kind kind)
{
	return table[kind].get && (kind != ROUTE_UPLOAD || is_writable(d));
}

static enum action action_of(const struct request *q)
{
	bool content = q->route.kind == ROUTE_MANIFEST || q->route.kind == ROUTE_BLOB;

	return q->method == METHOD_DELETE && content ? ACTION_DELETE : ACTION_PUSH;
}

static void list_methods(const struct dispatch *d, enum route_kind kind, struct buf *out)
{
	bool push = is_writable(d), upload = kind == ROUTE_UPLOAD;
	const struct {
		const char *name;
		bool may;
	} methods[] = { { "GET, HEAD", is_readable(d, kind) }, { "POST", push && table[kind].post },
		{ "PUT", push && table[kind].put }, { "PATCH", push && table[kind].patch },
		{ "DELETE", push && table[kind].del && (upload || d->push->deletes) } };

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].may)
			buf_printf(out, "%s%s", out->len ? ", " : "", methods[i].name);
}

static void refuse_method(const struct dispatch *d, const struct request *q, struct reply *r)
{
	AUTO(buf_release) struct buf allow = BUF_INIT;

	reply_error(r, 405, "UNSUPPORTED",
		!is_writable(d)                 ? "this registry is read-only (push is off)"
		: action_of(q) == ACTION_DELETE ? "deleting is switched off here"
						: "no such method here");
	list_methods(d, q->route.kind, &allow);
	if (allow.len > 0)
		reply_header(r, "Allow", allow.data);
}

/* Could a login change a 404, as names were dropped that the caller may not pull? Clients log in on a 401
 * only. Whether anything is there must not show. */
static bool is_hidden(const struct dispatch *d, const struct request *q)
{
	return !d->context.repos_all && (*q->who->name || !q->who->by_token) &&
	       auth_login_helps(d->context.auth, q->who, q->route.name, ACTION_PULL);
}

static int answer_readable(struct dispatch *d, struct request *q, struct reply *r, struct err *e)
{
	if (d->context.repos.count == 0)
		return context_deny(&d->context, q, q->route.name, ACTION_PULL, r);
	if (!context_is_open(&d->context) && d->context.repos_all) {
		int rc = answer_cached(d, q, r, e);

		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	if (call_handler(d, q, r, e) < 0)
		return -1;
	return r->status == 404 && is_hidden(d, q)
		       ? context_deny(&d->context, q, q->route.name, ACTION_PULL, r)
		       : 0;
}

static int answer_named(struct dispatch *d, struct request *q, struct reply *r, struct err *e)
{
	struct context *context = &d->context;

	repo_names_find(context->names, q->route.name, q->route.ns, &context->repos);
	context->repos_all = context_drop_unreadable(context, q, &context->repos);
	return answer_readable(d, q, r, e);
}

static int answer(struct dispatch *d, struct request *q, struct reply *r, struct err *e)
{
	const struct route *route;
	int rc = context_is_open(&d->context) ? answer_cached(d, q, r, e) : 0;

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	route = request_route(q);
	if (route->fault != ROUTE_OK) {
		reply_fault(r, route);
		return 0;
	}
	if (route->kind == ROUTE_NONE)
		return reply_error(r, 404, "UNSUPPORTED", "no such path in this registry");
	if (!is_readable(d, route->kind)) {
		refuse_method(d, q, r);
		return 0;
	}
	return table[route->kind].named ? answer_named(d, q, r, e) : call_handler(d, q, r, e);
}

/* Does the reply tell by HEAD that the blob of a digest is here? */
static bool tells_of_blob(const struct request *q, const struct reply *r)
{
	return q->method == METHOD_HEAD && r->status == 200 && r->body == BODY_CONTENT &&
	       r->content->digest.alg && r->content->cache_control;
}

static bool may_push(struct dispatch *d, struct request *q)
{
	const struct route *route = request_route(q);
	struct candidates names;

	repo_names_find(d->context.names, route->name, route->ns, &names);
	for (size_t i = 0; i < names.count; i++)
		if (context_may(&d->context, q, route->name, names.name[i], ACTION_PUSH))
			return true;
	return false;
}

/* A client that is about to push asks so, and does not bring what it is told is here. */
static int find_promise(struct dispatch *d, struct request *q, const struct reply *r, struct err *e)
{
	int rc = 1;

	if (is_writable(d) && tells_of_blob(q, r))
		rc = blob_is_promised(d->context.store, &r->content->digest, e);
	if (rc == 0 && may_push(d, q)) {
		d->context.promises = true;
		d->context.wait_for = r->content->digest;
	}
	return rc < 0 ? -1 : 0;
}

void dispatch_read(struct dispatch *d, struct request *q, struct reply *r, struct err *failed)
{
	failed->code = ERR_OK;
	d->context.waits = d->context.promises = false;
	if (answer(d, q, r, failed) < 0 || find_promise(d, q, r, failed) < 0)
		reply_failure(r, failed);
}

void dispatch_promise(struct dispatch *d, const struct waker *waker)
{
	promise_begin(d->push, &d->context.wait_for, waker);
}

/* --- writing --------------------------------------------------------------------------------- */

static const struct push_handler *handler_for(const struct request *q)
{
	switch (q->method) {
	case METHOD_POST:
		return table[q->route.kind].post;
	case METHOD_PUT:
		return table[q->route.kind].put;
	case METHOD_PATCH:
		return table[q->route.kind].patch;
	case METHOD_DELETE:
		return table[q->route.kind].del;
	default:
		return NULL;
	}
}

/* Choose the target: the first of the names that is a repository already, else the path itself. */
static int choose_target(struct dispatch *d, const struct candidates *names, const char *path,
	char repo[NAME_MAX_BYTES + 1], struct err *e)
{
	for (size_t i = 0; i < names->count; i++) {
		int rc = repo_exists(d->context.store, names->name[i], e);

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

/* Find where it goes: 1 with *target but for its handler; 0, the reply says why not; -1. */
static int find_target(struct dispatch *d, const struct request *q, struct push_target *target,
	struct reply *r, struct err *e)
{
	const struct route *route = &q->route;
	struct context *context = &d->context;
	enum action action = action_of(q);

	repo_names_find_target(context->names, route->name, route->ns, &target->aliases);
	context->repos = target->aliases;
	context->repos_all = context_drop_unreadable(context, q, &context->repos);
	target->readable = context->repos_all;
	if (choose_target(d, &context->repos, route->name, target->repo, e) < 0)
		return -1;
	if (context_may(context, q, route->name, target->repo, action))
		return 1;
	return context_deny(context, q, route->name, ACTION_PULL | (unsigned)action, r);
}

/* Where an upload goes on, for callers that may push there. */
static int answer_upload(
	struct context *context, const struct request *q, struct reply *r, struct err *e)
{
	struct dispatch *d = CONTAINER_OF(context, struct dispatch, context);
	struct push_target target;
	int rc = find_target(d, q, &target, r, e);

	if (rc > 0)
		get_upload(d->push, q, target.repo, r);
	return rc < 0 ? -1 : 0;
}

static int begin_write(struct dispatch *d, const struct request *q, const struct waker *waker,
	struct push **push, struct reply *r, struct err *e)
{
	struct push_target target;
	int rc;

	target.handler = handler_for(q);
	if (!target.handler || !is_writable(d) ||
		(action_of(q) == ACTION_DELETE && !d->push->deletes)) {
		refuse_method(d, q, r);
		return 0;
	}
	rc = find_target(d, q, &target, r, e);
	if (rc > 0)
		*push = push_new(&d->context, d->push, q, &target, waker);
	return rc < 0 ? -1 : 0;
}

void dispatch_write(struct dispatch *d, struct request *q, const struct waker *waker,
	struct push **push, struct reply *r, struct err *failed)
{
	const struct route *route = request_route(q);

	failed->code = ERR_OK;
	*push = NULL;
	if (route->fault == ROUTE_BAD_TAG)
		reply_error(r, 400, "MANIFEST_INVALID", "not a tag that could exist");
	else if (route->kind == ROUTE_NONE && route->fault == ROUTE_OK)
		reply_error(r, 404, "UNSUPPORTED", "no such path in this registry");
	else if (route->fault != ROUTE_OK)
		reply_fault(r, route);
	else if (begin_write(d, q, waker, push, r, failed) < 0)
		reply_failure(r, failed);
}
