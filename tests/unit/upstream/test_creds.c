/* Credential files and helpers, and folders of certificates. */
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/upstream/certs.h"
#include "mirror-tool/upstream/creds.h"
#include "mirror-tool/upstream/helper.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

static void put(const char *path, const char *text, mode_t mode)
{
	sandbox_write(path, text, strlen(text));
	assert_int_equal(chmod(path, mode), 0);
}

/* The sandbox as $HOME and $PATH, nothing else known. */
static int lonely_setup(void **state)
{
	const struct sandbox *sb;
	char path[100];

	if (sandbox_setup(state) < 0)
		return -1;
	sb = *state;
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("DOCKER_CONFIG");
	setenv("HOME", sb->path, 1);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", sb->path);
	setenv("PATH", path, 1);
	return 0;
}

static void find(const char *authfile, const char *host, const char *repo, const char *want)
{
	AUTO(creds_close) struct creds *c = NULL;
	AUTO(credential_release) struct credential cred = CREDENTIAL_INIT;
	struct err e = ERR_INIT;
	char got[200] = "none";
	int rc;

	assert_ok(creds_open(&c, authfile, &e));
	rc = creds_find(c, host, repo, &cred, &e);
	if (rc < 0)
		snprintf(got, sizeof(got), "error");
	else if (rc > 0 && cred.identity)
		snprintf(got, sizeof(got), "token %s", cred.identity);
	else if (rc > 0)
		snprintf(got, sizeof(got), "%s:%s", cred.user, cred.password);
	if (strcmp(got, want) != 0)
		fail_msg("%s/%s: %s, not %s (%s)", host, repo, got, want, e.text);
}

static void creds__longest_key_wins_and_hub_has_many_names(void **state)
{
	const char *file = sandbox_path(*state, "auth.json");

	put(file,
		"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"aHViOjE=\"},"
		"\"quay.io\":{\"auth\":\"cXVheTox\"},\"quay.io/team\":{\"auth\":\"dGVhbTox\"},"
		"\"http://old.example/v2/\":{\"auth\":\"b2xkOmE6Yg==\"},\"empty.example\":{},"
		"\"id.example\":{\"identitytoken\":\"xyz\",\"auth\":\"eDp5\"}}}",
		0600);
	find(file, "docker.io", "library/nginx", "hub:1");
	find(file, "quay.io", "other/x", "quay:1");
	find(file, "quay.io", "team/x", "team:1");
	find(file, "quay.io", "teams/x", "quay:1");
	find(file, "old.example", "x", "old:a:b");
	find(file, "empty.example", "x", "none");
	find(file, "id.example", "x", "token xyz");
	find(file, "quay.io.evil.example", "x", "none");
}

static void creds__keys_and_values_have_several_spellings(void **state)
{
	const char *file = sandbox_path(*state, "auth.json");

	put(file,
		"{\"auths\":{\"Quay.IO/team\":{\"username\":\"u\",\"password\":\"p:q\"},"
		"\"https://Registry-1.Docker.io\":{\"username\":\"hub\",\"password\":\"1\"},"
		"\"a.example\":{\"auth\":\"\",\"username\":\"u\",\"password\":\"\"},"
		"\"b.example\":{\"auth\":\"eDp5\",\"username\":\"u\",\"password\":\"z\"},"
		"\"c.example\":{\"password\":\"z\"}}}",
		0600);
	find(file, "quay.io", "team/x", "u:p:q");
	find(file, "quay.io", "Team/x", "none");
	find(file, "docker.io", "library/x", "hub:1");
	find(file, "a.example", "x", "u:");
	find(file, "b.example", "x", "x:y");
	find(file, "c.example", "x", "none");
}

static void creds__files_are_searched_in_order(void **state)
{
	const struct sandbox *sb = *state;

	assert_int_equal(mkdir(sandbox_path(sb, ".docker"), 0700), 0);
	put(sandbox_path(sb, ".docker/config.json"),
		"{\"auths\":{\"a.example\":{\"auth\":\"ZG9ja2VyOjE=\"}}}", 0600);
	find(NULL, "a.example", "x", "docker:1");
	assert_int_equal(mkdir(sandbox_path(sb, "containers"), 0700), 0);
	put(sandbox_path(sb, "containers/auth.json"),
		"{\"auths\":{\"a.example\":{\"auth\":\"cG9kbWFuOjE=\"}}}", 0600);
	setenv("XDG_RUNTIME_DIR", sb->path, 1);
	find(NULL, "a.example", "x", "podman:1");
	put(sandbox_path(sb, "named.json"), "{\"auths\":{\"a.example\":{\"auth\":\"ZW52OjE=\"}}}",
		0600);
	setenv("REGISTRY_AUTH_FILE", sandbox_path(sb, "named.json"), 1);
	find(NULL, "a.example", "x", "env:1");
	find(sandbox_path(sb, ".docker/config.json"), "a.example", "x", "docker:1");
}

