/* moatd: start, signals, stop. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "registry/access/auth.h"
#include "registry/access/quota.h"
#include "registry/dispatch.h"
#include "registry/http/server.h"
#include "registry/http/socket.h"
#include "registry/http/tls.h"
#include "registry/ops/metrics.h"
#include "registry/ops/notify.h"
#include "registry/ops/old_sets.h"
#include "registry/ops/options.h"
#include "registry/ops/sandbox.h"
#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/base/log.h"
#include "storage/base/printable.h"
#include "storage/oci/digest.h"
#include "storage/store.h"
#include "storage/base/banned.h"

#define OLD_LOOK_S 30 /* between two looks for sets that expired */

#define LISTENERS_MAX 64

enum exit_status { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* All that runs, in the order in which it is made. */
struct daemon {
	struct options options;
	struct repo_names names;
	struct quotas quotas;
	struct cache *cache;
	struct auth *auth;
	struct metrics *metrics;
	struct log_file *log, *audit;
	struct trail *trail; /* NULL: nothing may be written in the store */
	int listeners[LISTENERS_MAX];
	unsigned count;
	struct server *server;
};

static void daemon_release(struct daemon *d)
{
	server_stop(&d->server);
	trail_close(&d->trail);
	for (unsigned i = 0; i < d->count; i++)
		fd_close(&d->listeners[i]);
	cache_free(&d->cache);
	log_file_close(&d->log);
	log_file_close(&d->audit);
	auth_close(&d->auth);
	metrics_free(&d->metrics);
	tls_unload();
	repo_names_release(&d->names);
	quotas_release(&d->quotas);
	options_release(&d->options);
}

static enum log_format log_format(const struct options *o)
{
	return strcmp(o->log_format, "json") == 0 ? LOG_JSON : LOG_TEXT;
}

/* Configure malloc: few arenas and no growing threshold, so that the memory of a burst goes back to the
 * machine. */
static void tame_malloc(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

static void raise_files(const struct options *o)
{
	struct rlimit limit;
	rlim_t wanted = o->connections * 2 + o->cache_files + o->uploads + 256;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_fields(LOG_LINE_WARNING, "limit", { "files", NULL, limit.rlim_cur });
}

static int take_sockets(struct daemon *d, struct err *e)
{
	int first, inherited = socket_inherited(&first);

	if (inherited && d->options.listen.given)
		log_fields(LOG_LINE_WARNING, "listen",
			{ "reason", "listen is ignored: sockets come from the service manager",
				0 });
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

/* Refuse plain HTTP that other machines can reach, unless the configuration allows it. */
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
		if (o->push && !d->auth && !address_is_local(&a))
			return err_set(e, ERR_INPUT,
				"%s can be reached by other machines: with push on, give users, "
				"access or tls-client-ca",
				address_text(&a, text));
	}
	return 0;
}

/* Open auth. Without users, rules or client certificates anyone may do anything. */
static int open_auth(struct daemon *d, struct err *e)
{
	const struct options *o = &d->options;

	if (!o->users && !o->access && !o->tls_client_ca)
		return 0;
	return auth_open(&d->auth,
		&(struct auth_config){ .users = o->users,
			.access = o->access,
			.certificates = o->tls_client_ca != NULL,
			.basic = strcmp(o->auth, "basic") == 0,
			.push = o->push,
			.service = o->token_service,
			.realm = o->token_realm,
			.token_key = o->token_key,
			.token_seconds = (int64_t)o->token_ttl },
		e);
}

static struct push_config push_config(const struct options *o, const struct quotas *quotas)
{
	return (struct push_config){ .on = o->push,
		.quotas = quotas,
		.strict = o->strict,
		.deletes = o->deletes,
		.upload_max = o->upload_max,
		.free_floor = o->free_floor,
		.uploads = { .total = (unsigned)o->uploads,
			.each = (unsigned)o->uploads_each,
			.expiry_seconds = (unsigned)o->upload_expiry } };
}

static void announce(const struct daemon *d)
{
	const char *scheme = d->options.tls_cert ? "https" : "http";
	struct err e;

	for (unsigned i = 0; i < d->count; i++) {
		char text[ADDRESS_TEXT_SIZE];
		struct address a;

		if (socket_address(d->listeners[i], &a, &e) == 0)
			log_fields(LOG_LINE_INFO, "listen", { "scheme", scheme, 0 },
				{ "addr", address_text(&a, text), 0 },
				{ "store", d->options.store, 0 });
	}
}

static unsigned thread_count(const struct options *o)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (o->threads > 0)
		return (unsigned)o->threads;
	return cores > 2 ? (unsigned)cores : 2;
}

