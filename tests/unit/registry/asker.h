/*
 * A client of a server that writes, on a real store with its threads, without a socket: requests in,
 * replies out.
 */
#ifndef MOAT_TEST_ASKER_H
#define MOAT_TEST_ASKER_H

#include <semaphore.h>

#include "registry/dispatch.h"
#include "registry/push/push.h"

#define NGINX "docker.io/library/nginx"
#define APP "team/app"
#define INDEX "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}"

#define ASKER_WORKERS 2

struct fixture {
	struct sandbox *sb;
	struct repo_names names;
	struct cache *cache;
	struct push_service push;
	struct auth *auth;
	struct dispatch dispatch;
	_Atomic(bool) draining;
	struct reply reply;
	struct who who;
	sem_t woken;
	int64_t now_ms;
	char uri[9000];
};

/* For cmocka: *state is a fixture. */
int asker_setup(void **state);
int asker_teardown(void **state);

struct ask {
	enum method method;
	struct span body;
	bool chunked, leave;
	const char *content_type, *content_range, *authorization;
};

#define GET ((struct ask){ .method = METHOD_GET })
#define HEAD ((struct ask){ .method = METHOD_HEAD })
#define DELETE ((struct ask){ .method = METHOD_DELETE })
#define POST(text) ((struct ask){ .method = METHOD_POST, .body = text })
#define PATCH(text) ((struct ask){ .method = METHOD_PATCH, .body = text })
#define PUT(text) ((struct ask){ .method = METHOD_PUT, .body = text })
#define NOTHING ((struct span){ "", 0 })

/* The status; the rest is in f->reply. */
unsigned ask(struct fixture *f, struct ask a, const char *fmt, ...) PRINTF_LIKE(3, 4);

const char *header(struct fixture *f, const char *name); /* "" when absent */
bool says(struct fixture *f, const char *words); /* the body */
unsigned count_of(const struct fixture *f, const char *words); /* in the body that we made */
const char *digest(struct span bytes, enum digest_alg alg, char text[DIGEST_TEXT_SIZE]);
char *session(struct fixture *f, const char *repo); /* a new one: its path, the caller's */

#endif
