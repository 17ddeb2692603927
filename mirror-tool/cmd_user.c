/*
 * `moat user add` and `moat user remove`: the file of users that moatd reads. Must never print a
 * password or hash, and never write a file that moatd would refuse.
 */
#include <crypt.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/report.h"
#include "mirror-tool/sign/passphrase.h"
#include "mirror-tool/tool.h"
#include "storage/base/fs.h"
#include "storage/base/users_text.h"
#include "storage/base/banned.h"

#define BCRYPT_COST 10 /* 50 ms of a core */
#define BCRYPT_PASSWORD_MAX 72 /* bytes; bcrypt passes over what comes behind */

#define USER_ADD_OPTIONS(OPTION, S)                                                                \
	OPTION(S, TEXT, users, "users", "FILE", NULL,                                              \
		"the file of users, as moatd's users: names it")                                   \
	OPTION(S, TEXT, password_file, "password-file", "FILE", NULL,                              \
		"the password is its first line (default: the terminal is asked)")                 \
	OPTION(S, FLAG, replace, "replace", NULL, NULL, "change the password of a user who exists")
struct user_add_options {
	USER_ADD_OPTIONS(SETTING_FIELD, user_add_options)
};
static const struct setting add_options[] = { USER_ADD_OPTIONS(SETTING_ROW, user_add_options) };

#define USER_REMOVE_OPTIONS(OPTION, S)                                                             \
	OPTION(S, TEXT, users, "users", "FILE", NULL,                                              \
		"the file of users, as moatd's users: names it")
struct user_remove_options {
	USER_REMOVE_OPTIONS(SETTING_FIELD, user_remove_options)
};
static const struct setting remove_options[] = { USER_REMOVE_OPTIONS(
	SETTING_ROW, user_remove_options) };

/* --- the file ------------------------------------------------------------------------------------ */

struct users_file {
	const char *path;
	int lock; /* its folder: the file itself is replaced */
	bool there, has; /* has: a line of the user is in it */
	struct stat st;
	struct buf before, after; /* of that line, or of the end */
	size_t count; /* users */
};

static void users_file_release(struct users_file *f)
{
	fd_close(&f->lock);
	buf_release(&f->before);
	buf_release(&f->after);
}

static int lock_folder(struct users_file *f, struct err *e)
{
	const char *slash = strrchr(f->path, '/');
	AUTO(mem_free)
	char *folder =
		slash ? mem_strndup(f->path, slash == f->path ? 1 : (size_t)(slash - f->path))
		      : mem_strdup(".");

	f->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->lock < 0 || flock(f->lock, LOCK_EX) < 0)
		return err_sys(e, "%s", folder);
	return 0;
}

static int add_line(struct users_file *f, struct span line, const char *name, struct err *e)
{
	struct buf *out = f->has ? &f->after : &f->before;
	struct user_line user;
	int rc = user_line_parse(&user, line, e);

	if (rc < 0)
		return -1;
	f->count += rc > 0;
	if (rc > 0 && strcmp(user.name, name) == 0) {
		if (f->has)
			return err_set(e, ERR_INPUT, "user %s is there twice", name);
		f->has = true;
		return 0;
	}
	buf_add(out, line.data, line.len);
	buf_char(out, '\n');
	return 0;
}

static int read_users(struct users_file *f, const char *name, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct span rest;
	int rc;

	if (lock_folder(f, e) < 0)
		return -1;
	rc = fs_read_file(AT_FDCWD, f->path, USERS_BYTES_MAX, &text, e);
	if (rc < 0)
		return -1;
	f->there = rc > 0;
	if (f->there && stat(f->path, &f->st) < 0)
		return err_sys(e, "%s", f->path);
	rest = buf_span(&text);
	for (unsigned number = 1; rest.len; number++)
		if (add_line(f, span_until(&rest, '\n'), name, e) < 0)
			return err_ctx(e, "%s:%u", f->path, number);
	return 0;
}

