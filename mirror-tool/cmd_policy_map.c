/* `moat policy map`: manifests -> who reaches whom on which ports. Must never write. */
#include "mirror-tool/policy/map.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
#include "storage/base/banned.h"

#define MAP_OPTIONS(OPTION, S)                                                                     \
	OPTION(S, FLAG, all, "all", NULL, NULL, "also pairs that reach each other on no port")     \
	POLICY_OPTIONS(OPTION, S)
struct map_options {
	MAP_OPTIONS(SETTING_FIELD, map_options)
};
static const struct setting options[] = { MAP_OPTIONS(SETTING_ROW, map_options) };

struct mapping {
	const struct map_options *options;
	struct policy_input input;
	struct map map;
	struct report *report;
	struct buf src, dst, ports, unknown, reasons; /* of the pair at hand */
};

static void mapping_release(struct mapping *v)
{
	struct buf *const bufs[] = { &v->src, &v->dst, &v->ports, &v->unknown, &v->reasons };

	for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
		buf_release(bufs[i]);
	map_release(&v->map);
	policy_input_release(&v->input);
}

static void name_group(const struct map_group *g, struct buf *out)
{
	buf_clear(out);
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

/* The line for people. */
static void say_line(struct mapping *v, const struct reach *is)
{
	bool allows = is->allow != PORTS_NONE, open = is->maybe != PORTS_NONE;

	report_line(v->report, "%s => %s : %s%s%s%s%s%s%s", v->src.data, v->dst.data,
		allows || !open ? v->ports.data : "", allows && open ? "; " : "",
		open ? "unknown " : "", open ? v->unknown.data : "", open ? " (" : "",
		open ? v->reasons.data : "", open ? ")" : "");
}

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
	report_text(v->report, "src", v->src.data);
	report_text(v->report, "dst", v->dst.data);
	report_text(v->report, "allow", v->ports.data);
	report_text(v->report, "unknown", v->unknown.data);
	report_text(v->report, "reasons", v->reasons.data);
	say_line(v, is);
	report_end(v->report);
}

static void say_outside(struct mapping *v, size_t group, enum direction d)
{
	AUTO(mem_free) struct map_range *ranges = NULL;
	size_t count = map_outside(&v->map, group, d, &ranges);

	for (size_t i = 0; i < count; i++) {
		name_group(&v->map.groups[group], d == EGRESS ? &v->src : &v->dst);
		name_range(&ranges[i], d == EGRESS ? &v->dst : &v->src);
		say_pair(v, &ranges[i].reach);
	}
}

/* All that a group reaches; not itself. */
static void say_group(struct mapping *v, size_t group)
{
	const struct map *m = &v->map;

	name_group(&m->groups[group], &v->src);
	for (size_t i = 0; i < m->group_count; i++) {
		struct reach is;

		if (i == group)
			continue;
		is = judge_reach(m->judge, m->groups[group].end, m->groups[i].end);
		name_group(&m->groups[i], &v->dst);
		say_pair(v, &is);
	}
	say_outside(v, group, EGRESS);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct map_options *o = given;
	AUTO(report_release) struct report r = REPORT_INIT(t);
	AUTO(mapping_release)
	struct mapping v = { .options = o,
		.input = POLICY_INPUT_INIT,
		.map = MAP_INIT,
		.report = &r,
		.src = BUF_INIT,
		.dst = BUF_INIT,
		.ports = BUF_INIT,
		.unknown = BUF_INIT,
		.reasons = BUF_INIT };
	struct policy_options options_of = policy_options_of(o->engine, o->decode, o->ipblock_pods);

	if (!args->count)
		return tool_usage(e, "map takes manifests, files or folders");
	if (policy_load(&v.input, args, &options_of, e) < 0)
		return -1;
	map_make(&v.map, &v.input.judge);
	report_list(&r, NULL);
	for (size_t i = 0; i < v.map.group_count; i++)
		say_group(&v, i);
	for (size_t i = 0; i < v.map.group_count; i++)
		say_outside(&v, i, INGRESS);
	report_end(&r);
	return report_print(&r, e);
}

const struct command cmd_policy_map = {
	.name = "policy map",
	.args = "[--all] [--engine E] PATH...",
	.summary = "show who reaches whom by network policies, without a cluster",
	.about = "Each PATH is a manifest or a folder of them. A line a pair: source, destination "
		 "and\n"
		 "the ports that both sides allow; what cannot be told from manifests follows as\n"
		 "unknown, with the reason. The pods of one owner are one line, and not listed\n"
		 "against themselves. Outside addresses are ranges.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct map_options),
	.run = run,
};
