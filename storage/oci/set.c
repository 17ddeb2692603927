/*
 * Sets: an OCI index of ours, both ways. Everything that must be trusted is in these bytes, so the
 * reader is strict: canonical order, no repetition, one inventory. Pure.
 */
#include "storage/oci/set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/number.h"
#include "storage/base/tree.h"
#include "storage/base/vec.h"
#include "storage/oci/keys.h"
#include "storage/base/banned.h"

#define ROLE "vnd.moat.role"
#define REPOSITORY "vnd.moat.repository"
#define SET_KEY(word) "vnd.moat.set." word

static const char *const role_names[] = {
	[SET_PIN] = "pin",
	[SET_ATTACHED] = "attached",
	[SET_LOCK] = "lock",
	[SET_LIST] = "list",
	[SET_INVENTORY] = "inventory",
};

struct set_text {
	struct set_text *next;
	char text[];
};

const char *set_keep(struct set *s, const char *text)
{
	size_t size = strlen(text) + 1;
	struct set_text *t = mem_alloc(sizeof(*t) + size);

	memcpy(t->text, text, size);
	t->next = s->texts;
	s->texts = t;
	return t->text;
}

void set_release(struct set *s)
{
	int saved = errno;

	for (struct set_text *t = s->texts, *next; t; t = next) {
		next = t->next;
		free(t);
	}
	free(s->entries);
	*s = (struct set)SET_INIT;
	errno = saved;
}

struct set_entry *set_add(struct set *s)
{
	struct set_entry *entry;

	entry = VEC_PUSH(s->entries, s->count);
	*entry = (struct set_entry){ .name = "", .tag = "", .media_type = "", .artifact_type = "" };
	return entry;
}

const struct set_entry *set_role_entry(const struct set *s, enum set_role role)
{
	for (size_t i = s->count; i-- > 0;)
		if (s->entries[i].role == role)
			return &s->entries[i];
	return NULL;
}

/* A tagged name stands once, whatever its digest; what has no tag is told apart by digest. */
int set_entry_cmp(const struct set_entry *a, const struct set_entry *b)
{
	int c = (int)a->role - (int)b->role;

	if (c == 0)
		c = strcmp(a->name, b->name);
	if (c == 0)
		c = strcmp(a->tag, b->tag);
	if (c == 0 && !*a->tag)
		c = digest_cmp(&a->digest, &b->digest);
	return c;
}

static int by_entry(const void *a, const void *b)
{
	return set_entry_cmp(a, b);
}

int set_check_name(struct span name, struct err *e)
{
	bool good = name.len > 0 && name.len <= SET_NAME_MAX && ref_is_repo(name) &&
		    !memchr(name.data, '/', name.len);

	if (good)
		return 0;
	return err_set(e, ERR_INPUT,
		"set name \"%.*s\": 1 to %d of a-z, 0-9 and single . _ - between them are needed",
		(int)(name.len < 100 ? name.len : 100), name.data, SET_NAME_MAX);
}

void set_ref(const struct set *s, struct ref *out)
{
	*out = (struct ref){ .host = SET_HOST };
	snprintf(out->repo, sizeof(out->repo), "set/%s", s->name);
	snprintf(out->tag, sizeof(out->tag), "%s", s->version);
}

/* --- writing ------------------------------------------------------------------------------- */

static void write_entry(struct buf *out, const struct set_entry *entry)
{
	char name[REF_TEXT_SIZE], subject[DIGEST_TEXT_SIZE];
	struct annotation items[4];
	struct descriptor d = { .digest = entry->digest,
		.size = entry->size,
		.media_type = entry->media_type,
		.annotations = { items, 0 } };

	if (*entry->artifact_type)
		d.artifact_type = entry->artifact_type;
	items[d.annotations.count++] = (struct annotation){ ROLE, role_names[entry->role] };
	if (*entry->tag) {
		snprintf(name, sizeof(name), "%s:%s", entry->name, entry->tag);
		items[d.annotations.count++] = (struct annotation){ KEY_REF_NAME, name };
		items[d.annotations.count++] = (struct annotation){ KEY_CONTAINERD_NAME, name };
	} else {
		items[d.annotations.count++] = (struct annotation){ REPOSITORY, entry->name };
	}
	if (entry->subject.alg != DIGEST_NONE)
		items[d.annotations.count++] = (struct annotation){ KEY_CONTAINERD_SUBJECT,
			digest_text(&entry->subject, subject) };
	descriptor_write(out, &d);
}

