/* Requests in, replies out. */
#include "asker.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

static const struct uploads_limits few = { .total = 8, .each = 4, .expiry_seconds = 100 };

int asker_setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	void *sandbox = NULL;
	struct err e = ERR_INIT;

	if (sandbox_setup(&sandbox) != 0)
		return -1;
	f->sb = sandbox;
	sem_init(&f->woken, 0, 0);
	assert_ok(repo_names_init(&f->names, NULL, "docker.io", &e));
	f->cache = cache_new(1 << 20, 64);
	f->push = (struct push_service){ .upload_max = 8 << 20, .deletes = true };
	assert_ok(jobs_new(&f->push.jobs, ASKER_WORKERS, &e));
	f->push.uploads = uploads_new(&few, f->push.jobs);
	assert_ok(committer_new(
		&f->push.committer, sandbox_path(f->sb, "store"), f->cache, NULL, &e));
	f->dispatch = (struct dispatch){ .push = &f->push,
		.context = { .store = sandbox_store(f->sb, "store", STORE_READ),
			.names = &f->names,
			.cache = f->cache,
			.draining = &f->draining,
			.catalog = true } };
	reply_init(&f->reply);
	*state = f;
	return 0;
}

int asker_teardown(void **state)
{
	struct fixture *f = *state;
	void *sandbox = f->sb;

	reply_release(&f->reply);
	jobs_free(&f->push.jobs);
	uploads_free(&f->push.uploads);
	committer_free(&f->push.committer);
	store_close(&f->dispatch.context.store);
	cache_free(&f->cache);
	auth_close(&f->auth);
	who_release(&f->who);
	repo_names_release(&f->names);
	sem_destroy(&f->woken);
	mem_free(&f);
	return sandbox_teardown(&sandbox);
}

static void do_nothing(void *ctx)
{
	(void)ctx;
}

static void wake(void *ctx)
{
	sem_post(&((struct fixture *)ctx)->woken);
}

/* The body in chunks, as a loop would hand it over. */
static void send_body(struct fixture *f, struct push *p, struct span body)
{
	while (body.len > 0) {
		size_t n = body.len < 20000 ? body.len : 20000;
		size_t taken = push_take(p, body.data, n);

		if (taken < n)
			sem_wait(&f->woken);
		body = (struct span){ body.data + taken, body.len - taken };
	}
}

static void write_request(struct fixture *f, struct request *q, struct span body, bool leave)
{
	struct waker waker = { do_nothing, wake, f };
	AUTO(push_free) struct push *p = NULL;
	struct err e;

	dispatch_write(&f->dispatch, q, &waker, &p, &f->reply, &e);
	if (!p)
		return;
	if (!push_answered(p)) {
		send_body(f, p, body);
		if (leave)
			return; /* the client is gone */
		push_end(p);
		sem_wait(&f->woken);
	}
	reply_release(&f->reply);
	push_reply(p, &f->reply, &e);
}

unsigned ask(struct fixture *f, struct ask a, const char *fmt, ...)
{
	struct request q = { .method = a.method,
		.uri = f->uri,
		.route = ROUTE_INIT,
		.id = "id",
		.host = "registry.local",
		.content_type = a.content_type,
		.content_range = a.content_range,
		.length = a.chunked ? LENGTH_UNKNOWN : a.body.len,
		.who = &f->who };
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->uri, sizeof(f->uri), fmt, ap);
	va_end(ap);
	reply_release(&f->reply);
	reply_init(&f->reply);
	dispatch_refresh(&f->dispatch, f->now_ms += 2);
	if (request_reads(&q))
		dispatch_read(&f->dispatch, &q, &f->reply, &e);
	else
		write_request(f, &q, a.body, a.leave);
	reply_end(&f->reply, "id");
	route_release(&q.route);
	return f->reply.status;
}

const char *header(struct fixture *f, const char *name)
{
	const char *value;

	if (f->reply.body == BODY_CONTENT && f->reply.headers.len == 0)
		reply_content_headers(&f->reply, f->reply.content);
	value = reply_get(&f->reply, name);

	return value ? value : "";
}

bool says(struct fixture *f, const char *words)
{
	const struct buf *body =
		f->reply.body == BODY_CONTENT ? &f->reply.content->bytes : &f->reply.bytes;

	return body->len > 0 && strstr(body->data, words) != NULL;
}

unsigned count_of(const struct fixture *f, const char *words)
{
	unsigned count = 0;

	for (const char *p = f->reply.bytes.data; (p = strstr(p, words)); p++)
		count++;
	return count;
}

const char *digest(struct span bytes, enum digest_alg alg, char text[DIGEST_TEXT_SIZE])
{
	struct digest d;

	digest_of(&d, alg, bytes);
	return digest_text(&d, text);
}

char *session(struct fixture *f, const char *repo)
{
	assert_int_equal(ask(f, POST(NOTHING), "/v2/%s/blobs/uploads/", repo), 202);
	assert_string_equal(header(f, "Range"), "0-0");
	assert_int_equal(strlen(header(f, "Docker-Upload-UUID")), 32);
	return mem_strdup(header(f, "Location"));
}
