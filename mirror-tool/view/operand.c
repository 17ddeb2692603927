/* A word of the command line -> a set, a store, a medium or a lock. Must never guess between two that fit. */
#include "mirror-tool/view/operand.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/media/medium.h"
#include "mirror-tool/media/volume.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

static const char *const names[] = {
	[OPERAND_SET] = "set",
	[OPERAND_STORE] = "store",
	[OPERAND_MEDIUM] = "medium",
	[OPERAND_LOCK] = "lock",
};

const char *operand_name(enum operand_kind kind)
{
	return names[kind];
}

void operand_release(struct operand *o)
{
	int saved = errno;

	view_release(&o->view);
	store_close(&o->store);
	lock_release(&o->lock);
	free(o->sets);
	*o = (struct operand)OPERAND_INIT;
	errno = saved;
}

static int add_set(struct operand *o, struct view_set *s, struct err *e)
{
	*VEC_PUSH(o->sets, o->count) = s;
	return view_load(&o->view, s, e);
}

/* --- a set of the store ---------------------------------------------------------------------- */

static int open_own(const struct tool *t, struct operand *o, struct err *e)
{
	return tool_store_read(t, &o->store, e) < 0 ? -1 : view_store(&o->view, o->store, e);
}

static int open_set(const struct tool *t, struct operand *o, struct err *e)
{
	struct view_set *s;

	if (open_own(t, o, e) < 0)
		return err_ctx(e, "set \"%s\"", o->what);
	s = view_find(&o->view, o->what);
	if (!s)
		return err_set(e, ERR_ABSENT, "the store %s has no set \"%s\"", t->store, o->what);
	if (strcmp(s->info.name, o->what) == 0)
		o->chosen = s->info.active ? "active" : "newest";
	return add_set(o, s, e) < 0 ? err_ctx(e, "set %s %s", s->info.name, s->info.version) : 0;
}

/* --- a store --------------------------------------------------------------------------------- */

static int by_activation(const void *a, const void *b)
{
	const struct set_info *x = &(*(struct view_set *const *)a)->info;
	const struct set_info *y = &(*(struct view_set *const *)b)->info;

	if (x->activated != y->activated)
		return x->activated < y->activated ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int open_store(const struct tool *t, struct operand *o, struct err *e)
{
	struct tool there = *t;

	there.store = o->what;
	if (open_own(&there, o, e) < 0)
		return -1;
	for (size_t i = 0; i < o->view.count; i++) {
		struct view_set *s = &o->view.sets[i];

		if (s->info.active && add_set(o, s, e) < 0)
			return err_ctx(e, "%s: set %s %s", o->what, s->info.name, s->info.version);
	}
	if (o->count == 0)
		return err_set(e, ERR_ABSENT,
			"%s: no set is active there; `--store %s` and a set's name compare one",
			o->what, o->what);
	qsort(o->sets, o->count, sizeof(*o->sets), by_activation);
	return 0;
}

/* --- a medium, a lock ------------------------------------------------------------------------ */

static int open_medium(const struct tool *t, struct operand *o, struct err *e)
{
	if (view_medium(&o->view, &o->what, 1, tool_store_beside(t), e) < 0)
		return -1;
	if (o->view.count != 1)
		return err_set(e, ERR_INPUT,
			"%s: volumes of %zu sets; name a folder or a volume of one", o->what,
			o->view.count);
	return add_set(o, &o->view.sets[0], e);
}

static int open_lock(const struct tool *t, struct operand *o, struct err *e)
{
	int rc = lock_read(&o->lock, o->what, e);

	(void)t;
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: no lock there", o->what);
	return rc < 0 ? -1 : 0;
}

/* --- which it is ----------------------------------------------------------------------------- */

/* Tell a lock, which is JSON, from a volume. */
static int kind_of_file(const char *path, enum operand_kind *kind, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	ssize_t got;
	char c = 0;

	if (medium_open(path, &fd, e) < 0)
		return -1;
	got = read(fd, &c, 1);
	if (got < 0)
		return err_sys(e, "read %s", path);
	*kind = got > 0 && c && strchr("{ \t\r\n", c) ? OPERAND_LOCK : OPERAND_MEDIUM;
	return 0;
}

/* What is at the path? 1, 0 nothing, -1. */
static int kind_of_path(const char *path, enum operand_kind *kind, struct err *e)
{
	AUTO(mem_free) char *layout = mem_printf("%s/oci-layout", path);
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return kind_of_file(path, kind, e) < 0 ? -1 : 1;
	*kind = access(layout, F_OK) == 0 ? OPERAND_STORE : OPERAND_MEDIUM;
	return 1;
}

/* Does the store have a set of that name as well? A store that cannot be looked into has none. */
static bool is_set_too(const struct tool *t, const char *word)
{
	AUTO(operand_release) struct operand o = OPERAND_INIT;
	struct err ignored = ERR_INIT;

	if (strchr(word, '/') || access(t->store, F_OK) < 0)
		return false;
	return store_open(&o.store, t->store, STORE_READ, &ignored) == 0 &&
	       view_store(&o.view, o.store, &ignored) == 0 && view_find(&o.view, word);
}

/* Take the kind from the prefix: false when the word has none. */
static bool is_forced(struct operand *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(o->word, names[i], len) != 0 || o->word[len] != ':')
			continue;
		o->kind = (enum operand_kind)i;
		o->what = o->word + len + 1;
		return true;
	}
	return false;
}

