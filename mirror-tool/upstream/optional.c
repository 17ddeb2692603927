/* Judge answers to optional questions. Must never take a failure for "there is none". */
#include "mirror-tool/upstream/optional.h"

#include "storage/base/tree.h"
#include "storage/base/banned.h"

static bool is_in(int status, const int list[])
{
	while (*list && *list != status)
		list++;
	return *list != 0;
}

/* Ignore the target of a redirect: it does not speak for the registry. */
bool answer_is_none(const struct exchange *x, int rc)
{
	static const int not_known[] = { 204, 400, 405, 406, 410, 414, 415, 422, 501, 0 };
	int status = x->answer.status;

	if (rc >= 0)
		return rc == 0;
	if (exchange_is_foreign(x))
		return false;
	if (status == 401)
		return x->answer.value[HTTP_AUTHENTICATE].len == 0;
	return is_in(status, not_known);
}

bool head_is_refused(const struct exchange *x, int rc)
{
	static const int refused[] = { 400, 403, 405, 406, 415, 422, 501, 0 };

	return x->head_only && rc < 0 && is_in(x->answer.status, refused);
}

static bool is_any(const struct node *root, const char *const keys[])
{
	for (; *keys; keys++)
		if (node_get(root, *keys))
			return true;
	return false;
}

static enum body_kind of_type(const char *type)
{
	if (strcmp(type, MEDIA_OCI_INDEX) == 0)
		return BODY_INDEX;
	return media_kind_of(type) == MEDIA_OTHER ? BODY_OTHER : BODY_MANIFEST;
}

/* Fail on what cannot be read: it may be the answer, damaged. */
static enum body_kind unreadable(const char *announced, struct span bytes)
{
	enum body_kind said = of_type(announced);
	size_t i = 0;

	while (i < bytes.len && memchr(" \t\r\n", bytes.data[i], 4))
		i++;
	return said == BODY_OTHER && i < bytes.len && bytes.data[i] == '{' ? BODY_INDEX : said;
}

enum body_kind body_kind(const char *announced, struct span bytes)
{
	static const char *const of_image[] = { "config", "layers", "fsLayers", NULL };
	AUTO(doc_release) struct doc d = DOC_INIT;
	const char *type = "";
	struct err ignored = ERR_INIT;

	if (json_values(bytes) > MANIFEST_VALUES_MAX ||
		json_parse(&d, "body", bytes, MANIFEST_MAX, &ignored) < 0)
		return unreadable(announced, bytes);
	if (node_string(&d, d.root, "mediaType", OPTIONAL, &type, &ignored) > 0 &&
		of_type(type) != BODY_OTHER)
		return of_type(type);
	if (node_get(d.root, "manifests"))
		return BODY_INDEX;
	return is_any(d.root, of_image) ? BODY_MANIFEST : BODY_OTHER;
}
