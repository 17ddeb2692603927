/* Select references by name, tag and digest. */
#include "mirror-tool/list/choice.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void choice_release(struct choice *c)
{
	int saved = errno;

	free(c->items);
	*c = (struct choice){ NULL, 0 };
	errno = saved;
}

int choice_read(struct choice *c, const char *const texts[], size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct ref ref;

		if (ref_parse(&ref, span_of(texts[i]), e) < 0)
			return err_ctx(e, "%s", texts[i]);
		choice_add(c, &ref);
	}
	return 0;
}

void choice_add(struct choice *c, const struct ref *ref)
{
	*VEC_PUSH(c->items, c->count) = *ref;
}

static bool same_name(const struct ref *a, const struct ref *b)
{
	return strcmp(a->repo, b->repo) == 0 && strcmp(a->host, b->host) == 0;
}

bool ref_chooses(const struct ref *wanted, const struct ref *ref, const struct digest *digest)
{
	if (!same_name(wanted, ref))
		return false;
	if (wanted->tag[0] && strcmp(wanted->tag, ref->tag) != 0)
		return false;
	return !wanted->digest.alg || !digest->alg || digest_eq(&wanted->digest, digest);
}

bool choice_has(const struct choice *c, const struct ref *ref, const struct digest *digest)
{
	for (size_t i = 0; i < c->count; i++)
		if (ref_chooses(&c->items[i], ref, digest))
			return true;
	return c->count == 0;
}

bool choice_has_name(const struct choice *c, const struct ref *ref)
{
	for (size_t i = 0; i < c->count; i++)
		if (same_name(&c->items[i], ref))
			return true;
	return c->count == 0;
}
