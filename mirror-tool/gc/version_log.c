/* Records of versions that go. Must never name one that was not chosen. */
#include "mirror-tool/gc/version_log.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define FACTS 6 /* with the one that ends them */

/* Up to AUDIT_RECORDS_MAX records, with what they point to. */
struct batch {
	struct audit_record records[AUDIT_RECORDS_MAX];
	struct log_field facts[AUDIT_RECORDS_MAX][FACTS];
	char digests[AUDIT_RECORDS_MAX][DIGEST_TEXT_SIZE];
};

void version_log_release(struct version_log *l)
{
	free(l->begun);
	*l = (struct version_log){ .count = 0 };
}

static const char *result_of(const struct gc_version *v)
{
	return v->gone ? "allowed" : v->spared ? "denied" : "failed";
}

static const char *why_of(const struct gc_version *v)
{
	return v->gone     ? "no rule keeps it"
	       : v->spared ? "removed already, or a rule keeps it by now"
			   : "collection failed before";
}

/* begun: number of the record that began it; 0: this is that one. */
static void fill(struct batch *b, size_t at, const struct gc_version *v, uint64_t begun)
{
	const struct set_info *info = &v->info;
	const struct log_field facts[FACTS] = { { "set", info->name, 0 },
		{ "version", info->version, 0 },
		{ "digest", digest_text(&info->digest, b->digests[at]), 0 },
		{ "why", begun ? why_of(v) : "no rule keeps it", 0 },
		{ begun ? "begun" : NULL, NULL, begun }, { NULL, NULL, 0 } };

	memcpy(b->facts[at], facts, sizeof(facts));
	b->records[at] =
		(struct audit_record){ "remove", begun ? result_of(v) : "begun", b->facts[at] };
}

static size_t batch_end(const struct gc_versions *v, size_t from)
{
	return v->count - from < AUDIT_RECORDS_MAX ? v->count : from + AUDIT_RECORDS_MAX;
}

int version_log_begin(struct version_log *l, const struct gc_versions *v, struct err *e)
{
	AUTO(mem_free) struct batch *b = v->count ? mem_alloc(sizeof(*b)) : NULL;

	for (size_t from = 0, to; from < v->count; from = to) {
		to = batch_end(v, from);
		for (size_t i = from; i < to; i++)
			fill(b, i - from, &v->items[i], 0);
		if (tool_audit_add(
			    l->audit, b->records, to - from, VEC_PUSH(l->begun, l->count), e) < 0)
			return -1;
	}
	return 0;
}

int version_log_end(struct version_log *l, const struct gc_versions *v, struct err *e)
{
	AUTO(mem_free) struct batch *b = v->count ? mem_alloc(sizeof(*b)) : NULL;
	uint64_t seq;

	for (size_t from = 0, to; from < v->count; from = to) {
		uint64_t first = l->begun[from / AUDIT_RECORDS_MAX];

		to = batch_end(v, from);
		for (size_t i = from; first && i < to; i++)
			fill(b, i - from, &v->items[i], first + i - from);
		if (first && tool_audit_add(l->audit, b->records, to - from, &seq, e) < 0)
			return -1;
	}
	return 0;
}
