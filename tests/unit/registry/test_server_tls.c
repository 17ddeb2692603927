/*
 * What makes a request wait (a thread that hashes, a password, a turn), on plain connections and on every
 * kind of TLS: each request gets its answer, whatever the client sends meanwhile and in whatever pieces.
 */
#include <crypt.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "registry/http/tls.h"
#include "registry/http/tls_io.h"
#include "storage/base/base64.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "running.h"
#include "wire.h"

#define LAYER (3u << 20) /* many pieces */
#define BIG (24u << 20) /* more than the sockets on the way hold */
#define CLIENTS 8
#define LATE 2000 /* answers, together more than the sockets on the way hold */
#define BLINK_US 20000 /* for a server to run into what is not there yet */

struct kind {
	const char *name;
	int version; /* 0: plain */
	bool resumed, certificate;
};

static const struct kind kinds[] = {
	{ "plain", 0, false, false },
	{ "TLS 1.3", TLS1_3_VERSION, false, false },
	{ "TLS 1.2", TLS1_2_VERSION, false, false },
	{ "TLS 1.3, resumed", TLS1_3_VERSION, true, false },
	{ "TLS 1.2, resumed", TLS1_2_VERSION, true, false },
	{ "TLS 1.3, a client's certificate", TLS1_3_VERSION, false, true },
	{ "TLS 1.2, a client's certificate", TLS1_2_VERSION, false, true },
	{ "TLS 1.3, resumed, a client's certificate", TLS1_3_VERSION, true, true },
};

struct fixture {
	struct running run;
	struct sandbox *sb;
	const struct kind *kind;
	struct tls_client client;
	struct buf layer;
	char digest[DIGEST_TEXT_SIZE]; /* of the layer */
};

/* --- one server for each kind ---------------------------------------------------------------- */

static void make_layer(struct fixture *f, size_t size)
{
	struct digest d;

	buf_clear(&f->layer);
	image_bytes(&f->layer, "layer", size);
	digest_of(&d, DIGEST_SHA256, buf_span(&f->layer));
	digest_text(&d, f->digest);
}

static int prepare(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	void *sandbox = NULL;

	signal(SIGPIPE, SIG_IGN);
	if (sandbox_setup(&sandbox) != 0)
		return -1;
	f->sb = sandbox;
	f->layer = (struct buf)BUF_INIT;
	make_layer(f, LAYER);
	tls_client_certificate(sandbox_path(f->sb, "crt"), sandbox_path(f->sb, "key"));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *sandbox = f->sb;

	buf_release(&f->layer);
	mem_free(&f);
	return sandbox_teardown(&sandbox);
}

static struct server_config usual(const struct fixture *f)
{
	struct server_config config = running_usual;

	config.tls = f->kind->version != 0;
	config.push = (struct push_config){ .on = true,
		.upload_max = 1 << 30,
		.uploads = { .total = 100, .each = 100, .expiry_seconds = 60 } };
	return config;
}

static struct wire open_wire(const struct fixture *f)
{
	return wire_open_as(&f->client, f->run.port);
}

static void load_tls(struct fixture *f)
{
	const char *cert = sandbox_path(f->sb, "crt"), *key = sandbox_path(f->sb, "key");
	struct err e;

	assert_ok(tls_load(cert, key, &e));
	tls_client_open(&f->client, f->kind->version);
	if (!f->kind->certificate)
		return;
	assert_ok(tls_load_client_ca(cert, &e));
	tls_client_present(&f->client, cert, key);
}

/* The session of a connection that was used, so that its ticket came. */
static void take_session(struct fixture *f)
{
	AUTO(wire_close) struct wire first = open_wire(f);

	assert_true(first.fd >= 0 && wire_is_open(&first));
	f->client.session = SSL_get1_session(first.ssl);
	AUTO(wire_close) struct wire second = open_wire(f);
	assert_true(second.fd >= 0);
	assert_int_equal(SSL_session_reused(second.ssl), 1);
}

static void begin(struct fixture *f, const struct kind *kind)
{
	f->kind = kind;
	running_prepare(&f->run);
	if (kind->version)
		load_tls(f);
}

