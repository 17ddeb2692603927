/* Files of assertions and of probes, and the ends that they name in a world with one policy. */
#include "tests/fuzz/fuzz.h"

#include "mirror-tool/policy/assertions.h"
#include "storage/base/vec.h"

static void try_probes(struct span text)
{
	AUTO(probes_release) struct probes p = PROBES_INIT;
	struct err e = ERR_INIT;

	if (probes_parse(&p, "probes", text, &e) < 0)
		must(e.code == ERR_INPUT);
	for (size_t i = 0; i < p.count; i++)
		must(p.items[i].port >= 1 && p.items[i].port <= PORT_MAX && *p.items[i].src);
}

/* Two pods, and a block that cuts the addresses outside. */
static void make_world(struct model *m)
{
	struct k8s_objects none = K8S_OBJECTS_INIT;
	struct err e = ERR_INIT;
	struct block b;

	must(model_make(m, &none, &(struct policy_options){ .engine = ENGINE_CALICO }, &e) == 0);
	must(block_parse(span_of("10.0.0.0/8"), &b) == BLOCK_GOOD);
	(void)model_add_block(m, &b);
	for (size_t i = 0; i < 2; i++)
		*VEC_PUSH(m->workloads, m->workload_count) =
			(struct workload){ .ns = model_namespace(m, "prod"),
				.name = i ? "web" : "db",
				.account = "default",
				.host_network = i == 1 };
}

static void try_assertions(struct span text)
{
	AUTO(assertions_release) struct assertions a = ASSERTIONS_INIT;
	AUTO(model_release) struct model m = MODEL_INIT;
	AUTO(judge_release) struct judge j = JUDGE_INIT;
	struct assertion_result result;
	struct err e = ERR_INIT;

	if (assertions_parse(&a, "assertions", text, &e) < 0) {
		must(e.code == ERR_INPUT);
		return;
	}
	make_world(&m);
	judge_make(&j, &m);
	if (assertions_bind(&a, &j.ends, "assertions", &e) < 0)
		must(e.code == ERR_INPUT);
	else
		for (size_t i = 0; i < a.count; i++) {
			assertion_judge(&a.items[i], &j, NULL, false, &result);
			must(result.failed <= result.asked);
		}
	judge_release(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_probes(input(data, size));
	try_assertions(input(data, size));
	return 0;
}
