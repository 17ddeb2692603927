/* The table of rules, and how a finding is kept. Must never know what a rule looks for. */
#include "mirror-tool/policy/lint.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define LINT_ROW(name, id, severity, what, fix) { id, SEVERITY_##severity, what, fix },
const struct lint_rule lint_rules[LINT_COUNT] = { LINT_RULES(LINT_ROW) };

const char *const severity_names[] = { "note", "warning", "error", NULL };

void lint_release(struct lint *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].text);
	free(l->items);
	judge_release(&l->judge);
	model_release(&l->model);
	free(l->objects.items);
	free(l->services);
	*l = (struct lint)LINT_INIT;
}

void lint_add(struct lint *l, enum lint_id rule, const struct k8s_object *o, const struct node *at,
	const char *fmt, ...)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	*VEC_PUSH(l->items, l->count) = (struct lint_finding){ rule, o, at, buf_detach(&text) };
}

/* --- words ------------------------------------------------------------------------------------------- */

#define NAMES_MAX 4 /* then "and N more" */

void lint_names(const struct lint *l, const uint64_t *ends, struct buf *out)
{
	const struct ends *s = &l->judge.ends;
	const struct model *m = &l->model;
	size_t count = 0;

	for (size_t i = 0; i < m->workload_count; i++) {
		if (!bit_get(ends, s->of_workload[i]) || count++ >= NAMES_MAX)
			continue;
		buf_printf(out, "%s%s/%s", count > 1 ? ", " : "",
			m->namespaces[m->workloads[i].ns].name, m->workloads[i].name);
	}
	if (count > NAMES_MAX)
		buf_printf(out, " and %zu more", count - NAMES_MAX);
	if (bit_next(ends, s->first_outside, s->first_special) < s->first_special)
		buf_printf(out, "%soutside", count++ ? ", " : "");
	if (!count)
		buf_str(out, "nothing");
}

const struct node *lint_get(
	const struct lint *l, const struct policy *p, const struct node *map, const char *key)
{
	struct k8s_fields f = { l->model.options.decode, p->object, NULL };

	return k8s_get(&f, map, key);
}

const struct policy *lint_isolator(const struct lint *l, size_t end, enum direction side)
{
	size_t count;
	const size_t *policies = judge_policies(&l->judge, end, &count);

	for (size_t i = 0; i < count; i++)
		if (l->model.policies[policies[i]].sides[side].isolates)
			return &l->model.policies[policies[i]];
	return NULL;
}
