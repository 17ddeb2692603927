/* What server.c, listen.c, arrive.c, conn.c, exchange.c and send.c share. Other files may not include it. */
#ifndef MOAT_SERVER_PART
#error "server_private.h is for the files of the server only: include server.h"
#endif
#ifndef MOAT_SERVER_PRIVATE_H
#define MOAT_SERVER_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>

#include "registry/dispatch.h"
#include "registry/http/exchange.h"
#include "registry/http/server.h"
#include "registry/http/socket.h"
#include "registry/http/tls.h"
#include "registry/http/tls_io.h"
#include "registry/push/commit_mend.h"

/* Why a connection is held: nothing happens on it as long as there is one reason left. */
enum hold {
	HOLD_CLIENT = 1 << 0, /* its client has to say more: the loop's epoll tells */
	HOLD_PASSWORD = 1 << 1, /* a password is being checked */
	HOLD_TURN = 1 << 2, /* of its answer */
	HOLD_PUSH = 1 << 3, /* a worker or the committer is at it */
	HOLD_CHECK = 1 << 4 /* the blob is read before it is served first */
};

struct conn {
	struct conn *prev, *next; /* of the loop */
	struct conn *next_handed; /* of loop->handed */
	struct loop *loop;
	struct MHD_Connection *mhd; /* NULL: it does not have it yet */
	int fd;
	struct client *client;
	struct address peer;
	struct tls_io tls; /* with TLS */
	bool watched; /* it is in the loop's epoll */
	bool told; /* that it speaks the wrong protocol; it is only read now */
	bool shut; /* its socket is: it was late, or made room */
	unsigned holds; /* reasons, of enum hold; under loop->holding */
	/* On a Unix socket: bytes that the library got of us, and those that the client has taken for sure. */
	uint64_t given, taken;

	int64_t since_ms; /* when the deadline of x.step began */
	struct exchange x; /* the request that is on it */
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
	struct fair_queue *bodies;
	struct push_service push;
	struct mender *mender; /* of the checker; NULL: nothing is checked, or written */
	struct checker *checker; /* NULL: nothing is checked */
	struct jobs *passwords; /* threads of their own: bcrypt must not hold up uploads */
	struct fair_queue *logins; /* whose password is checked next */
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
void conn_free_untaken(struct loop *l); /* it has run: what it did not take then is freed */
void conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
	enum MHD_ConnectionNotificationCode code);
void conn_enter(struct conn *c, enum step step); /* its deadline begins now */
void conn_wait(struct conn *c, enum step step, enum hold reason); /* and it is held */
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

/* send.c: c->x.reply to the library; released then. MHD_NO ends the connection. */
enum MHD_Result send_reply(struct conn *c);
/* Bytes of the body that the reply would send. */
uint64_t send_length(const struct conn *c);

#endif
