/*
 * One request on a connection, from its first line to the last byte of its answer. Other files than those of
 * the server may not include it.
 *
 *	step      begins when                             next                        its deadline
 *
 *	FRESH     the connection comes                    LINE                        header-timeout
 *	IDLE      an exchange is over                     LINE                        idle-timeout
 *	LINE      the request line is in                  LOGIN, SENDING (bad)        header-timeout
 *	LOGIN     the headers are good: identify the      PASSWORD; or the caller     of LINE
 *	                                                  is known: ASKED, BODY;
 *	                                                  or refused: READY, DRAIN,
 *	                                                  SENDING
 *	PASSWORD  a thread checks a password: ask again   as LOGIN                    wait
 *	ASKED     the caller is known: answer when the    STORE, CHECK, TURN,         of LINE; behind
 *	          request is whole                        SENDING                     PASSWORD anew
 *	BODY      the body of a push comes                STORE, TURN, SENDING        least-rate
 *	STORE     a worker or the committer is at it      BODY, TURN, SENDING         wait
 *	CHECK     a blob is read before it is served      TURN, SENDING               wait
 *	READY     the reply is there, the request is      TURN, SENDING               of LINE
 *	          not whole
 *	DRAIN     the same, and the body of a push comes  TURN, SENDING               least-rate
 *	TURN      the reply waits for its turn            SENDING                     wait
 *	SENDING   the library has the reply               IDLE                        least-rate
 *
 * In PASSWORD, STORE, CHECK and TURN the connection is held until another thread releases it. A client may
 * leave in any step: exchange_completed() is the one end.
 */
#ifndef MOAT_EXCHANGE_H
#define MOAT_EXCHANGE_H

#include "registry/api/reply.h"
#include "registry/ops/check.h"
#include "registry/ops/fair_queue.h"
#include "registry/push/push.h"

#define ID_SIZE 17

enum step {
	STEP_FRESH,
	STEP_IDLE,
	STEP_LINE,
	STEP_LOGIN,
	STEP_PASSWORD,
	STEP_ASKED,
	STEP_BODY,
	STEP_STORE,
	STEP_CHECK,
	STEP_READY,
	STEP_DRAIN,
	STEP_TURN,
	STEP_SENDING
};

struct exchange {
	enum step step;
	int64_t start_us; /* when the request line was in */

	/* The request. */
	struct buf uri; /* its memory stays for the next one */
	const char *uri_at; /* where the library has it */
	const char *method_text;
	struct request request;
	struct who who;
	uint64_t serial; /* its id, unless the client has given one */
	char id[ID_SIZE];
	bool expects; /* 100-continue */
	struct job job; /* a password to be checked */

	/* Its body. */
	uint64_t body; /* bytes that came */
	uint64_t dropped; /* ... and were of no use */
	uint64_t swept_body; /* ... at the last sweep */
	bool stuck; /* at the last sweep nothing had moved, and bytes were there */
	struct push *push; /* NULL: it reads, or was refused */
	struct check_waiter check;

	/* The answer. */
	struct reply reply;
	struct fair_turn turn; /* in PASSWORD: of its login */
	bool has_turn; /* to be given back at the end, or when the body hardly moves */
	unsigned slow_sweeps; /* in a row, while it had a turn */
	uint64_t turn_acked; /* bytes that its client had taken at the last sweep */
	bool metered; /* it is counted by conn.given and conn.taken */
	unsigned status; /* 0: none yet */
	uint64_t bytes; /* of the body announced */
	struct content *sending; /* its bytes are being sent by a shared answer */

	/* The least rate, in BODY, DRAIN and SENDING. */
	int64_t window_ms; /* when the window began */
	uint64_t window_bytes; /* moved until then; UINT64_MAX: not known */
};

/* Back to no request; what it held was released. The step is for conn_enter(). */
static inline void exchange_reset(struct exchange *x)
{
	struct buf uri = x->uri;

	buf_clear(&uri);
	*x = (struct exchange){
		.uri = uri, .request = { .route = ROUTE_INIT }, .swept_body = UINT64_MAX
	};
	reply_init(&x->reply);
}

#endif
