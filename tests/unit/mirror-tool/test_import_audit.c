/* The audit log of imports while each step of an import fails or dies: no set becomes active unrecorded. */
#include "mirror-tool/import_audit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/store.h"
#include "tests/support/cm.h"
#include "tests/support/faults.h"
#include "tests/unit/mirror-tool/layout_world.h"

#define LOG_MAX 100000

/* A medium of one set, "medium". */
static struct world *medium_new(void **state)
{
	struct world *w = world_new(state);
	struct digest d = make(w, "image", "linux/amd64");
	char store[256], medium[256];

	entry(w, "one", "application/vnd.oci.image.manifest.v1+json", &d);
	write_index(w);
	write_list(w, ITEM);
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	assert_int_equal(moat(w, "pull", NULL), EXIT_OK);
	assert_int_equal(seal(w), EXIT_OK);
	snprintf(store, sizeof(store), "%s", sandbox_path(w->sb, "store"));
	snprintf(medium, sizeof(medium), "%s", sandbox_path(w->sb, "medium"));
	assert_int_equal(run(w, 6,
				 (const char *const[]){
					 "export", "--quiet", "--store", store, "--to", medium }),
		EXIT_OK);
	return w;
}

static int import(struct world *w, const char *name)
{
	AUTO(mem_free) char *store = mem_strdup(sandbox_path(w->sb, name));
	AUTO(mem_free) char *medium = mem_strdup(sandbox_path(w->sb, "medium"));
	AUTO(mem_free) char *key = mem_strdup(sandbox_path(w->sb, "moat.pub"));

	return run(w, 8,
		(const char *const[]){ "import", "--activate", "--quiet", "--store", store, "--key",
			key, medium });
}

static int note_active(void *ctx, const struct set_info *info, struct err *e)
{
	(void)e;
	*(bool *)ctx |= info->active;
	return 0;
}

static bool is_active(struct world *w, const char *name)
{
	AUTO(store_close) struct store *s = sandbox_store(w->sb, name, STORE_WRITE);
	struct err e = ERR_INIT;
	bool active = false;

	assert_ok(list_sets(s, note_active, &active, &e));
	return active;
}

/* Has the record a line of this result? */
static bool has(struct world *w, const char *name, const char *result)
{
	AUTO(mem_free) char *path =
			mem_printf("%s/" AUDIT_FOLDER "/000001.jsonl", sandbox_path(w->sb, name));
	AUTO(mem_free) char *text = mem_printf("\"result\":\"%s\"", result);
	AUTO(buf_release) struct buf log = BUF_INIT;
	struct err e = ERR_INIT;

	assert_true(fs_read_file(AT_FDCWD, path, LOG_MAX, &log, &e) >= 0);
	return strstr(log.data, text) != NULL;
}

struct sweep {
	struct world *w;
	unsigned begun; /* stores whose record has begun when it stopped */
	bool done; /* the import succeeded, fault or none */
};

static void begin(void *ctx, const char *name)
{
	struct sweep *sweep = ctx;

	(void)name;
	sweep->done = false;
}

static int run_import(void *ctx, const char *name, struct err *e)
{
	struct sweep *sweep = ctx;
	int status = import(sweep->w, name);

	sweep->done = status == EXIT_OK;
	return sweep->done ? 0 : err_set(e, ERR_IO, "exit status %d", status);
}

/* What is active has begun in the record; what succeeded is recorded as a whole. */
static void recover(void *ctx, const char *name)
{
	struct sweep *sweep = ctx;
	struct world *w = sweep->w;

	sweep->begun += has(w, name, "begun");
	if (is_active(w, name))
		assert_true(has(w, name, "begun"));
	if (sweep->done)
		assert_true(is_active(w, name) && has(w, name, "allowed"));
	assert_int_equal(import(w, name), EXIT_OK);
	assert_true(has(w, name, "allowed"));
}

static void import_audit__no_set_is_active_unrecorded_wherever_it_stops(void **state)
{
	static const struct faults faults = { "in", begin, run_import, recover, 10 };
	AUTO(world_free) struct world *w = medium_new(state);
	struct sweep sweep = { .w = w };

	faults_sweep(w->sb, &faults, &sweep);
	assert_true(sweep.begun > 4);
}

/* The fault points of the two records: found by what they leave. */
static void import_audit__what_is_active_and_not_recorded_fails(void **state)
{
	AUTO(world_free) struct world *w = medium_new(state);
	unsigned found = 0;
	bool fired = true;

	for (unsigned n = 0; fired; n++) {
		int status;

		fault_arm(FAULT_FAIL, n);
		status = import(w, "in");
		fired = fault_fired() != NULL;
		if (fired && strcmp(fault_fired(), "audit.write") == 0) {
			fault_arm(FAULT_OFF, 0);
			assert_int_equal(status, EXIT_FAILED);
			found++;
			assert_int_equal(is_active(w, "in"), found == 2);
		}
		fault_arm(FAULT_OFF, 0);
		sandbox_remove(sandbox_path(w->sb, "in"));
	}
	assert_int_equal(found, 2);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)
	const struct CMUnitTest tests[] = {
		T(import_audit__no_set_is_active_unrecorded_wherever_it_stops),
		T(import_audit__what_is_active_and_not_recorded_fails),
	};

	/* Syncing is tested elsewhere. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
