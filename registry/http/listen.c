/*
 * The listening sockets in a loop's epoll: watched, left alone while no descriptor is free, and given up. Must
 * never watch what cannot be accepted: that would burn a processor.
 */
#define MOAT_SERVER_PART
#include "registry/http/server_private.h"

#include <errno.h>
#include <sys/epoll.h>

#include "storage/base/log.h"
#include "storage/base/banned.h"

#define PAUSE_LOG_MS 60000 /* between two lines in the log that say so */

int listen_start(struct loop *l, struct err *e)
{
	const struct server_config *config = &l->server->config;

	for (unsigned i = 0; i < config->listener_count; i++) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE,
			.data.ptr = (void *)(uintptr_t)&config->listeners[i] };

		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, config->listeners[i], &event) < 0)
			return err_sys(e, "epoll");
	}
	return 0;
}

static void unwatch(struct loop *l)
{
	const struct server_config *config = &l->server->config;

	for (unsigned i = 0; i < config->listener_count; i++)
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, config->listeners[i], NULL);
}

void listen_stop(struct loop *l)
{
	unwatch(l);
	l->accepting = l->paused = false;
}

static const char *remedy(int error)
{
	if (error == EMFILE)
		return "raise LimitNOFILE of the service, or lower connections in moatd.yaml";
	if (error == ENFILE)
		return "raise the sysctl fs.file-max, or end what has so many files open";
	return "the machine has no memory left for sockets";
}

/* Log a pause: one line for all loops, and one a minute for as long as it lasts. */
static void log_pause(struct loop *l, int error)
{
	int64_t said = l->server->paused_ms;

	if ((said && l->now_ms - said < PAUSE_LOG_MS) ||
		!atomic_compare_exchange_strong(&l->server->paused_ms, &said, l->now_ms))
		return;
	log_fields(LOG_LINE_ERROR, "accept.paused", { "error", strerror(error), 0 },
		{ "connections", NULL, clients_count(l->server->clients) },
		{ "do", remedy(error), 0 });
}

void listen_pause(struct loop *l, int error)
{
	unwatch(l); /* they stay readable, and would wake the loop at once */
	l->paused = true;
	l->resume_ms = l->now_ms + PAUSE_MS;
	if (l->shard)
		metrics_paused(l->shard);
	log_pause(l, error);
}

void listen_resume(struct loop *l)
{
	struct err ignored = ERR_INIT;

	l->paused = false;
	if (listen_start(l, &ignored) == 0)
		return;
	unwatch(l); /* no memory: some of them */
	l->paused = true;
	l->resume_ms = l->now_ms + PAUSE_MS;
}
