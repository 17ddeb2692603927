/* Reckon what a receipt spares. Must never take a set for another one. */
#include "mirror-tool/receipt/leave.h"

#include "mirror-tool/receipt/code.h"
#include "storage/base/banned.h"

int leave_receipt(struct delta *d, struct store *s, const struct receipt *r,
	struct leave_report *report, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	d->base.kind = BASE_RECEIPT;
	for (size_t i = 0; i < r->count; i++) {
		struct set_info info;
		int rc = set_find(s, digest_text(&r->sets[i].digest, text), &info, e);

		if (rc < 0)
			return -1;
		if (rc == 0)
			report->unknown++;
		else if (d->base.count == BASE_SETS_MAX)
			report->more++;
		else if (delta_leave_set(d, BASE_RECEIPT, s, &info, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->lacking.count; i++)
		inventory_add(&d->lacking, &r->lacking.lines[i].digest, r->lacking.lines[i].size);
	return 0;
}

/* The set that a short digest means. */
struct search {
	const struct code *code;
	size_t at;
	struct set_info found[2]; /* the first two */
	size_t count;
};

static int compare(void *ctx, const struct set_info *info, struct err *e)
{
	struct search *search = ctx;

	(void)e;
	if (!code_has(search->code, search->at, &info->digest))
		return 0;
	if (search->count < ARRAY_SIZE(search->found))
		search->found[search->count] = *info;
	search->count++;
	return 0;
}

int leave_code(struct delta *d, struct store *s, struct span text, struct leave_report *report,
	struct err *e)
{
	struct code code;

	if (code_parse(&code, text, e) < 0)
		return -1;
	d->base.kind = BASE_RECEIPT;
	report->more = code.more;
	for (size_t i = 0; i < code.count; i++) {
		struct search search = { .code = &code, .at = i };

		if (list_sets(s, compare, &search, e) < 0)
			return -1;
		if (search.count == 0)
			return err_set(e, ERR_INPUT,
				"set %zu of the %zu that this receipt code names is not in this "
				"store",
				i + 1, code.count);
		if (search.count > 1)
			return err_set(e, ERR_INPUT,
				"set %zu of this receipt code may be %s %s or %s %s: use a signed "
				"receipt, "
				"or --since",
				i + 1, search.found[0].name, search.found[0].version,
				search.found[1].name, search.found[1].version);
		if (delta_leave_set(d, BASE_RECEIPT, s, &search.found[0], e) < 0)
			return -1;
	}
	return 0;
}
