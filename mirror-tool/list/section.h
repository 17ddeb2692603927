/*
 * Sections of a list, for the files of this folder only: one section_KEY.c for each key of moat.yaml that has
 * entries. It reads the key, says what makes two entries the same, and writes an entry as the text that decides
 * what is pinned for it. A new kind of entry is such a file, members of struct list, and a line in list.c.
 */
#ifndef MOAT_SECTION_H
#define MOAT_SECTION_H

#include "mirror-tool/list/list.h"

struct list_reader {
	struct list *list;
	const struct doc *doc;
	struct platforms platforms; /* the list's own, for entries that name none */
	struct exceptions exceptions; /* likewise */
};

/* An entry, as a text to compare. */
struct list_entry {
	char *text; /* heap */
	struct ref ref;
	uint32_t line;
};

struct section {
	const char *key;
	/* Read the key of the root into r->list; the sections before it in the table have been read. What was read
	 * when it fails is released by the caller. */
	int (*read)(struct list_reader *r, const struct node *root, struct err *e);
	void (*release)(struct list *l);
	/* The rest is NULL in a section that asks for nothing itself. */
	size_t (*count)(const struct list *l);
	/* What an entry is called: no two may be equal. */
	struct list_entry (*identity)(const struct list *l, size_t i);
	/* All that decides what is pinned for it: equal in two lists, it need not be resolved again. */
	struct list_entry (*content)(const struct list *l, size_t i);
	/* What entries must not be to each other and to other sections. file: for messages. May be NULL. */
	int (*check)(const struct list *l, const char *file, struct err *e);
};

extern const struct section section_registries, section_images, section_files, section_verify;

/* In the order in which they are read. */
extern const struct section *const list_sections[];
extern const size_t list_section_count;

/* Parse a reference. ERR_INPUT names the line of n. */
MUST int section_ref(
	struct ref *r, const struct doc *d, const struct node *n, const char *text, struct err *e);

/* Append a member to an entry's text, with its length, so that one entry cannot look like another. */
void entry_put(struct buf *out, const char *key, const char *value);
void entry_put_platform(struct buf *out, const struct platform *p);

/* section_verify.c: append the rules that apply to an image. */
void entry_put_rules(struct buf *out, const struct list *l, const struct ref *ref);

#endif
