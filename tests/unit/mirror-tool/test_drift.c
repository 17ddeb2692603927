/* Locks compared: every kind of change, and failures that are changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mirror-tool/pin_report.h"
#include "mirror-tool/tool.h"

#define REF "a.io/x:1"

static struct digest digest(const char *seed)
{
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(seed));
	return d;
}

static struct lock_pin *add(struct lock *l, const char *ref)
{
	struct lock_pin *pin = lock_add(l);
	struct err e = ERR_INIT;

	assert_int_equal(ref_parse(&pin->ref, span_of(ref), &e), 0);
	pin->digest = digest("old");
	return pin;
}

static void attach(struct lock_pin *pin, const char *seed, const char *tag)
{
	struct lock_attachment *a = lock_attach(pin);

	a->digest = digest(seed);
	a->subject = pin->digest;
	memcpy(a->tag, tag, strlen(tag) + 1);
}

static void nothing(struct lock *l)
{
	(void)l;
}

static void move(struct lock *l)
{
	l->pins[0].digest = digest("new");
}

static void more(struct lock *l)
{
	add(l, "b.io/y:2");
}

static void less(struct lock *l)
{
	lock_pin_release(&l->pins[--l->count]);
}

static void lose_platform(struct lock *l)
{
	free(l->pins[0].platforms.items[--l->pins[0].platforms.count]);
}

static void sign(struct lock *l)
{
	attach(&l->pins[0], "another", "sha256-y.sig");
}

static void unsign(struct lock *l)
{
	struct lock_attachment *a = &l->pins[0].attached[--l->pins[0].attached_count];

	free(a->media_type);
	free(a->artifact_type);
}

static void take_locally(struct lock *l)
{
	struct err e = ERR_INIT;

	assert_int_equal(source_ref_parse(&l->pins[0].from, "oci:d:x", &e), 0);
}

static void excuse(struct lock *l)
{
	struct digest d = digest("layer");

	excuses_add(&l->pins[0].excused, EXCUSE_ATTACHMENT, &d, "is not there");
}

/* What was excused for one reason is excused for another. */
static void reason(struct lock *l)
{
	free(l->pins[0].excused.items[0].why);
	l->pins[0].excused.items[0].why = mem_strdup("another");
}

static void bring(struct lock *l)
{
	excuses_release(&l->pins[0].excused);
}

static void leave(struct lock *l)
{
	l->pins[0].leave_foreign = true;
}

static void skip_another(struct lock *l)
{
	skips_add(&l->skipped, "b.io/y:2", "HTTP 500");
}

static void skip_this(struct lock *l)
{
	less(l);
	skips_add(&l->skipped, REF, "HTTP 500");
}

static void skip_no_more(struct lock *l)
{
	skips_release(&l->skipped);
}

static void comment(struct lock *l)
{
	l->list = digest("another text");
}

static void rename_set(struct lock *l)
{
	memcpy(l->name, "t", 2);
}

static const struct {
	const char *name;
	void (*change)(struct lock *l);
	const char *table; /* its first line */
} cases[] = {
	{ "nothing", nothing, "" },
	{ "moved", move, "moved      " REF "\n           - sha256:" },
	{ "new", more, "new        b.io/y:2\n           + sha256:" },
	{ "gone", less, "gone       " REF "\n           - sha256:" },
	{ "platforms", lose_platform,
		"platforms  " REF
		"\n           - linux/amd64 linux/arm64\n           + linux/amd64\n" },
	{ "attached", sign, "attached   " REF "\n           + sha256:" },
	{ "detached", unsign, "detached   " REF "\n           - sha256:" },
	{ "source", take_locally, "source     " REF "\n           + oci:d:x\n" },
	{ "excuse", excuse, "excused    " REF "\n           + attachment sha256:" },
	{ "reason", reason, "" },
	{ "bring", bring, "excused    " REF "\n           - attachments sha256:" },
	{ "leave", leave,
		"excused    " REF
		"\n           - foreign-layers: fetch\n           + foreign-layers: leave\n" },
	{ "skip another", skip_another, "skipped    b.io/y:2\n           + HTTP 500\n" },
	{ "skip this", skip_this, "skipped    " REF "\n           - sha256:" },
	{ "skip no more", skip_no_more, "gone       c.io/z:3\n           - skipped\n" },
	{ "comment", comment, "list       list\n           - sha256:" },
	{ "name", rename_set, "list       list\n           - s {}\n           + t {}\n" },
};

