/* The lock: both ways, order, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "mirror-tool/list/lock.h"
#include "storage/base/fs.h"

#define HEX "000000000000000000000000000000000000000000000000000000000000000"
#define A "sha256:a" HEX
#define B "sha256:b" HEX
#define C "sha256:c" HEX

static struct digest digest(const char *text)
{
	struct err e = ERR_INIT;
	struct digest d;

	if (digest_parse(&d, span_of(text), &e) < 0)
		fail_msg("%s", e.text);
	return d;
}

static void set(char **field, const char *text)
{
	free(*field);
	*field = mem_strdup(text);
}

static struct lock_pin *add(struct lock *l, const char *ref, const char *d)
{
	struct lock_pin *pin = lock_add(l);
	struct err e = ERR_INIT;

	if (ref_parse(&pin->ref, span_of(ref), &e) < 0)
		fail_msg("%s", e.text);
	pin->digest = digest(d);
	pin->size = 1234;
	set(&pin->media_type, MEDIA_OCI_INDEX);
	return pin;
}

static void attach(struct lock_pin *pin, const char *d, const char *tag)
{
	struct lock_attachment *a = lock_attach(pin);

	a->digest = digest(d);
	a->size = 7;
	a->subject = pin->digest;
	set(&a->media_type, MEDIA_OCI_MANIFEST);
	set(&a->artifact_type, *tag ? "" : "application/x");
	memcpy(a->tag, tag, strlen(tag) + 1);
}

/* The same content, added in one order or the other. */
static void fill(struct lock *l, bool backwards)
{
	struct lock_pin *pin;
	struct lock_file *f;
	struct err e = ERR_INIT;

	*l = (struct lock)LOCK_INIT;
	memcpy(l->name, "s", 2);
	memcpy(l->created, "2026-11-23T23:00:00Z", 21);
	l->list_text = mem_strdup("set: s\n");
	digest_of(&l->list, DIGEST_SHA256, span_of(l->list_text));
	pin = add(l, backwards ? "b.io/x@" B : "a.io/x:1", backwards ? B : A);
	pin = add(l, backwards ? "a.io/x:1" : "b.io/x@" B, backwards ? A : B);
	pin = backwards ? pin : &l->pins[0];
	platform_texts_add(&pin->platforms, backwards ? "linux/arm64" : "linux/amd64");
	platform_texts_add(&pin->platforms, backwards ? "linux/amd64" : "linux/arm64");
	platform_texts_add(&pin->platforms, "linux/amd64");
	platform_texts_add(&pin->absent, "linux/s390x");
	attach(pin, backwards ? C : B, backwards ? "" : "sha256-x.sig");
	attach(pin, backwards ? B : C, backwards ? "sha256-x.sig" : "");
	for (int i = 0; i < 2; i++) {
		bool first = backwards == (i == 1);
		struct digest d = digest(first ? A : B);

		excuses_add(&pin->excused, EXCUSE_ATTACHMENT, &d, "gone");
		excuses_add(&pin->excused, EXCUSE_ATTACHMENT, &d, "gone, another time");
		d = digest(C);
		excuses_add(&pin->excused, EXCUSE_ATTACHMENTS, &d, "a \"reason\"");
		skips_add(&l->skipped, first ? "a.io/s:1" : "b.io/s v*", "no \u00e9");
	}
	pin->leave_foreign = true;
	pin = add(l, "moat.local/cni/p:1", C);
	set(&pin->artifact_type, "application/y");
	for (int i = 0; i < 2; i++) {
		bool arm = backwards == (i == 0);

		f = lock_add_file(pin);
		f->digest = digest(arm ? B : A);
		f->has_platform = true;
		set(&f->url, arm ? "https://h/arm" : "https://h/amd");
		set(&f->media_type, "application/gzip");
		set(&f->title, "p.tgz");
		assert_int_equal(platform_parse(&f->platform,
					 span_of(arm ? "linux/arm64" : "linux/amd64"), &e),
			0);
	}
}

