#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/tls.h"

/*
 * One HTTP/1.1 client connection on loopback, non-blocking, whose bodies are dropped in the kernel
 * (recv with MSG_TRUNC), so that the client costs far less than the server it measures.
 *
 * Over TLS the bodies are deciphered, as every client has to: the client then costs about what the
 * server does.
 *
 * Every connection may have a source address of its own in 127.0.0.0/8, as every node would.
 * Answers need a Content-Length; chunked bodies are counted as failures.
 */
struct http_request {
	char *text;
	size_t length;
	bool head; /* the answer has no body */
};

struct http_target {
	struct sockaddr_in address;
	SSL_CTX *tls; /* NULL: plain */
	int epoll;
	uint64_t bytes; /* of bodies, received */
	uint64_t connects;
	uint64_t resumed; /* of the closed connections */
};

struct http_conn {
	struct http_target *target;
	const struct http_request *request; /* NULL: idle */
	void *owner;
	SSL *tls; /* NULL: plain, or closed */
	SSL_SESSION **ticket; /* see tls_open() */
	int fd; /* -1: closed */
	uint32_t source; /* last two bytes of 127.0.x.y; 0: the kernel's choice */
	uint32_t watching; /* the epoll events that are asked for */
	size_t sent;
	size_t have; /* bytes in head[] */
	uint64_t left; /* of the body */
	uint64_t asked_ns; /* when the request was issued */
	uint64_t first_ns; /* when the answer's first byte came; 0: not yet */
	bool in_body;
	bool closing; /* the server will close after this answer */
	bool blocked; /* nothing more can be done before epoll says so */
	char headers[4096];
};

enum http_state { HTTP_WAITING, HTTP_DONE, HTTP_FAILED };

/* Text of a request; aborts when out of memory. */
struct http_request http_request_new(
	const char *method, const char *path, uint16_t port, bool close);

/* A fresh epoll set and the loopback address of the port. */
struct http_target http_target_open(uint16_t port, bool tls);

/* Issue a request, connecting first when the connection is closed. */
enum http_state http_issue(struct http_conn *c, const struct http_request *request);

/* epoll says that the connection is ready: move it on. Once DONE it is idle (or closed). */
enum http_state http_advance(struct http_conn *c);

void http_close(struct http_conn *c);

/* Monotonic clock. */
uint64_t now_ns(void);

#endif