/* Write the file with `line` in place of the old one. Mode and owner stay: moatd reads it as its group. */
static int write_users(struct users_file *f, const char *line, struct err *e)
{
	mode_t mode = f->there ? f->st.st_mode & 0777 : 0640;

	buf_str(&f->before, line);
	if (f->after.len)
		buf_add(&f->before, f->after.data, f->after.len);
	if (f->before.len > USERS_BYTES_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %u bytes", f->path, USERS_BYTES_MAX);
	if (fs_replace_file(AT_FDCWD, f->path, buf_span(&f->before), mode, e) < 0)
		return -1;
	if (f->there && chown(f->path, f->st.st_uid, f->st.st_gid) < 0)
		tool_warn("%s: owner and group are yours now (they were %u:%u): chown it, or moatd "
			  "may not read it",
			f->path, (unsigned)f->st.st_uid, (unsigned)f->st.st_gid);
	return 0;
}

/* --- the hash --------------------------------------------------------------------------------------- */

static int hash(const char *password, char out[USER_HASH_LEN + 1], struct err *e)
{
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data;
	const char *got;
	int rc = 0;

	if (strlen(password) > BCRYPT_PASSWORD_MAX)
		return err_set(e, ERR_INPUT,
			"the password is longer than the %d bytes that bcrypt uses",
			BCRYPT_PASSWORD_MAX);
	if (!crypt_gensalt_rn("$2y$", BCRYPT_COST, NULL, 0, salt, (int)sizeof(salt)))
		return err_sys(e, "bcrypt");
	data = mem_alloc(sizeof(*data));
	got = crypt_rn(password, salt, data, (int)sizeof(*data));
	if (!got || strlen(got) != USER_HASH_LEN)
		rc = err_set(e, ERR_IO, "this machine's libcrypt makes no bcrypt hash");
	else
		memcpy(out, got, USER_HASH_LEN + 1);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return rc;
}

static int make_line(const char *name, const char *password_file, char **line, struct err *e)
{
	struct passphrase_source source = { .file = password_file };
	AUTO(secret_release) struct buf password = BUF_INIT;
	char text[USER_HASH_LEN + 1];
	int rc = passphrase_get(&source, name, true, &password, e);

	if (rc == 0)
		return err_set(
			e, ERR_INPUT, "no terminal to ask for the password: --password-file FILE");
	if (rc < 0 || hash(password.data, text, e) < 0)
		return -1;
	*line = mem_printf("%s:%s\n", name, text);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------ */

static int report(const struct tool *t, const struct users_file *f, const char *name,
	const char *change, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);

	report_object(&r, NULL);
	report_text(&r, "users", f->path);
	report_text(&r, "user", name);
	report_text(&r, "change", change);
	report_line(&r, "%s: %s %s; moatd reads it on SIGHUP", f->path, name, change);
	report_end(&r);
	return report_print(&r, e);
}

static int check_arguments(const char *users, const struct texts *args, struct err *e)
{
	if (args->count != 1 || !users)
		return tool_usage(e, "one NAME and --users FILE are needed");
	return user_name_check(args->items[0], e) < 0 ? TOOL_USAGE : 0;
}

static int user_add(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct user_add_options *o = given;
	AUTO(users_file_release)
	struct users_file f = {
		.path = o->users, .lock = -1, .before = BUF_INIT, .after = BUF_INIT
	};
	AUTO(mem_free) char *line = NULL;
	int rc = check_arguments(o->users, args, e);

	if (rc < 0)
		return rc;
	if (make_line(args->items[0], o->password_file, &line, e) < 0 ||
		read_users(&f, args->items[0], e) < 0)
		return -1;
	if (f.has && !o->replace)
		return err_set(e, ERR_INPUT, "%s: user %s exists; --replace changes the password",
			o->users, args->items[0]);
	if (!f.has && f.count >= USERS_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %d users", o->users, USERS_MAX);
	if (write_users(&f, line, e) < 0)
		return -1;
	return report(t, &f, args->items[0], f.has ? "replaced" : "added", e);
}

static int user_remove(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct user_remove_options *o = given;
	AUTO(users_file_release)
	struct users_file f = {
		.path = o->users, .lock = -1, .before = BUF_INIT, .after = BUF_INIT
	};
	int rc = check_arguments(o->users, args, e);

	if (rc < 0)
		return rc;
	if (read_users(&f, args->items[0], e) < 0)
		return -1;
	if (!f.has)
		return err_set(e, ERR_ABSENT, "%s: there is no user %s", o->users, args->items[0]);
	if (write_users(&f, "", e) < 0)
		return -1;
	return report(t, &f, args->items[0], "removed", e);
}

const struct command cmd_user_add = {
	.name = "user add",
	.args = "NAME --users FILE [--password-file FILE] [--replace]",
	.summary = "add a user of moatd, or change a password",
	.about = "A line NAME:HASH with a bcrypt hash, as `htpasswd -B` writes it. The file is\n"
		 "made when it is not there, mode 0640.",
	.options = add_options,
	.option_count = ARRAY_SIZE(add_options),
	.options_size = sizeof(struct user_add_options),
	.run = user_add,
};

const struct command cmd_user_remove = {
	.name = "user remove",
	.args = "NAME --users FILE",
	.summary = "remove a user of moatd",
	.about = "Tokens that were issued stay valid until they expire; moatd reads the file on "
		 "SIGHUP.",
	.options = remove_options,
	.option_count = ARRAY_SIZE(remove_options),
	.options_size = sizeof(struct user_remove_options),
	.run = user_remove,
};
