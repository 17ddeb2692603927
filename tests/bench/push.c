/*
 * Pushing a blob: in one PUT, or in PATCHes and an empty PUT.
 *
 * The bytes go by sendfile from the page cache, so that what is measured is the server.
 */
#include "tests/bench/push.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/http.h"
#include "tests/bench/load.h"

enum { PATH_SIZE = 3072 };

static const struct api_body nothing;

int push_failed(const struct api *a, const char *method, const char *path)
{
	fprintf(stderr, "%s %s: %s %d\n", method, path, a->fd < 0 ? "cut off after" : "answered",
		a->status);
	return -1;
}

/* PATCH after PATCH; the upload's place may change with every answer. */
static int patches(struct api *a, char *path, int file, uint64_t size, uint64_t chunk)
{
	for (uint64_t at = 0; at < size; at += chunk) {
		struct api_body part = { .file = file, .offset = at };
		char headers[256];

		part.length = size - at < chunk ? size - at : chunk;
		snprintf(headers, sizeof(headers),
			"Content-Type: application/octet-stream\r\nContent-Range: %lu-%lu\r\n", at,
			at + part.length - 1);
		if (api_call(a, "PATCH", path, headers, &part) < 0 || a->status != 202)
			return push_failed(a, "PATCH", path);
		snprintf(path, PATH_SIZE, "%s", a->location);
	}
	return 0;
}

static int send_blob(struct api *a, const char *digest, int file, uint64_t chunk)
{
	struct stat st;
	struct api_body all = { .file = file };
	char path[PATH_SIZE], whole[PATH_SIZE + 256];

	if (fstat(file, &st) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s", a->location);
	if (chunk && patches(a, path, file, (uint64_t)st.st_size, chunk) < 0)
		return -1;
	all.length = chunk ? 0 : (uint64_t)st.st_size;
	snprintf(
		whole, sizeof(whole), "%s%sdigest=%s", path, strchr(path, '?') ? "&" : "?", digest);
	if (api_call(a, "PUT", whole, "Content-Type: application/octet-stream\r\n", &all) < 0 ||
		a->status != 201)
		return push_failed(a, "PUT", whole);
	return 0;
}

int push_blob(struct api *a, const char *repo, const char *digest, const char *file,
	const char *from, uint64_t chunk)
{
	char path[PATH_SIZE];
	int n = snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/", repo), fd, rc;

	if (from)
		snprintf(path + n, sizeof(path) - (size_t)n, "?mount=%s&from=%s", digest, from);
	if (api_call(a, "POST", path, "", &nothing) < 0)
		return push_failed(a, "POST", path);
	if (from && a->status == 201)
		return 0;
	if (a->status != 202)
		return push_failed(a, "POST", path);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(file);
		return -1;
	}
	rc = send_blob(a, digest, fd, chunk);
	close(fd);
	return rc;
}

int mode_push(const struct options *o)
{
	struct api a = api_new(o);
	uint64_t began = now_ns();
	int rc;

	if (!o->rest[1] || !o->rest[2])
		return 2;
	rc = push_blob(&a, o->rest[0], o->rest[2], o->rest[1], NULL, (uint64_t)o->chunk_mib << 20);
	api_release(&a);
	printf("{\"wall_s\": %.4f, \"errors\": %d, \"client_cpu_s\": %.3f}\n",
		(double)(now_ns() - began) / 1e9, rc < 0 ? 1 : 0, (double)clock() / CLOCKS_PER_SEC);
	return rc < 0 ? 1 : 0;
}
