/*
 * PUT NAME/manifests/REFERENCE: the bytes as they came (S7), under a tag, or under their digest with
 * any number of ?tag=. Must never store bytes that are not a manifest, and never move only some of
 * the tags.
 */
#include "registry/push/writing.h"
#include "storage/base/banned.h"

static int too_large(struct writing *w)
{
	return reply_error(&w->reply, 413, "SIZE_INVALID", "a manifest may have at most %u bytes",
		MANIFEST_MAX);
}

static int too_many(struct writing *w)
{
	reply_error(&w->reply, 429, "TOOMANYREQUESTS", "too many manifests are being sent");
	reply_header(&w->reply, "Retry-After", "10");
	return 0;
}

static int begin(struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	uint64_t more = w->request.length == LENGTH_UNKNOWN ? 0 : w->request.length;
	int rc = 1;

	w->want = BODY_MEMORY;
	if (*w->route.tag && w->route.tags > 0)
		rc = reply_error(
			&w->reply, 400, "UNSUPPORTED", "tag parameters go with a push by digest");
	else if (more > MANIFEST_MAX)
		rc = too_large(w);
	else
		rc = writing_room(w, s->store, e);
	if (rc <= 0)
		*step = WRITING_ANSWERED;
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
static int compute_digest(struct writing *w, struct digest *d)
{
	const struct digest *want = &w->route.digest;
	char text[DIGEST_TEXT_SIZE];

	digest_of(d, want->alg ? want->alg : DIGEST_SHA256, buf_span(&w->body));
	if (!want->alg || digest_eq(want, d))
		return 1;
	return reply_error(&w->reply, 400, "DIGEST_INVALID", "the bytes that arrived are %s",
		digest_text(d, text));
}

static int read_manifest(struct writing *w, const struct digest *d)
{
	AUTO(mem_free) char *type = media_type(w->request.content_type);
	char text[DIGEST_TEXT_SIZE];
	struct err e;

	if (manifest_parse(&w->manifest, digest_text(d, text), type, buf_span(&w->body), &e) == 0)
		return 1;
	return reply_error(&w->reply, 400, "MANIFEST_INVALID", "%s", e.text);
}

/* What was read takes many times the room of its text until the change is made. */
static bool is_too_much(struct writing *w)
{
	size_t size = manifest_memory(&w->manifest);

	w->held += size;
	return atomic_fetch_add(&w->shared->held, size) + size > BODIES_MAX;
}

static void describe(struct writing *w, const struct digest *d)
{
	size_t tags = 0;

	if (*w->route.tag)
		w->tags[tags++] = w->route.tag;
	for (unsigned i = 0; i < w->route.tags; i++)
		w->tags[tags++] = w->route.tag_list[i];
	for (size_t i = 0; i < w->aliases.count; i++)
		w->names[i] = w->aliases.name[i];
	w->commit.change = (struct change){ .kind = CHANGE_MANIFEST,
		.repo = w->repo,
		.digest = *d,
		.text = buf_span(&w->body),
		.manifest = &w->manifest,
		.tags = w->tags,
		.tag_count = tags,
		.aliases = w->names,
		.alias_count = w->aliases.count,
		.strict = w->shared->strict };
}

static int run(struct writing *w, enum writing_step *step, struct err *e)
{
	struct digest d;

	(void)e;
	*step = WRITING_ANSWERED;
	if (w->too_large)
		return too_large(w);
	if (w->too_many)
		return too_many(w);
	if (!compute_digest(w, &d) || !read_manifest(w, &d))
		return 0;
	if (is_too_much(w))
		return too_many(w);
	describe(w, &d);
	*step = WRITING_GOES_ON;
	return 0;
}

static int done(struct writing *w, struct err *e)
{
	const struct change *change = &w->commit.change;
	char text[DIGEST_TEXT_SIZE], subject[DIGEST_TEXT_SIZE];
	AUTO(mem_free) char *location = NULL;

	(void)e;
	if (change->rc < 0) {
		writing_refused(w, "MANIFEST_UNKNOWN", &change->err);
		return 0;
	}
	location = mem_printf(
		"/v2/%s/manifests/%s", w->route.name, digest_text(&change->digest, text));
	w->reply.status = 201;
	reply_header(&w->reply, "Location", location);
	reply_header(&w->reply, "Docker-Content-Digest", text);
	if (w->manifest.has_subject)
		reply_header(&w->reply, "OCI-Subject",
			digest_text(&w->manifest.subject.digest, subject));
	for (unsigned i = 0; i < w->route.tags; i++)
		reply_header(&w->reply, "OCI-Tag", w->route.tag_list[i]);
	return 0;
}

const struct write_handler put_manifest = { begin, run, done };
