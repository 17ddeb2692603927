/* What a word of the command line means. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/media/medium.h"
#include "mirror-tool/why/why.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define CHUNK (1u << 20) /* bytes */

void why_targets_release(struct why_targets *t)
{
	free(t->items);
	*t = (struct why_targets){ NULL, 0 };
}

/* Once each. */
static void add_target(struct why_targets *t, const struct digest *d)
{
	for (size_t i = 0; i < t->count; i++)
		if (digest_eq(&t->items[i], d))
			return;
	*VEC_PUSH(t->items, t->count) = *d;
}

/* --- a file ---------------------------------------------------------------------------------- */

static int hash_file(const char *path, struct hasher *a, struct hasher *b, struct err *e)
{
	AUTO(mem_free) char *chunk = mem_alloc(CHUNK);
	AUTO(fd_close) int fd = -1;
	ssize_t len;

	if (medium_open(path, &fd, e) < 0)
		return -1;
	hasher_init(a, DIGEST_SHA256);
	hasher_init(b, DIGEST_SHA512);
	while ((len = read(fd, chunk, CHUNK)) != 0) {
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return err_sys(e, "%s", path);
		hasher_add(a, chunk, (size_t)len);
		hasher_add(b, chunk, (size_t)len);
	}
	return 0;
}

static int add_file(const char *path, struct why_targets *out, struct err *e)
{
	AUTO(hasher_release) struct hasher a = HASHER_INIT;
	AUTO(hasher_release) struct hasher b = HASHER_INIT;
	struct digest d;

	if (hash_file(path, &a, &b, e) < 0)
		return -1;
	hasher_end(&a, &d);
	add_target(out, &d);
	hasher_end(&b, &d);
	add_target(out, &d);
	return 0;
}

static bool is_file(const char *which)
{
	struct stat st;

	return *which == '/' || *which == '.' || (stat(which, &st) == 0 && S_ISREG(st.st_mode));
}

/* --- a reference ----------------------------------------------------------------------------- */

static int add_pinned(
	struct view *view, const struct ref *wanted, struct why_targets *out, struct err *e)
{
	for (size_t i = 0; i < view->count; i++) {
		struct view_set *s = &view->sets[i];

		if (view_load(view, s, e) < 0)
			return -1;
		for (size_t j = 0; j < s->set.count; j++)
			if (view_is_meant(&s->set.entries[j], wanted))
				add_target(out, &s->set.entries[j].digest);
	}
	return 0;
}

static int add_pushed(struct view *view, const char *repo, const struct ref *wanted,
	struct why_targets *out, struct err *e)
{
	const char *tag = *wanted->tag ? wanted->tag : "latest";
	struct manifest_info info;
	int rc = !view->store ? 0
		 : wanted->digest.alg == DIGEST_NONE
			 ? manifest_by_tag(view->store, repo, tag, &info, e)
			 : manifest_by_digest(view->store, repo, &wanted->digest, &info, e);

	if (rc > 0)
		add_target(out, &info.digest);
	return rc < 0 ? -1 : 0;
}

static int add_named(struct view *view, const char *which, struct why_targets *out, struct err *e)
{
	char repo[REF_TEXT_SIZE];
	struct ref wanted;

	if (ref_parse(&wanted, span_of(which), e) < 0)
		return -1;
	if (add_pinned(view, &wanted, out, e) < 0)
		return -1;
	return add_pushed(view, ref_name(&wanted, repo), &wanted, out, e);
}

/* As the list has it, as a file of ours, or as it was pushed without a host; the first that is here. */
static int add_reference(
	struct view *view, const char *which, struct why_targets *out, struct err *e)
{
	AUTO(mem_free) char *file = mem_printf(SET_HOST "/%s", which);
	AUTO(mem_free) char *bare = mem_strndup(which, strcspn(which, ":@"));
	struct err ignored = ERR_INIT;
	struct ref wanted;

	if (add_named(view, which, out, e) < 0)
		return -1;
	if (!out->count && ref_parse(&wanted, span_of(file), &ignored) == 0 &&
		add_named(view, file, out, e) < 0)
		return -1;
	if (out->count || ref_parse(&wanted, span_of(which), e) < 0)
		return out->count ? 0 : -1;
	return add_pushed(view, bare, &wanted, out, e);
}

/* A digest that is cut, as tables have it, must not be looked for as an image called "sha256". */
static bool begins_as_digest(const char *which)
{
	return strncmp(which, "sha256:", 7) == 0 || strncmp(which, "sha512:", 7) == 0;
}

int why_meant(struct view *view, const char *which, struct why_targets *out, struct err *e)
{
	struct digest d;

	if (begins_as_digest(which)) {
		if (digest_parse(&d, span_of(which), e) < 0)
			return err_ctx(
				e, "all of a digest is needed, as --json and `moat show` have it");
		add_target(out, &d);
		return 0;
	}
	return is_file(which) ? add_file(which, out, e) : add_reference(view, which, out, e);
}
