/* Temporary directories and stores for tests. */
#include "tests/support/sandbox.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/engine.h"
#include "tests/support/cm.h"

const struct engine *sandbox_engine;

int sandbox_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct sandbox *sb = calloc(1, sizeof(*sb));

	snprintf(sb->path, sizeof(sb->path), "%s/moat-test-XXXXXX",
		tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(sb->path))
		return -1;
	*state = sb;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void sandbox_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int sandbox_teardown(void **state)
{
	struct sandbox *sb = *state;

	sandbox_remove(sb->path);
	free(sb);
	return 0;
}

const char *sandbox_path(const struct sandbox *sb, const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", sb->path, name);
	return path;
}

struct store *sandbox_store(const struct sandbox *sb, const char *name, enum store_mode mode)
{
	const struct engine *engine = sandbox_engine ? sandbox_engine : &engine_local;
	struct store *s = NULL;
	struct err e = ERR_INIT;

	assert_ok(store_open_engine(&s, engine, sandbox_path(sb, name), mode, &e));
	return s;
}

int sandbox_check(struct store *s, bool deep, problem_fn *fn, void *ctx,
	struct check_report *report, struct err *e)
{
	const struct check_events events = { .problem = fn, .ctx = ctx };

	return store_check(s, deep, &events, report, e);
}

int sandbox_flush_index(struct store *s, struct err *e)
{
	AUTO(index_flush_drop) struct index_flush *flush = NULL;
	int rc = index_flush_begin(s, &flush, e);

	return rc > 0 ? index_flush_end(&flush, e) : rc;
}

int sandbox_rebuild(const struct sandbox *sb, const char *name, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(mem_free) char *meta = mem_printf("%s/%s/meta", sb->path, name);

	sandbox_remove(meta);
	return store_open(&s, sandbox_path(sb, name), STORE_WRITE, e);
}

void sandbox_write(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0)
		fail_msg("cannot write %s", path);
}

bool sandbox_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

size_t sandbox_count(const char *dir)
{
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };
	struct err e = ERR_INIT;
	int fd = fs_open_dir(dir, &e);

	if (fd < 0)
		return 0;
	assert_ok(fs_list(fd, &names, &e));
	fd_close(&fd);
	return names.count;
}
