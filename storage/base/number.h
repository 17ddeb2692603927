/*
 * Decimal numbers in text from outside: digits only, no sign, no space, no other base. What else a format
 * asks of them (ranges, leading zeros) its reader says with the limit or number_is_plain().
 */
#ifndef MOAT_NUMBER_H
#define MOAT_NUMBER_H

#include "storage/base/buf.h"

/* Read the digits at the beginning of *text and move it behind them. A number beyond UINT64_MAX becomes
 * UINT64_MAX. False, and nothing changed, when there is no digit. */
bool number_take(struct span *text, uint64_t *out);

/* Read a text that is a number from 0 to `most` and nothing else. False, and nothing changed, when it is
 * not; UINT64_MAX itself is out of range. */
bool number_parse(struct span text, uint64_t most, uint64_t *out);

/* Does it begin with a digit and with no zero that could be left out? */
bool number_is_plain(struct span text);

#endif
