/*
 * Our own form of an index, byte by byte, in a copy in which the quote behind each string becomes its end. Must never
 * take what manifest.c would not, nor read it otherwise: no escapes, nothing beyond ASCII, keys in our order.
 */
#include "storage/oci/index_written.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/number.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

void index_written_release(struct index_written *w)
{
	int saved = errno;

	free(w->items);
	free(w->text);
	free(w->notes);
	*w = (struct index_written)INDEX_WRITTEN_INIT;
	errno = saved;
}

size_t index_written_memory(const struct index_written *w)
{
	return w->count * sizeof(*w->items) + w->note_count * sizeof(*w->notes) + w->text_len;
}

/* --- words ----------------------------------------------------------------------------------- */

static bool take(char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* The string that stands here, from behind its first quote to behind its last; NULL: it has another form. */
static char *take_string(char **at)
{
	char *text = *at;

	while (is_plain(**at))
		++*at;
	if (**at != '"')
		return NULL;
	*(*at)++ = '\0';
	return text;
}

/* A string behind `before`, where that is not left out. */
static bool take_word(char **at, const char *before, const char **out)
{
	if (!take(at, before))
		return true;
	*out = take_string(at);
	return *out != NULL;
}

static bool take_type(char **at, const char *before, const char **out)
{
	return take_word(at, before, out) && (!*out || media_type_is_safe(span_of(*out)));
}

static bool copy(char *out, size_t room, const char *text)
{
	return snprintf(out, room, "%s", text) < (int)room;
}

/* --- parts of a descriptor ------------------------------------------------------------------- */

/* Keys that differ in case alone are refused, so only one case is read here. */
static bool is_behind(const char *key, const char *last)
{
	for (const char *p = key; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return false;
	return !last || strcmp(last, key) < 0;
}

/* What is behind `"annotations":`. Where its items are follows when all are there. */
static bool take_annotations(struct index_written *w, char **at, struct annotations *out)
{
	const char *last = NULL;

	if (!take(at, "{"))
		return false;
	if (take(at, "}"))
		return true;
	do {
		struct annotation *note = VEC_PUSH(w->notes, w->note_count);

		if (!take(at, "\"") || !(note->key = take_string(at)) || !take(at, ":\"") ||
			!(note->value = take_string(at)))
			return false;
		if (!is_behind(note->key, last) || ++out->count > ANNOTATIONS_MAX)
			return false;
		last = note->key;
	} while (take(at, ","));
	return take(at, "}");
}

static bool take_platform(char **at, struct descriptor *d)
{
	const char *os = "", *arch = "", *version = "", *variant = "";
	struct platform *p = &d->platform;

	if (!take(at, ",\"platform\":{"))
		return true;
	/* The first key is always there: without it a comma would stand in front. */
	if (!take(at, "\"architecture\":\"") || !(arch = take_string(at)) ||
		!take_word(at, ",\"os\":\"", &os) ||
		!take_word(at, ",\"os.version\":\"", &version) ||
		!take_word(at, ",\"variant\":\"", &variant) || !take(at, "}"))
		return false;
	if (!copy(p->os, sizeof(p->os), os) || !copy(p->arch, sizeof(p->arch), arch) ||
		!copy(p->variant, sizeof(p->variant), variant) ||
		!copy(p->os_version, sizeof(p->os_version), version))
		return false;
	d->has_platform = *os || *arch;
	platform_normalise(p);
	return true;
}

static bool take_digest(char **at, struct digest *out)
{
	const char *text = take_string(at);
	struct err ignored;

	return text && digest_parse(out, span_of(text), &ignored) == 0;
}

static bool take_size(char **at, uint64_t *out)
{
	struct span digits = { *at, strspn(*at, "0123456789") };

	*at += digits.len;
	return number_is_plain(digits) && number_parse(digits, DESCRIBED_BYTES_MAX, out);
}

static bool take_descriptor(struct index_written *w, char **at)
{
	struct descriptor *d = VEC_PUSH(w->items, w->count);

	if (!take_type(at, "{\"mediaType\":\"", &d->media_type) || !d->media_type)
		return false;
	if (!take(at, ",\"digest\":\"") || !take_digest(at, &d->digest) ||
		!take(at, ",\"size\":") || !take_size(at, &d->size))
		return false;
	if (!take_platform(at, d) || !take_type(at, ",\"artifactType\":\"", &d->artifact_type))
		return false;
	if (take(at, ",\"annotations\":") && !take_annotations(w, at, &d->annotations))
		return false;
	return take(at, "}");
}

/* --- the whole ------------------------------------------------------------------------------- */

/* Line ends stand where our writers set them. */
static bool take_items(struct index_written *w, char **at, uint32_t max)
{
	if (!take(at, "\"manifests\":["))
		return false;
	take(at, "\n");
	if (take(at, "]"))
		return true;
	do {
		take(at, "\n");
		if (w->count == max || !take_descriptor(w, at))
			return false;
	} while (take(at, ","));
	take(at, "\n");
	return take(at, "]");
}

/* The array of all annotations has its place now. */
static void place_annotations(struct index_written *w)
{
	struct annotation *next = w->notes;

	if (!next)
		return;
	for (size_t i = 0; i < w->count; i++) {
		w->items[i].annotations.items = next;
		next += w->items[i].annotations.count;
	}
	w->annotations.items = next;
}

bool index_written_parse(struct index_written *w, struct span bytes, uint32_t max)
{
	static const char begin[] = "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",";
	char *at;

	if (bytes.len < strlen(begin) || memcmp(bytes.data, begin, strlen(begin)) != 0)
		return false;
	at = w->text = mem_strndup(bytes.data, bytes.len);
	w->text_len = bytes.len;
	at += strlen(begin);
	if (!take_type(&at, "\"artifactType\":\"", &w->artifact_type) ||
		(w->artifact_type && !take(&at, ",")) || !take_items(w, &at, max))
		return false;
	if (take(&at, ",\"annotations\":") && !take_annotations(w, &at, &w->annotations))
		return false;
	if (!take(&at, "}"))
		return false;
	take(&at, "\n");
	place_annotations(w);
	return at == w->text + bytes.len;
}
