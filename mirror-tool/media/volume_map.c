/* Write and read the map from inventory lines to volumes. Pure. */
#include "mirror-tool/media/volume_map.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/number.h"
#include "storage/base/banned.h"

void volume_map_init(struct volume_map *m, size_t count)
{
	m->lines = mem_alloc(count * sizeof(*m->lines));
	m->count = count;
}

void volume_map_release(struct volume_map *m)
{
	int saved = errno;

	free(m->lines);
	*m = (struct volume_map)VOLUME_MAP_INIT;
	errno = saved;
}

void volume_map_write(const struct volume_map *m, struct buf *out)
{
	for (size_t i = 0; i < m->count; i++) {
		buf_printf(out, "%u", m->lines[i].first);
		if (m->lines[i].last != m->lines[i].first)
			buf_printf(out, "-%u", m->lines[i].last);
		buf_char(out, '\n');
	}
}

static int parse_number(struct span text, uint32_t most, uint16_t *out)
{
	uint64_t n;

	if (!number_is_plain(text) || !number_parse(text, most, &n) || n == 0)
		return -1;
	*out = (uint16_t)n;
	return 0;
}

static int parse_line(struct span line, uint32_t volumes, bool sparse, struct volume_range *out)
{
	struct span first = span_until(&line, '-');

	if (sparse && span_is(first, "0") && first.data + first.len == line.data && !line.len)
		return 0; /* as it began */
	if (parse_number(first, volumes, &out->first) < 0)
		return -1;
	out->last = out->first;
	if (first.data + first.len == line.data) /* no '-' */
		return 0;
	return parse_number(line, volumes, &out->last) < 0 || out->last <= out->first ? -1 : 0;
}

int volume_map_parse(struct volume_map *m, const char *name, struct span bytes, size_t count,
	uint32_t volumes, bool sparse, struct err *e)
{
	size_t i = 0;

	volume_map_init(m, count);
	for (; bytes.len && i < count; i++) {
		const char *end = memchr(bytes.data, '\n', bytes.len);

		if (!end ||
			parse_line(span_until(&bytes, '\n'), volumes, sparse, &m->lines[i]) < 0) {
			volume_map_release(m);
			return err_set(e, ERR_CORRUPT, "%s:%zu: not a volume, or a range of them",
				name, i + 1);
		}
	}
	if (i == count && bytes.len == 0)
		return 0;
	volume_map_release(m);
	return err_set(e, ERR_CORRUPT, "%s: %s lines than the inventory", name,
		bytes.len ? "more" : "fewer");
}
