/* Selectors -> pods that they tell apart. Must never take what a selector asks for from its conversion. */
#include "mirror-tool/policy/specimens.h"

#include <stdlib.h>

#include "mirror-tool/policy/convert.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define OTHER "moat-other" /* a value that nothing asks for */
#define NAME_LABEL "kubernetes.io/metadata.name"

/* A label; value NULL: not there. */
struct wish {
	const char *key, *value;
};

struct wishes {
	struct wish *items;
	size_t count;
};

/* Labels as JSON, and of a namespace its name when the labels say it. */
struct form {
	char *labels;
	const char *name;
};

struct forms {
	struct form *items; /* the first: what the selector selects */
	size_t count;
};

struct specimens {
	const struct k8s_objects *objects;
	const struct k8s_fields *f; /* of the policy at hand */
	char **kinds; /* "namespace labels|pod labels" of each that is made */
	size_t kind_count, left_out;
	char **spaces; /* labels of each namespace that is made; its number is its name */
	size_t space_count;
	struct buf *out;
};

static void wish(struct wishes *w, const char *key, const char *value)
{
	*VEC_PUSH(w->items, w->count) = (struct wish){ key, value };
}

static void wish_others(struct wishes *others, const char *key)
{
	wish(others, key, NULL);
	wish(others, key, OTHER);
}

/* One requirement: what meets it, and every other value that its key may have. */
static void ask(const struct k8s_fields *f, const struct node *expression, struct wishes *met,
	struct wishes *others)
{
	const struct node *key = k8s_get(f, expression, "key"),
			  *operator= k8s_get(f, expression, "operator"),
			  *values = k8s_get(f, expression, "values");
	bool absent = operator&&(*operator->text == 'N' || * operator->text == 'D');

	if (!key)
		return;
	wish(met, key->text, absent ? NULL : values && values->count ? values->first->text : OTHER);
	wish_others(others, key->text);
	if (values)
		node_each(n, values)
		{
			wish(others, key->text, n->text);
		}
}

static void ask_all(const struct k8s_fields *f, const struct node *selector, struct wishes *met,
	struct wishes *others)
{
	const struct node *labels = k8s_get(f, selector, "matchLabels"),
			  *list = k8s_get(f, selector, "matchExpressions");

	if (labels)
		node_each(n, labels)
		{
			wish(met, n->key, n->text);
			wish_others(others, n->key);
		}
	if (list)
		node_each(n, list)
		{
			ask(f, n, met, others);
		}
}

/* --- forms ------------------------------------------------------------------------------------------------- */

/* Does a later wish, or the one that is put in the place of all, have the key of the i-th? */
static bool is_outdone(const struct wishes *w, size_t i, const struct wish *instead)
{
	if (instead && strcmp(instead->key, w->items[i].key) == 0)
		return true;
	for (size_t k = i + 1; k < w->count; k++)
		if (strcmp(w->items[k].key, w->items[i].key) == 0)
			return true;
	return false;
}

static void add_label(struct form *form, struct buf *text, const struct wish *w)
{
	if (!w->value)
		return;
	if (strcmp(w->key, NAME_LABEL) == 0)
		form->name = w->value;
	if (text->len)
		buf_char(text, ',');
	json_quote(text, w->key, false);
	buf_char(text, ':');
	json_quote(text, w->value, false);
}

static void add_form(struct forms *forms, const struct wishes *met, const struct wish *instead)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct form *form = VEC_PUSH(forms->items, forms->count);

	for (size_t i = 0; i < met->count; i++)
		if (!is_outdone(met, i, instead))
			add_label(form, &text, &met->items[i]);
	if (instead)
		add_label(form, &text, instead);
	form->labels = buf_detach(&text);
}

static void forms_of(const struct k8s_fields *f, const struct node *selector, struct forms *out)
{
	struct wishes met = { 0 }, others = { 0 };

	ask_all(f, selector, &met, &others);
	add_form(out, &met, NULL);
	for (size_t i = 0; i < others.count && i < SPECIMENS_MAX; i++)
		add_form(out, &met, &others.items[i]);
	free(met.items);
	free(others.items);
}

static void forms_release(struct forms *forms)
{
	for (size_t i = 0; i < forms->count; i++)
		free(forms->items[i].labels);
	free(forms->items);
}

/* --- objects ----------------------------------------------------------------------------------------------- */

/* The number of the text in a list, which is its count when it is not there. */
static size_t find_text(char **list, size_t count, const char *text)
{
	size_t i = 0;

	while (i < count && strcmp(list[i], text) != 0)
		i++;
	return i;
}

static bool is_given(const struct specimens *s, const char *ns)
{
	for (size_t i = 0; i < s->objects->count; i++)
		if (strcmp(s->objects->items[i].kind, "Namespace") == 0 &&
			strcmp(s->objects->items[i].name, ns) == 0)
			return true;
	return false;
}

