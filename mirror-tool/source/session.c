/* Set up and run the engine. Must not know what is asked for. */
#include "mirror-tool/source/session.h"

#include <signal.h>
#include <stdlib.h>

#include "storage/base/banned.h"

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = number;
}

/* Handle each signal once: the second one ends the program. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void on_note(void *ctx, const char *text)
{
	struct session *s = ctx;

	progress_line(&s->progress, text);
}

static void on_progress(void *ctx, const struct upstream_progress *p)
{
	struct session *s = ctx;

	s->received = p->bytes;
	s->state.bytes = s->blobs ? s->copied + p->blob_bytes : p->bytes;
	s->state.bytes_total = s->blobs ? s->state.bytes + p->blob_due : 0;
	progress_show(&s->progress, &s->state);
}

static void on_copied(void *ctx, uint64_t bytes)
{
	struct session *s = ctx;

	if (!s->blobs)
		return;
	s->copied += bytes;
	s->state.bytes += bytes;
	progress_show(&s->progress, &s->state);
}

static struct upstream_host *hosts_of(const struct registry_confs *confs)
{
	struct upstream_host *hosts = mem_alloc(confs->count * sizeof(*hosts));

	for (size_t i = 0; i < confs->count; i++) {
		const struct registry_conf *c = &confs->items[i];

		hosts[i] = (struct upstream_host){
			.host = c->host,
			.plain_http = c->plain_http,
			.connections = c->connections,
			.stop_below = c->stop_below,
			.realms = (const char *const *)c->realms.items,
			.realm_count = c->realms.count,
		};
	}
	return hosts;
}

/* Take the folder of a path. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int session_begin(
	struct session *s, const struct tool *t, const struct session_options *o, struct err *e)
{
	AUTO(mem_free) struct upstream_host *hosts = hosts_of(o->registries);
	AUTO(mem_free) char *base = folder_of(o->base);
	struct upstream_options options = {
		.authfile = o->authfile,
		.certs_dirs = o->certs_dirs->items,
		.certs_dir_count = o->certs_dirs->count,
		.hosts = hosts,
		.host_count = o->registries->count,
		.active_max = (unsigned)o->jobs,
		.stop = &stop,
		.note = on_note,
		.progress = on_progress,
		.ctx = s,
	};

	*s = (struct session){ .blobs = o->blobs };
	catch_signals();
	progress_begin(&s->progress, t, o->verb, o->things);
	if (upstream_new(&s->upstream, &options, e) < 0)
		return -1;
	origins_init(&s->origins, s->upstream, o->registries, base);
	s->origins.copied = on_copied;
	s->origins.ctx = s;
	return 0;
}

int session_run(struct session *s, struct err *e)
{
	int rc = upstream_run(s->upstream, e);

	progress_end(&s->progress);
	if (rc < 0 && stop) /* not ERR_BUSY, which means the store */
		return err_set(e, ERR_IO, "interrupted; the same command goes on from here");
	return rc;
}

void session_end(struct session *s)
{
	if (s->upstream)
		progress_end(&s->progress);
	origins_release(&s->origins);
	upstream_free(&s->upstream);
}
