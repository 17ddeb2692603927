/*
 * From a command line to a command and back to an exit status. Must not know any command: the
 * table comes from main.c.
 */
#include "mirror-tool/tool.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/nearest.h"
#include "storage/base/banned.h"

#define GLOBAL_OPTIONS(OPTION, S)                                                                  \
	OPTION(S, TEXT, store, "store", "DIR", NULL,                                               \
		"the store (default: $MOAT_STORE, else " STORE_DEFAULT ")")                        \
	OPTION(S, FLAG, json, "json", NULL, NULL, "results as JSON")                               \
	OPTION(S, FLAG, quiet, "quiet", NULL, NULL, "no progress, only results and errors")        \
	OPTION(S, FLAG, help, "help", NULL, NULL, "explain the command")
struct globals {
	GLOBAL_OPTIONS(SETTING_FIELD, globals)
};
static const struct setting global_options[] = { GLOBAL_OPTIONS(SETTING_ROW, globals) };

/* A command line, and the commands it may name. */
struct line {
	const struct command *const *commands;
	size_t count;
	int argc;
	const char *const *argv; /* without the program's name */
	FILE *out;
};

/* --- help ---------------------------------------------------------------------------------- */

static void print_options(FILE *out, const struct setting *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(mem_free)
		char *left = mem_printf("--%s%s%s", table[i].name, table[i].value ? " " : "",
			table[i].value ? table[i].value : "");

		fprintf(out, "  %-26s %s", left, table[i].help);
		if (table[i].initial)
			fprintf(out, " (default: %s)", table[i].initial);
		fputc('\n', out);
	}
}

static void print_summary(const struct line *l)
{
	fputs("moat mirrors container images and files across an air gap.\n\n"
	      "usage: moat [OPTIONS] COMMAND [ARGUMENTS]\n\ncommands:\n",
		l->out);
	for (size_t i = 0; i < l->count; i++)
		fprintf(l->out, "  %-15s %s\n", l->commands[i]->name, l->commands[i]->summary);
	fputs("  help [COMMAND] this text, or how to use a command\n"
	      "  version        the version of this program\n\noptions:\n",
		l->out);
	print_options(l->out, global_options, ARRAY_SIZE(global_options));
	fputs("\nexit status: 0 done, 1 failed, 2 wrong usage, 3 does not verify, 4 incomplete,\n"
	      "             5 network, 6 store busy or full, 7 refused by a server or by rights,\n"
	      "             8 a limit of this machine, 10 the answer is no\n",
		l->out);
}

static void print_command(FILE *out, const struct command *c)
{
	fprintf(out, "moat %s: %s\n\nusage: moat %s %s\n", c->name, c->summary, c->name, c->args);
	if (c->about)
		fprintf(out, "\n%s\n", c->about);
	fputs("\noptions:\n", out);
	print_options(out, c->options, c->option_count);
	print_options(out, global_options, ARRAY_SIZE(global_options));
}

/* Is `word` the first word of a command's name? */
static bool first_word(const struct command *c, const char *word)
{
	size_t len = strlen(word);

	return len && strncmp(c->name, word, len) == 0 && (c->name[len] == ' ' || !c->name[len]);
}

static int unknown_command(const struct line *l, const char *word, struct err *e)
{
	AUTO(mem_free) const char **names = mem_alloc(l->count * sizeof(*names));
	const char *best;

	for (size_t i = 0; i < l->count; i++)
		names[i] = l->commands[i]->name;
	best = nearest_name(word, names, l->count);
	if (best)
		return tool_usage(e, "unknown command \"%s\"; did you mean \"%s\"?", word, best);
	return tool_usage(e, "unknown command \"%s\"; `moat help` lists them", word);
}

/* Is it called by these two words? */
static bool has_words(const struct command *c, const char *first, const char *second)
{
	return second && first_word(c, first) && strchr(c->name, ' ') &&
	       strcmp(strchr(c->name, ' ') + 1, second) == 0;
}

/* Explain the command of two words, else all that begin with the first. */
static int help(const struct line *l, const char *word, const char *second, struct err *e)
{
	bool found = false;

	if (word && strcmp(word, "moatd") == 0) {
		fputs("moatd, a program of its own, serves the store: see `moatd --help`\n",
			l->out);
		return 0;
	}
	if (!word) {
		print_summary(l);
		return 0;
	}
	for (size_t i = 0; i < l->count; i++)
		if (has_words(l->commands[i], word, second)) {
			print_command(l->out, l->commands[i]);
			return 0;
		}
	for (size_t i = 0; i < l->count; i++) {
		if (!first_word(l->commands[i], word))
			continue;
		if (found)
			fputc('\n', l->out);
		print_command(l->out, l->commands[i]);
		found = true;
	}
	return found ? 0 : unknown_command(l, word, e);
}

/* --- finding the command --------------------------------------------------------------------- */

