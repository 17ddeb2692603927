/* Command lines. A typo is an error with a suggestion, never a default. */
#include "storage/base/settings.h"

#include "storage/base/banned.h"

/* A command line on its way through this file. */
struct line {
	const struct settings *sets;
	size_t set_count;
	int argc;
	const char *const *argv;
	int at;
};

static const struct setting *find(
	const struct line *l, const char *name, size_t len, const struct settings **set)
{
	for (size_t i = 0; i < l->set_count; i++) {
		const struct setting *of = setting_find(&l->sets[i], name, len);

		*set = &l->sets[i];
		if (of)
			return of;
	}
	return NULL;
}

static int unknown_option(const struct line *l, const char *name, struct err *e)
{
	const char *best = NULL;

	for (size_t i = 0; i < l->set_count && !best; i++)
		best = setting_nearest(&l->sets[i], name);
	if (best)
		return err_set(e, ERR_INPUT, "unknown option --%s; did you mean --%s?", name, best);
	return err_set(e, ERR_INPUT, "unknown option --%s; --help lists them", name);
}

static bool is_option(const char *arg, const struct setting *of)
{
	size_t len = strlen(of->name);

	return strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, of->name, len) == 0 &&
	       (arg[2 + len] == '\0' || arg[2 + len] == '=');
}

static bool given_before(const struct line *l, const struct setting *of)
{
	for (int i = 0; i < l->at; i++)
		if (is_option(l->argv[i], of))
			return true;
	return false;
}

/* The word behind the option, if it can be its value. */
static const char *next_value(struct line *l)
{
	if (l->at + 1 >= l->argc || strncmp(l->argv[l->at + 1], "--", 2) == 0)
		return NULL;
	return l->argv[++l->at];
}

static int read_value(struct line *l, const struct settings *set, const struct setting *of,
	const char *value, struct err *e)
{
	bool first = !given_before(l, of);

	if (of->type == SETTING_FLAG && value)
		return err_set(e, ERR_INPUT, "--%s takes no value", of->name);
	if (!first && of->type != SETTING_FLAG && of->type != SETTING_TEXTS)
		return err_set(e, ERR_INPUT, "--%s is given twice", of->name);
	if (!value && of->type != SETTING_FLAG)
		value = next_value(l);
	if (!value && (of->type == SETTING_FLAG || of->type == SETTING_BOOL))
		value = "on";
	if (!value)
		return err_set(e, ERR_INPUT, "--%s needs a value%s%s", of->name,
			of->value ? ": " : "", of->value ? of->value : "");
	if (setting_read(set, of, value, first, e) < 0)
		return err_ctx(e, "--%s", of->name);
	return 0;
}

/* The option at l->at, which moves onto its value. */
static int read_option(struct line *l, struct err *e)
{
	const char *name = l->argv[l->at] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	AUTO(mem_free) char *word = mem_strndup(name, len);
	const struct settings *set = NULL;
	const struct setting *of = find(l, name, len, &set);

	if (!of)
		return unknown_option(l, word, e);
	return read_value(l, set, of, equals ? equals + 1 : NULL, e);
}

static int read_short(struct line *l, struct err *e)
{
	const char *arg = l->argv[l->at];
	const struct settings *set = NULL;
	const struct setting *help = find(l, "help", 4, &set);

	if (strcmp(arg, "-h") != 0 || !help)
		return err_set(e, ERR_INPUT, "unknown option %s (options are written --NAME)", arg);
	return setting_read(set, help, "on", true, e);
}

int settings_read_line(const struct settings sets[], size_t set_count, int argc,
	const char *const *argv, struct texts *args, struct err *e)
{
	struct line l = { sets, set_count, argc, argv, 0 };
	bool options_end = false;

	for (; l.at < argc; l.at++) {
		const char *arg = argv[l.at];

		if (options_end || arg[0] != '-' || arg[1] == '\0')
			texts_add(args, arg);
		else if (strcmp(arg, "--") == 0)
			options_end = true;
		else if ((arg[1] == '-' ? read_option(&l, e) : read_short(&l, e)) < 0)
			return -1;
	}
	return 0;
}
