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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(account_names__that_are_null_are_nobodys),
		cmocka_unit_test(folded_keys__keep_their_meaning),
		cmocka_unit_test(values__of_a_wrong_type_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
