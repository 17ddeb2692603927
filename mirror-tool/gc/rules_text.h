/* The rules of collection in words. */
#ifndef MOAT_RULES_TEXT_H
#define MOAT_RULES_TEXT_H

#include "storage/base/buf.h"
#include "storage/gc.h"

/* Append which versions of sets stay: "`moat gc` keeps of each set the 3 newest versions, what ...";
 * nothing when all stay. */
void rules_text(const struct gc_rules *r, struct buf *out);

#endif
