/* moatd: start, signals, stop. Must never write to the store. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "registry/notify.h"
#include "registry/options.h"
#include "registry/server.h"
#include "registry/socket.h"
#include "registry/tls.h"
#include "storage/base/fs.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define LISTENERS_MAX 64

enum exit_status { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* All that runs, in the order of its making. */
struct daemon {
	struct options options;
	struct names names;
	struct cache *cache;
	struct access_log *log;
	int listeners[LISTENERS_MAX];
	unsigned count;
	struct server *server;
};

static void daemon_release(struct daemon *d)
{
	server_stop(&d->server);
	for (unsigned i = 0; i < d->count; i++)
		fd_close(&d->listeners[i]);
	cache_free(&d->cache);
	access_log_close(&d->log);
	tls_unload();
	names_release(&d->names);
	options_release(&d->options);
}

/* Few arenas and no growing threshold: memory of a burst goes back to the machine. */
static void tame_malloc(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

static void raise_files(const struct options *o)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)(o->connections * 2 + o->cache_files + 256);

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_event(LOG_LINE_WARNING, "event=limit files=%llu",
			(unsigned long long)limit.rlim_cur);
}

static int take_sockets(struct daemon *d, struct err *e)
{
	int first, inherited = socket_inherited(&first);

	for (int i = 0; i < inherited; i++)
		d->listeners[d->count++] = first + i;
	for (size_t i = 0; i < d->options.listen.count && !inherited; i++) {
		struct address a;
		int fd;

		if (d->count == LISTENERS_MAX)
			return err_set(e, ERR_INPUT, "listen: more than %d", LISTENERS_MAX);
		if (address_parse(&a, d->options.listen.items[i], e) < 0)
			return -1;
		fd = socket_listen(&a, e);
		if (fd < 0)
			return -1;
		d->listeners[d->count++] = fd;
	}
	return 0;
}

/* Plain HTTP leaves the machine only when somebody said so. */
static int check_sockets(const struct daemon *d, struct err *e)
{
	const struct options *o = &d->options;

	for (unsigned i = 0; i < d->count; i++) {
		char text[ADDRESS_TEXT_SIZE];
		struct address a;

		if (socket_address(d->listeners[i], &a, e) < 0)
			return -1;
		if (!o->tls_cert && !o->allow_plain_http && !address_is_local(&a))
			return err_set(e, ERR_INPUT,
				"%s can be reached by other machines: give tls-cert and tls-key, "
				"or say allow-plain-http: on",
				address_text(&a, text));
	}
	return 0;
}

static void announce(const struct daemon *d)
{
	const char *scheme = d->options.tls_cert ? "https" : "http";
	struct err e;

	for (unsigned i = 0; i < d->count; i++) {
		char text[ADDRESS_TEXT_SIZE];
		struct address a;

		if (socket_address(d->listeners[i], &a, &e) == 0)
			log_event(LOG_LINE_INFO, "event=listen url=%s://%s store=%s", scheme,
				address_text(&a, text), d->options.store);
	}
}

static unsigned thread_count(const struct options *o)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (o->threads > 0)
		return (unsigned)o->threads;
	return cores > 2 ? 2 * (unsigned)cores : 4;
}

static int start(struct daemon *d, struct err *e)
{
	const struct options *o = &d->options;

	if (names_init(&d->names, &o->map, o->default_host, e) < 0)
		return -1;
	if (o->tls_cert && tls_load(o->tls_cert, o->tls_key, e) < 0)
		return -1;
	if (access_log_open(&d->log, o->access_log, e) < 0 || take_sockets(d, e) < 0 ||
		check_sockets(d, e) < 0)
		return -1;
	d->cache = cache_new((uint64_t)o->cache, (unsigned)o->cache_files);
	return server_start(&d->server,
		&(struct server_config){ .store = o->store,
			.listeners = d->listeners,
			.listener_count = d->count,
			.tls = o->tls_cert != NULL,
			.threads = thread_count(o),
			.connections = (unsigned)o->connections,
			.connections_each = (unsigned)o->connections_each,
			.header_seconds = (unsigned)o->header_timeout,
			.idle_seconds = (unsigned)o->idle_timeout,
			.least_rate = (unsigned)o->least_rate,
			.catalog = o->catalog,
			.names = &d->names,
			.cache = d->cache,
			.log = d->log },
		e);
}

/* SIGHUP: new certificate, new log file. What can not be read changes nothing. */
static void reload(struct daemon *d)
{
	const struct options *o = &d->options;
	struct err e;

	notify_reloading();
	if (o->tls_cert && tls_load(o->tls_cert, o->tls_key, &e) < 0)
		log_event(LOG_LINE_ERROR, "event=reload.failed error=\"%s\"", e.text);
	if (access_log_reopen(d->log, &e) < 0)
		log_event(LOG_LINE_ERROR, "event=reload.failed error=\"%s\"", e.text);
	notify_ready();
}

static int serve(struct daemon *d, const sigset_t *signals)
{
	int signal;

	for (;;) {
		if (sigwait(signals, &signal) != 0)
			return EXIT_FAILED;
		if (signal != SIGHUP)
			break;
		reload(d);
	}
	notify_stopping();
	log_event(LOG_LINE_INFO, "event=stop signal=%d", signal);
	for (unsigned i = 0; i < d->count; i++)
		shutdown(d->listeners[i], SHUT_RD);
	server_drain(d->server, (unsigned)d->options.drain_timeout);
	return EXIT_OK;
}

static int run(struct daemon *d)
{
	sigset_t signals;
	struct err e;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	tame_malloc();
	raise_files(&d->options);
	if (start(d, &e) < 0) {
		log_event(LOG_LINE_ERROR, "moatd: %s", e.text);
		return EXIT_FAILED;
	}
	announce(d);
	notify_ready();
	return serve(d, &signals);
}

static int usage(void)
{
	printf("moatd: serve a moat store as an OCI registry, read-only\n\n"
	       "  moatd --store DIR --listen ADDRESS:PORT [--config FILE] [--KEY VALUE]...\n"
	       "  moatd --help-config    every key of the file; each is also a flag\n"
	       "  moatd --version\n\n"
	       "Signals: TERM finishes what is being sent, then ends; HUP reads the certificate\n"
	       "and opens the access log again.\n");
	return EXIT_OK;
}

static int help_config(void)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	config_describe(options_table, options_count, &text);
	return fwrite(text.data, 1, text.len, stdout) == text.len ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	AUTO(daemon_release) struct daemon d = { .names = NAMES_INIT };
	enum options_answer what;
	struct err e;

	if (options_read(&d.options, argc, argv, &what, &e) < 0) {
		fprintf(stderr, "moatd: %s\n", e.text);
		return EXIT_USAGE;
	}
	switch (what) {
	case OPTIONS_HELP:
		return usage();
	case OPTIONS_HELP_CONFIG:
		return help_config();
	case OPTIONS_VERSION:
		printf("moatd %s\n", MOAT_VERSION);
		return EXIT_OK;
	default:
		return run(&d);
	}
}
