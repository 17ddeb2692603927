/* Tag lists and referrers: pages, loops, fallbacks, and sizes of files by URL. */
#include <stdio.h>
#include <string.h>

#include "tests/support/cm.h"
#include "world.h"

/* --- tags --------------------------------------------------------------------------------------- */

static void tags(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;
	unsigned page = 0;

	sscanf(r->target, "/v2/%*[a-z]/tags/list?page=%u", &page);
	fake_text(out, 200, "");
	buf_printf(&out->body, "{\"name\":\"x\",\"tags\":[\"p%u\",\"not a tag\",\"v1.%u\"]}", page,
		page);
	if (strstr(r->target, "/plain/"))
		return;
	if (strstr(r->target, "/null/"))
		fake_text(out, 200, "{\"tags\":null}");
	else if (strstr(r->target, "/empty/"))
		fake_text(out, 200, "{\"name\":\"x\"}");
	else if (strstr(r->target, "/absent/"))
		fake_text(out, 404, "");
	else if (strstr(r->target, "/junk/"))
		fake_text(out, 200, "<html>");
	else if (strstr(r->target, "/numbers/"))
		fake_text(out, 200, "{\"tags\":[1]}");
	else if (strstr(r->target, "/refused/"))
		fake_text(out, 200, "{\"tags\":[\"a\",\"refuse-me\"]}");
	else if (strstr(r->target, "/foreign/") && page < 2)
		fake_header(out, "Link: <https://%s/v2/foreign/tags/list?page=%u>; rel=\"next\"",
			w->b_host, page + 1);
	else if (strstr(r->target, "/norel/") && page < 2)
		fake_header(out, "Link: </v2/norel/tags/list?page=%u>", page + 1);
	else if (strstr(r->target, "/bare/") && page < 2)
		fake_header(out, "Link: ?page=%u", page + 1);
	else if (strstr(r->target, "/backwards/"))
		fake_header(out, "Link: </v2/backwards/tags/list?page=1>; rel=\"prev\"");
	else if (strstr(r->target, "/odd/"))
		fake_header(out, "Link: <>");
	else if (strstr(r->target, "/foreign/") || strstr(r->target, "/norel/") ||
		 strstr(r->target, "/bare/"))
		return;
	else if (strstr(r->target, "/same/"))
		fake_header(out, "Link: <%s>; rel=next", r->target);
	else if (strstr(r->target, "/gone/")) {
		fake_header(out, "Link: <list?page=%u>; rel=next", page + 1);
		if (page == 1)
			out->status = 404;
	} else if (strstr(r->target, "/endless/") || page < 3)
		fake_header(out,
			"Link: </other>; rel=last, </v2/%s/tags/list?page=%u>; rel=\"next\"",
			strstr(r->target, "/endless/") ? "endless" : "paged", page + 1);
}

static void tags__pages_are_followed(void **state)
{
	static const struct {
		const char *repo, *want;
	} cases[] = {
		{ "plain", "p0 v1.0 " },
		{ "paged", "p0 v1.0 p1 v1.1 p2 v1.2 p3 v1.3 " },
		{ "foreign", "p0 v1.0 p1 v1.1 p2 v1.2 " },
		{ "norel", "p0 v1.0 p1 v1.1 p2 v1.2 " },
		{ "bare", "p0 v1.0 p1 v1.1 p2 v1.2 " },
		{ "backwards", "p0 v1.0 " },
		{ "null", "" },
		{ "empty", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, tags, tags);
		get_tags(&w, cases[i].repo, &r);
		assert_found(&r);
		assert_string_equal(r.bytes.data, cases[i].want);
		assert_int_equal(fake_count(w.b, ""), 0);
		if (*cases[i].want && !strstr(w.notes.data, "are no tags, left out"))
			fail_msg("%s: a name was left out in silence", cases[i].repo);
	}
}

static void tags__hostile_lists_are_refused(void **state)
{
	static const struct {
		const char *repo, *words;
	} cases[] = {
		{ "junk", "tag list" },
		{ "numbers", "no string" },
		{ "refused", "not that one" },
		{ "odd", "Link to the next page cannot be understood" },
		{ "same", "Link to the same page" },
		{ "gone", "page 2 of the tags is not there" },
		{ "endless", "more than 1000 pages" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, tags, tags);
		get_tags(&w, cases[i].repo, &r);
		assert_failed(&r, ERR_INPUT, cases[i].words);
		assert_int_equal(fake_count(w.b, ""), 0);
	}
}

static void tags__absent_repository_is_an_answer(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, tags, NULL);
	get_tags(&w, "absent", &r);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.rc, 0);
}

/* --- referrers ---------------------------------------------------------------------------------- */

#define ONE "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"size\":2,\"digest\":\"sha256:%064d\"}"
#define SUBJECT "@sha256:abababababababababababababababababababababababababababababababab"

enum mode { API, TAG, NONE, BROKEN, BROKEN_TAG, HTML, PAGES, NOT_INDEX, ODD_TAG, NO_METHOD };

