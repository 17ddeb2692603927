/* The model: its memory, and what readers put into it. Knows no kind of object. */
#include "mirror-tool/policy/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

static void rules_release(struct rules *r)
{
	mem_free(&r->items);
}

void model_release(struct model *m)
{
	for (size_t i = 0; i < m->policy_count; i++) {
		rules_release(&m->policies[i].sides[EGRESS]);
		rules_release(&m->policies[i].sides[INGRESS]);
	}
	for (size_t i = 0; i < m->finding_count; i++)
		free(m->findings[i].text);
	free(m->namespaces);
	free(m->workloads);
	free(m->sets);
	free(m->accounts);
	free(m->services);
	free(m->backends);
	free(m->blocks);
	free(m->tiers);
	free(m->policies);
	free(m->findings);
	names_release(&m->namespace_names);
	names_release(&m->tier_names);
	k8s_notes_release(&m->notes);
	port_pool_free(&m->ports);
	arena_release(&m->arena);
	*m = (struct model)MODEL_INIT;
}

/* --- for the readers ------------------------------------------------------------------------------------ */

int model_policy(struct model *m, const struct k8s_fields *f, enum policy_kind kind,
	struct policy **out, struct err *e)
{
	if (m->policy_count >= MODEL_POLICIES_MAX)
		return k8s_err(f, f->object->root, e, "more than %d policies", MODEL_POLICIES_MAX);
	*out = VEC_PUSH(m->policies, m->policy_count);
	**out = (struct policy){
		.kind = kind, .object = f->object, .ns = "", .name = f->object->name
	};
	return 0;
}

struct rule *rules_add(struct rules *r, const struct node *at)
{
	struct rule *rule = VEC_PUSH(r->items, r->count);

	rule->at = at;
	rule->number = (unsigned)(r->count - 1);
	return rule;
}

struct port_term *rule_term(struct model *m, struct rule *r)
{
	r->terms = arena_room(&m->arena, r->terms, r->term_count, sizeof(*r->terms));
	return &r->terms[r->term_count++];
}

uint32_t model_add_block(struct model *m, const struct block *b)
{
	*VEC_PUSH(m->blocks, m->block_count) = *b;
	return (uint32_t)(m->block_count - 1);
}

int model_block(struct model *m, const struct k8s_fields *f, const struct node *n, uint32_t *out,
	struct err *e)
{
	static const char *const faults[] = { [BLOCK_HOST_BITS] = "has bits behind its prefix",
		[BLOCK_ZEROS] = "has leading zeros",
		[BLOCK_MAPPED] = "is an IPv4 block in the clothes of IPv6" };
	const char *text = "";
	enum block_fault fault;
	struct block b;

	if (k8s_text(f, n, &text, e) < 0)
		return -1;
	if (m->block_count >= MODEL_BLOCKS_MAX)
		return k8s_err(f, n, e, "more than %d blocks of addresses", MODEL_BLOCKS_MAX);
	fault = block_parse(span_of(text), &b);
	if (fault == BLOCK_BAD)
		return k8s_err(f, n, e, "\"%.60s\" is no block of addresses (10.0.0.0/8)", text);
	if (fault)
		model_find(m, f, n, FOUND_BLOCK,
			"\"%s\" %s: refused when it is new, enforced where the cluster has it",
			text, faults[fault]);
	*out = model_add_block(m, &b);
	return 0;
}

void model_find(struct model *m, const struct k8s_fields *f, const struct node *at,
	enum finding_kind kind, const char *fmt, ...)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	*VEC_PUSH(m->findings, m->finding_count) =
		(struct finding){ kind, f->object, at, buf_detach(&text) };
}

void model_unknown(struct model *m, const struct k8s_fields *f, struct policy *p)
{
	p->tier = TIER_POLICY;
	p->order = -INFINITY;
	for (unsigned side = 0; side < 2; side++) {
		struct rule *r;

		free(p->sides[side].items);
		p->sides[side] = (struct rules){ .governs = p->sides[side].governs };
		if (!p->sides[side].governs)
			continue;
		r = rules_add(&p->sides[side], f->object->root);
		r->action = ACTION_UNKNOWN;
		r->peer = cond_new(&m->arena, COND_ANY);
		r->reason = REASON_KIND;
	}
	model_find(m, f, f->object->root, FOUND_UNKNOWN,
		"%s is not evaluated under this engine: whom it selects is unknown",
		f->object->kind);
}

int account_compare(const void *a, const void *b)
{
	const struct account *x = a, *y = b;
	int rc = strcmp(x->ns, y->ns);

	return rc ? rc : strcmp(x->name, y->name);
}

/* --- namespaces ------------------------------------------------------------------------------------- */

#define NAME_LABEL "kubernetes.io/metadata.name"

const char *namespace_of(const struct k8s_object *o)
{
	return *o->ns ? o->ns : "default";
}

/* The API server puts the name among the labels, and nothing else can be there. */
void namespace_label(struct model *m, struct namespace *ns)
{
	struct labels with = { .items = arena_alloc(
				       &m->arena, (ns->labels.count + 1) * sizeof(*with.items)) };
	size_t i = 0;

	for (; i < ns->labels.count && strcmp(ns->labels.items[i].key, NAME_LABEL) < 0; i++)
		with.items[with.count++] = ns->labels.items[i];
	with.items[with.count++] = (struct label){ NAME_LABEL, ns->name };
	for (; i < ns->labels.count; i++)
		if (strcmp(ns->labels.items[i].key, NAME_LABEL) != 0)
			with.items[with.count++] = ns->labels.items[i];
	ns->labels = with;
}

uint32_t model_namespace(struct model *m, const char *name)
{
	uint32_t next = (uint32_t)m->namespace_count,
		 number = names_number(&m->namespace_names, name, next);
	struct namespace *ns;

	if (number != next)
		return number;
	ns = VEC_PUSH(m->namespaces, m->namespace_count);
	*ns = (struct namespace){ .name = name };
	namespace_label(m, ns);
	return number;
}

/* --- conditions that readers share ------------------------------------------------------------------- */

struct cond *pod_peers(struct model *m, enum policy_kind kind)
{
	struct cond *pod = cond_new(&m->arena, COND_POD);

	if (kind == POLICY_NETWORK && m->options.engine == ENGINE_API)
		pod->bits = REASON_HOST_NETWORK;
	return pod;
}

struct cond *in_namespace(struct model *m, const char *ns)
{
	return cond_equal(&m->arena, PLACE_NAME, "namespace", ns);
}