/* Have libraries read what they could not read later: OpenSSL's configuration, with the providers it names,
 * and the time zone. */
static void prepare_libraries(void)
{
	struct digest ignored;

	digest_of(&ignored, DIGEST_SHA256, span_of(""));
	digest_of(&ignored, DIGEST_SHA512, span_of(""));
	tzset();
}

static const char *log_path(const char *target)
{
	return strcmp(target, "off") == 0 || strcmp(target, "-") == 0 ? NULL : target;
}

static void announce_sandbox(const struct options *o, const struct sandbox_state *s)
{
	bool whole = s->landlock && s->seccomp;
	const char *why = whole ? "" : "not all of it in this kernel";

	if (!o->sandbox)
		why = "switched off";
	else if (!sandbox_possible())
		why = "built with sanitizers";
	log_fields(whole ? LOG_LINE_INFO : LOG_LINE_WARNING, "sandbox",
		{ "landlock", NULL, (uint64_t)s->landlock },
		{ "seccomp", s->seccomp ? "on" : "off", 0 }, { "reason", why, 0 });
}

/* Enter the sandbox. The store is read, or written with push; readers, too, write the database's shared
 * memory. */
static int confine(const struct options *o, bool recorded, struct err *e)
{
	AUTO(mem_free) char *meta = mem_printf("%s/meta", o->store);
	const char *read[] = { o->store, "/dev/urandom" };
	AUTO(mem_free) char *marks = mem_printf("%s/marks", o->store);
	AUTO(mem_free) char *audit = mem_printf("%s/" AUDIT_FOLDER, o->store);
	const char *write[] = { o->push ? o->store : meta, marks, recorded ? audit : NULL };
	const char *replaced[] = { o->tls_cert, o->tls_key, o->users, o->access };
	const char *logs[] = { log_path(o->access_log), log_path(o->audit_log) };
	struct sandbox_state state = { .landlock = 0 };

	prepare_libraries();
	if (o->sandbox && sandbox_enter(&(struct sandbox_paths){ .read = read,
						.read_count = ARRAY_SIZE(read),
						.write = write,
						.write_count = ARRAY_SIZE(write),
						.replaced = replaced,
						.replaced_count = ARRAY_SIZE(replaced),
						.logs = logs,
						.log_count = ARRAY_SIZE(logs) },
				  &state, e) < 0)
		return -1;
	announce_sandbox(o, &state);
	return 0;
}

static int warn_of_set(void *ctx, const struct set_info *info, struct err *e)
{
	(void)ctx;
	(void)e;
	if (info->missing)
		log_fields(LOG_LINE_WARNING, "store", { "set", info->name, 0 },
			{ "version", info->version, 0 }, { "missing", NULL, info->missing },
			{ "reason",
				"not all of it was left when the database was made again: import "
				"its medium again",
				0 });
	return 0;
}

struct first_conflict {
	uint64_t count;
	char text[REF_TEXT_SIZE + 2 * SET_NAME_MAX + 20];
};

static int count_conflict(void *ctx, const struct tag_conflict *c, struct err *e)
{
	struct first_conflict *f = ctx;

	(void)e;
	if (f->count++ == 0)
		snprintf(f->text, sizeof(f->text), "%s:%s of %s, not of %s", c->repo, c->tag,
			c->served.set, c->other.set);
	return 0;
}

static int warn_of_conflicts(struct store *s, struct err *e)
{
	struct first_conflict f = { 0, "" };

	if (list_conflicts(s, count_conflict, &f, e) < 0)
		return -1;
	if (f.count)
		log_fields(LOG_LINE_WARNING, "store", { "conflicts", NULL, f.count },
			{ "served", f.text, 0 },
			{ "reason",
				"two active sets pin a tag to different images: the one activated "
				"last is served",
				0 });
	return 0;
}

