/* What readers of a store see. */
#include "tests/unit/storage/view.h"

#include "tests/support/cm.h"
#include "tests/support/image.h"

struct digest one(struct store *s, const char *name, const char *version, const char *seed)
{
	struct image_want want = { .seed = seed, .layers = 1 };
	struct image_pin pin = { .repo = REPO, .tag = "1", .digest = image_make(s, NULL, &want) };

	return image_set(s, name, version, &pin, 1);
}

void print_problem(void *ctx, const char *invariant, const char *text)
{
	(void)ctx;
	print_message("%s: %s\n", invariant, text);
}

static int describe_set(void *ctx, const struct set_info *info, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	(void)e;
	buf_printf(ctx, "%s:%s %s bytes=%llu pins=%llu accepted=%lld active=%d generation=%llu\n",
		info->name, info->version, digest_text(&info->digest, text),
		(unsigned long long)info->bytes, (unsigned long long)info->pins,
		(long long)info->accepted, info->active, (unsigned long long)info->generation);
	return 0;
}

static int describe_name(void *ctx, const char *name, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s\n", name);
	return 0;
}

static void describe_tag(struct store *s, struct buf *out, const char *repo, const char *tag)
{
	struct manifest_info info;
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	int rc = manifest_by_tag(s, repo, tag, &info, &e);

	assert_ok(rc);
	buf_printf(out, "%s:%s %s\n", repo, tag, rc ? digest_text(&info.digest, text) : "-");
}

void describe(struct store *s, struct buf *out)
{
	struct err e = ERR_INIT;
	bool more;

	assert_ok(list_sets(s, describe_set, out, &e));
	assert_ok(list_hosts(s, describe_name, out, &e));
	assert_ok(page_repos(s, NULL, 100, describe_name, out, &more, &e));
	assert_ok(page_tags(s, REPO, NULL, 100, describe_name, out, &more, &e));
	assert_ok(page_tags(s, "moat.local/set/a", NULL, 100, describe_name, out, &more, &e));
	describe_tag(s, out, REPO, "1");
	describe_tag(s, out, REPO, "put");
	describe_tag(s, out, "moat.local/set/a", "1");
}