static void lock_write__same_bytes_whatever_the_order(void **state)
{
	AUTO(buf_release) struct buf one = BUF_INIT;
	AUTO(buf_release) struct buf other = BUF_INIT;
	struct lock l;

	(void)state;
	fill(&l, false);
	lock_write(&l, &one);
	lock_release(&l);
	fill(&l, true);
	lock_write(&l, &other);
	lock_release(&l);
	assert_string_equal(one.data, other.data);
	assert_non_null(strstr(one.data,
		"\n{\"ref\":\"a.io/x:1\",\"digest\":\"" A "\",\"size\":1234,\"mediaType\":"
		"\"application/vnd.oci.image.index.v1+json\",\"platforms\":[\"linux/amd64\","
		"\"linux/arm64\"],\"absent\":[\"linux/s390x\"],\"attached\":[{\"digest\":\"" B
		"\",\"size\":7,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		"\"subject\":\"" A "\",\"tag\":\"sha256-x.sig\"},{\"digest\":\"" C "\""));
	assert_non_null(strstr(one.data,
		",\"foreignLayers\":\"leave\",\"excused\":[{\"kind\":\"attachments\",\"digest\":"
		"\"" C "\",\"why\":\"a \\\"reason\\\"\"},{\"kind\":\"attachment\",\"digest\":\"" A
		"\",\"why\":\"gone\"},{\"kind\":\"attachment\",\"digest\":\"" B));
	assert_non_null(strstr(one.data, "\n\"skipped\": [\n{\"ref\":\"a.io/s:1\",\"error\":"));
}

static void lock_parse__reads_what_was_written(void **state)
{
	AUTO(buf_release) struct buf one = BUF_INIT;
	AUTO(buf_release) struct buf other = BUF_INIT;
	struct err e = ERR_INIT;
	struct lock l;

	(void)state;
	fill(&l, false);
	lock_write(&l, &one);
	lock_release(&l);
	if (lock_parse(&l, "moat.lock", buf_span(&one), &e) < 0)
		fail_msg("%s", e.text);
	lock_write(&l, &other);
	assert_string_equal(one.data, other.data);
	assert_int_equal(l.count, 3);
	assert_int_equal(lock_excuses(&l), 5);
	assert_true(l.pins[0].leave_foreign);
	assert_false(l.pins[1].leave_foreign);
	assert_string_equal(skips_find(&l.skipped, "b.io/s v*")->why, "no \u00e9");
	assert_null(skips_find(&l.skipped, "b.io/s"));
	assert_non_null(lock_find(&l, &l.pins[2].ref));
	assert_int_equal(l.pins[2].file_count, 2);
	lock_release(&l);
}

#define HEAD                                                                                       \
	"{\"moatLock\":1,\"set\":\"s\",\"created\":\"2026-11-23T23:00:00Z\",\"list\":\"" EMPTY     \
	"\",\"listText\":\"\",\"registries\":{},\n\"pins\":["
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PIN(ref) "{\"ref\":\"" ref "\",\"digest\":\"" A "\",\"size\":1,\"mediaType\":\"" TYPE "\""
#define TYPE "application/vnd.oci.image.manifest.v1+json"

