/* What a volume says before anything is trusted: index.json, the map, names of entries. */
#include "tests/fuzz/fuzz.h"

#include "mirror-tool/media/volume_index.h"
#include "mirror-tool/media/volume_map.h"

static void try_name(struct span text)
{
	AUTO(mem_free) char *name = mem_strndup(text.data, text.len);
	char again[VOLUME_NAME_SIZE];
	struct digest d, base;
	uint64_t at;

	switch (volume_name_parse(name, &d, &at)) {
	case VOLUME_BLOB:
		must(strcmp(volume_blob_name(&d, again), name) == 0);
		break;
	case VOLUME_PART:
		must(strcmp(volume_part_name(&d, at, again), name) == 0);
		break;
	case VOLUME_OTHER:
		break;
	}
	if (volume_packed_parse(name, &d, &base))
		must(strcmp(volume_packed_name(&d, &base, again), name) == 0);
	(void)volume_is_file_name(name);
}

/* What is accepted is written back the same. */
static void try_map(struct span text)
{
	AUTO(volume_map_release) struct volume_map map = VOLUME_MAP_INIT;
	AUTO(buf_release) struct buf again = BUF_INIT;
	struct err e = ERR_INIT;
	size_t lines = 0;

	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	if (volume_map_parse(&map, "map", text, lines, 99, true, &e) < 0)
		return;
	volume_map_write(&map, &again);
	must(again.len == text.len && memcmp(again.data, text.data, text.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct volume_index *v = mem_alloc(sizeof(*v));
	struct err e = ERR_INIT;

	if (volume_index_parse(v, "index.json", input(data, size), &e) == 0) {
		must(v->number.volume >= 1 && v->number.volume <= v->number.volumes);
		volume_index_release(v);
	}
	try_map(input(data, size));
	try_name(input(data, size));
	mem_free(&v);
	return 0;
}
