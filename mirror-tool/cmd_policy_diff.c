/* `moat policy diff`: which connections two states of manifests decide otherwise. Must never write. */
#include "mirror-tool/policy/difference.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
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
	size_t changes;
};

static void diffing_release(struct diffing *v)
{
	differences_release(&v->d);
	policy_input_release(&v->old);
	policy_input_release(&v->new);
}

static void name_workload(const struct model *m, const struct workload *w, struct buf *out)
{
	buf_printf(out, "%s/%s[%s]", m->namespaces[w->ns].name, w->owner, w->owner_kind);
}

/* A workload, or a range outside. */
static void name_end(const struct diffing *v, const struct workload *w, const struct difference *x,
	struct buf *out)
{
	char first[ADDRESS_TEXT_SIZE], last[ADDRESS_TEXT_SIZE];

	if (w)
		name_workload(&v->old.model, w, out);
	else
		buf_printf(
			out, "%s-%s", address_text(&x->first, first), address_text(&x->last, last));
}

/* A member, and a sentence when there are such ports. */
static void say_ports(struct diffing *v, const char *key, portset set, const char *src,
	const char *does, const char *dst)
{
	AUTO(buf_release) struct buf ports = BUF_INIT;

	ports_text(v->old.model.ports, set, &ports);
	report_text(v->report, key, ports.data);
	if (set != PORTS_NONE)
		report_line(v->report, "%s %s %s on %s", src, does, dst, ports.data);
}

static void say(const struct difference *x, void *ctx)
{
	struct diffing *v = ctx;
	AUTO(buf_release) struct buf src = BUF_INIT, dst = BUF_INIT;
	struct report *r = v->report;

	v->changes++;
	name_end(v, x->src, x, &src);
	name_end(v, x->dst, x, &dst);
	report_object(r, NULL);
	report_text(r, "change", !x->was ? "added" : !x->is ? "removed" : "changed");
	report_text(r, "src", src.data);
	report_text(r, "dst", dst.data);
	say_ports(v, "gained", x->gained, src.data, "now reaches", dst.data);
	say_ports(v, "lost", x->lost, src.data, "no longer reaches", dst.data);
	say_ports(v, "unknown", x->unknown, src.data, "may or may not reach", dst.data);
	report_end(r);
}

static void say_workloads(struct diffing *v, const struct model *m, const char *key,
	const struct workload **list, size_t count, const char *sentence)
{
	report_array(v->report, key);
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_release) struct buf name = BUF_INIT;

		name_workload(m, list[i], &name);
		report_text(v->report, NULL, name.data);
		report_line(v->report, "%s %s", name.data, sentence);
	}
	report_end(v->report);
}

static void say_all(struct diffing *v)
{
	report_object(v->report, NULL);
	say_workloads(v, &v->new.model, "workloads_added", v->d.added, v->d.added_count, "is new");
	say_workloads(
		v, &v->old.model, "workloads_removed", v->d.removed, v->d.removed_count, "is gone");
	report_list(v->report, "connections");
	differences_each(&v->d, say, v);
	report_end(v->report);
	report_end(v->report);
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

	if (args->count != 2)
		return tool_usage(e, "diff takes two files or folders of manifests: OLD and NEW");
	if (policy_load(&v.old, &old, &how, e) < 0 || policy_load(&v.new, &new, &how, e) < 0)
		return -1;
	differences_make(&v.d, &v.old.judge, &v.new.judge);
	say_all(&v);
	if (report_print(&r, e) < 0)
		return -1;
	if (!v.changes && !v.d.added_count && !v.d.removed_count)
		return 0;
	return err_set(e, ERR_DIFFERS,
		"pairs that reach each other otherwise: %zu; new workloads: %zu; gone: %zu",
		v.changes, v.d.added_count, v.d.removed_count);
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
