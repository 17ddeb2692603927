/*
 * Which references two lists want differently, so that they have to be resolved again. Pure.
 *
 * An entry counts with everything that decides what is pinned for it: tags, platforms, source and
 * exceptions, also where they are defaults of the list, and the `verify:` rules that apply to it.
 * Comments, the order of entries, name and version of the set and `registries:` change no entry.
 */
#ifndef MOAT_LIST_DIFF_H
#define MOAT_LIST_DIFF_H

#include "mirror-tool/list/list.h"

/* Append to `out` the references of entries that only one of the lists has; of an entry with
 * patterns the name, which selects all its tags. */
void list_diff(struct choice *out, const struct list *old, const struct list *now);

#endif
