/* Deadlines and turns of connections on Unix sockets, sweep by sweep, with a clock that goes as it is told. */
#define MOAT_SERVER_PART
#include <sys/socket.h>
#include <unistd.h>

#include "registry/http/server_private.h"
#include "tests/support/cm.h"

#define STEP (64u << 10) /* bytes of a second; more than keeps a turn */
#define SWEEPS 10

/* One connection that is being sent a body, in a loop that does not run. */
struct world {
	struct server server;
	struct loop loop;
	struct conn conn;
	int peer;
};

static void world_end(struct world *w)
{
	if (w->conn.x.has_turn)
		fair_queue_leave(w->server.bodies, &w->conn.x.turn);
	fair_queue_free(&w->server.bodies);
	close(w->conn.fd);
	close(w->peer);
}

static void no_wait(struct fair_turn *turn)
{
	(void)turn;
	fail_msg("there is a turn");
}

static void begin(struct world *w, unsigned least_rate)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	*w = (struct world){ .peer = s[1] };
	w->server.config.least_rate = least_rate;
	w->server.config.rate_window = 3000;
	w->server.bodies = fair_queue_new(2, false);
	w->loop = (struct loop){ .server = &w->server };
	w->conn = (struct conn){ .loop = &w->loop,
		.fd = s[0],
		.peer.sa.ss_family = AF_UNIX,
		.x = { .step = STEP_SENDING,
			.has_turn = true,
			.metered = true,
			.window_bytes = UINT64_MAX } };
	LIST_INSERT_HEAD(&w->loop.conns, &w->conn, entry);
	assert_true(fair_queue_enter(
		w->server.bodies, &w->conn.x.turn, &(struct fair_client){ .id = w }, 0, no_wait));
}

/* As the library sends: what it gets of us, and as much as the socket takes. */
static void fill(struct world *w)
{
	static char bytes[16 << 10];
	ssize_t n;

	while ((n = write(w->conn.fd, bytes, sizeof(bytes))) > 0)
		w->conn.given += (uint64_t)n;
}

static void take(struct world *w, size_t bytes)
{
	static char into[STEP];

	while (bytes > 0) {
		ssize_t n = read(w->peer, into, bytes);

		assert_true(n > 0);
		bytes -= (size_t)n;
	}
}

/* A second later. */
static void sweep(struct world *w)
{
	w->loop.now_ms += 1000;
	conn_sweep(&w->loop);
}

static unsigned active(struct world *w)
{
	unsigned count, waiting;

	fair_queue_count(w->server.bodies, &count, &waiting);
	return count;
}

/* The socket is full whenever it is looked at, whether its client reads or not. */
static void fair_turn__stays_with_what_moves(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 0);
	for (int i = 0; i < SWEEPS; i++) {
		fill(&w);
		take(&w, STEP);
		fill(&w);
		sweep(&w);
		assert_true(w.conn.x.has_turn);
	}
	for (int i = 0; i < SWEEPS; i++)
		sweep(&w);
	assert_false(w.conn.x.has_turn);
	assert_int_equal(active(&w), 0);
	assert_false(w.conn.shut); /* without a least rate it is sent on */
	world_end(&w);
}

static void rate__is_of_what_was_taken(void **state)
{
	static const struct {
		size_t taken; /* a second */
		unsigned least_rate;
		bool ends;
	} cases[] = {
		{ STEP, STEP / 2, false },
		{ STEP, STEP * 2, true },
		{ 0, 1024, true },
		{ 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		begin(&w, cases[i].least_rate);
		for (int k = 0; k < SWEEPS * 3; k++) {
			fill(&w);
			take(&w, cases[i].taken);
			fill(&w);
			sweep(&w);
			if (w.conn.shut)
				break;
		}
		if (w.conn.shut != cases[i].ends)
			fail_msg("case %zu", i);
		world_end(&w);
	}
}

/* All of a body from memory has its time, and the window on top. */
static void rate__of_bodies_from_memory(void **state)
{
	struct world w;
	int seconds = 0;

	(void)state;
	begin(&w, 1000);
	fair_queue_leave(w.server.bodies, &w.conn.x.turn);
	w.conn.x.metered = w.conn.x.has_turn = false;
	w.conn.x.bytes = 5000;
	while (!w.conn.shut && seconds < 100) {
		sweep(&w);
		seconds++;
	}
	assert_int_equal(seconds, 3 + 5 + 1);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fair_turn__stays_with_what_moves),
		cmocka_unit_test(rate__is_of_what_was_taken),
		cmocka_unit_test(rate__of_bodies_from_memory),
	};

	return cmocka_run_group_tests_name("registry/conn", tests, NULL, NULL);
}