static void creds__bad_files_are_refused_without_their_secrets(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "{", "auth.json" },
		{ "[]", "not an object" },
		{ "{\"auths\":[]}", "auths" },
		{ "{\"auths\":{\"a\":\"c2VjcmV0\"}}", "not an object" },
		{ "{\"auths\":{\"a\":{\"auth\":\"c2VjcmV0\"}}}", "not base64 of user:password" },
		{ "{\"auths\":{\"a\":{\"auth\":\"!c2VjcmV0\"}}}", "not base64" },
		{ "{\"auths\":{\"a\":{\"auth\":\"dTpwDQo=\"}}}", "not base64" }, /* "u:p\r\n" */
		{ "{\"auths\":{\"a\":{\"username\":\"u\\nx\",\"password\":\"c2VjcmV0\"}}}",
			"a control character in \"username\"" },
		{ "{\"auths\":{\"a\":{\"username\":\"u\",\"password\":\"c2VjcmV0\\r\"}}}",
			"a control character in \"password\"" },
		{ "{\"credsStore\":\"../../bin/sh\"}", "no name of a helper" },
		{ "{\"credHelpers\":{\"a\":\"x;id\"}}", "no name of a helper" },
	};
	const char *file = sandbox_path(*state, "auth.json");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(creds_close) struct creds *c = NULL;
		struct err e = ERR_INIT;

		put(file, cases[i].text, 0600);
		assert_err(creds_open(&c, file, &e), ERR_INPUT, cases[i].words);
		assert_null(strstr(e.text, "c2VjcmV0"));
	}
}

