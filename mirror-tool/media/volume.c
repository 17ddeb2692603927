/* Names of entries and the head of volumes. Pure; the only place that spells the name of an entry. */
#include "mirror-tool/media/volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/number.h"
#include "storage/base/banned.h"

#define OFFSET_DIGITS 15 /* a petabyte */

const char *volume_blob_name(const struct digest *d, char name[VOLUME_NAME_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(
		name, VOLUME_NAME_SIZE, "blobs/%s/%s", digest_alg_name(d->alg), digest_hex(d, hex));
	return name;
}

const char *volume_part_name(const struct digest *d, uint64_t at, char name[VOLUME_NAME_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(name, VOLUME_NAME_SIZE, "parts/%s/%s/%0*llu", digest_alg_name(d->alg),
		digest_hex(d, hex), OFFSET_DIGITS, (unsigned long long)at);
	return name;
}

static enum digest_alg alg_of(struct span name)
{
	if (span_is(name, "sha256"))
		return DIGEST_SHA256;
	return span_is(name, "sha512") ? DIGEST_SHA512 : DIGEST_NONE;
}

enum volume_entry volume_name_parse(const char *name, struct digest *d, uint64_t *at)
{
	struct span rest = span_of(name), kind = span_until(&rest, '/');
	enum digest_alg alg = alg_of(span_until(&rest, '/'));
	struct span hex = span_until(&rest, '/');
	char again[VOLUME_NAME_SIZE];
	struct err e = ERR_INIT;

	*at = 0;
	if (alg == DIGEST_NONE || digest_from_hex(d, alg, hex, &e) < 0)
		return VOLUME_OTHER;
	number_parse(rest, UINT64_MAX - 1, at);
	if (span_is(kind, "blobs") && strcmp(volume_blob_name(d, again), name) == 0)
		return VOLUME_BLOB;
	if (span_is(kind, "parts") && strcmp(volume_part_name(d, *at, again), name) == 0)
		return VOLUME_PART;
	return VOLUME_OTHER;
}

const char *volume_packed_name(
	const struct digest *d, const struct digest *base, char name[VOLUME_NAME_SIZE])
{
	char hex[DIGEST_HEX_SIZE], on[DIGEST_HEX_SIZE];

	snprintf(name, VOLUME_NAME_SIZE,
		base->alg == DIGEST_NONE ? "zstd/%s/%s" : "zstd/%s/%s/%s/%s",
		digest_alg_name(d->alg), digest_hex(d, hex),
		base->alg == DIGEST_NONE ? "" : digest_alg_name(base->alg),
		base->alg == DIGEST_NONE ? "" : digest_hex(base, on));
	return name;
}

/* "ALG/HEX", and what is behind it in *rest */
static bool take_digest(struct span *rest, struct digest *d)
{
	enum digest_alg alg = alg_of(span_until(rest, '/'));
	struct err e = ERR_INIT;

	return alg != DIGEST_NONE && digest_from_hex(d, alg, span_until(rest, '/'), &e) == 0;
}

bool volume_packed_parse(const char *name, struct digest *d, struct digest *base)
{
	struct span rest = span_of(name);
	char again[VOLUME_NAME_SIZE];

	base->alg = DIGEST_NONE;
	if (!span_is(span_until(&rest, '/'), "zstd") || !take_digest(&rest, d) ||
		(rest.len && !take_digest(&rest, base)))
		return false;
	return strcmp(volume_packed_name(d, base, again), name) == 0;
}

char *volume_file_name(const struct set *s, enum base_kind kind, uint32_t volume, uint32_t volumes)
{
	return mem_printf("%s-%s%s.%03u-of-%03u.tar", s->name, s->version, base_suffix(kind),
		volume, volumes);
}

/* "N-of-M.tar" */
static bool is_file_name_end(struct span text)
{
	uint64_t volume, volumes;

	if (!number_take(&text, &volume) || strncmp(text.data, "-of-", 4) != 0)
		return false;
	text = span_of(text.data + 4);
	return number_take(&text, &volumes) && span_is(text, ".tar") && volume &&
	       volume <= volumes && volumes <= VOLUMES_MAX;
}

bool volume_is_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	/* Ignore ._NAME, which macOS leaves beside NAME on foreign file systems. */
	for (const char *dot = strchr(name, '.'); *name != '.' && dot; dot = strchr(dot + 1, '.'))
		if (is_file_name_end(span_of(dot + 1)))
			return true;
	return false;
}

/* --- head ----------------------------------------------------------------------------------- */

void head_release(struct head *h)
{
	int saved = errno;

	for (size_t i = 0; i < h->count; i++)
		buf_release(&h->blobs[i].bytes);
	free(h->blobs);
	free(h->signatures);
	inventory_release(&h->inventory);
	set_release(&h->set);
	*h = (struct head)HEAD_INIT;
	errno = saved;
}

struct head_blob *head_find(const struct head *h, const struct digest *d)
{
	for (size_t i = 0; i < h->count; i++)
		if (digest_eq(&h->blobs[i].digest, d))
			return &h->blobs[i];
	return NULL;
}

struct head_blob *head_add(struct head *h, const struct digest *d)
{
	struct head_blob *blob = VEC_PUSH(h->blobs, h->count);

	*blob = (struct head_blob){ *d, BUF_INIT };
	return blob;
}

void head_add_signature(struct head *h, const struct set_signature *s)
{
	*VEC_PUSH(h->signatures, h->signature_count) = *s;
}
