/* `moat policy explain`: why a connection is allowed, denied or unknown. Must never write. */
#include "mirror-tool/policy/explain.h"
#include "mirror-tool/policy/near.h"
#include "mirror-tool/policy/words.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
#include "storage/base/number.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define EXPLAIN_OPTIONS(OPTION, S)                                                                 \
	OPTION(S, PATH, probes, "probes", "FILE", NULL,                                            \
		"explain each line of a file of probes; - is standard input")                      \
	POLICY_OPTIONS(OPTION, S)
struct explain_options {
	EXPLAIN_OPTIONS(SETTING_FIELD, explain_options)
};
static const struct setting options[] = { EXPLAIN_OPTIONS(SETTING_ROW, explain_options) };

static const char *const side_names[] = { "egress", "ingress" };

/* --- parts of a side ------------------------------------------------------------------------------- */

static void say_policy(const struct judge *j, size_t policy, struct report *r)
{
	AUTO(buf_release) struct buf name = BUF_INIT;
	const struct policy *p = &j->model->policies[policy];

	policy_text(p, &name);
	report_text(r, "policy", name.data);
	report_text(r, "tier", j->model->tiers[p->tier].name);
	report_text(r, "file", p->object->doc->name);
}

static void say_selected(const struct judge *j, enum direction d, size_t end, struct report *r)
{
	size_t count;
	const size_t *policies = judge_policies(j, end, &count);

	report_array(r, "policies");
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_release) struct buf name = BUF_INIT;
		const struct policy *p = &j->model->policies[policies[i]];

		if (!p->sides[d].governs)
			continue;
		report_object(r, NULL);
		say_policy(j, policies[i], r);
		report_number(r, "line", p->object->root->line);
		report_end(r);
		policy_text(p, &name);
		report_line(r, "    selected by %s, tier %s (%s:%u)", name.data,
			j->model->tiers[p->tier].name, p->object->doc->name, p->object->root->line);
	}
	report_end(r);
}

static void say_rule(const struct explanation *x, const struct judge *j, enum direction d,
	const struct step *s, struct report *r)
{
	static const char *const actions[] = { "allow", "deny", "pass", "unknown" };
	AUTO(buf_release) struct buf peer = BUF_INIT, ports = BUF_INIT, reasons = BUF_INIT;

	report_text(r, "action", actions[s->action]);
	if (s->rule) {
		cond_text(j->model, s->rule->peer, &peer);
		ports_text(j->model->ports, judge_ports(j, d, s->policy, s->rule, x->ends[INGRESS]),
			&ports);
	}
	verdict_reasons(s->reasons, &reasons);
	report_number(r, "rule", s->rule ? s->rule->number + 1 : 0);
	report_text(r, "peer", peer.data);
	report_text(r, "ports", ports.data);
	report_text(r, "reasons", reasons.data);
}

static void say_steps(
	const struct explanation *x, const struct judge *j, enum direction d, struct report *r)
{
	static const char *const kinds[] = { "rule", "doubt", "isolated" };
	const struct trace *t = &x->sides[d];

	report_array(r, "steps");
	for (size_t i = 0; i < t->count; i++) {
		AUTO(buf_release) struct buf line = BUF_INIT;
		const struct step *s = &t->steps[i];
		const struct node *at =
			s->rule ? s->rule->at : j->model->policies[s->policy].object->root;

		report_object(r, NULL);
		report_text(r, "kind", kinds[s->kind]);
		say_policy(j, s->policy, r);
		report_number(r, "line", at->line);
		say_rule(x, j, d, s, r);
		report_end(r);
		step_text(x, j, d, s, &line);
		report_line(r, "    %s", line.data);
	}
	report_end(r);
}

/* What the rule that comes nearest to allowing it would need. */
static void near_needs(const struct explanation *x, const struct judge *j, enum direction d,
	const struct near_miss *n, struct buf *out)
{
	if (!n->peer) {
		buf_printf(out, "%s would need ", x->names[!d]);
		near_text(j, n->rule->peer, x->ends[!d], out);
	}
	if (n->port)
		return;
	buf_printf(out, "%sthe port would have to be one of ", n->peer ? "" : ", and ");
	ports_text(j->model->ports, n->ports, out);
}

static void say_miss(const struct explanation *x, const struct judge *j, enum direction d,
	const struct near_miss *n, struct report *r)
{
	AUTO(buf_release) struct buf needs = BUF_INIT, name = BUF_INIT;

	if (n->peer && n->port)
		buf_str(&needs, "what stands before it would have to go");
	else
		near_needs(x, j, d, n, &needs);
	report_object(r, NULL);
	say_policy(j, n->policy, r);
	report_number(r, "line", n->rule->at->line);
	report_number(r, "rule", n->rule->number + 1);
	report_flag(r, "peer_matches", n->peer);
	report_flag(r, "port_matches", n->port);
	report_text(r, "needs", needs.data);
	report_end(r);
	policy_text(&j->model->policies[n->policy], &name);
	report_line(r, "    nearest: %s:%u: rule %u of %s: %s",
		j->model->policies[n->policy].object->doc->name, n->rule->at->line,
		n->rule->number + 1, name.data, needs.data);
}