/* Warn of what is served all the same. */
static int warn_of_store(struct store *s, struct err *e)
{
	struct err why;
	int rc = store_is_current(s, &why, e);

	if (rc < 0)
		return -1;
	if (rc == 0)
		log_fields(LOG_LINE_WARNING, "store", { "reason", why.text, 0 });
	return warn_of_conflicts(s, e) < 0 ? -1 : list_sets(s, warn_of_set, NULL, e);
}

/* Make the folder of marks, which a reader leaves for writers, before the sandbox forbids it. */
static int warn_of_marks(struct store *s, struct err *e)
{
	if (store_may_mark(s, e) <= 0)
		log_fields(LOG_LINE_WARNING, "check",
			{ "reason",
				"nothing can be written in the store's folder: blobs are read "
				"before "
				"they are served first",
				0 });
	return warn_of_store(s, e);
}

/* Open the store once. One that is written is made if need be, before the sandbox allows no other place. One
 * that is read must be there: the first thing that goes wrong on a new machine. */
static int prepare_store(const struct options *o, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;

	if (store_open(&s, o->store, o->push ? STORE_WRITE : STORE_READ, e) == 0)
		return o->push ? warn_of_store(s, e) : warn_of_marks(s, e);
	if (e->code == ERR_ABSENT && !o->push)
		return err_ctx(e,
			"%s: no store here yet: run moat import, or say push: on, which makes one",
			o->store);
	return -1;
}

/* Open the store's audit log. A server that only reads does without where nothing may be written. */
static int open_trail(struct daemon *d, struct err *e)
{
	const struct options *o = &d->options;

	if (trail_open(&d->trail, o->store, e) == 0)
		return 0;
	if (o->push || e->code != ERR_RIGHTS)
		return -1;
	log_fields(LOG_LINE_WARNING, "audit.off", { "reason", e->text, 0 },
		{ "do", "what is denied stands in the access log and the audit log only", 0 });
	return 0;
}

static int start(struct daemon *d, struct err *e)
{
	const struct options *o = &d->options;
	unsigned threads = thread_count(o); /* reads /sys, which is out of reach later */

	if (repo_names_init(&d->names, &o->map, o->default_host, e) < 0 ||
		quotas_init(&d->quotas, &o->quota, e) < 0)
		return -1;
	if (o->tls_cert && tls_load(o->tls_cert, o->tls_key, e) < 0)
		return -1;
	if (o->tls_client_ca && tls_load_client_ca(o->tls_client_ca, e) < 0)
		return -1;
	if (open_auth(d, e) < 0 || log_file_open(&d->log, "access-log", o->access_log, e) < 0 ||
		log_file_open(&d->audit, "audit-log", o->audit_log, e) < 0 ||
		take_sockets(d, e) < 0 || check_sockets(d, e) < 0)
		return -1;
	d->metrics = metrics_new(threads, &dispatch_labels);
	if (prepare_store(o, e) < 0 || open_trail(d, e) < 0 ||
		confine(o, d->trail != NULL, e) < 0 || (d->trail && trail_start(d->trail, e) < 0))
		return -1;
	d->cache = cache_new((uint64_t)o->cache, (unsigned)o->cache_files);
	return server_start(&d->server,
		&(struct server_config){ .store = o->store,
			.listeners = d->listeners,
			.listener_count = d->count,
			.tls = o->tls_cert != NULL,
			.threads = threads,
			.connections = (unsigned)o->connections,
			.connections_each = (unsigned)o->connections_each,
			.header_seconds = (unsigned)o->header_timeout,
			.idle_seconds = (unsigned)o->idle_timeout,
			.least_rate = (unsigned)o->least_rate,
			.bodies = (unsigned)o->bodies,
			.catalog = o->catalog,
			.check_rate = o->check_rate,
			.check_cpu = (unsigned)o->check_cpu,
			.check_every = (int64_t)o->check_every,
			.warn_age = (int64_t)o->warn_age,
			.push = push_config(o, &d->quotas),
			.auth = d->auth,
			.metrics = d->metrics,
			.serve_metrics = o->metrics,
			.names = &d->names,
			.cache = d->cache,
			.log = d->log,
			.audit = d->audit,
			.trail = d->trail,
			.format = log_format(o) },
		e);
}

