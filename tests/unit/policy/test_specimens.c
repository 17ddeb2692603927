/* What is made of selectors: word for word of a small policy, and no more than the limit of a large one. */
#include "tests/support/cm.h"

#include "mirror-tool/policy/specimens.h"

#define HEAD                                                                                       \
	"{\"apiVersion\":\"policy.networking.k8s.io/v1alpha1\",\"kind\":\"AdminNetworkPolicy\","   \
	"\"metadata\":{\"name\":\"p\"},\"spec\":{\"subject\":"

static size_t make(const char *text, struct buf *out)
{
	AUTO(k8s_objects_release) struct k8s_objects objects = K8S_OBJECTS_INIT;
	struct err e = ERR_INIT;

	if (k8s_load_text(&objects, "test", span_of(text), &e) < 0)
		fail_msg("%s", e.text);
	return specimens_make(&objects, DECODE_LENIENT, out);
}

static void expect_pods(struct buf *want, unsigned kind, const char *ns, const char *labels)
{
	for (unsigned twin = 1; twin <= 3; twin++)
		buf_printf(want,
			"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
			"\"moat-made-%u-%u\",\"namespace\":\"%s\",\"labels\":{%s%s\"moat-made\":\"%"
			"u\"}}}\n",
			kind, twin, ns, labels, *labels ? "," : "", twin);
}

static void expect_space(struct buf *want, const char *name, const char *labels)
{
	static const char *const rules[] = { "", ",\"ingress\":[{}],\"egress\":[{}]" };

	for (unsigned twin = 2; twin <= 3; twin++)
		buf_printf(want,
			"{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\","
			"\"metadata\":{\"name\":\"moat-made-%u\",\"namespace\":\"%s\"},\"spec\":"
			"{\"podSelector\":{\"matchLabels\":{\"moat-made\":\"%u\"}},"
			"\"policyTypes\":[\"Ingress\",\"Egress\"]%s}}\n",
			twin, name, twin, rules[twin - 2]);
	buf_printf(want,
		"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\","
		"\"labels\":{%s}}}\n",
		name, labels);
}

static void small(void **state)
{
	AUTO(buf_release) struct buf out = BUF_INIT, want = BUF_INIT;

	(void)state;
	assert_int_equal(
		make(HEAD "{\"pods\":{\"namespaceSelector\":{\"matchLabels\":{\"a\":\"1\"}},"
			  "\"podSelector\":{\"matchExpressions\":[{\"key\":\"b\",\"operator\":"
			  "\"NotIn\",\"values\":[\"2\"]}]}}}}}",
			&out),
		0);
	expect_space(&want, "moat-made-1", "\"a\":\"1\"");
	expect_pods(&want, 1, "moat-made-1", "");
	expect_space(&want, "moat-made-2", "");
	expect_pods(&want, 2, "moat-made-2", "");
	expect_space(&want, "moat-made-3", "\"a\":\"moat-other\"");
	expect_pods(&want, 3, "moat-made-3", "");
	expect_pods(&want, 4, "moat-made-1", "\"b\":\"moat-other\"");
	expect_pods(&want, 5, "moat-made-1", "\"b\":\"2\"");
	assert_string_equal(out.data, want.data);
}

/* A namespace by its name is that one; what objects define is not defined again. */
static void named(void **state)
{
	AUTO(buf_release) struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(
		make("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":"
		     "\"given\"}}\n" HEAD "{\"namespaces\":{\"matchLabels\":{\"kubernetes.io/"
		     "metadata.name\":\"given\"}}}}}",
			&out),
		0);
	assert_non_null(strstr(out.data, "\"namespace\":\"given\""));
	assert_null(strstr(out.data, "\"Namespace\",\"metadata\":{\"name\":\"given\""));
	assert_non_null(strstr(out.data, "\"Namespace\",\"metadata\":{\"name\":\"moat-other\""));
}

#define KEYS 249

static void add_selector(struct buf *text, char key)
{
	buf_str(text, "{\"namespaces\":{\"matchExpressions\":[");
	for (unsigned i = 0; i < KEYS; i++)
		buf_printf(text, "%s{\"key\":\"%c%u\",\"operator\":\"DoesNotExist\"}", i ? "," : "",
			key, i);
	buf_str(text, "]}}");
}

/* Without any of the labels all are one kind; with each label there is one more. */
static void many(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT, out = BUF_INIT;
	size_t pods = 0;

	(void)state;
	buf_str(&text, HEAD);
	add_selector(&text, 'a');
	buf_str(&text, ",\"egress\":[{\"to\":[");
	add_selector(&text, 'b');
	buf_char(&text, ',');
	add_selector(&text, 'c');
	buf_str(&text, "]}]}}");
	assert_int_equal(make(text.data, &out), 1 + 3 * KEYS - SPECIMENS_MAX);
	for (const char *at = out.data; (at = strstr(at, "\"Pod\"")); at++)
		pods++;
	assert_int_equal(pods, 3 * SPECIMENS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(small),
		cmocka_unit_test(named),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
