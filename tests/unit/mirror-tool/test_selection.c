/* Which children of an index are held, at pin and again at pull. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mirror-tool/list/selection.h"

#define CHILD_MAX 8

/* "linux/amd64", "-" none, "?N" an attestation about child N. */
static const struct {
	const char *name;
	const char *children[CHILD_MAX], *wanted[4];
	const char *held; /* a 1 or 0 each */
	const char *absent; /* platforms, with spaces */
	const char *error;
} cases[] = {
	{ "one of two", { "linux/amd64", "linux/arm64" }, { "linux/amd64" }, "10", "linux/arm64",
		NULL },
	{ "everything", { "linux/amd64", "linux/s390x" }, { NULL }, "11", "", NULL },
	{ "variants by default", { "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7" },
		{ "linux/arm64", "linux/arm" }, "101", "linux/arm/v6", NULL },
	{ "the same twice", { "linux/amd64", "linux/amd64", "linux/arm64" }, { "linux/amd64" },
		"110", "linux/arm64", NULL },
	{ "attestations follow", { "linux/amd64", "linux/arm64", "?0", "?1" }, { "linux/arm64" },
		"0101", "linux/amd64", NULL },
	{ "an attestation before its child", { "?2", "linux/amd64", "linux/arm64" },
		{ "linux/amd64" }, "010", "linux/arm64", NULL },
	{ "attestation of a stranger", { "linux/amd64", "?7" }, { "linux/amd64" }, "11", "", NULL },
	{ "no platforms at all", { "-", "-" }, { "linux/amd64" }, "11", "", NULL },
	{ "some without", { "linux/arm64", "-", "linux/amd64" }, { "linux/amd64" }, "011",
		"linux/arm64", NULL },
	{ "one is missing", { "linux/amd64" }, { "linux/amd64", "linux/arm64" }, NULL, NULL,
		"there is no linux/arm64; there is linux/amd64" },
	{ "all are missing", { "linux/amd64", "windows/amd64" }, { "linux/riscv64" }, NULL, NULL,
		"there is no linux/riscv64; there is linux/amd64 windows/amd64" },
};

static void digest_number(struct digest *d, unsigned n)
{
	char text[16];

	snprintf(text, sizeof(text), "child %u", n);
	digest_of(d, DIGEST_SHA256, span_of(text));
}

static struct annotation attestation[CHILD_MAX][2];
static char texts[CHILD_MAX][DIGEST_TEXT_SIZE];

static void attest(struct descriptor *d, size_t i, unsigned about)
{
	struct digest of;

	digest_number(&of, about);
	attestation[i][0] =
		(struct annotation){ "vnd.docker.reference.type", "attestation-manifest" };
	attestation[i][1] =
		(struct annotation){ "vnd.docker.reference.digest", digest_text(&of, texts[i]) };
	d->annotations = (struct annotations){ attestation[i], 2 };
	d->has_platform = true;
	d->platform = (struct platform){ .os = "unknown", .arch = "unknown" };
}

static size_t build(struct descriptor items[CHILD_MAX], const char *const *children)
{
	size_t count = 0;

	for (; count < CHILD_MAX && children[count]; count++) {
		struct descriptor *d = &items[count];
		struct err e = ERR_INIT;

		*d = (struct descriptor){ .media_type = MEDIA_OCI_MANIFEST };
		digest_number(&d->digest, (unsigned)count);
		if (children[count][0] == '?')
			attest(d, count, (unsigned)(children[count][1] - '0'));
		else if (children[count][0] != '-') {
			d->has_platform = true;
			assert_int_equal(
				platform_parse(&d->platform, span_of(children[count]), &e), 0);
		}
	}
	return count;
}

static void check_held(const char *name, const struct manifest *index, const struct lock_pin *pin,
	const char *expected)
{
	for (size_t i = 0; i < index->count; i++)
		if (select_held(index, i, pin, false) != (expected[i] == '1'))
			fail_msg("%s: child %zu", name, i);
}

/* What the lock excuses is not held, wherever it stands; what is attached is held whole otherwise. */
static void select_held__leaves_out_what_is_excused(void **state)
{
	static const char *const children[CHILD_MAX] = { "linux/amd64", "?0", "linux/arm64" };
	struct descriptor items[CHILD_MAX];
	struct manifest index = { .kind = MEDIA_INDEX, .items = items };
	struct lock_pin pin;

	(void)state;
	index.count = build(items, children);
	lock_pin_init(&pin);
	platform_texts_add(&pin.absent, "linux/arm64");
	check_held("before", &index, &pin, "110");
	excuses_add(&pin.excused, EXCUSE_ATTACHMENT, &items[1].digest, "attachments: none");
	excuses_add(&pin.excused, EXCUSE_ATTACHMENTS, &items[0].digest, "attachments: none");
	check_held("after", &index, &pin, "100");
	assert_true(select_held(&index, 2, &pin, true));
	assert_false(select_held(&index, 1, &pin, true));
	lock_pin_release(&pin);
}

static void check_absent(const char *name, const struct lock_pin *pin, const char *expected)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	for (size_t i = 0; i < pin->absent.count; i++)
		buf_printf(&text, "%s%s", i ? " " : "", pin->absent.items[i]);
	if (strcmp(text.data, expected) != 0)
		fail_msg("%s: absent: %s", name, text.data);
}

static void select__table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct descriptor items[CHILD_MAX];
		struct manifest index = { .kind = MEDIA_INDEX, .items = items };
		struct platforms wanted = { .count = 0 };
		struct err e = ERR_INIT;
		struct lock_pin pin;
		struct platform p;

		index.count = build(items, cases[i].children);
		for (size_t w = 0; w < 4 && cases[i].wanted[w]; w++) {
			assert_int_equal(platform_parse(&p, span_of(cases[i].wanted[w]), &e), 0);
			platforms_add(&wanted, &p);
		}
		lock_pin_init(&pin);
		select_platforms(&index, &wanted, &pin);
		if (select_check(&wanted, &pin, &e) < 0) {
			assert_int_equal(e.code, ERR_INCOMPLETE);
			assert_string_equal(e.text, cases[i].error ? cases[i].error : "none");
		} else {
			check_held(cases[i].name, &index, &pin, cases[i].held);
			check_absent(cases[i].name, &pin, cases[i].absent);
		}
		lock_pin_release(&pin);
		platforms_release(&wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
						    select_held__leaves_out_what_is_excused),
		cmocka_unit_test(select__table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
