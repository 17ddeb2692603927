#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "registry/ops/clients.h"
#include "storage/base/buf.h"
#include "registry/http/socket.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"

static const struct {
	const char *in, *text; /* NULL: refused */
	bool local;
} cases[] = {
	{ "127.0.0.1:5000", "127.0.0.1:5000", true },
	{ "127.8.9.1:1", "127.8.9.1:1", true },
	{ "localhost:80", "127.0.0.1:80", true },
	{ "[::1]:5000", "[::1]:5000", true },
	{ "0.0.0.0:5000", "0.0.0.0:5000", false },
	{ "10.1.2.3:65535", "10.1.2.3:65535", false },
	{ "[fd00::1]:1", "[fd00::1]:1", false },
	{ ":5000", "[::]:5000", false },
	{ "127.0.0.1", NULL, false },
	{ "127.0.0.1:", NULL, false },
	{ "127.0.0.1:65536", NULL, false },
	{ "127.0.0.1:+5", NULL, false },
	{ "127.0.0.1:5x", NULL, false },
	{ "example.org:80", NULL, false },
	{ "::1:5000", NULL, false },
	{ "[::1:5000", NULL, false },
};

static void address_parse__table(void **state)
{
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct address a;
		struct err e;
		int rc = address_parse(&a, cases[i].in, &e);

		if ((rc == 0) != (cases[i].text != NULL))
			fail_msg("%s: %d", cases[i].in, rc);
		if (rc < 0)
			continue;
		assert_string_equal(address_text(&a, text), cases[i].text);
		assert_int_equal(address_is_local(&a), cases[i].local);
	}
}

static void socket_listen__two_on_one_port(void **state)
{
	struct address a;
	char text[ADDRESS_TEXT_SIZE];
	struct err e;

	(void)state;
	assert_ok(address_parse(&a, "127.0.0.1:0", &e));
	AUTO(fd_close) int fd = socket_listen(&a, &e);
	assert_true(fd >= 0);
	assert_ok(socket_address(fd, &a, &e));
	assert_err(socket_listen(&a, &e), ERR_IO, address_text(&a, text));
}

static void socket_inherited__only_for_this_process(void **state)
{
	char pid[32];
	int first;

	(void)state;
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_PID", "1", 1);
	assert_int_equal(socket_inherited(&first), 0);
	assert_null(getenv("LISTEN_FDS"));
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", pid, 1);
	assert_int_equal(socket_inherited(&first), 1);
	assert_int_equal(first, 3);
	assert_null(getenv("LISTEN_PID"));
}

static void clients__each_and_all_have_a_limit(void **state)
{
	AUTO(clients_free) struct clients *c = clients_new(3, 2);
	struct client *held[3], *none = NULL;
	struct address a, b;
	struct err e;

	(void)state;
	assert_ok(address_parse(&a, "10.0.0.1:1", &e));
	assert_ok(address_parse(&b, "10.0.0.2:1", &e));
	assert_int_equal(clients_enter(c, &a, &held[0]), CLIENT_OK);
	assert_int_equal(clients_enter(c, &a, &held[1]), CLIENT_OK);
	assert_int_equal(clients_enter(c, &a, &none), CLIENT_TOO_MANY);
	assert_int_equal(clients_enter(c, &b, &held[2]), CLIENT_OK);
	assert_int_equal(clients_enter(c, &b, &none), CLIENTS_FULL);
	clients_leave(c, &held[0]);
	assert_int_equal(clients_enter(c, &a, &held[0]), CLIENT_OK);
	for (int i = 0; i < 3; i++)
		clients_leave(c, &held[i]);
	clients_leave(c, &none);
}

static void clients__one_machine_is_one_client(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{ "[2001:db8::1]:1", "[2001:db8::ffff:2]:9", true },
		{ "[2001:db8:0:1::1]:1", "[2001:db8::1]:1", false },
		{ "[::ffff:10.0.0.1]:1", "10.0.0.1:1", true },
		{ "[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:1", false },
		{ "10.0.0.1:1", "10.0.0.2:1", false },
		{ "[::1]:1", "127.0.0.1:1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		AUTO(clients_free) struct clients *c = clients_new(9, 9);
		struct client *one, *two;
		struct address a, b;
		struct err e;

		assert_ok(address_parse(&a, pairs[i].a, &e));
		assert_ok(address_parse(&b, pairs[i].b, &e));
		assert_int_equal(clients_enter(c, &a, &one), CLIENT_OK);
		assert_int_equal(clients_enter(c, &b, &two), CLIENT_OK);
		if ((one == two) != pairs[i].same)
			fail_msg("%s and %s", pairs[i].a, pairs[i].b);
	}
}

static void clients__a_suspect_is_remembered_for_a_while(void **state)
{
	AUTO(clients_free) struct clients *c = clients_new(9, 9);
	struct client *client;
	struct address a;
	struct err e;

	(void)state;
	assert_ok(address_parse(&a, "10.0.0.1:1", &e));
	assert_int_equal(clients_enter(c, &a, &client), CLIENT_OK);
	assert_false(client_is_suspect(client));
	client_judge(client, true);
	clients_leave(c, &client);
	assert_int_equal(clients_enter(c, &a, &client), CLIENT_OK);
	assert_true(client_is_suspect(client));
	clients_leave(c, &client);
	for (unsigned i = 0; i < 5000; i++) { /* others that guess, more than are remembered */
		AUTO(mem_free) char *text = mem_printf("10.1.%u.%u:1", i / 250, i % 250);
		struct address other;

		assert_ok(address_parse(&other, text, &e));
		assert_int_equal(clients_enter(c, &other, &client), CLIENT_OK);
		client_judge(client, true);
		clients_leave(c, &client);
	}
	assert_int_equal(clients_count(c), 0);
	assert_int_equal(clients_enter(c, &a, &client), CLIENT_OK);
	assert_false(client_is_suspect(client));
	client_judge(client, false);
	clients_leave(c, &client);
}

/* Never more than was read, and in the end all of it. */
static void socket_taken__counts_what_was_read(void **state)
{
	static char bytes[10000];
	uint64_t written = 0, got = 0;
	ssize_t n;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	assert_int_equal(socket_taken(s[0], 0), 0);
	while ((n = write(s[0], bytes, sizeof(bytes))) > 0)
		written += (uint64_t)n;
	assert_true(written > sizeof(bytes));
	assert_int_equal(socket_taken(s[0], written), 0);
	while (got < written) {
		n = read(s[1], bytes, sizeof(bytes));
		assert_true(n > 0);
		got += (uint64_t)n;
		assert_true(socket_taken(s[0], written) <= got);
	}
	assert_int_equal(socket_taken(s[0], written), written);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_parse__table),
		cmocka_unit_test(socket_listen__two_on_one_port),
		cmocka_unit_test(socket_inherited__only_for_this_process),
		cmocka_unit_test(socket_taken__counts_what_was_read),
		cmocka_unit_test(clients__each_and_all_have_a_limit),
		cmocka_unit_test(clients__one_machine_is_one_client),
		cmocka_unit_test(clients__a_suspect_is_remembered_for_a_while),
	};

	return cmocka_run_group_tests_name("registry/socket", tests, NULL, NULL);
}
