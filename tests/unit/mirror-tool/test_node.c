/* Node configuration: what each runtime is told, and what happens to files that are there. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror-tool/node/node.h"

#define OURS "# Written by `moat node config`, which will write it again: do not edit.\n"

static const char *const hosts[] = { "docker.io", "localhost:5001" };

static struct node_settings settings(enum node_runtime runtime, const char *server, const char *ca)
{
	struct node_settings s = { .runtime = runtime,
		.hosts = hosts,
		.host_count = ARRAY_SIZE(hosts),
		.ca = span_of(ca) };
	struct err e = ERR_INIT;

	assert_ok(node_server_parse(&s, server, &e));
	return s;
}

/* --- what is wanted ---------------------------------------------------------------------------- */

static void node_files__of_each_runtime(void **state)
{
	static const struct {
		enum node_runtime runtime;
		const char *server, *ca, *path, *text;
	} cases[] = {
		{ NODE_CONTAINERD, "http://10.0.0.1:5000", "",
			"/etc/containerd/certs.d/docker.io/hosts.toml",
			OURS "server = \"http://10.0.0.1:5000\"\n\n"
			     "[host.\"http://10.0.0.1:5000\"]\n"
			     "  capabilities = [\"pull\", \"resolve\"]\n" },
		{ NODE_CONTAINERD, "https://moat.corp/", "PEM",
			"/etc/containerd/certs.d/localhost_5001_/hosts.toml",
			OURS "server = \"https://moat.corp\"\n"
			     "ca = \"/etc/containerd/certs.d/moat-ca.crt\"\n\n"
			     "[host.\"https://moat.corp\"]\n"
			     "  capabilities = [\"pull\", \"resolve\"]\n"
			     "  ca = \"/etc/containerd/certs.d/moat-ca.crt\"\n" },
		{ NODE_CONTAINERD, "http://h:1", "", "/etc/containerd/certs.d/_default/hosts.toml",
			OURS "server = \"http://h:1\"\n\n[host.\"http://h:1\"]\n"
			     "  capabilities = [\"pull\", \"resolve\"]\n" },
		{ NODE_CONTAINERD, "https://moat.corp", "PEM",
			"/etc/containerd/certs.d/moat-ca.crt", "PEM" },
		{ NODE_PODMAN, "http://10.0.0.1:5000", "",
			"/etc/containers/registries.conf.d/90-moat.conf",
			OURS "\n[[registry]]\nprefix = \"docker.io\"\n"
			     "location = \"10.0.0.1:5000/docker.io\"\ninsecure = true\n"
			     "\n[[registry]]\nprefix = \"localhost:5001\"\n"
			     "location = \"10.0.0.1:5000/localhost-5001\"\ninsecure = true\n" },
		{ NODE_CRIO, "https://moat.corp", "PEM",
			"/etc/containers/registries.conf.d/90-moat.conf",
			OURS "\n[[registry]]\nprefix = \"docker.io\"\n"
			     "location = \"moat.corp/docker.io\"\n"
			     "\n[[registry]]\nprefix = \"localhost:5001\"\n"
			     "location = \"moat.corp/localhost-5001\"\n" },
		{ NODE_CRIO, "https://moat.corp:5000", "PEM",
			"/etc/containers/certs.d/moat.corp:5000/ca.crt", "PEM" },
		{ NODE_DOCKER, "http://h:1", "", "/etc/docker/daemon.json",
			"{\n  \"registry-mirrors\": [\n    \"http://h:1\"\n  ],\n"
			"  \"insecure-registries\": [\n    \"h:1\"\n  ]\n}\n" },
		{ NODE_DOCKER, "https://moat.corp", "PEM", "/etc/docker/daemon.json",
			"{\n  \"registry-mirrors\": [\n    \"https://moat.corp\"\n  ]\n}\n" },
		{ NODE_DOCKER, "https://moat.corp", "PEM", "/etc/docker/certs.d/moat.corp/ca.crt",
			"PEM" },
		{ NODE_K3S, "http://h:1", "", "/etc/rancher/k3s/registries.yaml",
			"# Written by `moat node config`; what others add is kept.\n"
			"\"mirrors\":\n  \"docker.io\":\n    \"endpoint\":\n      - "
			"\"http://h:1\"\n"
			"  \"localhost:5001\":\n    \"endpoint\":\n      - \"http://h:1\"\n"
			"  \"*\":\n    \"endpoint\":\n      - \"http://h:1\"\n" },
		{ NODE_K3S, "https://h:1", "PEM", "/etc/rancher/k3s/registries.yaml",
			"# Written by `moat node config`; what others add is kept.\n"
			"\"mirrors\":\n  \"docker.io\":\n    \"endpoint\":\n      - "
			"\"https://h:1\"\n"
			"  \"localhost:5001\":\n    \"endpoint\":\n      - \"https://h:1\"\n"
			"  \"*\":\n    \"endpoint\":\n      - \"https://h:1\"\n"
			"\"configs\":\n  \"h:1\":\n    \"tls\":\n"
			"      \"ca_file\": \"/etc/rancher/k3s/moat-ca.crt\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct node_settings s = settings(cases[i].runtime, cases[i].server, cases[i].ca);
		AUTO(node_files_release) struct node_files files = NODE_FILES_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT;
		bool found = false;
		struct err e = ERR_INIT;

		node_files_make(&files, &s);
		for (size_t f = 0; f < files.count; f++) {
			if (strcmp(files.items[f].path, cases[i].path) != 0)
				continue;
			found = true;
			assert_int_equal(node_file_merge(&files.items[f], (struct span){ NULL, 0 },
						 &text, &e),
				1);
			assert_string_equal(text.data, cases[i].text);
			/* What it says already is not written again. */
			{
				AUTO(buf_release) struct buf again = BUF_INIT;

				assert_int_equal(node_file_merge(&files.items[f], buf_span(&text),
							 &again, &e),
					0);
			}
		}
		if (!found)
			fail_msg("%s is not among the files", cases[i].path);
	}
}

static void node_settings__refuse(void **state)
{
	static const char *const urls[] = { "h:1", "ftp://h", "http://", "http://h/path",
		"https://u:p@h", "http://h:1?x", "http:// h" };
	enum node_runtime runtime;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct node_settings s;

		if (node_server_parse(&s, urls[i], &e) == 0)
			fail_msg("%s was accepted", urls[i]);
	}
	assert_err(node_runtime_parse("rkt", &runtime, &e), ERR_INPUT, "containerd, crio");
}