static void write_annotations(struct buf *out, const struct set *s)
{
	char previous[DIGEST_TEXT_SIZE], bytes[24], excuses[24];
	struct annotation items[7];
	struct annotations a = { items, 0 };

	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)s->bytes);
	items[a.count++] = (struct annotation){ SET_KEY("name"), s->name };
	items[a.count++] = (struct annotation){ SET_KEY("version"), s->version };
	items[a.count++] = (struct annotation){ SET_KEY("bytes"), bytes };
	items[a.count++] = (struct annotation){ KEY_CREATED, s->created };
	snprintf(excuses, sizeof(excuses), "%llu", (unsigned long long)s->excuses);
	if (s->excuses) /* without one, the bytes are those of before there were excuses */
		items[a.count++] = (struct annotation){ SET_KEY("excuses"), excuses };
	if (*s->expires)
		items[a.count++] = (struct annotation){ SET_KEY("expires"), s->expires };
	if (s->previous.alg != DIGEST_NONE)
		items[a.count++] = (struct annotation){ SET_KEY("previous"),
			digest_text(&s->previous, previous) };
	annotations_write(out, &a);
}

void set_write(struct set *s, struct buf *out)
{
	if (s->count)
		qsort(s->entries, s->count, sizeof(*s->entries), by_entry);
	buf_str(out, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
		     "\",\"artifactType\":\"" MEDIA_MOAT_SET "\",\"manifests\":[");
	for (size_t i = 0; i < s->count; i++) {
		buf_str(out, i ? "," : "");
		write_entry(out, &s->entries[i]);
	}
	buf_str(out, "],\"annotations\":");
	write_annotations(out, s);
	buf_char(out, '}');
}

void artifact_write(struct buf *out, const char *artifact_type, const struct descriptor *layer)
{
	struct descriptor config = {
		.digest = digest_empty_json, .size = 2, .media_type = MEDIA_OCI_EMPTY
	};

	buf_str(out,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"artifactType\":");
	json_quote(out, artifact_type, false);
	buf_str(out, ",\"config\":");
	descriptor_write(out, &config);
	buf_str(out, ",\"layers\":[");
	descriptor_write(out, layer);
	buf_str(out, "]}");
}

/* --- reading ------------------------------------------------------------------------------- */

static int need(const struct annotations *a, const char *key, const char **out, struct err *e)
{
	*out = annotation_get(a, key);
	return *out ? 0 : err_set(e, ERR_INPUT, "the annotation %s is missing", key);
}

static int read_role(const struct annotations *a, enum set_role *out, struct err *e)
{
	const char *text;

	if (need(a, ROLE, &text, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(role_names); i++) {
		if (strcmp(role_names[i], text) == 0) {
			*out = (enum set_role)i;
			return 0;
		}
	}
	return err_set(e, ERR_INPUT, "the role \"%.40s\" is not known", text);
}

/* host/repository and tag of an entry. Names are stored as they were normalised at pin; another
 * spelling of the same name would be a second name, so it is refused. */
static int read_name(
	struct set *s, struct set_entry *entry, const struct annotations *a, struct err *e)
{
	const char *text = annotation_get(a, KEY_REF_NAME);
	char normal[REF_TEXT_SIZE];
	struct ref r;

	if (!text && need(a, REPOSITORY, &text, e) < 0)
		return -1;
	if (ref_parse(&r, span_of(text), e) < 0)
		return -1;
	if (strcmp(ref_text(&r, normal), text) != 0 || r.digest.alg != DIGEST_NONE)
		return err_set(
			e, ERR_INPUT, "the name \"%s\" is not in its full form (%s)", text, normal);
	if (!annotation_get(a, KEY_REF_NAME) == !!*r.tag)
		return err_set(e, ERR_INPUT, "the name \"%s\" %s a tag", text,
			*r.tag ? "must not have" : "needs");
	entry->name = set_keep(s, ref_name(&r, normal));
	entry->tag = *r.tag ? set_keep(s, r.tag) : "";
	return 0;
}

static int read_entry(struct set *s, const struct descriptor *d, struct err *e)
{
	struct set_entry *entry = set_add(s);
	const char *subject = annotation_get(&d->annotations, KEY_CONTAINERD_SUBJECT);

	if (read_role(&d->annotations, &entry->role, e) < 0 ||
		read_name(s, entry, &d->annotations, e) < 0)
		return -1;
	if (subject && digest_parse(&entry->subject, span_of(subject), e) < 0)
		return -1;
	if (entry->role == SET_ATTACHED && (!subject || *entry->tag))
		return err_set(e, ERR_INPUT, "an attachment needs a subject and no tag");
	if (media_kind_of(d->media_type) == MEDIA_OTHER)
		return err_set(e, ERR_INPUT, "%s is no manifest", d->media_type);
	entry->digest = d->digest;
	entry->size = d->size;
	entry->media_type = set_keep(s, d->media_type);
	entry->artifact_type = d->artifact_type ? set_keep(s, d->artifact_type) : "";
	if (s->count > 1 && set_entry_cmp(entry - 1, entry) >= 0)
		return err_set(e, ERR_INPUT, "%s%s%s is out of order or there twice", entry->name,
			*entry->tag ? ":" : "", entry->tag);
	return 0;
}

static int read_time(const char *text, char out[32], struct err *e)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	size_t i = 0;

	while (form[i] && text[i] &&
		(form[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i]))
		i++;
	if (form[i] || text[i])
		return err_set(
			e, ERR_INPUT, "\"%.40s\" is not a time like 2026-11-23T00:00:00Z", text);
	memcpy(out, text, sizeof(form));
	return 0;
}

