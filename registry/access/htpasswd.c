/* Read the file of users and check passwords. Must never say in a message or a time which half of a login was
 * wrong. */
#include "registry/access/htpasswd.h"

#include <crypt.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define NOBODY "$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a"

struct user {
	struct user_line text;
	unsigned line; /* in the file */
};

struct users {
	struct user *items; /* sorted by name */
	size_t count;
};

void users_free(struct users **u)
{
	if (!*u)
		return;
	free((*u)->items);
	free(*u);
	*u = NULL;
}

static int add_line(
	struct users *u, const char *path, unsigned number, struct span line, struct err *e)
{
	struct user user = { .line = number };
	int rc;

	if (u->count == USERS_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %d users", path, USERS_MAX);
	rc = user_line_parse(&user.text, line, e);
	if (rc < 0)
		return err_ctx(e, "%s:%u", path, number);
	if (rc == 0)
		return 0;
	*VEC_PUSH(u->items, u->count) = user;
	return 0;
}

static int add_lines(struct users *u, const char *path, struct span text, struct err *e)
{
	for (unsigned number = 1; text.len > 0; number++)
		if (add_line(u, path, number, span_until(&text, '\n'), e) < 0)
			return -1;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct user *)a)->text.name, ((const struct user *)b)->text.name);
}

static int check_names(const struct users *u, const char *path, struct err *e)
{
	for (size_t i = 1; i < u->count; i++) {
		const struct user *a = &u->items[i - 1], *b = &u->items[i];

		if (by_name(a, b) == 0)
			return err_set(e, ERR_INPUT, "%s:%u: %s is there twice, first in line %u",
				path, a->line > b->line ? a->line : b->line, a->text.name,
				a->line > b->line ? b->line : a->line);
	}
	return 0;
}

int users_read(struct users **out, const char *path, struct err *e)
{
	AUTO(users_free) struct users *u = mem_alloc(sizeof(*u));
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = fs_read_file(AT_FDCWD, path, USERS_BYTES_MAX, &text, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "users: %s: no such file", path);
	if (rc < 0 || add_lines(u, path, buf_span(&text), e) < 0)
		return err_ctx(e, "users");
	if (u->count > 0)
		qsort(u->items, u->count, sizeof(*u->items), by_name);
	if (check_names(u, path, e) < 0)
		return err_ctx(e, "users");
	*out = STEAL(u);
	return 0;
}

static const struct user *find(const struct users *u, const char *name)
{
	struct user key = { .line = 0 };

	if (strlen(name) > USER_NAME_MAX || u->count == 0)
		return NULL;
	memcpy(key.text.name, name, strlen(name));
	return bsearch(&key, u->items, u->count, sizeof(*u->items), by_name);
}

bool users_has(const struct users *u, const char *name)
{
	return find(u, name) != NULL;
}

static bool same(const char *a, const char *b)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < USER_HASH_LEN; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

/*
 * The hash to compute for an unknown name: that of some user, always the same for one name. A hash of our own
 * would have another cost than those of the file (htpasswd -B makes 5), and the time would tell which names
 * are users.
 */
static const char *stand_in(const struct users *u, const char *name)
{
	uint32_t h = 2166136261u;

	if (u->count == 0)
		return NOBODY;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return u->items[h % u->count].text.hash;
}

bool users_check(const struct users *u, const char *name, const char *password)
{
	const struct user *user = find(u, name);
	const char *hash = user ? user->text.hash : stand_in(u, name);
	struct crypt_data *data = mem_alloc(sizeof(*data));
	const char *got = crypt_rn(password, hash, data, (int)sizeof(*data));
	bool good = got && strlen(got) == USER_HASH_LEN && same(got, hash) && user;

	explicit_bzero(data, sizeof(*data));
	free(data);
	return good;
}