static void start(struct fixture *f, struct server_config config)
{
	running_start(&f->run, sandbox_path(f->sb, "store"), config);
	if (f->kind->resumed)
		take_session(f);
}

static void end(struct fixture *f)
{
	running_end(&f->run);
	tls_client_close(&f->client);
	tls_unload();
	sandbox_remove(sandbox_path(f->sb, "store"));
}

/* --- words ----------------------------------------------------------------------------------- */

static const char *ask(struct wire *w, const char *head, struct span body, struct answer *a)
{
	AUTO(mem_free)
	char *text =
		mem_printf("%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", head, body.len);

	wire_str(w, text);
	if (body.len > 0)
		wire_send(w, body.data, body.len);
	return wire_try(w, false, a);
}

#define NOTHING ((struct span){ "", 0 })

static const char *expect(const char *wrong, const struct answer *a, unsigned status)
{
	static _Thread_local char text[100];

	if (wrong || a->status == status)
		return wrong;
	snprintf(text, sizeof(text), "status %u where %u belongs", a->status, status);
	return text;
}

static const char *push_blob(const struct fixture *f, struct wire *w)
{
	AUTO(mem_free)
	char *head = mem_printf("POST /v2/team/app/blobs/uploads/?digest=%s", f->digest);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	return expect(ask(w, head, buf_span(&f->layer), &a), &a, 201);
}

/* As podman does it: a session, pieces, the end. */
static const char *push_pieces(const struct fixture *f, struct wire *w)
{
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *patch = NULL;
	AUTO(mem_free) char *put = NULL;
	const char *wrong =
		expect(ask(w, "POST /v2/team/app/blobs/uploads/", NOTHING, &a), &a, 202);

	if (wrong)
		return wrong;
	patch = mem_printf("PATCH %s", answer_get(&a, "Location"));
	put = mem_printf("PUT %s?digest=%s", answer_get(&a, "Location"), f->digest);
	for (size_t at = 0, n; at < f->layer.len && !wrong; at += n) {
		n = f->layer.len - at < 700001 ? f->layer.len - at : 700001;
		wrong = expect(ask(w, patch, (struct span){ f->layer.data + at, n }, &a), &a, 202);
	}
	return wrong ? wrong : expect(ask(w, put, NOTHING, &a), &a, 201);
}

static const char *pull_blob(const struct fixture *f, struct wire *w)
{
	AUTO(mem_free) char *head = mem_printf("GET /v2/team/app/blobs/%s", f->digest);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	const char *wrong = expect(ask(w, head, NOTHING, &a), &a, 200);

	if (wrong)
		return wrong;
	return a.body.len == f->layer.len && memcmp(a.body.data, f->layer.data, a.body.len) == 0
		       ? NULL
		       : "other bytes";
}

/* --- many clients at once -------------------------------------------------------------------- */

typedef const char *client_fn(const struct fixture *f, unsigned number);

struct client {
	pthread_t thread;
	const struct fixture *fixture;
	client_fn *run;
	unsigned number;
	const char *wrong;
};

static void *run_client(void *cls)
{
	struct client *c = cls;

	c->wrong = c->run(c->fixture, c->number);
	if (c->wrong)
		c->wrong = mem_strdup(c->wrong); /* the thread's own memory ends with it */
	return NULL;
}

static void at_once(const struct fixture *f, client_fn *run)
{
	struct client clients[CLIENTS] = { 0 };
	char *wrong = NULL;

	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){ .fixture = f, .run = run, .number = i };
		assert_int_equal(
			pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
		if (clients[i].wrong)
			wrong = (char *)(uintptr_t)clients[i].wrong;
	}
	if (wrong)
		fail_msg("%s: %s", f->kind->name, wrong);
}

static const char *client_pushes(const struct fixture *f, unsigned number)
{
	const char *wrong = NULL;

	for (int i = 0; i < 2 && !wrong; i++) {
		AUTO(wire_close) struct wire w = open_wire(f);

		wrong = w.fd < 0 ? "no handshake" : NULL;
		for (int j = 0; j < 2 && !wrong; j++)
			wrong = (number + (unsigned)j) % 2 ? push_blob(f, &w) : push_pieces(f, &w);
	}
	return wrong;
}