#define WORDS_MAX 3 /* "help", and the two that name a command */

/* The words of a line that are no global options, in front of the options of the command. */
static int leading_words(const struct line *l, const char *words[WORDS_MAX], struct err *e)
{
	int found = 0;

	for (int i = 0; i < l->argc && found < WORDS_MAX; i++) {
		const char *arg = l->argv[i];

		if (arg[0] != '-')
			words[found++] = arg;
		else if (strcmp(arg, "--store") == 0)
			i++;
		else if (found)
			break; /* an option of the command: what follows may be its value */
		else if (strncmp(arg, "--store=", 8) != 0 && strcmp(arg, "--json") != 0 &&
			 strcmp(arg, "--quiet") != 0)
			return tool_usage(e, "unknown option %s before the command", arg);
	}
	return found;
}

/* *used: how many words name it. NULL with e when there is none. */
static const struct command *find_command(
	const struct line *l, const char *words[WORDS_MAX], int found, size_t *used, struct err *e)
{
	const struct command *group = NULL;
	AUTO(mem_free) char *both = mem_printf("%s %s", words[0], found > 1 ? words[1] : "");

	for (size_t i = 0; i < l->count; i++) {
		*used = strchr(l->commands[i]->name, ' ') ? 2 : 1;
		if (strcmp(l->commands[i]->name, *used == 2 ? both : words[0]) == 0)
			return l->commands[i];
		if (*used == 2 && first_word(l->commands[i], words[0]))
			group = l->commands[i];
	}
	if (group && found < 2)
		tool_usage(
			e, "`moat %s` needs a second word; see `moat help %s`", words[0], words[0]);
	else
		unknown_command(l, group ? both : words[0], e);
	return NULL;
}

static bool asks_help(const struct line *l)
{
	for (int i = 0; i < l->argc && strcmp(l->argv[i], "--") != 0; i++)
		if (strcmp(l->argv[i], "--help") == 0 || strcmp(l->argv[i], "-h") == 0)
			return true;
	return false;
}

static int call(const struct line *l, const struct command *c, const struct globals *g,
	const void *options, const struct texts *args, struct err *e)
{
	const char *env = getenv("MOAT_STORE");
	struct tool t = {
		.verb = c->name, .store_given = g->store != NULL, .json = g->json, .quiet = g->quiet
	};

	t.store = g->store ? g->store : env && *env ? env : STORE_DEFAULT;
	t.out = l->out;
	return c->run(&t, options, args, e);
}

static int run_command(const struct line *l, const struct command *c, size_t words, struct err *e)
{
	struct globals g;
	AUTO(mem_free) void *options = mem_alloc(c->options_size);
	AUTO(texts_release) struct texts args = { .items = NULL };
	struct settings sets[2] = { { c->options, c->option_count, options },
		{ global_options, ARRAY_SIZE(global_options), &g } };
	int rc = TOOL_USAGE;

	settings_init(&sets[0]);
	settings_init(&sets[1]);
	if (settings_read_line(sets, 2, l->argc, l->argv, &args, e) == 0) {
		struct texts rest = { args.items + words, args.count - words, true };

		rc = call(l, c, &g, options, &rest, e);
	}
	settings_release(&sets[0]);
	settings_release(&sets[1]);
	return rc;
}

static int dispatch(const struct line *l, struct err *e)
{
	const char *words[WORDS_MAX] = { NULL };
	const struct command *c;
	size_t used = 0;
	int found;

	if (l->argc && strcmp(l->argv[0], "--version") == 0)
		words[0] = "version", found = 1;
	else if (asks_help(l) && strncmp(l->argv[0], "-", 1) == 0)
		return help(l, NULL, NULL, e);
	else
		found = leading_words(l, words, e);
	if (found < 0)
		return found;
	if (found == 0)
		return tool_usage(e, "no command; `moat help` lists them");
	if (strcmp(words[0], "version") == 0) {
		fprintf(l->out, "moat %s\n", MOAT_VERSION);
		return 0;
	}
	if (strcmp(words[0], "help") == 0)
		return help(l, words[1], words[2], e);
	if (asks_help(l))
		return help(l, words[0], words[1], e);
	c = find_command(l, words, found, &used, e);
	return c ? run_command(l, c, used, e) : TOOL_USAGE;
}

int tool_main(const struct command *const commands[], size_t count, int argc,
	const char *const *argv, FILE *out)
{
	struct line l = { commands, count, argc > 0 ? argc - 1 : 0, argv + 1, out };
	struct err e = ERR_INIT;
	int rc = dispatch(&l, &e);

	if (rc == 0 && (fflush(out) != 0 || ferror(out)))
		rc = err_sys(&e, "write results");
	if (rc == 0)
		return EXIT_OK;
	tool_say("%s", e.text);
	return rc == TOOL_USAGE ? EXIT_USAGE : tool_exit_status(e.code);
}
