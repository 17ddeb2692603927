/* Orders of changes: the one that is found holds, and a wrong one is noticed. */
#include "tests/support/cm.h"

#include <stdlib.h>
#include <unistd.h>

#include "mirror-tool/policy/rollout.h"

/* web may go out to db on OUT, db lets in IN. */
static void load(struct k8s_objects *out, unsigned out_port, unsigned in_port)
{
	char path[] = "/tmp/moat-rollout-XXXXXX";
	AUTO(mem_free)
	char *text = mem_printf(
		"{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}}\n"
		"---\n{apiVersion: v1, kind: Pod, metadata: {name: db, labels: {app: db}}}\n"
		"---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "
		"a},\n"
		" spec: {podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: "
		"%u}]}]}}\n"
		"---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "
		"b},\n"
		" spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress],\n"
		" egress: [{ports: [{port: %u}]}]}}\n",
		in_port, out_port);
	struct err e = ERR_INIT;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	if (k8s_load(out, path, &e) < 0)
		fail_msg("%s", e.text);
	unlink(path);
}

struct fixture {
	struct k8s_objects old, new;
	struct rollout plan;
	struct rollout_step steps[2];
};

static void fixture_release(struct fixture *f)
{
	rollout_step_release(&f->steps[0]);
	rollout_step_release(&f->steps[1]);
	rollout_release(&f->plan);
	k8s_objects_release(&f->old);
	k8s_objects_release(&f->new);
}

static void make(
	struct fixture *f, const unsigned old[2], const unsigned new[2], enum rollout_goal goal)
{
	struct policy_options how = { .engine = ENGINE_API };
	struct err e = ERR_INIT;

	*f = (struct fixture){ .old = K8S_OBJECTS_INIT, .new = K8S_OBJECTS_INIT };
	load(&f->old, old[0], old[1]);
	load(&f->new, new[0], new[1]);
	if (rollout_make(&f->plan, &f->old, &f->new, &how, goal, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(f->plan.count, 2);
}

static void a_wrong_order_is_noticed(void **state)
{
	AUTO(fixture_release) struct fixture f;

	(void)state;
	/* Port 1 is shut by db before, by web afterwards: db must not open first. */
	make(&f, (unsigned[]){ 1, 2 }, (unsigned[]){ 3, 1 }, ROLLOUT_SECURE);
	assert_true(f.plan.is_searched);
	assert_int_equal(f.plan.order[0], 1);
	assert_int_equal(f.plan.order[1], 0);
	assert_true(rollout_check(&f.plan, f.plan.order, f.steps));
	assert_int_equal(f.steps[0].faults, 0);
	assert_null(f.steps[0].src);
	assert_false(rollout_check(&f.plan, (size_t[]){ 0, 1 }, f.steps));
	assert_int_equal(f.steps[0].faults, 1);
	assert_string_equal(f.steps[0].src, "default/web");
	assert_string_equal(f.steps[0].dst, "default/db");
	assert_string_equal(f.steps[0].ports, "TCP 1");
	assert_int_equal(f.steps[1].faults, 0);
}

static void where_there_is_no_order_all_were_tried(void **state)
{
	AUTO(fixture_release) struct fixture f;

	(void)state;
	make(&f, (unsigned[]){ 1, 2 }, (unsigned[]){ 2, 1 }, ROLLOUT_SECURE);
	assert_true(f.plan.is_searched);
	assert_int_equal(f.plan.states, 2);
	assert_false(rollout_check(&f.plan, f.plan.order, f.steps));
	assert_int_equal(f.steps[0].faults, 1);
	assert_int_equal(f.steps[1].faults, 0);
}

static void the_other_goal_has_its_own_faults(void **state)
{
	AUTO(fixture_release) struct fixture f;

	(void)state;
	make(&f, (unsigned[]){ 1, 2 }, (unsigned[]){ 2, 1 }, ROLLOUT_AVAILABLE);
	assert_true(rollout_check(&f.plan, f.plan.order, f.steps));
	assert_int_equal(f.steps[0].faults, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_order_is_noticed),
		cmocka_unit_test(where_there_is_no_order_all_were_tried),
		cmocka_unit_test(the_other_goal_has_its_own_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