static void waits__pushes_at_once(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		begin(f, &kinds[i]);
		start(f, usual(f));
		at_once(f, client_pushes);
		end(f);
	}
}

/* Each password is another one, so that none is known. */
static const char *guess(struct wire *w, unsigned number, int turn)
{
	AUTO(buf_release) struct buf head = BUF_INIT;
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *login = mem_printf("alice:wrong-%u-%d", number, turn);

	buf_str(&head, "GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ");
	base64_encode(&head, span_of(login));
	buf_str(&head, "\r\n\r\n");
	wire_send(w, head.data, head.len);
	return expect(wire_try(w, false, &a), &a, 401);
}

static const char *client_guesses(const struct fixture *f, unsigned number)
{
	AUTO(wire_close) struct wire w = open_wire(f);
	const char *wrong = w.fd < 0 ? "no handshake" : NULL;

	for (int i = 0; i < 20 && !wrong; i++)
		wrong = guess(&w, number, i);
	return wrong;
}

static void add_users(struct fixture *f)
{
	const char *users = sandbox_path(f->sb, "users");
	struct crypt_data data = { .initialized = 0 };
	AUTO(mem_free) char *line = NULL;
	char salt[64];
	struct err e;

	assert_non_null(crypt_gensalt_rn("$2y$", 5, NULL, 0, salt, sizeof(salt)));
	line = mem_printf("alice:%s\n", crypt_rn("secret", salt, &data, sizeof(data)));
	sandbox_write(users, line, strlen(line));
	assert_ok(auth_open(&f->run.auth,
		&(struct auth_config){ .users = users, .basic = true, .push = true }, &e));
}

static void waits__passwords_at_once(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].resumed)
			continue; /* the first request of its session would want a login, too */
		begin(f, &kinds[i]);
		add_users(f);
		start(f, usual(f));
		at_once(f, client_guesses);
		end(f);
	}
}

static const char *client_pulls(const struct fixture *f, unsigned number)
{
	AUTO(wire_close) struct wire w = open_wire(f);
	const char *wrong = w.fd < 0 ? "no handshake" : NULL;

	(void)number;
	for (int i = 0; i < 3 && !wrong; i++)
		wrong = pull_blob(f, &w);
	return wrong;
}

static void waits__more_pulls_than_turns(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct server_config config;
		const char *wrong;

		begin(f, &kinds[i]);
		config = usual(f);
		config.bodies = 2;
		start(f, config);
		AUTO(wire_close) struct wire w = open_wire(f);
		wrong = push_blob(f, &w);
		if (wrong)
			fail_msg("%s: %s", kinds[i].name, wrong);
		at_once(f, client_pulls);
		end(f);
	}
}

/* --- one client, in odd pieces --------------------------------------------------------------- */

#define SMALL "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"

static void expect_answers(struct fixture *f, struct wire *w, unsigned count)
{
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (unsigned i = 0; i < count; i++) {
		const char *wrong = expect(wire_try(w, false, &a), &a, 200);

		if (wrong)
			fail_msg("%s, answer %u: %s", f->kind->name, i, wrong);
	}
}

/* An image whose manifest is of some KiB. */
static void add_manifest(const struct fixture *f)
{
	AUTO(store_close)
	struct store *s = sandbox_store(f->sb, "store", STORE_WRITE);

	image_add(s, "team/app", "1", "late", 40);
}

/* Does the digest that the head states belong to the body? */
static bool is_body(const struct answer *a)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest d;

	digest_of(&d, DIGEST_SHA256, buf_span(&a->body));
	return a->body.len > 5000 &&
	       strcmp(answer_get(a, "Docker-Content-Digest"), digest_text(&d, text)) == 0;
}

/* Requests that came in one record, behind one that waits for its turn as well. */
static void waits__pipelined_requests(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;

		begin(f, &kinds[i]);
		start(f, usual(f));
		AUTO(wire_close) struct wire w = open_wire(f);
		assert_null(push_blob(f, &w));
		buf_printf(
			&text, "GET /v2/team/app/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n", f->digest);
		for (int n = 0; n < 40; n++)
			buf_str(&text, SMALL);
		wire_send(&w, text.data, text.len);
		expect_answers(f, &w, 41);
		end(f);
	}
}

