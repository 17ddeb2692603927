/* The tags of a repository, in a store or on a medium, and whose each is. */
#include "mirror-tool/look/look.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/banned.h"

#define PAGE_NAMES 1000

/* A page is complete before the store is asked anything else. */
struct names {
	char **items;
	size_t count;
};

static void names_release(struct names *n)
{
	int saved = errno;

	for (size_t i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
	errno = saved;
}

static int keep_name(void *ctx, const char *name, struct err *e)
{
	struct names *n = ctx;

	(void)e;
	n->items = mem_grow(n->items, n->count + 1, sizeof(*n->items));
	n->items[n->count++] = mem_strdup(name);
	return 0;
}

/* The last name of a page, of which the next one begins. */
static void take_last(struct names *page, char **after)
{
	free(*after);
	*after = mem_strdup(page->items[page->count - 1]);
}

static int tell_tags(struct look *l, const char *repo, const struct names *tags,
	struct look_tag_sink *sink, struct err *e)
{
	for (size_t i = 0; i < tags->count; i++) {
		struct look_tag tag = { .repo = repo, .tag = tags->items[i] };
		int rc = tag_owner_get(l->store, repo, tag.tag, &tag.owner, e);

		if (rc > 0 && tag.owner.digest.alg != DIGEST_NONE)
			rc = sink->fn(sink->ctx, &tag, e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int tags_of_store(
	struct look *l, const char *repo, struct look_tag_sink *sink, struct err *e)
{
	AUTO(mem_free) char *after = NULL;
	bool more = true;

	while (more) {
		AUTO(names_release) struct names page = { NULL, 0 };
		int rc = page_tags(l->store, repo, after, PAGE_NAMES, keep_name, &page, &more, e);

		if (rc <= 0)
			return rc;
		if (tell_tags(l, repo, &page, sink, e) < 0)
			return -1;
		if (!page.count)
			break;
		take_last(&page, &after);
	}
	return 1;
}

/* Of one set on a medium: 1 when the repository is in it. */
static int tags_of_set(
	const struct look_set *s, const char *repo, struct look_tag_sink *sink, struct err *e)
{
	int found = 0;

	for (size_t i = 0; i < s->set.count; i++) {
		const struct set_entry *entry = &s->set.entries[i];
		struct look_tag tag = { .repo = repo, .tag = entry->tag };

		if (strcmp(entry->name, repo) != 0)
			continue;
		found = 1;
		memcpy(tag.owner.set, s->info.name, sizeof(tag.owner.set));
		memcpy(tag.owner.version, s->info.version, sizeof(tag.owner.version));
		tag.owner.digest = entry->digest;
		if (*tag.tag && sink->fn(sink->ctx, &tag, e) < 0)
			return -1;
	}
	return found;
}

int look_tags(struct look *l, const char *repo, struct look_tag_sink *sink, struct err *e)
{
	int found = 0;

	if (l->store)
		return tags_of_store(l, repo, sink, e);
	for (size_t i = 0; i < l->count; i++) {
		int rc = look_load(l, &l->sets[i], e);

		if (rc == 0)
			rc = tags_of_set(&l->sets[i], repo, sink, e);
		if (rc < 0)
			return -1;
		found |= rc;
	}
	return found;
}

int look_all_tags(struct look *l, struct look_tag_sink *sink, struct err *e)
{
	AUTO(mem_free) char *after = NULL;
	bool more = true;

	while (more) {
		AUTO(names_release) struct names page = { NULL, 0 };

		if (page_repos(l->store, after, PAGE_NAMES, keep_name, &page, &more, e) < 0)
			return -1;
		for (size_t i = 0; i < page.count; i++)
			if (tags_of_store(l, page.items[i], sink, e) < 0)
				return -1;
		if (!page.count)
			break;
		take_last(&page, &after);
	}
	return 0;
}
