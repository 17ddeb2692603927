/* `moat policy mutate`: do assertions notice when a part of a policy is gone? Must never write into manifests. */
#include <fcntl.h>

#include "mirror-tool/policy/mutate.h"
#include "mirror-tool/policy/words.h"
#include "mirror-tool/policy_input.h"
#include "mirror-tool/report.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define MUTATE_OPTIONS(OPTION, S)                                                                  \
	OPTION(S, PATH, tests, "tests", "FILE", NULL,                                              \
		"the assertions that should notice; - is standard input")                          \
	OPTION(S, PATH, write, "write", "FILE", NULL,                                              \
		"append the assertions that are missing to this file")                             \
	POLICY_OPTIONS(OPTION, S)
struct mutate_options {
	MUTATE_OPTIONS(SETTING_FIELD, mutate_options)
};
static const struct setting options[] = { MUTATE_OPTIONS(SETTING_ROW, mutate_options) };

static const char *const fates[] = { "refused", "same", "moved", "killed", "survived" };

struct mutation {
	struct policy_input input;
	struct assertions tests, more;
	struct buf lines; /* of `more` */
	struct mutants found;
};

static void mutation_release(struct mutation *v)
{
	mutants_release(&v->found);
	assertions_release(&v->tests);
	assertions_release(&v->more);
	buf_release(&v->lines);
	policy_input_release(&v->input);
}

/* --- the result ------------------------------------------------------------------------------------- */

static const struct node *first_of(const struct node *n)
{
	return n->up->first;
}

/* "spec.ingress[0].from": trees hold what is taken out no longer, but what it was in. */
static void path_text(const struct node *n, struct buf *out)
{
	unsigned at = 0;

	if (!n->up)
		return;
	path_text(n->up, out);
	if (n->key) {
		buf_printf(out, "%s%s", out->len ? "." : "", n->key);
		return;
	}
	for (const struct node *other = first_of(n); other && other != n; other = other->next)
		at++;
	buf_printf(out, "[%u]", at);
}

/* The root of an object is an item of its file's list. */
static void without_text(const struct mutant *m, struct buf *out)
{
	AUTO(buf_release) struct buf all = BUF_INIT, root = BUF_INIT;

	if (!m->at)
		return;
	path_text(m->policy->object->root, &root);
	path_text(m->at, &all);
	buf_str(out, all.data + root.len + (all.data[root.len] == '.'));
}

static void say_text(struct mutation *v, const struct mutant *m, const char *policy,
	const char *without, struct report *r)
{
	AUTO(buf_release) struct buf src = BUF_INIT, dst = BUF_INIT;
	const struct change *c = &m->first;
	const struct ends *s = &v->input.judge.ends;

	if (m->fate != MUTANT_SURVIVED)
		return;
	ends_name(s, c->src, false, &src);
	ends_name(s, c->dst, c->src == c->dst, &dst);
	report_line(r,
		"%s:%u: %s without %s: %s -> %s %s/%u was %s and is %s, and no assertion notices",
		m->policy->object->doc->name, m->at ? m->at->line : m->policy->object->root->line,
		policy, *without ? without : "all of it", src.data, dst.data, proto_name(c->proto),
		c->port, verdict_name(c->was), verdict_name(c->is));
}

static void say_change(struct mutation *v, const struct mutant *m, struct report *r)
{
	AUTO(buf_release) struct buf src = BUF_INIT, dst = BUF_INIT;
	const struct change *c = &m->first;
	const struct ends *s = &v->input.judge.ends;

	report_array(r, "change");
	if (m->opened || m->closed) {
		ends_name(s, c->src, false, &src);
		ends_name(s, c->dst, c->src == c->dst, &dst);
		report_object(r, NULL);
		report_text(r, "src", src.data);
		report_text(r, "dst", dst.data);
		report_text(r, "protocol", proto_name(c->proto));
		report_number(r, "port", c->port);
		report_text(r, "was", verdict_name(c->was));
		report_text(r, "is", verdict_name(c->is));
		report_end(r);
	}
	report_end(r);
}

