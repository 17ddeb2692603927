/* `moat policy check`: the lint of network policies. Must never write. */
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
	while (strcmp(severity_names[c.least], o->severity) != 0)
		c.least++;
	if (policy_objects(&c.objects, args, e) < 0 ||
		lint_make(&c.lint, &c.objects, &engine, o->require_justification, e) < 0)
		return -1;
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