/* Of three pods NetworkPolicy isolates the second, and allows the third everything: so a rule that only allows shows, and
 * so do the tiers before and behind NetworkPolicy. */
static void add_policies(struct specimens *s, const char *ns)
{
	for (unsigned twin = 2; twin <= 3; twin++)
		buf_printf(s->out,
			"{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\","
			"\"metadata\":{\"name\":\"moat-made-%u\",\"namespace\":%s},\"spec\":"
			"{\"podSelector\":{\"matchLabels\":{\"moat-made\":\"%u\"}},"
			"\"policyTypes\":[\"Ingress\",\"Egress\"]%s}}\n",
			twin, ns, twin, twin == 3 ? ",\"ingress\":[{}],\"egress\":[{}]" : "");
}

/* The name of the namespace with such labels, as JSON. It is made when it is not there; one that is called so by its
 * labels has those that it got first. */
static void add_space(struct specimens *s, const struct form *ns, struct buf *name)
{
	const char *known = ns->name ? ns->name : ns->labels;
	size_t i = find_text(s->spaces, s->space_count, known);
	AUTO(mem_free) char *made = mem_printf("moat-made-%zu", i + 1);

	json_quote(name, ns->name ? ns->name : made, false);
	if (i < s->space_count)
		return;
	*VEC_PUSH(s->spaces, s->space_count) = mem_strdup(known);
	add_policies(s, name->data);
	if (!ns->name || !is_given(s, ns->name))
		buf_printf(s->out,
			"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":%s,"
			"\"labels\":{%s}}}\n",
			name->data, ns->labels);
}

static void add_pods(struct specimens *s, const struct form *ns, const struct form *pod)
{
	AUTO(mem_free)
	char *kind = mem_printf("%s|%s", ns->labels, pod->labels);
	AUTO(buf_release) struct buf name = BUF_INIT;

	if (find_text(s->kinds, s->kind_count, kind) < s->kind_count)
		return;
	if (s->kind_count >= SPECIMENS_MAX) {
		s->left_out++;
		return;
	}
	*VEC_PUSH(s->kinds, s->kind_count) = mem_strdup(kind);
	add_space(s, ns, &name);
	for (unsigned twin = 1; twin <= 3; twin++)
		buf_printf(s->out,
			"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
			"\"moat-made-%zu-%u\",\"namespace\":%s,\"labels\":{%s%s\"moat-made\":\"%"
			"u\"}}}\n",
			s->kind_count, twin, name.data, pod->labels, *pod->labels ? "," : "", twin);
}

/* `namespaces` or `pods` of a subject or peer: each form of its namespace with the pod that it selects, and the other
 * way round. */
static void add_selected(struct specimens *s, const struct node *peer)
{
	const struct node *pods = k8s_get(s->f, peer, "pods");
	const struct node *where =
		pods ? k8s_get(s->f, pods, "namespaceSelector") : k8s_get(s->f, peer, "namespaces");
	AUTO(forms_release) struct forms spaces = { 0 }, which = { 0 };

	if (!pods && !where)
		return;
	forms_of(s->f, where, &spaces);
	forms_of(s->f, k8s_get(s->f, pods, "podSelector"), &which);
	for (size_t i = 0; i < spaces.count; i++)
		add_pods(s, &spaces.items[i], &which.items[0]);
	for (size_t i = 1; i < which.count; i++)
		add_pods(s, &spaces.items[0], &which.items[i]);
}

static void add_rules(
	struct specimens *s, const struct node *spec, const char *key, const char *peers)
{
	const struct node *rules = k8s_get(s->f, spec, key);

	if (!rules)
		return;
	node_each(rule, rules)
	{
		const struct node *list = k8s_get(s->f, rule, peers);

		if (list)
			node_each(peer, list)
			{
				add_selected(s, peer);
			}
	}
}

static void drop_texts(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

size_t specimens_make(const struct k8s_objects *objects, enum k8s_decode decode, struct buf *out)
{
	AUTO(k8s_notes_release) struct k8s_notes notes = K8S_NOTES_INIT;
	struct specimens s = { .objects = objects, .out = out };

	for (size_t i = 0; i < objects->count; i++) {
		struct k8s_fields f = { decode, &objects->items[i], &notes };
		const struct node *spec = k8s_get(&f, objects->items[i].root, "spec");

		if (!convert_is_old(&objects->items[i]))
			continue;
		s.f = &f;
		add_selected(&s, k8s_get(&f, spec, "subject"));
		add_rules(&s, spec, "ingress", "from");
		add_rules(&s, spec, "egress", "to");
	}
	drop_texts(s.kinds, s.kind_count);
	drop_texts(s.spaces, s.space_count);
	return s.left_out;
}
