/*
 * The load generator of the benchmarks: options, and which mode runs.
 *
 *   load get   --port P --conns N --seconds S [--head] [--close] PATH
 *   load storm --port P --conns NODES [--width 3] [--close] PLAN
 *   load push  --port P [--chunk MIB] REPOSITORY FILE DIGEST
 *   load plan  --port P PLAN
 *   load tags  --port P --conns N --count N [--from N] PATH MEDIA-TYPE FILE
 *   load list  --port P --count N [--from N] PATH
 *   load first --port P -- COMMAND...
 *   load spent -- COMMAND...
 *
 * All but first and spent take --tls and, to resume sessions by ticket, --resume; tags takes --close too.
 * It talks to loopback only.
 */
#include "tests/bench/load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct {
	const char *name;
	int (*run)(const struct options *o);
} modes[] = {
	{ "get", mode_get },
	{ "storm", mode_storm },
	{ "push", mode_push },
	{ "plan", mode_plan },
	{ "tags", mode_tags },
	{ "list", mode_list },
	{ "first", mode_first },
	{ "spent", mode_spent },
};

static const struct option flags[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "conns", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 't' },
	{ "width", required_argument, NULL, 'w' },
	{ "chunk", required_argument, NULL, 'k' },
	{ "from", required_argument, NULL, 'f' },
	{ "count", required_argument, NULL, 'm' },
	{ "tls", no_argument, NULL, 's' },
	{ "resume", no_argument, NULL, 'r' },
	{ "head", no_argument, NULL, 'h' },
	{ "close", no_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static void set(struct options *o, int flag, const char *value)
{
	if (flag == 'p')
		o->port = (uint16_t)number(value);
	if (flag == 'n')
		o->conns = number(value);
	if (flag == 't')
		o->seconds = number(value);
	if (flag == 'w')
		o->width = number(value);
	if (flag == 'k')
		o->chunk_mib = number(value);
	if (flag == 'f')
		o->from = number(value);
	if (flag == 'm')
		o->count = number(value);
	o->tls |= flag == 's';
	o->resume |= flag == 'r';
	o->head |= flag == 'h';
	o->close |= flag == 'c';
}

static int parse(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "+", flags, NULL)) != -1) {
		if (c == '?')
			return -1;
		set(o, c, optarg);
	}
	o->rest = argv + optind;
	return o->rest[0] && o->conns && o->width && o->seconds && o->count ? 0 : -1;
}

/* A thousand nodes need more files than the usual limit. */
static void more_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .conns = 1, .seconds = 3, .width = 3, .count = 1 };

	more_files();
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	if (argc > 2 && parse(&o, argc - 1, argv + 1) == 0)
		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			if (strcmp(argv[1], modes[i].name) == 0)
				return modes[i].run(&o);
	fputs("usage: load get|storm|push|plan|tags|list|first|spent ..., see load.c\n", stderr);
	return 2;
}
