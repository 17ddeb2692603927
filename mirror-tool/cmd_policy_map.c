/* `moat policy map`: manifests -> who reaches whom on which ports. Must never write. */
#include "mirror-tool/map_page.h"
#include "mirror-tool/policy/services.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
#include "storage/base/banned.h"

static const char *const format_words[] = { "text", "csv", "matrix", "dot", "html", NULL };
static const char *const side_words[] = { "both", "egress", "ingress", NULL };
enum format { FORMAT_TEXT, FORMAT_CSV, FORMAT_MATRIX, FORMAT_DOT, FORMAT_HTML };

#define HOPS_MAX 1000

#define MAP_OPTIONS(OPTION, S)                                                                     \
	OPTION(S, FLAG, all, "all", NULL, NULL, "also pairs that reach each other on no port")     \
	OPTION(S, TEXT, from, "from", "END", NULL, "only what this end reaches")                   \
	OPTION(S, TEXT, to, "to", "END", NULL, "only what reaches this end")                       \
	OPTION(S, FLAG, services, "services", NULL, NULL,                                          \
		"also what reaches each Service, and the pods behind it")                          \
	OPTION(S, FLAG, ways_in, "ways-in", NULL, NULL,                                            \
		"instead: each way in from outside that manifests tell of")                        \
	OPTION(S, COUNT, hops, "hops", "N", NULL,                                                  \
		"instead: what --from reaches in N steps, from one workload to the next",          \
		.max = HOPS_MAX)                                                                   \
	OPTION(S, WORD, direction, "direction", "both|egress|ingress", "both",                     \
		"whose policies count: the source's, the destination's", .words = side_words)      \
	OPTION(S, WORD, format, "format", "text|csv|matrix|dot|html", "text",                      \
		"how it is printed for people and their tools", .words = format_words)             \
	POLICY_OPTIONS(OPTION, S)
struct map_options {
	MAP_OPTIONS(SETTING_FIELD, map_options)
};
static const struct setting options[] = { MAP_OPTIONS(SETTING_ROW, map_options) };

struct mapping {
	const struct map_options *options;
	enum format format;
	struct policy_input input;
	struct map map;
	struct map_choice from, to;
	struct targets *targets; /* of each Service */
	bool *services; /* is it chosen? NULL: none is */
	struct report *report;
	struct buf src, dst, ports, unknown, reasons; /* of the pair at hand */
	const struct map_hop *hop; /* that the pair is, or NULL */
	struct buf row; /* of the matrix; the line of CSV or DOT */
};

static void mapping_release(struct mapping *v)
{
	struct buf *const bufs[] = { &v->src, &v->dst, &v->ports, &v->unknown, &v->reasons,
		&v->row };

	for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
		buf_release(bufs[i]);
	for (size_t i = 0; v->targets && i < v->input.model.service_count; i++)
		targets_release(&v->targets[i]);
	mem_free(&v->targets);
	mem_free(&v->services);
	map_choice_release(&v->from);
	map_choice_release(&v->to);
	map_release(&v->map);
	policy_input_release(&v->input);
}

static void name_group(const struct map_group *g, struct buf *out)
{
	buf_clear(out);
	if (!g->ns) {
		buf_str(out, g->name);
		return;
	}
	buf_str(out, g->ns);
	buf_char(out, '/');
	buf_str(out, g->name);
	buf_char(out, '[');
	buf_str(out, g->kind);
	buf_char(out, ']');
}

static void name_range(const struct map_range *r, struct buf *out)
{
	char first[ADDRESS_TEXT_SIZE], last[ADDRESS_TEXT_SIZE];

	buf_clear(out);
	buf_printf(out, "%s-%s", address_text(&r->first, first), address_text(&r->last, last));
}

/* --- lines for people ---------------------------------------------------------------------------------- */

