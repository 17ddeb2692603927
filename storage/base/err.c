/*
 * Error values. Text that does not fit is cut at the right end, because the left end says what
 * was being done. Must never allocate and never print (BUG excepted).
 */
#include "storage/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "storage/base/banned.h"

int(err_set)(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -1;
}

enum err_code err_code_of(int number)
{
	switch (number) {
	case ENOENT:
		return ERR_ABSENT;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_FULL;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return ERR_LIMIT;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_RIGHTS;
	default:
		return ERR_IO;
	}
}

bool err_is_local(enum err_code code)
{
	return code == ERR_FULL || code == ERR_IO || code == ERR_RIGHTS || code == ERR_LIMIT;
}

bool err_is_loss(enum err_code code)
{
	return code == ERR_CORRUPT || code == ERR_IO;
}

/* Which limit it is, and where it is set. */
static void add_limit(struct err *e, int number)
{
	size_t used = strlen(e->text);
	struct rlimit files = { 0, 0 };

	if (number == EMFILE && getrlimit(RLIMIT_NOFILE, &files) == 0)
		snprintf(e->text + used, sizeof(e->text) - used,
			": this process may have %llu (ulimit -n, or LimitNOFILE= of its unit)",
			(unsigned long long)files.rlim_cur);
	else if (number == ENFILE)
		snprintf(e->text + used, sizeof(e->text) - used,
			": all of this machine (sysctl fs.file-max)");
}

int(err_sys)(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	size_t used;
	va_list ap;

	e->code = err_code_of(saved);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof(e->text) - used, ": %s", strerror(saved));
	add_limit(e, saved);
	return -1;
}

int(err_ctx)(struct err *e, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	size_t used;
	va_list ap;

	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof(e->text) - used, ": %s", old);
	return -1;
}

void err_clear(struct err *e)
{
	e->code = ERR_OK;
	e->text[0] = '\0';
}

_Noreturn void err_bug(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "BUG at %s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
