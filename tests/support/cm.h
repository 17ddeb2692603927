/* What every unit test includes: cmocka, with the headers it wants before it. */
#ifndef MOAT_TEST_CM_H
#define MOAT_TEST_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "storage/base/err.h"

/* A call that must succeed; the error's text is in the failure. */
#define assert_ok(call)                                                                            \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, e.text);                                         \
	} while (0)

/* A call that must fail with this code, and say this somewhere in its text. */
#define assert_err(call, want_code, words)                                                         \
	do {                                                                                       \
		if ((call) >= 0)                                                                   \
			fail_msg("%s succeeded", #call);                                           \
		if (e.code != (want_code) || !strstr(e.text, (words)))                             \
			fail_msg("%s: code %d: %s", #call, (int)e.code, e.text);                   \
	} while (0)

#endif