static void fill(struct lock *l)
{
	struct lock_pin *pin;

	*l = (struct lock){ .name = "s" };
	l->list = digest("text");
	pin = add(l, REF);
	platform_texts_add(&pin->platforms, "linux/amd64");
	platform_texts_add(&pin->platforms, "linux/arm64");
	attach(pin, "signature", "sha256-x.sig");
	excuses_add(&pin->excused, EXCUSE_ATTACHMENTS, &pin->digest, "HTTP 403");
	skips_add(&l->skipped, "c.io/z:3", "HTTP 500");
}

static void tell(const struct drifts *d, bool as_json, struct buf *out)
{
	char *text = NULL;
	size_t size;
	struct tool t = { .json = as_json, .out = open_memstream(&text, &size) };
	AUTO(report_release) struct report r = REPORT_INIT(&t);
	struct err e = ERR_INIT;

	report_object(&r, NULL);
	drifts_report(&r, d);
	report_end(&r);
	assert_int_equal(report_print(&r, &e), 0);
	fclose(t.out);
	buf_str(out, text);
	free(text);
}

static void drift_find__table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(drifts_release) struct drifts d;
		AUTO(buf_release) struct buf table = BUF_INIT;
		struct failures none = FAILURES_INIT;
		struct lock old, now;

		fill(&old);
		fill(&now);
		cases[i].change(&now);
		lock_sort(&now);
		drift_find(&d, &old, &now, &none);
		tell(&d, false, &table);
		if (strncmp(table.data, cases[i].table, strlen(cases[i].table)) != 0 ||
			(d.count != 0) != (*cases[i].table != 0) || d.count > 1)
			fail_msg("%s: %zu:\n%s", cases[i].name, d.count, table.data);
		lock_release(&old);
		lock_release(&now);
	}
}

static void drift_find__what_upstream_lacks_has_vanished(void **state)
{
	AUTO(drifts_release) struct drifts d;
	AUTO(failures_release) struct failures failures = FAILURES_INIT;
	AUTO(buf_release) struct buf json = BUF_INIT;
	struct lock old, now;
	struct err e = ERR_INIT;

	(void)state;
	fill(&old);
	add(&old, "b.io/y:2");
	fill(&now);
	less(&now);
	err_set(&e, ERR_INCOMPLETE, "there is no linux/arm64");
	failures_add(&failures, REF, &e);
	err_set(&e, ERR_NET, "connection refused");
	failures_add(&failures, "b.io/y:2", &e);
	drift_find(&d, &old, &now, &failures);
	assert_int_equal(d.count, 1);
	assert_int_equal(d.items[0].kind, DRIFT_VANISHED);
	assert_string_equal(d.items[0].to, "there is no linux/arm64");
	assert_int_equal(drift_unexplained(&d, &failures), 1);
	tell(&d, true, &json);
	assert_non_null(strstr(
		json.data, "{\"drift\":[{\"kind\":\"vanished\",\"ref\":\"" REF "\",\"from\":"));
	lock_release(&old);
	lock_release(&now);
}

static void tool_failures__one_status_or_incomplete(void **state)
{
	AUTO(failures_release) struct failures failures = FAILURES_INIT;
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, ERR_RIGHTS, "x");
	failures_add(&failures, "a", &e);
	err_set(&e, ERR_DENIED, "y");
	failures_add(&failures, "b", &e);
	assert_int_equal(tool_failures(&failures, 3, "pins", &e), -1);
	assert_int_equal(tool_exit_status(e.code), EXIT_REFUSED);
	assert_string_equal(e.text, "2 of 3 pins failed");
	err_set(&e, ERR_CORRUPT, "z");
	failures_add(&failures, "c", &e);
	assert_int_equal(tool_failures(&failures, 3, "pins", &e), -1);
	assert_int_equal(tool_exit_status(e.code), EXIT_INCOMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drift_find__table),
		cmocka_unit_test(drift_find__what_upstream_lacks_has_vanished),
		cmocka_unit_test(tool_failures__one_status_or_incomplete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
