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

bool user_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
			!(*p >= '0' && *p <= '9') && !strchr("._@-", *p))
			return false;
	return len > 0 && len <= USER_NAME_MAX;
}

/* $2y$10$ and 53 characters of bcrypt's alphabet; the cost within its limit. */
static bool is_bcrypt(struct span hash)
{
	static const char alphabet[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const char *p = hash.data;
	int cost;

	if (hash.len != HASH_LEN || memcmp(p, "$2", 2) != 0 || !memchr("aby", p[2], 3) ||
		p[3] != '$' || p[4] < '0' || p[4] > '9' || p[5] < '0' || p[5] > '9' || p[6] != '$')
		return false;
	for (size_t i = 7; i < HASH_LEN; i++)
		if (!memchr(alphabet, p[i], sizeof(alphabet) - 1))
			return false;
	cost = (p[4] - '0') * 10 + p[5] - '0';
	return cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX;
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
	*user = (struct user){ .line = number };
	if (name.len == line.len || name.len > USER_NAME_MAX || memchr(name.data, 0, name.len))
		return err_set(e, ERR_INPUT, "%s:%u: not NAME:HASH", path, number);
	memcpy(user->name, name.data, name.len);
	if (!user_name_is_valid(user->name))
		return err_set(e, ERR_INPUT,
			"%s:%u: a user's name has 1 to %d letters, digits and ._@-", path, number,
			USER_NAME_MAX);
	if (strcmp(user->name, USER_ANYONE) == 0)
		return err_set(e, ERR_INPUT,
			"%s:%u: " USER_ANYONE " is nobody's name: rules mean everybody by it", path,
			number);
	if (!is_bcrypt(hash))
		return err_set(e, ERR_INPUT,
			"%s:%u: not a bcrypt hash of cost %d to %d: make it with htpasswd -B", path,
			number, BCRYPT_COST_MIN, BCRYPT_COST_MAX);
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

static int check_names(const struct users *u, const char *path, struct err *e)
{
	for (size_t i = 1; i < u->count; i++) {
		const struct user *a = &u->items[i - 1], *b = &u->items[i];

		if (by_name(a, b) == 0)
			return err_set(e, ERR_INPUT, "%s:%u: %s is there twice, first in line %u",
				path, a->line > b->line ? a->line : b->line, a->name,
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

/*
 * Whose hash is computed for a name that nobody has: that of some user, always the same for one name.
 * A hash of ours would have another cost than those of the file (htpasswd -B makes 5), and the time
 * would tell who is a user.
 */
static const char *stand_in(const struct users *u, const char *name)
{
	uint32_t h = 2166136261u;

	if (u->count == 0)
		return NOBODY;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return u->items[h % u->count].hash;
}

bool users_check(const struct users *u, const char *name, const char *password)
{
	const struct user *user = find(u, name);
	const char *hash = user ? user->hash : stand_in(u, name);
	struct crypt_data *data = mem_alloc(sizeof(*data));
	const char *got = crypt_rn(password, hash, data, (int)sizeof(*data));
	bool good = got && strlen(got) == HASH_LEN && same(got, hash) && user;

	explicit_bzero(data, sizeof(*data));
	free(data);
	return good;
}
