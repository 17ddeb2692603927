#include <stdio.h>
#include <string.h>

#include "storage/oci/set.h"
#include "tests/support/cm.h"

static struct set_entry *add(
	struct set *s, enum set_role role, const char *name, const char *tag, const char *content)
{
	struct set_entry *entry = set_add(s);

	entry->role = role;
	entry->name = set_keep(s, name);
	entry->tag = set_keep(s, tag);
	entry->media_type = MEDIA_OCI_MANIFEST;
	entry->size = strlen(content);
	digest_of(&entry->digest, DIGEST_SHA256, span_of(content));
	return entry;
}

/* A small set with every role. */
static void fill(struct set *s)
{
	*s = (struct set)SET_INIT;
	snprintf(s->name, sizeof(s->name), "platform");
	snprintf(s->version, sizeof(s->version), "2026.11.0");
	snprintf(s->created, sizeof(s->created), "2026-11-23T23:00:00Z");
	snprintf(s->expires, sizeof(s->expires), "2027-11-23T00:00:00Z");
	s->bytes = 1234;
	s->excuses = 3;
	digest_of(&s->previous, DIGEST_SHA256, span_of("before"));
	add(s, SET_INVENTORY, "moat.local/set/platform", "inventory", "i")->artifact_type =
		MEDIA_MOAT_INVENTORY;
	add(s, SET_PIN, "quay.io/b/c", "v1", "1");
	add(s, SET_PIN, "docker.io/library/a", "1.0", "2");
	add(s, SET_PIN, "docker.io/library/a", "", "3");
	digest_of(&add(s, SET_ATTACHED, "quay.io/b/c", "", "4")->subject, DIGEST_SHA256,
		span_of("1"));
	add(s, SET_LOCK, "moat.local/set/platform", "lock", "l")->artifact_type = MEDIA_MOAT_LOCK;
}

static void set_write__is_deterministic_and_reads_back(void **state)
{
	AUTO(set_release) struct set s = SET_INIT;
	AUTO(set_release) struct set back = SET_INIT;
	AUTO(buf_release) struct buf first = BUF_INIT;
	AUTO(buf_release) struct buf second = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	fill(&s);
	set_write(&s, &first);
	assert_ok(set_parse(&back, "s", buf_span(&first), &e));
	assert_string_equal(back.version, "2026.11.0");
	assert_string_equal(back.expires, s.expires);
	assert_int_equal(back.bytes, 1234);
	assert_int_equal(back.excuses, 3);
	assert_true(digest_eq(&back.previous, &s.previous));
	assert_int_equal(back.count, 6);
	assert_string_equal(back.entries[0].name, "docker.io/library/a");
	assert_string_equal(back.entries[0].tag, "");
	assert_string_equal(back.entries[1].tag, "1.0");
	assert_int_equal(back.entries[3].role, SET_ATTACHED);
	assert_true(back.entries[3].subject.alg == DIGEST_SHA256);
	assert_ptr_equal(set_role_entry(&back, SET_INVENTORY), &back.entries[5]);
	assert_null(set_role_entry(&back, SET_LIST));
	set_write(&back, &second);
	assert_string_equal(first.data, second.data);
}

/* Each row is an edit of good bytes that must be refused. */
static const struct {
	const char *what, *find, *replace, *says;
} edits[] = {
	{ "another type", MEDIA_MOAT_SET, "application/x", "not a moat set" },
	{ "no name", "vnd.moat.set.name", "vnd.moat.set.game", "set.name is missing" },
	{ "bad name", "\"vnd.moat.set.name\":\"platform\"", "\"vnd.moat.set.name\":\"a/b\"",
		"set name" },
	{ "bad version", "\"2026.11.0\"", "\"-1\"", "tag" },
	{ "bad time", "2026-11-23T23:00:00Z", "2026-11-23 23:00:00", "not a time" },
	{ "bad expiry", "2027-11-23T00:00:00Z", "never", "not a time" },
	{ "bad size", "\"1234\"", "\"-1\"", "number of bytes" },
	{ "bad excuses", ".excuses\":\"3\"", ".excuses\":\"some\"", "number of excuses" },
	{ "unknown role", "\"attached\"", "\"attacked\"", "not known" },
	{ "no subject", "io.containerd.manifest.subject", "io.containerd.manifest.object",
		"needs a subject" },
	{ "no inventory", "\"inventory\"", "\"lock\"", "" },
	{ "short name", "\"docker.io/library/a:1.0\"", "\"a:1.0\"", "full form" },
	{ "name without tag", "\"docker.io/library/a:1.0\"", "\"docker.io/library/a\"", "needs" },
	{ "out of order", "\"docker.io/library/a:1.0\"", "\"zz.io/a:1.0\"", "out of order" },
	{ "not a manifest", "\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"", "\"mediaType\":\"a/b\"",
		"is no manifest" },
};