/* Heads and bodies that find no room in the socket, in whatever places: none is lost or comes twice. */
static void answers__to_a_client_that_reads_late(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;
		int little = 128 << 10; /* above a segment of the loopback device */

		begin(f, &kinds[i]);
		add_manifest(f);
		start(f, usual(f));
		AUTO(wire_close) struct wire w = open_wire(f);
		assert_int_equal(
			setsockopt(w.fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)), 0);
		for (int n = 0; n < LATE; n++)
			buf_str(&text, "GET /v2/team/app/manifests/1 HTTP/1.1\r\nHost: x\r\n\r\n");
		wire_send(&w, text.data, text.len);
		usleep(10 * BLINK_US);
		for (int n = 0; n < LATE; n++) {
			AUTO(answer_release) struct answer a = ANSWER_INIT;
			const char *wrong = expect(wire_try(&w, false, &a), &a, 200);

			if (wrong || !is_body(&a))
				fail_msg("%s, answer %d: %s", kinds[i].name, n,
					wrong ? wrong : "another body");
		}
		end(f);
	}
}

/* A session whose bytes go through our hands. */
struct hands {
	int fd;
	SSL *ssl;
	BIO *in, *out;
};

static struct hands hands_open(const struct fixture *f)
{
	struct wire w = wire_open(f->run.port);
	struct hands h = { .fd = w.fd,
		.ssl = SSL_new(f->client.ctx),
		.in = BIO_new(BIO_s_mem()),
		.out = BIO_new(BIO_s_mem()) };

	SSL_set_bio(h.ssl, h.in, h.out);
	if (f->client.session)
		SSL_set_session(h.ssl, f->client.session);
	SSL_set_connect_state(h.ssl);
	return h;
}

static void hands_close(struct hands *h)
{
	SSL_free(h->ssl);
	fd_close(&h->fd);
}

/* What the session has to say: `first` bytes of it, and the rest a moment later. */
static void hand_out(struct hands *h, size_t first)
{
	char *data;
	long len = BIO_get_mem_data(h->out, &data);
	size_t n = (size_t)len < first ? (size_t)len : first;

	if (len <= 0)
		return;
	assert_int_equal(send(h->fd, data, n, MSG_NOSIGNAL), n);
	if (n < (size_t)len) {
		usleep(BLINK_US);
		assert_int_equal(
			send(h->fd, data + n, (size_t)len - n, MSG_NOSIGNAL), (size_t)len - n);
	}
	(void)BIO_reset(h->out);
}

static void hand_in(struct hands *h, const char *what)
{
	char piece[16384];
	ssize_t n = recv(h->fd, piece, sizeof(piece), 0);

	if (n <= 0)
		fail_msg("%s: nothing comes in 20 s", what);
	BIO_write(h->in, piece, (int)n);
}

/* Is there a whole answer in `text`? */
static bool is_whole(const struct buf *text)
{
	const char *end = strstr(text->data, "\r\n\r\n");
	const char *length = strcasestr(text->data, "\r\nContent-Length: ");

	if (!end || !length)
		return false;
	return text->len >= (size_t)(end + 4 - text->data) + strtoul(length + 18, NULL, 10);
}

/* The answer to a request that was written into the session. */
static void hands_expect(struct hands *h, unsigned status, const char *what)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	while (!is_whole(&text)) {
		char piece[4096];
		int n = SSL_read(h->ssl, piece, sizeof(piece));

		if (n > 0)
			buf_add(&text, piece, (size_t)n);
		else
			hand_in(h, what);
	}
	if (strtoul(text.data + strlen("HTTP/1.1 "), NULL, 10) != status)
		fail_msg("%s: %s", what, text.data);
}

static void connect_in_pieces(struct hands *h, size_t first, const char *what)
{
	while (SSL_do_handshake(h->ssl) != 1) {
		hand_out(h, first);
		hand_in(h, what);
	}
	hand_out(h, first);
}

