/*
 * Text from outside, made safe for a terminal and for a line of a log: file names, strings of manifests and
 * registries, keys of a lock. What would move the cursor, change a title or the order of letters is written
 * as its code point, as JSON escapes it (ESC as \u001b); a byte that is not UTF-8 becomes U+FFFD. So a JSON
 * string stays valid and keeps its meaning, where its invalid bytes are.
 */
#ifndef MOAT_PRINTABLE_H
#define MOAT_PRINTABLE_H

#include <stdio.h>

#include "storage/base/buf.h"

enum printable {
	PRINTABLE_TEXT, /* line feeds and tabs pass */
	PRINTABLE_LINE /* they are escaped too: one line stays one line */
};

/* Append `text`. A sequence cut short at its end counts as invalid. */
void printable_add(struct buf *out, struct span text, enum printable kind);

/*
 * A stream whose bytes pass as PRINTABLE_TEXT to the descriptor, which stays the caller's. Buffered by lines
 * where it is a terminal or `by_line`, else fully. Never NULL: without memory the program ends. Write errors
 * are the stream's, as usual.
 */
FILE *printable_open(int fd, bool by_line);

#endif
