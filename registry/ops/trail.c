/*
 * The table of denied requests and the thread that writes it. Must never keep more than DENIED_CLIENTS_MAX of them, nor
 * write while it is locked.
 */
#include "registry/ops/trail.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "storage/base/lock.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define OTHERS "others"

/* The requests of one client. */
struct denied {
	char client[ADDRESS_TEXT_SIZE];
	char account[DENIED_TEXT_MAX + 1], repo[DENIED_TEXT_MAX + 1]; /* of the last one */
	const char *action; /* the same */
	uint64_t count;
};

struct trail {
	struct audit *log;
	pthread_mutex_t writing; /* of the log: one append at a time */
	pthread_mutex_t counting; /* of what follows */
	struct denied denied[DENIED_CLIENTS_MAX + 1]; /* the others last */
	size_t clients;
	bool ends;
	bool runs; /* the thread; of the owner */
	pthread_t thread;
	pthread_cond_t wake; /* with `counting` */
};

/* --- counting --------------------------------------------------------------------------------- */

static struct denied *find_client(struct trail *t, const char *client)
{
	for (size_t i = 0; i < t->clients; i++)
		if (strcmp(t->denied[i].client, client) == 0)
			return &t->denied[i];
	if (t->clients == DENIED_CLIENTS_MAX)
		return &t->denied[DENIED_CLIENTS_MAX];
	snprintf(t->denied[t->clients].client, ADDRESS_TEXT_SIZE, "%s", client);
	return &t->denied[t->clients++];
}

void trail_denied(struct trail *t, const struct denied_request *q)
{
	char client[ADDRESS_TEXT_SIZE];
	struct denied *d;

	address_client(q->peer, client);
	LOCK_SCOPE(&t->counting);
	d = find_client(t, client);
	d->action = q->action;
	snprintf(d->account, sizeof(d->account), "%s", q->account);
	snprintf(d->repo, sizeof(d->repo), "%s", q->repo);
	if (d->count++ == 0)
		pthread_cond_signal(&t->wake);
}

/* --- summaries -------------------------------------------------------------------------------- */

/* Take what was counted: rows, at most DENIED_CLIENTS_MAX + 1. */
static size_t take(struct trail *t, struct denied rows[])
{
	size_t count = 0;

	LOCK_SCOPE(&t->counting);
	for (size_t i = 0; i <= DENIED_CLIENTS_MAX; i++) {
		if (t->denied[i].count)
			rows[count++] = t->denied[i];
		t->denied[i].count = 0;
	}
	t->clients = 0;
	snprintf(t->denied[DENIED_CLIENTS_MAX].client, ADDRESS_TEXT_SIZE, OTHERS);
	return count;
}

static void write_summaries(struct trail *t)
{
	struct denied rows[DENIED_CLIENTS_MAX + 1];
	struct audit_record records[DENIED_CLIENTS_MAX + 1];
	struct log_field facts[DENIED_CLIENTS_MAX + 1][6];
	size_t count = take(t, rows);
	struct err e = ERR_INIT;

	for (size_t i = 0; i < count; i++) {
		const struct log_field of_row[] = { { "peer", rows[i].client, 0 },
			{ "account", rows[i].account, 0 }, { "repository", rows[i].repo, 0 },
			{ "last", rows[i].action, 0 }, { "count", NULL, rows[i].count },
			{ NULL, NULL, 0 } };

		memcpy(facts[i], of_row, sizeof(of_row));
		records[i] = (struct audit_record){ "request", "denied", facts[i] };
	}
	if (count && trail_append(t, records, count, NULL, &e) < 0)
		log_fields(LOG_LINE_ERROR, "audit.failed", { "summaries", NULL, count },
			{ "error", e.text, 0 });
}

static bool is_empty(const struct trail *t)
{
	return t->clients == 0;
}

/* Wait for the first, then for more of its minute. False: the thread is to end. */
static bool wait_minute(struct trail *t)
{
	struct timespec until;

	LOCK_SCOPE(&t->counting);
	while (is_empty(t) && !t->ends)
		pthread_cond_wait(&t->wake, &t->counting);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += DENIED_SECONDS;
	while (!t->ends && pthread_cond_timedwait(&t->wake, &t->counting, &until) == 0)
		;
	return !t->ends;
}

static void *run(void *cls)
{
	struct trail *t = cls;
	bool goes_on;

	do {
		goes_on = wait_minute(t);
		write_summaries(t);
	} while (goes_on);
	return NULL;
}

/* --- from start to end ------------------------------------------------------------------------ */

int trail_open(struct trail **out, const char *store, struct err *e)
{
	AUTO(audit_close) struct audit *log = NULL;
	pthread_condattr_t attr;
	struct trail *t;

	if (audit_open(&log, store, e) < 0)
		return -1;
	t = mem_alloc(sizeof(*t));
	t->log = STEAL(log);
	snprintf(t->denied[DENIED_CLIENTS_MAX].client, ADDRESS_TEXT_SIZE, OTHERS);
	pthread_mutex_init(&t->writing, NULL);
	pthread_mutex_init(&t->counting, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	*out = t;
	return 0;
}

int trail_start(struct trail *t, struct err *e)
{
	int rc = pthread_create(&t->thread, NULL, run, t);

	if (rc != 0)
		return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
	t->runs = true;
	return 0;
}

static void tell_end(struct trail *t)
{
	LOCK_SCOPE(&t->counting);
	t->ends = true;
	pthread_cond_signal(&t->wake);
}

void trail_close(struct trail **out)
{
	struct trail *t = STEAL(*out);

	if (!t)
		return;
	tell_end(t);
	if (t->runs)
		pthread_join(t->thread, NULL);
	audit_close(&t->log);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->counting);
	pthread_mutex_destroy(&t->writing);
	free(t);
}

int trail_append(struct trail *t, const struct audit_record records[], size_t count, uint64_t *seq,
	struct err *e)
{
	LOCK_SCOPE(&t->writing);
	return audit_append(t->log, records, count, seq, e);
}
