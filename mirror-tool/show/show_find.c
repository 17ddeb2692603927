/* What a word on the command line means: a set, a reference, or a repository. */
#include "mirror-tool/show/show.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

/* Is the store asked for what no set of the view has? */
static bool asks_store(const struct page *p)
{
	return p->view->store && !p->sets_only;
}

/* Does moatd answer with the entry? By digest it does. 1, 0, -1. */
static int is_served(
	struct page *p, const struct ref *wanted, const struct set_entry *entry, struct err *e)
{
	struct tag_owner owner = { .digest = entry->digest };

	if (p->view->store && wanted->digest.alg == DIGEST_NONE &&
		tag_owner_get(p->view->store, entry->name, entry->tag, &owner, e) < 0)
		return -1;
	return p->view->store && digest_eq(&owner.digest, &entry->digest);
}

static int show_found(struct page *p, const struct ref *wanted, struct view_set *s,
	const struct set_entry *entry, struct err *e)
{
	int served = is_served(p, wanted, entry, e);
	struct shown shown = { p, s, entry, served > 0 };

	return served < 0 || show_reference(&shown, e) < 0 ? -1 : 1;
}

/* Find and show it in the sets that are active, or in the others: 1; 0: it is in none; -1. */
static int find_in_sets(struct page *p, const struct ref *wanted, bool active, struct err *e)
{
	for (size_t i = 0; i < p->view->count; i++) {
		struct view_set *s = &p->view->sets[i];

		if (s->info.active != active)
			continue;
		if (view_load(p->view, s, e) < 0)
			return -1;
		for (size_t j = 0; j < s->set.count; j++)
			if (view_is_meant(&s->set.entries[j], wanted))
				return show_found(p, wanted, s, &s->set.entries[j], e);
	}
	return 0;
}

/* A manifest of the repository that no active set pins. */
static int find_pushed(struct page *p, const char *repo, const struct ref *wanted, struct err *e)
{
	bool tagged = wanted->digest.alg == DIGEST_NONE;
	const char *tag = *wanted->tag ? wanted->tag : "latest";
	struct manifest_info info;
	struct set_entry entry = { .name = repo, .tag = tagged ? tag : "", .artifact_type = "" };
	struct shown shown = { p, NULL, &entry, true };
	int rc = tagged ? manifest_by_tag(p->view->store, repo, tag, &info, e)
			: manifest_by_digest(p->view->store, repo, &wanted->digest, &info, e);

	if (rc <= 0)
		return rc;
	entry.digest = info.digest;
	entry.size = info.size;
	entry.media_type = info.media_type;
	return show_reference(&shown, e) < 0 ? -1 : 1;
}

static struct view_set *find_active(struct view *view, const char *name)
{
	for (size_t i = 0; i < view->count; i++)
		if (view->sets[i].info.active && strcmp(view->sets[i].info.name, name) == 0)
			return &view->sets[i];
	return NULL;
}

/* What moatd answers for a tag: the pin of the set that owns it, or what was pushed. */
static int find_served(struct page *p, const char *repo, const struct ref *wanted, struct err *e)
{
	struct set_entry like = { .name = repo, .tag = *wanted->tag ? wanted->tag : "latest" };
	struct shown shown = { .page = p, .served = true };
	struct tag_owner owner;
	int rc = tag_owner_get(p->view->store, repo, like.tag, &owner, e);

	if (rc <= 0)
		return rc;
	shown.set = find_active(p->view, owner.set);
	if (!shown.set)
		return find_pushed(p, repo, wanted, e);
	if (view_load(p->view, shown.set, e) < 0)
		return -1;
	shown.entry = show_find_tag(&shown.set->set, &like);
	return shown.entry ? (show_reference(&shown, e) < 0 ? -1 : 1) : 0;
}

/* Search in the order of moatd; what it does not serve comes last. */
static int find_anywhere(struct page *p, const struct ref *wanted, struct err *e)
{
	bool tagged = wanted->digest.alg == DIGEST_NONE;
	char repo[REF_TEXT_SIZE];
	int rc;

	ref_name(wanted, repo);
	if (asks_store(p) && tagged)
		rc = find_served(p, repo, wanted, e);
	else
		rc = find_in_sets(p, wanted, true, e);
	if (rc == 0)
		rc = find_in_sets(p, wanted, false, e);
	if (rc == 0 && asks_store(p) && !tagged)
		rc = find_pushed(p, repo, wanted, e);
	return rc;
}

/* Does the word name the host? Without it, it may mean a file, too. */
static bool begins_with_host(const char *which, const struct ref *wanted)
{
	size_t len = strlen(wanted->host);

	return strncmp(which, wanted->host, len) == 0 && which[len] == '/';
}

