/* Starting and ending of servers in tests. */
#include "running.h"

#include <netinet/in.h>

#include "storage/base/fs.h"
#include "tests/support/cm.h"

const struct server_config running_usual = { .threads = 2,
	.connections = 1000,
	.connections_each = 1000,
	.header_seconds = 60,
	.idle_seconds = 60,
	.least_rate = 1024,
	.bodies = 64,
	.catalog = true };

void running_prepare(struct running *r)
{
	struct err e;

	assert_ok(repo_names_init(&r->names, NULL, "docker.io", &e));
	r->cache = cache_new(1 << 20, 64);
	r->listener = -1;
}

void running_start(struct running *r, const char *store, struct server_config config)
{
	struct address a;
	struct err e;

	assert_ok(address_parse(&a, "127.0.0.1:0", &e));
	if (r->listener < 0)
		r->listener = socket_listen(&a, &e);
	assert_true(r->listener >= 0);
	assert_ok(socket_address(r->listener, &a, &e));
	if (a.sa.ss_family == AF_INET)
		r->port = ntohs(((struct sockaddr_in *)&a.sa)->sin_port);
	config.store = store;
	config.listeners = &r->listener;
	config.listener_count = 1;
	config.names = &r->names;
	config.cache = r->cache;
	config.auth = r->auth;
	config.log = r->log;
	assert_ok(server_start(&r->server, &config, &e));
}

void running_end(struct running *r)
{
	server_stop(&r->server);
	fd_close(&r->listener);
	auth_close(&r->auth);
	cache_free(&r->cache);
	log_file_close(&r->log);
	repo_names_release(&r->names);
}