static void say_text(struct mapping *v, const struct reach *is)
{
	bool allows = is->allow != PORTS_NONE, open = is->maybe != PORTS_NONE;

	if (v->hop)
		buf_printf(&v->row, "%u%s ", v->hop->step, v->hop->certain ? "" : "?");
	report_line(v->report, "%s%s => %s : %s%s%s%s%s%s%s", v->hop ? v->row.data : "",
		v->src.data, v->dst.data, allows || !open ? v->ports.data : "",
		allows && open ? "; " : "", open ? "unknown " : "", open ? v->unknown.data : "",
		open ? " (" : "", open ? v->reasons.data : "", open ? ")" : "");
}

/* Append in double quotes; what would end them has an escape in front. */
static void add_quoted(struct buf *out, const char *text, char escape)
{
	buf_char(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == escape)
			buf_char(out, escape);
		buf_char(out, *text);
	}
	buf_char(out, '"');
}

static void say_csv(struct mapping *v)
{
	const char *const cells[] = { v->src.data, v->dst.data, v->ports.data, v->unknown.data,
		v->reasons.data };

	buf_clear(&v->row);
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		if (i)
			buf_char(&v->row, ',');
		add_quoted(&v->row, cells[i], '"');
	}
	report_line(v->report, "%s", v->row.data);
}

static void say_dot(struct mapping *v, const struct reach *is)
{
	buf_clear(&v->row);
	add_quoted(&v->row, v->src.data, '\\');
	buf_str(&v->row, " -> ");
	add_quoted(&v->row, v->dst.data, '\\');
	report_line(v->report, "  %s [label=\"%s%s%s\"%s];", v->row.data, v->ports.data,
		is->maybe != PORTS_NONE ? "; unknown " : "",
		is->maybe != PORTS_NONE ? v->unknown.data : "",
		is->allow == PORTS_NONE ? ", style=dashed" : "");
}

static void say_line(struct mapping *v, const struct reach *is)
{
	if (v->format == FORMAT_TEXT)
		say_text(v, is);
	else if (v->format == FORMAT_CSV)
		say_csv(v);
	else if (v->format == FORMAT_DOT)
		say_dot(v, is);
	else if (v->format == FORMAT_HTML)
		map_page_row(v->report, v->src.data, v->dst.data, v->ports.data, v->unknown.data,
			v->reasons.data);
}

static char mark_of(const struct reach *is)
{
	if (is->allow != PORTS_NONE)
		return is->allow == PORTS_ALL ? '#' : '+';
	return is->maybe != PORTS_NONE ? '?' : '.';
}

/* A row of the matrix that is complete. */
static void say_row(struct mapping *v, const char *name)
{
	if (v->format == FORMAT_MATRIX)
		report_line(v->report, "%s  %s", v->row.data, name);
	buf_clear(&v->row);
}

static void say_head(struct mapping *v)
{
	if (v->format == FORMAT_CSV)
		report_line(v->report, "src,dst,allow,unknown,reasons");
	else if (v->format == FORMAT_DOT)
		report_line(v->report, "digraph map {");
	else if (v->format == FORMAT_HTML)
		map_page_begin(v->report, &v->map, &v->from, &v->to);
	else if (v->format == FORMAT_MATRIX)
		report_line(v->report,
			"rows reach columns, in the order of the rows%s: # all ports, + some, ? "
			"unknown, . none",
			v->to.outside ? " and outside" : "");
}

static void say_tail(struct mapping *v)
{
	if (v->format == FORMAT_DOT)
		report_line(v->report, "}");
	else if (v->format == FORMAT_HTML)
		map_page_end(v->report);
}

/* --- pairs ------------------------------------------------------------------------------------------------ */

/* The pair that v->src and v->dst name. */
static void say_pair(struct mapping *v, const struct reach *is)
{
	const struct port_pool *pool = v->input.model.ports;

	if (is->allow == PORTS_NONE && is->maybe == PORTS_NONE && !v->options->all)
		return;
	buf_clear(&v->ports);
	buf_clear(&v->unknown);
	buf_clear(&v->reasons);
	ports_text(pool, is->allow, &v->ports);
	ports_text(pool, is->maybe, &v->unknown);
	verdict_reasons(is->reasons, &v->reasons);
	report_object(v->report, NULL);
	if (v->hop) {
		report_number(v->report, "step", v->hop->step);
		report_flag(v->report, "certain", v->hop->certain);
	}
	report_text(v->report, "src", v->src.data);
	report_text(v->report, "dst", v->dst.data);
	report_text(v->report, "allow", v->ports.data);
	report_text(v->report, "unknown", v->unknown.data);
	report_text(v->report, "reasons", v->reasons.data);
	say_line(v, is);
	report_end(v->report);
}

