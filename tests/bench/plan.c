/*
 * Many images pushed on one kept-alive connection, as a client with a library does it: ask for each
 * blob, mount it where another repository has it, else push it; then the manifest.
 *
 * It stops at the first failure: a catalog that is not whole is no figure.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/http.h"
#include "tests/bench/load.h"
#include "tests/bench/push.h"

struct line {
	char verb[16], repo[256], name[256], file[1024], last[256];
};

static const struct api_body nothing;

static int blob(struct api *a, const struct line *l)
{
	char path[640];

	snprintf(path, sizeof(path), "/v2/%s/blobs/%s", l->repo, l->name);
	if (api_call(a, "HEAD", path, "", &nothing) < 0 || (a->status != 200 && a->status != 404))
		return push_failed(a, "HEAD", path);
	if (a->status == 200)
		return 0;
	return push_blob(a, l->repo, l->name, l->file, strcmp(l->last, "-") ? l->last : NULL, 0);
}

static int manifest(struct api *a, const struct line *l)
{
	char path[640], headers[320];
	struct api_body body = { .file = open(l->file, O_RDONLY | O_CLOEXEC) };
	struct stat st;
	int rc = -1;

	snprintf(path, sizeof(path), "/v2/%s/manifests/%s", l->repo, l->name);
	snprintf(headers, sizeof(headers), "Content-Type: %s\r\n", l->last);
	if (body.file >= 0 && fstat(body.file, &st) == 0) {
		body.length = (uint64_t)st.st_size;
		rc = api_call(a, "PUT", path, headers, &body);
	}
	close(body.file);
	return rc == 0 && a->status == 201 ? 0 : push_failed(a, "PUT", path);
}

/* How many lines were done; -1 after a failure. */
static int run(struct api *a, FILE *plan)
{
	char text[2048];
	struct line l;
	int done = 0;

	while (fgets(text, sizeof(text), plan)) {
		if (sscanf(text, "%15s %255s %255s %1023s %255s", l.verb, l.repo, l.name, l.file,
			    l.last) != 5)
			return -1;
		if ((strcmp(l.verb, "blob") == 0 ? blob : manifest)(a, &l) < 0)
			return -1;
		done++;
	}
	return done;
}

int mode_plan(const struct options *o)
{
	FILE *plan = fopen(o->rest[0], "r");
	struct api a = api_new(o);
	uint64_t began = now_ns();
	int done;

	if (!plan)
		return 1;
	done = run(&a, plan);
	fclose(plan);
	api_release(&a);
	printf("{\"wall_s\": %.4f, \"lines\": %d, \"errors\": %d, \"resumed\": %lu, "
	       "\"client_cpu_s\": %.3f}\n",
		(double)(now_ns() - began) / 1e9, done, done < 0 ? 1 : 0, a.resumed,
		(double)clock() / CLOCKS_PER_SEC);
	return done < 0 ? 1 : 0;
}