static void edit(struct buf *out, const char *text, const char *find, const char *replace)
{
	const char *hit;

	while ((hit = strstr(text, find))) {
		buf_add(out, text, (size_t)(hit - text));
		buf_str(out, replace);
		text = hit + strlen(find);
	}
	buf_str(out, text);
}

static void set_parse__refuses(void **state)
{
	AUTO(set_release) struct set s = SET_INIT;
	AUTO(buf_release) struct buf good = BUF_INIT;

	(void)state;
	fill(&s);
	set_write(&s, &good);
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		AUTO(set_release) struct set back = SET_INIT;
		AUTO(buf_release) struct buf bad = BUF_INIT;
		struct err e = ERR_INIT;

		edit(&bad, good.data, edits[i].find, edits[i].replace);
		if (set_parse(&back, "s", buf_span(&bad), &e) == 0)
			fail_msg("%s was accepted", edits[i].what);
		if (!strstr(e.text, edits[i].says))
			fail_msg("%s: %s", edits[i].what, e.text);
	}
}

static void inventory__sorts_and_reads_back(void **state)
{
	AUTO(inventory_release) struct inventory v = INVENTORY_INIT;
	AUTO(inventory_release) struct inventory back = INVENTORY_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct digest d, absent;
	struct err e = ERR_INIT;

	(void)state;
	for (uint64_t i = 0; i < 300; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%u", (unsigned)(i % 100));
		digest_of(&d, DIGEST_SHA256, span_of(name));
		inventory_add(&v, &d, i % 100);
	}
	inventory_write(&v, &text);
	assert_ok(inventory_parse(&back, "inv", buf_span(&text), &e));
	assert_int_equal(back.count, 100);
	assert_int_equal(inventory_bytes(&back), 4950);
	assert_int_equal(inventory_find(&back, &d)->size, 99);
	digest_of(&absent, DIGEST_SHA256, span_of("x"));
	assert_null(inventory_find(&back, &absent));
}

#define D1 "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define D2 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const struct {
	const char *text, *says;
} bad_lines[] = {
	{ D1 " 2", "no end" },
	{ D1 "\n", "not a size" },
	{ D1 " 02\n", "not a size" },
	{ D1 " -2\n", "not a size" },
	{ D1 " 1234567890123456789\n", "not a size" },
	{ "sha256:00 2\n", "hex digits" },
	{ "\n", "inv:1" },
	{ D2 " 2\n" D1 " 2\n", "inv:2: out of order" },
	{ D1 " 2\n" D1 " 2\n", "inv:2: out of order" },
};

/* Sizes of 18 digits are fine one by one, not all together. */
static void inventory_parse__refuses_a_sum_that_overflows(void **state)
{
	AUTO(inventory_release) struct inventory v = INVENTORY_INIT;
	AUTO(inventory_release) struct inventory back = INVENTORY_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned char i = 0; i < 10; i++) {
		struct digest d = { .alg = DIGEST_SHA256, .bytes = { i } };

		inventory_add(&v, &d, 999999999999999999);
	}
	inventory_write(&v, &text);
	assert_err(
		inventory_parse(&back, "inv", buf_span(&text), &e), ERR_INPUT, "inv:10: the sum");
}

static void inventory_parse__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
		AUTO(inventory_release) struct inventory v = INVENTORY_INIT;
		struct err e = ERR_INIT;

		assert_err(inventory_parse(&v, "inv", span_of(bad_lines[i].text), &e), ERR_INPUT,
			bad_lines[i].says);
	}
}