/* Every flight of the handshake, and then every record, comes in two pieces. */
static void waits__halves_of_records(void **state)
{
	static const size_t firsts[] = { 1, 5, 40 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!kinds[i].version)
			continue;
		begin(f, &kinds[i]);
		start(f, usual(f));
		for (size_t n = 0; n < ARRAY_SIZE(firsts); n++) {
			AUTO(hands_close) struct hands h = hands_open(f);

			connect_in_pieces(&h, firsts[n], kinds[i].name);
			for (int r = 0; r < 3; r++) {
				SSL_write(h.ssl, SMALL, strlen(SMALL));
				hand_out(&h, firsts[n]);
				hands_expect(&h, 200, kinds[i].name);
			}
		}
		end(f);
	}
}

/* Half a record while the request before it waits for a thread, and the other half afterwards. */
static void waits__half_a_record_behind_a_push(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!kinds[i].version)
			continue;
		begin(f, &kinds[i]);
		start(f, usual(f));
		AUTO(hands_close) struct hands h = hands_open(f);
		connect_in_pieces(&h, 1 << 20, kinds[i].name);
		for (int r = 0; r < 5; r++) {
			static const char put[] =
				"PUT /v2/team/app/manifests/1 HTTP/1.1\r\nHost: x\r\n"
				"Content-Length: 2\r\n\r\n{}";
			char *data;
			size_t len, half;

			SSL_write(h.ssl, put, sizeof(put) - 1);
			hand_out(&h, 1 << 20);
			SSL_write(h.ssl, SMALL, strlen(SMALL));
			len = (size_t)BIO_get_mem_data(h.out, &data);
			half = len / 2;
			assert_int_equal(send(h.fd, data, half, MSG_NOSIGNAL), half);
			hands_expect(&h, 400, kinds[i].name);
			assert_int_equal(
				send(h.fd, data + half, len - half, MSG_NOSIGNAL), len - half);
			(void)BIO_reset(h.out);
			hands_expect(&h, 200, kinds[i].name);
		}
		end(f);
	}
}

/* On: what is written waits to be sent in one piece. */
static void cork(struct wire *w, int on)
{
	assert_int_equal(setsockopt(w->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)), 0);
}

/* New keys, asked for and not, between requests and while one waits for its turn. */
static void waits__new_keys(void **state)
{
	struct fixture *f = *state;

	make_layer(f, BIG);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct server_config config;

		if (kinds[i].version != TLS1_3_VERSION)
			continue;
		begin(f, &kinds[i]);
		config = usual(f);
		config.bodies = 1;
		start(f, config);
		AUTO(mem_free)
		char *get = mem_printf(
			"GET /v2/team/app/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n", f->digest);
		AUTO(wire_close) struct wire slow = open_wire(f);
		AUTO(wire_close) struct wire w = open_wire(f);
		assert_null(push_blob(f, &w));
		for (int r = 0; r < 4; r++) {
			wire_str(&slow, get); /* keeps the turn, as it is not read */
			assert_true(wire_has_begun(&slow));
			wire_str(&w, get);
			usleep(BLINK_US);
			assert_int_equal(
				SSL_key_update(w.ssl, r % 2 ? SSL_KEY_UPDATE_REQUESTED
							    : SSL_KEY_UPDATE_NOT_REQUESTED),
				1);
			assert_int_equal(SSL_do_handshake(w.ssl), 1);
			expect_answers(f, &slow, 1);
			expect_answers(f, &w, 1);
			wire_str(&w, SMALL);
			expect_answers(f, &w, 1);
		}
		end(f);
	}
}

/* New keys and the next request in one segment, so that the server finds both when it looks once. */
static void keys__and_a_request_at_once(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].version != TLS1_3_VERSION)
			continue;
		begin(f, &kinds[i]);
		start(f, usual(f));
		AUTO(wire_close) struct wire w = open_wire(f);
		wire_str(&w, SMALL);
		expect_answers(f, &w, 1);
		for (int r = 0; r < 4; r++) {
			int asked = r % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;

			cork(&w, 1);
			assert_int_equal(SSL_key_update(w.ssl, asked), 1);
			assert_int_equal(SSL_do_handshake(w.ssl), 1);
			wire_str(&w, SMALL);
			cork(&w, 0);
			expect_answers(f, &w, 1);
		}
		end(f);
	}
}

static EVP_PKEY *make_pair(const char *type, const char *curve)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pair = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	if (curve)
		assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, curve), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &pair), 1);
	EVP_PKEY_CTX_free(ctx);
	return pair;
}

