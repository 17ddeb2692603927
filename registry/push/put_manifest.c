/*
 * PUT NAME/manifests/REFERENCE: the bytes as they came (S7), under a tag, or under their digest with
 * any number of ?tag=. Must never store bytes that are not a manifest, and never move only some of
 * the tags.
 */
#define MOAT_PUSH_PART
#include "registry/push/push_private.h"
#include "storage/base/banned.h"

static enum push_outcome too_large(struct push *p)
{
	return push_error(
		p, 413, "SIZE_INVALID", "a manifest may have at most %u bytes", MANIFEST_MAX);
}

static enum push_outcome too_many(struct push *p)
{
	push_error(p, 429, "TOOMANYREQUESTS", "too many manifests are being sent");
	reply_header(&p->reply, "Retry-After", "10");
	return PUSH_ANSWERED;
}

static enum push_outcome begin(struct context *s, struct push *p, struct err *e)
{
	const struct route *route = &p->request.route;
	uint64_t more = p->request.length == LENGTH_UNKNOWN ? 0 : p->request.length;

	p->body.kind = PUSH_BODY_MEMORY;
	if (*route->tag && route->tags > 0)
		return push_error(p, 400, "UNSUPPORTED", "tag parameters go with a push by digest");
	if (more > MANIFEST_MAX)
		return too_large(p);
	return push_reserve(p, s->store, e);
}

/* The type without parameters: some clients send a charset. */
static char *media_type(const char *content_type)
{
	struct span type = span_of(content_type ? content_type : "");
	struct span first = span_until(&type, ';');

	while (first.len > 0 && first.data[first.len - 1] == ' ')
		first.len--;
	return mem_strndup(first.data, first.len);
}

/* Compute the digest of what came, which must be the announced one. */
static enum push_outcome compute_digest(struct push *p, struct digest *d)
{
	const struct digest *want = &p->request.route.digest;
	char text[DIGEST_TEXT_SIZE];

	digest_of(d, want->alg ? want->alg : DIGEST_SHA256, buf_span(&p->body.bytes));
	if (!want->alg || digest_eq(want, d))
		return PUSH_GOES_ON;
	return push_error(
		p, 400, "DIGEST_INVALID", "the bytes that arrived are %s", digest_text(d, text));
}

static enum push_outcome read_manifest(struct push *p, const struct digest *d)
{
	AUTO(mem_free) char *type = media_type(p->request.content_type);
	struct span bytes = buf_span(&p->body.bytes);
	char text[DIGEST_TEXT_SIZE];
	struct err e;

	if (manifest_parse(&p->change.manifest, digest_text(d, text), type, bytes, &e) == 0)
		return PUSH_GOES_ON;
	return push_error(p, 400, "MANIFEST_INVALID", "%s", e.text);
}

/* Reserve memory for the parsed manifest, which takes many times its text's until the change is made. */
static enum push_outcome reserve_memory(struct push *p)
{
	size_t size = manifest_memory(&p->change.manifest);

	p->reserved.memory += size;
	if (atomic_fetch_add(&p->service->memory, size) + size > PUSH_MEMORY_MAX)
		return too_many(p);
	return PUSH_GOES_ON;
}

static void describe(struct push *p, const struct digest *d)
{
	const struct route *route = &p->request.route;
	struct push_change *change = &p->change;
	size_t tags = 0;

	if (*route->tag)
		change->tags[tags++] = route->tag;
	for (unsigned i = 0; i < route->tags; i++)
		change->tags[tags++] = route_value(route, i);
	for (size_t i = 0; i < p->target.aliases.count; i++)
		change->names[i] = p->target.aliases.name[i];
	change->commit.change = (struct change){ .kind = CHANGE_MANIFEST,
		.repo = p->target.repo,
		.digest = *d,
		.text = buf_span(&p->body.bytes),
		.manifest = &change->manifest,
		.tags = change->tags,
		.tag_count = tags,
		.aliases = change->names,
		.alias_count = p->target.aliases.count,
		.strict = p->service->strict,
		.quota = p->quota ? p->quota->bytes : 0 };
}

static enum push_outcome run(struct push *p, struct err *e)
{
	enum push_outcome outcome;
	struct digest d;

	(void)e;
	if (p->body.excess == PUSH_TOO_LARGE)
		return too_large(p);
	if (p->body.excess == PUSH_TOO_MANY)
		return too_many(p);
	outcome = compute_digest(p, &d);
	if (outcome == PUSH_GOES_ON)
		outcome = read_manifest(p, &d);
	if (outcome == PUSH_GOES_ON)
		outcome = reserve_memory(p);
	if (outcome == PUSH_GOES_ON)
		describe(p, &d);
	return outcome;
}

static enum push_outcome created(struct push *p, const struct digest *d)
{
	const struct route *route = &p->request.route;
	const struct manifest *manifest = &p->change.manifest;
	char text[DIGEST_TEXT_SIZE], subject[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *location = mem_printf("/v2/%s/manifests/%s", route->name, digest_text(d, text));

	p->reply.status = 201;
	reply_header(&p->reply, "Location", location);
	reply_header(&p->reply, "Docker-Content-Digest", text);
	if (manifest->has_subject)
		reply_header(
			&p->reply, "OCI-Subject", digest_text(&manifest->subject.digest, subject));
	for (unsigned i = 0; i < route->tags; i++)
		reply_header(&p->reply, "OCI-Tag", route_value(route, i));
	return PUSH_ANSWERED;
}

static enum push_outcome done(struct push *p, struct err *e)
{
	const struct change *change = &p->change.commit.change;

	(void)e;
	if (change->rc < 0)
		return push_refuse(p, "MANIFEST_UNKNOWN", &change->err);
	return created(p, &change->digest);
}

const struct push_handler put_manifest = { begin, run, done };
