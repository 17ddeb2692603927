/* Say on what a medium builds. */
#include "mirror-tool/base_report.h"

#include "storage/base/banned.h"

static const char *kind_of(const struct base *const *bases, size_t count)
{
	const char *kind = "top-up";

	for (size_t i = 0; i < count; i++) {
		if (bases[i]->kind == BASE_NONE)
			return "full";
		if (bases[i]->kind != BASE_NEED)
			kind = "delta";
	}
	return kind;
}

void base_report(struct report *r, const struct base *const *bases, size_t count,
	const struct left_out *left_out)
{
	report_text(r, "kind", kind_of(bases, count));
	report_array(r, "base");
	for (size_t x = 0; x < count; x++)
		for (size_t i = 0; i < bases[x]->count; i++) {
			report_object(r, NULL);
			report_text(r, "set", bases[x]->sets[i].name);
			report_text(r, "version", bases[x]->sets[i].version);
			report_digest(r, "digest", &bases[x]->sets[i].digest);
			report_end(r);
		}
	report_end(r);
	report_number(r, "leftOut", left_out->blobs);
	report_number(r, "leftOutBytes", left_out->bytes);
}
