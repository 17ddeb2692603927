/* Read secrets from files, the environment and the terminal. Must never print or log one. */
#include "mirror-tool/sign/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/banned.h"

void secret_release(struct buf *b)
{
	if (b->cap)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

/* Read one line, without its end. The buffer never moves, so that no copy of the secret is left
 * behind. */
static int read_line(int fd, const char *name, struct buf *out, struct err *e)
{
	buf_reserve(out, PASSPHRASE_MAX + 1);
	while (out->len <= PASSPHRASE_MAX) {
		ssize_t n = read(fd, out->data + out->len, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "%s", name);
		if (n == 0 || out->data[out->len] == '\n')
			break;
		out->len++;
	}
	if (out->len > PASSPHRASE_MAX)
		return err_set(
			e, ERR_INPUT, "%s: a line of more than %d bytes", name, PASSPHRASE_MAX);
	if (out->len && out->data[out->len - 1] == '\r')
		out->len--;
	out->data[out->len] = '\0';
	return 0;
}

static int check_line(const struct buf *line, const char *name, struct err *e)
{
	if (line->len == 0)
		return err_set(e, ERR_INPUT, "%s: the passphrase is empty", name);
	if (strlen(line->data) != line->len)
		return err_set(e, ERR_INPUT, "%s: the passphrase holds a zero byte", name);
	return 1;
}

/* Refuse a file that other users may read; a pipe is fine. */
static int check_mode(int fd, const char *path, mode_t forbidden, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "%s", path);
	if (S_ISREG(st.st_mode) && (st.st_mode & forbidden))
		return err_set(e, ERR_INPUT,
			"%s: other users may read or write it (mode %03o); chmod 600 it", path,
			(unsigned)st.st_mode & 0777);
	return 0;
}

static int from_file(const char *path, struct buf *out, struct err *e)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "%s", path);
	if (check_mode(fd, path, 0006, e) < 0 || read_line(fd, path, out, e) < 0)
		return -1;
	return check_line(out, path, e);
}

static int from_env(const char *name, struct buf *out, struct err *e)
{
	const char *value = getenv(name);

	if (!value)
		return err_set(e, ERR_INPUT, "$%s is not set", name);
	if (strlen(value) > PASSPHRASE_MAX)
		return err_set(e, ERR_INPUT, "$%s: more than %d bytes", name, PASSPHRASE_MAX);
	buf_str(out, value);
	return check_line(out, name, e);
}

static int ask(int tty, const char *prompt, struct buf *out, struct err *e)
{
	struct termios normal, silent;
	int rc;

	if (tcgetattr(tty, &normal) < 0)
		return err_sys(e, "terminal");
	silent = normal;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(tty, "%s: ", prompt);
	if (tcsetattr(tty, TCSAFLUSH, &silent) < 0)
		return err_sys(e, "terminal");
	rc = read_line(tty, "terminal", out, e);
	tcsetattr(tty, TCSAFLUSH, &normal);
	dprintf(tty, "\n");
	return rc < 0 ? -1 : check_line(out, "terminal", e);
}

static int from_terminal(const char *what, bool confirm, struct buf *out, struct err *e)
{
	AUTO(fd_close) int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO(mem_free) char *prompt = mem_printf("Passphrase for %s", what);
	AUTO(secret_release) struct buf again = BUF_INIT;

	if (tty < 0)
		return 0;
	if (ask(tty, prompt, out, e) < 0)
		return -1;
	if (!confirm)
		return 1;
	if (ask(tty, "The same again", &again, e) < 0)
		return -1;
	if (strcmp(again.data, out->data) != 0)
		return err_set(e, ERR_INPUT, "the two passphrases differ");
	return 1;
}

int passphrase_get(const struct passphrase_source *source, const char *what, bool confirm,
	struct buf *out, struct err *e)
{
	if (source->file && source->env)
		return err_set(e, ERR_INPUT, "--passphrase-file and --passphrase-env: one of them");
	if (source->file)
		return from_file(source->file, out, e);
	if (source->env)
		return from_env(source->env, out, e);
	return from_terminal(what, confirm, out, e);
}

static int read_key_bytes(const char *path, struct buf *pem, struct err *e)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "%s", path);
	if (check_mode(fd, path, 0077, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)KEY_FILE_MAX)
		return err_set(e, ERR_INPUT, "%s: not a key file", path);
	buf_reserve(pem, (size_t)st.st_size);
	if (fs_pread_all(fd, pem->data, (size_t)st.st_size, 0, path, e) < 0)
		return -1;
	pem->len = (size_t)st.st_size;
	pem->data[pem->len] = '\0';
	return 0;
}

int key_read_file(struct sign_key **k, const char *path, const struct passphrase_source *source,
	struct err *e)
{
	AUTO(secret_release) struct buf pem = BUF_INIT;
	AUTO(secret_release) struct buf passphrase = BUF_INIT;
	int rc = 0;

	if (read_key_bytes(path, &pem, e) < 0)
		return -1;
	if (sign_key_is_encrypted(buf_span(&pem)))
		rc = passphrase_get(source, path, false, &passphrase, e);
	if (rc < 0)
		return -1;
	return sign_key_read(k, path, buf_span(&pem), rc ? passphrase.data : NULL, e);
}
