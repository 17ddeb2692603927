/* Read the options. Must never go on with a value that was not understood. */
#include "registry/ops/options.h"

#include "registry/ops/address.h"
#include "storage/base/banned.h"

static const struct setting table[] = {
#define OPTION SETTING_ROW
#include "registry/ops/options.tbl"
#undef OPTION
};

/* Options of the command line only. */
#define COMMAND_LINE(OPTION, S)                                                                    \
	OPTION(S, TEXTS, config, "config", "FILE", NULL, "")                                       \
	OPTION(S, FLAG, help, "help", NULL, NULL, "")                                              \
	OPTION(S, FLAG, help_config, "help-config", NULL, NULL, "")                                \
	OPTION(S, FLAG, version, "version", NULL, NULL, "")
struct command_line {
	COMMAND_LINE(SETTING_FIELD, command_line)
};
static const struct setting command_line[] = { COMMAND_LINE(SETTING_ROW, command_line) };

static struct settings settings_of(struct options *o)
{
	return (struct settings){ table, ARRAY_SIZE(table), o };
}

void options_release(struct options *o)
{
	struct settings s = settings_of(o);

	settings_release(&s);
}

void options_describe(struct buf *out)
{
	settings_describe(table, ARRAY_SIZE(table), out);
}

static int check_listen(const struct options *o, struct err *e)
{
	struct address a;

	for (size_t i = 0; i < o->listen.count; i++)
		if (address_parse(&a, o->listen.items[i], e) < 0)
			return -1;
	return 0;
}

static int check(const struct options *o, struct err *e)
{
	if (o->listen.count == 0)
		return err_set(e, ERR_INPUT, "listen: an address is needed");
	if (o->tls_client_ca && !o->tls_cert)
		return err_set(e, ERR_INPUT, "tls-client-ca: needs tls-cert");
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return err_set(e, ERR_INPUT, "tls-cert and tls-key are needed together");
	return check_listen(o, e);
}

/* A command line that is being read. */
struct reading {
	struct settings sets[2]; /* the keys, and options of the command line only */
	struct command_line line;
	struct texts arguments;
	int argc;
	const char *const *argv;
};

static void reading_release(struct reading *r)
{
	settings_release(&r->sets[1]);
	texts_release(&r->arguments);
}

static int read_line(struct reading *r, struct err *e)
{
	settings_release(&r->sets[1]);
	settings_init(&r->sets[1]);
	if (settings_read_line(r->sets, 2, r->argc, r->argv, &r->arguments, e) < 0)
		return -1;
	if (r->arguments.count)
		return err_set(
			e, ERR_INPUT, "%s: not an option; try moatd --help", r->arguments.items[0]);
	return 0;
}

/* Read flags for the names of the files, then the files, then flags again over them. */
static int read_all(struct reading *r, struct err *e)
{
	AUTO(texts_release) struct texts files = { .items = NULL };

	if (read_line(r, e) < 0)
		return -1;
	if (!r->line.config.count)
		return 0;
	files = r->line.config;
	r->line.config = (struct texts){ .items = NULL };
	settings_release(&r->sets[0]);
	settings_init(&r->sets[0]);
	for (size_t i = 0; i < files.count; i++)
		if (settings_read_file(&r->sets[0], files.items[i], e) < 0)
			return -1;
	return read_line(r, e);
}

static enum options_answer answer_of(const struct command_line *line)
{
	if (line->help)
		return OPTIONS_HELP;
	if (line->help_config)
		return OPTIONS_HELP_CONFIG;
	return line->version ? OPTIONS_VERSION : OPTIONS_RUN;
}

int options_read(
	struct options *o, int argc, char **argv, enum options_answer *answer, struct err *e)
{
	AUTO(reading_release) struct reading r = { .argc = argc - 1,
		.argv = (const char *const *)argv + 1 };

	r.sets[0] = settings_of(o);
	r.sets[1] = (struct settings){ command_line, ARRAY_SIZE(command_line), &r.line };
	settings_init(&r.sets[0]);
	settings_init(&r.sets[1]);
	if (read_all(&r, e) < 0)
		return -1;
	*answer = answer_of(&r.line);
	return check(o, e);
}
