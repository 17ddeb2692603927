/*
 * Tags: many put at once on kept-alive connections, one thread each, and a path or many like it read over and over.
 *
 * Failures are counted, never repeated.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/api.h"
#include "tests/bench/hist.h"
#include "tests/bench/http.h"
#include "tests/bench/load.h"

enum { MANIFEST_SIZE = 65536, PATH_SIZE = 1024, CONNS_MAX = 256, MORE_SIZE = 128 };

static const uint64_t SEED = 20261129;
static const char mark[] = "@@@@@@@@";

struct puts {
	const struct options *o;
	char manifest[MANIFEST_SIZE];
	char headers[512];
	atomic_uint next, errors, resumed;
	pthread_mutex_t lock; /* of took */
	struct hist took;
};

/* The number in place of the mark; what has no mark stays as it is. */
static void number_in(char *text, unsigned number)
{
	char *at = strstr(text, mark), digits[sizeof(mark)];

	snprintf(digits, sizeof(digits), "%08u", number % 100000000);
	if (at)
		memcpy(at, digits, sizeof(mark) - 1);
}

/* The same numbers in each run (a linear congruential generator). */
static unsigned any(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*seed >> 33);
}

static bool put(struct puts *p, struct api *a, unsigned number)
{
	char path[PATH_SIZE], manifest[MANIFEST_SIZE];
	struct api_body body = { .bytes = manifest };

	snprintf(path, sizeof(path), "%s", p->o->rest[0]);
	snprintf(manifest, sizeof(manifest), "%s", p->manifest);
	number_in(path, number);
	number_in(manifest, number);
	body.length = strlen(manifest);
	return api_call(a, "PUT", path, p->headers, &body) == 0 && a->status == 201;
}

static void *worker(void *arg)
{
	struct puts *p = arg;
	struct api a = api_new(p->o);
	unsigned i;

	while ((i = atomic_fetch_add(&p->next, 1)) < p->o->count) {
		uint64_t began = now_ns();

		if (!put(p, &a, p->o->from + i))
			atomic_fetch_add(&p->errors, 1);
		pthread_mutex_lock(&p->lock);
		hist_add(&p->took, now_ns() - began);
		pthread_mutex_unlock(&p->lock);
	}
	api_release(&a);
	atomic_fetch_add(&p->resumed, (unsigned)a.resumed);
	return NULL;
}

static int read_manifest(struct puts *p, const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		return -1;
	n = fread(p->manifest, 1, sizeof(p->manifest) - 1, f);
	fclose(f);
	return n ? 0 : -1;
}

static void print_result(const struct hist *took, uint64_t began, const char *more)
{
	double wall = (double)(now_ns() - began) / 1e9;

	printf("{\"wall_s\": %.4f, \"rps\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, %s, "
	       "\"client_cpu_s\": %.3f}\n",
		wall, (double)took->count / wall, (double)hist_quantile(took, 0.5) / 1e3,
		(double)hist_quantile(took, 0.99) / 1e3, more, (double)clock() / CLOCKS_PER_SEC);
}

int mode_tags(const struct options *o)
{
	struct puts *p = calloc(1, sizeof(*p));
	pthread_t threads[CONNS_MAX];
	char more[MORE_SIZE];
	uint64_t began;

	if (!p || o->conns > CONNS_MAX || !o->rest[1] || !o->rest[2] ||
		read_manifest(p, o->rest[2]) < 0)
		return 2;
	p->o = o;
	pthread_mutex_init(&p->lock, NULL);
	snprintf(p->headers, sizeof(p->headers), "Content-Type: %s\r\n", o->rest[1]);
	began = now_ns();
	for (unsigned i = 0; i < o->conns; i++)
		if (pthread_create(&threads[i], NULL, worker, p) != 0)
			return 1;
	for (unsigned i = 0; i < o->conns; i++)
		pthread_join(threads[i], NULL);
	snprintf(more, sizeof(more), "\"errors\": %u, \"resumed\": %u", p->errors, p->resumed);
	print_result(&p->took, began, more);
	return p->errors ? 1 : 0;
}

int mode_list(const struct options *o)
{
	static const struct api_body nothing;
	struct hist *took = calloc(1, sizeof(*took));
	struct api a = api_new(o);
	uint64_t began = now_ns(), bytes = 0, seed = SEED;
	unsigned errors = 0;
	char more[MORE_SIZE], path[PATH_SIZE];

	if (!took)
		return 1;
	for (unsigned i = 0; i < o->count; i++) {
		uint64_t asked = now_ns();

		snprintf(path, sizeof(path), "%s", o->rest[0]);
		if (o->from)
			number_in(path, any(&seed) % o->from);
		if (api_call(&a, "GET", path, "", &nothing) < 0 || a.status != 200)
			errors++;
		hist_add(took, now_ns() - asked);
		bytes = a.bytes;
	}
	api_release(&a);
	snprintf(more, sizeof(more), "\"errors\": %u, \"bytes\": %lu", errors, bytes);
	print_result(took, began, more);
	return errors ? 1 : 0;
}