static bool in_range(const struct map_choice *c, const struct map_range *r)
{
	return !c->by_address || (address_compare(&r->first, &c->address) <= 0 &&
					 address_compare(&c->address, &r->last) <= 0);
}

static void say_outside(struct mapping *v, size_t group, enum direction d)
{
	const struct map_choice *outside = d == EGRESS ? &v->to : &v->from;
	AUTO(mem_free) struct map_range *ranges = NULL;
	size_t count;
	struct reach sum = { PORTS_NONE, PORTS_NONE, 0 };

	if (!outside->outside)
		return;
	count = v->map.groups[group].ns ? map_outside(&v->map, group, d, &ranges) : 0;
	for (size_t i = 0; i < count; i++) {
		if (!in_range(outside, &ranges[i]))
			continue;
		sum.allow = ports_or(v->input.model.ports, sum.allow, ranges[i].reach.allow);
		sum.maybe = ports_or(v->input.model.ports, sum.maybe, ranges[i].reach.maybe);
		name_group(&v->map.groups[group], d == EGRESS ? &v->src : &v->dst);
		name_range(&ranges[i], d == EGRESS ? &v->dst : &v->src);
		say_pair(v, &ranges[i].reach);
	}
	buf_char(&v->row, mark_of(&sum));
}

/* All that a group reaches; not itself. */
static void say_group(struct mapping *v, size_t group)
{
	const struct map *m = &v->map;

	name_group(&m->groups[group], &v->src);
	for (size_t i = 0; i < m->group_count + MAP_SPECIAL; i++) {
		struct reach is;

		if (!v->to.groups[i])
			continue;
		if (i == group || (!m->groups[i].ns && !m->groups[group].ns)) {
			buf_char(&v->row, '-');
			continue;
		}
		is = map_reach(m, m->groups[group].end, m->groups[i].end);
		buf_char(&v->row, mark_of(&is));
		name_group(&m->groups[i], &v->dst);
		say_pair(v, &is);
	}
	say_outside(v, group, EGRESS);
	name_group(&m->groups[group], &v->src);
	say_row(v, v->src.data);
}

/* --- Services ------------------------------------------------------------------------------------------------ */

static void name_service(const struct mapping *v, const struct service *s, struct buf *out)
{
	buf_clear(out);
	buf_printf(out, "svc:%s/%s", v->input.model.namespaces[s->ns].name, s->name);
}

static void say_services_of(struct mapping *v, size_t group)
{
	const struct model *m = &v->input.model;

	for (size_t i = 0; v->services && i < m->service_count; i++) {
		struct reach is;

		if (!v->services[i])
			continue;
		is = targets_reach(&v->targets[i], &v->map, &m->services[i], group);
		name_group(&v->map.groups[group], &v->src);
		name_service(v, &m->services[i], &v->dst);
		say_pair(v, &is);
	}
}

/* A Service as the source of what it leads to. */
static void say_targets(struct mapping *v, size_t service)
{
	const struct targets *t = &v->targets[service];
	struct port_pool *pool = v->input.model.ports;
	const struct service *s = &v->input.model.services[service];

	for (size_t g = 0; g < v->map.group_count; g++) {
		struct reach sum = { PORTS_NONE, PORTS_NONE, 0 };

		for (size_t i = 0; i < t->count; i++)
			if (t->items[i].group == g)
				sum.allow = ports_or(pool, sum.allow,
					ports_range(pool, s->ports[t->items[i].port].proto,
						t->items[i].number, t->items[i].number));
		if (sum.allow == PORTS_NONE)
			continue;
		name_service(v, s, &v->src);
		name_group(&v->map.groups[g], &v->dst);
		say_pair(v, &sum);
	}
}

static bool has_target(const struct targets *t, size_t port)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].port == port)
			return true;
	return false;
}

