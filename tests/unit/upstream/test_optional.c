/*
 * Optional questions: what registries that never heard of them answer, and what real failures look
 * like. One table of answers, held against each question: the referrers API, the fallback tag, and a
 * tag that a signature would be under.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/cm.h"
#include "world.h"

#define HEX "abababababababababababababababababababababababababababababababab"
#define SUBJECT "@sha256:" HEX
#define INDEX_TYPE "Content-Type: " MEDIA_OCI_INDEX
#define IMAGE_TYPE "Content-Type: " MEDIA_OCI_MANIFEST
#define JSON_TYPE "Content-Type: application/json"
#define HTML_TYPE "Content-Type: text/html; charset=utf-8"
#define CHALLENGE "WWW-Authenticate: Negotiate"
#define ONE "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"size\":2,\"digest\":\"sha256:" HEX "\"}"
#define LISTS(list)                                                                                \
	"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":" list "}"
#define IMAGE                                                                                      \
	"{\"schemaVersion\":2,\"config\":" ONE                                                     \
	",\"layers\":[],\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"}"
#define DOCKER_LIST                                                                                \
	"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_LIST "\",\"manifests\":[" ONE "]}"
#define ERRORS "{\"errors\":[{\"code\":\"UNSUPPORTED\",\"message\":\"no such route\"}]}"

/* What comes of an answer: nothing is there, a list or manifest is, or it cannot be told. */
enum outcome { NONE, FOUND, FAILS };

struct answer {
	const char *name;
	int status;
	const char *header, *body;
	enum outcome api, tag, attached; /* by question */
	enum err_code code; /* of FAILS */
};

#define ALL(outcome) outcome, outcome, outcome

