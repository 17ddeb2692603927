/*
 * The HTTP server on libmicrohttpd 0.9.75 or later: threads and their loops, with what measuring it
 * taught:
 *
 * - each thread drives a daemon of its own by MHD_run() (timeout 0): the library's own epoll loop
 *   sleeps with requests in hand when exactly 128 connections are ready;
 * - ordinary requests are answered in the second call of the handler; an answer in the first one
 *   closes the connection, which is what refusals want;
 * - its timeouts count inactivity only, so deadlines are ours, enforced by shutdown(2);
 * - it must not be stopped with connections that wait, so the threads they wait for end first.
 *
 * Must never block in a loop.
 */
#define MOAT_SERVER_PART
#include "registry/http/server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define STACK_SIZE (256u << 10)
#define SWEEP_MS 1000
#define HOUSEKEEPING_MS 30000 /* without connections */
#define TURN_MS 60000 /* no request waits longer for a turn */
#define WORKERS_MIN 4
#define PASSWORD_THREADS 2

/* --- loops ----------------------------------------------------------------------------------- */

/* Watch a descriptor; `what` tells whose event it is. */
static int watch(struct loop *l, int fd, uint32_t events, void *what, struct err *e)
{
	struct epoll_event event = { .events = events, .data.ptr = what };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_sys(e, "epoll");
	return 0;
}

/* --- events --------------------------------------------------------------------------------- */

static bool is_first(const struct loop *l)
{
	return l == l->server->loops;
}

/* How many milliseconds to sleep at most; -1: until an event. */
static int sleep_ms(struct loop *l)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (l->count > 0 && MHD_get_timeout(l->mhd, &ms) == MHD_YES && ms == 0)
		return 0;
	if (l->paused)
		return PAUSE_MS;
	if (l->count == 0 && l->accepting)
		return is_first(l) && l->server->config.push.on ? HOUSEKEEPING_MS : -1;
	return l->accepting ? SWEEP_MS : 20;
}

static bool is_listener(const struct server_config *config, const int *what)
{
	for (unsigned i = 0; i < config->listener_count; i++)
		if (&config->listeners[i] == what)
			return true;
	return false;
}

/* Drain the eventfd. iterate() checks the flags each time. */
static void drain_wake(struct loop *l)
{
	uint64_t count;

	if (read(l->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		BUG("eventfd: %s", strerror(errno));
}

/* Do what is due once a second while there are connections; on the first loop, also what has time until
 * then. */
static void sweep(struct loop *l)
{
	l->swept_ms = l->now_ms;
	conn_sweep(l);
	fair_queue_expire(l->server->bodies, l->now_ms - TURN_MS);
	fair_queue_expire(l->server->logins, l->now_ms - TURN_MS);
	if (!is_first(l))
		return;
	cache_sweep(l->server->config.cache);
	if (l->server->push.uploads)
		uploads_expire(l->server->push.uploads, l->now_ms);
}

static void accept_from(struct loop *l, int listener)
{
	if (l->accepting && !l->paused)
		arrive_accept(l, listener);
}

static void on_client(struct conn *c)
{
	if (c->mhd)
		conn_feed(c);
	else
		arrive_on(c);
}

/* Handle an event. Those of the library's descriptors are its own. */
static void handle_event(struct loop *l, void *what)
{
	if (what == &l->wake)
		drain_wake(l);
	else if (is_listener(&l->server->config, what))
		accept_from(l, *(int *)what);
	else if (what != l->mhd)
		on_client(what);
}

/* Wait, take new connections, and serve what is ready. */
static void iterate(struct loop *l)
{
	struct epoll_event events[16];
	int n = epoll_wait(l->epoll, events, ARRAY_SIZE(events), sleep_ms(l));

	l->now_ms = clock_ms();
	dispatch_refresh(&l->dispatch, l->now_ms);
	for (int i = 0; i < n; i++)
		handle_event(l, events[i].data.ptr);
	MHD_run(l->mhd);
	conn_free_untaken(l);
	if (l->server->draining && l->accepting)
		listen_stop(l);
	if (l->paused && l->now_ms >= l->resume_ms)
		listen_resume(l);
	if (l->now_ms - l->swept_ms >= SWEEP_MS || l->server->draining)
		sweep(l);
	exchange_flush_log(l);
}

static void *run(void *cls)
{
	struct loop *l = cls;

	while (!l->server->stopping && !(l->server->draining && l->count == 0))
		iterate(l);
	return NULL;
}

static size_t leave_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls, (void)mhd;
	return strlen(text);
}

static void quiet(void *cls, const char *fmt, va_list ap)
{
	(void)cls, (void)fmt, (void)ap; /* clients' mistakes; ours we see ourselves */
}

static int open_daemon(struct loop *l, struct err *e)
{
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_callback() },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES },
		/* Last, as its absence ends the list. */
		{ tls_client_ca() ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
			(void *)(uintptr_t)tls_client_ca() },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	bool secure = l->server->config.tls;
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
			 MHD_ALLOW_SUSPEND_RESUME | (secure ? MHD_USE_TLS : 0);

	l->mhd = MHD_start_daemon(flags, 0, NULL, NULL, exchange_request, l,
		MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL, MHD_OPTION_URI_LOG_CALLBACK, exchange_uri,
		l, MHD_OPTION_NOTIFY_CONNECTION, conn_notify, l, MHD_OPTION_NOTIFY_COMPLETED,
		exchange_completed, l, MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, l,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_POOL,
		MHD_OPTION_CONNECTION_LIMIT, l->server->config.connections + 1,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_ARRAY, secure ? tls : none, MHD_OPTION_END);
	if (!l->mhd)
		return err_set(e, ERR_IO, "the HTTP library did not start");
	return 0;
}

