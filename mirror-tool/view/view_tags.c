/* Tags and their owners, of a store or of a medium. */
#include "mirror-tool/view/view.h"

#include <stdlib.h>

#include "storage/base/settings.h"
#include "storage/base/banned.h"

#define PAGE_NAMES 1000

/* Collect a page before the store is asked for owners. */
static int add_name(void *ctx, const char *name, struct err *e)
{
	(void)e;
	texts_add(ctx, name);
	return 0;
}

/* Let the next page begin after the last name of this one. */
static void advance(const struct texts *page, char **after)
{
	free(*after);
	*after = mem_strdup(page->items[page->count - 1]);
}

static int call_for_each(struct view *view, const char *repo, const struct texts *tags,
	struct view_tag_sink *sink, struct err *e)
{
	for (size_t i = 0; i < tags->count; i++) {
		struct view_tag tag = { .repo = repo, .tag = tags->items[i] };
		int rc = tag_owner_get(view->store, repo, tag.tag, &tag.owner, e);

		if (rc > 0 && tag.owner.digest.alg != DIGEST_NONE)
			rc = sink->fn(sink->ctx, &tag, e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int tags_of_store(
	struct view *view, const char *repo, struct view_tag_sink *sink, struct err *e)
{
	AUTO(mem_free) char *after = NULL;
	bool more = true;

	while (more) {
		AUTO(texts_release) struct texts page = { .items = NULL };
		int rc = page_tags(view->store, repo, after, PAGE_NAMES, add_name, &page, &more, e);

		if (rc <= 0)
			return rc;
		if (call_for_each(view, repo, &page, sink, e) < 0)
			return -1;
		if (!page.count)
			break;
		advance(&page, &after);
	}
	return 1;
}

/* The tags of one set on a medium: 1 when the repository is in it. */
static int tags_of_set(
	const struct view_set *s, const char *repo, struct view_tag_sink *sink, struct err *e)
{
	int found = 0;

	for (size_t i = 0; i < s->set.count; i++) {
		const struct set_entry *entry = &s->set.entries[i];
		struct view_tag tag = { .repo = repo, .tag = entry->tag };

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

int view_tags(struct view *view, const char *repo, struct view_tag_sink *sink, struct err *e)
{
	int found = 0;

	if (view->store)
		return tags_of_store(view, repo, sink, e);
	for (size_t i = 0; i < view->count; i++) {
		int rc = view_load(view, &view->sets[i], e);

		if (rc == 0)
			rc = tags_of_set(&view->sets[i], repo, sink, e);
		if (rc < 0)
			return -1;
		found |= rc;
	}
	return found;
}

int view_all_tags(struct view *view, struct view_tag_sink *sink, struct err *e)
{
	AUTO(mem_free) char *after = NULL;
	bool more = true;

	while (more) {
		AUTO(texts_release) struct texts page = { .items = NULL };

		if (page_repos(view->store, after, PAGE_NAMES, add_name, &page, &more, e) < 0)
			return -1;
		for (size_t i = 0; i < page.count; i++)
			if (tags_of_store(view, page.items[i], sink, e) < 0)
				return -1;
		if (!page.count)
			break;
		advance(&page, &after);
	}
	return 0;
}
