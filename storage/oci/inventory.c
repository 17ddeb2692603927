/*
 * Inventories: the signed statement of every blob that a set holds. Lines instead of JSON, because
 * a large set has hundreds of thousands and they are read as a stream of digests. Pure.
 */
#include <errno.h>
#include <stdlib.h>

#include "storage/base/number.h"
#include "storage/base/vec.h"
#include "storage/oci/set.h"
#include "storage/base/banned.h"

#define SIZE_MOST 999999999999999999 /* bytes: 18 digits */

void inventory_add(struct inventory *v, const struct digest *d, uint64_t size)
{
	*VEC_PUSH(v->lines, v->count) = (struct inventory_line){ *d, size };
}

static int by_digest(const void *a, const void *b)
{
	return digest_cmp(&((const struct inventory_line *)a)->digest,
		&((const struct inventory_line *)b)->digest);
}

/* Is each line behind the one before? What was read from an inventory is added in order. */
static bool is_sorted(const struct inventory *v)
{
	for (size_t i = 1; i < v->count; i++)
		if (digest_cmp(&v->lines[i - 1].digest, &v->lines[i].digest) >= 0)
			return false;
	return true;
}

void inventory_sort(struct inventory *v)
{
	size_t kept = 0;

	if (v->count == 0 || is_sorted(v))
		return;
	qsort(v->lines, v->count, sizeof(*v->lines), by_digest);
	for (size_t i = 1; i < v->count; i++)
		if (!digest_eq(&v->lines[kept].digest, &v->lines[i].digest))
			v->lines[++kept] = v->lines[i];
	v->count = kept + 1;
}

void inventory_write(struct inventory *v, struct buf *out)
{
	char digest[DIGEST_TEXT_SIZE];

	inventory_sort(v);
	for (size_t i = 0; i < v->count; i++)
		buf_printf(out, "%s %llu\n", digest_text(&v->lines[i].digest, digest),
			(unsigned long long)v->lines[i].size);
}

static int parse_size(struct span text, uint64_t *out, struct err *e)
{
	if (!number_is_plain(text) || !number_parse(text, SIZE_MOST, out))
		return err_set(e, ERR_INPUT, "not a size");
	return 0;
}

static int parse_line(struct inventory *v, struct span line, uint64_t *sum, struct err *e)
{
	struct digest d;
	uint64_t size = 0;
	struct span digest = span_until(&line, ' ');

	if (digest_parse(&d, digest, e) < 0 || parse_size(line, &size, e) < 0)
		return -1;
	if (v->count && digest_cmp(&v->lines[v->count - 1].digest, &d) >= 0)
		return err_set(e, ERR_INPUT, "out of order or there twice");
	*sum += size;
	if (*sum > INT64_MAX)
		return err_set(e, ERR_INPUT, "the sum of the sizes is beyond 2^63");
	inventory_add(v, &d, size);
	return 0;
}

int inventory_parse(struct inventory *v, const char *name, struct span bytes, struct err *e)
{
	uint64_t sum = 0;
	size_t number = 0;

	*v = (struct inventory)INVENTORY_INIT;
	if (bytes.len > INVENTORY_BYTES_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %u bytes", name, INVENTORY_BYTES_MAX);
	if (bytes.len && bytes.data[bytes.len - 1] != '\n')
		return err_set(e, ERR_INPUT, "%s: the last line has no end", name);
	while (bytes.len) {
		number++;
		if (parse_line(v, span_until(&bytes, '\n'), &sum, e) < 0) {
			inventory_release(v);
			return err_ctx(e, "%s:%zu", name, number);
		}
	}
	return 0;
}

const struct inventory_line *inventory_find(const struct inventory *v, const struct digest *d)
{
	struct inventory_line wanted = { .digest = *d };

	if (v->count == 0)
		return NULL;
	return bsearch(&wanted, v->lines, v->count, sizeof(*v->lines), by_digest);
}

uint64_t inventory_bytes(const struct inventory *v)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < v->count; i++)
		sum += v->lines[i].size;
	return sum;
}

void inventory_release(struct inventory *v)
{
	int saved = errno;

	free(v->lines);
	*v = (struct inventory)INVENTORY_INIT;
	errno = saved;
}
