/* Lines -> probes. */
#include "mirror-tool/policy/probes.h"

#include <stdlib.h>

#include "storage/base/number.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define FIELDS_MAX 7

void probes_release(struct probes *p)
{
	free(p->items);
	arena_release(&p->arena);
	*p = (struct probes)PROBES_INIT;
}

static bool parse_verdict(struct span text, int *out)
{
	enum verdict v;

	*out = -1;
	if (text.len == 0 || span_is(text, "-"))
		return true;
	if (!verdict_parse(text, &v))
		return false;
	*out = (int)v;
	return true;
}

static int fail(const char *name, uint32_t line, struct span field, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s:%u: \"%.*s\" is no %s", name, line,
		(int)(field.len > 100 ? 100 : field.len), field.data, what);
}

int probes_parse_line(
	struct probes *p, const char *name, uint32_t line, struct span text, struct err *e)
{
	struct span fields[FIELDS_MAX] = { 0 };
	struct probe probe = { .line = line };
	size_t count = 0;
	uint64_t port;

	while (text.len && count < FIELDS_MAX)
		fields[count++] = span_until(&text, '\t');
	if (text.len || count < 4)
		return err_set(e, ERR_INPUT,
			"%s:%u: a probe is src, dst, protocol, port and up to three verdicts, with "
			"tabs between",
			name, line);
	for (size_t i = 0; i < 2; i++)
		if (!fields[i].len)
			return fail(name, line, fields[i], i ? "dst" : "src", e);
	if (!proto_parse(fields[2], &probe.proto))
		return fail(name, line, fields[2], "protocol: TCP, UDP, SCTP", e);
	if (!number_parse(fields[3], PORT_MAX, &port) || port == 0)
		return fail(name, line, fields[3], "port from 1 to 65535", e);
	for (size_t i = 0; i < PROBE_STATED; i++)
		if (!parse_verdict(fields[4 + i], &probe.stated[i]))
			return fail(
				name, line, fields[4 + i], "verdict: allow, deny, unknown or -", e);
	probe.port = (unsigned)port;
	probe.src = arena_text(&p->arena, fields[0]);
	probe.dst = arena_text(&p->arena, fields[1]);
	*VEC_PUSH(p->items, p->count) = probe;
	return 0;
}

int probes_parse(struct probes *p, const char *name, struct span text, struct err *e)
{
	uint32_t line = 0;

	if (memchr(text.data, 0, text.len))
		return err_set(e, ERR_INPUT, "%s: a NUL byte in it", name);
	while (text.len) {
		struct span one = span_until(&text, '\n');

		line++;
		if (one.len && one.data[one.len - 1] == '\r')
			one.len--;
		if (one.len && one.data[0] != '#' && probes_parse_line(p, name, line, one, e) < 0)
			return -1;
	}
	return 0;
}
