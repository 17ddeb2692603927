/*
 * Random images with lies in them through the whole path, from layouts and from a registry. No
 * command may crash or hang, an exit status is one of the documented ones, and what was pulled can
 * be sealed, exported, verified, imported, listed and shown.
 *
 *	MOAT_MUTATED_SECONDS	how long (default 20, and no more than ROUNDS, so that what a run of the
 *				tests plays does not depend on how fast the machine is)
 *	MOAT_MUTATED_SEED	of the first round (default: 1, so that a run of the tests says the same twice);
 *				each failure states its own
 */
#include "tests/support/cm.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/fake_upstream.h"
#include "tests/unit/mirror-tool/graph_maker.h"
#include "tests/unit/mirror-tool/layout_world.h"

#define SECONDS 20
#define ROUNDS 2000
#define ROUND_SECONDS 60 /* a round that takes longer hangs */

struct totals {
	unsigned rounds, told, refused, unpulled, carried;
};

/* --- a registry over what the maker made ---------------------------------------------------- */

static void answer(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	const struct maker *m = ctx;
	const char *what = strrchr(r->target, '/') + 1;
	const struct thing *t = maker_find(m, what);
	bool manifest = strstr(r->target, "/manifests/") != NULL;

	if (strcmp(r->target, "/v2/") == 0) {
		fake_text(out, 200, "{}");
		return;
	}
	if (!t || (!manifest && !strstr(r->target, "/blobs/"))) {
		fake_text(out, 404, "");
		return;
	}
	maker_read(m, t, &out->body);
	if (manifest)
		fake_header(out, "Content-Type: %s", t->type);
}

static void write_items(struct world *w, const char *host, const struct maker *m)
{
	const char *wanted = m->state % 3 ? "platforms: [linux/amd64]\n" : "";
	AUTO(mem_free) char *text = NULL;

	if (host)
		text = mem_printf("set: s\n%simages: [\"%s/app:one\"]\nregistries:\n"
				  "  \"%s\": {plain-http: true}\n",
			wanted, host, host);
	else
		text = mem_printf(
			"set: s\n%simages:\n- {name: " REPO ":1, from: \"oci:src:one\"}\n", wanted);
	sandbox_write(sandbox_path(w->sb, "moat.yaml"), text, strlen(text));
}

/* --- a round -------------------------------------------------------------------------------- */

static void must(const struct world *w, uint64_t seed, const char *what, int status)
{
	if (status != EXIT_OK)
		fail_msg("MOAT_MUTATED_SEED=%" PRIu64 ": %s: status %d: %s", seed, what, status,
			w->out);
}

static void may_refuse(const struct world *w, uint64_t seed, const char *what, int status)
{
	if (status != EXIT_OK && status != EXIT_FAILED && status != EXIT_VERIFY &&
		status != EXIT_INCOMPLETE)
		fail_msg("MOAT_MUTATED_SEED=%" PRIu64 ": %s: status %d: %s", seed, what, status,
			w->out);
}

/* "verb", arguments: names of the sandbox begin with '@'. */
static int command(struct world *w, const char *const words[], int count)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	const char *argv[16];
	size_t at[16];

	for (int i = 0; i < count; i++) {
		at[i] = text.len;
		buf_str(&text, words[i][0] == '@' ? sandbox_path(w->sb, words[i] + 1) : words[i]);
		buf_char(&text, '\0');
	}
	for (int i = 0; i < count; i++)
		argv[i] = text.data + at[i];
	return run(w, count, argv);
}

#define COMMAND(w, ...)                                                                            \
	command(w, (const char *const[]){ __VA_ARGS__ },                                           \
		(int)ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

static void look(struct world *w, uint64_t seed, const char *store, const char *ref)
{
	must(w, seed, "list", COMMAND(w, "list", "--store", store));
	must(w, seed, "list --json", COMMAND(w, "list", "--json", "--store", store));
	must(w, seed, "show", COMMAND(w, "show", "--store", store, ref));
	must(w, seed, "show --json", COMMAND(w, "show", "--json", "--store", store, ref));
	must(w, seed, "verify --store", COMMAND(w, "verify", "--quiet", "--store", store));
}

/* What was pulled goes all the way. */
static void carry(struct world *w, uint64_t seed, const char *ref)
{
	must(w, seed, "seal", seal(w));
	look(w, seed, "@store", ref);
	must(w, seed, "export",
		COMMAND(w, "export", "--quiet", "--store", "@store", "--to", "@medium"));
	must(w, seed, "verify", COMMAND(w, "verify", "--quiet", "--key", "@moat.pub", "@medium"));
	must(w, seed, "show --from", COMMAND(w, "show", "--from", "@medium", ref));
	must(w, seed, "import",
		COMMAND(w, "import", "--activate", "--quiet", "--store", "@in", "--key",
			"@moat.pub", "@medium"));
	look(w, seed, "@in", ref);
}

static void play(struct totals *all, uint64_t seed)
{
	void *state = NULL;
	AUTO(maker_release) struct maker m;
	AUTO(fake_stop) struct fake *fake = NULL;
	AUTO(mem_free) char *ref = NULL;
	struct world w = { .out = NULL };
	int status;

	assert_int_equal(sandbox_setup(&state), 0);
	w.sb = state;
	alarm(ROUND_SECONDS);
	maker_begin(&m, w.sb, seed);
	if (seed & 1)
		fake = fake_start(answer, &m, NULL);
	ref = fake ? mem_printf("%s/app:one", fake_host(fake)) : mem_strdup(REPO ":1");
	write_items(&w, fake ? fake_host(fake) : NULL, &m);
	all->rounds++;
	all->told += m.told != 0;
	status = moat(&w, "pin", "--json");
	may_refuse(&w, seed, "pin", status);
	all->refused += status != EXIT_OK;
	if (status == EXIT_OK) {
		status = moat(&w, "pull", "--json");
		may_refuse(&w, seed, "pull", status);
		all->unpulled += status != EXIT_OK;
		all->carried += status == EXIT_OK;
		if (status == EXIT_OK)
			carry(&w, seed, ref);
	}
	alarm(0);
	free(w.out);
	assert_int_equal(sandbox_teardown(&state), 0);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void mutated__all_or_a_reason(void **state)
{
	uint64_t seed = setting("MOAT_MUTATED_SEED", 1);
	time_t end = time(NULL) + (time_t)setting("MOAT_MUTATED_SECONDS", SECONDS);
	unsigned rounds = getenv("MOAT_MUTATED_SECONDS") ? UINT_MAX : ROUNDS;
	struct totals all = { .rounds = 0 };

	(void)state;
	print_message("MOAT_MUTATED_SEED=%" PRIu64 "\n", seed);
	do
		play(&all, seed++);
	while (time(NULL) < end && all.rounds < rounds);
	print_message("%u rounds, %u with lies: %u refused by pin, %u by pull, %u carried\n",
		all.rounds, all.told, all.refused, all.unpulled, all.carried);
	/* Else it is the maker that makes nothing. */
	if (all.rounds > 50)
		assert_true(all.refused > 5 && all.carried > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mutated__all_or_a_reason) };

	/* Syncing is tested elsewhere; in memory there are twenty times as many rounds. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
