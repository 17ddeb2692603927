/* `moat policy eval`: manifests and probes -> a verdict for each probe. Must never write. */
#include "mirror-tool/policy/explain.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
#include "storage/base/banned.h"

#define EVAL_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, PATH, probes, "probes", "FILE", NULL,                                            \
		"the connections to judge; - is standard input")                                   \
	POLICY_OPTIONS(OPTION, S)
struct eval_options {
	EVAL_OPTIONS(SETTING_FIELD, eval_options)
};
static const struct setting options[] = { EVAL_OPTIONS(SETTING_ROW, eval_options) };

static const char *const stated_keys[PROBE_STATED] = { "verdict", "egress", "ingress" };

struct evaluation {
	const char *name; /* of the file of probes */
	struct policy_input input;
	struct probes probes;
	size_t others; /* probes of which the file states another verdict */
};

static void evaluation_release(struct evaluation *v)
{
	probes_release(&v->probes);
	policy_input_release(&v->input);
}

/* Say where the file states something else. */
static void compare(struct evaluation *v, const struct probe *p, const enum verdict is[])
{
	bool differs = false;

	for (size_t i = 0; i < PROBE_STATED; i++) {
		if (p->stated[i] < 0 || p->stated[i] == (int)is[i])
			continue;
		differs = true;
		tool_say("%s:%u: %s -> %s %s %u: %s is %s, and the file states %s", v->name,
			p->line, p->src, p->dst, proto_name(p->proto), p->port, stated_keys[i],
			verdict_name(is[i]), verdict_name((enum verdict)p->stated[i]));
	}
	v->others += differs;
}

static int judge_one(struct evaluation *v, const struct probe *p, struct report *r, struct err *e)
{
	AUTO(buf_release) struct buf line = BUF_INIT;
	struct explanation x = { .names = { p->src, p->dst }, .proto = p->proto, .port = p->port };
	struct judgement is;
	int rc = policy_end(&v->input, v->name, p->line, p->src, &x.ends[EGRESS], e);

	if (rc == 0)
		rc = policy_end(&v->input, v->name, p->line, p->dst, &x.ends[INGRESS], e);
	if (rc)
		return rc;
	is = explain_verdict(&x, &v->input.judge);
	compare(v, p, (const enum verdict[]){ is.verdict, is.egress, is.ingress });
	report_object(r, NULL);
	report_text(r, "src", p->src);
	report_text(r, "dst", p->dst);
	report_text(r, "protocol", proto_name(p->proto));
	report_number(r, "port", p->port);
	report_text(r, stated_keys[0], verdict_name(is.verdict));
	report_text(r, stated_keys[1], verdict_name(is.egress));
	report_text(r, stated_keys[2], verdict_name(is.ingress));
	buf_printf(&line, "%s\t%s\t%s\t%u\t%s\t%s\t%s\n", p->src, p->dst, proto_name(p->proto),
		p->port, verdict_name(is.verdict), verdict_name(is.egress),
		verdict_name(is.ingress));
	report_block(r, line.data);
	report_end(r);
	return 0;
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct eval_options *o = given;
	AUTO(evaluation_release)
	struct evaluation v = {
		.name = o->probes, .input = POLICY_INPUT_INIT, .probes = PROBES_INIT
	};
	AUTO(report_release) struct report r = REPORT_INIT(t);
	struct policy_options options_of = policy_options_of(o->engine, o->decode, o->ipblock_pods);
	int rc;

	if (!args->count || !o->probes)
		return tool_usage(e, "eval takes manifests, files or folders, and --probes FILE");
	rc = policy_probes(&v.probes, v.name, e);
	if (rc)
		return rc;
	if (policy_load(&v.input, args, &options_of, e) < 0)
		return -1;
	report_list(&r, NULL);
	for (size_t i = 0; i < v.probes.count; i++) {
		rc = judge_one(&v, &v.probes.items[i], &r, e);
		if (rc)
			return rc;
	}
	report_end(&r);
	if (report_print(&r, e) < 0)
		return -1;
	if (!v.others)
		return 0;
	return err_set(e, ERR_DIFFERS, "%zu of %zu probes have another verdict than %s states",
		v.others, v.probes.count, o->probes);
}

const struct command cmd_policy_eval = {
	.name = "policy eval",
	.args = "--probes FILE [--engine E] PATH...",
	.summary = "judge connections by network policies, without a cluster",
	.about = "Each PATH is a manifest or a folder of them: namespaces, workloads, policies.\n"
		 "Each line of FILE is src, dst, protocol and port, with tabs between; it is "
		 "printed\n"
		 "with its verdict, that of the egress side and that of the ingress side: allow, "
		 "deny\n"
		 "or unknown. An end is NAMESPACE/POD, ext:IP, host, remote-node or "
		 "kube-apiserver.\n"
		 "Where a line of FILE states verdicts itself and one is another, the exit status "
		 "is 10.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct eval_options),
	.run = run,
};
