/* The sink that only hashes. Parts of a cut blob count when they come in order. */
#include "mirror-tool/media/verify.h"

#include "storage/base/banned.h"

void verify_sink_release(struct verify_sink *s)
{
	hasher_release(&s->hasher);
}

static int chunk(void *ctx, const struct chunk *p, struct err *e)
{
	struct verify_sink *s = ctx;

	(void)e;
	if (p->at && (s->cut.line != p->line || s->cut.at != p->at))
		return CHUNK_EARLY;
	if (p->at == 0)
		hasher_init(&s->hasher, p->digest.alg);
	s->chunk = *p;
	s->cut.at = 0;
	return CHUNK_TAKE;
}

static int bytes(void *ctx, struct span data, struct err *e)
{
	struct verify_sink *s = ctx;

	(void)e;
	hasher_add(&s->hasher, data.data, data.len);
	s->bytes += data.len;
	return 0;
}

static int end(void *ctx, struct err *e)
{
	struct verify_sink *s = ctx;
	struct digest got;

	if (s->chunk.at + s->chunk.len < s->chunk.size) {
		s->cut = s->chunk;
		s->cut.at += s->chunk.len;
		return 0;
	}
	hasher_end(&s->hasher, &got);
	if (digest_eq(&got, &s->chunk.digest))
		return 1;
	return err_set(e, ERR_CORRUPT, "its bytes are not what its name says: damaged or altered");
}

const struct volume_sink verify_sink = { chunk, bytes, end };
