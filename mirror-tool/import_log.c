/* The record of imports. Must never let text from outside end a line or a value, nor append to a line that a full
 * disk cut short. */
#include "mirror-tool/import_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mirror-tool/tool.h"
#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/log.h"
#include "storage/base/number.h"
#include "storage/base/banned.h"

#define LOGIN_FILE "/proc/self/loginuid"
#define LOGIN_NONE ((uid_t)-1)

struct import_log {
	char *path;
	int fd;
	char *user, *login, *medium, *id;
	bool broken; /* the first line is not there, so there is no second one */
};

/* --- users ------------------------------------------------------------------------------------ */

static char *user_name(uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	return user ? mem_strdup(user->pw_name) : mem_printf("%u", (unsigned)uid);
}

/* The user that logged in, which the kernel remembers through su, sudo and runuser; "" when none did. */
static char *login_name(void)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	uint64_t uid;

	if (fs_read_file(AT_FDCWD, LOGIN_FILE, 32, &text, &e) <= 0 ||
		!number_parse(buf_span(&text), LOGIN_NONE, &uid) || uid == LOGIN_NONE)
		return mem_strdup("");
	return user_name((uid_t)uid);
}

static char *join_paths(const char *const *paths, size_t count)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "%s%s", i ? " " : "", paths[i]);
	return buf_detach(&text);
}

/* Make an id that both lines of an import share, and no other line has. */
static char *make_id(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return mem_printf("%llx%05x%x", (unsigned long long)now.tv_sec, (unsigned)now.tv_nsec >> 12,
		(unsigned)getpid());
}

/* --- the file --------------------------------------------------------------------------------- */

/* A pipe without a reader is an error at once; O_NONBLOCK keeps open(2) from waiting for one. */
int import_log_open(struct import_log **out, const char *store, const char *const *paths,
	size_t path_count, struct err *e)
{
	AUTO(mem_free) char *path = mem_printf("%s/" IMPORT_LOG, store);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);

	if (fd < 0)
		return err_sys(e, "%s, the record of imports", path);
	*out = mem_alloc(sizeof(**out));
	**out = (struct import_log){ .path = STEAL(path),
		.fd = fd,
		.user = user_name(geteuid()),
		.login = login_name(),
		.medium = join_paths(paths, path_count),
		.id = make_id() };
	return 0;
}

void import_log_close(struct import_log **l)
{
	if (!*l)
		return;
	fd_close(&(*l)->fd);
	free((*l)->path);
	free((*l)->user);
	free((*l)->login);
	free((*l)->medium);
	free((*l)->id);
	free(*l);
	*l = NULL;
}

/* Does the file end within a line? */
static bool is_torn(const struct import_log *l)
{
	AUTO(fd_close) int fd = -1;
	struct stat st;
	char last = '\n';

	if (fstat(l->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return false;
	fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

/* Sync the file and its folder. A pipe to a collector cannot be synced. */
static int make_durable(const struct import_log *l, struct err *e)
{
	AUTO(mem_free) char *folder = mem_strndup(l->path, strlen(l->path) - strlen(IMPORT_LOG));
	AUTO(fd_close) int dir = -1;

	if (fsync(l->fd) < 0)
		return errno == EINVAL ? 0 : err_sys(e, "%s", l->path);
	dir = fs_open_dir(folder, e);
	return dir < 0 ? -1 : fs_sync(dir, folder, e);
}

static int append(const struct import_log *l, const struct buf *line, struct err *e)
{
	AUTO(buf_release) struct buf whole = BUF_INIT;

	buf_printf(&whole, "%s%s", is_torn(l) ? "\n" : "", line->data);
	if (fault("import.log", e) < 0 ||
		fs_write_all(l->fd, whole.data, whole.len, l->path, e) < 0)
		return -1;
	return make_durable(l, e);
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Fingerprints of the trusted keys under which a signature holds, with a comma between. */
static void add_keys(struct log_line *l, const struct medium *m)
{
	AUTO(buf_release) struct buf keys = BUF_INIT;

	for (size_t i = 0; m->trusted && i < m->trust->count; i++) {
		char hex[DIGEST_HEX_SIZE];

		if (medium_is_signed_by(m, m->trust->keys[i]))
			buf_printf(&keys, "%s%s", keys.len ? "," : "",
				digest_hex(verify_key_id(m->trust->keys[i]), hex));
	}
	log_text(l, "keys", keys.data);
}

static void add_set(struct log_line *l, const struct medium *m)
{
	char digest[DIGEST_TEXT_SIZE] = "";

	if (m->claim.digest.alg != DIGEST_NONE)
		digest_text(&m->claim.digest, digest);
	log_text(l, "set", m->claim.name);
	log_text(l, "version", m->claim.version);
	log_text(l, "digest", digest);
	add_keys(l, m);
}

static int write_line(struct import_log *log, const struct medium *m, const char *result,
	const struct err *why, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct log_line line = { &text, LOG_JSON, false }, *l = &line;

	log_begin(l, "audit");
	log_text(l, "result", result);
	log_text(l, "user", log->user);
	log_text(l, "login", log->login);
	log_text(l, "action", "import");
	add_set(l, m);
	log_text(l, "medium", log->medium);
	log_number(l, "status", why ? (uint64_t)tool_exit_status(why->code) : 0);
	log_text(l, "why", why ? why->text : "");
	log_text(l, "id", log->id);
	log_end(l);
	return append(log, &text, e);
}

int import_log_begun(struct import_log *l, const struct medium *m, struct err *e)
{
	l->broken = write_line(l, m, "begun", NULL, e) < 0;
	return l->broken ? -1 : 0;
}

/* The result in the words of moatd: what was refused is "denied", what could not be done "failed". */
static const char *result_of(const struct medium *m, const struct err *why)
{
	struct err none;

	if (!why)
		return "allowed";
	switch (why->code) {
	case ERR_CORRUPT:
	case ERR_UNTRUSTED:
	case ERR_DENIED:
		return "denied";
	case ERR_INCOMPLETE: /* volumes are missing, or what it leaves out is not excused */
		return m->trusted && medium_check_excuses(m, &none) < 0 ? "denied" : "failed";
	default:
		return "failed";
	}
}

int import_log_end(
	struct import_log *l, const struct medium *m, const struct err *why, struct err *e)
{
	return l->broken ? 0 : write_line(l, m, result_of(m, why), why, e);
}
