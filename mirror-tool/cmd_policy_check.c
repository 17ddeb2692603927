/* `moat policy check`: the lint of network policies. Must never write. */
#include <stdlib.h>

#include "mirror-tool/policy/compare.h"
#include "mirror-tool/policy/lint.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
#include "storage/base/banned.h"

#define CHECK_OPTIONS(OPTION, S)                                                                   \
	OPTION(S, WORD, severity, "severity", "note|warning|error", "warning",                     \
		"leave out what is less", .words = severity_names)                                 \
	OPTION(S, WORD, engine, "engine", "api|calico|cilium", "api",                              \
		"whose rules: the API's text, Calico 3.32's or Cilium 1.20's",                     \
		.words = policy_engine_words)                                                      \
	OPTION(S, FLAG, require_justification, "require-justification", NULL, NULL,                \
		"each policy that allows something has the annotation moat.local/justification")   \
	OPTION(S, FLAG, sarif, "sarif", NULL, NULL, "print SARIF 2.1.0")                           \
	OPTION(S, FLAG, engines, "engines", NULL, NULL,                                            \
		"print the connections on which engines, or a strict decoder, disagree")           \
	OPTION(S, FLAG, rules, "rules", NULL, NULL, "print the rules and check nothing")
struct check_options {
	CHECK_OPTIONS(SETTING_FIELD, check_options)
};
static const struct setting options[] = { CHECK_OPTIONS(SETTING_ROW, check_options) };

struct check {
	struct k8s_objects objects;
	struct lint lint;
	enum severity least;
	size_t count; /* of findings that are shown */
};

static void check_release(struct check *c)
{
	lint_release(&c->lint);
	k8s_objects_release(&c->objects);
}

static bool is_shown(const struct check *c, const struct lint_finding *f)
{
	return lint_rules[f->rule].severity >= c->least;
}

/* --- the rules ------------------------------------------------------------------------------------------ */

static int print_rules(const struct tool *t, struct err *e)
{
	static const struct report_column columns[] = { { "rule", "RULE" },
		{ "severity", "SEVERITY" }, { "what", "WHAT" } };
	AUTO(report_release) struct report r = REPORT_INIT(t);

	report_table(&r, NULL, columns, ARRAY_SIZE(columns), true);
	for (size_t i = 0; i < LINT_COUNT; i++) {
		report_row(&r, true);
		report_text(&r, "rule", lint_rules[i].id);
		report_text(&r, "severity", severity_names[lint_rules[i].severity]);
		report_text(&r, "what", lint_rules[i].what);
		report_text(&r, "fix", lint_rules[i].fix);
		report_end(&r);
	}
	report_end(&r);
	return report_print(&r, e);
}

/* --- text and JSON ---------------------------------------------------------------------------------------- */

static void say_finding(struct report *r, const struct lint_finding *f)
{
	const struct lint_rule *rule = &lint_rules[f->rule];
	const struct k8s_object *o = f->object;

	report_object(r, NULL);
	report_text(r, "rule", rule->id);
	report_text(r, "severity", severity_names[rule->severity]);
	report_text(r, "file", o->doc->name);
	report_number(r, "line", f->at->line);
	report_text(r, "kind", o->kind);
	report_text(r, "namespace", o->ns);
	report_text(r, "name", o->name);
	report_text(r, "text", f->text);
	report_text(r, "fix", rule->fix);
	report_line(r, "%s:%u: %s: %s %s%s%s: %s; %s [%s]", o->doc->name, f->at->line,
		severity_names[rule->severity], o->kind, o->ns, *o->ns ? "/" : "", o->name, f->text,
		rule->fix, rule->id);
	report_end(r);
}

static int print_findings(struct check *c, const struct tool *t, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);

	report_list(&r, NULL);
	for (size_t i = 0; i < c->lint.count; i++)
		if (is_shown(c, &c->lint.items[i]))
			say_finding(&r, &c->lint.items[i]);
	report_end(&r);
	return report_print(&r, e);
}

/* --- SARIF 2.1.0 ---------------------------------------------------------------------------------------------- */

static void sarif_message(struct report *r, const char *key, const char *text)
{
	report_object(r, key);
	report_text(r, "text", text);
	report_end(r);
}

static void sarif_rules(struct report *r)
{
	report_array(r, "rules");
	for (size_t i = 0; i < LINT_COUNT; i++) {
		report_object(r, NULL);
		report_text(r, "id", lint_rules[i].id);
		sarif_message(r, "shortDescription", lint_rules[i].what);
		sarif_message(r, "help", lint_rules[i].fix);
		report_object(r, "defaultConfiguration");
		report_text(r, "level", severity_names[lint_rules[i].severity]);
		report_end(r);
		report_end(r);
	}
	report_end(r);
}

