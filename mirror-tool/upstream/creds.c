/* Read credential files and find the entry of a repository. Must never put a secret into a message,
 * and never run a helper with other characters in its name than letters, digits, dot, dash and
 * underscore. */
#include "mirror-tool/upstream/creds.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>

#include "mirror-tool/upstream/helper.h"
#include "storage/base/base64.h"
#include "storage/base/fs.h"
#include "storage/base/tree.h"
#include "storage/oci/ref.h"
#include "storage/base/banned.h"

struct entry {
	struct entry *next;
	char *key; /* "docker.io", "quay.io/team" */
	char *helper; /* credHelpers: its name; else NULL */
	char *server; /* the key as the file spells it: what the helper is asked for */
	struct credential cred;
};

struct creds_file {
	struct creds_file *next;
	struct entry *auths, *helpers;
	char *store; /* credsStore, or NULL */
};

struct answer {
	struct answer *next;
	char *helper, *server;
	int rc; /* 1 or 0 */
	struct credential cred;
};

struct creds {
	struct creds_file *files, **tail;
	struct answer *answers;
};

/* --- values --------------------------------------------------------------------------------- */

static void secret_free(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void credential_release(struct credential *c)
{
	int saved = errno;

	secret_free(&c->user);
	secret_free(&c->password);
	secret_free(&c->identity);
	errno = saved;
}

static void credential_copy(struct credential *to, const struct credential *from)
{
	credential_release(to);
	to->user = from->user ? mem_strdup(from->user) : NULL;
	to->password = from->password ? mem_strdup(from->password) : NULL;
	to->identity = from->identity ? mem_strdup(from->identity) : NULL;
}

/* Refuse bytes that would end a header. */
static bool is_clean(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (iscntrl((unsigned char)s.data[i]))
			return false;
	}
	return true;
}

/* Normalize a key: `https://index.docker.io/v1/` to `docker.io`, `Quay.io/team` to `quay.io/team`. */
static char *key_normal(const char *key)
{
	char host[REF_HOST_MAX + 1];
	struct span rest, first;
	struct err ignored;
	size_t len;

	if (strncasecmp(key, "https://", 8) == 0)
		key += 8;
	else if (strncasecmp(key, "http://", 7) == 0)
		key += 7;
	len = strlen(key);
	while (len && key[len - 1] == '/')
		len--;
	if (len > 3 &&
		(memcmp(key + len - 3, "/v1", 3) == 0 || memcmp(key + len - 3, "/v2", 3) == 0))
		len -= 3;
	rest = (struct span){ key, len };
	first = span_until(&rest, '/');
	if (ref_normal_host(first, host, &ignored) < 0)
		return mem_strndup(key, len);
	return mem_printf("%s%.*s", host, (int)(len - first.len), key + first.len);
}

/* --- files ----------------------------------------------------------------------------------- */

static void entries_free(struct entry *list)
{
	for (struct entry *next; list; list = next) {
		next = list->next;
		credential_release(&list->cred);
		free(list->key);
		free(list->helper);
		free(list->server);
		free(list);
	}
}

static struct entry *entry_add(struct entry **list, const char *key)
{
	struct entry *n = mem_alloc(sizeof(*n));

	n->key = key_normal(key);
	n->server = mem_strdup(key);
	n->next = *list;
	*list = n;
	return n;
}

/* Decode base64 of user:password. */
static int read_joined(const struct doc *d, const struct node *map, const char *auth,
	struct credential *cred, struct err *e)
{
	AUTO(buf_release) struct buf plain = BUF_INIT;
	const char *colon;

	if (base64_decode(&plain, span_of(auth), e) < 0 || !(colon = strchr(plain.data, ':')) ||
		!is_clean(buf_span(&plain)))
		return node_err(d, map, e, "\"auth\" is not base64 of user:password");
	cred->user = mem_strndup(plain.data, (size_t)(colon - plain.data));
	cred->password = mem_strdup(colon + 1);
	explicit_bzero(plain.data, plain.len);
	return 0;
}

/* Read `auth`, as tools write it, or `username` and `password`, as secrets of Kubernetes have. */
static int read_auth(const struct doc *d, const struct node *map, struct entry *into, struct err *e)
{
	static const char *const keys[] = { "identitytoken", "auth", "username", "password" };
	const char *values[ARRAY_SIZE(keys)] = { "", "", "", "" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (node_string(d, map, keys[i], OPTIONAL, &values[i], e) < 0)
			return -1;
		if (strlen(values[i]) > CREDS_VALUE_MAX)
			return node_err(
				d, map, e, "a credential of more than %u bytes", CREDS_VALUE_MAX);
		if (!is_clean(span_of(values[i])))
			return node_err(d, map, e, "a control character in \"%s\"", keys[i]);
	}
	if (*values[0]) {
		into->cred.identity = mem_strdup(values[0]);
	} else if (*values[1]) {
		return read_joined(d, map, values[1], &into->cred, e);
	} else if (*values[2]) {
		into->cred.user = mem_strdup(values[2]);
		into->cred.password = mem_strdup(values[3]);
	}
	return 0;
}

static int read_auths(const struct doc *d, struct creds_file *f, struct err *e)
{
	const struct node *auths = NULL;

	if (node_map(d, d->root, "auths", OPTIONAL, &auths, e) < 0)
		return -1;
	if (!auths)
		return 0;
	node_each(n, auths)
	{
		if (n->kind != NODE_MAP)
			return node_err(d, n, e, "not an object");
		if (read_auth(d, n, entry_add(&f->auths, n->key), e) < 0)
			return -1;
	}
	return 0;
}