static void say_near(
	const struct explanation *x, struct judge *j, enum direction d, struct report *r)
{
	struct near_miss n = { .rule = NULL };

	if (x->sides[d].verdict == VERDICT_DENY)
		near_find(j, d, x->ends[d], x->ends[!d], x->proto, x->port, &n);
	report_array(r, "nearest");
	if (n.rule)
		say_miss(x, j, d, &n, r);
	report_end(r);
}

static void say_side(
	const struct explanation *x, struct judge *j, enum direction d, struct report *r)
{
	static const char *const grounds[] = { "policies", "free", "self", "node", "same-node" };
	AUTO(buf_release) struct buf why = BUF_INIT;

	side_text(x, j, d, &why);
	report_object(r, NULL);
	report_text(r, "side", side_names[d]);
	report_text(r, "end", x->names[d]);
	report_text(r, "verdict", verdict_name(x->sides[d].verdict));
	report_text(r, "ground", grounds[x->sides[d].ground]);
	report_text(r, "because", why.data);
	report_line(
		r, "  %s of %s: %s", side_names[d], x->names[d], verdict_name(x->sides[d].verdict));
	say_selected(j, d, x->ends[d], r);
	say_steps(x, j, d, r);
	if (!x->sides[d].count)
		report_line(r, "    %s", why.data);
	say_near(x, j, d, r);
	report_end(r);
}

static void say(const struct explanation *x, struct judge *j, struct report *r)
{
	report_object(r, NULL);
	report_text(r, "src", x->names[EGRESS]);
	report_text(r, "dst", x->names[INGRESS]);
	report_text(r, "protocol", proto_name(x->proto));
	report_number(r, "port", x->port);
	report_text(r, "verdict", verdict_name(x->is.verdict));
	report_line(r, "%s -> %s %s/%u: %s", x->names[EGRESS], x->names[INGRESS],
		proto_name(x->proto), x->port, verdict_name(x->is.verdict));
	report_array(r, "sides");
	for (enum direction d = EGRESS; d <= INGRESS; d++)
		say_side(x, j, d, r);
	report_end(r);
	report_end(r);
}

/* --- what is asked ------------------------------------------------------------------------------------ */

static int explain_probe(struct policy_input *in, const char *file, const struct probe *p,
	struct report *r, struct err *e)
{
	AUTO(explanation_release)
	struct explanation x = { .names = { p->src, p->dst }, .proto = p->proto, .port = p->port };
	int rc = policy_end(in, file, p->line, p->src, &x.ends[EGRESS], e);

	if (rc == 0)
		rc = policy_end(in, file, p->line, p->dst, &x.ends[INGRESS], e);
	if (rc)
		return rc;
	explain(&x, &in->judge);
	say(&x, &in->judge, r);
	return 0;
}

/* "TCP/5432" */
static int parse_port(const char *text, struct probe *p, struct err *e)
{
	struct span rest = span_of(text), proto = span_until(&rest, '/');
	uint64_t port;

	if (!proto_parse(proto, &p->proto) || !number_parse(rest, PORT_MAX, &port) || port == 0)
		return tool_usage(e, "\"%.100s\" is no port: TCP/5432, UDP/53, SCTP/3868", text);
	p->port = (unsigned)port;
	return 0;
}

static int read_asked(const struct explain_options *o, const struct texts *args, struct probes *out,
	struct err *e)
{
	struct probe *p;

	if (o->probes)
		return policy_probes(out, o->probes, e);
	p = VEC_PUSH(out->items, out->count);
	p->src = args->items[0];
	p->dst = args->items[1];
	return parse_port(args->items[2], p, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct explain_options *o = given;
	AUTO(policy_input_release) struct policy_input in = POLICY_INPUT_INIT;
	AUTO(probes_release) struct probes probes = PROBES_INIT;
	AUTO(report_release) struct report r = REPORT_INIT(t);
	struct policy_options options_of = policy_options_of(o->engine, o->decode, o->ipblock_pods);
	size_t asked = o->probes ? 0 : 3;
	struct texts paths = { .items = args->items + asked, .count = args->count - asked };
	int rc;

	if (args->count <= asked)
		return tool_usage(e, "explain takes SRC, DST, PROTO/PORT or --probes FILE, and "
				     "manifests, files or folders");
	rc = read_asked(o, args, &probes, e);
	if (rc)
		return rc;
	if (policy_load(&in, &paths, &options_of, e) < 0)
		return -1;
	report_list(&r, NULL);
	for (size_t i = 0; i < probes.count; i++) {
		rc = explain_probe(&in, o->probes, &probes.items[i], &r, e);
		if (rc)
			return rc;
	}
	report_end(&r);
	return report_print(&r, e);
}

const struct command cmd_policy_explain = {
	.name = "policy explain",
	.args = "SRC DST PROTO/PORT PATH... | --probes FILE PATH...",
	.summary = "why a connection is allowed, denied or unknown",
	.about = "Of both sides: the policies that select the end, each rule that the connection "
		 "met\n"
		 "with its file and line, and of what is denied the rule that comes nearest to "
		 "allowing\n"
		 "it, with what it lacks.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct explain_options),
	.run = run,
};
