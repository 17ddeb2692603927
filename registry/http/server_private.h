/* What server.c, listen.c, arrive.c, conn.c, exchange.c and send.c share. Other files may not include it. */
#ifndef MOAT_SERVER_PART
#error "server_private.h is for the files of the server only: include server.h"
#endif
#ifndef MOAT_SERVER_PRIVATE_H
#define MOAT_SERVER_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>
#include <sys/queue.h>

#include "registry/dispatch.h"
#include "registry/http/exchange.h"
#include "registry/http/server.h"
#include "registry/http/socket.h"
#include "registry/http/tls.h"
#include "registry/http/tls_io.h"
#include "registry/push/commit_mend.h"

/* Why a connection is held. Nothing happens on it as long as there is one reason left. */
enum hold {
	HOLD_CLIENT = 1 << 0, /* its client has to send more: the loop's epoll tells */
	HOLD_PASSWORD = 1 << 1, /* a password is being checked */
	HOLD_TURN = 1 << 2, /* its answer waits for its turn */
	HOLD_PUSH = 1 << 3, /* a worker or the committer is at it */
	HOLD_CHECK = 1 << 4 /* the blob is read before it is served first */
};

struct conn {
	LIST_ENTRY(conn) entry; /* of the loop */
	SLIST_ENTRY(conn) handed; /* of loop->handed, or of loop->spare */
	struct loop *loop;
	struct MHD_Connection *mhd; /* NULL: it does not have it yet */
	int fd;
	struct client *client;
	struct address peer;
	struct tls_io tls; /* with TLS */
	bool watched; /* it is in the loop's epoll */
	bool told; /* it speaks the wrong protocol, and was told; it is only read now */
	bool shut; /* its socket was shut down: it was late, or made room */
	unsigned holds; /* reasons, of enum hold; under loop->holding */
	/* On a Unix socket: bytes given to the library, and those that the client has taken for sure. */
	uint64_t given, taken;

	int64_t since_ms; /* when the deadline of x.step began */
	struct exchange x; /* the request on it */
};

struct loop {
	struct server *server;
	pthread_t thread;
	bool running;
	struct MHD_Daemon *mhd;
	int epoll, wake;
	pthread_mutex_t holding; /* of `holds` of its connections */
	bool accepting;
	bool paused; /* accepting waits until then, or until a connection of this loop ends */
	int64_t resume_ms;
	struct dispatch dispatch;
	struct shard *shard; /* of the metrics; NULL: not counted */
	LIST_HEAD(conn_list, conn) conns;
	SLIST_HEAD(handed_list, conn) handed; /* to the library, which has not taken them yet */
	SLIST_HEAD(spare_list, conn) spare; /* ended ones, for connections that come */
	unsigned count, spare_count;
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
	struct fair_queue *logins; /* which password is checked next */
	_Atomic(bool) draining, stopping;
	_Atomic(int64_t) paused_ms; /* when a pause was logged last; 0: never */
	unsigned count;
	struct loop *loops;
};

/* listen.c: the listening sockets in the loop's epoll. */
#define PAUSE_MS 200 /* between two tries to accept without a descriptor */
MUST int listen_start(struct loop *l, struct err *e);
void listen_stop(struct loop *l); /* accept no more, for good */
void listen_pause(struct loop *l, int error); /* no descriptor is free, as this errno says */
void listen_resume(struct loop *l); /* try again; it stays paused when that fails */

/* conn.c: connections. The library suspends one while any reason holds it, and only these functions tell it
 * to. Only the loop's thread may hold one, before another thread can know of it; any thread may release it,
 * once for each hold, and it may be freed from then on. */
struct conn *conn_new(struct loop *l, int fd, const struct address *peer, struct client *client);
void conn_free(struct conn *c);
void conn_hand_over(struct conn *c); /* to the library, which frees it at the end */
void conn_free_spare(struct loop *l); /* once, at the end */
void conn_free_untaken(struct loop *l); /* after it ran: free what it did not take */
void conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
	enum MHD_ConnectionNotificationCode code);
void conn_enter(struct conn *c, enum step step); /* begin a step and its deadline */
void conn_wait(struct conn *c, enum step step, enum hold reason); /* the same, and hold it */
void conn_release(struct conn *c, enum hold reason);
bool conn_watch(struct conn *c); /* once, for what its client sends next; false: no memory */
void conn_feed(struct conn *c); /* the client sent more: end HOLD_CLIENT */
void conn_shut(struct conn *c); /* as it is late, or makes room */
void conn_sweep(struct loop *l); /* shut what is late */

/* arrive.c: connections that the library does not have yet; c->mhd is NULL. */
void arrive_accept(struct loop *l, int listener);
void arrive_on(struct conn *c); /* the client sent something */
void arrive_end(struct loop *l); /* drop them all */

/* exchange.c: the library's callbacks of a request, and the lines of the access log. */
void *exchange_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result exchange_request(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **req);
void exchange_completed(
	void *cls, struct MHD_Connection *mhd, void **req, enum MHD_RequestTerminationCode code);
void exchange_flush_log(struct loop *l);

/* send.c: give c->x.reply to the library, and release it. MHD_NO ends the connection. */
enum MHD_Result send_reply(struct conn *c);
/* Bytes of the body that the reply would send; 0 for a HEAD. */
uint64_t send_length(const struct conn *c);

#endif
