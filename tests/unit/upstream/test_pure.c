/* The pure parts: challenges, header values, URLs, realms, tokens. Tables. */
#include <arpa/inet.h>
#include <string.h>

#include "mirror-tool/upstream/challenge.h"
#include "mirror-tool/upstream/headers.h"
#include "mirror-tool/upstream/http.h"
#include "mirror-tool/upstream/token.h"
#include "tests/support/cm.h"

static void challenge__table(void **state)
{
	static const struct {
		const char *value;
		enum auth_kind kind;
		const char *realm, *service, *scope;
	} cases[] = {
		{ "", AUTH_NONE, "", "", "" },
		{ "Basic realm=\"x\"", AUTH_BASIC, "x", "", "" },
		{ "Basic", AUTH_BASIC, "", "", "" },
		{ "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a:pull\"",
			AUTH_BEARER, "https://a/t", "s", "repository:a:pull" },
		{ "bearer REALM=https://a/t , Service = s", AUTH_BEARER, "https://a/t", "s", "" },
		{ "Basic realm=\"a, b\", Bearer realm=\"c\"", AUTH_BEARER, "c", "", "" },
		{ "Bearer realm=\"c\", Basic realm=b", AUTH_BEARER, "c", "", "" },
		{ "Bearer service=x", AUTH_NONE, "", "", "" },
		{ "Negotiate abc==, Basic realm=\"q\\\"uo\\\\te\"", AUTH_BASIC, "q\"uo\\te", "",
			"" },
		{ "Digest realm=\"Bearer realm=x\", qop=auth", AUTH_NONE, "", "", "" },
		{ "Bearer realm=\"unfinished", AUTH_BEARER, "unfinished", "", "" },
		{ "Bearer realm=\"a\tb\", Basic realm=ok", AUTH_BASIC, "ok", "", "" },
		{ ",,, , Basic , , realm=x", AUTH_BASIC, "x", "", "" },
		{ "=== \"\" Basic realm=x", AUTH_BASIC, "x", "", "" },
		{ "Bearer error=\"invalid_token\",realm=\"r\"", AUTH_BEARER, "r", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct challenge c;

		challenge_parse(&c, span_of(cases[i].value));
		if (c.kind != cases[i].kind || strcmp(c.realm, cases[i].realm) != 0 ||
			strcmp(c.service, cases[i].service) != 0 ||
			strcmp(c.scope, cases[i].scope) != 0)
			fail_msg("%s: kind %d realm %s service %s scope %s", cases[i].value,
				(int)c.kind, c.realm, c.service, c.scope);
	}
}

static void challenge__too_long_a_value_is_passed_over(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct challenge c;

	(void)state;
	buf_str(&text, "Bearer realm=\"");
	for (int i = 0; i < CHALLENGE_VALUE_MAX + 1; i++)
		buf_char(&text, 'a');
	buf_str(&text, "\", Basic realm=short");
	challenge_parse(&c, buf_span(&text));
	assert_int_equal(c.kind, AUTH_BASIC);
	assert_string_equal(c.realm, "short");
}

static void content_range__table(void **state)
{
	static const struct {
		const char *value;
		bool ok;
		struct content_range want;
	} cases[] = {
		{ "bytes 0-9/10", true, { 0, 9, 10 } },
		{ "Bytes 5-9/*", true, { 5, 9, UINT64_MAX } },
		{ "bytes 9-5/10", false, { 0, 0, 0 } },
		{ "bytes 0-10/10", false, { 0, 0, 0 } },
		{ "bytes */10", false, { 0, 0, 0 } },
		{ "bytes 0-9/", false, { 0, 0, 0 } },
		{ "bytes -1-9/10", false, { 0, 0, 0 } },
		{ "bytes 0-99999999999999999999/*", false, { 0, 0, 0 } },
		{ "lines 0-9/10", false, { 0, 0, 0 } },
		{ "", false, { 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct content_range r = { 0, 0, 0 };
		bool ok = content_range_parse(span_of(cases[i].value), &r);

		if (ok != cases[i].ok ||
			(ok && (r.first != cases[i].want.first || r.last != cases[i].want.last ||
				       r.total != cases[i].want.total)))
			fail_msg("%s", cases[i].value);
	}
}

static void retry_after__table(void **state)
{
	const time_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
	static const struct {
		const char *value;
		int64_t want;
	} cases[] = {
		{ "0", 0 },
		{ " 120 ", 120 },
		{ "99999999999", 366 * 24 * 3600 },
		{ "Sun, 06 Nov 1994 08:49:47 GMT", 10 },
		{ "Sunday, 06-Nov-94 08:50:37 GMT", 60 },
		{ "Sun Nov  6 08:49:38 1994", 1 },
		{ "Sun, 06 Nov 1994 08:00:00 GMT", 0 },
		{ "soon", -1 },
		{ "-5", -1 },
		{ "1.5", -1 },
		{ "", -1 },
		{ "Sun, 06 Nov 1994 08:49:47 GMT and a very long rest that nobody asked for", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(retry_after_parse(span_of(cases[i].value), now), cases[i].want);
}

static void rate_limit__table(void **state)
{
	static const struct {
		const char *value;
		bool ok;
		uint64_t left, window;
	} cases[] = {
		{ "76;w=21600", true, 76, 21600 },
		{ "76", true, 76, 0 },
		{ " 0 ; W=60 ; x=y", true, 0, 60 },
		{ "many", false, 0, 0 },
		{ "", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t left = 0, window = 0;
		bool ok = rate_limit_parse(span_of(cases[i].value), &left, &window);

		assert_int_equal(ok, cases[i].ok);
		if (ok) {
			assert_int_equal(left, cases[i].left);
			assert_int_equal(window, cases[i].window);
		}
	}
}

static void link__table(void **state)
{
	static const struct {
		const char *value, *want; /* NULL: none; "": not understood */
	} cases[] = {
		{ "</v2/x?n=1>; rel=\"next\"", "/v2/x?n=1" },
		{ "</a>; rel=prev, </b,c>; foo; rel=\"last next\"", "/b,c" },
		{ "</a>;rel=next", "/a" },
		{ "</a>; title=\"x; rel=next, <y>\"; rel=prev", NULL },
		{ "</a>; rel=\"first\", </b>; rel=\"last\"", NULL },
		{ "</a>", "/a" },
		{ " </a> ", "/a" },
		{ "</a>, </b>", "/a" },
		{ "</a>; title=x", "/a" },
		{ "</a>; rel=first, </b>", "/b" },
		{ "</a>, </b>; rel=next", "/b" },
		{ "</a>; REL=Next", "/a" },
		{ "</a; rel=next", "/a" },
		{ "/a; rel=next", "/a" },
		{ "/a?n=1,2", "/a?n=1,2" },
		{ "</a>; rel=\"next", "/a" },
		{ "<>; rel=next", "" },
		{ "<", "" },
		{ "; rel=next", "" },
		{ "</a> </b>; rel=next", "" },
		{ "</a>; rel=prev x", "" },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int want = !cases[i].want ? 0 : *cases[i].want ? 1 : -1;
		struct span target;
		int rc = link_next(span_of(cases[i].value), &target);

		if (rc != want || (rc > 0 && !span_is(target, cases[i].want)))
			fail_msg("%s: %d", cases[i].value, rc);
	}
}

static void content_type__is_lowered_and_cut(void **state)
{
	char type[20];

	(void)state;
	content_type_parse(span_of(" Text/HTML ; charset=x"), type, sizeof(type));
	assert_string_equal(type, "text/html");
	content_type_parse(span_of("text/a-type-that-is-too-long"), type, sizeof(type));
	assert_string_equal(type, "");
	content_type_parse(span_of("a\x01/b"), type, sizeof(type));
	assert_string_equal(type, "");
}

/* --- URLs ------------------------------------------------------------------------------------------ */

static void url__parts_and_privacy(void **state)
{
	static const struct {
		const char *text, *authority;
		bool private;
	} cases[] = {
		{ "https://Example.ORG/a?b#c", "example.org", false },
		{ "https://example.org:443/", "example.org", false },
		{ "http://example.org:443/", "example.org:443", false },
		{ "https://127.0.0.1/", "127.0.0.1", true },
		{ "https://0x7f.1/", "127.0.0.1", true },
		{ "https://2130706433/", "127.0.0.1", true },
		{ "https://017700000001/", "127.0.0.1", true },
		{ "https://0/", "0.0.0.0", true },
		{ "https://192.168.3.4:5000/", "192.168.3.4:5000", true },
		{ "https://172.31.255.255/", "172.31.255.255", true },
		{ "https://172.32.0.1/", "172.32.0.1", false },
		{ "https://100.64.0.1/", "100.64.0.1", true },
		{ "https://255.255.255.255/", "255.255.255.255", true },
		{ "https://8.8.8.8/", "8.8.8.8", false },
		{ "https://[::1]/", "[::1]", true },
		{ "https://[fe80::1]/", "[fe80::1]", true },
		{ "https://[fd00::1]/", "[fd00::1]", true },
		{ "https://[::ffff:10.0.0.1]/", "[::ffff:10.0.0.1]", true },
		{ "https://[64:ff9b::7f00:1]/", "[64:ff9b::7f00:1]", true },
		{ "https://[2606:4700::1111]/", "[2606:4700::1111]", false },
		{ "https://localhost/", "localhost", true },
		{ "https://x.localhost./", "x.localhost.", true },
		{ "https://notlocalhost/", "notlocalhost", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(url_release) struct url u = URL_INIT;
		struct err e = ERR_INIT;
		char authority[URL_HOST_MAX + 8];

		assert_ok(url_parse(&u, NULL, span_of(cases[i].text), &e));
		if (strcmp(url_authority(&u, authority), cases[i].authority) != 0 ||
			url_is_private(&u) != cases[i].private)
			fail_msg(
				"%s: %s, private %d", cases[i].text, authority, url_is_private(&u));
	}
}

static void address__no_foreign_name_leads_to_this_machine(void **state)
{
	static const struct {
		const char *text;
		bool local;
	} cases[] = {
		{ "127.0.0.1", true },
		{ "169.254.169.254", true },
		{ "0.0.0.0", true },
		{ "10.0.0.1", false },
		{ "8.8.8.8", false },
		{ "::1", true },
		{ "fe80::1", true },
		{ "::ffff:127.0.0.1", true },
		{ "fd00::1", false },
		{ "2606:4700::1111", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		bool is4 = inet_pton(AF_INET, cases[i].text, &v4.sin_addr) == 1;

		if (!is4)
			assert_int_equal(inet_pton(AF_INET6, cases[i].text, &v6.sin6_addr), 1);
		if (address_is_local(is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6) !=
			cases[i].local)
			fail_msg("%s", cases[i].text);
	}
}

static void url__relative_and_refused(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{ "/b?c", "https://h.example/b?c" },
		{ "b", "https://h.example/x/b" },
		{ "?p=2", "https://h.example/x/y?p=2" },
		{ "//other.example/z", "https://other.example/z" },
		{ "https://o.example", "https://o.example/" },
		{ "https://u:p@o.example/", NULL },
		{ "https://u@o.example/", NULL },
		{ "javascript:alert(1)", NULL },
		{ "gopher://x/", NULL },
		{ "https://", NULL },
		{ "https://a b/", NULL },
		{ "https://h:0/", NULL },
		{ "https://h:99999/", NULL },
		{ "", NULL },
	};
	AUTO(url_release) struct url base = URL_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(url_parse(&base, NULL, span_of("https://h.example/x/y"), &e));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(url_release) struct url u = URL_INIT;
		int rc = url_parse(&u, &base, span_of(cases[i].text), &e);

		if ((rc == 0) != (cases[i].want != NULL) ||
			(rc == 0 && strcmp(u.text, cases[i].want) != 0))
			fail_msg("%s: %d %s", cases[i].text, rc, rc ? e.text : u.text);
	}
}

static void url__domains(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "registry-1.docker.io", "auth.docker.io", true },
		{ "ghcr.io", "ghcr.io", true },
		{ "registry.gitlab.com", "gitlab.com", true },
		{ "a.co.uk", "b.co.uk", false },
		{ "x.a.co.uk", "y.a.co.uk", true },
		{ "one.github.io", "two.github.io", false },
		{ "quay.io", "quay.io.evil.example", false },
		{ "10.0.0.1", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.2", false },
		{ "localhost", "localhost", true },
		{ "com", "com.com", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (url_same_domain(cases[i].a, cases[i].b) != cases[i].same)
			fail_msg("%s %s", cases[i].a, cases[i].b);
	}
}

static void url__secrets_are_not_shown(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;

	(void)state;
	url_redacted(&b, "https://me:pw@h/p\x1b[31m/q?sig=secret#x");
	assert_string_equal(b.data, "https://h/p?[31m/q?...");
}

/* --- realms and tokens ----------------------------------------------------------------------------- */

static void realm__table(void **state)
{
	static const struct {
		const char *registry, *realm;
		bool allowed, bare, with; /* by the user; without and with credentials */
	} cases[] = {
		{ "https://registry-1.docker.io/", "https://auth.docker.io/token", false, true,
			true },
		{ "https://quay.io/", "https://quay.io/v2/auth", false, true, true },
		{ "https://quay.io/", "https://evil.example/t", false, true, false },
		{ "https://quay.io/", "https://evil.example/t", true, true, true },
		{ "https://quay.io/", "http://quay.io/v2/auth", false, false, false },
		{ "https://quay.io/", "https://127.0.0.1/t", false, false, false },
		{ "https://quay.io/", "https://169.254.169.254/t", false, false, false },
		{ "https://quay.io/", "https://localhost/t", false, false, false },
		{ "https://10.0.0.1:5000/", "https://10.0.0.1:5001/t", false, true, true },
		{ "https://10.0.0.1:5000/", "https://10.0.0.2:5001/t", false, false, false },
		{ "http://localhost:5000/", "http://localhost:5001/t", false, true, true },
		{ "http://localhost:5000/", "http://quay.io/t", false, false, false },
		{ "https://a.co.uk/", "https://b.co.uk/", false, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(url_release) struct url registry = URL_INIT;
		AUTO(url_release) struct url realm = URL_INIT;
		struct err e = ERR_INIT;

		assert_ok(url_parse(&registry, NULL, span_of(cases[i].registry), &e));
		assert_ok(url_parse(&realm, NULL, span_of(cases[i].realm), &e));
		if ((realm_check(&registry, &realm, cases[i].allowed, false, &e) == 0) !=
				cases[i].bare ||
			(realm_check(&registry, &realm, cases[i].allowed, true, &e) == 0) !=
				cases[i].with)
			fail_msg("%s %s", cases[i].registry, cases[i].realm);
	}
}

static void token__table(void **state)
{
	static const struct {
		const char *body, *token; /* NULL: refused */
		int64_t seconds;
	} cases[] = {
		{ "{\"token\":\"a\"}", "a", 50 },
		{ "{\"access_token\":\"b\",\"expires_in\":300}", "b", 290 },
		{ "{\"token\":\"a\",\"access_token\":\"b\",\"expires_in\":3}", "a", 5 },
		{ "{\"token\":\"\",\"access_token\":\"b\",\"expires_in\":0}", "b", 50 },
		{ "{\"token\":\"a b\"}", NULL, 0 },
		{ "{\"token\":\"a\\nb\"}", NULL, 0 },
		{ "{\"token\":1}", NULL, 0 },
		{ "{\"token\":\"a\",\"expires_in\":\"x\"}", NULL, 0 },
		{ "{}", NULL, 0 },
		{ "[]", NULL, 0 },
		{ "", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *token = NULL;
		struct err e = ERR_INIT;
		int64_t seconds = 0;
		int rc = token_parse(span_of(cases[i].body), &token, &seconds, &e);

		if ((rc == 0) != (cases[i].token != NULL) ||
			(rc == 0 && (strcmp(token, cases[i].token) != 0 ||
					    seconds != cases[i].seconds)))
			fail_msg("%s: %d %s", cases[i].body, rc, rc ? e.text : token);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenge__table),
		cmocka_unit_test(challenge__too_long_a_value_is_passed_over),
		cmocka_unit_test(content_range__table),
		cmocka_unit_test(retry_after__table),
		cmocka_unit_test(rate_limit__table),
		cmocka_unit_test(link__table),
		cmocka_unit_test(content_type__is_lowered_and_cut),
		cmocka_unit_test(url__parts_and_privacy),
		cmocka_unit_test(address__no_foreign_name_leads_to_this_machine),
		cmocka_unit_test(url__relative_and_refused),
		cmocka_unit_test(url__domains),
		cmocka_unit_test(url__secrets_are_not_shown),
		cmocka_unit_test(realm__table),
		cmocka_unit_test(token__table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
