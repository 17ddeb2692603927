/* Members of JSON objects, appended to a buffer that a command prints. Commas come by themselves:
 * none behind an opening bracket. */
#ifndef MOAT_JSON_OUT_H
#define MOAT_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"

void json_comma(struct buf *out);
void json_key(struct buf *out, const char *key); /* "key": */
void json_pair(struct buf *out, const char *key, const char *value);
void json_number(struct buf *out, const char *key, uint64_t value);
void json_flag(struct buf *out, const char *key, bool value);

#endif
