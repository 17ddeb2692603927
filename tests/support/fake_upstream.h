/*
 * A hostile HTTP server on loopback, inside the test's process: a thread a connection, and one
 * handler that says what to answer, byte by byte if it likes. Handlers run one at a time.
 */
#ifndef MOAT_TEST_FAKE_UPSTREAM_H
#define MOAT_TEST_FAKE_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/buf.h"

struct fake_request {
	char method[16];
	char target[4096]; /* path and query */
	char host[300];
	char authorization[8192], range[100], accept[1000]; /* "" when absent */
	char accept_encoding[100], cookie[100];
	char *body; /* NUL-terminated */
	unsigned count; /* of requests with this method and target before this one */
	bool has_client_cert;
};

struct fake_reply {
	int status; /* 200 unless set; 0: close without an answer */
	struct buf headers; /* "Name: value\r\n" each */
	struct buf body;
	bool no_length; /* no Content-Length: the body ends with the connection */
	bool chunked;
	size_t first_chunk; /* bytes, when chunked; 0: all in one */
	size_t cut; /* close after so many bytes of the body; 0: all is sent */
	bool endless; /* the body is sent again and again */
};

/* Called with everything empty but status 200. */
typedef void fake_fn(void *ctx, const struct fake_request *r, struct fake_reply *out);

struct fake;

/* TLS or nothing: how bytes go over an accepted socket. */
struct fake_wire {
	void *(*open)(void *ctx, int fd); /* NULL: refused */
	long (*read)(void *conn, void *data, size_t len);
	long (*write)(void *conn, const void *data, size_t len);
	bool (*has_client_cert)(void *conn);
	void (*close)(void *conn);
	void *ctx;
};

struct fake *fake_start(fake_fn *fn, void *ctx, const struct fake_wire *wire); /* wire: NULL */
void fake_stop(struct fake **f); /* for AUTO; waits for its threads */

unsigned fake_port(const struct fake *f);
const char *fake_host(const struct fake *f); /* "localhost:PORT" */

/* How often a request was made: "GET /v2/"; every request whose line starts so is counted. */
unsigned fake_count(struct fake *f, const char *line);
unsigned fake_connections(struct fake *f);

/* For handlers. */
void fake_header(struct fake_reply *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
void fake_text(struct fake_reply *out, int status, const char *body);

#endif