static void creds__named_file_must_be_there(void **state)
{
	AUTO(creds_close) struct creds *c = NULL;
	struct err e = ERR_INIT;

	assert_err(
		creds_open(&c, sandbox_path(*state, "absent.json"), &e), ERR_ABSENT, "absent.json");
	assert_ok(creds_open(&c, NULL, &e));
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static const char script[] =
	"#!/bin/sh\n"
	"[ \"$1\" = get ] || exit 9\n"
	"read -r server || [ -n \"$server\" ]\n"
	"echo \"$server\" >>\"$HOME/asked\"\n"
	"case $server in\n"
	"a.example) echo '{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"s\"}' ;;\n"
	"id.example) echo '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}' ;;\n"
	"https://index.docker.io/v1/) echo '{\"Username\":\"hub\",\"Secret\":\"1\"}' ;;\n"
	"junk.example) echo 'my secret' ;;\n"
	"broken.example) echo 'my secret'; exit 3 ;;\n"
	"*) echo 'credentials not found in native keychain'; exit 1 ;;\n"
	"esac\n";

static void helper__is_asked_once_and_only_by_its_name(void **state)
{
	const struct sandbox *sb = *state;
	const char *file = sandbox_path(sb, "auth.json");
	AUTO(creds_close) struct creds *c = NULL;
	AUTO(buf_release) struct buf asked = BUF_INIT;
	struct err e = ERR_INIT;

	put(sandbox_path(sb, "docker-credential-test"), script, 0700);
	put(file, "{\"credsStore\":\"test\",\"auths\":{\"a.example\":{}}}", 0600);
	find(file, "a.example", "x", "u:s");
	find(file, "id.example", "x", "token refresh");
	find(file, "docker.io", "x", "hub:1");
	find(file, "other.example", "x", "none");
	find(file, "junk.example", "x", "error");
	find(file, "broken.example", "x", "error");
	put(file, "{\"credHelpers\":{\"a.example\":\"test\"},\"credsStore\":\"absent\"}", 0600);
	find(file, "a.example", "x", "u:s");
	find(file, "b.example", "x", "error");

	sandbox_remove(sandbox_path(sb, "asked"));
	assert_ok(creds_open(&c, file, &e));
	for (int i = 0; i < 3; i++) {
		AUTO(credential_release) struct credential cred = CREDENTIAL_INIT;

		assert_int_equal(creds_find(c, "a.example", "x", &cred, &e), 1);
	}
	assert_int_equal(fs_read_file(AT_FDCWD, sandbox_path(sb, "asked"), 100, &asked, &e), 1);
	assert_string_equal(asked.data, "a.example\n");
}

static void helper__failures_do_not_show_what_it_printed(void **state)
{
	AUTO(credential_release) struct credential cred = CREDENTIAL_INIT;
	struct err e = ERR_INIT;

	put(sandbox_path(*state, "docker-credential-test"), script, 0700);
	assert_err(helper_get("test", "junk.example", &cred, &e), ERR_DENIED,
		"no Username and Secret");
	assert_null(strstr(e.text, "secret"));
	assert_err(helper_get("test", "broken.example", &cred, &e), ERR_DENIED, "status 3");
	assert_null(strstr(e.text, "secret"));
	assert_err(helper_get("absent", "x", &cred, &e), ERR_DENIED, "docker-credential-absent");
}

/* --- certificates ------------------------------------------------------------------------------------ */

static void certs__folders_are_merged_with_the_system(void **state)
{
	const struct sandbox *sb = *state;
	AUTO(certs_release) struct certs c = CERTS_INIT;
	AUTO(certs_release) struct certs none = CERTS_INIT;
	char one[100], two[100], bundle[100];
	const char *dirs[] = { one, two };
	struct err e = ERR_INIT;

	snprintf(one, sizeof(one), "%s", sandbox_path(sb, "one"));
	snprintf(two, sizeof(two), "%s", sandbox_path(sb, "two"));
	snprintf(bundle, sizeof(bundle), "%s", sandbox_path(sb, "bundle"));
	assert_ok(fs_make_dirs(sandbox_path(sb, "one/h.example:5000"), 0700, &e));
	assert_ok(fs_make_dirs(sandbox_path(sb, "two/h.example_5000_"), 0700, &e));
	put(bundle, "SYSTEM", 0600);
	put(sandbox_path(sb, "one/h.example:5000/ca.crt"), "CA1", 0600);
	put(sandbox_path(sb, "two/h.example_5000_/x.crt"), "CA2", 0600);
	put(sandbox_path(sb, "two/h.example_5000_/client.cert"), "CERT", 0600);
	put(sandbox_path(sb, "two/h.example_5000_/client.key"), "KEY", 0600);
	put(sandbox_path(sb, "two/h.example_5000_/hosts.toml"), "server = 1", 0600);
	assert_ok(certs_read(&c, dirs, 2, "h.example:5000", bundle, &e));
	assert_string_equal(c.ca.data, "SYSTEM\nCA1\nCA2\n");
	assert_non_null(strstr(c.client_cert, "client.cert"));
	assert_non_null(strstr(c.client_key, "client.key"));
	assert_ok(certs_read(&none, dirs, 2, "h.example", bundle, &e));
	assert_int_equal(none.ca.len, 0);
	assert_null(none.client_cert);
}

static void certs__a_host_has_several_spellings(void **state)
{
	static const struct {
		const char *folder, *authority;
		bool read;
	} cases[] = {
		{ "docker.io", "registry-1.docker.io", true },
		{ "index.docker.io", "registry-1.docker.io", true },
		{ "H.Example", "h.example", true },
		{ "h.example_5000_", "h.example:5000", true },
		{ "h.example_5000", "h.example:5000", false },
		{ "h.example", "h.example:5000", false },
		{ "example", "h.example", false },
		{ "_default", "h.example", false },
	};
	const struct sandbox *sb = *state;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(certs_release) struct certs c = CERTS_INIT;
		AUTO(mem_free) char *dir = mem_printf("%s/spellings", sb->path);
		AUTO(mem_free) char *folder = mem_printf("%s/%s", dir, cases[i].folder);
		AUTO(mem_free) char *file = mem_printf("%s/ca.crt", folder);
		const char *dirs[] = { dir };

		assert_ok(fs_make_dirs(folder, 0700, &e));
		put(file, "CA", 0600);
		assert_ok(certs_read(&c, dirs, 1, cases[i].authority, NULL, &e));
		if ((c.ca.len > 0) != cases[i].read)
			fail_msg("%s for %s", cases[i].folder, cases[i].authority);
		sandbox_remove(dir);
	}
}

static void certs__half_a_pair_is_refused(void **state)
{
	static const char *const names[] = { "client.cert", "client.key" };
	const struct sandbox *sb = *state;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < 2; i++) {
		AUTO(certs_release) struct certs c = CERTS_INIT;
		AUTO(mem_free) char *folder = mem_printf("%s/h", sb->path);
		AUTO(mem_free) char *file = mem_printf("%s/%s", folder, names[i]);
		const char *dirs[] = { sb->path };

		assert_ok(fs_make_dirs(folder, 0700, &e));
		put(file, "x", 0600);
		assert_err(certs_read(&c, dirs, 1, "h", NULL, &e), ERR_ABSENT, "needs");
		sandbox_remove(folder);
	}
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, lonely_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(creds__longest_key_wins_and_hub_has_many_names),
		BOXED(creds__files_are_searched_in_order),
		BOXED(creds__keys_and_values_have_several_spellings),
		BOXED(creds__bad_files_are_refused_without_their_secrets),
		BOXED(creds__named_file_must_be_there),
		BOXED(helper__is_asked_once_and_only_by_its_name),
		BOXED(helper__failures_do_not_show_what_it_printed),
		BOXED(certs__folders_are_merged_with_the_system),
		BOXED(certs__half_a_pair_is_refused),
		BOXED(certs__a_host_has_several_spellings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
