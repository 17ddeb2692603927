/* GET and HEAD of an upload: where it goes on. */
#define MOAT_PUSH_PART
#include "registry/push/upload_reply.h"

#include "storage/base/clock.h"
#include "storage/base/banned.h"

void get_upload(
	struct push_service *service, const struct request *q, const char *repo, struct reply *r)
{
	const struct route *route = &q->route;
	uint64_t offset = 0;
	enum uploads_answer answer = uploads_read(service->uploads, route->session, repo,
		q->who ? q->who->name : "", clock_ms(), &offset);

	if (answer != UPLOADS_OK) {
		upload_refuse(r, answer);
		return;
	}
	r->status = 204;
	upload_headers(r, route->name, route->session, offset);
}
