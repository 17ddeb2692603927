/* Users' names and hashes. Other kinds of hashes are refused: they can be guessed. */
#include "storage/base/users_text.h"

#include "storage/base/banned.h"

bool user_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
			!(*p >= '0' && *p <= '9') && !strchr("._@-", *p))
			return false;
	return len > 0 && len <= USER_NAME_MAX;
}

int user_name_check(const char *name, struct err *e)
{
	if (!user_name_is_valid(name))
		return err_set(e, ERR_INPUT, "a user's name has 1 to %d letters, digits and ._@-",
			USER_NAME_MAX);
	if (strcmp(name, USER_ANYONE) == 0)
		return err_set(e, ERR_INPUT,
			USER_ANYONE " cannot be a user's name: in rules it means everyone");
	return 0;
}

/* $2y$10$ and 53 characters of bcrypt's alphabet; the cost within its limit. */
static bool is_bcrypt(struct span hash)
{
	static const char alphabet[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const char *p = hash.data;
	int cost;

	if (hash.len != USER_HASH_LEN || memcmp(p, "$2", 2) != 0 || !memchr("aby", p[2], 3) ||
		p[3] != '$' || p[4] < '0' || p[4] > '9' || p[5] < '0' || p[5] > '9' || p[6] != '$')
		return false;
	for (size_t i = 7; i < USER_HASH_LEN; i++)
		if (!memchr(alphabet, p[i], sizeof(alphabet) - 1))
			return false;
	cost = (p[4] - '0') * 10 + p[5] - '0';
	return cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX;
}

int user_line_parse(struct user_line *out, struct span line, struct err *e)
{
	struct span hash = line, name;

	*out = (struct user_line){ .name = "" };
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		hash.len = --line.len;
	if (line.len == 0 || line.data[0] == '#')
		return 0;
	if (line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0)
		return err_set(e, ERR_INPUT,
			"a byte order mark, which would be part of a name; save it as UTF-8 "
			"without one");
	name = span_until(&hash, ':');
	if (name.len == line.len || name.len > USER_NAME_MAX || memchr(name.data, 0, name.len))
		return err_set(e, ERR_INPUT, "not NAME:HASH");
	memcpy(out->name, name.data, name.len);
	if (user_name_check(out->name, e) < 0)
		return -1;
	if (!is_bcrypt(hash))
		return err_set(e, ERR_INPUT,
			"not a bcrypt hash of cost %d to %d: make it with htpasswd -B",
			BCRYPT_COST_MIN, BCRYPT_COST_MAX);
	memcpy(out->hash, hash.data, USER_HASH_LEN);
	return 1;
}
