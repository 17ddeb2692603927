/* The name that a mistyped word is close to: of options, of commands, of keys in a file. Pure. */
#ifndef MOAT_NEAREST_H
#define MOAT_NEAREST_H

#include <stddef.h>

/* The nearest of `names` to a mistyped word; NULL when none is close. */
const char *nearest_name(const char *word, const char *const names[], size_t count);

#endif