static const struct answer answers[] = {
	{ "not found", 404, JSON_TYPE, ERRORS, ALL(NONE), ERR_OK },
	{ "not found, a page", 404, HTML_TYPE, "<html>", ALL(NONE), ERR_OK },
	{ "bad request", 400, JSON_TYPE, ERRORS, ALL(NONE), ERR_OK },
	{ "bad request, a page", 400, HTML_TYPE, "<html>", ALL(NONE), ERR_OK },
	{ "no method", 405, JSON_TYPE, ERRORS, ALL(NONE), ERR_OK },
	{ "not acceptable", 406, "", "", ALL(NONE), ERR_OK },
	{ "gone", 410, "", "", ALL(NONE), ERR_OK },
	{ "uri too long", 414, "", "", ALL(NONE), ERR_OK },
	{ "unsupported type", 415, JSON_TYPE, "{", ALL(NONE), ERR_OK },
	{ "unprocessable", 422, JSON_TYPE, ERRORS, ALL(NONE), ERR_OK },
	{ "not implemented", 501, "", "", ALL(NONE), ERR_OK },
	{ "no content", 204, "", "", ALL(NONE), ERR_OK },
	{ "asks for nothing", 401, JSON_TYPE, ERRORS, ALL(NONE), ERR_OK },
	{ "a web page", 200, HTML_TYPE, "<!DOCTYPE html>", ALL(NONE), ERR_OK },
	{ "a web page without a type", 200, "", "<html>", ALL(NONE), ERR_OK },
	{ "nothing at all", 200, "", "", ALL(NONE), ERR_OK },
	{ "an error as success", 200, JSON_TYPE, ERRORS, ALL(NONE), ERR_OK },
	{ "a list of others", 200, JSON_TYPE, "[]", ALL(NONE), ERR_OK },
	{ "an empty object", 200, JSON_TYPE, "{}", ALL(NONE), ERR_OK },
	{ "an empty object, as index", 200, INDEX_TYPE, "{}", ALL(NONE), ERR_OK },
	{ "lists null", 200, INDEX_TYPE, LISTS("null"), NONE, NONE, FOUND, ERR_OK },
	{ "lists nothing", 200, INDEX_TYPE, LISTS("[]"), NONE, NONE, FOUND, ERR_OK },
	{ "no list", 200, INDEX_TYPE, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\"}",
		NONE, NONE, FOUND, ERR_OK },
	{ "null without a type", 200, INDEX_TYPE, "{\"manifests\":null}", NONE, NONE, FOUND,
		ERR_OK },
	{ "lists one", 200, INDEX_TYPE, LISTS("[" ONE "]"), ALL(FOUND), ERR_OK },
	{ "lists one, as JSON", 200, JSON_TYPE, LISTS("[" ONE "]"), ALL(FOUND), ERR_OK },
	{ "lists one, as text", 200, "Content-Type: text/plain", LISTS("[" ONE "]"), ALL(FOUND),
		ERR_OK },
	{ "lists one, as docker's", 200, "Content-Type: " MEDIA_DOCKER_LIST, LISTS("[" ONE "]"),
		ALL(FOUND), ERR_OK },
	{ "lists one, silent", 200, "", "{\"manifests\":[" ONE "]}", ALL(FOUND), ERR_OK },
	{ "an image", 200, IMAGE_TYPE, IMAGE, NONE, NONE, FOUND, ERR_OK },
	{ "an image, as index", 200, INDEX_TYPE, IMAGE, NONE, NONE, FOUND, ERR_OK },
	{ "docker's list", 200, "Content-Type: " MEDIA_DOCKER_LIST, DOCKER_LIST, NONE, NONE, FOUND,
		ERR_OK },

	{ "denied", 403, JSON_TYPE, ERRORS, ALL(FAILS), ERR_DENIED },
	{ "asks for credentials", 401, CHALLENGE, ERRORS, ALL(FAILS), ERR_DENIED },
	{ "payment", 402, "", "", ALL(FAILS), ERR_NET },
	{ "teapot", 418, "", "", ALL(FAILS), ERR_NET },
	{ "timeout", 408, "", "", ALL(FAILS), ERR_NET },
	{ "too many", 429, "", "", ALL(FAILS), ERR_NET },
	{ "broken server", 500, "", "", ALL(FAILS), ERR_NET },
	{ "bad gateway", 502, HTML_TYPE, "<html>", ALL(FAILS), ERR_NET },
	{ "unavailable", 503, "", "", ALL(FAILS), ERR_NET },
	{ "gateway timeout", 504, "", "", ALL(FAILS), ERR_NET },
	{ "hangs up", 0, "", "", ALL(FAILS), ERR_NET },
	{ "cut", 200, INDEX_TYPE, "{\"schemaVersion\":2,\"manifests\":[", FAILS, FAILS, FOUND,
		ERR_INPUT },
	{ "cut, as JSON", 200, JSON_TYPE, " {\"manifests\":[", FAILS, FAILS, FOUND, ERR_INPUT },
	{ "a page, as index", 200, INDEX_TYPE, "<html>", FAILS, FAILS, FOUND, ERR_INPUT },
	{ "a list of numbers", 200, INDEX_TYPE, LISTS("[5]"), FAILS, FAILS, FOUND, ERR_INPUT },
	{ "a list that is none", 200, INDEX_TYPE, LISTS("{}"), FAILS, FAILS, FOUND, ERR_INPUT },
	{ "a bad digest", 200, INDEX_TYPE,
		LISTS("[{\"mediaType\":\"a/b\",\"size\":1,\"digest\":\"sha256:00\"}]"), FAILS,
		FAILS, FOUND, ERR_INPUT },
};

enum question { ASK_API, ASK_TAG, ASK_ATTACHED };

/* What the handler shall do; one request at a time. */
struct play {
	struct world w;
	const struct answer *answer;
	enum question question;
};

static void give(const struct answer *a, struct fake_reply *out)
{
	if (a->status == 0) {
		out->status = 0;
		return;
	}
	fake_text(out, a->status, a->body);
	if (*a->header)
		fake_header(out, "%s", a->header);
}

static void handler(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct play *p = ctx; /* its first member is the world */
	static const char *const paths[] = { "/referrers/sha256:ab", "/manifests/sha256-" HEX,
		"/manifests/sha256-" HEX ".sig" };
	const char *at = strstr(r->target, paths[p->question]);

	if (at && (p->question == ASK_API || !at[strlen(paths[p->question])]))
		give(p->answer, out);
	else
		fake_text(out, 404, "");
}

static void ask(struct play *p, struct result *r)
{
	struct ref ref;

	world_open(&p->w);
	if (p->question != ASK_ATTACHED) {
		get_referrers(&p->w, "app" SUBJECT, r);
		return;
	}
	world_ref(&p->w, "app:sha256-" HEX ".sig", &ref);
	upstream_manifest(p->w.up, &ref, MANIFEST_HEAD | MANIFEST_OPTIONAL, on_manifest, r);
	world_run(&p->w);
}

/* The empty list of referrers and an absent tag are the same answer. */
static enum outcome outcome_of(const struct play *p, const struct result *r)
{
	if (r->rc < 0)
		return FAILS;
	if (p->question == ASK_ATTACHED)
		return r->rc ? FOUND : NONE;
	return r->count ? FOUND : NONE;
}

