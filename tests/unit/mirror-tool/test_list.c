/* The list: what is read, and each refusal with its file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "mirror-tool/list/list.h"
#include "mirror-tool/list/list_diff.h"
#include "mirror-tool/list/place.h"
#include "storage/base/fs.h"

#define HEX "9b2c000000000000000000000000000000000000000000000000000000000000"
#define FILE_HEAD "set: s\nfiles:\n- {sha256: " HEX ", "

static const char whole[] =
	"set: platform\n"
	"version: 2026.10\n"
	"platforms: [linux/amd64, linux/arm64]\n"
	"images:\n"
	"  - docker.io/library/nginx:1.27.3\n"
	"  - quay.io/cilium/cilium:v1.19.5@sha256:" HEX "\n"
	"  - {name: registry.k8s.io/kube-proxy, tags: \">=1.31.0 <1.33.0\"}\n"
	"  - {name: ghcr.io/acme/app, tags: \"release-*\", platforms: [linux/amd64]}\n"
	"  - {name: ghcr.io/acme/tool, from: \"oci:build/layout:tool\"}\n"
	"  - busybox@sha256:" HEX "\n"
	"  - {name: ghcr.io/acme/all, tags: [v1, 2.0], platforms: all}\n"
	"files:\n"
	"  - url: https://example.org/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz?x=1\n"
	"    sha256: " HEX "\n"
	"    name: cni/plugins:v1.9.1\n"
	"    platform: linux/amd64\n"
	"verify:\n"
	"  - {images: \"ghcr.io/acme/*\", keys: [acme.pub]}\n"
	"registries:\n"
	"  localhost:5001: {plain-http: true}\n"
	"  docker.io: {connections: 4, stop-below: 20, realms: [auth.docker.io]}\n";

static void list_parse__reads_everything(void **state)
{
	struct err e = ERR_INIT;
	struct list l;
	const struct registry_conf *hub;

	(void)state;
	if (list_parse(&l, "moat.yaml", span_of(whole), &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(l.name, "platform");
	assert_string_equal(l.version, "2026.10"); /* not a number */
	assert_int_equal(l.image_count, 7);
	assert_string_equal(l.images[0].ref.tag, "1.27.3");
	assert_int_equal(l.images[0].platforms.count, 2);
	assert_true(l.images[0].platforms.by_default);
	assert_int_equal(l.images[1].ref.digest.alg, DIGEST_SHA256);
	assert_int_equal(l.images[2].pattern_count, 1);
	assert_int_equal(l.images[3].platforms.count, 1);
	assert_false(l.images[3].platforms.by_default);
	assert_int_equal(l.images[4].from.kind, SOURCE_OCI);
	assert_string_equal(l.images[4].from.path, "build/layout");
	assert_string_equal(l.images[4].ref.tag, "tool");
	assert_string_equal(l.images[5].ref.repo, "library/busybox");
	assert_int_equal(l.images[6].pattern_count, 2);
	assert_int_equal(l.images[6].platforms.count, 0);
	assert_string_equal(l.files[0].ref.host, "moat.local");
	assert_string_equal(l.files[0].title, "cni-plugins-linux-amd64-v1.9.1.tgz");
	assert_string_equal(l.files[0].media_type, "application/gzip");
	assert_string_equal(l.files[0].artifact_type, "application/vnd.moat.cni.plugins.v1");
	assert_string_equal(l.verify[0].keys[0], "acme.pub");
	hub = registry_conf_find(&l.registries, "docker.io");
	assert_int_equal(hub->connections, 4);
	assert_int_equal(hub->stop_below, 20);
	assert_string_equal(hub->realms.items[0], "auth.docker.io");
	assert_true(registry_conf_find(&l.registries, "localhost:5001")->plain_http);
	list_release(&l);
}

/* --- two lists ------------------------------------------------------------------------------------ */

#define ONE                                                                                        \
	"set: s\nimages: [a.io/x:1, {name: a.io/y, tags: ['1.*', '2.*']}, a.io/z@sha256:" HEX "]"  \
	"\n"
#define FILES "set: s\nfiles: [{sha256: " HEX ", name: a/b:1, url: \"https://a.io/f\""

