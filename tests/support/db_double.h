/*
 * A driver in front of SQLite's: counts statements, makes each take its time as one over a network does,
 * and fails the one that it is told to. Handles are used by any thread, the numbers below by one at a time.
 */
#ifndef MOAT_TEST_DB_DOUBLE_H
#define MOAT_TEST_DB_DOUBLE_H

#include "storage/db/driver.h"

extern const struct db_driver db_double;

struct db_double {
	unsigned delay_us; /* of each statement */
	unsigned
		fail_at; /* counted from 1: that statement fails, as it is; 0 none. A rollback never does */
	bool busy; /* another writer never ends: each BEGIN fails so, at once */
	unsigned statements; /* so far */
	unsigned by_name[Q_COUNT];
	bool reached; /* fail_at was */
};
extern struct db_double db_double_state;

#endif
