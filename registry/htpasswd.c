/* The file of users. Must never say in a message or a time which half of a login was wrong. */
#include "registry/htpasswd.h"

#include <crypt.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define HASH_LEN 60
#define NOBODY "$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a"

struct user {
	char name[USER_NAME_MAX + 1];
	char hash[HASH_LEN + 1];
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

bool user_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
			!(*p >= '0' && *p <= '9') && !strchr("._@-", *p))
			return false;
	return len > 0 && len <= USER_NAME_MAX;
}

/* $2y$10$ and 53 characters; the cost within its limit. */
static bool is_bcrypt(struct span hash)
{
	int cost;

	if (hash.len != HASH_LEN || memcmp(hash.data, "$2", 2) != 0 ||
		!strchr("aby", hash.data[2]) || hash.data[3] != '$' || hash.data[6] != '$')
		return false;
	cost = (hash.data[4] - '0') * 10 + hash.data[5] - '0';
	return cost >= 4 && cost <= BCRYPT_COST_MAX;
}

static int add_line(
	struct users *u, const char *path, unsigned number, struct span line, struct err *e)
{
	struct span hash = line;
	struct span name = span_until(&hash, ':');
	struct user *user;

	if (u->count == USERS_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %d users", path, USERS_MAX);
	u->items = mem_grow(u->items, u->count + 1, sizeof(*u->items));
	user = &u->items[u->count++];
	memset(user, 0, sizeof(*user));
	if (name.len == line.len || name.len > USER_NAME_MAX)
		return err_set(e, ERR_INPUT, "%s:%u: not NAME:HASH", path, number);
	memcpy(user->name, name.data, name.len);
	if (!user_name_is_valid(user->name))
		return err_set(e, ERR_INPUT,
			"%s:%u: a user's name has 1 to %d letters, digits and ._@-", path, number,
			USER_NAME_MAX);
	if (!is_bcrypt(hash))
		return err_set(e, ERR_INPUT,
			"%s:%u: not a bcrypt hash of cost 4 to %d: make it with htpasswd -B", path,
			number, BCRYPT_COST_MAX);
	memcpy(user->hash, hash.data, HASH_LEN);
	return 0;
}

static int add_lines(struct users *u, const char *path, struct span text, struct err *e)
{
	for (unsigned number = 1; text.len > 0; number++) {
		struct span line = span_until(&text, '\n');

		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0 || line.data[0] == '#')
			continue;
		if (add_line(u, path, number, line, e) < 0)
			return -1;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct user *)a)->name, ((const struct user *)b)->name);
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
	for (size_t i = 1; i < u->count; i++)
		if (by_name(&u->items[i - 1], &u->items[i]) == 0)
			return err_set(e, ERR_INPUT, "users: %s: %s is there twice", path,
				u->items[i].name);
	*out = STEAL(u);
	return 0;
}

static const struct user *find(const struct users *u, const char *name)
{
	struct user key = { .name = "" };

	if (strlen(name) > USER_NAME_MAX || u->count == 0)
		return NULL;
	memcpy(key.name, name, strlen(name));
	return bsearch(&key, u->items, u->count, sizeof(*u->items), by_name);
}

bool users_has(const struct users *u, const char *name)
{
	return find(u, name) != NULL;
}

static bool same(const char *a, const char *b)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < HASH_LEN; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

bool users_check(const struct users *u, const char *name, const char *password)
{
	const struct user *user = find(u, name);
	const char *hash = user ? user->hash : NOBODY;
	struct crypt_data *data = mem_alloc(sizeof(*data));
	const char *got = crypt_rn(password, hash, data, (int)sizeof(*data));
	bool good = got && strlen(got) == HASH_LEN && same(got, hash) && user;

	explicit_bzero(data, sizeof(*data));
	free(data);
	return good;
}