/* --- what is there ------------------------------------------------------------------------------ */

static int merge(enum node_runtime runtime, const char *have, struct buf *out, struct err *e)
{
	struct node_settings s = settings(runtime, "http://h:1", "");
	AUTO(node_files_release) struct node_files files = NODE_FILES_INIT;

	s.host_count = 1;
	node_files_make(&files, &s);
	return node_file_merge(&files.items[0], span_of(have), out, e);
}

static void node_file_merge__keeps_what_others_wrote(void **state)
{
	static const struct {
		const char *name;
		enum node_runtime runtime;
		const char *have;
		int rc;
		const char *out; /* NULL: not looked at */
	} cases[] = {
		{ "other keys and mirrors stay", NODE_DOCKER,
			"{\"log-driver\": \"journald\", \"registry-mirrors\": "
			"[\"https://old\"], \"n\": 1.50, \"b\": true, \"z\": null, \"m\": {}, "
			"\"l\": []}",
			1,
			"{\n  \"log-driver\": \"journald\",\n  \"registry-mirrors\": [\n"
			"    \"http://h:1\",\n    \"https://old\"\n  ],\n  \"n\": 1.50,\n  \"b\": "
			"true,\n"
			"  \"z\": null,\n  \"m\": {},\n  \"l\": [],\n"
			"  \"insecure-registries\": [\n    \"h:1\"\n  ]\n}\n" },
		{ "nothing to do keeps the layout", NODE_DOCKER,
			"{ \"insecure-registries\":[\"h:1\"],\"registry-mirrors\":[\"http://h:1\"] "
			"}",
			0, NULL },
		{ "ours comes first", NODE_DOCKER,
			"{\"insecure-registries\":[\"h:1\"],\"registry-mirrors\":[\"x\",\"http://"
			"h:1\"]}",
			1,
			"{\n  \"insecure-registries\": [\n    \"h:1\"\n  ],\n  "
			"\"registry-mirrors\": [\n"
			"    \"http://h:1\",\n    \"x\"\n  ]\n}\n" },
		{ "an empty file is none", NODE_DOCKER, " \n", 1, NULL },
		{ "no JSON", NODE_DOCKER, "{", -1, NULL },
		{ "no list", NODE_DOCKER, "{\"registry-mirrors\":\"x\"}", -1, NULL },
		{ "no map", NODE_DOCKER, "[]", -1, NULL },
		{ "other hosts, rewrites and configs stay", NODE_K3S,
			"mirrors:\n  docker.io:\n    endpoint: [https://old]\n    rewrite:\n"
			"      \"^x/(.*)\": \"y/$1\"\n  other.example:\n    endpoint:\n"
			"      - https://other.example\nconfigs:\n  a:\n    auth:\n"
			"      password: 0123\n    tls: {insecure_skip_verify: yes}\n",
			1,
			"\"mirrors\":\n  \"docker.io\":\n    \"endpoint\":\n      - "
			"\"http://h:1\"\n"
			"      - \"https://old\"\n    \"rewrite\":\n      \"^x/(.*)\": \"y/$1\"\n"
			"  \"other.example\":\n    \"endpoint\":\n      - "
			"\"https://other.example\"\n"
			"  \"*\":\n    \"endpoint\":\n      - \"http://h:1\"\n"
			"\"configs\":\n  \"a\":\n    \"auth\":\n      \"password\": \"0123\"\n"
			"    \"tls\":\n      \"insecure_skip_verify\": yes\n" },
		{ "an empty mirror is filled", NODE_K3S, "mirrors:\n  docker.io:\n", 1, NULL },
		{ "comments survive when nothing is to do", NODE_K3S,
			"# mine\nmirrors:\n  docker.io: {endpoint: ['http://h:1']}\n"
			"  '*': {endpoint: ['http://h:1']}\n",
			0, NULL },
		{ "no map", NODE_K3S, "mirrors: [a]\n", -1, NULL },
		{ "ours is written again", NODE_CONTAINERD, OURS "server = \"http://old\"\n", 1,
			NULL },
		{ "somebody's is not", NODE_CONTAINERD, "server = \"https://docker.io\"\n", -1,
			NULL },
		{ "somebody's is not", NODE_PODMAN, "[[registry]]\n", -1, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf out = BUF_INIT;
		struct err e = ERR_INIT;
		int rc = merge(cases[i].runtime, cases[i].have, &out, &e);

		if (rc != cases[i].rc || (rc < 0 && e.code != ERR_INPUT) ||
			(cases[i].out && strcmp(out.data, cases[i].out) != 0))
			fail_msg("%s: %d %s\n%s", cases[i].name, rc, e.text, out.data);
		if (rc == 1) { /* and once is enough */
			AUTO(buf_release) struct buf again = BUF_INIT;

			if (merge(cases[i].runtime, out.data, &again, &e) != 0)
				fail_msg("%s: twice is not once\n%s", cases[i].name, again.data);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_files__of_each_runtime),
		cmocka_unit_test(node_settings__refuse),
		cmocka_unit_test(node_file_merge__keeps_what_others_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
