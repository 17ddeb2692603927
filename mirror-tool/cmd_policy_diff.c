/* `moat policy diff`: which connections two states of manifests decide otherwise. Must never write. */
#include "mirror-tool/policy_differences.h"
#include "mirror-tool/policy_input.h"
#include "storage/base/banned.h"

#define DIFF_OPTIONS(OPTION, S) POLICY_OPTIONS(OPTION, S)
struct policy_diff_options {
	DIFF_OPTIONS(SETTING_FIELD, policy_diff_options)
};
static const struct setting options[] = { DIFF_OPTIONS(SETTING_ROW, policy_diff_options) };

struct diffing {
	struct policy_input old, new;
	struct differences d;
	struct report *report;
};

static void diffing_release(struct diffing *v)
{
	differences_release(&v->d);
	policy_input_release(&v->old);
	policy_input_release(&v->new);
}

static void say_workloads(struct diffing *v, const struct model *m, const char *key,
	const struct workload **list, size_t count, const char *sentence)
{
	report_array(v->report, key);
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_release) struct buf name = BUF_INIT;

		policy_name_workload(m, list[i], &name);
		report_text(v->report, NULL, name.data);
		report_line(v->report, "%s %s", name.data, sentence);
	}
	report_end(v->report);
}

/* How many connections differ. */
static size_t say_all(struct diffing *v)
{
	size_t changes;

	report_object(v->report, NULL);
	say_workloads(v, &v->new.model, "workloads_added", v->d.added, v->d.added_count, "is new");
	say_workloads(
		v, &v->old.model, "workloads_removed", v->d.removed, v->d.removed_count, "is gone");
	changes = policy_say_differences(&v->d, v->report);
	report_end(v->report);
	return changes;
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct policy_diff_options *o = given;
	AUTO(report_release) struct report r = REPORT_INIT(t);
	AUTO(diffing_release)
	struct diffing v = { .old = POLICY_INPUT_INIT,
		.new = POLICY_INPUT_INIT,
		.d = DIFFERENCES_INIT,
		.report = &r };
	struct policy_options how = policy_options_of(o->engine, o->decode, o->ipblock_pods);
	struct texts old = { .items = args->items, .count = 1 },
		     new = { .items = args->items + 1, .count = 1 };
	size_t changes;

	if (args->count != 2)
		return tool_usage(e, "diff takes two files or folders of manifests: OLD and NEW");
	if (policy_load(&v.old, &old, &how, e) < 0 || policy_load(&v.new, &new, &how, e) < 0)
		return -1;
	differences_make(&v.d, &v.old.judge, &v.new.judge);
	changes = say_all(&v);
	if (report_print(&r, e) < 0)
		return -1;
	if (!changes && !v.d.added_count && !v.d.removed_count)
		return 0;
	return err_set(e, ERR_DIFFERS,
		"pairs that reach each other otherwise: %zu; new workloads: %zu; gone: %zu",
		changes, v.d.added_count, v.d.removed_count);
}

const struct command cmd_policy_diff = {
	.name = "policy diff",
	.args = "OLD NEW",
	.summary = "which connections two states of manifests decide otherwise",
	.about = "OLD and NEW are each a file or folder of manifests. Workloads that only one of "
		 "them\n"
		 "has are listed apart. The exit status is 10 when they differ.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct policy_diff_options),
	.run = run,
};