/* Say why nothing is behind a Service, or behind one of its ports. */
static void warn_of_service(const struct service *s, const struct targets *t)
{
	const char *why = s->type == SERVICE_EXTERNAL_NAME ? "leads to a name outside"
			  : !s->selector.count
				  ? "has no selector: no manifest says what is behind it"
			  : !t->count ? "selects no pod that has its ports"
				      : NULL;

	if (why)
		tool_warn("%s:%u: Service %s: %s", s->object->doc->name, s->object->root->line,
			s->name, why);
	for (size_t i = 0; !why && i < s->port_count; i++)
		if (!has_target(t, i))
			tool_warn("%s:%u: Service %s: port %u leads to no port of its pods",
				s->object->doc->name, s->object->root->line, s->name,
				s->ports[i].number);
}

/* name: of one, or NULL. false: there is none of that name. */
static bool choose_services(struct mapping *v, const char *name)
{
	const struct model *m = &v->input.model;
	bool any = !name;

	v->targets = mem_alloc((m->service_count + 1) * sizeof(*v->targets));
	v->services = mem_alloc(m->service_count + 1);
	for (size_t i = 0; i < m->service_count; i++) {
		name_service(v, &m->services[i], &v->dst);
		if (name && strcmp(name, v->dst.data) != 0)
			continue;
		any = v->services[i] = true;
		targets_make(&v->targets[i], &v->map, &m->services[i]);
		warn_of_service(&m->services[i], &v->targets[i]);
	}
	return any;
}

static void say_ways(struct mapping *v)
{
	static const struct report_column columns[] = { { "way", "WAY" }, { "name", "NAME" },
		{ "host", "HOST" }, { "port", "PORT" }, { "dst", "TO" }, { "target", "TARGET" },
		{ "outside", "FROM OUTSIDE" }, { "node", "FROM A NODE" } };
	AUTO(ways_release) struct ways ways = WAYS_INIT;

	ways_make(&ways, &v->map);
	report_table(v->report, NULL, columns, ARRAY_SIZE(columns), true);
	for (size_t i = 0; i < ways.count; i++) {
		const struct way *w = &ways.items[i];

		if (!v->to.groups[w->group])
			continue;
		buf_clear(&v->src);
		buf_printf(&v->src, "%s/%s", w->ns, w->name);
		buf_clear(&v->ports);
		buf_clear(&v->unknown);
		if (w->port)
			buf_printf(&v->ports, "%s %u", proto_name(w->proto), w->port);
		if (w->target)
			buf_printf(&v->unknown, "%s %u", proto_name(w->proto), w->target);
		name_group(&v->map.groups[w->group], &v->dst);
		report_row(v->report, true);
		report_text(v->report, "way", way_kind_name(w->kind));
		report_text(v->report, "name", v->src.data);
		report_text(v->report, "host", w->host);
		report_text(v->report, "port", v->ports.data);
		report_text(v->report, "dst", v->dst.data);
		report_text(v->report, "target", w->target ? v->unknown.data : "all");
		report_text(v->report, "outside", way_verdict_name(w->outside));
		report_text(v->report, "node", way_verdict_name(w->node));
		report_end(v->report);
	}
	report_end(v->report);
}

/* --- steps ------------------------------------------------------------------------------------------------------ */

static void say_hops(struct mapping *v)
{
	AUTO(mem_free) struct map_hop *hops = NULL;
	size_t count = map_hops(&v->map, v->from.groups, (unsigned)v->options->hops, &hops);

	say_head(v);
	report_list(v->report, NULL);
	for (size_t i = 0; i < count; i++) {
		if (!v->to.groups[hops[i].to])
			continue;
		v->hop = &hops[i];
		buf_clear(&v->row);
		name_group(&v->map.groups[hops[i].from], &v->src);
		name_group(&v->map.groups[hops[i].to], &v->dst);
		say_pair(v, &hops[i].reach);
	}
	report_end(v->report);
	say_tail(v);
}

/* --- all of it ------------------------------------------------------------------------------------------------- */

