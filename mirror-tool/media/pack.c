/* Write and read documents as zstd frames; the only home of libzstd. Must never believe the size that a frame names. */
#include "mirror-tool/media/pack.h"

#include <zstd.h>

#include "storage/base/banned.h"

#define LEVEL 9 /* at 19 it takes a hundred times as long for a tenth less */

static void context_free(ZSTD_CCtx **c)
{
	ZSTD_freeCCtx(*c);
}

static void reader_free(ZSTD_DCtx **d)
{
	ZSTD_freeDCtx(*d);
}

static void must(size_t rc)
{
	if (ZSTD_isError(rc))
		BUG("zstd: %s", ZSTD_getErrorName(rc));
}

/* The window has to reach from the end of the document to the beginning of the base. */
static int window_log(size_t bytes)
{
	int log = 10;

	while (bytes >> log)
		log++;
	return log;
}

void pack(struct span base, struct span whole, struct buf *out)
{
	AUTO(context_free) ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(whole.len), len;

	if (!c)
		BUG("no memory for zstd");
	must(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL));
	must(ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log(base.len + whole.len)));
	must(ZSTD_CCtx_setParameter(c, ZSTD_c_enableLongDistanceMatching, 1));
	if (base.len)
		must(ZSTD_CCtx_refPrefix(c, base.data, base.len));
	buf_reserve(out, room);
	len = ZSTD_compress2(c, out->data + out->len, room, whole.data, whole.len);
	must(len);
	buf_grown(out, len);
}

static int bad(struct err *e, const char *why)
{
	return err_set(e, ERR_CORRUPT, "not a document as moat packs it: %s", why);
}

/* Skippable frames, and those of old versions, for which libzstd has old decoders, go no further. */
static bool is_frame(struct span packed)
{
	static const char magic[] = "\x28\xb5\x2f\xfd";

	return packed.len > strlen(magic) && memcmp(packed.data, magic, strlen(magic)) == 0;
}

uint64_t pack_size(struct span packed)
{
	unsigned long long size = is_frame(packed)
					  ? ZSTD_getFrameContentSize(packed.data, packed.len)
					  : ZSTD_CONTENTSIZE_ERROR;

	return size == ZSTD_CONTENTSIZE_ERROR ? UINT64_MAX : size;
}

int unpack(struct span base, struct span packed, size_t size, struct buf *out, struct err *e)
{
	AUTO(reader_free) ZSTD_DCtx *d = ZSTD_createDCtx();
	size_t len;

	if (!d)
		BUG("no memory for zstd");
	if (!is_frame(packed) ||
		ZSTD_findFrameCompressedSize(packed.data, packed.len) != packed.len)
		return bad(e, "it is no zstd frame, or more than one");
	if (pack_size(packed) != size)
		return bad(e, "its size is another one");
	if (base.len)
		must(ZSTD_DCtx_refPrefix(d, base.data, base.len));
	buf_reserve(out, size);
	len = ZSTD_decompressDCtx(d, out->data + out->len, size, packed.data, packed.len);
	if (ZSTD_isError(len))
		return bad(e, ZSTD_getErrorName(len));
	if (len != size)
		return bad(e, "it ends early");
	buf_grown(out, len);
	return 0;
}
