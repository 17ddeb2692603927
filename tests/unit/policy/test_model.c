/* Manifests that somebody wrote to mislead or to overload: what the model makes of them. */
#include "tests/support/cm.h"

#include <sys/mman.h>
#include <unistd.h>

#include "mirror-tool/policy/verdict.h"
#include "storage/base/fs.h"

struct world {
	struct k8s_objects objects;
	struct model model;
	struct judge judge;
};

static void world_release(struct world *w)
{
	judge_release(&w->judge);
	model_release(&w->model);
	k8s_objects_release(&w->objects);
}

/* What model_make() says of these manifests. */
static int make(struct world *w, const char *text, enum engine engine, enum k8s_decode decode,
	struct err *e)
{
	AUTO(fd_close) int fd = memfd_create("manifests", MFD_CLOEXEC);
	AUTO(mem_free) char *path = mem_printf("/proc/self/fd/%d", fd);

	*w = (struct world){ K8S_OBJECTS_INIT, MODEL_INIT, JUDGE_INIT };
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(k8s_load(&w->objects, path, e), 0);
	return model_make(&w->model, &w->objects,
		&(struct policy_options){ .engine = engine, .decode = decode }, e);
}

static enum verdict verdict(struct world *w, const char *src, const char *dst)
{
	size_t ends[2];

	if (!w->judge.model)
		judge_make(&w->judge, &w->model);
	assert_true(ends_find(&w->judge.ends, src, &ends[0]));
	assert_true(ends_find(&w->judge.ends, dst, &ends[1]));
	return judge_probe(&w->judge, ends[0], ends[1], PROTO_TCP, 80).verdict;
}

#define PODS                                                                                       \
	"{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: a, labels: {app: web}}}\n"   \
	"---\n{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: a}}\n---\n"

/* Of these numbers the marks cancelled out as long as they were the same in each run. */
static void blocks__cannot_be_chosen_to_hide_an_address(void **state)
{
	static const unsigned chosen[] = { 3, 4, 6, 10, 12, 13, 15, 16, 17, 19, 20, 24, 26, 27, 29,
		32, 34, 35, 38, 39, 40, 43, 44, 47, 48, 49, 53, 54, 55, 56, 59, 60, 61, 62 };
	AUTO(world_release) struct world w;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	size_t next = 0;

	(void)state;
	buf_str(&text,
		PODS "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
		     "metadata: {name: p, namespace: a}\n"
		     "spec:\n  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n  - to:\n");
	for (unsigned i = 0; i < 63; i++) {
		bool hit = next < ARRAY_SIZE(chosen) && chosen[next] == i;

		next += hit;
		buf_printf(&text, "    - ipBlock: {cidr: %s/32}\n", hit ? "1.2.3.4" : "1.2.3.5");
	}
	assert_int_equal(make(&w, text.data, ENGINE_API, DECODE_LENIENT, &e), 0);
	assert_int_equal(verdict(&w, "a/web", "ext:1.2.3.4"), VERDICT_ALLOW);
	assert_int_equal(verdict(&w, "a/web", "ext:8.8.8.8"), VERDICT_DENY);
}

/* null among names is the empty one, which nobody has. */
static void account_names__that_are_null_are_nobodys(void **state)
{
	static const char text[] =
		PODS "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, "
		     "namespace: a}, spec: {selector: all(), types: [Ingress], ingress: [{action: "
		     "Allow, source: {serviceAccounts: {names: [%s]}}}]}}";
	static const char *const names[] = { "null", "default" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO(world_release) struct world w;
		AUTO(buf_release) struct buf all = BUF_INIT;
		struct err e = ERR_INIT;
		const char *at = strstr(text, "%s");

		buf_printf(&all, "%.*s%s%s", (int)(at - text), text, names[i], at + 2);
		assert_int_equal(make(&w, all.data, ENGINE_CALICO, DECODE_LENIENT, &e), 0);
		assert_int_equal(verdict(&w, "a/db", "a/web"), i ? VERDICT_ALLOW : VERDICT_DENY);
	}
}

/* A client that takes keys in any case means the same key. */
static void folded_keys__keep_their_meaning(void **state)
{
	static const char text[] = PODS
		"{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, "
		"metadata: "
		"{name: p}, spec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, "
		"to: [{Pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}]}]}}";
	AUTO(world_release) struct world w;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(make(&w, text, ENGINE_API, DECODE_FOLDING, &e), 0);
	assert_int_equal(verdict(&w, "a/db", "a/web"), VERDICT_DENY);
	assert_int_equal(verdict(&w, "a/web", "a/db"), VERDICT_ALLOW);
}

static void values__of_a_wrong_type_are_refused(void **state)
{
#define CALICO(order)                                                                              \
	"{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p}, "      \
	"spec: "                                                                                   \
	"{order: " order "}}"
#define CILIUM(port)                                                                               \
	"{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p}, spec: "        \
	"{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: " port "}]}]}]}}"
	static const struct {
		const char *text, *why;
	} cases[] = { { CALICO("nan"), "order is a number" },
		{ CALICO("\"inf\""), "order is a number" },
		{ CALICO("0x10p"), "order is a number" }, { CALICO("[]"), "order is a number" },
		{ CILIUM("[]"), "a port has a \"port\"" },
		{ CILIUM("{}"), "a port has a \"port\"" },
		{ CILIUM("\"\""), "a port has a \"port\"" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_release) struct world w;
		struct err e = ERR_INIT;

		assert_int_equal(make(&w, cases[i].text, ENGINE_CALICO, DECODE_LENIENT, &e), -1);
		if (!strstr(e.text, cases[i].why))
			fail_msg("%s: %s", cases[i].text, e.text);
	}
}

/* Memory follows the text, and not its square. */
static void ports__of_one_pod_may_be_many(void **state)
{
	enum { COUNT = 4000 };
	AUTO(world_release) struct world w;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	buf_str(&text,
		"{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}, "
		"\"spec\": {\"containers\": [{\"ports\": [");
	for (unsigned i = 1; i <= COUNT; i++)
		buf_printf(&text, "%s{\"name\": \"p%u\", \"containerPort\": %u, \"hostPort\": %u}",
			i > 1 ? "," : "", i, i, i);
	buf_str(&text, "]}]}}");
	assert_int_equal(make(&w, text.data, ENGINE_API, DECODE_LENIENT, &e), 0);
	assert_int_equal(w.model.workloads[0].port_count, COUNT);
	assert_int_equal(w.model.workloads[0].host_port_count, COUNT);
	assert_int_equal(w.model.workloads[0].host_ports[COUNT - 1].host, COUNT);
	assert_true(w.model.arena.bytes < 1u << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks__cannot_be_chosen_to_hide_an_address),
		cmocka_unit_test(account_names__that_are_null_are_nobodys),
		cmocka_unit_test(folded_keys__keep_their_meaning),
		cmocka_unit_test(values__of_a_wrong_type_are_refused),
		cmocka_unit_test(ports__of_one_pod_may_be_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
