/* Lines -> assertions -> what became of them. Must never let an assertion about nothing hold. */
#include "mirror-tool/policy/assertions.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "storage/base/number.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define PATTERN_MAX 512

static void choice_release(struct choice *c)
{
	free(c->items);
	free(c->bits);
}

void assertions_release(struct assertions *a)
{
	for (size_t i = 0; i < a->count; i++) {
		choice_release(&a->items[i].src);
		choice_release(&a->items[i].dst);
	}
	free(a->items);
	arena_release(&a->arena);
	*a = (struct assertions)ASSERTIONS_INIT;
}

/* --- lines ------------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span next_word(struct span *rest)
{
	struct span word;

	while (rest->len && is_blank(*rest->data)) {
		rest->data++;
		rest->len--;
	}
	word = *rest;
	for (word.len = 0; rest->len && !is_blank(*rest->data); word.len++) {
		rest->data++;
		rest->len--;
	}
	return word;
}

/* Without a comment: '#' at the beginning or behind a blank; and without blanks at its end. */
static struct span without_comment(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] == '#' && (i == 0 || is_blank(line.data[i - 1])))
			line.len = i;
	while (line.len && (is_blank(line.data[line.len - 1]) || line.data[line.len - 1] == '\r'))
		line.len--;
	return line;
}

static int fail(const char *name, uint32_t line, struct span word, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s:%u: \"%.*s\" is no %s", name, line,
		(int)(word.len > 100 ? 100 : word.len), word.data ? word.data : "", what);
}

/* "TCP/5432" */
static bool parse_port(struct span word, struct probe *p)
{
	struct span proto = span_until(&word, '/');
	uint64_t port;

	if (!proto_parse(proto, &p->proto) || !number_parse(word, PORT_MAX, &port) || port == 0)
		return false;
	p->port = (unsigned)port;
	return true;
}

static int parse_rest(struct assertions *a, const char *name, struct assertion *out,
	struct span rest, struct err *e)
{
	static const char owner[] = "owner=";
	struct span word = next_word(&rest);

	if (word.len > strlen(owner) && strncmp(word.data, owner, strlen(owner)) == 0) {
		out->owner = arena_text(&a->arena,
			(struct span){ word.data + strlen(owner), word.len - strlen(owner) });
		word = next_word(&rest);
	}
	if (!word.len)
		return 0;
	if (!span_is(word, "because") || !rest.len)
		return fail(name, out->probe.line, word,
			"owner=NAME, and no \"because\" with a reason behind it", e);
	out->because = arena_text(&a->arena, (struct span){ rest.data + 1, rest.len - 1 });
	return 0;
}

static int parse_words(struct assertions *a, const char *name, struct assertion *out,
	struct span line, struct err *e)
{
	struct span verdict = next_word(&line), src = next_word(&line), dst = next_word(&line),
		    port = next_word(&line);
	uint32_t number = out->probe.line;
	enum verdict stated;

	if (!verdict_parse(verdict, &stated))
		return fail(name, number, verdict, "verdict: allow, deny, unknown", e);
	if (!port.len)
		return err_set(e, ERR_INPUT,
			"%s:%u: an assertion is VERDICT SRC DST PROTO/PORT, and may have "
			"owner=NAME "
			"and \"because\" with a reason",
			name, number);
	if (!parse_port(port, &out->probe))
		return fail(name, number, port, "port: TCP/5432, UDP/53, SCTP/3868", e);
	out->probe.stated[0] = (int)stated;
	out->probe.stated[1] = out->probe.stated[2] = -1;
	out->probe.src = arena_text(&a->arena, src);
	out->probe.dst = arena_text(&a->arena, dst);
	return parse_rest(a, name, out, line, e);
}

/* The columns of a file of probes. */
static int parse_columns(struct assertions *a, const char *name, struct assertion *out,
	struct span line, struct err *e)
{
	AUTO(probes_release) struct probes one = PROBES_INIT;
	uint32_t number = out->probe.line;

	if (probes_parse_line(&one, name, number, line, e) < 0)
		return -1;
	out->probe = one.items[0];
	if (out->probe.stated[0] < 0)
		return err_set(e, ERR_INPUT, "%s:%u: the line states no verdict", name, number);
	out->probe.src = arena_text(&a->arena, span_of(out->probe.src));
	out->probe.dst = arena_text(&a->arena, span_of(out->probe.dst));
	return 0;
}

/* Columns: behind the first tab there are two more, and the first word is no verdict. */
static bool has_columns(struct span line)
{
	struct span rest = line, first = span_until(&rest, '\t');
	enum verdict v;
	unsigned tabs = 0;

	for (size_t i = 0; i < line.len; i++)
		tabs += line.data[i] == '\t';
	return tabs >= 3 && !verdict_parse(next_word(&first), &v);
}

static int parse_line(
	struct assertions *a, const char *name, uint32_t number, struct span line, struct err *e)
{
	struct assertion out = { .probe = { .line = number }, .owner = "", .because = "" };

	if (has_columns(line) ? parse_columns(a, name, &out, line, e) < 0
			      : parse_words(a, name, &out, line, e) < 0)
		return -1;
	*VEC_PUSH(a->items, a->count) = out;
	return 0;
}

int assertions_parse(struct assertions *a, const char *name, struct span text, struct err *e)
{
	uint32_t number = 0;

	if (memchr(text.data, 0, text.len))
		return err_set(e, ERR_INPUT, "%s: a NUL byte in it", name);
	while (text.len) {
		struct span line = without_comment(span_until(&text, '\n'));

		number++;
		if (line.len && parse_line(a, name, number, line, e) < 0)
			return -1;
	}
	return 0;
}

/* --- ends ------------------------------------------------------------------------------------------- */

