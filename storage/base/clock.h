/* Time: the monotonic clock, and a moment as text. */
#ifndef MOAT_CLOCK_H
#define MOAT_CLOCK_H

#include <stdint.h>

/* Since some moment that does not change while the process lives; never goes back. */
int64_t clock_us(void);
int64_t clock_ms(void);

/* Seconds since the epoch, never behind the times of files: time(2) may be, by a tick of the kernel, since Linux 6.13
 * stamps files by the fine clock. So nothing that was just written seems to be of the next second. */
int64_t clock_now(void);

/* Seconds since the epoch as RFC 3339 has it, in UTC: "2026-11-28T15:44:00Z". Texts of this form compare
 * as the times do. Returns text. */
#define CLOCK_TEXT_SIZE 32
const char *clock_text(int64_t seconds, char text[CLOCK_TEXT_SIZE]);
/* The way back: 0 for a text that has another form. */
int64_t clock_seconds(const char *text);

#endif
