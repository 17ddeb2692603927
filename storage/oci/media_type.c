/* Media types: which are manifests, which may be missing, which are safe to repeat. Pure. */
#include "storage/oci/media_type.h"

#include "storage/base/banned.h"

static bool is_in(const char *type, const char *const list[])
{
	for (; *list; list++)
		if (strcmp(type, *list) == 0)
			return true;
	return false;
}

enum media_kind media_kind_of(const char *type)
{
	static const char *const images[] = { MEDIA_OCI_MANIFEST, MEDIA_DOCKER_MANIFEST,
		MEDIA_OCI_ARTIFACT, MEDIA_ORAS_ARTIFACT, NULL };
	static const char *const indexes[] = { MEDIA_OCI_INDEX, MEDIA_DOCKER_LIST, NULL };

	if (is_in(type, images))
		return MEDIA_IMAGE;
	return is_in(type, indexes) ? MEDIA_INDEX : MEDIA_OTHER;
}

bool media_is_artifact(const char *type)
{
	return strcmp(type, MEDIA_OCI_ARTIFACT) == 0 || strcmp(type, MEDIA_ORAS_ARTIFACT) == 0;
}

bool media_is_foreign(const char *type)
{
	static const char *const stems[] = {
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar"
	};

	for (size_t i = 0; i < ARRAY_SIZE(stems); i++) {
		const char *rest = type + strlen(stems[i]);

		if (strncmp(type, stems[i], strlen(stems[i])) == 0 &&
			(*rest == '\0' || *rest == '+' || *rest == '.'))
			return true;
	}
	return false;
}

bool media_type_is_safe(struct span type)
{
	for (size_t i = 0; i < type.len; i++)
		if ((unsigned char)type.data[i] < ' ' || type.data[i] == 0x7f)
			return false;
	return type.len > 0 && type.len <= MEDIA_TYPE_MAX;
}

/* RFC 6838: each half begins with a letter or digit and goes on with a few signs. */
static bool half_is_valid(struct span s)
{
	if (s.len == 0 || s.len > 127)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || !memchr("!#$&-^_.+", c, 9)))
			return false;
	}
	return true;
}

bool media_type_is_valid(struct span type)
{
	struct span sub = type;
	struct span top = span_until(&sub, '/');

	return top.len < type.len && half_is_valid(top) && half_is_valid(sub);
}
