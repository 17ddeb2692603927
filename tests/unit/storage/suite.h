/* The store's own suite, by file: main.c runs it through the default engine, spy.c through one
 * that watches. */
#ifndef MOAT_TEST_STORAGE_SUITE_H
#define MOAT_TEST_STORAGE_SUITE_H

int test_blob(void);
int test_change(void);
int test_check(void);
int test_gc(void);
int test_image(void);
int test_mend(void);
int test_owners(void);
int test_pushed_rebuild(void);
int test_rebuild(void);
int test_set(void);
int test_standing(void);
int test_switch(void);

#endif
