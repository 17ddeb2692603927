/* The rules of collection, as an operator saved them; and what follows from them for promises. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <inttypes.h>
#include <time.h>

#include "storage/base/clock.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define RULES_MAX 4096 /* bytes */
#define GRACE_MAX (int64_t)(10 * 365 * 86400) /* seconds */

static int parse(struct span text, struct gc_rules *r, struct err *e)
{
	static const char *const known[] = { "keepVersions", "keepDays", "graceSeconds", NULL };
	AUTO(doc_release) struct doc d = DOC_INIT;

	if (json_parse(&d, "gc.json", text, RULES_MAX, e) < 0 ||
		node_only(&d, d.root, known, e) < 0 ||
		node_int(&d, d.root, "keepVersions", OPTIONAL, 0, GC_KEEP_MAX, &r->keep_versions,
			e) < 0 ||
		node_int(&d, d.root, "keepDays", OPTIONAL, 0, GC_KEEP_MAX, &r->keep_days, e) < 0)
		return -1;
	return node_int(&d, d.root, "graceSeconds", OPTIONAL, 0, GRACE_MAX, &r->grace, e) < 0 ? -1
											      : 0;
}

int gc_rules_read(struct store *s, struct gc_rules *out, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = blobs_get_rules(s->blobs, &text, e);

	*out = (struct gc_rules){ .grace = GC_GRACE };
	if (rc <= 0)
		return rc;
	return parse(buf_span(&text), out, e) < 0 ? -1 : 1;
}

int gc_rules_save(struct store *s, const struct gc_rules *r, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (store_may_write(s, e) < 0)
		return -1;
	buf_printf(&text,
		"{\"keepVersions\":%" PRId64 ",\"keepDays\":%" PRId64 ",\"graceSeconds\":%" PRId64
		"}\n",
		r->keep_versions, r->keep_days, r->grace);
	s->rules_read = 0;
	return blobs_put_rules(s->blobs, buf_span(&text), e);
}

/* Of rules that cannot be read the safe ones hold: touch always. */
int64_t touch_after(struct store *s)
{
	int64_t now = clock_now();
	struct gc_rules r;
	struct err ignored = ERR_INIT;

	if (s->rules_read == now)
		return s->touch_after;
	s->rules_read = now;
	s->touch_after = TOUCH_AFTER;
	if (gc_rules_read(s, &r, &ignored) < 0)
		s->touch_after = 0;
	else if (r.grace / 2 < TOUCH_AFTER)
		s->touch_after = r.grace / 2;
	return s->touch_after;
}

int blob_is_promised(struct store *s, const struct digest *d, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	return row.touched > clock_now() - touch_after(s);
}
