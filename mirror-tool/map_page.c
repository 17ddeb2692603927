/* The HTML of a map. Must never print text of a manifest that is not escaped. */
#include "mirror-tool/map_page.h"

#include <math.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

static const char *const head[] = {
	"<!doctype html>",
	"<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Who reaches whom</title>",
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'; script-src 'unsafe-inline'\">",
	"<meta name=\"viewport\" content=\"width=device-width\">",
	"<style>",
	":root { color-scheme: light dark; --ink: #1b1f24; --page: #fff; --line: #d0d7de; --sure: "
	"#1a7f37; --open: #bc4c00 }",
	"@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --page: #0d1117; --line: "
	"#30363d; --sure: #3fb950; --open: #f0883e } }",
	"body { font: 15px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--page); "
	"max-width: 75rem; margin: 1rem auto; padding: 0 1rem }",
	"input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem }",
	"svg { display: block; width: 100%; max-width: 60rem; margin: auto }",
	"svg text { font-size: 11px; fill: var(--ink) } svg circle { fill: var(--ink) }",
	"svg path { fill: none; stroke: var(--sure); stroke-opacity: .5 } svg path:hover { "
	"stroke-width: 4 }",
	"svg path.open { stroke: var(--open); stroke-dasharray: 5 4 } .off { display: none }",
	"table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: "
	".2rem .5rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }",
	"td:nth-child(4) { color: var(--open) }",
	"</style></head><body>",
	"<h1>Who reaches whom</h1>",
	"<p><label>Search: <input id=\"q\" type=\"search\" placeholder=\"words that a line "
	"has\"></label></p>",
};

static const char *const tail[] = {
	"</tbody></table>",
	"<script>",
	"const lines = [...document.querySelectorAll('tbody tr, svg path')].map(e => [e, "
	"e.textContent.toLowerCase()]);",
	"document.getElementById('q').addEventListener('input', event => {",
	"  const words = event.target.value.toLowerCase().split(/\\s+/);",
	"  for (const [e, text] of lines) e.classList.toggle('off', !words.every(w => "
	"text.includes(w)));",
	"});",
	"</script></body></html>",
};

static void say_all(struct report *r, const char *const lines[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		report_line(r, "%s", lines[i]);
}

static void add_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		const char *name = *text == '&'   ? "&amp;"
				   : *text == '<' ? "&lt;"
				   : *text == '>' ? "&gt;"
				   : *text == '"' ? "&quot;"
						  : NULL;

		if (name)
			buf_str(out, name);
		else
			buf_char(out, *text);
	}
}

/* --- the picture ------------------------------------------------------------------------------------------- */

struct spot {
	uint32_t group;
	double x, y, turn; /* turn: in degrees */
};

static struct spot *place(const struct map *m, const struct map_choice *from,
	const struct map_choice *to, size_t *count)
{
	struct spot *spots = NULL;

	*count = 0;
	for (uint32_t i = 0; i < m->group_count; i++)
		if (from->groups[i] || to->groups[i])
			*VEC_PUSH(spots, *count) = (struct spot){ .group = i };
	for (size_t i = 0; i < *count; i++) {
		double angle = 2 * M_PI * (double)i / (double)*count;

		spots[i].x = 500 + 270 * cos(angle);
		spots[i].y = 500 + 270 * sin(angle);
		spots[i].turn = angle * 180 / M_PI;
	}
	return spots;
}

static void add_name(const struct map *m, const struct spot *s, struct buf *out)
{
	add_escaped(out, m->groups[s->group].ns);
	buf_char(out, '/');
	add_escaped(out, m->groups[s->group].name);
}

/* Names on the left half are turned again, so that none is upside down. */
static void say_spot(struct report *r, const struct map *m, const struct spot *s)
{
	AUTO(buf_release) struct buf name = BUF_INIT;
	bool left = s->turn > 90 && s->turn < 270;

	add_name(m, s, &name);
	report_line(r,
		"<g transform=\"translate(%.1f %.1f) rotate(%.1f)\"><circle r=\"4\"/><text "
		"x=\"%d\" "
		"y=\"4\" text-anchor=\"%s\">%s</text></g>",
		s->x, s->y, left ? s->turn - 180 : s->turn, left ? -8 : 8, left ? "end" : "start",
		name.data);
}

static void say_way(
	struct report *r, const struct map *m, const struct spot *from, const struct spot *to)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct reach is = map_reach(m, m->groups[from->group].end, m->groups[to->group].end);

	if (is.allow == PORTS_NONE && is.maybe == PORTS_NONE)
		return;
	add_name(m, from, &text);
	buf_str(&text, " =&gt; ");
	add_name(m, to, &text);
	buf_str(&text, is.allow != PORTS_NONE ? " : " : " : unknown ");
	ports_text(m->judge->model->ports, is.allow != PORTS_NONE ? is.allow : is.maybe, &text);
	report_line(r,
		"<path%s marker-end=\"url(#tip)\" d=\"M%.1f %.1fQ500 500 %.1f "
		"%.1f\"><title>%s</title></path>",
		is.allow != PORTS_NONE ? "" : " class=\"open\"", from->x, from->y, to->x, to->y,
		text.data);
}

static void say_picture(struct report *r, const struct map *m, const struct map_choice *from,
	const struct map_choice *to)
{
	size_t count;
	AUTO(mem_free) struct spot *spots = place(m, from, to, &count);

	if (count > MAP_PAGE_NODES_MAX) {
		report_line(r, "<p>%zu workloads are too many for a picture.</p>", count);
		return;
	}
	report_line(r,
		"<svg viewBox=\"0 0 1000 1000\" role=\"img\" aria-label=\"who reaches whom\"><defs>"
		"<marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"12\" refY=\"4\" markerWidth=\"8\" "
		"markerHeight=\"8\" orient=\"auto\"><circle cx=\"4\" cy=\"4\" "
		"r=\"3\"/></marker></defs>");
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count; k++)
			if (i != k && from->groups[spots[i].group] && to->groups[spots[k].group])
				say_way(r, m, &spots[i], &spots[k]);
	for (size_t i = 0; i < count; i++)
		say_spot(r, m, &spots[i]);
	report_line(r, "</svg>");
}

/* --- the page ------------------------------------------------------------------------------------------------ */

void map_page_begin(struct report *r, const struct map *m, const struct map_choice *from,
	const struct map_choice *to)
{
	say_all(r, head, ARRAY_SIZE(head));
	say_picture(r, m, from, to);
	report_line(r, "<table><thead><tr><th>Source<th>Destination<th>Ports<th>Unknown, and why"
		       "</tr></thead><tbody>");
}

void map_page_row(struct report *r, const char *src, const char *dst, const char *allow,
	const char *unknown, const char *reasons)
{
	AUTO(buf_release) struct buf row = BUF_INIT;
	const char *const cells[] = { src, dst, allow };

	buf_str(&row, "<tr>");
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		buf_str(&row, "<td>");
		add_escaped(&row, cells[i]);
		buf_char(&row, ' ');
	}
	buf_str(&row, "<td>");
	if (*reasons) {
		add_escaped(&row, unknown);
		buf_str(&row, ": ");
		add_escaped(&row, reasons);
	}
	report_line(r, "%s</tr>", row.data);
}

void map_page_end(struct report *r)
{
	say_all(r, tail, ARRAY_SIZE(tail));
}
