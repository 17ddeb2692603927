/* `moat policy convert`: the old policies of the whole cluster as ClusterNetworkPolicy. Must never print what was not
 * proven. */
#include <fcntl.h>

#include "mirror-tool/k8s/yaml_text.h"
#include "mirror-tool/policy/convert.h"
#include "mirror-tool/policy/specimens.h"
#include "mirror-tool/policy_differences.h"
#include "mirror-tool/policy_input.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define CONVERT_OPTIONS(OPTION, S)                                                                 \
	OPTION(S, WORD, api, "api", "VERSION", "v1beta1",                                          \
		"of ClusterNetworkPolicy: v1beta1 or v1alpha2", .words = version_words)            \
	OPTION(S, FLAG, all, "all", NULL, NULL, "pass all other objects by")                       \
	OPTION(S, PATH, to, "to", "FILE", NULL, "write there; default: standard output")           \
	POLICY_OPTIONS(OPTION, S)
static const char *const version_words[] = { "v1beta1", "v1alpha2", NULL };
struct policy_convert_options {
	CONVERT_OPTIONS(SETTING_FIELD, policy_convert_options)
};
static const struct setting options[] = { CONVERT_OPTIONS(SETTING_ROW, policy_convert_options) };

#define CONVERTED "the conversion" /* the name of what is printed, for messages */

struct converting {
	const struct policy_convert_options *options;
	struct policy_options how;
	struct policy_input old, new;
	size_t given; /* objects of the paths; behind them in `old` are those that were made */
	size_t converted;
	struct buf text, others; /* the new policies; the rest */
	struct report *report;
};

static void converting_release(struct converting *v)
{
	policy_input_release(&v->new);
	policy_input_release(&v->old);
	buf_release(&v->text);
	buf_release(&v->others);
}

static void write_document(const struct node *root, struct buf *out)
{
	if (out->len)
		buf_str(out, "---\n");
	yaml_text(root, out);
}

/* An item of a list may have left its kind to the list. */
static void pass_by(const struct k8s_object *o, struct buf *out)
{
	if (node_get(o->root, "kind")) {
		write_document(o->root, out);
		return;
	}
	buf_printf(out, "%sapiVersion: %s\nkind: %s\n", out->len ? "---\n" : "", o->api_version,
		o->kind);
	yaml_text(o->root, out);
}

static int convert_all(struct converting *v, struct err *e)
{
	AUTO(k8s_notes_release) struct k8s_notes notes = K8S_NOTES_INIT;
	AUTO(mem_free)
	char *version = mem_printf("policy.networking.k8s.io/%s", v->options->api);

	for (size_t i = 0; i < v->given; i++) {
		const struct k8s_object *o = &v->old.objects.items[i];
		struct k8s_fields f = { v->how.decode, o, &notes };
		AUTO(doc_release) struct doc d = DOC_INIT;

		if (!convert_is_old(o)) {
			pass_by(o, &v->others);
			continue;
		}
		if (convert_policy(&f, version, &d, e) < 0)
			return -1;
		write_document(d.root, &v->text);
		v->converted++;
	}
	return 0;
}

/* What is going to be printed, read as anyone reads it, among all objects that stay. */
static int load_new(struct converting *v, struct err *e)
{
	struct k8s_objects *to = &v->new.objects;

	if (k8s_load_text(to, CONVERTED, buf_span(&v->text), e) < 0)
		return -1;
	for (size_t i = 0; i < v->old.objects.count; i++)
		if (!convert_is_old(&v->old.objects.items[i]))
			*VEC_PUSH(to->items, to->count) = v->old.objects.items[i];
	return model_make(&v->new.model, to, &v->how, e);
}

static bool is_new(const struct policy *p)
{
	return strcmp(p->object->doc->name, CONVERTED) == 0;
}

