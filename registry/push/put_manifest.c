/*
 * PUT NAME/manifests/REFERENCE: the bytes as they came (S7), under a tag, or under their digest with
 * any number of ?tag=. Must never store bytes that are not a manifest, and never move only some of
 * the tags.
 */
#include "registry/push/push.h"
#include "storage/base/banned.h"

static int too_large(struct push *p)
{
	return reply_error(&p->reply, 413, "SIZE_INVALID", "a manifest may have at most %u bytes",
		MANIFEST_MAX);
}

static int too_many(struct push *p)
{
	reply_error(&p->reply, 429, "TOOMANYREQUESTS", "too many manifests are being sent");
	reply_header(&p->reply, "Retry-After", "10");
	return 0;
}

static int begin(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	uint64_t more = p->request.length == LENGTH_UNKNOWN ? 0 : p->request.length;
	int rc = 1;

	p->want = BODY_MEMORY;
	if (*p->request.route.tag && p->request.route.tags > 0)
		rc = reply_error(
			&p->reply, 400, "UNSUPPORTED", "tag parameters go with a push by digest");
	else if (more > MANIFEST_MAX)
		rc = too_large(p);
	else
		rc = push_room(p, s->store, e);
	if (rc <= 0)
		*step = PUSH_ANSWERED;
	return rc < 0 ? -1 : 0;
}

/* The type without parameters, as some clients send a charset. */
static char *media_type(const char *content_type)
{
	struct span type = span_of(content_type ? content_type : "");
	struct span first = span_until(&type, ';');

	while (first.len > 0 && first.data[first.len - 1] == ' ')
		first.len--;
	return mem_strndup(first.data, first.len);
}

/* The digest of what came; 1, or 0 and the reply when another one was announced. */
static int compute_digest(struct push *p, struct digest *d)
{
	const struct digest *want = &p->request.route.digest;
	char text[DIGEST_TEXT_SIZE];

	digest_of(d, want->alg ? want->alg : DIGEST_SHA256, buf_span(&p->body));
	if (!want->alg || digest_eq(want, d))
		return 1;
	return reply_error(&p->reply, 400, "DIGEST_INVALID", "the bytes that arrived are %s",
		digest_text(d, text));
}

static int read_manifest(struct push *p, const struct digest *d)
{
	AUTO(mem_free) char *type = media_type(p->request.content_type);
	char text[DIGEST_TEXT_SIZE];
	struct err e;

	if (manifest_parse(&p->manifest, digest_text(d, text), type, buf_span(&p->body), &e) == 0)
		return 1;
	return reply_error(&p->reply, 400, "MANIFEST_INVALID", "%s", e.text);
}

/* What was read takes many times the room of its text until the change is made. */
static bool is_too_much(struct push *p)
{
	size_t size = manifest_memory(&p->manifest);

	p->held += size;
	return atomic_fetch_add(&p->shared->held, size) + size > BODIES_MAX;
}

static void describe(struct push *p, const struct digest *d)
{
	size_t tags = 0;

	if (*p->request.route.tag)
		p->tags[tags++] = p->request.route.tag;
	for (unsigned i = 0; i < p->request.route.tags; i++)
		p->tags[tags++] = route_value(&p->request.route, i);
	for (size_t i = 0; i < p->aliases.count; i++)
		p->names[i] = p->aliases.name[i];
	p->commit.change = (struct change){ .kind = CHANGE_MANIFEST,
		.repo = p->repo,
		.digest = *d,
		.text = buf_span(&p->body),
		.manifest = &p->manifest,
		.tags = p->tags,
		.tag_count = tags,
		.aliases = p->names,
		.alias_count = p->aliases.count,
		.strict = p->shared->strict };
}

static int run(struct push *p, enum push_step *step, struct err *e)
{
	struct digest d;

	(void)e;
	*step = PUSH_ANSWERED;
	if (p->too_large)
		return too_large(p);
	if (p->too_many)
		return too_many(p);
	if (!compute_digest(p, &d) || !read_manifest(p, &d))
		return 0;
	if (is_too_much(p))
		return too_many(p);
	describe(p, &d);
	*step = PUSH_GOES_ON;
	return 0;
}

static int done(struct push *p, struct err *e)
{
	const struct change *change = &p->commit.change;
	char text[DIGEST_TEXT_SIZE], subject[DIGEST_TEXT_SIZE];
	AUTO(mem_free) char *location = NULL;

	(void)e;
	if (change->rc < 0) {
		push_refused(p, "MANIFEST_UNKNOWN", &change->err);
		return 0;
	}
	location = mem_printf(
		"/v2/%s/manifests/%s", p->request.route.name, digest_text(&change->digest, text));
	p->reply.status = 201;
	reply_header(&p->reply, "Location", location);
	reply_header(&p->reply, "Docker-Content-Digest", text);
	if (p->manifest.has_subject)
		reply_header(&p->reply, "OCI-Subject",
			digest_text(&p->manifest.subject.digest, subject));
	for (unsigned i = 0; i < p->request.route.tags; i++)
		reply_header(&p->reply, "OCI-Tag", route_value(&p->request.route, i));
	return 0;
}

const struct push_handler put_manifest = { begin, run, done };