static int read_number(const char *text, const char *what, uint64_t *out, struct err *e)
{
	if (!number_parse(span_of(text), UINT64_MAX, out))
		return err_set(e, ERR_INPUT, "\"%.40s\" is not a number of %s", text, what);
	return 0;
}

static int read_annotations(struct set *s, const struct annotations *a, struct err *e)
{
	const char *name, *version, *created, *bytes;
	const char *expires = annotation_get(a, SET_KEY("expires"));
	const char *previous = annotation_get(a, SET_KEY("previous"));
	const char *excuses = annotation_get(a, SET_KEY("excuses"));

	if (need(a, SET_KEY("name"), &name, e) < 0 ||
		need(a, SET_KEY("version"), &version, e) < 0 ||
		need(a, SET_KEY("bytes"), &bytes, e) < 0 || need(a, KEY_CREATED, &created, e) < 0)
		return -1;
	if (set_check_name(span_of(name), e) < 0 || ref_check_tag(span_of(version), e) < 0 ||
		read_number(bytes, "bytes", &s->bytes, e) < 0 ||
		read_time(created, s->created, e) < 0)
		return -1;
	if (strlen(version) > SET_VERSION_MAX)
		return err_set(
			e, ERR_INPUT, "the version is longer than %d bytes", SET_VERSION_MAX);
	memcpy(s->name, name, strlen(name) + 1);
	memcpy(s->version, version, strlen(version) + 1);
	if (excuses && read_number(excuses, "excuses", &s->excuses, e) < 0)
		return -1;
	if (expires && read_time(expires, s->expires, e) < 0)
		return -1;
	return previous ? digest_parse(&s->previous, span_of(previous), e) : 0;
}

static int check_own(const struct set *s, enum set_role role, bool required, struct err *e)
{
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++)
		count += s->entries[i].role == role;
	if (count > 1 || (count == 0 && required))
		return err_set(
			e, ERR_INPUT, "it has %zu entries for its %s", count, role_names[role]);
	return 0;
}

static int read_set(struct set *s, const struct manifest *m, struct err *e)
{
	if (m->kind != MEDIA_INDEX || !m->artifact_type ||
		strcmp(m->artifact_type, MEDIA_MOAT_SET) != 0)
		return err_set(e, ERR_INPUT, "it is not a moat set (artifactType %s)",
			m->artifact_type ? m->artifact_type : "missing");
	if (read_annotations(s, &m->annotations, e) < 0)
		return -1;
	for (size_t i = 0; i < m->count; i++)
		if (read_entry(s, &m->items[i], e) < 0)
			return err_ctx(e, "entry %zu", i + 1);
	if (check_own(s, SET_INVENTORY, true, e) < 0 || check_own(s, SET_LOCK, false, e) < 0)
		return -1;
	return check_own(s, SET_LIST, false, e);
}

int set_parse(struct set *s, const char *name, struct span bytes, struct err *e)
{
	static const struct manifest_limits limits = { SET_BYTES_MAX, SET_ENTRIES_MAX,
		SET_VALUES_MAX };
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;

	*s = (struct set)SET_INIT;
	if (manifest_parse_limited(&m, name, MEDIA_OCI_INDEX, bytes, &limits, e) < 0)
		return -1;
	if (read_set(s, &m, e) < 0) {
		set_release(s);
		return err_ctx(e, "set %s", name);
	}
	return 0;
}