static void index_of(struct fake_reply *out, int first, int second)
{
	fake_text(out, 200, "");
	fake_header(out, "Content-Type: " MEDIA_OCI_INDEX);
	buf_printf(&out->body,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[" ONE
		"," ONE "]}",
		first, second);
}

static void referrers(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;
	bool api = strstr(r->target, "/referrers/sha256:abab") != NULL;

	fake_text(out, 404, "");
	if (!api && !strstr(r->target, "/manifests/sha256-abab"))
		fake_text(out, 400, "");
	else if (api && (w->ours == API || w->ours == PAGES)) {
		bool last = w->ours == API || strstr(r->target, "p=2");

		index_of(out, last ? 2 : 1, last ? 3 : 2);
		if (!last)
			fake_header(out, "Link: <?p=2>; rel=\"next\"");
	} else if (api && w->ours == HTML) {
		fake_text(out, 200, "<html>");
		fake_header(out, "Content-Type: text/html");
	} else if (api && w->ours == BROKEN)
		fake_text(out, 403, "");
	else if (api && w->ours == NO_METHOD)
		fake_text(out, 405, "");
	else if (api && w->ours == NOT_INDEX) {
		fake_text(out, 200, "{\"manifests\":5}");
		fake_header(out, "Content-Type: " MEDIA_OCI_INDEX);
	} else if (!api && (w->ours == TAG || w->ours == HTML || w->ours == NO_METHOD))
		index_of(out, 1, 1);
	else if (!api && w->ours == BROKEN_TAG)
		fake_text(out, 403, "");
	else if (!api && w->ours == ODD_TAG)
		fake_text(out, 200, "{\"manifests\":[5]}");
}

static void referrers__api_then_tag_then_none(void **state)
{
	static const struct {
		enum mode mode;
		size_t count;
		bool via_tag;
	} cases[] = {
		{ API, 2, false },
		{ PAGES, 3, false },
		{ TAG, 1, true },
		{ HTML, 1, true },
		{ NO_METHOD, 1, true },
		{ NONE, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, referrers, NULL);
		w.ours = (int)cases[i].mode;
		get_referrers(&w, "app" SUBJECT, &r);
		assert_found(&r);
		assert_int_equal(r.count, cases[i].count);
		assert_int_equal(r.via_tag, cases[i].via_tag);
	}
}

static void referrers__a_failure_is_not_an_empty_list(void **state)
{
	static const struct {
		enum mode mode;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ BROKEN, ERR_DENIED, "referrers of sha256:abab" },
		{ BROKEN_TAG, ERR_DENIED, "HTTP 403" },
		{ NOT_INDEX, ERR_INPUT, "referrers" },
		{ ODD_TAG, ERR_INPUT, "referrers" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, referrers, NULL);
		w.ours = (int)cases[i].mode;
		get_referrers(&w, "app" SUBJECT, &r);
		assert_failed(&r, cases[i].code, cases[i].words);
	}
}

/* --- sizes of files ------------------------------------------------------------------------------- */

static void files(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	bool head = strcmp(r->method, "HEAD") == 0;

	(void)ctx;
	fake_text(out, 200, "0123456789");
	if (strstr(r->target, "range")) {
		out->status = head ? 403 : 206;
		fake_header(
			out, "Content-Range: bytes 0-0/%s", strstr(r->target, "star") ? "*" : "10");
		buf_cut(&out->body, 1);
	} else if (strstr(r->target, "chunked")) {
		out->chunked = true;
	} else if (strstr(r->target, "get-only")) {
		out->status = head ? 405 : 200;
	} else if (strstr(r->target, "absent")) {
		out->status = 404;
	} else if (strstr(r->target, "moved")) {
		out->status = 302;
		fake_header(out, "Location: /head?sig=secret");
	}
}

static void size__is_found_by_head_by_range_or_by_reading(void **state)
{
	static const struct {
		const char *path;
		int rc;
		const char *words;
	} cases[] = {
		{ "head", 1, "" },
		{ "moved", 1, "" },
		{ "range", 1, "" },
		{ "chunked", 1, "" },
		{ "get-only", 1, "" },
		{ "absent", 0, "" },
		{ "range-star", -1, "does not tell its size" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;
		char url[200];

		world_init(&w, files, NULL);
		snprintf(url, sizeof(url), "http://%s/%s", fake_host(w.a), cases[i].path);
		get_size(&w, url, &r);
		if (r.rc != cases[i].rc || (r.rc > 0 && r.size != 10) ||
			!strstr(r.e.text, cases[i].words))
			fail_msg("%s: rc %d, %llu bytes: %s", cases[i].path, r.rc,
				(unsigned long long)r.size, r.e.text);
	}
}

static void size__urls_that_may_not_be_used(void **state)
{
	static const struct {
		const char *url, *words;
	} cases[] = {
		{ "http://example.org/x?secret", "plain http to example.org" },
		{ "ftp://example.org/x", "ftp://example.org/x" },
		{ "https://me:secret@example.org/x", "credentials in a URL" },
		{ "", "empty URL" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, files, NULL);
		get_size(&w, cases[i].url, &r);
		assert_failed(&r, ERR_INPUT, cases[i].words);
		assert_null(strstr(r.e.text, "secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags__pages_are_followed),
		cmocka_unit_test(tags__hostile_lists_are_refused),
		cmocka_unit_test(tags__absent_repository_is_an_answer),
		cmocka_unit_test(referrers__api_then_tag_then_none),
		cmocka_unit_test(referrers__a_failure_is_not_an_empty_list),
		cmocka_unit_test(size__is_found_by_head_by_range_or_by_reading),
		cmocka_unit_test(size__urls_that_may_not_be_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
