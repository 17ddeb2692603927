/*
 * Progress for people, on stderr: one line that is redrawn on a terminal, a plain line now and then
 * otherwise, nothing with --quiet. Results never come through here.
 *
 *	struct progress p;
 *	progress_begin(&p, t, "pull", "images");
 *	progress_show(&p, &(struct progress_state){ .done = 3, .total = 12, .bytes = n });
 *	progress_line(&p, "docker.io/library/nginx:1.27.3");	a line that stays
 *	progress_end(&p);					before results and errors
 */
#ifndef MOAT_PROGRESS_H
#define MOAT_PROGRESS_H

#include "mirror-tool/tool.h"
#include "storage/base/buf.h"

enum progress_mode { PROGRESS_OFF, PROGRESS_LINES, PROGRESS_BAR };

struct progress_state {
	uint64_t done, total; /* things; total 0: unknown */
	uint64_t bytes, bytes_total; /* moved so far; total 0: unknown */
	/* bytes_total may still grow: "of at least". Until it does not, neither percent nor time is told: a percent
	 * falls only when bytes have to come again. */
	bool growing;
};

struct progress {
	enum progress_mode mode;
	const char *verb, *things; /* borrowed: "pull", "images" */
	int64_t start_ms, drawn_ms; /* monotonic */
	uint64_t start_bytes; /* of the first call: no part of the rate */
	bool drawn; /* a bar is on the screen */
	bool started;
};

/* verb, things: constants. Reads the clock and asks whether stderr is a terminal. One thread at a time. */
void progress_begin(struct progress *p, const struct tool *t, const char *verb, const char *things);
/* Cheap enough to be called for every chunk: draws at most ten times a second (bar) or once in five
 * seconds (lines). */
void progress_show(struct progress *p, const struct progress_state *s);
void progress_line(struct progress *p, const char *text); /* a line that stays; not with --quiet */
void progress_warn(struct progress *p, const char *text); /* a warning: also with --quiet */
void progress_end(struct progress *p); /* remove the bar; again: nothing */

/* --- progress_text.c --------------------------------------------------------------------------- */

/* The text of a state, without the bar: "pull: 3 of 12 images, 1.2 GiB of 3.4 GiB, 43.1 MiB/s,
 * 35%, 52s left". elapsed_ms 0: no rate; the time left comes after five seconds. Pure. */
void progress_text(struct buf *out, const struct progress *p, const struct progress_state *s,
	int64_t elapsed_ms);

/* The same with a bar in front, in at most `width` columns: the bar gives way to the text, which says more.
 * Pure. */
void progress_bar(struct buf *out, const struct progress *p, const struct progress_state *s,
	int64_t elapsed_ms, size_t width);

#endif
