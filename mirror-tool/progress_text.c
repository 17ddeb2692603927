/* Write progress as text. Pure. */
#include "mirror-tool/progress.h"
#include "storage/base/banned.h"

#define BAR_CELLS 24
#define BAR_CELLS_SMALL 10 /* where there is no room for more */
#define LEFT_AFTER_MS 5000 /* before that a guess says nothing */
#define LEFT_MAX (100 * 3600.0) /* seconds */

/* Reckon the part that is done, by bytes where their total is known, else by things: 0 to 1, or -1:
 * unknown. */
static double part_of(const struct progress_state *s)
{
	double part = -1;

	if (s->growing)
		return -1;
	if (s->bytes_total)
		part = (double)s->bytes / (double)s->bytes_total;
	else if (s->total)
		part = (double)s->done / (double)s->total;
	return part > 1 ? 1 : part;
}

static void put_left(struct buf *out, uint64_t seconds)
{
	if (seconds >= 3600)
		buf_printf(out, ", %lluh %02llum left", (unsigned long long)(seconds / 3600),
			(unsigned long long)(seconds / 60 % 60));
	else if (seconds >= 60)
		buf_printf(out, ", %llum %02llus left", (unsigned long long)(seconds / 60),
			(unsigned long long)(seconds % 60));
	else
		buf_printf(out, ", %llus left", (unsigned long long)seconds);
}

void progress_text(struct buf *out, const struct progress *p, const struct progress_state *s,
	int64_t elapsed_ms)
{
	char text[SIZE_TEXT_SIZE];
	uint64_t moved = s->bytes - p->start_bytes;
	double part = part_of(s), left;

	buf_printf(out, "%s: %llu", p->verb, (unsigned long long)s->done);
	if (s->total)
		buf_printf(out, " of %llu", (unsigned long long)s->total);
	buf_printf(out, " %s", p->things);
	if (s->bytes || s->bytes_total)
		buf_printf(out, ", %s", size_text(s->bytes, text));
	if (s->bytes_total)
		buf_printf(out, " of %s%s", s->growing ? "at least " : "",
			size_text(s->bytes_total, text));
	if (moved && elapsed_ms >= 1000)
		buf_printf(out, ", %s/s",
			size_text((uint64_t)((double)moved * 1000 / (double)elapsed_ms), text));
	if (part < 0)
		return;
	buf_printf(out, ", %u%%", (unsigned)(part * 100));
	left = part > 0 ? (double)elapsed_ms / 1000 * (1 - part) / part : LEFT_MAX;
	if (s->bytes_total && moved)
		left = (double)(s->bytes_total - s->bytes) * (double)elapsed_ms / 1000 /
		       (double)moved;
	if (elapsed_ms >= LEFT_AFTER_MS && part < 1 && left < LEFT_MAX)
		put_left(out, (uint64_t)left);
}

/* Append "[####......] " when there is room. */
static void put_bar(struct buf *out, const struct progress_state *s, size_t room)
{
	unsigned cells = room >= BAR_CELLS + 3         ? BAR_CELLS
			 : room >= BAR_CELLS_SMALL + 3 ? BAR_CELLS_SMALL
						       : 0;
	double part = part_of(s);
	unsigned full = part < 0 ? 0 : (unsigned)(part * cells);

	if (!cells)
		return;
	buf_char(out, '[');
	for (unsigned i = 0; i < cells; i++)
		buf_char(out, i < full ? '#' : '.');
	buf_str(out, "] ");
}

void progress_bar(struct buf *out, const struct progress *p, const struct progress_state *s,
	int64_t elapsed_ms, size_t width)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	progress_text(&text, p, s, elapsed_ms);
	put_bar(out, s, text.len < width ? width - text.len : 0);
	buf_add(out, text.data, text.len);
	if (out->len > width)
		buf_cut(out, width);
}