/* What a server's key may be, and how a client may want it to sign: the client checks the signature. */
static void keys__of_every_kind(void **state)
{
	static const struct {
		const char *type, *curve;
		int version;
		const char *signing;
	} rows[] = {
		{ "EC", "P-256", TLS1_3_VERSION, "ecdsa_secp256r1_sha256" },
		{ "EC", "P-384", TLS1_3_VERSION, "ecdsa_secp384r1_sha384" },
		{ "EC", "P-521", TLS1_3_VERSION, "ecdsa_secp521r1_sha512" },
		{ "EC", "P-256", TLS1_2_VERSION, "ECDSA+SHA256" },
		{ "EC", "P-256", TLS1_2_VERSION, "ECDSA+SHA384" },
		{ "EC", "P-384", TLS1_2_VERSION, "ECDSA+SHA512" },
		{ "RSA", NULL, TLS1_3_VERSION, "rsa_pss_rsae_sha256" },
		{ "RSA", NULL, TLS1_3_VERSION, "rsa_pss_rsae_sha384:RSA+SHA256" },
		{ "RSA", NULL, TLS1_3_VERSION, "rsa_pss_rsae_sha512:RSA+SHA256" },
		{ "RSA", NULL, TLS1_2_VERSION, "rsa_pss_rsae_sha256" },
		{ "RSA", NULL, TLS1_2_VERSION, "RSA+SHA256" },
		{ "RSA", NULL, TLS1_2_VERSION, "RSA+SHA512" },
		{ "RSA-PSS", NULL, TLS1_3_VERSION, "rsa_pss_pss_sha256" },
		{ "ED25519", NULL, TLS1_3_VERSION, "ed25519" },
		{ "ED25519", NULL, TLS1_2_VERSION, "ed25519" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kind kind = { rows[i].signing, rows[i].version, false, false };
		EVP_PKEY *pair = make_pair(rows[i].type, rows[i].curve);

		tls_client_certificate_of(
			pair, sandbox_path(f->sb, "crt"), sandbox_path(f->sb, "key"));
		begin(f, &kind);
		assert_int_equal(SSL_CTX_set1_sigalgs_list(f->client.ctx, rows[i].signing), 1);
		start(f, usual(f));
		AUTO(wire_close) struct wire w = open_wire(f);
		if (w.fd < 0)
			fail_msg("%s, %s: no handshake", rows[i].type, rows[i].signing);
		wire_str(&w, SMALL);
		expect_answers(f, &w, 1);
		end(f);
	}
}

/* In the middle of a handshake, others may be loaded many times; the first are RSA, those EC. */
static void keys__stay_with_their_session(void **state)
{
	const gnutls_datum_t text = { (unsigned char *)"text", 4 };
	struct fixture *f = *state;
	const char *cert = sandbox_path(f->sb, "crt"), *key = sandbox_path(f->sb, "key");
	gnutls_certificate_retrieve_function2 *retrieve =
		(gnutls_certificate_retrieve_function2 *)(void *)tls_callback();
	struct tls_io io = { .fd = -1 };
	gnutls_session_t session;
	gnutls_datum_t signature;
	struct err e = ERR_INIT;
	struct {
		gnutls_pcert_st *chain;
		unsigned length;
		gnutls_privkey_t key;
	} first, again;

	assert_int_equal(gnutls_init(&session, GNUTLS_SERVER), 0);
	gnutls_transport_set_ptr(session, &io);
	tls_client_certificate_of(make_pair("RSA", NULL), cert, key);
	assert_ok(tls_load(cert, key, &e));
	assert_int_equal(
		retrieve(session, NULL, 0, NULL, 0, &first.chain, &first.length, &first.key), 0);
	tls_client_certificate(cert, key);
	for (unsigned i = 0; i < 50; i++)
		assert_ok(tls_load(cert, key, &e));
	assert_int_equal(
		retrieve(session, NULL, 0, NULL, 0, &again.chain, &again.length, &again.key), 0);
	assert_ptr_equal(again.key, first.key);
	assert_int_equal(gnutls_privkey_get_pk_algorithm(first.key, NULL), GNUTLS_PK_RSA);
	assert_int_equal(
		gnutls_privkey_sign_data2(first.key, GNUTLS_SIGN_RSA_SHA256, 0, &text, &signature),
		0);
	assert_true(gnutls_pubkey_verify_data2(first.chain[0].pubkey, GNUTLS_SIGN_RSA_SHA256, 0,
			    &text, &signature) >= 0);
	gnutls_free(signature.data);
	gnutls_deinit(session);
	tls_forget(&io);
	assert_null(io.credentials);
	tls_unload();
}

/* Plain HTTP where TLS is spoken. */
static void tls__plain_requests_are_answered(void **state)
{
	static const char *const requests[] = { SMALL, "HEAD", "POST /v2/", "X" };
	struct fixture *f = *state;

	begin(f, &kinds[1]);
	start(f, usual(f));
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		AUTO(wire_close) struct wire w = wire_open(f->run.port);
		AUTO(answer_release) struct answer a = ANSWER_INIT;

		wire_str(&w, requests[i]);
		wire_read(&w, false, &a);
		assert_int_equal(a.status, 400);
		assert_non_null(strstr(a.body.data, "ask with https"));
		assert_true(wire_is_closed(&w));
	}
	end(f);
}