static const struct {
	const char *text, *error;
	enum err_code code;
} refusals[] = {
	{ "[]", "a map is needed", ERR_INPUT },
	{ "{\"moatLock\":2}", "written by a newer moat", ERR_UNSUPPORTED },
	{ "{\"moatLock\":1,\"sett\":1}", "at sett: unknown key", ERR_INPUT },
	{ "{\"moatLock\":1,\"set\":\"s\",\"created\":\"now\"}", "at created: a time like",
		ERR_INPUT },
	{ "{\"moatLock\":1,\"set\":\"s\",\"created\":\"2026-11-23T23:00:00Z\",\"list\":\"" EMPTY
	  "\",\"listText\":\"x\",\"pins\":[]}",
		"does not have the digest", ERR_INPUT },
	{ HEAD PIN("a.io/x:1") "},\n" PIN("a.io/x:1") "}]}", "a.io/x:1 is there twice", ERR_INPUT },
	{ HEAD PIN("a.io/x") "}]}", "m:2: at pins[0].ref: a pin has a tag or a digest", ERR_INPUT },
	{ HEAD PIN("a.io/x@" B) "}]}", "the digest is not that of the pin", ERR_INPUT },
	{ HEAD PIN("a.io/x:1") ",\"foreignLayers\":\"fetch\"}]}", "\"leave\" is needed",
		ERR_INPUT },
	{ HEAD PIN("a.io/x:1") ",\"excused\":[{\"kind\":\"x\"}]}]}",
		"at pins[0].excused[0].kind: \"x\" is no kind of excuse", ERR_INPUT },
	{ HEAD PIN("a.io/x:1") ",\"excused\":[{\"kind\":\"attachment\",\"digest\":\"x\",\"why\":"
			       "\"y\"}]}]}",
		"at pins[0].excused[0].digest: ", ERR_INPUT },
	{ HEAD "],\"skipped\":[{\"ref\":\"x\"}]}", "at skipped[0]: \"error\" is missing",
		ERR_INPUT },
	{ HEAD PIN("a.io/x:1") ",\"from\":\"x\"}]}", "at pins[0].from: \"x\" is no source",
		ERR_INPUT },
	{ HEAD PIN("a.io/x:1") ",\"extra\":1}]}", "at pins[0].extra: unknown key", ERR_INPUT },
	{ HEAD PIN("a.io/x:1") ",\"files\":[{\"url\":\"https://h/f\",\"digest\":\"" A
			       "\",\"size\":1,\"mediaType\":\"a/b\",\"title\":\"../x\"}]}]}",
		"at pins[0].files[0].title: file name \"../x\" begins with '.'", ERR_INPUT },
	{ HEAD PIN("a.io/x:1") ",\"files\":[{\"url\":\"https://h/f\",\"digest\":\"" A
			       "\",\"size\":1,\"mediaType\":\"a/b\",\"title\":\"x\"}]}]}",
		"a pin of files needs \"artifactType\"", ERR_INPUT },
	{ HEAD PIN("a.io/x:1") ",\"attached\":[{\"digest\":\"x\"}]}]}",
		"at pins[0].attached[0].digest: ", ERR_INPUT },
	{ HEAD "{\"ref\":\"a.io/x:1\",\"digest\":\"" A "\",\"size\":-1}]}", "at pins[0].size: -1",
		ERR_INPUT },
	{ HEAD "{\"ref\":\"a.io/x:1\",\"digest\":\"" A "\",\"size\":1,\"mediaType\":\"a/b\"}]}",
		"not the type of a manifest", ERR_INPUT },
};

static void lock_parse__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct err e = ERR_INIT;
		struct lock l;

		if (lock_parse(&l, "m", span_of(refusals[i].text), &e) == 0)
			fail_msg("accepted: %s", refusals[i].text);
		if (!strstr(e.text, refusals[i].error))
			fail_msg("%s\ngives: %s", refusals[i].text, e.text);
		assert_int_equal(e.code, refusals[i].code);
	}
}

static void lock_read__absence_is_an_answer(void **state)
{
	struct err e = ERR_INIT;
	struct lock l;

	(void)state;
	assert_int_equal(lock_read(&l, "/proc/nonexistent/moat.lock", &e), 0);
}

/* tests/data/releases: each key is read and written again as it was. */
static void lock_write__same_bytes_as_releases(void **state)
{
	static const char *const releases[] = { "before-0.1.0", "0.1.0" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(releases); i++) {
		AUTO(mem_free)
		char *path = mem_printf(
			"%s/releases/%s/moat.lock", getenv("MOAT_TEST_DATA"), releases[i]);
		AUTO(buf_release) struct buf was = BUF_INIT;
		AUTO(buf_release) struct buf is = BUF_INIT;
		AUTO(lock_release) struct lock l = LOCK_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(fs_read_file(AT_FDCWD, path, LOCK_BYTES_MAX, &was, &e), 1);
		assert_int_equal(lock_parse(&l, path, buf_span(&was), &e), 0);
		lock_write(&l, &is);
		assert_string_equal(is.data, was.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lock_write__same_bytes_whatever_the_order),
		cmocka_unit_test(lock_write__same_bytes_as_releases),
		cmocka_unit_test(lock_parse__reads_what_was_written),
		cmocka_unit_test(lock_parse__refuses),
		cmocka_unit_test(lock_read__absence_is_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