static void say(struct mutation *v, const struct mutant *m, struct report *r)
{
	AUTO(buf_release) struct buf policy = BUF_INIT, without = BUF_INIT;

	policy_text(m->policy, &policy);
	without_text(m, &without);
	report_object(r, NULL);
	report_text(r, "file", m->policy->object->doc->name);
	report_number(r, "line", m->at ? m->at->line : m->policy->object->root->line);
	report_text(r, "policy", policy.data);
	report_text(r, "without", without.data);
	report_text(r, "fate", fates[m->fate]);
	report_number(r, "opened", m->opened);
	report_number(r, "closed", m->closed);
	report_number(r, "assertion", m->line);
	say_change(v, m, r);
	report_end(r);
	say_text(v, m, policy.data, without.data, r);
}

static void say_all(struct mutation *v, struct report *r)
{
	const size_t *n = v->found.fates;

	report_object(r, NULL);
	report_list(r, "mutants");
	for (size_t i = 0; i < v->found.count; i++)
		say(v, &v->found.items[i], r);
	report_end(r);
	for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
		report_number(r, fates[i], n[i]);
	report_number(r, "added", v->more.count);
	report_line(r,
		"%zu of %zu mutants are noticed; %zu change no connection, %zu would be refused%s",
		n[MUTANT_KILLED], n[MUTANT_KILLED] + n[MUTANT_SURVIVED], n[MUTANT_SAME],
		n[MUTANT_REFUSED],
		n[MUTANT_MOVED] ? "; some were not tried, see moat-policy(1)" : "");
	report_end(r);
}

/* --- running ------------------------------------------------------------------------------------------ */

/* What does not hold as things are would notice everything. */
static int check_tests(struct mutation *v, struct err *e)
{
	for (size_t i = 0; i < v->tests.count; i++) {
		const struct assertion *a = &v->tests.items[i];
		struct assertion_result is;

		assertion_judge(a, &v->input.judge, NULL, true, &is);
		if (is.failed)
			return err_set(e, ERR_DIFFERS,
				"line %u of the assertions does not hold as things are: see `moat "
				"policy test`",
				a->probe.line);
	}
	return 0;
}

static int append(const char *name, const struct mutation *v, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (!v->lines.len)
		return 0;
	if (fs_read_file(AT_FDCWD, name, PROBES_BYTES_MAX, &text, e) < 0)
		return -1;
	if (text.len && text.data[text.len - 1] != '\n')
		buf_char(&text, '\n');
	buf_add(&text, v->lines.data, v->lines.len);
	return fs_replace_file(AT_FDCWD, name, buf_span(&text), 0644, e);
}

static int judge_all(struct mutation *v, const struct mutate_options *o, const struct texts *paths,
	struct err *e)
{
	struct policy_options how = policy_options_of(o->engine, o->decode, o->ipblock_pods);
	int rc;

	if (policy_load(&v->input, paths, &how, e) < 0)
		return -1;
	rc = policy_assertions(&v->input, &v->tests, o->tests, e);
	if (rc)
		return rc;
	if (check_tests(v, e) < 0)
		return -1;
	return mutate(
		&v->input.model, &v->input.judge, &v->tests, &v->more, &v->lines, &v->found, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct mutate_options *o = given;
	AUTO(mutation_release)
	struct mutation v = { .input = POLICY_INPUT_INIT,
		.tests = ASSERTIONS_INIT,
		.more = ASSERTIONS_INIT,
		.lines = BUF_INIT,
		.found = MUTANTS_INIT };
	AUTO(report_release) struct report r = REPORT_INIT(t);
	int rc;

	if (!args->count || !o->tests)
		return tool_usage(e, "mutate takes manifests, files or folders, and --tests FILE");
	rc = judge_all(&v, o, args, e);
	if (rc)
		return rc;
	say_all(&v, &r);
	if (o->write && append(o->write, &v, e) < 0)
		return -1;
	if (report_print(&r, e) < 0)
		return -1;
	if (!v.found.fates[MUTANT_SURVIVED])
		return 0;
	return err_set(e, ERR_DIFFERS, "%zu mutants are not noticed by %s; %zu assertions would do",
		v.found.fates[MUTANT_SURVIVED], o->tests, v.more.count);
}

const struct command cmd_policy_mutate = {
	.name = "policy mutate",
	.args = "--tests FILE [--write FILE] PATH...",
	.summary = "do assertions notice when a part of a policy is gone?",
	.about = "Each key, item and policy is taken away in turn: what connections that opens or\n"
		 "closes, and whether an assertion of FILE notices. The exit status is 10 when "
		 "none\n"
		 "does. --write appends lines that would.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct mutate_options),
	.run = run,
};
