/* What conditions and reasons say. Must never leave out a part of a condition. */
#include "mirror-tool/policy/words.h"

#include "mirror-tool/policy/verdict.h"

#include "storage/base/banned.h"

static void list_text(
	const struct model *m, const struct cond *c, const char *between, struct buf *out)
{
	bool first = true;

	for (const struct cond *child = c->first; child; child = child->next) {
		bool nested = child->op == COND_OR && child->first != child->last;

		if (child->op == COND_POD && c->op == COND_AND && c->first != c->last)
			continue; /* every selector has it */
		if (child->op == COND_AND && !child->first && c->first != c->last)
			continue; /* an empty selector */
		buf_str(out, first ? "" : between);
		buf_str(out, nested ? "(" : "");
		cond_text(m, child, out);
		buf_str(out, nested ? ")" : "");
		first = false;
	}
	if (first)
		buf_str(out, c->op == COND_OR ? "nothing" : "everything");
}

static void label_text(const struct cond *c, struct buf *out)
{
	static const char *const places[] = { [PLACE_POD] = "",
		[PLACE_NAMESPACE] = "namespace label ",
		[PLACE_NAME] = "",
		[PLACE_ACCOUNT] = "service account label " };
	static const char *const tests[] = { [TEST_IN] = "=",
		[TEST_EXISTS] = "",
		[TEST_PREFIX] = " beginning with ",
		[TEST_SUFFIX] = " ending with ",
		[TEST_PART] = " with " };

	buf_printf(out, "%s%s%s", places[c->place], c->key, tests[c->test]);
	for (size_t i = 0; i < c->value_count; i++)
		buf_printf(out, "%s%s", i ? "|" : "", c->values[i]);
}

static void block_words(const struct block *b, struct buf *out)
{
	char first[ADDRESS_TEXT_SIZE];

	buf_printf(out, "%s/%u", address_text(&b->first, first), b->bits);
}

static void entity_text(unsigned bits, struct buf *out)
{
	static const char *const names[] = { "world", "host", "remote-node", "kube-apiserver" };
	bool first = true;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(bits & 1u << i))
			continue;
		buf_printf(out, "%s%s", first ? "" : " or ", names[i]);
		first = false;
	}
}

void cond_text(const struct model *m, const struct cond *c, struct buf *out)
{
	switch (c->op) {
	case COND_ANY:
		buf_str(out, "everything");
		break;
	case COND_NONE:
		buf_str(out, "nothing");
		break;
	case COND_AND:
		list_text(m, c, " and ", out);
		break;
	case COND_OR:
		list_text(m, c, " or ", out);
		break;
	case COND_NOT:
		buf_str(out, "not (");
		cond_text(m, c->first, out);
		buf_str(out, ")");
		break;
	case COND_POD:
		buf_str(out, "pods");
		break;
	case COND_LABEL:
		label_text(c, out);
		break;
	case COND_BLOCK:
		block_words(&m->blocks[c->block], out);
		break;
	case COND_SET:
		cond_text(m, c->first, out);
		break;
	case COND_ENTITY:
		entity_text(c->bits, out);
		break;
	case COND_MAYBE:
		verdict_reasons(c->bits, out);
		break;
	}
}

void policy_text(const struct policy *p, struct buf *out)
{
	buf_printf(out, "%s %s%s%s", p->object->kind, p->ns, *p->ns ? "/" : "", p->name);
}
