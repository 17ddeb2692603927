/*
 * References and the grammars of their parts, written as small scanners: the same bytes come from
 * lists, from the API's paths and from media. Pure.
 */
#include "storage/oci/ref.h"

#include <stdio.h>
#include <strings.h>

#include "storage/base/banned.h"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_tag_char(char c, bool first)
{
	if (is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_')
		return true;
	return !first && (c == '.' || c == '-');
}

/* Length of a separator inside a component of a name: `.`, `_`, `__` or any run of `-`. */
static size_t separator_len(struct span s, size_t at)
{
	size_t n = 0;

	if (s.data[at] == '.')
		return 1;
	if (s.data[at] == '_')
		return at + 1 < s.len && s.data[at + 1] == '_' ? 2 : 1;
	while (at + n < s.len && s.data[at + n] == '-')
		n++;
	return n;
}

/* Offset of the first byte that breaks the grammar of names, or s.len. */
static size_t repo_bad_at(struct span s)
{
	size_t at = 0;

	while (at < s.len) {
		if (!is_lower_alnum(s.data[at]))
			return at;
		while (at < s.len && is_lower_alnum(s.data[at]))
			at++;
		if (at == s.len)
			return at;
		if (s.data[at] == '/')
			at++;
		else if (separator_len(s, at) > 0)
			at += separator_len(s, at);
		else
			return at;
		if (at == s.len) /* a name cannot end in a separator */
			return at - 1;
	}
	return at;
}

bool ref_is_repo(struct span repo)
{
	return repo.len > 0 && repo.len <= REF_REPO_MAX && repo_bad_at(repo) == repo.len;
}

static int name_err(struct err *e, const char *what, struct span text, size_t bad_at)
{
	return err_set(e, ERR_INPUT, "%s \"%.*s\" is not valid at character %zu", what,
		(int)(text.len < 300 ? text.len : 300), text.data, bad_at + 1);
}

static int check_length(const char *what, struct span text, size_t max, struct err *e)
{
	if (text.len == 0)
		return err_set(e, ERR_INPUT, "the %s is empty", what);
	if (text.len > max)
		return err_set(e, ERR_INPUT, "the %s is longer than %zu bytes", what, max);
	return 0;
}

int ref_check_repo(struct span repo, struct err *e)
{
	if (check_length("repository name", repo, REF_REPO_MAX, e) < 0)
		return -1;
	if (!ref_is_repo(repo))
		return name_err(e, "repository name", repo, repo_bad_at(repo));
	return 0;
}

bool ref_is_tag(struct span tag)
{
	if (tag.len == 0 || tag.len > REF_TAG_MAX)
		return false;
	for (size_t i = 0; i < tag.len; i++)
		if (!is_tag_char(tag.data[i], i == 0))
			return false;
	return true;
}

/* A version with build metadata, as a chart has it: not a tag, but there is one for it. */
static int plus_err(struct span tag, struct err *e)
{
	char text[REF_TAG_MAX + 1] = "";

	for (size_t i = 0; i < tag.len; i++)
		text[i] = tag.data[i] == '+' ? '_' : tag.data[i];
	if (!ref_is_tag(span_of(text)))
		return -1;
	return err_ctx(e, "no tag has a plus (helm pushes such a version as %s)", text);
}

int ref_check_tag(struct span tag, struct err *e)
{
	size_t at = 0;

	if (check_length("tag", tag, REF_TAG_MAX, e) < 0)
		return -1;
	while (at < tag.len && is_tag_char(tag.data[at], at == 0))
		at++;
	if (at == tag.len)
		return 0;
	name_err(e, "tag", tag, at);
	return tag.data[at] == '+' ? plus_err(tag, e) : -1;
}

static bool is_port(struct span s)
{
	if (s.len == 0 || s.len > 5)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return true;
}

/* DNS names and IPv4 addresses. IPv6 literals have no place in a repository's path: such a
 * registry needs a name. */
int ref_check_host(struct span host, struct err *e)
{
	struct span port = host;
	struct span name = span_until(&port, ':');

	if (check_length("registry host", host, REF_HOST_MAX, e) < 0)
		return -1;
	if (host.data[0] == '[')
		return err_set(e, ERR_INPUT,
			"registry host \"%.*s\": an IPv6 address; give it a name", (int)host.len,
			host.data);
	for (size_t i = 0; i < name.len; i++) {
		bool edge = i == 0 || i + 1 == name.len;

		if (!is_lower_alnum(name.data[i]) &&
			(edge || (name.data[i] != '.' && name.data[i] != '-')))
			return name_err(e, "registry host", host, i);
	}
	if (name.len == 0 || (name.len < host.len && !is_port(port)))
		return name_err(e, "registry host", host, name.len);
	return 0;
}

int ref_normal_host(struct span host, char out[REF_HOST_MAX + 1], struct err *e)
{
	static const char *const hub[] = { "index.docker.io", "registry-1.docker.io",
		"registry.hub.docker.com" };

	if (check_length("registry host", host, REF_HOST_MAX, e) < 0)
		return -1;
	for (size_t i = 0; i < host.len; i++)
		out[i] = host.data[i] >= 'A' && host.data[i] <= 'Z' ? host.data[i] | 0x20
								    : host.data[i];
	out[host.len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(hub); i++)
		if (strcmp(out, hub[i]) == 0)
			snprintf(out, REF_HOST_MAX + 1, "docker.io");
	return ref_check_host(span_of(out), e);
}

bool ref_same_host(const char *a, const char *b)
{
	char x[REF_HOST_MAX + 1], y[REF_HOST_MAX + 1];
	struct err ignored;

	return strcasecmp(a, b) == 0 ||
	       (ref_normal_host(span_of(a), x, &ignored) == 0 &&
		       ref_normal_host(span_of(b), y, &ignored) == 0 && strcmp(x, y) == 0);
}

/* --- whole references -------------------------------------------------------------------- */

static bool looks_like_host(struct span s)
{
	return memchr(s.data, '.', s.len) || memchr(s.data, ':', s.len) || span_is(s, "localhost");
}

static int take_digest(struct ref *r, struct span *text, struct err *e)
{
	const char *at = memchr(text->data, '@', text->len);
	size_t head;

	if (!at)
		return 0;
	head = (size_t)(at - text->data);
	if (digest_parse(&r->digest, (struct span){ at + 1, text->len - head - 1 }, e) < 0)
		return -1;
	text->len = head;
	return 0;
}

static int take_tag(struct ref *r, struct span *text, struct err *e)
{
	const char *colon = memrchr(text->data, ':', text->len);
	struct span tag;

	if (!colon || memchr(colon, '/', text->len - (size_t)(colon - text->data)))
		return 0;
	tag = (struct span){ colon + 1, text->len - (size_t)(colon - text->data) - 1 };
	if (ref_check_tag(tag, e) < 0)
		return -1;
	memcpy(r->tag, tag.data, tag.len);
	text->len = (size_t)(colon - text->data);
	return 0;
}

static int set_host(struct ref *r, struct span host, struct err *e)
{
	return ref_normal_host(host, r->host, e);
}

static int take_host(struct ref *r, struct span *text, struct err *e)
{
	struct span rest = *text;
	struct span first = span_until(&rest, '/');

	if (first.len == text->len || !looks_like_host(first))
		return set_host(r, span_of("docker.io"), e);
	*text = rest;
	return set_host(r, first, e);
}

static int set_repo(struct ref *r, struct span repo, struct err *e)
{
	bool official = strcmp(r->host, "docker.io") == 0 && !memchr(repo.data, '/', repo.len);
	const char *prefix = official ? "library/" : "";

	if (ref_check_repo(repo, e) < 0)
		return -1;
	if (strlen(prefix) + repo.len > REF_REPO_MAX)
		return err_set(
			e, ERR_INPUT, "the repository name is longer than %d bytes", REF_REPO_MAX);
	snprintf(r->repo, sizeof(r->repo), "%s%.*s", prefix, (int)repo.len, repo.data);
	return 0;
}

static int parse(struct ref *r, struct span text, struct err *e)
{
	if (text.len == 0 || memchr(text.data, 0, text.len))
		return err_set(e, ERR_INPUT, "it is empty or holds a NUL byte");
	if (memmem(text.data, text.len, "://", 3))
		return err_set(e, ERR_INPUT, "it begins with a scheme; leave that out");
	if (take_digest(r, &text, e) < 0)
		return -1;
	if (text.len == 0)
		return err_set(e, ERR_INPUT, "the repository name is empty");
	if (take_tag(r, &text, e) < 0 || text.len == 0 || take_host(r, &text, e) < 0)
		return text.len ? -1 : err_set(e, ERR_INPUT, "the repository name is empty");
	if (text.len == 0)
		return err_set(e, ERR_INPUT, "the repository name is empty");
	return set_repo(r, text, e);
}

int ref_parse(struct ref *r, struct span text, struct err *e)
{
	*r = (struct ref){ .host = "" };
	if (text.len >= REF_TEXT_SIZE)
		return err_set(e, ERR_INPUT, "a reference of %zu bytes is too long", text.len);
	if (parse(r, text, e) < 0)
		return err_ctx(e, "reference \"%.*s\"", (int)text.len, text.data);
	return 0;
}

bool ref_eq(const struct ref *a, const struct ref *b)
{
	return strcmp(a->host, b->host) == 0 && strcmp(a->repo, b->repo) == 0 &&
	       strcmp(a->tag, b->tag) == 0 && digest_eq(&a->digest, &b->digest);
}

const char *ref_name(const struct ref *r, char text[REF_TEXT_SIZE])
{
	snprintf(text, REF_TEXT_SIZE, "%s/%s", r->host, r->repo);
	return text;
}

const char *ref_text(const struct ref *r, char text[REF_TEXT_SIZE])
{
	char digest[DIGEST_TEXT_SIZE] = "";

	if (r->digest.alg != DIGEST_NONE)
		digest_text(&r->digest, digest);
	snprintf(text, REF_TEXT_SIZE, "%s/%s%s%s%s%s", r->host, r->repo, *r->tag ? ":" : "", r->tag,
		*digest ? "@" : "", digest);
	return text;
}

void ref_api_name(const char *name, char out[REF_TEXT_SIZE])
{
	snprintf(out, REF_TEXT_SIZE, "%s", name);
	for (char *p = out; *p && *p != '/'; p++)
		if (*p == ':')
			*p = '-';
}

void ref_fallback_tag(const struct digest *subject, const char *suffix, char tag[REF_TAG_MAX + 1])
{
	char hex[DIGEST_HEX_SIZE];

	/* distribution-spec: the encoded part is cut at 64 characters */
	snprintf(tag, REF_TAG_MAX + 1, "%s-%.64s%s", digest_alg_name(subject->alg),
		digest_hex(subject, hex), suffix);
}

bool ref_fallback_subject(const char *tag, struct digest *subject)
{
	char text[DIGEST_TEXT_SIZE];
	struct err ignored;

	if (strncmp(tag, "sha256-", strlen("sha256-")) != 0)
		return false;
	snprintf(text, sizeof(text), "sha256:%.64s", tag + strlen("sha256-"));
	return digest_parse(subject, span_of(text), &ignored) == 0;
}
