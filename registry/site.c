/*
 * From a raw request to its reply: cache first, then route, then handler.
 * Must never serve from the cache what the store no longer says (S4).
 */
#include "registry/site.h"

#include "storage/base/banned.h"

void site_refresh(struct site *s, int64_t now_ms)
{
	s->checked = false;
	s->now_ms = now_ms;
}

/* Has another process committed since we asked last? */
static int check_change(struct site *s, struct err *e)
{
	uint64_t now;

	if (s->checked)
		return 0;
	if (store_change(s->store, &now, e) < 0)
		return -1;
	if (now != s->change)
		cache_changed(s->cache);
	s->change = now;
	s->checked = true;
	s->checked_ms = s->now_ms;
	return 0;
}

int site_find(
	struct site *s, const struct request *q, find_fn *find, struct content **out, struct err *e)
{
	struct candidates names;
	bool fresh = false;
	AUTO(content_unref) struct content *hint = cache_get(s->cache, span_of(q->uri), &fresh);
	uint64_t epoch = cache_epoch(s->cache);

	names_find(s->names, q->route->name, q->route->ns, &names);
	for (size_t i = 0; i < names.count; i++) {
		int rc = find(s, q->route, names.name[i], hint, out, e);

		if (rc < 0)
			return err_ctx(e, "%s", names.name[i]);
		if (rc > 0) {
			cache_put(s->cache, span_of(q->uri), epoch, *out);
			return 1;
		}
	}
	return 0;
}

static const struct {
	handler_fn *get;
} table[] = {
	[ROUTE_BASE] = { get_base },
	[ROUTE_CATALOG] = { list_catalog },
	[ROUTE_DISCOVER] = { get_discover },
	[ROUTE_TAGS] = { list_tags },
	[ROUTE_MANIFEST] = { get_manifest },
	[ROUTE_BLOB] = { get_blob },
	[ROUTE_REFERRERS] = { list_referrers_of },
	[ROUTE_HEALTH] = { get_health },
	[ROUTE_READY] = { get_ready },
};

static bool cached(struct site *s, const struct request *q, struct reply *r)
{
	bool fresh = false;
	AUTO(content_unref) struct content *c = cache_get(s->cache, span_of(q->uri), &fresh);

	if (!c || !fresh)
		return false;
	reply_content(r, q, c);
	return true;
}

/* From the cache: 1 answered, 0 the store has to be asked, and it was asked whether it changed. */
static int answer_cached(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	if (s->checked_ms != s->now_ms && check_change(s, e) < 0)
		return -1;
	if (cached(s, q, r))
		return 1;
	return check_change(s, e);
}

static void refuse_method(struct reply *r)
{
	reply_error(r, 405, "UNSUPPORTED", "this registry is read-only");
	reply_header(r, "Allow", "GET, HEAD");
}

static int answer(
	struct site *s, struct request *q, struct route *route, struct reply *r, struct err *e)
{
	enum route_fault fault;

	if (q->method != METHOD_OTHER) {
		int rc = answer_cached(s, q, r, e);

		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	fault = route_parse(route, span_of(q->uri));
	q->route = route;
	if (route->kind != ROUTE_NONE && q->method == METHOD_OTHER)
		refuse_method(r);
	else if (fault != ROUTE_OK)
		reply_fault(r, fault, route);
	else if (route->kind == ROUTE_NONE)
		reply_error(r, 404, "UNSUPPORTED", "no such path in this registry");
	else if (route->kind == ROUTE_UPLOADS)
		reply_error(r, 404, "BLOB_UPLOAD_UNKNOWN", "this registry is read-only");
	else
		return table[route->kind].get(s, q, r, e);
	return 0;
}

void site_answer(struct site *s, struct request *q, struct reply *r, struct err *failed)
{
	struct route route;

	failed->code = ERR_OK;
	if (answer(s, q, &route, r, failed) < 0)
		reply_failure(r, failed);
	q->route = NULL;
}