static int read_helpers(const struct doc *d, struct creds_file *f, struct err *e)
{
	const struct node *helpers = NULL;
	const char *store = "";

	if (node_string(d, d->root, "credsStore", OPTIONAL, &store, e) < 0 ||
		node_map(d, d->root, "credHelpers", OPTIONAL, &helpers, e) < 0)
		return -1;
	if (*store && !helper_name_ok(store))
		return node_err(d, node_get(d->root, "credsStore"), e, "no name of a helper");
	if (*store)
		f->store = mem_strdup(store);
	if (!helpers)
		return 0;
	node_each(n, helpers)
	{
		if (n->kind != NODE_STRING || !helper_name_ok(n->text))
			return node_err(d, n, e, "no name of a helper");
		entry_add(&f->helpers, n->key)->helper = mem_strdup(n->text);
	}
	return 0;
}

static int add_file(struct creds *c, const char *path, bool required, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct creds_file *f;
	int rc = fs_read_file(AT_FDCWD, path, CREDS_FILE_MAX, &bytes, e);

	if (rc < 0)
		return -1;
	if (rc == 0 && required)
		return err_set(e, ERR_ABSENT, "%s: no such file", path);
	if (rc == 0 || bytes.len == 0)
		return 0;
	f = mem_alloc(sizeof(*f));
	*c->tail = f;
	c->tail = &f->next;
	if (json_parse(&d, path, buf_span(&bytes), CREDS_FILE_MAX, e) < 0)
		return -1;
	if (d.root->kind != NODE_MAP)
		return node_err(&d, d.root, e, "not an object");
	rc = read_auths(&d, f, e) < 0 || read_helpers(&d, f, e) < 0 ? -1 : 0;
	explicit_bzero(bytes.data, bytes.len);
	return rc;
}

static int add_env_file(struct creds *c, const char *variable, const char *name, struct err *e)
{
	const char *dir = getenv(variable);
	AUTO(mem_free) char *path = NULL;

	if (!dir || !*dir)
		return 0;
	path = mem_printf("%s%s", dir, name);
	return add_file(c, path, false, e);
}

static int add_usual(struct creds *c, struct err *e)
{
	const char *docker = getenv("DOCKER_CONFIG");

	if (add_env_file(c, "REGISTRY_AUTH_FILE", "", e) < 0 ||
		add_env_file(c, "XDG_RUNTIME_DIR", "/containers/auth.json", e) < 0)
		return -1;
	if (docker && *docker)
		return add_env_file(c, "DOCKER_CONFIG", "/config.json", e);
	return add_env_file(c, "HOME", "/.docker/config.json", e);
}

int creds_open(struct creds **out, const char *authfile, struct err *e)
{
	AUTO(creds_close) struct creds *c = mem_alloc(sizeof(*c));

	c->tail = &c->files;
	if (authfile ? add_file(c, authfile, true, e) < 0 : add_usual(c, e) < 0)
		return err_ctx(e, "credentials");
	*out = STEAL(c);
	return 0;
}

void creds_close(struct creds **slot)
{
	struct creds *c = *slot;

	if (!c)
		return;
	*slot = NULL;
	for (struct creds_file *f = c->files, *next; f; f = next) {
		next = f->next;
		entries_free(f->auths);
		entries_free(f->helpers);
		free(f->store);
		free(f);
	}
	for (struct answer *a = c->answers, *next; a; a = next) {
		next = a->next;
		credential_release(&a->cred);
		free(a->helper);
		free(a->server);
		free(a);
	}
	free(c);
}

/* --- search ---------------------------------------------------------------------------------- */

/* Length of the key when it names `name` or a prefix of whole components, else 0. */
static size_t key_covers(const char *key, const char *name)
{
	size_t n = strlen(key);

	if (strncmp(key, name, n) != 0 || (name[n] != '\0' && name[n] != '/'))
		return 0;
	return n;
}

static int ask_helper(struct creds *c, const char *helper, const char *server,
	struct credential *out, struct err *e)
{
	struct answer *a;

	for (a = c->answers; a; a = a->next) {
		if (strcmp(a->helper, helper) == 0 && strcmp(a->server, server) == 0)
			break;
	}
	if (!a) {
		struct credential cred = CREDENTIAL_INIT;
		int rc = helper_get(helper, server, &cred, e);

		if (rc < 0)
			return -1;
		a = mem_alloc(sizeof(*a));
		*a = (struct answer){ c->answers, mem_strdup(helper), mem_strdup(server), rc,
			cred };
		c->answers = a;
	}
	if (a->rc)
		credential_copy(out, &a->cred);
	return a->rc;
}

static int find_in_file(struct creds *c, const struct creds_file *f, const char *host,
	const char *name, struct credential *out, struct err *e)
{
	const struct entry *best = NULL;
	size_t best_len = 0;

	for (const struct entry *n = f->helpers; n; n = n->next) {
		if (strcmp(n->key, host) == 0)
			return ask_helper(c, n->helper, n->server, out, e);
	}
	for (const struct entry *n = f->auths; n; n = n->next) {
		size_t len = key_covers(n->key, name);

		if (len > best_len && (n->cred.user || n->cred.identity)) {
			best = n;
			best_len = len;
		}
	}
	if (best) {
		credential_copy(out, &best->cred);
		return 1;
	}
	if (!f->store)
		return 0;
	return ask_helper(c, f->store,
		strcmp(host, "docker.io") == 0 ? "https://index.docker.io/v1/" : host, out, e);
}

int creds_find(
	struct creds *c, const char *host, const char *repo, struct credential *out, struct err *e)
{
	AUTO(mem_free) char *name = mem_printf("%s/%s", host, repo);

	for (const struct creds_file *f = c->files; f; f = f->next) {
		int rc = find_in_file(c, f, host, name, out, e);

		if (rc)
			return rc < 0 ? err_ctx(e, "credentials of %s", host) : 1;
	}
	return 0;
}
