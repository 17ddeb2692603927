/*
 * The transaction that switches a set, beside the shortest that a disk allows: one row of a database of its own, as
 * durable and on the same disk, in turns.
 *
 *	switch STORE NAME ROUNDS	two versions are accepted, of which any is active
 *
 * What is measured lies between the begin and the end of set_activate()'s first transaction, found by the linker
 * (--wrap): what comes before is a comparison that locks nobody out, what comes after is index.json. Another handle of
 * each database keeps its write-ahead log in place, as a running moatd does.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "storage/store_write.h"
#include "storage/base/buf.h"

int __real_tx_begin(struct store *s, struct store **tx, struct err *e);
int __wrap_tx_begin(struct store *s, struct store **tx, struct err *e);
int __real_tx_commit(struct store **tx, struct err *e);
int __wrap_tx_commit(struct store **tx, struct err *e);

static double began, took; /* ms; of the first since `took` was 0 */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int __wrap_tx_begin(struct store *s, struct store **tx, struct err *e)
{
	began = now_ms();
	return __real_tx_begin(s, tx, e);
}

int __wrap_tx_commit(struct store **tx, struct err *e)
{
	int rc = __real_tx_commit(tx, e);

	if (took == 0)
		took = now_ms() - began;
	return rc;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle(double *all, size_t count)
{
	qsort(all, count, sizeof(*all), by_size);
	return all[count / 2];
}

static void must(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return;
	fprintf(stderr, "switch: %s: %s\n", sql, sqlite3_errmsg(db));
	exit(1);
}

static sqlite3 *open_peer(const char *store)
{
	AUTO(mem_free) char *path = mem_printf("%s/peer/row.db", store);
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		exit(1);
	must(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		 "CREATE TABLE IF NOT EXISTS row (n INTEGER) STRICT");
	return db;
}

/* By a new handle, as the switch is: the first commit of one syncs the folder, too. */
static double commit_row(const char *store)
{
	sqlite3 *db = open_peer(store);
	double from = now_ms();

	must(db, "BEGIN IMMEDIATE; INSERT INTO row VALUES (1); COMMIT");
	from = now_ms() - from;
	sqlite3_close(db);
	return from;
}

/* By a new handle, as each `moat activate` has. */
static int turn(const char *store, const char *name, bool forward, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	struct set_offer offer = { .activate = true };
	struct set_info info;

	if (store_open(&s, store, STORE_WRITE, e) < 0)
		return -1;
	took = 0;
	if (!forward)
		return set_rollback(s, name, NULL, &offer, &info, NULL, e);
	if (set_find(s, name, &info, e) <= 0)
		return err_set(e, ERR_ABSENT, "no set %s", name);
	offer.digest = &info.digest;
	return set_activate(s, &offer, NULL, e);
}

static int measure(const char *store, const char *name, size_t rounds, struct err *e)
{
	AUTO(store_close) struct store *watching = NULL;
	AUTO(mem_free) double *switches = mem_alloc(rounds * sizeof(double));
	AUTO(mem_free) double *commits = mem_alloc(rounds * sizeof(double));
	AUTO(mem_free) char *folder = mem_printf("%s/peer", store);
	int made = mkdir(folder, 0755); /* it may be there */
	sqlite3 *peer = open_peer(store);
	int rc = store_open(&watching, store, STORE_READ, e);
	(void)made;
	for (size_t i = 0; rc == 0 && i < rounds; i++) {
		if (i % 2)
			commits[i] = commit_row(store);
		rc = turn(store, name, true, e);
		switches[i] = took;
		if (i % 2 == 0)
			commits[i] = commit_row(store);
		if (rc == 0)
			rc = turn(store, name, false, e);
	}
	sqlite3_close(peer);
	if (rc == 0)
		printf("{\"switch_ms\": %.4f, \"commit_ms\": %.4f}\n", middle(switches, rounds),
			middle(commits, rounds));
	return rc;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	size_t rounds = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

	if (!rounds) {
		fputs("usage: switch STORE NAME ROUNDS\n", stderr);
		return 2;
	}
	if (measure(argv[1], argv[2], rounds, &e) == 0)
		return 0;
	fprintf(stderr, "switch: %s\n", e.text);
	return 1;
}
