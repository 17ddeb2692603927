/*
 * The load generator of the benchmarks: options, and which mode runs.
 *
 *   load get   --port P --conns N --seconds S [--head] [--close] PATH
 *   load storm --port P --conns NODES [--width 3] [--close] PLAN
 *   load first --port P -- COMMAND...
 *   load spent -- COMMAND...
 *
 * It talks to loopback only.
 */
#include "tests/bench/load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(const struct options *o);
} modes[] = {
	{ "get", mode_get },
	{ "storm", mode_storm },
	{ "first", mode_first },
	{ "spent", mode_spent },
};

static const struct option flags[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "conns", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 't' },
	{ "width", required_argument, NULL, 'w' },
	{ "head", no_argument, NULL, 'h' },
	{ "close", no_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static int parse(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "+", flags, NULL)) != -1) {
		switch (c) {
		case 'p':
			o->port = (uint16_t)number(optarg);
			break;
		case 'n':
			o->conns = number(optarg);
			break;
		case 't':
			o->seconds = number(optarg);
			break;
		case 'w':
			o->width = number(optarg);
			break;
		case 'h':
			o->head = true;
			break;
		case 'c':
			o->close = true;
			break;
		default:
			return -1;
		}
	}
	o->rest = argv + optind;
	return o->rest[0] && o->conns && o->width && o->seconds ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options o = { .conns = 1, .seconds = 3, .width = 3 };

	if (argc > 2 && parse(&o, argc - 1, argv + 1) == 0)
		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			if (strcmp(argv[1], modes[i].name) == 0)
				return modes[i].run(&o);
	fputs("usage: load get|storm|first|spent ..., see load.c\n", stderr);
	return 2;
}
