/* Words in front of a key: what they allow, and that a slip never widens it. */
#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

#include "mirror-tool/sign/key_text.h"

#define PEM "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"

static void key_text__allows(void **state)
{
	static const struct {
		const char *text, *yes, *no; /* names of sets; NULL: not asked */
		const char *shown; /* NULL: every set */
	} cases[] = {
		{ PEM, "platform", NULL, NULL },
		{ "# sets: apps\n\n" PEM, "platform", NULL, NULL },
		{ "sets: platform\n" PEM, "platform", "platform2", "platform" },
		{ "sets: platform\n" PEM, "platform", "plat", "platform" },
		{ "sets:platform,apps-*\n" PEM, "apps-1", "apps", "platform, apps-*" },
		{ " sets :\tplatform , apps-* \n" PEM, "platform", "my-platform",
			"platform, apps-*" },
		{ "sets: *\n" PEM, "platform", NULL, "*" },
		{ "sets: app?[0-9]\n" PEM, "apps1", "apps10", "app?[0-9]" },
		{ "sets: [!a]*\n" PEM, "b", "a", "[!a]*" },
		{ "# of the team\r\nsets: apps\r\n\r\n" PEM, "apps", "platform", "apps" },
		{ "\xef\xbb\xbfsets: apps\n" PEM, "apps", "platform", "apps" },
		{ "\xef\xbb\xbf" PEM, "apps", NULL, NULL },
		{ "# M\xc3\xbcller, \xff\nsets: apps\n" PEM, "apps", "platform", "apps" },
		{ "sets: apps\n", "apps", "platform", "apps" }, /* no key: not for us to tell */
		{ PEM "# sets: apps\nPublic-Key: (256 bit)\nsets\n", "platform", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(key_text_release) struct key_text t = KEY_TEXT_INIT;
		struct span pem;
		struct err e = ERR_INIT;

		if (key_text_parse(&t, "k", span_of(cases[i].text), &pem, &e) < 0)
			fail_msg("%zu: %s", i, e.text);
		if (!t.sets_text != !cases[i].shown ||
			(t.sets_text && strcmp(t.sets_text, cases[i].shown) != 0))
			fail_msg("%zu: %s", i, t.sets_text);
		if (!key_text_allows(&t, cases[i].yes) ||
			(cases[i].no && key_text_allows(&t, cases[i].no)))
			fail_msg("%zu: %s, %s", i, cases[i].yes, cases[i].no);
		if (strstr(cases[i].text, "BEGIN") &&
			(pem.len < 27 || memcmp(pem.data, PEM, 27) != 0))
			fail_msg("%zu: the key begins elsewhere", i);
	}
}

static void key_text__strict(void **state)
{
	static const struct {
		const char *text;
		bool strict;
	} cases[] = { { PEM, false }, { "strict: true\n" PEM, true },
		{ "strict:false\n" PEM, false }, { "sets: a\n strict :\ttrue \r\n" PEM, true },
		{ "# strict: true\n" PEM, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(key_text_release) struct key_text t = KEY_TEXT_INIT;
		AUTO(key_text_release) struct key_text none = KEY_TEXT_INIT;
		struct span pem;
		struct err e = ERR_INIT;

		assert_ok(key_text_parse(&t, "k", span_of(cases[i].text), &pem, &e));
		assert_int_equal(t.strict, cases[i].strict);
		if (t.strict)
			assert_false(key_text_eq(&t, &none));
	}
}

static void key_text__refuses(void **state)
{
	static const struct {
		const char *text, *why;
		size_t len; /* 0: of the text */
	} cases[] = {
		{ "set: apps\n" PEM, "k: line 1: \"set\" is no word for a key (known: sets: VALUE",
			0 },
		{ "Sets: apps\n" PEM, "line 1: \"Sets\" is no word", 0 },
		{ "strict: yes\n" PEM, "k: line 1: strict:: true or false is needed", 0 },
		{ "strict:\n" PEM, "true or false is needed", 0 },
		{ "strict: true\nstrict: true\n" PEM, "line 2: strict:: is there twice", 0 },
		{ PEM "strict: true\n", "strict: must stand in front of BEGIN", 0 },
		{ "sets apps\n" PEM, "line 1: \"sets apps\" is no word", 0 },
		{ "sets\n" PEM, "line 1: \"sets\" is no word", 0 },
		{ "sets = apps\n" PEM, "is no word", 0 },
		{ "\n# x\nPublic-Key: (256 bit)\n" PEM, "line 3: \"Public-Key\" is no word", 0 },
		{ "sets:\n" PEM, "k: line 1: sets:: a name of a set is missing", 0 },
		{ "sets: ,apps\n" PEM, "a name of a set is missing", 0 },
		{ "sets: apps,\n" PEM, "a name of a set is missing", 0 },
		{ "sets: apps platform\n" PEM, "\"apps platform\" matches no name of a set", 0 },
		{ "sets: Apps\n" PEM, "\"Apps\" matches no name of a set", 0 },
		{ "sets: ^1.2\n" PEM, "\"^1.2\" matches no name", 0 },
		{ "sets: team/apps\n" PEM, "matches no name", 0 },
		{ "sets: apps # all of them\n" PEM, "matches no name", 0 },
		{ "sets: apps[0\n" PEM, "'[' is not closed", 0 },
		{ "sets: \xc3\xa4pps\n" PEM, "matches no name", 0 },
		{ "sets: a\nsets: b\n" PEM, "k: line 2: sets:: is there twice", 0 },
		{ PEM "sets: apps\n", "k: line 4: sets: must stand in front of BEGIN", 0 },
		{ "-----BEGIN PUBLIC KEY-----\n sets: apps\nAAAA\n", "line 2: sets: must stand",
			0 },
		{ PEM "sets: apps\n" PEM, "line 4: sets: must stand", 0 },
		{ " " PEM, "is no word", 0 },
		{ "# a\rsets: apps\r" PEM, "the control byte 0x0d", 0 },
		{ "sets: a\x1b[31mpps\n" PEM, "line 1: byte 8 is the control byte 0x1b", 0 },
		{ "# \x7f\n" PEM, "control byte 0x7f", 0 },
		{ "sets: a\0pps\n" PEM, "control byte 0x00", sizeof("sets: a\0pps\n" PEM) - 1 },
		{ "#\0\n" PEM, "control byte 0x00", sizeof("#\0\n" PEM) - 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span bytes = { cases[i].text,
			cases[i].len ? cases[i].len : strlen(cases[i].text) };
		struct key_text t = KEY_TEXT_INIT;
		struct span pem;
		struct err e = ERR_INIT;

		if (key_text_parse(&t, "k", bytes, &pem, &e) != -1 || e.code != ERR_INPUT ||
			!strstr(e.text, cases[i].why) || t.sets || t.sets_text)
			fail_msg("%zu: %s", i, e.text);
	}
}

static void key_text__limits_patterns(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(key_text_release) struct key_text t = KEY_TEXT_INIT;
	struct span pem;
	struct err e = ERR_INIT;

	(void)state;
	buf_str(&text, "sets: a");
	for (int i = 1; i < KEY_SETS_MAX; i++)
		buf_str(&text, ",a");
	assert_ok(key_text_parse(&t, "k", buf_span(&text), &pem, &e));
	assert_int_equal(t.set_count, KEY_SETS_MAX);
	key_text_release(&t);
	buf_str(&text, ",a");
	assert_err(key_text_parse(&t, "k", buf_span(&text), &pem, &e), ERR_INPUT,
		"more than 64 names of sets");
	buf_clear(&text);
	buf_str(&text, "sets: ");
	for (int i = 0; i <= PATTERN_TEXT_MAX; i++)
		buf_char(&text, 'a');
	assert_err(key_text_parse(&t, "k", buf_span(&text), &pem, &e), ERR_INPUT, "1 to 255 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_text__allows),
		cmocka_unit_test(key_text__strict),
		cmocka_unit_test(key_text__refuses),
		cmocka_unit_test(key_text__limits_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
