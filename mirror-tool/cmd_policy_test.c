/* `moat policy test`: assertions about connections against manifests. Must write nothing but the report asked for. */
#include <fcntl.h>

#include "mirror-tool/policy/assertions.h"
#include "mirror-tool/policy/explain.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define TEST_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, PATH, junit, "junit", "FILE", NULL, "write the results as JUnit XML, too")       \
	OPTION(S, FLAG, tap, "tap", NULL, false,                                                   \
		"print the results in the Test Anything Protocol")                                 \
	POLICY_OPTIONS(OPTION, S)
struct test_options {
	TEST_OPTIONS(SETTING_FIELD, test_options)
};
static const struct setting options[] = { TEST_OPTIONS(SETTING_ROW, test_options) };

struct testing {
	const struct test_options *options;
	const char *name; /* of the file of assertions */
	struct policy_input input;
	struct assertions list;
	size_t failed;
	struct buf xml; /* test cases */
};

static void testing_release(struct testing *t)
{
	assertions_release(&t->list);
	policy_input_release(&t->input);
	buf_release(&t->xml);
}

/* --- one assertion ---------------------------------------------------------------------------------- */

/* "allow prod/web prod/db TCP/5432" */
static void title(const struct assertion *a, struct buf *out)
{
	buf_printf(out, "%s %s %s %s/%u", verdict_name((enum verdict)a->probe.stated[0]),
		a->probe.src, a->probe.dst, proto_name(a->probe.proto), a->probe.port);
}

/* One line on why the first connection that fails has its verdict. */
static void why(struct testing *t, const struct assertion *a, const struct assertion_result *is,
	struct buf *out)
{
	AUTO(explanation_release)
	struct explanation x = { .names = { is->src, is->dst },
		.ends = { is->ends[0], is->ends[1] },
		.proto = a->probe.proto,
		.port = a->probe.port };
	enum direction d;

	explain(&x, &t->input.judge);
	d = explain_side(&x);
	if (x.is.verdict == VERDICT_ALLOW && !x.sides[INGRESS].count)
		d = EGRESS; /* it may have a rule to show */
	buf_printf(out, "%s -> %s is %s: ", is->src, is->dst, verdict_name(is->is.verdict));
	side_text(&x, &t->input.judge, d, out);
}

/* XML has no other way for these; control bytes have none at all. */
static void xml_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			buf_str(out, "&lt;");
		else if (*text == '&')
			buf_str(out, "&amp;");
		else if (*text == '"')
			buf_str(out, "&quot;");
		else
			buf_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
	}
}

static void add_case(
	struct testing *t, const struct assertion *a, const char *name, const char *text)
{
	struct buf *x = &t->xml;

	buf_str(x, "  <testcase classname=\"");
	xml_text(x, *a->owner ? a->owner : "policy");
	buf_str(x, "\" name=\"");
	xml_text(x, name);
	buf_printf(x, "\" line=\"%u\"", a->probe.line);
	if (!*text) {
		buf_str(x, "/>\n");
		return;
	}
	buf_str(x, "><failure message=\"");
	xml_text(x, text);
	buf_str(x, "\"/></testcase>\n");
}

static void say_text(struct testing *t, const struct assertion *a, size_t number, const char *name,
	const char *text, struct report *r)
{
	if (t->options->tap) {
		report_line(r, "%sok %zu - %s", *text ? "not " : "", number, name);
		if (*text)
			report_line(r, "# %s:%u: %s", t->name, a->probe.line, text);
		return;
	}
	if (!*text)
		return;
	report_line(r, "%s:%u: %s: %s", t->name, a->probe.line, name, text);
	if (*a->because || *a->owner)
		report_line(r, "    %s%s%s%s", *a->because ? "because " : "", a->because,
			*a->owner ? *a->because ? ", owner " : "owner " : "", a->owner);
}