/* A file name as the path of a URI. */
static void sarif_path(struct report *r, const char *name)
{
	AUTO(buf_release) struct buf uri = BUF_INIT;
	const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";

	for (const char *p = name; *p; p++) {
		if (strchr(plain, *p))
			buf_char(&uri, *p);
		else
			buf_printf(&uri, "%%%02X", (unsigned char)*p);
	}
	report_text(r, "uri", uri.data);
}

static void sarif_location(struct report *r, const struct lint_finding *f)
{
	const struct k8s_object *o = f->object;
	AUTO(mem_free)
	char *object = mem_printf("%s %s%s%s", o->kind, o->ns, *o->ns ? "/" : "", o->name);

	report_array(r, "locations");
	report_object(r, NULL);
	report_object(r, "physicalLocation");
	report_object(r, "artifactLocation");
	sarif_path(r, o->doc->name);
	report_end(r);
	report_object(r, "region");
	report_number(r, "startLine", f->at->line);
	report_end(r);
	report_end(r);
	report_array(r, "logicalLocations");
	report_object(r, NULL);
	report_text(r, "fullyQualifiedName", object);
	report_end(r);
	report_end(r);
	report_end(r);
	report_end(r);
}

static void sarif_results(struct report *r, const struct check *c)
{
	report_list(r, "results");
	for (size_t i = 0; i < c->lint.count; i++) {
		const struct lint_finding *f = &c->lint.items[i];
		AUTO(mem_free)
		char *text = mem_printf("%s; %s.", f->text, lint_rules[f->rule].fix);

		if (!is_shown(c, f))
			continue;
		report_object(r, NULL);
		report_text(r, "ruleId", lint_rules[f->rule].id);
		report_number(r, "ruleIndex", f->rule);
		report_text(r, "level", severity_names[lint_rules[f->rule].severity]);
		sarif_message(r, "message", text);
		sarif_location(r, f);
		report_end(r);
	}
	report_end(r);
}