static const struct {
	const char *old, *now;
	const char *chosen; /* each with a blank behind */
} diffs[] = {
	{ ONE, ONE, "" },
	{ ONE, "# words\nversion: 7\n" ONE "registries: {a.io: {connections: 2}}\n", "" },
	{ ONE,
		"set: s\nimages:\n- a.io/z@sha256:" HEX
		"\n- {name: a.io/y, tags: ['1.*', '2.*']}\n- a.io/x:1",
		"" },
	{ ONE, "set: s\nimages: [a.io/x:1]", "a.io/y a.io/z@sha256:" HEX " " },
	{ "set: s\nimages: [a.io/x:1]", "set: s\nimages: [a.io/x:1, a.io/x:2]", "a.io/x:2 " },
	{ "set: s\nimages: [a.io/x:1]", "set: s\nimages: ['a.io/x:1@sha256:" HEX "']",
		"a.io/x:1 a.io/x:1 " },
	{ ONE, ONE "platforms: [linux/amd64]", /* of every entry, twice: before and after */
		"a.io/x:1 a.io/x:1 a.io/y a.io/y a.io/z@sha256:" HEX " a.io/z@sha256:" HEX " " },
	{ "set: s\nimages: [{name: a.io/x, tags: ['1.*']}, a.io/z:1]",
		"set: s\nimages: [{name: a.io/x, tags: ['1.*', '3.*']}, a.io/z:1]",
		"a.io/x a.io/x " },
	{ "set: s\nimages: [a.io/x:1, a.io/y:1]",
		"set: s\nimages: [{name: a.io/x:1, on-error: skip}, a.io/y:1]",
		"a.io/x:1 a.io/x:1 " },
	{ "set: s\nimages: [a.io/x:1, a.io/y:1]",
		"set: s\nimages: [{name: a.io/x:1, source: b.io/x}, a.io/y:1]",
		"a.io/x:1 a.io/x:1 " },
	{ "set: s\nimages: [a.io/x:1, b.io/y:1]",
		"set: s\nimages: [a.io/x:1, b.io/y:1]\nverify: [{images: 'b.io/*', keys: [k.pub]}]",
		"b.io/y:1 b.io/y:1 " },
	{ FILES "}]", FILES ", size: 5}]", "moat.local/a/b:1 moat.local/a/b:1 " },
	{ FILES "}]", FILES "}]\nimages: [a.io/x:1]", "a.io/x:1 " },
};

static void list_diff__table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(diffs); i++) {
		AUTO(list_release) struct list old = LIST_ZERO, now = LIST_ZERO;
		AUTO(choice_release) struct choice chosen = { NULL, 0 };
		AUTO(buf_release) struct buf got = BUF_INIT;
		char text[REF_TEXT_SIZE];
		struct err e = ERR_INIT;

		if (list_parse(&old, "old", span_of(diffs[i].old), &e) < 0 ||
			list_parse(&now, "now", span_of(diffs[i].now), &e) < 0)
			fail_msg("case %zu: %s", i, e.text);
		list_diff(&chosen, &old, &now);
		for (size_t k = 0; k < chosen.count; k++)
			buf_printf(&got, "%s ", ref_text(&chosen.items[k], text));
		if (strcmp(got.len ? got.data : "", diffs[i].chosen) != 0)
			fail_msg("case %zu: %s", i, got.len ? got.data : "nothing");
	}
}

/* The list that is installed as an example. */
static void list_parse__reads_the_example(void **state)
{
	AUTO(mem_free) char *path = mem_printf("%s/conf/moat.yaml", getenv("MOAT_SOURCE_DIR"));
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct list l;

	(void)state;
	assert_int_equal(fs_read_file(AT_FDCWD, path, LIST_BYTES_MAX, &text, &e), 1);
	if (list_parse(&l, path, buf_span(&text), &e) < 0)
		fail_msg("%s", e.text);
	list_release(&l);
}

