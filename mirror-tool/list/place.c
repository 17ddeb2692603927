/* Read places of registries. Must never accept a short name, which would mean another registry. */
#include "mirror-tool/list/place.h"

#include <stdio.h>
#include <strings.h>

#include "storage/base/banned.h"

#define ANY "/x/x" /* a repository, to read a prefix as a reference */

static int needs_host(const char *text, const struct ref *r, struct err *e)
{
	size_t len = strlen(r->host);

	if (strncasecmp(text, r->host, len) == 0 && text[len] == '/')
		return 0;
	return err_set(e, ERR_INPUT,
		"\"%.200s\" does not begin with a host: write a name with a dot, a port, or "
		"localhost",
		text);
}

int place_parse(struct ref *at, const char *text, struct err *e)
{
	if (ref_parse(at, span_of(text), e) < 0 || needs_host(text, at, e) < 0)
		return -1;
	if (at->digest.alg)
		return err_set(e, ERR_INPUT, "\"%.200s\": a digest belongs to the name", text);
	return 0;
}

static int read_prefix(struct ref *at, const char *text, struct err *e)
{
	AUTO(mem_free) char *whole = mem_printf("%s" ANY, text);

	if (ref_parse(at, span_of(whole), e) < 0 || needs_host(whole, at, e) < 0)
		return -1;
	at->repo[strlen(at->repo) - strlen("x/x")] = '\0'; /* "hub/", or "" */
	return 0;
}

int place_check_prefix(const char *text, struct err *e)
{
	struct ref at;

	return read_prefix(&at, text, e);
}

int place_under(struct ref *ref, const char *prefix, struct err *e)
{
	AUTO(mem_free) char *repo = NULL;
	struct ref at;

	if (read_prefix(&at, prefix, e) < 0)
		return -1;
	repo = mem_printf("%s%s", at.repo, ref->repo);
	if (strlen(repo) > REF_REPO_MAX)
		return err_set(e, ERR_INPUT, "%s/%s: longer than %d bytes", prefix, ref->repo,
			REF_REPO_MAX);
	memcpy(ref->host, at.host, sizeof(ref->host));
	memcpy(ref->repo, repo, strlen(repo) + 1);
	return 0;
}