static int print_sarif(struct check *c, const struct tool *t, struct err *e)
{
	struct tool as_json = *t;
	AUTO(report_release) struct report r = REPORT_INIT(&as_json);

	as_json.json = true;
	report_object(&r, NULL);
	report_text(&r, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	report_text(&r, "version", "2.1.0");
	report_array(&r, "runs");
	report_object(&r, NULL);
	report_object(&r, "tool");
	report_object(&r, "driver");
	report_text(&r, "name", "moat policy check");
	sarif_rules(&r);
	report_end(&r);
	report_end(&r);
	sarif_results(&r, c);
	report_end(&r);
	report_end(&r);
	report_end(&r);
	return report_print(&r, e);
}

/* --- connections that differ ------------------------------------------------------------------------------------------ */

enum view { VIEW_API, VIEW_CALICO, VIEW_CILIUM, VIEW_STRICT };
static const char *const view_names[COMPARE_MAX] = { "api", "calico", "cilium", "strict" };

/* The same objects, judged for each view. */
struct views {
	struct k8s_objects strict; /* those that a strict decoder takes; its array is ours */
	struct model models[COMPARE_MAX];
	struct judge judges[COMPARE_MAX];
	struct compare compare;
	struct buf texts[COMPARE_MAX], src, dst;
};

static void views_release(struct views *v)
{
	compare_release(&v->compare);
	for (size_t i = 0; i < COMPARE_MAX; i++) {
		judge_release(&v->judges[i]);
		model_release(&v->models[i]);
		buf_release(&v->texts[i]);
	}
	buf_release(&v->src);
	buf_release(&v->dst);
	free(v->strict.items);
}

static void views_init(struct views *v)
{
	*v = (struct views){ .src = BUF_INIT, .dst = BUF_INIT };
	for (size_t i = 0; i < COMPARE_MAX; i++) {
		v->models[i] = (struct model)MODEL_INIT;
		v->judges[i] = (struct judge)JUDGE_INIT;
		v->texts[i] = (struct buf)BUF_INIT;
	}
}

static bool is_noted(const struct lint *l, const struct k8s_object *o)
{
	for (size_t i = 0; i < l->model.notes.count; i++)
		if (l->model.notes.items[i].object == o)
			return true;
	return false;
}

/* What a strict API server would have of them. */
static void keep_strict(const struct lint *l, struct k8s_objects *out)
{
	out->items = mem_alloc((l->objects.count + 1) * sizeof(*out->items));
	for (size_t i = 0; i < l->objects.count; i++)
		if (!is_noted(l, &l->objects.items[i]))
			out->items[out->count++] = l->objects.items[i];
}

static int make_views(struct views *v, const struct lint *l, struct err *e)
{
	struct judge *judges[COMPARE_MAX];

	keep_strict(l, &v->strict);
	for (size_t i = 0; i < COMPARE_MAX; i++) {
		const char *engine = i == VIEW_STRICT ? view_names[VIEW_API] : view_names[i];
		struct policy_options how = policy_options_of(engine, policy_decode_words[0], NULL);

		how.decode = l->model.options.decode;
		if (model_make(&v->models[i], i == VIEW_STRICT ? &v->strict : &l->objects, &how,
			    e) < 0)
			return err_ctx(e, "by %s", view_names[i]);
		judge_make(&v->judges[i], &v->models[i]);
		judges[i] = &v->judges[i];
	}
	compare_make(&v->compare, judges, COMPARE_MAX);
	return 0;
}

static void name_end(const struct views *v, size_t number, struct buf *out)
{
	const struct compare_end *end = &v->compare.ends[number];
	const struct model *m = &v->models[VIEW_API];
	char text[ADDRESS_TEXT_SIZE];

	buf_clear(out);
	if (end->outside) {
		buf_printf(out, "ext:%s", address_text(&end->address, text));
		return;
	}
	buf_printf(out, "%s/%s", m->namespaces[m->workloads[end->workload].ns].name,
		m->workloads[end->workload].name);
	if (end->alike)
		buf_printf(out, " and %u like it", end->alike);
}

static bool say_difference(struct views *v, size_t src, size_t dst, struct report *r)
{
	for (size_t i = 0; i < COMPARE_MAX; i++)
		buf_clear(&v->texts[i]);
	if (!compare_pair(&v->compare, src, dst, v->texts))
		return false;
	name_end(v, src, &v->src);
	name_end(v, dst, &v->dst);
	report_object(r, NULL);
	report_text(r, "src", v->src.data);
	report_text(r, "dst", v->dst.data);
	report_text(r, "api", v->texts[VIEW_API].data);
	report_text(r, "calico", v->texts[VIEW_CALICO].data);
	report_text(r, "cilium", v->texts[VIEW_CILIUM].data);
	report_text(r, "strict", v->texts[VIEW_STRICT].data);
	report_line(r, "%s => %s : api %s | calico %s | cilium %s | strict %s", v->src.data,
		v->dst.data, v->texts[VIEW_API].data, v->texts[VIEW_CALICO].data,
		v->texts[VIEW_CILIUM].data, v->texts[VIEW_STRICT].data);
	report_end(r);
	return true;
}

static int print_engines(const struct check *c, const struct tool *t, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);
	AUTO(views_release) struct views v;
	size_t count = 0;

	views_init(&v);
	if (make_views(&v, &c->lint, e) < 0)
		return -1;
	report_list(&r, NULL);
	for (size_t i = 0; i < v.compare.count; i++)
		for (size_t k = 0; k < v.compare.count; k++)
			count += say_difference(&v, i, k, &r);
	report_end(&r);
	if (report_print(&r, e) < 0)
		return -1;
	if (!count)
		return 0;
	return err_set(e, ERR_DIFFERS,
		"%zu pairs of ends have other connections by engine or decoder", count);
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct check_options *o = given;
	AUTO(check_release) struct check c = { .objects = K8S_OBJECTS_INIT, .lint = LINT_INIT };
	struct policy_options engine = policy_options_of(o->engine, policy_decode_words[0], NULL);

	if (o->rules && !args->count)
		return print_rules(t, e);
	if (!args->count || o->rules)
		return tool_usage(e, "check takes manifests, files or folders; or --rules alone");
	if (o->engines && o->sarif)
		return tool_usage(e, "--sarif prints findings, and --engines connections");
	while (strcmp(severity_names[c.least], o->severity) != 0)
		c.least++;
	if (policy_objects(&c.objects, args, e) < 0 ||
		lint_make(&c.lint, &c.objects, &engine, o->require_justification, e) < 0)
		return -1;
	if (o->engines)
		return print_engines(&c, t, e);
	for (size_t i = 0; i < c.lint.count; i++)
		c.count += is_shown(&c, &c.lint.items[i]);
	if ((o->sarif ? print_sarif(&c, t, e) : print_findings(&c, t, e)) < 0)
		return -1;
	if (!c.count)
		return 0;
	return err_set(
		e, ERR_DIFFERS, "%zu findings, of severity \"%s\" or above", c.count, o->severity);
}

const struct command cmd_policy_check = {
	.name = "policy check",
	.args = "[--severity S] [--sarif] PATH...",
	.summary = "find what is wrong or hardly meant in network policies",
	.about =
		"Each PATH is a manifest or a folder of them, as for policy eval. A finding says "
		"its\n"
		"file and line, the object, what each selector selects, what to do, and its rule.\n"
		"The exit status is 10 when there is one of the severity or above.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct check_options),
	.run = run,
};
