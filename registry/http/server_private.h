/* What server.c, listen.c, arrive.c, conn.c, exchange.c and send.c share. Other files may not include it. */
#ifndef MOAT_SERVER_PART
#error "server_private.h is for the files of the server only: include server.h"
#endif
#ifndef MOAT_SERVER_PRIVATE_H
#define MOAT_SERVER_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>

#include "registry/dispatch.h"
#include "registry/http/server.h"
#include "registry/http/socket.h"
#include "registry/http/tls.h"
#include "registry/http/tls_io.h"
#include "registry/ops/turns.h"
#include "registry/push/commit_mend.h"
#include "registry/push/push.h"

#define ID_SIZE 17

enum phase {
	PHASE_FRESH, /* connected, nothing came yet */
	PHASE_IDLE, /* between requests */
	PHASE_HEADERS,
	PHASE_BODY,
	PHASE_WAITING, /* for one of our threads, or its turn */
	PHASE_SENDING,
	PHASE_ENDED /* it was late: its socket is shut down */
};

/* Why a connection is held: nothing happens on it as long as there is one reason left. */
enum hold {
	HOLD_CLIENT = 1 << 0, /* its client has to say more: the loop's epoll tells */
	HOLD_PASSWORD = 1 << 1, /* a password is being checked */
	HOLD_TURN = 1 << 2, /* of its answer */
	HOLD_PUSH = 1 << 3, /* a worker or the committer is at it */
	HOLD_CHECK = 1 << 4 /* the blob is read before it is served first */
};

/* A connection, and the request that is on it. */
struct conn {
	struct conn *prev, *next; /* of the loop */
	struct conn *next_handed; /* of loop->handed */
	struct loop *loop;
	struct MHD_Connection *mhd; /* NULL: it does not have it yet */
	int fd;
	enum phase phase;
	struct client *client;
	struct address peer;
	int64_t since_ms; /* when the phase began */
	int64_t window_ms; /* when the window of the least rate began */
	uint64_t window_bytes; /* moved until then; UINT64_MAX: not known */
	struct tls_io tls; /* with TLS */
	bool watched; /* it is in the loop's epoll */
	bool told; /* that it speaks the wrong protocol; it is only read now */
	unsigned holds; /* reasons, of enum hold; under loop->holding */

	/* The request. */
	struct buf uri;
	const char *uri_at; /* where the library has it */
	const char *method_text;
	struct request request;
	struct who who;
	uint64_t serial; /* its id */
	char id[ID_SIZE];
	bool framed; /* its headers were read */
	bool begun; /* and who asks is known: the body may come */
	bool expects; /* 100-continue */
	bool ready; /* the reply is to be sent as soon as it can be */
	bool checked; /* a password of it was */
	bool was_checked; /* it has waited for `check` */
	bool stuck; /* at the last sweep nothing of the body had moved, and bytes were there */
	bool metered; /* the answer is counted by given and taken */
	bool has_turn; /* it counts among the bodies that are sent */
	unsigned slow_sweeps; /* in a row, while it had a turn */
	uint64_t turn_acked; /* bytes that its client had taken at the last sweep */
	/* On a Unix socket: bytes that the library got of us, and those that the client has taken for sure. */
	uint64_t given, taken;
	uint64_t body; /* bytes of it that came */
	uint64_t dropped; /* ... and were of no use */
	uint64_t swept_body; /* ... at the last sweep */
	struct push *push; /* NULL: it reads, or was refused */
	struct job job; /* a password to be checked */
	struct check_waiter check;
	int64_t start_us;

	/* The answer. */
	struct reply reply;
	struct turn turn; /* before that: of its login */
	unsigned status;
	enum route_kind route; /* for counting */
	uint64_t bytes;
	struct content *held; /* its bytes are being sent by a shared answer */
};

struct loop {
	struct server *server;
	pthread_t thread;
	bool running;
	struct MHD_Daemon *mhd;
	int epoll, wake;
	pthread_mutex_t holding; /* of what holds its connections */
	bool accepting;
	bool paused; /* nobody is accepted until then, or until a connection of this loop ends */
	int64_t resume_ms;
	struct dispatch dispatch;
	struct shard *shard; /* of the metrics; NULL: not counted */
	struct conn *conns;
	struct conn *handed; /* to the library, which has not said that it took them */
	unsigned count;
	int64_t now_ms, swept_ms;
	uint64_t serial;
	struct buf lines; /* of the access log */
};

struct server {
	struct server_config config;
	struct clients *clients;
	struct turns *turns;
	struct push_service push;
	struct mender *mender; /* of the checker; NULL: nothing is checked, or written */
	struct checker *checker; /* NULL: nothing is checked */
	struct jobs *passwords; /* threads of their own: bcrypt must not hold up uploads */
	struct turns *logins; /* whose password is checked next */
	_Atomic(bool) draining, stopping;
	_Atomic(int64_t) paused_ms; /* when it was said last that a loop accepts nobody; 0: never */
	unsigned count;
	struct loop *loops;
};

/* listen.c: the listening sockets in the loop's epoll. */
#define PAUSE_MS 200 /* between two tries to accept without a descriptor */
MUST int listen_start(struct loop *l, struct err *e);
void listen_stop(struct loop *l); /* for good: no new connections */
void listen_pause(struct loop *l, int error); /* no descriptor is free, as this errno says */
void listen_resume(struct loop *l); /* try again; paused still when that fails */

/* conn.c: connections. The library suspends one while any reason holds it, and only these functions tell
 * it to. Only its own loop may hold one, and before another thread can know of it; any thread may
 * release it, once for each hold, and from there on it may be gone. */
struct conn *conn_new(struct loop *l, int fd, const struct address *peer, struct client *client);
void conn_free(struct conn *c);
void conn_hand_over(struct conn *c); /* to the library, which frees it at the end */
void conn_settle(struct loop *l); /* it has run: what it did not take then is freed */
void conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
	enum MHD_ConnectionNotificationCode code);
void conn_enter(struct conn *c, enum phase phase);
void conn_wait(struct conn *c, enum hold reason); /* PHASE_WAITING, and held */
void conn_release(struct conn *c, enum hold reason);
bool conn_watch(struct conn *c); /* once, for what its client says next; false: no memory */
void conn_feed(struct conn *c); /* the client said more: HOLD_CLIENT ends */
void conn_shut(struct conn *c); /* it is late, or makes room */
void conn_sweep(struct loop *l); /* deadlines */

/* arrive.c: connections that the library does not have yet; c->mhd is NULL. */
void arrive_accept(struct loop *l, int listener);
void arrive_on(struct conn *c); /* the client said something */
void arrive_end(struct loop *l); /* drop them all */

/* exchange.c: the library's callbacks of a request, and the lines of the access log. */
void *exchange_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result exchange_request(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **req);
void exchange_completed(
	void *cls, struct MHD_Connection *mhd, void **req, enum MHD_RequestTerminationCode code);
void exchange_flush_log(struct loop *l);

/* send.c: c->reply to the library; released then. MHD_NO ends the connection. */
enum MHD_Result send_reply(struct conn *c);
/* Bytes of the body that the reply would send. */
uint64_t send_length(const struct conn *c);

#endif
