/* Read the text of a source. Pure; source/layout.c reads the layout itself. */
#include "mirror-tool/list/source_ref.h"

#include <stdlib.h>

#include "mirror-tool/list/place.h"

#include "storage/base/banned.h"

#define PLACE "docker://"

static const struct {
	enum source_kind kind;
	const char *prefix;
} kinds[] = {
	{ SOURCE_OCI, "oci:" },
	{ SOURCE_OCI_ARCHIVE, "oci-archive:" },
	{ SOURCE_ELSEWHERE, PLACE },
};

static enum source_kind take_kind(struct span *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i].prefix);

		if (text->len >= len && memcmp(text->data, kinds[i].prefix, len) == 0) {
			text->data += len;
			text->len -= len;
			return kinds[i].kind;
		}
	}
	return SOURCE_REGISTRY;
}

int source_ref_place(struct source_ref *s, const char *text, struct err *e)
{
	struct ref at;

	*s = (struct source_ref){ .kind = SOURCE_REGISTRY };
	if (place_parse(&at, text, e) < 0)
		return -1;
	*s = (struct source_ref){
		.kind = SOURCE_ELSEWHERE,
		.text = mem_printf(PLACE "%s", text),
		.path = mem_strdup(""),
		.name = mem_strdup(at.tag),
		.at = mem_alloc(sizeof(at)),
	};
	at.tag[0] = '\0';
	*s->at = at;
	return 0;
}

int source_ref_parse(struct source_ref *s, const char *text, struct err *e)
{
	struct span rest = span_of(text), path;
	enum source_kind kind = take_kind(&rest);

	*s = (struct source_ref){ .kind = SOURCE_REGISTRY };
	if (kind == SOURCE_REGISTRY)
		return err_set(e, ERR_INPUT,
			"\"%.200s\" is no source: oci:DIR[:NAME], oci-archive:FILE[:NAME] or "
			"docker://HOST/REPO[:TAG]",
			text);
	if (kind == SOURCE_ELSEWHERE)
		return source_ref_place(s, rest.data, e);
	if (rest.len > SOURCE_TEXT_MAX)
		return err_set(e, ERR_INPUT, "a source is longer than %d bytes", SOURCE_TEXT_MAX);
	path = span_until(&rest, ':');
	if (path.len == 0)
		return err_set(e, ERR_INPUT, "source \"%.200s\" names no %s", text,
			kind == SOURCE_OCI ? "folder" : "file");
	*s = (struct source_ref){
		.kind = kind,
		.text = mem_strdup(text),
		.path = mem_strndup(path.data, path.len),
		.name = mem_strndup(rest.data, rest.len),
	};
	return 0;
}

void source_ref_copy(struct source_ref *to, const struct source_ref *from)
{
	*to = (struct source_ref){
		.kind = from->kind,
		.text = mem_strdup(from->text),
		.path = mem_strdup(from->path),
		.name = mem_strdup(from->name),
	};
	if (!from->at)
		return;
	to->at = mem_alloc(sizeof(*to->at));
	*to->at = *from->at;
}

void source_ref_release(struct source_ref *s)
{
	free(s->text);
	free(s->path);
	free(s->name);
	free(s->at);
	*s = (struct source_ref){ .kind = SOURCE_REGISTRY };
}