static enum outcome wanted(const struct answer *a, enum question q)
{
	return q == ASK_API ? a->api : q == ASK_TAG ? a->tag : a->attached;
}

static void check(const struct answer *a, enum question q)
{
	static const char *const names[] = { "API", "fallback tag", "attached" };
	AUTO(result_release) struct result r = RESULT_INIT;
	struct play p = { .answer = a, .question = q };
	enum outcome got;

	world_init(&p.w, handler, NULL);
	p.w.o.attempts = 2;
	ask(&p, &r);
	got = outcome_of(&p, &r);
	if (r.calls != 1 || got != wanted(a, q) || (got == FAILS && r.e.code != a->code))
		fail_msg("%s, %s: calls %u, outcome %d, code %d: %s", names[q], a->name, r.calls,
			(int)got, (int)r.e.code, r.e.text);
	if (got == FAILS && a->status >= 400) {
		char status[16];

		snprintf(status, sizeof(status), "HTTP %d", a->status);
		if (a->status != 401 && !strstr(r.e.text, status))
			fail_msg("%s, %s: does not tell why: %s", names[q], a->name, r.e.text);
	}
	world_end(&p.w);
}

static void optional__each_answer_to_each_question(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		for (int q = ASK_API; q <= ASK_ATTACHED; q++)
			check(&answers[i], (enum question)q);
}

/* Some registries take the tag sha256-HEX for the digest sha256:HEX. */
static void as_digest(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	(void)ctx;
	fake_text(out, 404, "");
	if (!strstr(r->target, "/manifests/"))
		return;
	fake_text(out, 200, LISTS("[" ONE "]"));
	fake_header(out, INDEX_TYPE);
}

static void referrers__an_index_is_not_its_own_list(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	char name[100], text[DIGEST_TEXT_SIZE];
	struct digest d;

	(void)state;
	digest_of(&d, DIGEST_SHA256, span_of(LISTS("[" ONE "]")));
	snprintf(name, sizeof(name), "app@%s", digest_text(&d, text));
	world_init(&w, as_digest, NULL);
	get_referrers(&w, name, &r);
	assert_found(&r);
	assert_int_equal(r.count, 0);
	get_referrers(&w, "app" SUBJECT, &r); /* of another one it would be the list */
	assert_int_equal(r.count, 1);
}

/* With a token the image can be read, and the question still gets a bare 401. A token may only be too
 * old, so a new one is tried before that is believed. */
static void with_token(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	fake_text(out, 200, "{\"token\":\"t\"}");
	if (strstr(r->target, "/token"))
		return;
	fake_text(out, 401, ERRORS);
	if (strstr(r->target, "/referrers/"))
		return;
	if (!*r->authorization) {
		fake_header(out, "WWW-Authenticate: Bearer realm=\"http://%s/token\"", r->host);
		return;
	}
	(void)ctx;
	fake_text(out, strstr(r->target, "/manifests/v1") ? 200 : 404, IMAGE);
}

static void referrers__a_bare_401_in_spite_of_a_token_is_none(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, with_token, NULL);
	get_manifest(&w, "app:v1", false, &r);
	assert_found(&r);
	r.calls = 0;
	get_referrers(&w, "app" SUBJECT, &r);
	assert_found(&r);
	assert_int_equal(r.count, 0);
	assert_int_equal(fake_count(w.a, "GET /token"), 2);
	assert_int_equal(fake_count(w.a, "GET /v2/app/referrers/"), 2);
}

/* HEAD is not everybody's: what only refuses the method is asked again. */
static void no_head(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;

	fake_text(out, 200, IMAGE);
	fake_header(out, IMAGE_TYPE);
	if (strcmp(r->method, "HEAD") == 0)
		out->status = w->ours;
}

static void manifest__a_refused_head_is_asked_by_get(void **state)
{
	static const int statuses[] = { 400, 403, 405, 406, 415, 422, 501 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, no_head, NULL);
		w.ours = statuses[i];
		get_manifest(&w, "app:sig", true, &r);
		assert_found(&r);
		assert_string_equal(r.bytes.data, IMAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(optional__each_answer_to_each_question),
		cmocka_unit_test(referrers__an_index_is_not_its_own_list),
		cmocka_unit_test(referrers__a_bare_401_in_spite_of_a_token_is_none),
		cmocka_unit_test(manifest__a_refused_head_is_asked_by_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