static void say(const struct assertion *a, const struct assertion_result *is, const char *text,
	struct report *r)
{
	report_object(r, NULL);
	report_number(r, "line", a->probe.line);
	report_text(r, "stated", verdict_name((enum verdict)a->probe.stated[0]));
	report_text(r, "src", a->probe.src);
	report_text(r, "dst", a->probe.dst);
	report_text(r, "protocol", proto_name(a->probe.proto));
	report_number(r, "port", a->probe.port);
	report_text(r, "owner", a->owner);
	report_text(r, "because", a->because);
	report_flag(r, "holds", !*text);
	report_number(r, "asked", is->asked);
	report_number(r, "failed", is->failed);
	report_text(r, "why", text);
	report_end(r);
}

static void test_one(struct testing *t, size_t number, struct report *r)
{
	AUTO(buf_release) struct buf name = BUF_INIT, text = BUF_INIT;
	const struct assertion *a = &t->list.items[number];
	struct assertion_result is;

	assertion_judge(a, &t->input.judge, NULL, false, &is);
	if (is.failed)
		why(t, a, &is, &text);
	else if (!is.asked)
		buf_str(&text, "there is no such connection");
	if (is.failed > 1)
		buf_printf(&text, "; %zu of %zu such connections fail", is.failed, is.asked);
	t->failed += text.len > 0;
	title(a, &name);
	say_text(t, a, number + 1, name.data, text.data, r);
	say(a, &is, text.data, r);
	if (t->options->junit)
		add_case(t, a, name.data, text.data);
}

/* --- all --------------------------------------------------------------------------------------------- */

static int write_junit(const struct testing *t, struct err *e)
{
	AUTO(buf_release) struct buf all = BUF_INIT;

	buf_printf(&all,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"moat policy\" "
		"tests=\"%zu\" failures=\"%zu\">\n%s</testsuite>\n",
		t->list.count, t->failed, t->xml.data);
	return fs_replace_file(AT_FDCWD, t->options->junit, buf_span(&all), 0644, e);
}

static int load(struct testing *t, const struct texts *args, struct err *e)
{
	const struct test_options *o = t->options;
	struct policy_options how = policy_options_of(o->engine, o->decode, o->ipblock_pods);
	struct texts paths = { .items = args->items + 1, .count = args->count - 1 };

	if (policy_load(&t->input, &paths, &how, e) < 0)
		return -1;
	return policy_assertions(&t->input, &t->list, t->name, e);
}

static int run(struct tool *tool, const void *given, const struct texts *args, struct err *e)
{
	AUTO(testing_release)
	struct testing t = { .options = given,
		.input = POLICY_INPUT_INIT,
		.list = ASSERTIONS_INIT,
		.xml = BUF_INIT };
	AUTO(report_release) struct report r = REPORT_INIT(tool);
	int rc;

	if (args->count < 2)
		return tool_usage(e, "test takes a file of assertions, and manifests, files or "
				     "folders");
	t.name = args->items[0];
	rc = load(&t, args, e);
	if (rc)
		return rc;
	report_object(&r, NULL);
	if (t.options->tap) {
		report_line(&r, "TAP version 13");
		report_line(&r, "1..%zu", t.list.count);
	}
	report_list(&r, "assertions");
	for (size_t i = 0; i < t.list.count; i++)
		test_one(&t, i, &r);
	report_end(&r);
	report_number(&r, "held", t.list.count - t.failed);
	report_number(&r, "failed", t.failed);
	if (!t.options->tap)
		report_line(
			&r, "%zu of %zu assertions hold", t.list.count - t.failed, t.list.count);
	report_end(&r);
	if (t.options->junit && write_junit(&t, e) < 0)
		return -1;
	if (report_print(&r, e) < 0)
		return -1;
	if (!t.failed)
		return 0;
	return err_set(e, ERR_DIFFERS, "%zu of %zu assertions do not hold", t.failed, t.list.count);
}

const struct command cmd_policy_test = {
	.name = "policy test",
	.args = "[--junit FILE] [--tap] FILE PATH...",
	.summary = "assertions about connections, against manifests",
	.about = "A line of FILE: allow|deny|unknown SRC DST PROTO/PORT [owner=NAME] [because "
		 "TEXT];\n"
		 "SRC and DST may be patterns (prod/*, ext:10.0.0.0/8), '#' begins a comment. "
		 "Columns\n"
		 "of a file of probes are taken, too. The exit status is 10 when one does not "
		 "hold.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct test_options),
	.run = run,
};