static void say_map(struct mapping *v)
{
	size_t count = v->map.group_count + MAP_SPECIAL;

	say_head(v);
	report_list(v->report, NULL);
	for (size_t i = 0; i < count; i++)
		if (v->from.groups[i]) {
			say_group(v, i);
			say_services_of(v, i);
		}
	for (size_t i = 0; v->services && i < v->input.model.service_count; i++)
		if (v->services[i])
			say_targets(v, i);
	for (size_t i = 0; i < count; i++)
		if (v->to.groups[i])
			say_outside(v, i, INGRESS);
	if (v->from.outside)
		say_row(v, "outside");
	report_end(v->report);
	say_tail(v);
}

static int choose(const struct mapping *v, const char *text, struct map_choice *out, struct err *e)
{
	if (map_choose(&v->map, text, out))
		return 0;
	return tool_usage(e,
		"\"%.200s\" is no end: NAMESPACE/, NAMESPACE/NAME of these manifests, outside, "
		"ext:IP, "
		"host, remote-node, kube-apiserver",
		text);
}

/* What --from and --to name. */
static int choose_ends(struct mapping *v, struct err *e)
{
	const struct map_options *o = v->options;
	bool one = o->to && strncmp(o->to, "svc:", 4) == 0;
	int rc = choose(v, o->from, &v->from, e);

	if (rc)
		return rc;
	if ((one || o->services) && !choose_services(v, one ? o->to : NULL))
		return tool_usage(e, "\"%.200s\" is no Service of these manifests", o->to);
	if (!one)
		return choose(v, o->to, &v->to, e);
	v->to.groups = mem_alloc(v->map.group_count + MAP_SPECIAL);
	return 0;
}

/* --- the command --------------------------------------------------------------------------------------------- */

static unsigned word_number(const char *const words[], const char *word)
{
	unsigned i = 0;

	while (words[i] && strcmp(words[i], word) != 0)
		i++;
	return i;
}

static int map_and_say(struct mapping *v, const struct texts *paths, struct err *e)
{
	const struct map_options *o = v->options;
	struct policy_options how = policy_options_of(o->engine, o->decode, o->ipblock_pods);
	int rc;

	if (policy_load(&v->input, paths, &how, e) < 0)
		return -1;
	map_make(&v->map, &v->input.judge, (enum map_sides)word_number(side_words, o->direction));
	rc = choose_ends(v, e);
	if (rc)
		return rc;
	if (o->ways_in)
		say_ways(v);
	else if (o->hops)
		say_hops(v);
	else
		say_map(v);
	return report_print(v->report, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct map_options *o = given;
	AUTO(report_release) struct report r = REPORT_INIT(t);
	AUTO(mapping_release)
	struct mapping v = { .options = o,
		.format = (enum format)word_number(format_words, o->format),
		.input = POLICY_INPUT_INIT,
		.map = MAP_INIT,
		.report = &r,
		.src = BUF_INIT,
		.dst = BUF_INIT,
		.ports = BUF_INIT,
		.unknown = BUF_INIT,
		.reasons = BUF_INIT,
		.row = BUF_INIT };

	if (!args->count)
		return tool_usage(e, "map takes manifests, files or folders");
	if (o->hops && (!o->from || v.format == FORMAT_MATRIX || v.format == FORMAT_HTML))
		return tool_usage(
			e, "--hops counts the steps of --from END, and makes no matrix or page");
	if (o->hops && (o->services || o->ways_in))
		return tool_usage(
			e, "--hops goes from workload to workload: no --services, no --ways-in");
	return map_and_say(&v, args, e);
}

const struct command cmd_policy_map = {
	.name = "policy map",
	.args = "[--from END] [--to END] [--engine E] PATH...",
	.summary = "show who reaches whom by network policies, without a cluster",
	.about = "Each PATH is a manifest or a folder of them. A line a pair: source, destination "
		 "and\n"
		 "the ports that both sides allow; what cannot be told from manifests follows as\n"
		 "unknown, with the reason. The pods of one owner are one line, and not listed\n"
		 "against themselves. Outside addresses are ranges. An END is NAMESPACE/,\n"
		 "NAMESPACE/NAME, outside, ext:IP, host, remote-node or kube-apiserver.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct map_options),
	.run = run,
};
