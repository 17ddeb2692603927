/*
 * What two lists want differently, as the references that have to be looked at again. Pure.
 *
 * An entry counts with everything that decides what is pinned for it: its tags, platforms, source and
 * exceptions, also those that it has by default, and the `verify:` rules that apply to it. Comments, the order of
 * entries, the set's name and version and `registries:` change no entry.
 */
#ifndef MOAT_LIST_DIFF_H
#define MOAT_LIST_DIFF_H

#include "mirror-tool/list/list.h"

/* Append to `out` what the entries choose that only one of the lists has: a reference, or for patterns the
 * name, with all of its tags. */
void list_diff(struct choice *out, const struct list *old, const struct list *now);

#endif