/* --- what waits has an end ------------------------------------------------------------------- */

/* What the server says on stderr while it runs. */
static int divert_stderr(const char *path)
{
	int kept = dup(STDERR_FILENO), file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_true(kept >= 0 && file >= 0);
	dup2(file, STDERR_FILENO);
	close(file);
	return kept;
}

static void restore_stderr(int kept)
{
	dup2(kept, STDERR_FILENO);
	close(kept);
}

static void waits__end_with_a_line_in_the_log(void **state)
{
	struct fixture *f = *state;

	make_layer(f, BIG);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		AUTO(buf_release) struct buf said = BUF_INIT;
		const char *path = sandbox_path(f->sb, "stderr");
		struct server_config config;
		struct err e;
		bool closed;
		int kept;

		if (kinds[i].resumed || kinds[i].certificate)
			continue;
		begin(f, &kinds[i]);
		config = usual(f);
		config.bodies = 1;
		config.wait_seconds = 1;
		start(f, config);
		AUTO(mem_free)
		char *get = mem_printf("GET /v2/team/app/blobs/%s HTTP/1.1\r\nHost: x\r\n"
				       "X-Request-Id: late-%zu\r\n\r\n",
			f->digest, i);
		AUTO(wire_close) struct wire slow = open_wire(f);
		AUTO(wire_close) struct wire w = open_wire(f);
		assert_null(push_blob(f, &w));
		wire_str(&slow, get);
		assert_true(wire_has_begun(&slow));
		kept = divert_stderr(path);
		wire_str(&w, get);
		closed = wire_is_closed(&w);
		restore_stderr(kept);
		assert_true(closed);
		assert_ok(fs_read_file(AT_FDCWD, path, 1 << 20, &said, &e));
		AUTO(mem_free) char *id = mem_printf("id=late-%zu ", i);
		assert_non_null(strstr(said.data, "event=request.stuck peer=127.0.0.1:"));
		assert_non_null(strstr(said.data, id));
		assert_non_null(strstr(said.data, "waits-for=turn seconds=1"));
		expect_answers(f, &slow, 1);
		end(f);
	}
}

#define PREPARED(test) cmocka_unit_test_setup_teardown(test, prepare, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PREPARED(waits__pushes_at_once),
		PREPARED(waits__passwords_at_once),
		PREPARED(waits__more_pulls_than_turns),
		PREPARED(waits__pipelined_requests),
		PREPARED(answers__to_a_client_that_reads_late),
		PREPARED(waits__halves_of_records),
		PREPARED(waits__half_a_record_behind_a_push),
		PREPARED(waits__new_keys),
		PREPARED(keys__and_a_request_at_once),
		PREPARED(keys__of_every_kind),
		PREPARED(keys__stay_with_their_session),
		PREPARED(tls__plain_requests_are_answered),
		PREPARED(waits__end_with_a_line_in_the_log),
	};

	return cmocka_run_group_tests_name("registry/server_tls", tests, NULL, NULL);
}
