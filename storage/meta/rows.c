/* Parameters and columns that are more than a number or a text. */
#include "storage/meta/rows.h"

#include <stdio.h>

#include "storage/base/banned.h"

static size_t key_of(const struct digest *d, uint8_t key[1 + DIGEST_BYTES_MAX])
{
	key[0] = (uint8_t)d->alg;
	memcpy(key + 1, d->bytes, digest_len(d));
	return 1 + digest_len(d);
}

void query_digest(struct query *q, const struct digest *d)
{
	uint8_t key[1 + DIGEST_BYTES_MAX] = { 0 };

	query_bytes(q, key, key_of(d, key));
}

void rowset_digest(struct rowset *r, const struct digest *d)
{
	uint8_t key[1 + DIGEST_BYTES_MAX] = { 0 };

	rowset_bytes(r, key, key_of(d, key));
}

int query_run_rows(struct db *db, enum query_name name, const struct rowset *r, uint64_t *changes,
	struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, name);

	*changes = 0;
	if (!r->count)
		return 0;
	query_rowset(&q, r);
	if (query_run(&q, e) < 0)
		return -1;
	*changes = query_changes(&q);
	return 0;
}

int query_get_digest(const struct query *q, int column, struct digest *d, struct err *e)
{
	struct span key = query_get_bytes(q, column);

	if (key.len > 1 && (key.data[0] == DIGEST_SHA256 || key.data[0] == DIGEST_SHA512) &&
		digest_from_bytes(d, (enum digest_alg)key.data[0], key.data + 1, key.len - 1) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "the database holds a digest that is none");
}

/* digest, size, media type */
int query_get_info(const struct query *q, int first, struct manifest_info *out, struct err *e)
{
	if (query_get_digest(q, first, &out->digest, e) < 0)
		return -1;
	out->size = (uint64_t)query_get_int(q, first + 1);
	snprintf(out->media_type, sizeof(out->media_type), "%s", query_get_text(q, first + 2));
	return 0;
}

/* An INSERT ... RETURNING id. */
int query_id(struct query *q, int64_t *id, struct err *e)
{
	if (query_step(q, e) < 0)
		return -1;
	*id = query_get_int(q, 0);
	return query_run(q, e);
}
