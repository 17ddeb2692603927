/* The groups of rules, asked one after the other. Must never find what depends on the order of files. */
#include <stdlib.h>

#include "mirror-tool/policy/lint.h"
#include "storage/base/banned.h"

/* --- what the readers found ------------------------------------------------------------------------------ */

/* The rule of what a reader found. */
static enum lint_id rule_of(enum finding_kind kind)
{
	static const enum lint_id rules[] = { [FOUND_REFUSED] = LINT_REFUSED,
		[FOUND_IGNORED] = LINT_NO_EFFECT,
		[FOUND_UNKNOWN] = LINT_NOT_EVALUATED,
		[FOUND_ODD] = LINT_ODD,
		[FOUND_BLOCK] = LINT_BLOCK_FORM,
		[FOUND_PRIORITY] = LINT_PRIORITY };

	return rules[kind];
}

static bool is_network_policy(const struct k8s_object *o)
{
	return strcmp(o->kind, "NetworkPolicy") == 0 &&
	       strncmp(o->api_version, "projectcalico.org/", 18) != 0;
}

static void add_findings(struct lint *l)
{
	for (size_t i = 0; i < l->model.finding_count; i++) {
		const struct finding *f = &l->model.findings[i];

		/* The groups say of these what else there is to say. */
		if (is_network_policy(f->object) && f->kind != FOUND_BLOCK)
			continue;
		lint_add(l, rule_of(f->kind), f->object, f->at, "%s", f->text);
	}
}

/* --- all ------------------------------------------------------------------------------------------------ */

static int by_place(const void *a, const void *b)
{
	const struct lint_finding *x = a, *y = b;
	int rc = strcmp(x->object->doc->name, y->object->doc->name);

	if (rc == 0)
		rc = (x->at->line > y->at->line) - (x->at->line < y->at->line);
	if (rc == 0)
		rc = strcmp(lint_rules[x->rule].id, lint_rules[y->rule].id);
	return rc ? rc : strcmp(x->text, y->text);
}

/* A scalar that is no string ends the API server's reading; then what clients make of it is looked at. */
static int read_model(struct lint *l, const struct policy_options *options, struct err *e)
{
	struct policy_options with = *options;
	struct err first = ERR_INIT;

	with.decode = DECODE_LENIENT;
	if (model_make(&l->model, &l->objects, &with, &first) == 0)
		return 0;
	model_release(&l->model);
	with.decode = DECODE_FOLDING;
	if (model_make(&l->model, &l->objects, &with, e) == 0)
		return 0;
	*e = first;
	return -1;
}

int lint_make(struct lint *l, const struct k8s_objects *objects,
	const struct policy_options *options, bool justified, struct err *e)
{
	lint_duplicates(l, objects);
	if (read_model(l, options, e) < 0)
		return -1;
	judge_make(&l->judge, &l->model);
	lint_objects(l, objects, justified);
	add_findings(l);
	for (size_t i = 0; i < l->model.policy_count; i++) {
		const struct policy *p = &l->model.policies[i];

		if (p->kind != POLICY_NETWORK)
			continue;
		lint_shape(l, p);
		lint_match(l, p);
		lint_ports(l, p);
	}
	lint_reach(l);
	if (l->count)
		qsort(l->items, l->count, sizeof(*l->items), by_place);
	return 0;
}