static int find_kind(const struct tool *t, struct operand *o, struct err *e)
{
	int rc;

	o->what = o->word;
	o->chosen = "";
	if (is_forced(o))
		return 0;
	rc = kind_of_path(o->word, &o->kind, e);
	if (rc == 0)
		o->kind = OPERAND_SET;
	if (rc > 0 && is_set_too(t, o->word))
		return err_set(e, ERR_INPUT,
			"\"%s\" is a %s here and a set of %s: write %s:%s or set:%s", o->word,
			names[o->kind], t->store, names[o->kind], o->word, o->word);
	return rc < 0 ? -1 : 0;
}

/* A set of the medium at `from`, or all of them without a word. */
static int open_from(
	const struct tool *t, const struct texts *from, struct operand *o, struct err *e)
{
	struct view_set *s;

	o->kind = OPERAND_MEDIUM;
	if (view_medium(&o->view, from->items, from->count, tool_store_beside(t), e) < 0)
		return -1;
	s = o->word ? view_find(&o->view, o->what) : NULL;
	if (!o->word)
		return 0;
	if (!s)
		return err_set(e, ERR_ABSENT, "the medium has no set \"%s\"", o->what);
	return add_set(o, s, e);
}

/* Only set: may stand beside --from, as the others say where to look, too. */
static int check_from(const struct tool *t, struct operand *o, struct err *e)
{
	o->what = o->word;
	if (t->store_given)
		return tool_usage(e, "--store and --from exclude each other");
	if (o->word && is_forced(o) && o->kind != OPERAND_SET)
		return tool_usage(e, "--from and %s: exclude each other", names[o->kind]);
	return 0;
}

int operand_open(const struct tool *t, const struct texts *from, const char *word,
	struct operand *o, struct err *e)
{
	static int (*const open[])(const struct tool *, struct operand *, struct err *) = {
		[OPERAND_SET] = open_set,
		[OPERAND_STORE] = open_store,
		[OPERAND_MEDIUM] = open_medium,
		[OPERAND_LOCK] = open_lock,
	};

	o->word = word;
	o->chosen = "";
	if (from && from->count)
		return check_from(t, o, e) < 0 ? TOOL_USAGE : open_from(t, from, o, e);
	if (!word) {
		o->kind = OPERAND_STORE;
		return open_own(t, o, e);
	}
	return find_kind(t, o, e) < 0 ? -1 : open[o->kind](t, o, e);
}

/* --- for verbs that take a set, or something else ---------------------------------------------- */

bool operand_is_named(const char *word)
{
	struct operand o = { .word = word };
	AUTO(medium_paths_release) struct medium_paths volumes = { NULL, 0 };
	struct err ignored = ERR_INIT;

	if (is_forced(&o))
		return true;
	if (kind_of_path(word, &o.kind, &ignored) <= 0)
		return false;
	return o.kind != OPERAND_MEDIUM || *word == '/' || *word == '.' ||
	       (medium_paths_find(&volumes, &word, 1, &ignored) == 0 &&
		       volume_is_file_name(volumes.items[0]));
}

void operand_narrow(struct operand *o)
{
	struct view meant = { .store = o->view.store };

	for (size_t i = 0; i < o->count; i++) {
		struct view_set *s = o->sets[i];

		*VEC_PUSH(meant.sets, meant.count) = *s;
		*s = (struct view_set){ .loaded = false };
	}
	for (size_t i = 0; i < o->count; i++)
		o->sets[i] = &meant.sets[i];
	meant.places = STEAL(o->view.places);
	meant.documents = STEAL(o->view.documents); /* which the places read */
	view_release(&o->view);
	o->view = meant;
}

int operand_need_set(const struct operand *o, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (o->kind == OPERAND_LOCK)
		return err_set(
			e, ERR_INPUT, "%s: a lock, which holds no bytes; name a set", o->what);
	if (o->count == 1)
		return 0;
	for (size_t i = 0; i < o->count; i++)
		buf_printf(&text, "%s%s:%s", i ? ", " : "", o->sets[i]->info.name,
			o->sets[i]->info.version);
	return err_set(e, ERR_INPUT,
		"%s: the sets %s are active there; `--store %s` and one of them is needed", o->what,
		text.data, o->what);
}

int operand_kind_of(const struct tool *t, const char *word, enum operand_kind *kind,
	const char **what, struct err *e)
{
	struct operand o = { .word = word };

	if (find_kind(t, &o, e) < 0)
		return -1;
	*kind = o.kind;
	*what = o.what;
	return 0;
}