/* Log a failure to reload; else add the name to what was read. */
static void reloaded(struct buf *what, const char *name, int rc, const struct err *e)
{
	if (rc < 0)
		log_fields(LOG_LINE_ERROR, "reload.failed", { "error", e->text, 0 });
	else
		buf_printf(what, "%s%s", what->len ? "," : "", name);
}

/* Reload on SIGHUP: certificate, users, rules and log files. What cannot be read changes nothing. */
static void reload(struct daemon *d)
{
	const struct options *o = &d->options;
	AUTO(buf_release) struct buf what = BUF_INIT;
	struct err e;

	notify_reloading();
	if (o->tls_cert)
		reloaded(&what, "tls-cert,tls-key", tls_load(o->tls_cert, o->tls_key, &e), &e);
	if (o->users || o->access)
		reloaded(&what,
			!o->access  ? "users"
			: !o->users ? "access"
				    : "users,access",
			auth_reload(d->auth, &e), &e);
	cache_changed(d->cache); /* what anyone could read may be private now */
	if (log_path(o->access_log))
		reloaded(&what, "access-log", log_file_reopen(d->log, &e), &e);
	if (log_path(o->audit_log))
		reloaded(&what, "audit-log", log_file_reopen(d->audit, &e), &e);
	log_fields(LOG_LINE_INFO, "reload", { "keys", what.len ? what.data : "", 0 });
	notify_ready();
}

/* Say which active sets should be replaced. */
static void warn_of_old_sets(struct old_sets *o)
{
	AUTO(buf_release) struct buf news = BUF_INIT;

	old_sets_news(o, clock_now(), clock_ms(), &news);
	for (struct span rest = buf_span(&news); rest.len;) {
		struct span line = span_until(&rest, '\n');
		AUTO(mem_free) char *text = mem_strndup(line.data, line.len);

		log_fields(LOG_LINE_WARNING, "store", { "reason", text, 0 });
	}
}

static int serve(struct daemon *d, const sigset_t *signals)
{
	static const struct timespec look = { .tv_sec = OLD_LOOK_S };
	AUTO(old_sets_release)
	struct old_sets old = OLD_SETS_INIT(d->options.store, (int64_t)d->options.warn_age);
	int signal;

	for (;;) {
		warn_of_old_sets(&old);
		signal = sigtimedwait(signals, NULL, &look);
		if (signal < 0 && errno != EAGAIN && errno != EINTR)
			return EXIT_FAILED;
		if (signal > 0 && signal != SIGHUP)
			break;
		if (signal == SIGHUP)
			reload(d);
	}
	notify_stopping();
	log_fields(LOG_LINE_INFO, "stop", { "signal", NULL, (uint64_t)signal });
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
	log_as(log_format(&d->options));
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
	printf("moatd: serve a moat store as an OCI registry\n\n"
	       "  moatd --store DIR --listen ADDRESS:PORT [--config FILE] [--KEY VALUE]...\n"
	       "  moatd --help-config    every key of the file; each is also a flag\n"
	       "  moatd --version\n\n"
	       "Signals: TERM finishes what is being sent, then ends; HUP reads certificate, users "
	       "and\n"
	       "rules and opens the logs again.\n");
	return EXIT_OK;
}

static int help_config(void)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	options_describe(&text);
	return fwrite(text.data, 1, text.len, stdout) == text.len ? EXIT_OK : EXIT_FAILED;
}

static int obey(int argc, char **argv)
{
	AUTO(daemon_release) struct daemon d = { .names = REPO_NAMES_INIT };
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

int main(int argc, char **argv)
{
	int status;

	stderr = printable_open(STDERR_FILENO, true);
	status = obey(argc, argv);
	fclose(stderr);
	return status;
}