/* Among the old kinds, and between them and the new one, the order was known; now it must be, too. */
static int check_order(const struct model *m, struct err *e)
{
	for (size_t i = 1; i < m->policy_count; i++) {
		const struct policy *a = &m->policies[i - 1], *b = &m->policies[i];

		if (a->kind == POLICY_CLUSTER && b->kind == POLICY_CLUSTER && a->tier == b->tier &&
			a->order == b->order && (is_new(a) || is_new(b)))
			return err_set(e, ERR_INPUT,
				"ClusterNetworkPolicies %s and %s would have the same tier and "
				"priority (%.0f): which is first nobody can say",
				a->name, b->name, a->order);
	}
	return 0;
}

static int prepare(struct converting *v, const struct texts *paths, struct err *e)
{
	AUTO(buf_release) struct buf made = BUF_INIT;
	size_t left_out;

	if (policy_objects(&v->old.objects, paths, e) < 0)
		return -1;
	v->given = v->old.objects.count;
	left_out = specimens_make(&v->old.objects, v->how.decode, &made);
	if (left_out)
		tool_warn("of the pods that selectors tell apart %zu kinds are not compared, "
			  "beside %d that are",
			left_out, SPECIMENS_MAX);
	if (k8s_load_text(&v->old.objects, "made of selectors", buf_span(&made), e) < 0 ||
		policy_judge(&v->old, &v->how, e) < 0 || convert_all(v, e) < 0 ||
		load_new(v, e) < 0 || check_order(&v->new.model, e) < 0)
		return -1;
	judge_make(&v->new.judge, &v->new.model);
	return 0;
}

/* Compare, say what differs. Returns how much does. */
static size_t prove(struct converting *v)
{
	AUTO(differences_release) struct differences d = DIFFERENCES_INIT;

	differences_make(&d, &v->old.judge, &v->new.judge);
	return policy_say_differences(&d, v->report);
}

static int deliver(struct converting *v, struct tool *t, struct err *e)
{
	if (v->options->all && v->others.len) {
		if (v->text.len)
			buf_str(&v->text, "---\n");
		buf_add(&v->text, v->others.data, v->others.len);
	}
	report_text(v->report, "manifests", v->options->to ? "" : v->text.data);
	if (v->options->to)
		return fs_replace_file(AT_FDCWD, v->options->to, buf_span(&v->text), 0644, e);
	if (!t->json)
		fwrite(v->text.data, 1, v->text.len, t->out);
	return 0;
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct policy_convert_options *o = given;
	AUTO(report_release) struct report r = REPORT_INIT(t);
	AUTO(converting_release)
	struct converting v = { .options = o,
		.how = policy_options_of(o->engine, o->decode, o->ipblock_pods),
		.old = POLICY_INPUT_INIT,
		.new = POLICY_INPUT_INIT,
		.text = BUF_INIT,
		.others = BUF_INIT,
		.report = &r };
	size_t differences;

	if (!args->count)
		return tool_usage(e, "convert takes files or folders of manifests");
	if (prepare(&v, args, e) < 0)
		return -1;
	if (!v.converted)
		tool_warn("no AdminNetworkPolicy and no BaselineAdminNetworkPolicy is among them");
	report_object(&r, NULL);
	report_number(&r, "converted", v.converted);
	differences = prove(&v);
	if (differences)
		report_text(&r, "manifests", "");
	else if (deliver(&v, t, e) < 0)
		return -1;
	report_end(&r);
	if (report_print(&r, e) < 0)
		return -1;
	if (!differences)
		return 0;
	return err_set(e, ERR_DIFFERS,
		"nothing is written: pairs that would reach each other otherwise: %zu",
		differences);
}

const struct command cmd_policy_convert = {
	.name = "policy convert",
	.args = "[--api VERSION] [--all] [--to FILE] PATH...",
	.summary = "AdminNetworkPolicy and BaselineAdminNetworkPolicy as ClusterNetworkPolicy",
	.about =
		"Before anything is written both are judged, over the objects given and over pods\n"
		"made of every selector. The exit status is 10 when a connection differs.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct policy_convert_options),
	.run = run,
};
