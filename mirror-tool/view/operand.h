/*
 * What a word of the command line means where a set, a store, a medium and a lock may all stand: `moat diff A B`, and the
 * first word of `show`, `why` and `extract`.
 *
 *	set:NAME, set:NAME:VERSION, set:DIGEST	a set of the command's store
 *	store:DIR				the active sets of a store
 *	medium:PATH				the set on a folder of volumes, or on one volume
 *	lock:FILE				a lock
 *
 * Without a prefix a path that exists is what is found there, any other word is a set. A word that is both is refused,
 * with the prefixes that tell them apart. Nothing is verified, as in view.h. Writes nothing.
 */
#ifndef MOAT_OPERAND_H
#define MOAT_OPERAND_H

#include "mirror-tool/list/lock.h"
#include "mirror-tool/tool.h"
#include "mirror-tool/view/view.h"

enum operand_kind { OPERAND_SET, OPERAND_STORE, OPERAND_MEDIUM, OPERAND_LOCK };

struct operand {
	enum operand_kind kind;
	const char *word; /* as given; borrowed */
	const char *what; /* behind the prefix; borrowed */
	const char
		*chosen; /* how a version was found for a name alone: "active", "newest"; else "" */
	struct store *store; /* owned; NULL: a medium or a lock */
	struct view view; /* empty for a lock */
	struct view_set **sets; /* that are meant, loaded, the last activated first; of the view */
	size_t count; /* of a set and of a medium 1, of a lock 0 */
	struct lock lock;
};
#define OPERAND_INIT                                                                               \
	{                                                                                          \
		.view = VIEW_INIT, .lock = LOCK_INIT                                               \
	}
void operand_release(struct operand *o); /* for AUTO */

/* Does a word that may be something else too name an operand: by a prefix, or as a path at which there is a store, a lock or a
 * volume? */
bool operand_is_named(const char *word);

/* Have only the sets that are meant in the view. */
void operand_narrow(struct operand *o);

/* "the sets apps 1, base 2; name one": for what needs a single set. ERR_INPUT unless the operand is one; a lock is none. */
MUST int operand_need_set(const struct operand *o, struct err *e);

/*
 * Find out what a word means, and read it. Begin with OPERAND_INIT.
 *
 * from:  paths of a medium, whose sets are named then instead of those of the store; NULL or empty: none.
 * word:  NULL: all that the store, or the medium, has, without a set that is meant.
 * Returns: 0; -1; TOOL_USAGE: `from` beside --store, or beside a prefix other than set:.
 * Fails: ERR_INPUT: it is several things, or a medium of several sets; ERR_ABSENT: it is nothing, or a store in which no
 *        set is active; else as view.h, lock.h and tool_store_read() do.
 */
MUST int operand_open(const struct tool *t, const struct texts *from, const char *word,
	struct operand *o, struct err *e);

/* Only what it is: its kind, and what stands behind the prefix, borrowed. As operand_open() finds it. */
MUST int operand_kind_of(const struct tool *t, const char *word, enum operand_kind *kind,
	const char **what, struct err *e);

/* "set", "store", "medium", "lock". */
const char *operand_name(enum operand_kind kind);

#endif