static void choose(struct choice *c, size_t end, const char *name)
{
	struct chosen *one;

	if (bit_get(c->bits, end)) {
		for (size_t i = 0; i < c->count; i++)
			if (c->items[i].end == end && !c->items[i].names[1])
				c->items[i].names[1] = name;
		return;
	}
	bit_set(c->bits, end);
	one = VEC_PUSH(c->items, c->count);
	*one = (struct chosen){ end, { name, NULL } };
}

/* Outside addresses of a block: one of each class. */
static void choose_block(
	struct assertions *a, const struct ends *s, const struct block *b, struct choice *out)
{
	for (size_t i = 0; i < s->range_count; i++) {
		const struct address_range *r = &s->ranges[i];
		char text[ADDRESS_TEXT_SIZE];
		const struct address *at = &r->first;
		AUTO(mem_free) char *name = NULL;

		if (block_has(b, at))
			at = &r->first;
		else if (address_compare(&r->first, &b->first) <= 0 &&
			 address_compare(&b->first, &r->last) <= 0)
			at = &b->first;
		else
			continue;
		name = mem_printf("ext:%s", address_text(at, text));
		choose(out, r->end, arena_text(&a->arena, span_of(name)));
	}
}

static void choose_workloads(
	struct assertions *a, const struct ends *s, const char *pattern, struct choice *out)
{
	const struct model *m = s->model;

	for (size_t i = 0; i < m->workload_count; i++) {
		const struct workload *w = &m->workloads[i];
		AUTO(mem_free) char *name = mem_printf("%s/%s", m->namespaces[w->ns].name, w->name);

		if (fnmatch(pattern, name, FNM_PATHNAME | FNM_NOESCAPE) == 0)
			choose(out, s->of_workload[i], arena_text(&a->arena, span_of(name)));
	}
}

static void choose_all(
	struct assertions *a, const struct ends *s, const char *pattern, struct choice *out)
{
	static const char *const families[] = { "0.0.0.0/0", "::/0" };
	struct block b;
	size_t end;

	out->bits = mem_alloc(s->words * sizeof(*out->bits));
	if (ends_find(s, pattern, &end)) {
		out->is_name = true;
		choose(out, end, pattern);
	} else if (strcmp(pattern, "ext:*") == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(families); i++)
			if (block_parse(span_of(families[i]), &b) == BLOCK_GOOD)
				choose_block(a, s, &b, out);
	} else if (strncmp(pattern, "ext:", 4) == 0) {
		if (block_parse(span_of(pattern + 4), &b) == BLOCK_GOOD)
			choose_block(a, s, &b, out);
	} else if (strlen(pattern) <= PATTERN_MAX) {
		choose_workloads(a, s, pattern, out);
	}
}

int assertions_bind(struct assertions *a, const struct ends *s, const char *name, struct err *e)
{
	for (size_t i = 0; i < a->count; i++) {
		struct assertion *one = &a->items[i];
		const char *pattern = one->probe.src;

		if (one->src.count)
			continue; /* bound before */
		choose_all(a, s, pattern, &one->src);
		if (one->src.count) {
			pattern = one->probe.dst;
			choose_all(a, s, pattern, &one->dst);
		}
		if (one->src.count && one->dst.count)
			continue;
		return err_set(e, ERR_INPUT,
			"%s:%u: \"%.200s\" is no end: NAMESPACE/POD of these manifests, with * and "
			"?, ext:CIDR, ext:*, host, remote-node, kube-apiserver",
			name, one->probe.line, pattern);
	}
	return 0;
}

/* --- judging ------------------------------------------------------------------------------------------ */

/* Names of two ends that are not one; false: there are none. */
static bool two_names(const struct chosen *src, const struct chosen *dst, const char *out[2])
{
	out[0] = src->names[0];
	out[1] = dst->names[0];
	if (strcmp(out[0], out[1]) != 0)
		return true;
	if (dst->names[1])
		out[1] = dst->names[1];
	else
		out[0] = src->names[1];
	return out[0] != NULL;
}

static bool differs(const struct probe *p, const struct judgement *is)
{
	const enum verdict all[PROBE_STATED] = { is->verdict, is->egress, is->ingress };

	for (size_t i = 0; i < PROBE_STATED; i++)
		if (p->stated[i] >= 0 && p->stated[i] != (int)all[i])
			return true;
	return false;
}

static void judge_pair(const struct assertion *a, struct judge *j, const struct chosen *src,
	const struct chosen *dst, struct assertion_result *out)
{
	const char *names[2];
	struct judgement is = { VERDICT_ALLOW, VERDICT_ALLOW, VERDICT_ALLOW };
	bool two = two_names(src, dst, names);

	if (!two && !(a->src.is_name && a->dst.is_name))
		return;
	if (two)
		is = judge_probe(j, src->end, dst->end, a->probe.proto, a->probe.port);
	out->asked++;
	if (!differs(&a->probe, &is) || out->failed++)
		return;
	out->src = src->names[0];
	out->dst = two ? names[1] : dst->names[0];
	if (two)
		out->src = names[0];
	out->ends[0] = src->end;
	out->ends[1] = dst->end;
	out->is = is;
}

void assertion_judge(const struct assertion *a, struct judge *j, const uint64_t *touched, bool stop,
	struct assertion_result *out)
{
	*out = (struct assertion_result){ .asked = 0 };
	for (size_t i = 0; i < a->src.count; i++) {
		const struct chosen *src = &a->src.items[i];
		bool all = !touched || bit_get(touched, src->end);

		for (size_t k = 0; k < a->dst.count; k++) {
			const struct chosen *dst = &a->dst.items[k];

			if (all || bit_get(touched, dst->end))
				judge_pair(a, j, src, dst, out);
			if (stop && out->failed)
				return;
		}
	}
}
