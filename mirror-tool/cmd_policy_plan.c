/* `moat policy plan`: an order of changes that opens nothing on the way. Must never write but below --to. */
#include <stdlib.h>

#include "mirror-tool/rollout_files.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
#include "storage/base/banned.h"

#define PLAN_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, FLAG, available, "available", NULL, NULL,                                        \
		"lose nothing that both allow; otherwise: open nothing that both deny")            \
	OPTION(S, TEXT, to, "to", "DIR", NULL, "write the manifests and apply.sh there")           \
	POLICY_OPTIONS(OPTION, S)
struct policy_plan_options {
	PLAN_OPTIONS(SETTING_FIELD, policy_plan_options)
};
static const struct setting options[] = { PLAN_OPTIONS(SETTING_ROW, policy_plan_options) };

struct planning {
	struct policy_input old, new;
	struct rollout plan;
	struct rollout_step *steps;
	size_t step_count;
	size_t bad; /* steps with faults */
};

static void planning_release(struct planning *v)
{
	for (size_t i = 0; i < v->step_count; i++)
		rollout_step_release(&v->steps[i]);
	free(v->steps);
	rollout_release(&v->plan);
	policy_input_release(&v->old);
	policy_input_release(&v->new);
}

static void say_fault(const struct planning *v, const struct rollout_step *s, struct report *r)
{
	bool loses = v->plan.goal == ROLLOUT_AVAILABLE;

	report_text(r, "src", s->src ? s->src : "");
	report_text(r, "dst", s->dst ? s->dst : "");
	report_text(r, "ports", s->ports ? s->ports : "");
	report_text(r, "refusal", s->refusal ? s->refusal : "");
	report_number(r, "faults", s->refusal ? 0 : s->faults);
	if (s->refusal)
		report_line(r, "   there is no such state: %s", s->refusal);
	else if (s->faults)
		report_line(r, "   %s %s to %s on %s (pairs: %llu)", loses ? "loses" : "opens",
			s->src, s->dst, s->ports, (unsigned long long)s->faults);
}

static void say_step(const struct planning *v, size_t i, struct report *r)
{
	static const char *const actions[] = { "create", "update", "delete" };
	const struct rollout_change *c = &v->plan.changes[v->steps[i].change];
	const struct k8s_object *o = c->is ? c->is : c->was;
	AUTO(buf_release) struct buf name = BUF_INIT;

	rollout_name(o, &name);
	report_object(r, NULL);
	report_text(r, "action", actions[c->action]);
	report_text(r, "object", name.data);
	report_text(r, "file", o->doc->name);
	report_number(r, "line", o->root->line);
	report_line(r, "%zu. %s %s (%s:%u)", i + 1, actions[c->action], name.data, o->doc->name,
		o->root->line);
	say_fault(v, &v->steps[i], r);
	report_end(r);
}

static void say(const struct planning *v, struct report *r)
{
	report_object(r, NULL);
	report_flag(r, "good", v->bad == 0);
	report_flag(r, "searched", v->plan.is_searched);
	report_number(r, "states", v->plan.states);
	report_list(r, "steps");
	for (size_t i = 0; i < v->step_count; i++)
		say_step(v, i, r);
	report_end(r);
	report_end(r);
}

static void check(struct planning *v)
{
	v->step_count = v->plan.count;
	v->steps = mem_alloc((v->step_count + 1) * sizeof(*v->steps));
	if (rollout_check(&v->plan, v->plan.order, v->steps))
		return;
	for (size_t i = 0; i < v->step_count; i++)
		v->bad += v->steps[i].faults != 0;
}

static int verdict(const struct planning *v, struct err *e)
{
	bool loses = v->plan.goal == ROLLOUT_AVAILABLE;
	const char *what = loses ? "loses nothing that both allow" : "opens nothing that both deny";

	if (!v->bad)
		return 0;
	if (v->plan.is_searched)
		return err_set(e, ERR_DIFFERS,
			"no order of single steps %s; in the best one steps that do: %zu, and the "
			"API cannot change two objects at once",
			what, v->bad);
	return err_set(e, ERR_DIFFERS,
		"in %d states no order was found that %s; in this one steps that do: %zu",
		ROLLOUT_STATES_MAX, what, v->bad);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct policy_plan_options *o = given;
	AUTO(report_release) struct report r = REPORT_INIT(t);
	AUTO(planning_release)
	struct planning v = {
		.old = POLICY_INPUT_INIT, .new = POLICY_INPUT_INIT, .plan = ROLLOUT_INIT
	};
	struct policy_options how = policy_options_of(o->engine, o->decode, o->ipblock_pods);
	struct texts old = { .items = args->items, .count = 1 },
		     new = { .items = args->items + 1, .count = 1 };

	if (args->count != 2)
		return tool_usage(e, "plan takes two files or folders of manifests: OLD and NEW");
	if (policy_load(&v.old, &old, &how, e) < 0 || policy_load(&v.new, &new, &how, e) < 0)
		return -1;
	if (rollout_make(&v.plan, &v.old.objects, &v.new.objects, &how,
		    o->available ? ROLLOUT_AVAILABLE : ROLLOUT_SECURE, e) < 0)
		return -1;
	check(&v);
	if (o->to && rollout_write(&v.plan, v.steps, o->to, e) < 0)
		return -1;
	say(&v, &r);
	if (report_print(&r, e) < 0)
		return -1;
	return verdict(&v, e);
}

const struct command cmd_policy_plan = {
	.name = "policy plan",
	.args = "OLD NEW",
	.summary = "an order of changes that opens nothing on the way",
	.about = "OLD and NEW are each a file or folder of manifests. Policies that differ are "
		 "changed\n"
		 "one by one; each state between is judged with the pods of NEW. The exit status "
		 "is 10\n"
		 "when no such order was found; then the best one is printed.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct policy_plan_options),
	.run = run,
};