static int open_loop(struct server *s, struct loop *l, struct err *e)
{
	const struct server_config *config = &s->config;
	unsigned index = (unsigned)(l - s->loops);
	uint32_t random = 0;

	*l = (struct loop){ .server = s, .epoll = -1, .wake = -1, .lines = BUF_INIT };
	pthread_mutex_init(&l->holding, NULL);
	l->dispatch = (struct dispatch){ .push = &s->push,
		.bodies = s->bodies,
		.clients = s->clients,
		.metrics = config->serve_metrics ? config->metrics : NULL,
		.context = { .names = config->names,
			.cache = config->cache,
			.auth = config->auth,
			.checker = s->checker,
			.draining = &s->draining,
			.catalog = config->catalog,
			.warn_age = config->warn_age,
			.tls = config->tls } };
	if (config->metrics)
		l->shard = metrics_shard(config->metrics, index);
	if (store_open(&l->dispatch.context.store, config->store, STORE_READ, e) < 0)
		return -1;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)clock_us();
	l->serial = (uint64_t)random << 32 | (uint64_t)index << 26;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll < 0 || l->wake < 0)
		return err_sys(e, "epoll");
	if (open_daemon(l, e) < 0)
		return -1;
	l->now_ms = l->swept_ms = clock_ms();
	l->accepting = true;
	if (listen_start(l, e) < 0)
		return -1;
	if (watch(l, l->wake, EPOLLIN, &l->wake, e) < 0)
		return -1;
	return watch(l, MHD_get_daemon_info(l->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN,
		l->mhd, e);
}

static int start_thread(struct loop *l, struct err *e)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	rc = pthread_create(&l->thread, &attr, run, l);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
	l->running = true;
	return 0;
}

static void drop_hits(void *cache)
{
	cache_changed(cache);
}

static int open_checker(struct server *s, struct err *e)
{
	const struct server_config *config = &s->config;

	if (!config->check_cpu)
		return 0;
	if (s->push.committer && mender_new(&s->mender, config->store, s->push.committer, e) < 0)
		return err_ctx(e, "check of the store");
	return checker_new(&s->checker,
		&(struct checker_config){ .store = config->store,
			.mender = s->mender,
			.changed = drop_hits,
			.ctx = config->cache,
			.rate = config->check_rate,
			.cpu = config->check_cpu,
			.every = config->check_every },
		e);
}

