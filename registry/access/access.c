/* Read and ask the rules of access. Must never grant by a word that was not understood: such a word refuses
 * the file. */
#include "registry/access/access.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "storage/base/users_text.h"
#include "storage/base/vec.h"
#include "storage/oci/ref.h"
#include "storage/base/banned.h"

#define ANYONE USER_ANYONE
#define LOGGED_IN "*"

struct words {
	char **items;
	size_t count;
};

struct rule {
	struct words repositories, users;
	unsigned actions;
};

struct access {
	struct rule *rules;
	size_t count;
	size_t words; /* of all rules */
};

static void words_release(struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->items[i]);
	free(w->items);
}

void access_free(struct access **a)
{
	if (!*a)
		return;
	for (size_t i = 0; i < (*a)->count; i++) {
		words_release(&(*a)->rules[i].repositories);
		words_release(&(*a)->rules[i].users);
	}
	free((*a)->rules);
	free(*a);
	*a = NULL;
}

/* --- patterns -------------------------------------------------------------------------------- */

/* Every position of a pattern that the name so far can have led to, at once: time is bounded by the product
 * of both lengths, whatever the pattern. */
struct places {
	bool at[PATTERN_MAX + 2];
};

/* Add a position, and those behind stars, which may match nothing. */
static void reach(struct places *p, const char *pattern, size_t i)
{
	p->at[i] = true;
	while (pattern[i] == '*') {
		i += pattern[i + 1] == '*' ? 2 : 1;
		p->at[i] = true;
	}
}

static void step(struct places *p, const char *pattern, size_t len, char c)
{
	struct places to;

	memset(to.at, 0, len + 1);
	for (size_t i = 0; i < len; i++) {
		bool deep = pattern[i] == '*' && pattern[i + 1] == '*';

		if (!p->at[i])
			continue;
		if (pattern[i] == '*' && (deep || c != '/'))
			reach(&to, pattern, i);
		else if (pattern[i] != '*' && pattern[i] == c)
			reach(&to, pattern, i + 1);
	}
	memcpy(p->at, to.at, len + 1);
}

static bool walk(struct places *p, const char *pattern, size_t len, const char *name)
{
	for (; *name; name++)
		step(p, pattern, len, *name);
	return p->at[len];
}

/* Match a pattern. Most are decided by their letters before the first star. */
bool access_match(const char *pattern, const char *name)
{
	struct places p;
	size_t len;

	for (; *pattern && *pattern != '*'; pattern++, name++)
		if (*pattern != *name)
			return false;
	if (!*pattern)
		return !*name;
	if (strcmp(pattern, "*") == 0)
		return !strchr(name, '/');
	if (strcmp(pattern, "**") == 0)
		return true;
	len = strlen(pattern);
	if (len > PATTERN_MAX)
		return false;
	memset(p.at, 0, len + 1);
	reach(&p, pattern, 0);
	return walk(&p, pattern, len, name);
}

/* Does `HOST/name` match for some HOST? Begin from all positions that the letters of a host can lead to. */
static bool match_below_host(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);
	struct places p;

	memset(p.at, 0, len + 1);
	reach(&p, pattern, 0);
	for (size_t i = 0; i < len; i++)
		if (p.at[i] && pattern[i] != '*' && pattern[i] != '/')
			reach(&p, pattern, i + 1);
	step(&p, pattern, len, '/');
	return walk(&p, pattern, len, name);
}

/* Match the path itself, below some host, and below `library/` as the Hub has names of one component. */
static bool match_path(const char *pattern, const char *path)
{
	char library[REF_REPO_MAX + sizeof("library/")];

	if (access_match(pattern, path) || match_below_host(pattern, path))
		return true;
	if (strchr(path, '/'))
		return false;
	snprintf(library, sizeof(library), "library/%.*s", REF_REPO_MAX, path);
	return match_below_host(pattern, library);
}

/* Match what is behind the first component, too: it may be a host by another name (repo_names.h): with '-'
 * before its port, an alias of the Hub, or mapped. */
static bool match_somewhere(const char *pattern, const char *path)
{
	const char *slash = strchr(path, '/');

	return match_path(pattern, path) || (slash && match_path(pattern, slash + 1));
}

/* --- reading --------------------------------------------------------------------------------- */

static void add_word(struct words *w, const char *text)
{
	*VEC_PUSH(w->items, w->count) = mem_strdup(text);
}

static bool is_pattern(const char *text)
{
	for (const char *p = text; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') && !strchr("._-/:*", *p))
			return false;
	return *text && strlen(text) <= PATTERN_MAX && !strstr(text, "***");
}

static bool is_user(const char *text)
{
	return strcmp(text, LOGGED_IN) == 0 || user_name_is_valid(text);
}

static int read_words(struct access *a, const struct doc *d, const struct node *rule,
	const char *key, bool (*good)(const char *), const char *what, struct words *out,
	struct err *e)
{
	const struct node *list = NULL;

	if (node_list(d, rule, key, REQUIRED, &list, e) < 0)
		return -1;
	if (list->count == 0 || list->count > RULE_WORDS_MAX)
		return node_err(d, list, e, "1 to %d entries", RULE_WORDS_MAX);
	a->words += list->count;
	if (a->words > WORDS_MAX)
		return node_err(d, list, e, "more than %d words in all rules", WORDS_MAX);
	node_each(n, list)
	{
		if ((n->kind == NODE_LIST || n->kind == NODE_MAP) || !good(n->text))
			return node_err(d, n, e, "not %s", what);
		add_word(out, n->text);
	}
	return 0;
}

static const struct {
	const char *name;
	enum action action;
} actions[] = { { "pull", ACTION_PULL }, { "push", ACTION_PUSH }, { "delete", ACTION_DELETE },
	{ "catalog", ACTION_CATALOG } };

static unsigned action_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(actions[i].name, word) == 0)
			return actions[i].action;
	return 0;
}