static const struct {
	const char *a, *b;
	int order;
} versions[] = {
	{ "1.2", "1.10", -1 },
	{ "1.10", "1.10", 0 },
	{ "2026.09.1", "2026.10.0", -1 },
	{ "1.0", "1.0.1", -1 },
	{ "1.0-rc1", "1.0", -1 },
	{ "1.0-rc2", "1.0-rc10", -1 },
	{ "v1.9.0", "v1.10.0", -1 },
	{ "20261123T230000Z", "20261124T000000Z", -1 },
	{ "99999999999999999999998", "99999999999999999999999", -1 },
	{ "1.01", "1.1", 0 },
	{ "b", "a", 1 },
	/* What is only a time comes before what a person chose, ... */
	{ "20261123T230000Z", "2026.11", -1 },
	{ "20261123T230000Z", "1", -1 },
	{ "20261123T230000Z", "0", -1 },
	{ "20261123T230000Z", "v1", -1 },
	{ "20261123T230000Z", "0.0-alpha", -1 },
	{ "20261123T230000Z", "20261123T230000Z", 0 },
	/* ... but only what is exactly one. */
	{ "20261123T230000Z", "20261123T230000Z-1", -1 },
	{ "20261123T230000", "20261122T230000", 1 },
	{ "20261123", "2026.11", 1 },
	/* What is made behind a version is between it and the next ones. */
	{ "2026.11", "2026.11.0-20261123T230000Z", -1 },
	{ "2026.11.0-20261123T230000Z", "2026.11.0-20261124T000000Z", -1 },
	{ "2026.11.0-20261123T230000Z", "2026.11.0", -1 },
	{ "2026.11.0-20261123T230000Z", "2026.11.1", -1 },
	{ "2026.11.0-20261123T230000Z", "2026.12", -1 },
	{ "1.0-rc1.0-20261123T230000Z", "1.0-rc2", -1 },
	{ "1.0-rc1.0-20261123T230000Z", "1.0", -1 },
};

static void set_version_cmp__orders(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		int there = set_version_cmp(versions[i].a, versions[i].b);
		int back = set_version_cmp(versions[i].b, versions[i].a);

		if ((there > 0) - (there < 0) != versions[i].order ||
			(back > 0) - (back < 0) != -versions[i].order)
			fail_msg("%s and %s: %d, %d", versions[i].a, versions[i].b, there, back);
	}
}

#define V60 "123456789012345678901234567890123456789012345678901234567890"

static void set_version_default__follows_what_is_there(void **state)
{
	static const struct {
		const char *newest, *want; /* NULL: too long */
	} cases[] = {
		{ "", "20261124T000000Z" },
		{ "20261123T230000Z", "20261124T000000Z" },
		{ "2026.11", "2026.11.0-20261124T000000Z" },
		{ "2026.11.0-20261123T230000Z", "2026.11.0-20261124T000000Z" },
		{ "1.0-rc1", "1.0-rc1.0-20261124T000000Z" },
		{ "1.0-0.0-x", "1.0-0.0-x.0-20261124T000000Z" },
		{ "1.0-0.0-20261123T230000Z", "1.0-0.0-20261124T000000Z" },
		{ V60 V60, NULL },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char got[SET_VERSION_MAX + 1];
		struct err e = ERR_INIT;

		if (!cases[i].want) {
			assert_err(set_version_default(
					   got, cases[i].newest, "2026-11-24T00:00:00Z", &e),
				ERR_INPUT, "give --version");
			continue;
		}
		assert_ok(set_version_default(got, cases[i].newest, "2026-11-24T00:00:00Z", &e));
		assert_string_equal(got, cases[i].want);
		if (*cases[i].newest)
			assert_true(set_version_cmp(cases[i].newest, got) < 0);
	}
}

static void difference__expires(struct set *s)
{
	s->expires[0] = '\0';
}
static void difference__later(struct set *s)
{
	snprintf(s->created, sizeof(s->created), "2026-11-24T00:00:00Z");
}
static void difference__moved(struct set *s)
{
	digest_of(&s->entries[1].digest, DIGEST_SHA256, span_of("moved"));
	difference__later(s);
}
static void difference__gone(struct set *s)
{
	s->entries[2] = s->entries[3];
	s->entries[3] = s->entries[4];
	s->entries[4] = s->entries[5];
	s->count--;
}
static void difference__list(struct set *s)
{
	add(s, SET_LIST, "moat.local/set/platform", "", "y");
}
static void difference__many(struct set *s)
{
	for (char tag[] = "a"; *tag < 'h'; ++*tag)
		add(s, SET_PIN, "new.test/x", tag, tag);
	s->expires[0] = '\0';
}

