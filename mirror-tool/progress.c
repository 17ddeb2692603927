/* Draw bars and lines on stderr. Must never slow the work down: mostly only the clock is read. */
#include "mirror-tool/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "storage/base/clock.h"
#include "storage/base/banned.h"

#define BAR_MS 100
#define LINES_MS 5000
#define WIDTH_MIN 40
#define WIDTH_MAX 400

void progress_begin(struct progress *p, const struct tool *t, const char *verb, const char *things)
{
	*p = (struct progress){ .verb = verb, .things = things };
	if (t->quiet)
		p->mode = PROGRESS_OFF;
	else
		p->mode = isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_LINES;
	p->start_ms = p->drawn_ms = clock_ms();
}

static size_t terminal_width(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < WIDTH_MIN)
		return 80;
	return w.ws_col < WIDTH_MAX ? w.ws_col : WIDTH_MAX;
}

/* Write around the stream: its filter lets no escape sequence pass. */
static void erase_bar(struct progress *p)
{
	fflush(stderr);
	if (write(STDERR_FILENO, "\r\033[K", 4) < 0)
		p->mode = PROGRESS_OFF;
	p->drawn = false;
}

static void draw_bar(struct progress *p, const struct progress_state *s, int64_t elapsed_ms)
{
	AUTO(buf_release) struct buf line = BUF_INIT;

	progress_bar(&line, p, s, elapsed_ms, terminal_width() - 1);
	erase_bar(p);
	fputs(line.data, stderr);
	fflush(stderr);
	p->drawn = true;
}

static void draw_line(struct progress *p, const struct progress_state *s, int64_t elapsed_ms)
{
	AUTO(buf_release) struct buf line = BUF_INIT;

	progress_text(&line, p, s, elapsed_ms);
	tool_say("%s", line.data);
}

void progress_show(struct progress *p, const struct progress_state *s)
{
	int64_t now;

	if (p->mode == PROGRESS_OFF)
		return;
	if (!p->started) {
		p->started = true;
		p->start_bytes = s->bytes;
	}
	now = clock_ms();
	if (now - p->drawn_ms < (p->mode == PROGRESS_BAR ? BAR_MS : LINES_MS))
		return;
	p->drawn_ms = now;
	if (p->mode == PROGRESS_BAR)
		draw_bar(p, s, now - p->start_ms);
	else
		draw_line(p, s, now - p->start_ms);
}

void progress_line(struct progress *p, const char *text)
{
	if (p->mode == PROGRESS_OFF)
		return;
	if (p->drawn)
		erase_bar(p);
	tool_say("%s", text);
}

void progress_warn(struct progress *p, const char *text)
{
	if (p->drawn)
		erase_bar(p);
	tool_warn("%s", text);
}

void progress_end(struct progress *p)
{
	if (p->drawn)
		erase_bar(p);
}
