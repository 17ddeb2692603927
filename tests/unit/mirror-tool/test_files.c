/* Files as artifacts: exact bytes, because their digest is in locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mirror-tool/list/file_artifact.h"

#define HEX "sha256:3c2f000000000000000000000000000000000000000000000000000000000000"

static void add(struct lock_pin *pin, const char *platform)
{
	struct lock_file *f = lock_add_file(pin);
	struct err e = ERR_INIT;

	free(f->url);
	free(f->media_type);
	free(f->title);
	f->url = mem_strdup("https://h/f.tgz");
	f->media_type = mem_strdup("application/gzip");
	f->title = mem_strdup("f.tgz");
	f->size = 9;
	assert_int_equal(digest_parse(&f->digest, span_of(HEX), &e), 0);
	if (platform) {
		f->has_platform = true;
		assert_int_equal(platform_parse(&f->platform, span_of(platform), &e), 0);
	}
}

static struct lock_pin *pin_new(struct lock *l)
{
	struct lock_pin *pin;

	*l = (struct lock)LOCK_INIT;
	pin = lock_add(l);
	free(pin->artifact_type);
	pin->artifact_type = mem_strdup("application/vnd.moat.cni.plugins.v1");
	return pin;
}

static const char one_text[] =
	"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
	"\"artifactType\":\"application/vnd.moat.cni.plugins.v1\",\"config\":{\"mediaType\":"
	"\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:"
	"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2},"
	"\"layers\":[{\"mediaType\":\"application/gzip\",\"digest\":\"" HEX "\",\"size\":9,"
	"\"annotations\":{\"org.opencontainers.image.title\":\"f.tgz\","
	"\"vnd.moat.file.url\":\"https://h/f.tgz\"}}]}";

static void files_build__one_file_is_one_manifest(void **state)
{
	struct file_manifests m;
	struct lock l;
	struct lock_pin *pin = pin_new(&l);

	(void)state;
	add(pin, "linux/amd64");
	files_build(&m, pin);
	assert_int_equal(m.count, 1);
	assert_string_equal(m.items[0].bytes.data, one_text);
	files_release(&m);
	lock_release(&l);
}

static void files_build__platforms_share_an_index(void **state)
{
	struct manifest parsed = MANIFEST_INIT;
	struct file_manifests m;
	struct err e = ERR_INIT;
	struct lock l;
	struct lock_pin *pin = pin_new(&l);

	(void)state;
	add(pin, "linux/amd64");
	add(pin, "linux/arm64");
	files_build(&m, pin);
	assert_int_equal(m.count, 3);
	assert_string_equal(m.items[2].media_type, MEDIA_OCI_INDEX);
	if (manifest_parse(&parsed, "index", NULL, buf_span(&m.items[2].bytes), &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(parsed.count, 2);
	assert_true(digest_eq(&parsed.items[1].digest, &m.items[1].digest));
	assert_int_equal(parsed.items[1].size, m.items[1].bytes.len);
	assert_string_equal(parsed.items[1].platform.arch, "arm64");
	manifest_release(&parsed);
	files_release(&m);
	lock_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_build__one_file_is_one_manifest),
		cmocka_unit_test(files_build__platforms_share_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
