/* Read ranges and lay out their parts. Must never answer with more bytes than the content has. */
#include "registry/api/range.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/base/banned.h"

#define PART_HEADER_MAX 256

/* Read digits at *p; false when there are none. A number beyond 2^63 becomes 2^63: past every end. */
static bool read_number(const char **p, uint64_t *out)
{
	uint64_t n = 0;
	const char *begin = *p;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n > (UINT64_MAX >> 5) ? (uint64_t)1 << 63 : n * 10 + (uint64_t)(**p - '0');
	*out = n;
	return *p != begin;
}

static void skip_space(const char **p)
{
	while (**p == ' ' || **p == '\t')
		(*p)++;
}

/* Read one `first-last`, `first-` or `-suffix`: 1 inside, 0 outside of the content, -1 not a range. */
static int read_range(const char **p, uint64_t size, struct range *out)
{
	uint64_t first, last;
	bool has_first = read_number(p, &first), has_last;

	if (**p != '-')
		return -1;
	(*p)++;
	has_last = read_number(p, &last);
	if (!has_first && !has_last)
		return -1;
	if (!has_first) {
		*out = (struct range){ last < size ? size - last : 0, size - 1 };
		return last > 0 && size > 0;
	}
	if (!has_last || last >= size)
		last = size - 1;
	*out = (struct range){ first, last };
	return size > 0 && first < size && first <= last;
}

/* Count the commas: the most ranges there can be. */
static size_t count_items(const char *p)
{
	size_t n = 1;

	for (; *p; p++)
		n += *p == ',';
	return n;
}

/* Read the list behind "bytes=". Returns the number of ranges asked for, or -1 when it is not a list of
 * ranges. */
static int read_list(struct ranges *r, const char *p, uint64_t size)
{
	int asked = 0;

	for (;;) {
		int rc;

		skip_space(&p);
		if (*p == ',') {
			p++;
			continue;
		}
		if (*p == '\0')
			return asked ? asked : -1;
		rc = read_range(&p, size, &r->items[r->count]);
		skip_space(&p);
		if (rc < 0 || (*p != ',' && *p != '\0'))
			return -1;
		asked++;
		r->count += (size_t)rc;
	}
}

static uint64_t sum(const struct ranges *r, uint64_t limit)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < r->count && bytes <= limit; i++)
		bytes += r->items[i].last - r->items[i].first + 1;
	return bytes;
}

enum range_answer range_parse(struct ranges *r, const char *header, uint64_t size)
{
	size_t most;

	*r = (struct ranges)RANGES_INIT;
	if (!header || strncmp(header, "bytes=", 6) != 0 || size == 0)
		return RANGE_WHOLE;
	most = count_items(header);
	if (most > RANGES_MAX)
		return RANGE_TOO_MANY;
	r->items = mem_grow(NULL, most, sizeof(*r->items));
	if (read_list(r, header + 6, size) < 0)
		return RANGE_WHOLE;
	if (r->count == 0)
		return RANGE_NOWHERE;
	if (r->count == 1)
		return RANGE_ONE;
	return sum(r, size) > size ? RANGE_WHOLE : RANGE_PARTS;
}

void ranges_release(struct ranges *r)
{
	free(r->items);
	*r = (struct ranges)RANGES_INIT;
}

/* Write the text before part i; i == count: the end of the body. */
static size_t part_header(const struct parts *p, size_t i, char out[PART_HEADER_MAX])
{
	const struct range *range = &p->ranges.items[i];
	int n;

	if (i == p->ranges.count)
		n = snprintf(out, PART_HEADER_MAX, "\r\n--" BOUNDARY "--\r\n");
	else
		n = snprintf(out, PART_HEADER_MAX,
			"%s--" BOUNDARY "\r\nContent-Type: application/octet-stream\r\n"
			"Content-Range: bytes %llu-%llu/%llu\r\n\r\n",
			i ? "\r\n" : "", (unsigned long long)range->first,
			(unsigned long long)range->last, (unsigned long long)p->size);
	return (size_t)n;
}

void parts_init(struct parts *p, struct ranges *r, uint64_t size)
{
	char header[PART_HEADER_MAX];
	uint64_t at = 0;

	*p = (struct parts){ .ranges = *r, .size = size };
	*r = (struct ranges)RANGES_INIT;
	p->start = mem_grow(NULL, p->ranges.count + 1, sizeof(*p->start));
	for (size_t i = 0; i <= p->ranges.count; i++) {
		const struct range *range = &p->ranges.items[i];

		p->start[i] = at;
		at += part_header(p, i, header);
		if (i < p->ranges.count)
			at += range->last - range->first + 1;
	}
	p->total = at;
}

void parts_release(struct parts *p)
{
	ranges_release(&p->ranges);
	free(p->start);
	p->start = NULL;
}

/* Find the part that holds `at`. */
static size_t part_of(const struct parts *p, uint64_t at)
{
	size_t low = 0, high = p->ranges.count;

	while (low < high) {
		size_t mid = (low + high + 1) / 2;

		if (p->start[mid] <= at)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

size_t parts_at(const struct parts *p, uint64_t at, char *out, size_t max, uint64_t *content)
{
	char header[PART_HEADER_MAX];
	size_t i = part_of(p, at), len = part_header(p, i, header), n;
	uint64_t inside = at - p->start[i], left;

	if (inside < len) {
		n = len - (size_t)inside < max ? len - (size_t)inside : max;
		memcpy(out, header + inside, n);
		*content = UINT64_MAX;
		return n;
	}
	inside -= len;
	left = p->ranges.items[i].last - p->ranges.items[i].first + 1 - inside;
	*content = p->ranges.items[i].first + inside;
	return left < max ? (size_t)left : max;
}
