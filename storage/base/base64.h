/* Base64 (RFC 4648, section 4): standard alphabet, padded, one line. */
#ifndef MOAT_BASE64_H
#define MOAT_BASE64_H

#include "storage/base/buf.h"
#include "storage/base/err.h"

/* Append the padded text of RFC 4648, section 4, in one line. */
void base64_encode(struct buf *out, struct span bytes);

/* Strict, as a signature must have one text form: no white space, full padding, no
 * stray bits in the last digit. Appends to out; ERR_INPUT says what is wrong. */
MUST int base64_decode(struct buf *out, struct span text, struct err *e);

#endif