static bool is_action(const char *word)
{
	return action_of(word) != 0;
}

static int read_rule(struct access *a, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "repositories", "users", "actions", NULL };
	struct words words = { NULL, 0 };
	struct rule *rule = VEC_PUSH(a->rules, a->count);
	int rc;

	if (n->kind != NODE_MAP)
		return node_err(d, n, e, "a rule has repositories, users and actions");
	if (node_only(d, n, known, e) < 0 ||
		read_words(a, d, n, "repositories", is_pattern,
			"a pattern of repositories (a-z 0-9 . _ - / : * **)", &rule->repositories,
			e) < 0 ||
		read_words(a, d, n, "users", is_user, "a user, \"*\" or \"anyone\"", &rule->users,
			e) < 0)
		return -1;
	rc = read_words(a, d, n, "actions", is_action, "pull, push, delete or catalog", &words, e);
	for (size_t i = 0; i < words.count; i++)
		rule->actions |= action_of(words.items[i]);
	words_release(&words);
	return rc;
}

static int read_rules(struct access *a, const struct doc *d, struct err *e)
{
	if (d->root->kind == NODE_NULL)
		return 0; /* no caller may do anything */
	if (d->root->kind != NODE_LIST)
		return node_err(d, d->root, e, "a list of rules is needed");
	if (d->root->count > RULES_MAX)
		return node_err(d, d->root, e, "more than %d rules", RULES_MAX);
	node_each(n, d->root) if (read_rule(a, d, n, e) < 0) return -1;
	return 0;
}

int access_read(struct access **out, const char *path, struct err *e)
{
	AUTO(access_free) struct access *a = mem_alloc(sizeof(*a));
	AUTO(doc_release) struct doc d = DOC_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = fs_read_file(AT_FDCWD, path, YAML_BYTES_MAX, &text, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "access: %s: no such file", path);
	if (rc < 0 || yaml_parse(&d, path, buf_span(&text), e) < 0 || read_rules(a, &d, e) < 0)
		return err_ctx(e, "access");
	*out = STEAL(a);
	return 0;
}

static void grant(struct access *a, const char *user, unsigned granted)
{
	struct rule *rule = VEC_PUSH(a->rules, a->count);

	add_word(&rule->repositories, "**");
	add_word(&rule->users, user);
	rule->actions = granted;
}

struct access *access_default(bool logins)
{
	struct access *a = mem_alloc(sizeof(*a));

	grant(a, ANYONE, ACTION_PULL | ACTION_CATALOG);
	grant(a, logins ? LOGGED_IN : ANYONE, ACTION_PUSH | ACTION_DELETE);
	return a;
}

/* --- asking ---------------------------------------------------------------------------------- */

static bool is_for(const struct rule *rule, const char *user)
{
	for (size_t i = 0; i < rule->users.count; i++) {
		const char *word = rule->users.items[i];

		if (strcmp(word, ANYONE) == 0 || (*user && strcmp(word, LOGGED_IN) == 0) ||
			(*user && strcmp(word, user) == 0))
			return true;
	}
	return false;
}

typedef bool matches_fn(const char *pattern, const char *name);

static bool may(const struct access *a, const char *user, const char *name, enum action action,
	matches_fn *matches)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct rule *rule = &a->rules[i];

		if (!(rule->actions & action) || !is_for(rule, user))
			continue;
		if (!name)
			return true;
		for (size_t k = 0; k < rule->repositories.count; k++)
			if (matches(rule->repositories.items[k], name))
				return true;
	}
	return false;
}

static bool has_port(const char *repo)
{
	return repo[strcspn(repo, ":/")] == ':';
}

bool access_may(const struct access *a, const char *user, const char *repo, enum action action)
{
	char api[REF_TEXT_SIZE];

	if (may(a, user, repo, action, access_match))
		return true;
	if (!repo || !has_port(repo))
		return false;
	ref_api_name(repo, api);
	return may(a, user, api, action, access_match);
}

bool access_may_somewhere(
	const struct access *a, const char *user, const char *path, enum action action)
{
	return may(a, user, path, action, match_somewhere);
}

bool access_is_open(const struct access *a)
{
	unsigned open = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct rule *rule = &a->rules[i];

		for (size_t k = 0; k < rule->repositories.count; k++)
			if (is_for(rule, "") && strcmp(rule->repositories.items[k], "**") == 0)
				open |= rule->actions;
	}
	return (open & ACTION_PULL) && (open & ACTION_CATALOG);
}
