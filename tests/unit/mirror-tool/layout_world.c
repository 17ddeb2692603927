/* The fixture of tests that call the tool on a layout. */
#include "tests/unit/mirror-tool/layout_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mirror-tool/sign/sign.h"
#include "storage/oci/keys.h"
#include "tests/support/cm.h"

#define INDEX_HEAD "{\"schemaVersion\":2,\"manifests\":["

struct world *world_new(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	w->sb = *state;
	w->source = sandbox_store(w->sb, "layout", STORE_WRITE);
	w->index = (struct buf)BUF_INIT;
	buf_str(&w->index, INDEX_HEAD);
	return w;
}

void world_free(struct world **w)
{
	store_close(&(*w)->source);
	buf_release(&(*w)->index);
	free((*w)->out);
	free(*w);
}

void entry(struct world *w, const char *name, const char *type, const struct digest *d)
{
	struct annotation a = { KEY_REF_NAME, name };
	struct descriptor item = { .digest = *d, .media_type = type };
	struct err e = ERR_INIT;

	assert_int_equal(blob_stat(w->source, d, &item.size, &e), 1);
	if (*name)
		item.annotations = (struct annotations){ &a, 1 };
	if (w->index.data[w->index.len - 1] == '}')
		buf_char(&w->index, ',');
	descriptor_write(&w->index, &item);
}

void write_index(struct world *w)
{
	AUTO(mem_free) char *text = mem_printf("%s]}", w->index.data);

	sandbox_write(sandbox_path(w->sb, "layout/index.json"), text, strlen(text));
}

void reset_index(struct world *w)
{
	buf_cut(&w->index, strlen(INDEX_HEAD));
}

void write_list(struct world *w, const char *items)
{
	AUTO(mem_free)
	char *text = mem_printf("set: s\nplatforms: [linux/amd64]\nimages:\n%s", items);

	sandbox_write(sandbox_path(w->sb, "moat.yaml"), text, strlen(text));
}

void read_lock(struct world *w, struct lock *l)
{
	struct err e = ERR_INIT;

	assert_int_equal(lock_read(l, sandbox_path(w->sb, "moat.lock"), &e), 1);
}

#define WORDS_MAX 20

int run(struct world *w, int argc, const char *const argv[])
{
	static const struct command *const commands[] = { &cmd_pin, &cmd_pull, &cmd_seal,
		&cmd_export, &cmd_import, &cmd_verify, &cmd_list, &cmd_show };
	const char *words[WORDS_MAX + 1] = { "moat" };
	FILE *out;
	int status;

	assert_true(argc < WORDS_MAX);
	memcpy(words + 1, argv, (size_t)argc * sizeof(*argv));
	free(w->out);
	out = open_memstream(&w->out, &w->out_len);
	status = tool_main(commands, ARRAY_SIZE(commands), argc + 1, words, out);
	fclose(out);
	return status;
}

int moat(struct world *w, const char *verb, const char *more)
{
	AUTO(mem_free) char *store = mem_strdup(sandbox_path(w->sb, "store"));
	AUTO(mem_free) char *list = mem_strdup(sandbox_path(w->sb, "moat.yaml"));
	AUTO(mem_free) char *lock = mem_strdup(sandbox_path(w->sb, "moat.lock"));
	bool pin = strcmp(verb, "pin") == 0;
	const char *argv[] = { verb, "--quiet", "--lock", lock, pin ? "--list" : "--store",
		pin ? list : store, more };

	return run(w, more ? 7 : 6, argv);
}

static void make_key(struct world *w, const char *key)
{
	AUTO(sign_key_free) struct sign_key *k = NULL;
	AUTO(buf_release) struct buf private = BUF_INIT;
	AUTO(buf_release) struct buf public = BUF_INIT;
	struct err e = ERR_INIT;

	assert_ok(sign_key_new(&k, &e));
	assert_ok(sign_key_write(k, NULL, &private, &e));
	assert_ok(sign_key_write_public(k, &public, &e));
	sandbox_write(key, private.data, private.len);
	assert_int_equal(chmod(key, 0600), 0);
	sandbox_write(sandbox_path(w->sb, "moat.pub"), public.data, public.len);
}

int seal(struct world *w)
{
	AUTO(mem_free) char *store = mem_strdup(sandbox_path(w->sb, "store"));
	AUTO(mem_free) char *lock = mem_strdup(sandbox_path(w->sb, "moat.lock"));
	AUTO(mem_free) char *key = mem_strdup(sandbox_path(w->sb, "moat.key"));
	const char *const argv[] = { "seal", "--quiet", "--lock", lock, "--store", store, "--key",
		key };

	if (!sandbox_exists(key))
		make_key(w, key);
	return run(w, ARRAY_SIZE(argv), argv);
}

struct digest make(struct world *w, const char *seed, const char *platform)
{
	struct image_want want = { .seed = seed, .layers = 2, .platform = platform };

	return image_make(w->source, NULL, &want);
}

struct digest make_index(struct world *w, struct digest children[2])
{
	static const char *const platforms[] = { "linux/amd64", "linux/arm64" };

	children[0] = make(w, "amd", "linux/amd64");
	children[1] = make(w, "arm", "linux/arm64");
	return image_index(w->source, children, platforms, NULL, 2);
}

struct digest make_text(struct world *w, const char *text)
{
	return image_text(w->source, text);
}

bool held(struct world *w, const struct digest *d)
{
	AUTO(store_close) struct store *s = sandbox_store(w->sb, "store", STORE_WRITE);
	struct err e = ERR_INIT;
	uint64_t size;

	return blob_stat(s, d, &size, &e) == 1;
}