static void list_parse__takes_a_tag_from_the_source(void **state)
{
	static const char text[] = "set: s\nimages:\n- {name: a.io/x, from: "
				   "\"oci-archive:f.tar:docker.io/library/b:7\"}\n";
	struct err e = ERR_INIT;
	struct list l;

	(void)state;
	if (list_parse(&l, "moat.yaml", span_of(text), &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(l.images[0].ref.tag, "7");
	assert_string_equal(l.images[0].from.path, "f.tar");
	assert_string_equal(l.images[0].from.name, "docker.io/library/b:7");
	list_release(&l);
}

static void list_parse__reads_exceptions(void **state)
{
	static const char text[] =
		"set: s\nattachments: optional\non-error: skip\nimages:\n"
		"- a.io/b:1\n"
		"- {name: a.io/c:1, attachments: none, foreign-layers: leave, on-error: fail}\n"
		"- {name: a.io/d:1, attachments: [\"application/vnd.*\", .sig]}\n"
		"- {name: a.io/e:1, attachments: all}\n";
	static const struct {
		enum attachments attachments;
		bool leave, skip;
	} want[] = { { ATTACH_OPTIONAL, false, true }, { ATTACH_NONE, true, false },
		{ ATTACH_TYPES, false, true }, { ATTACH_ALL, false, true } };
	const struct exceptions *types;
	struct err e = ERR_INIT;
	struct list l;

	(void)state;
	if (list_parse(&l, "moat.yaml", span_of(text), &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(l.images[i].exceptions.attachments, want[i].attachments);
		assert_int_equal(l.images[i].exceptions.leave_foreign, want[i].leave);
		assert_int_equal(l.images[i].exceptions.skip, want[i].skip);
	}
	types = &l.images[2].exceptions;
	assert_true(exceptions_want(types, "application/vnd.x", ""));
	assert_true(exceptions_want(types, "", ".sig"));
	assert_false(exceptions_want(types, "application/vnd.x", ".att"));
	assert_false(exceptions_want(types, "text/x", ""));
	assert_false(exceptions_want(&l.images[1].exceptions, "text/x", ""));
	assert_true(exceptions_want(&l.images[0].exceptions, "text/x", ""));
	list_release(&l);
}

/* Two entries want one image: nothing may be missing that either needs. */
static void exceptions_unite__takes_the_stricter(void **state)
{
	static const char text[] = "set: s\nimages:\n"
				   "- {name: a.io/b:1, attachments: none, foreign-layers: leave}\n"
				   "- {name: a.io/c:1, attachments: [x], on-error: skip}\n"
				   "- {name: a.io/d:1, attachments: [y]}\n"
				   "- a.io/e:1\n";
	static const struct {
		size_t a, b;
		enum attachments want;
	} cases[] = { { 0, 1, ATTACH_TYPES }, { 1, 0, ATTACH_TYPES }, { 1, 2, ATTACH_ALL },
		{ 0, 3, ATTACH_ALL }, { 3, 0, ATTACH_ALL }, { 0, 0, ATTACH_NONE } };
	struct err e = ERR_INIT;
	struct list l;

	(void)state;
	if (list_parse(&l, "moat.yaml", span_of(text), &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exceptions x;

		exceptions_copy(&x, &l.images[cases[i].a].exceptions);
		exceptions_unite(&x, &l.images[cases[i].b].exceptions);
		assert_int_equal(x.attachments, cases[i].want);
		assert_int_equal(x.type_count, cases[i].want == ATTACH_TYPES);
		assert_int_equal(x.leave_foreign, cases[i].a == cases[i].b);
		assert_false(x.skip);
		exceptions_release(&x);
	}
	list_release(&l);
}

#define LONG                                                                                       \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaa"                                                                                     \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaa"                                                                                     \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Where it is got, without its name. */
static void list_parse__reads_places(void **state)
{
	static const char text[] = "set: s\nimages:\n"
				   "- {name: nginx:1, source: proxy.corp/hub/library/nginx}\n"
				   "- {name: a.io/b:1, from: \"docker://localhost:5001/x:2\"}\n"
				   "- {name: a.io/c, source: localhost/c:7}\n"
				   "- {name: a.io/d, source: p.io/d, tags: [v1, \"v2*\"]}\n"
				   "registries: {docker.io: {source: \"proxy.corp:5000/hub\"}, "
				   "a.io: {source: b.io}}\n";
	static const struct {
		const char *host, *repo, *tag, *own_tag, *text;
	} want[] = {
		{ "proxy.corp", "hub/library/nginx", "", "1",
			"docker://proxy.corp/hub/library/nginx" },
		{ "localhost:5001", "x", "2", "1", "docker://localhost:5001/x:2" },
		{ "localhost", "c", "7", "7", "docker://localhost/c:7" },
		{ "p.io", "d", "", "", "docker://p.io/d" },
	};
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct registry_confs copy;
	struct err e = ERR_INIT;
	struct list l;

	(void)state;
	if (list_parse(&l, "moat.yaml", span_of(text), &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct source_ref *from = &l.images[i].from;

		assert_int_equal(from->kind, SOURCE_ELSEWHERE);
		assert_false(source_is_local(from));
		assert_string_equal(from->at->host, want[i].host);
		assert_string_equal(from->at->repo, want[i].repo);
		assert_string_equal(from->at->tag, "");
		assert_string_equal(from->name, want[i].tag);
		assert_string_equal(from->text, want[i].text);
		assert_string_equal(l.images[i].ref.tag, want[i].own_tag);
	}
	registry_confs_copy(&copy, &l.registries);
	registry_confs_write(&copy, &out);
	assert_string_equal(out.data, "{\"a.io\":{\"source\":\"b.io\"},"
				      "\"docker.io\":{\"source\":\"proxy.corp:5000/hub\"}}");
	registry_confs_release(&copy);
	list_release(&l);
}

static void place__is_put_in_front_of_names(void **state)
{
	static const struct {
		const char *ref, *prefix, *want; /* NULL: refused */
	} cases[] = {
		{ "docker.io/library/nginx:1.27", "p.io/hub", "p.io/hub/library/nginx:1.27" },
		{ "nginx:1", "p.io", "p.io/library/nginx:1" },
		{ "a.io/b@sha256:" HEX, "localhost:5000/x/y", "localhost:5000/x/y/b@sha256:" HEX },
		{ "a.io/b:1", "p.io/" LONG, NULL },
		{ "a.io/b:1", "hub", NULL },
		{ "a.io/b:1", "p.io/", NULL },
		{ "a.io/b:1", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[REF_TEXT_SIZE];
		struct err e = ERR_INIT;
		struct ref r;
		int rc;

		assert_int_equal(ref_parse(&r, span_of(cases[i].ref), &e), 0);
		rc = place_under(&r, cases[i].prefix, &e);
		if ((rc == 0) != (cases[i].want != NULL))
			fail_msg("%s under %s: %d, %s", cases[i].ref, cases[i].prefix, rc, e.text);
		if (rc == 0)
			assert_string_equal(ref_text(&r, text), cases[i].want);
	}
}

static const struct {
	const char *text, *error;
} refusals[] = {
	{ "images: [a:1]\n", "moat.yaml:1: \"set\" is missing" },
	{ "set: s\n", "moat.yaml:1: no images and no files" },
	{ "set: Big\nimages: [a:1]\n", "moat.yaml:1: at set: set name \"Big\"" },
	{ "set: s\nimage: [a:1]\n", "moat.yaml:2: at image: unknown key; did you mean images?" },
	{ "set: s\nimages: a:1\n", "moat.yaml:2: at images: a list is needed here" },
	{ "set: s\nimages:\n- nginx\n",
		"moat.yaml:3: at images[0]: docker.io/library/nginx has no tag; write "
		"docker.io/library/nginx:latest" },
	{ "set: s\nimages:\n- a:1\n- [b]\n", "moat.yaml:4: at images[1]: an image is a reference" },
	{ "set: s\nimages:\n- UPPER/x:1\n", "moat.yaml:3: at images[0]: " },
	{ "set: s\nimages:\n- a.io/b:1@sha256:12\n", "moat.yaml:3: at images[0]: " },
	{ "set: s\nimages:\n- {name: a.io/b, tag: x}\n", "at images[0].tag: unknown key" },
	{ "set: s\nimages:\n- {tags: x}\n", "at images[0]: \"name\" is missing" },
	{ "set: s\nimages:\n- {name: a.io/b:1, tags: x}\n",
		"at images[0].tags: the name has a tag or digest already" },
	{ "set: s\nimages:\n- {name: a.io/b, tags: \">=x\"}\n",
		"at images[0].tags: range \">=x\": \"x\" is not a version" },
	{ "set: s\nimages:\n- {name: a.io/b, tags: [v1, \"a[\"]}\n",
		"at images[0].tags[1]: glob \"a[\"" },
	{ "set: s\nimages:\n- {name: a.io/b, tags: 1.2.4+up1.0}\n",
		"at images[0].tags: no tag has a plus (helm pushes such a version as "
		"1.2.4_up1.0)" },
	{ "set: s\nimages:\n- {name: a.io/b, tags: \"1.2.4+up*\"}\n",
		"at images[0].tags: no tag has a plus; helm pushes a version with _ for it" },
	{ "set: s\nimages:\n- {name: a.io/b, tags: -x}\n", "at images[0].tags: tag \"-x\"" },
	{ "set: s\nimages:\n- {name: a.io/b, tags: []}\n",
		"at images[0].tags: an empty list of tags" },
	{ "set: s\nimages:\n- {name: a.io/b:1, platforms: [linux]}\n",
		"at images[0].platforms[0]: platform \"linux\" is not os/arch" },
	{ "set: s\nimages:\n- {name: a.io/b:1, platforms: []}\n", "an empty list of platforms" },
	{ "set: s\nimages:\n- {name: a.io/b:1, platforms: [linux/amd64, linux/x86_64]}\n",
		"at images[0].platforms[1]: linux/x86_64 is there twice" },
	{ "set: s\nplatforms: [linux/]\nimages: [a:1]\n", "moat.yaml:2: at platforms[0]" },
	{ "set: s\nimages:\n- {name: a.io/b:1, from: dir:x}\n",
		"at images[0].from: \"dir:x\" is no source" },
	{ "set: s\nimages:\n- {name: a.io/b:1, source: hub/b}\n",
		"at images[0].source: \"hub/b\" does not begin with a host" },
	{ "set: s\nimages:\n- {name: a.io/b:1, from: \"docker://b\"}\n",
		"at images[0].from: \"b\" does not begin with a host" },
	{ "set: s\nimages:\n- {name: a.io/b:1, source: \"c.io/b@sha256:" HEX "\"}\n",
		"a digest belongs to the name" },
	{ "set: s\nimages:\n- {name: a.io/b, source: c.io/b:1, tags: \"v*\"}\n",
		"at images[0].source: `tags:` says which tags; leave :1 out" },
	{ "set: s\nimages:\n- {name: a.io/b, source: c.io/b}\n", "a.io/b has no tag" },
	{ "set: s\nimages:\n- {name: a.io/b:1, source: c.io/b, from: \"oci:d\"}\n",
		"it has a `from:` already" },
	{ "set: s\nimages: [a:1]\nregistries: {a.io: {source: hub}}\n",
		"at registries.a.io.source: \"hub/x/x\" does not begin with a host" },
	{ "set: s\nimages:\n- {name: a.io/b:1, from: \"oci::x\"}\n", "names no folder" },
	{ "set: s\nimages:\n- {name: a.io/b, from: \"oci:d\"}\n",
		"at images[0].from: the name needs a tag" },
	{ "set: s\nimages:\n- {name: a.io/b, tags: \"v*\", from: \"oci:d:x\"}\n",
		"a local source has no tags to choose from" },
	{ "set: s\nimages:\n- nginx:1\n- a:1\n- docker.io/library/nginx:1\n",
		"moat.yaml:5: docker.io/library/nginx:1 is wanted twice, first at line 3" },
	{ "set: s\nimages:\n- a.io/b:1\n- a.io/b:1@sha256:" HEX "\n", "a.io/b:1 is wanted twice" },
	{ "set: s\nset: t\nimages: [a:1]\n", "moat.yaml:2: the key \"set\" is there twice" },
	{ "set: s\nversion: a/b\nimages: [a:1]\n", "moat.yaml:2: at version: tag \"a/b\"" },
	{ FILE_HEAD "name: f:1}\n", "moat.yaml:3: at files[0]: \"url\" is missing" },
	{ FILE_HEAD "url: https://h/f}\n", "at files[0]: \"name\" is missing" },
	{ FILE_HEAD "url: https://h/f, name: f}\n", "a file is named NAME:TAG" },
	{ FILE_HEAD "url: ftp://h/f, name: f:1}\n", "an https:// address is needed" },
	{ FILE_HEAD "url: http://h/f, name: f:1}\n", "http:// needs \"registries: {h:" },
	{ FILE_HEAD "url: https://u:p@h/f, name: f:1}\n", "credentials do not belong into a list" },
	{ FILE_HEAD "url: https://h, name: f:1}\n", "an address needs a host and a path" },
	{ FILE_HEAD "url: https://h/d/, name: f:1}\n", "at files[0].url: a file name has 1 to" },
	{ FILE_HEAD "url: https://h/.x, name: f:1}\n", "begins with '.'" },
	{ FILE_HEAD "url: https://h/f, name: f:1, title: a/b}\n",
		"at files[0].title: a file name" },
	{ FILE_HEAD "url: https://h/f, name: f:1, sha512: " HEX HEX "}\n",
		"one of sha256 and sha512 is needed" },
	{ "set: s\nfiles:\n- {url: https://h/f, name: f:1}\n", "one of sha256 and sha512" },
	{ "set: s\nfiles:\n- {url: https://h/f, name: f:1, sha256: 12}\n", "at files[0].sha256: " },
	{ FILE_HEAD "url: https://h/f, name: f:1, size: -1}\n", "at files[0].size: -1 is not" },
	{ FILE_HEAD "url: https://h/f, name: f:1, media-type: tar}\n", "not a media type" },
	{ FILE_HEAD "url: https://h/f, name: f:1, platform: x}\n", "at files[0].platform: " },
	{ FILE_HEAD "url: https://h/f, name: f:1}\n- {sha256: " HEX
		    ", url: https://h/g, name: f:1}\n",
		"moat.yaml:4: moat.local/f:1  is wanted twice, first at line 3" },
	{ FILE_HEAD "url: https://h/f, name: f:1}\n- {sha256: " HEX
		    ", url: https://h/g, name: f:1, platform: linux/arm64}\n",
		"moat.yaml:3: moat.local/f:1 is several files (line 4): give each a platform" },
	{ FILE_HEAD "url: https://h/f, name: a.io/f:1}\nimages: [a.io/f:1]\n",
		"moat.yaml:3: a file has the name of the image at line 4" },
	{ "set: s\nattachments: maybe\nimages: [a:1]\n",
		"at attachments: \"maybe\" is none of: all, optional, none" },
	{ "set: s\nattachments: []\nimages: [a:1]\n", "1 to 100 types are needed" },
	{ "set: s\nattachments: [[x]]\nimages: [a:1]\n", "a type, a glob over types" },
	{ "set: s\nattachments: [\">=1\"]\nimages: [a:1]\n", "a glob over types is needed" },
	{ "set: s\nimages:\n- {name: a:1, foreign-layers: skip}\n",
		"at images[0].foreign-layers: \"skip\" is none of: fetch, leave" },
	{ "set: s\non-error: [skip]\nimages: [a:1]\n", "at on-error: " },
	{ "set: s\non-error: ignore\nimages: [a:1]\n", "is none of: fail, skip" },
	{ "set: s\nimages: [a:1]\nverify:\n- {images: \"*\"}\n", "\"keys\" is missing" },
	{ "set: s\nimages: [a:1]\nverify:\n- {images: \">=1\", keys: [k]}\n", "a glob over names" },
	{ "set: s\nimages: [a:1]\nregistries: {hub: {}}\n",
		"moat.yaml:3: at registries.hub: a host has a dot or a port" },
	{ "set: s\nimages: [a:1]\nregistries: {a.io: {plainhttp: true}}\n",
		"at registries.a.io.plainhttp: unknown key; did you mean plain-http?" },
	{ "set: s\nimages: [a:1]\nregistries: {a.io: {connections: 0}}\n",
		"at registries.a.io.connections: 0 is not between 1 and 64" },
	{ "set: s\nimages: [a:1]\nregistries: {a.io: {password: x}}\n", "unknown key" },
	{ "set: s\nimages: [a:1]\nregistries: {docker.io: {}, index.docker.io: {}}\n",
		"docker.io is there twice" },
};

static void list_parse__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct err e = ERR_INIT;
		struct list l;

		if (list_parse(&l, "moat.yaml", span_of(refusals[i].text), &e) == 0)
			fail_msg("accepted:\n%s", refusals[i].text);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.text, refusals[i].error))
			fail_msg("%s\ngives: %s\nwanted: %s", refusals[i].text, e.text,
				refusals[i].error);
	}
}

static const struct {
	const char *title;
	bool good;
} titles[] = {
	{ "cni.tgz", true },
	{ "a", true },
	{ "", false },
	{ "..", false },
	{ ".x", false },
	{ "-x", false },
	{ "a/b", false },
	{ "a\\b", false },
	{ "a b", false },
	{ "a\nb", false },
	{ "\xc3\xa4", false },
};

static void file_title_check__allows_plain_names_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++) {
		struct err e = ERR_INIT;

		if ((file_title_check(span_of(titles[i].title), &e) == 0) != titles[i].good)
			fail_msg("\"%s\"", titles[i].title);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_parse__reads_everything),
		cmocka_unit_test(list_parse__reads_the_example),
		cmocka_unit_test(list_diff__table),
		cmocka_unit_test(list_parse__takes_a_tag_from_the_source),
		cmocka_unit_test(list_parse__reads_places),
		cmocka_unit_test(list_parse__reads_exceptions),
		cmocka_unit_test(exceptions_unite__takes_the_stricter),
		cmocka_unit_test(place__is_put_in_front_of_names),
		cmocka_unit_test(list_parse__refuses),
		cmocka_unit_test(file_title_check__allows_plain_names_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
