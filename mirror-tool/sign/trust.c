/*
 * Load trusted keys from files. Must never ignore a limit of a key: a text that cannot be read is
 * an error.
 */
#include "mirror-tool/sign/sign.h"

#include <fcntl.h>

#include "storage/base/fs.h"
#include "storage/base/banned.h"

static int read_file(const char *path, struct buf *out, struct err *e)
{
	int rc = fs_read_file(AT_FDCWD, path, KEY_FILE_MAX, out, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: no such key file", path);
	return rc < 0 ? -1 : 0;
}

int trust_add_file(struct trust *t, const char *path, struct err *e)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;

	return read_file(path, &pem, e) < 0 ? -1 : trust_add(t, path, buf_span(&pem), e);
}

/* Check that a key which is there already has the same text. */
static int check_same(struct trust *t, const char *path, struct span pem,
	const struct key_text *text, struct err *e)
{
	AUTO(trust_release) struct trust own = TRUST_INIT;

	if (trust_add(&own, path, pem, e) < 0)
		return -1;
	if (own.count > 1 && (text->set_count || text->has_strict))
		return err_set(e, ERR_INPUT,
			"%s: %s: limits one key, and %zu are in the file; give each its own file",
			path, text->set_count ? "sets" : "strict", own.count);
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < own.count; k++)
			if (digest_eq(verify_key_id(t->keys[i]), verify_key_id(own.keys[k])) &&
				!key_text_eq(verify_key_text(t->keys[i]), text))
				return err_set(e, ERR_INPUT,
					"%s: the same key as in %s, with other words in front",
					path, verify_key_name(t->keys[i]));
	return 0;
}

static int load_file(struct trust *t, const char *path, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(key_text_release) struct key_text text = KEY_TEXT_INIT;
	size_t before = t->count;
	struct span pem;

	if (read_file(path, &bytes, e) < 0 ||
		key_text_parse(&text, path, buf_span(&bytes), &pem, e) < 0 ||
		check_same(t, path, pem, &text, e) < 0 || trust_add(t, path, pem, e) < 0)
		return -1;
	if (t->count > before) {
		*verify_key_text(t->keys[before]) = text;
		text = (struct key_text)KEY_TEXT_INIT;
	}
	return 0;
}

static bool is_pub(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 4 && strcmp(name + len - 4, ".pub") == 0;
}

static int load_dir(struct trust *t, const char *path, struct err *e)
{
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };
	AUTO(fd_close) int dir = fs_open_dir(path, e);

	if (dir < 0)
		return e->code == ERR_ABSENT ? 0 : -1;
	if (fs_list(dir, &names, e) < 0)
		return err_ctx(e, "%s", path);
	for (size_t i = 0; i < names.count; i++) {
		AUTO(mem_free) char *file = mem_printf("%s/%s", path, names.names[i]);

		if (is_pub(names.names[i]) && load_file(t, file, e) < 0)
			return -1;
	}
	return 0;
}

int trust_load(struct trust *t, const char *const *paths, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (load_file(t, paths[i], e) < 0)
			return -1;
	if (count == 0 && load_dir(t, TRUST_DIR, e) < 0)
		return -1;
	if (t->count == 0)
		return err_set(e, ERR_UNTRUSTED,
			"no trusted key: give --key FILE or put one into %s", TRUST_DIR);
	return 0;
}