static int open_push(struct server *s, struct err *e)
{
	const struct server_config *config = &s->config;
	struct push_service *p = &s->push;

	p->upload_max = config->push.upload_max;
	p->free_floor = config->push.free_floor;
	p->quotas = config->push.quotas;
	p->strict = config->push.strict;
	p->deletes = config->push.deletes;
	p->recorded = config->trail != NULL;
	if (!config->push.on)
		return 0;
	if (jobs_new(&p->jobs, config->threads < WORKERS_MIN ? WORKERS_MIN : config->threads, e) <
		0)
		return -1;
	p->uploads = uploads_new(&config->push.uploads, p->jobs);
	return committer_new(&p->committer, config->store, config->cache, config->trail, e);
}

/* Open the threads behind the loops. */
static int open_threads(struct server *s, struct err *e)
{
	if (open_push(s, e) < 0 || open_checker(s, e) < 0)
		return -1;
	return s->config.auth ? jobs_new(&s->passwords, PASSWORD_THREADS, e) : 0;
}

int server_start(struct server **out, const struct server_config *config, struct err *e)
{
	AUTO(server_stop) struct server *s = mem_alloc(sizeof(*s));

	s->config = *config;
	s->clients = clients_new(config->connections, config->connections_each);
	s->bodies = fair_queue_new(config->bodies, false);
	s->logins = fair_queue_new(PASSWORD_THREADS, true);
	if (open_threads(s, e) < 0)
		return -1;
	s->loops = mem_grow(NULL, config->threads, sizeof(*s->loops));
	for (; s->count < config->threads; s->count++)
		if (open_loop(s, &s->loops[s->count], e) < 0) {
			s->count++;
			return -1;
		}
	for (unsigned i = 0; i < s->count; i++)
		if (start_thread(&s->loops[i], e) < 0)
			return -1;
	*out = STEAL(s);
	return 0;
}

static void wake(struct server *s)
{
	uint64_t one = 1;

	for (unsigned i = 0; i < s->count; i++)
		if (s->loops[i].wake >= 0 && write(s->loops[i].wake, &one, sizeof(one)) < 0 &&
			errno != EAGAIN)
			BUG("eventfd: %s", strerror(errno));
}

static bool join_until(struct loop *l, const struct timespec *deadline)
{
	if (l->running && pthread_timedjoin_np(l->thread, NULL, deadline) == 0)
		l->running = false;
	return !l->running;
}

void server_drain(struct server *s, unsigned seconds)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += seconds;
	s->draining = true;
	wake(s);
	for (unsigned i = 0; i < s->count; i++)
		if (!join_until(&s->loops[i], &deadline))
			return;
}

static void join_loop(struct loop *l)
{
	if (l->running)
		pthread_join(l->thread, NULL);
	l->running = false;
}

static void close_loop(struct loop *l)
{
	struct conn *c;

	arrive_end(l);
	LIST_FOREACH(c, &l->conns, entry)
		conn_feed(c);
	if (l->mhd)
		MHD_stop_daemon(l->mhd);
	conn_free_spare(l);
	pthread_mutex_destroy(&l->holding);
	exchange_flush_log(l);
	buf_release(&l->lines);
	fd_close(&l->epoll);
	fd_close(&l->wake);
	store_close(&l->dispatch.context.store);
}

/* Stop the threads that connections wait for before libmicrohttpd, as no connection may be suspended then:
 * workers first, as they hand over to the committer. */
static void end_waiting(struct server *s)
{
	fair_queue_expire(s->logins, INT64_MAX);
	if (s->passwords)
		jobs_stop(s->passwords);
	if (s->push.jobs)
		jobs_stop(s->push.jobs);
	if (s->checker)
		checker_stop(s->checker);
	if (s->push.committer)
		committer_stop(s->push.committer);
	fair_queue_expire(s->bodies, INT64_MAX);
}

void server_stop(struct server **out)
{
	struct server *s = STEAL(*out);

	if (!s)
		return;
	s->stopping = true;
	wake(s);
	for (unsigned i = 0; i < s->count; i++)
		join_loop(&s->loops[i]);
	end_waiting(s);
	for (unsigned i = 0; i < s->count; i++)
		close_loop(&s->loops[i]);
	checker_free(&s->checker);
	mender_free(&s->mender);
	uploads_free(&s->push.uploads);
	committer_free(&s->push.committer);
	jobs_free(&s->push.jobs);
	jobs_free(&s->passwords);
	fair_queue_free(&s->bodies);
	fair_queue_free(&s->logins);
	clients_free(&s->clients);
	free(s->loops);
	free(s);
}