static void set_difference__names_what_differs(void **state)
{
	static const struct {
		void (*change)(struct set *s);
		const char *text;
	} cases[] = {
		{ NULL, "the lock" },
		{ difference__expires, "it expires never instead of 2027-11-23T00:00:00Z" },
		{ difference__later, "the lock was changed 2026-11-24T00:00:00Z instead of "
				     "2026-11-23T23:00:00Z" },
		{ difference__moved, "docker.io/library/a:1.0 is another image" },
		{ difference__gone, "quay.io/b/c:v1 is gone" },
		{ difference__list, "the list" },
		{ difference__many,
			"it expires never instead of 2027-11-23T00:00:00Z, new.test/x:a is new, "
			"new.test/x:b is new, new.test/x:c is new, new.test/x:d is new and 3 "
			"more" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(set_release) struct set a = SET_INIT, b = SET_INIT;
		AUTO(buf_release) struct buf bytes = BUF_INIT, out = BUF_INIT;

		fill(&a);
		fill(&b);
		set_write(&a, &bytes); /* sorts */
		set_write(&b, &bytes);
		if (cases[i].change)
			cases[i].change(&a);
		set_write(&a, &bytes);
		set_difference(&a, &b, &out);
		if (strcmp(out.data, cases[i].text) != 0)
			fail_msg("%zu: %s", i, out.data);
	}
}

/* "r:1" of both, "r:1>" of a only, "r:1<" of b only, "r:1!" another digest in each. */
static void merge__note(void *ctx, const struct set_entry *a, const struct set_entry *b)
{
	const struct set_entry *entry = a ? a : b;

	buf_printf(ctx, "%s%s%s%s ", entry->name, *entry->tag ? ":" : "@", entry->tag,
		!b                                  ? ">"
		: !a                                ? "<"
		: digest_eq(&a->digest, &b->digest) ? ""
						    : "!");
}

static void merge__fill(struct set *s, const char *words)
{
	AUTO(buf_release) struct buf sorted = BUF_INIT;

	/* "a1" is r:a with the digest of "1"; "-1" is pinned by that digest */
	for (; *words; words += 3)
		add(s, SET_PIN, "r", *words == '-' ? "" : (char[]){ *words, '\0' },
			(char[]){ words[1], '\0' });
	if (s->count)
		set_write(s, &sorted);
}

static void set_merge__pairs_what_stands_at_one_place(void **state)
{
	static const struct {
		const char *a, *b; /* three bytes each */
		const char *pairs;
	} cases[] = {
		{ "", "", "" },
		{ "a1 ", "", "r:a> " },
		{ "", "a1 b1 ", "r:a< r:b< " },
		{ "a1 b1 ", "b1 a1 ", "r:a r:b " },
		{ "a1 ", "a2 ", "r:a! " },
		{ "a1 c1 e1 ", "b1 c2 d1 e1 f1 ", "r:a> r:b< r:c! r:d< r:e r:f< " },
		{ "b1 ", "a1 c1 ", "r:a< r:b> r:c< " },
		{ "-1 ", "-1 ", "r@ " },
		/* without a tag another digest is another place; "2" sorts behind "1" by its digest */
		{ "-1 a1 ", "-2 a1 ", "r@> r@< r:a " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(set_release) struct set a = SET_INIT, b = SET_INIT;
		AUTO(buf_release) struct buf out = BUF_INIT;

		merge__fill(&a, cases[i].a);
		merge__fill(&b, cases[i].b);
		buf_str(&out, "");
		set_merge(&a, &b, merge__note, &out);
		if (strcmp(out.data, cases[i].pairs) != 0)
			fail_msg("%zu: %s", i, out.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_merge__pairs_what_stands_at_one_place),
		cmocka_unit_test(set_difference__names_what_differs),
		cmocka_unit_test(set_write__is_deterministic_and_reads_back),
		cmocka_unit_test(set_parse__refuses),
		cmocka_unit_test(inventory__sorts_and_reads_back),
		cmocka_unit_test(inventory_parse__refuses),
		cmocka_unit_test(inventory_parse__refuses_a_sum_that_overflows),
		cmocka_unit_test(set_version_cmp__orders),
		cmocka_unit_test(set_version_default__follows_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
