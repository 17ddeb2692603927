/* How a command speaks, and the exit status of its errors. Must never let text from outside begin a line. */
#include "mirror-tool/tool.h"

#include <stdarg.h>
#include <stdio.h>

#include "storage/base/printable.h"
#include "storage/base/banned.h"

/* One line on stderr, whatever the text holds. */
PRINTF_LIKE(2, 0) static void say(const char *prefix, const char *fmt, va_list ap)
{
	AUTO(buf_release) struct buf text = BUF_INIT, line = BUF_INIT;

	buf_vprintf(&text, fmt, ap);
	printable_add(&line, buf_span(&text), PRINTABLE_LINE);
	fprintf(stderr, "moat: %s%s\n", prefix, line.data);
}

void tool_note(const struct tool *t, const char *fmt, ...)
{
	va_list ap;

	if (t->quiet)
		return;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void tool_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void tool_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

int(tool_usage)(struct err *e, const char *fmt, ...)
{
	va_list ap;

	e->code = ERR_INPUT;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return TOOL_USAGE;
}

int tool_exit_status(enum err_code code)
{
	switch (code) {
	case ERR_OK:
		return EXIT_OK;
	case ERR_CORRUPT:
	case ERR_UNTRUSTED:
		return EXIT_VERIFY;
	case ERR_INCOMPLETE:
		return EXIT_INCOMPLETE;
	case ERR_NET:
		return EXIT_NETWORK;
	case ERR_DENIED:
	case ERR_RIGHTS:
		return EXIT_REFUSED;
	case ERR_LIMIT:
		return EXIT_LIMIT;
	case ERR_DIFFERS:
		return EXIT_NO;
	case ERR_BUSY:
	case ERR_FULL:
		return EXIT_STORE;
	case ERR_ABSENT:
	case ERR_INPUT:
	case ERR_UNSUPPORTED:
	case ERR_IO:
		break;
	}
	return EXIT_FAILED;
}
