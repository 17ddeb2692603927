/* Connections that two judges decide otherwise, for people and as JSON. Must decide nothing. */
#include "mirror-tool/policy_differences.h"

#include "storage/base/banned.h"

struct telling {
	const struct differences *d;
	struct report *report;
	size_t changes;
};

void policy_name_workload(const struct model *m, const struct workload *w, struct buf *out)
{
	buf_printf(out, "%s/%s[%s]", m->namespaces[w->ns].name, w->owner, w->owner_kind);
}

/* A workload, or a range outside. */
static void name_end(const struct telling *v, const struct workload *w, const struct difference *x,
	struct buf *out)
{
	char first[ADDRESS_TEXT_SIZE], last[ADDRESS_TEXT_SIZE];

	if (w)
		policy_name_workload(v->d->judges[0]->model, w, out);
	else
		buf_printf(
			out, "%s-%s", address_text(&x->first, first), address_text(&x->last, last));
}

/* A member, and a sentence when there are such ports. */
static void say_ports(struct telling *v, const char *key, portset set, const char *src,
	const char *does, const char *dst)
{
	AUTO(buf_release) struct buf ports = BUF_INIT;

	ports_text(v->d->judges[0]->model->ports, set, &ports);
	report_text(v->report, key, ports.data);
	if (set != PORTS_NONE)
		report_line(v->report, "%s %s %s on %s", src, does, dst, ports.data);
}

static void say(const struct difference *x, void *ctx)
{
	struct telling *v = ctx;
	AUTO(buf_release) struct buf src = BUF_INIT, dst = BUF_INIT;
	struct report *r = v->report;

	v->changes++;
	name_end(v, x->src, x, &src);
	name_end(v, x->dst, x, &dst);
	report_object(r, NULL);
	report_text(r, "change", !x->was ? "added" : !x->is ? "removed" : "changed");
	report_text(r, "src", src.data);
	report_text(r, "dst", dst.data);
	say_ports(v, "gained", x->gained, src.data, "now reaches", dst.data);
	say_ports(v, "lost", x->lost, src.data, "no longer reaches", dst.data);
	say_ports(v, "unknown", x->unknown, src.data, "may or may not reach", dst.data);
	report_end(r);
}

size_t policy_say_differences(struct differences *d, struct report *r)
{
	struct telling v = { .d = d, .report = r };

	report_list(r, "connections");
	differences_each(d, say, &v);
	report_end(r);
	return v.changes;
}