/* What was pushed without a host: "team/app:1", which reads as docker.io's. */
static int find_bare(struct page *p, const char *which, struct err *e)
{
	AUTO(mem_free) char *name = mem_strdup(which);
	struct ref wanted;

	if (ref_parse(&wanted, span_of(which), e) < 0)
		return -1;
	name[strcspn(name, ":@")] = '\0';
	return (wanted.digest.alg == DIGEST_NONE ? find_served : find_pushed)(p, name, &wanted, e);
}

/* A repository whose tags are being shown. */
struct tags {
	struct page *page;
	const char *repo;
	bool begun;
};

static void begin_tags(struct tags *t)
{
	if (t->begun)
		return;
	t->begun = true;
	report_fact(t->page->report, "repository", t->repo);
	report_section(t->page->report, "tags", "tags", true);
}

static int show_tag(void *ctx, const struct view_tag *tag, struct err *e)
{
	const struct tag_owner *owner = &tag->owner;
	struct tags *t = ctx;
	struct report *r = t->page->report;
	char digest[DIGEST_TEXT_SIZE];
	bool owned = *owner->set;

	(void)e;
	begin_tags(t);
	report_object(r, NULL);
	report_text(r, "tag", tag->tag);
	report_digest(r, "digest", &owner->digest);
	report_text(r, "set", owner->set);
	report_text(r, "version", owner->version);
	report_line(r, "  %s  %s%s%s%s%s", digest_text(&owner->digest, digest), tag->tag,
		owned ? "  " : "", owner->set, owned ? ":" : "", owner->version);
	report_end(r);
	return 0;
}

/* A repository that has no tag `latest`: 1 its tags are shown, 0 there is none, -1. */
static int show_tags(struct page *p, const char *repo, struct err *e)
{
	struct tags t = { p, repo, false };
	struct view_tag_sink sink = { show_tag, &t };
	int rc = view_tags(p->view, repo, &sink, e);

	if (rc <= 0)
		return rc;
	begin_tags(&t);
	report_end(p->report);
	return 1;
}

/* Search in the order in which tags are searched. file: the word as the name of a file. */
static int find_repository(struct page *p, const char *which, const char *file,
	const struct ref *wanted, struct err *e)
{
	char repo[REF_TEXT_SIZE];
	int rc;

	if (*wanted->tag || wanted->digest.alg != DIGEST_NONE)
		return 0;
	rc = show_tags(p, ref_name(wanted, repo), e);
	if (rc == 0 && !begins_with_host(which, wanted))
		rc = show_tags(p, file, e);
	return rc || !p->view->store ? rc : show_tags(p, which, e);
}

struct host_search {
	const char *host;
	bool found;
};

static int compare_host(void *ctx, const char *name, struct err *e)
{
	struct host_search *search = ctx;

	(void)e;
	search->found = search->found || strcmp(name, search->host) == 0;
	return 0;
}

/* Hosts of moatd's map are not known here. */
static int not_there(struct page *p, const char *which, const struct ref *wanted, struct err *e)
{
	struct host_search search = { wanted->host, false };

	if (asks_store(p) && list_hosts(p->view->store, compare_host, &search, e) < 0)
		return -1;
	if (!asks_store(p) || search.found || !begins_with_host(which, wanted))
		return err_set(e, ERR_ABSENT, "%s: neither a set nor a reference of one", which);
	return err_set(e, ERR_ABSENT,
		"%s: neither a set nor a reference of one; no set here has anything of %s, and "
		"what moatd answers for it by map: is shown under the name it is stored as",
		which, wanted->host);
}

int show_meant(struct page *p, const char *which, struct err *e)
{
	AUTO(mem_free) char *file = mem_printf(SET_HOST "/%s", which);
	struct view_set *s = view_find(p->view, which);
	struct ref wanted;
	int rc;

	if (s)
		return show_set(p, s, e);
	if (ref_parse(&wanted, span_of(which), e) < 0)
		return -1;
	rc = find_anywhere(p, &wanted, e);
	if (rc == 0 && !begins_with_host(which, &wanted) &&
		ref_parse(&wanted, span_of(file), e) == 0)
		rc = find_anywhere(p, &wanted, e);
	if (rc == 0 && asks_store(p))
		rc = find_bare(p, which, e);
	if (rc == 0 && !p->sets_only && ref_parse(&wanted, span_of(which), e) == 0)
		rc = find_repository(p, which, file, &wanted, e);
	if (rc == 0)
		return not_there(p, which, &wanted, e);
	return rc < 0 ? -1 : 0;
}
