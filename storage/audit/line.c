/* One line of the audit log, written and read. Must never let text from outside end a value or a line. */
#include "storage/audit/audit_private.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/number.h"
#include "storage/base/banned.h"

#define LOGIN_FILE "/proc/self/loginuid"
#define LOGIN_NONE ((uid_t)-1)
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_SIZE 37 /* 32 digits, 4 hyphens, NUL */
#define SMALL_FILE_MAX 64
#define HOST_SIZE 256
#define TTY_SIZE 256

/* --- who -------------------------------------------------------------------------------------- */

static char *user_name(uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	return user ? mem_strdup(user->pw_name) : mem_printf("%u", (unsigned)uid);
}

/* The first line of a file of /proc; "" when it is not there. */
static char *first_line(const char *path)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct span rest;

	if (fs_read_file(AT_FDCWD, path, SMALL_FILE_MAX, &text, &e) <= 0)
		return mem_strdup("");
	rest = buf_span(&text);
	rest = span_until(&rest, '\n');
	return mem_strndup(rest.data, rest.len);
}

/* As the kernel writes it; systemd's %b has no hyphens. False: it is neither. */
static bool read_boot(const char *text, char out[BOOT_SIZE])
{
	char hex[33];
	size_t n = 0;

	for (; *text && n < sizeof(hex) - 1; text++) {
		if (*text == '-')
			continue;
		if (!strchr("0123456789abcdef", *text))
			return false;
		hex[n++] = *text;
	}
	hex[n] = '\0';
	if (n != sizeof(hex) - 1 || *text)
		return false;
	snprintf(out, BOOT_SIZE, "%.8s-%.4s-%.4s-%.4s-%s", hex, hex + 8, hex + 12, hex + 16,
		hex + 20);
	return true;
}

/* A unit that hides /proc/sys tells it by the environment. */
static char *boot_id(void)
{
	AUTO(mem_free) char *text = first_line(BOOT_FILE);
	const char *told = getenv("MOAT_BOOT_ID");
	char boot[BOOT_SIZE];

	return mem_strdup(read_boot(text, boot) || (told && read_boot(told, boot)) ? boot : "");
}

/* The name of a user whose number the system or sudo(8) wrote down; "" when it is none. */
static char *name_of(const char *text)
{
	uint64_t uid;

	if (!text || !number_parse(span_of(text), LOGIN_NONE, &uid) || uid == LOGIN_NONE)
		return mem_strdup("");
	return user_name((uid_t)uid);
}

static char *host_name(void)
{
	char name[HOST_SIZE] = "";

	if (gethostname(name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	return mem_strdup(name);
}

static char *tty_name(void)
{
	char name[TTY_SIZE];

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (ttyname_r(fd, name, sizeof(name)) == 0)
			return mem_strdup(name);
	return mem_strdup("");
}

void audit_who_find(struct audit_who *who)
{
	AUTO(mem_free) char *login = first_line(LOGIN_FILE);

	*who = (struct audit_who){ .uid = geteuid(),
		.user = user_name(geteuid()),
		.login = name_of(login), /* the kernel remembers it through su, sudo and runuser */
		.sudo = name_of(getenv("SUDO_UID")),
		.host = host_name(),
		.tty = tty_name(),
		.boot = boot_id() };
}

void audit_who_release(struct audit_who *who)
{
	free(who->user);
	free(who->login);
	free(who->sudo);
	free(who->host);
	free(who->tty);
	free(who->boot);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void add_text(struct log_line *l, const char *key, const char *text)
{
	AUTO(mem_free) char *cut = NULL;

	if (strlen(text) > AUDIT_TEXT_MAX)
		cut = mem_printf("%.*s...", AUDIT_TEXT_MAX, text);
	log_text(l, key, cut ? cut : text);
}

/* "" is left out: most of these say nothing on most machines. */
static void add_known(struct log_line *l, const char *key, const char *text)
{
	if (*text)
		add_text(l, key, text);
}

static void add_hash(struct log_line *l, const char *key, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];

	log_text(l, key, digest_hex(d, hex));
}

static void add_who(struct log_line *l, const struct audit_who *who)
{
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	add_known(l, "boot", who->boot);
	log_number(l, "up_ms", (uint64_t)up.tv_sec * 1000 + (uint64_t)up.tv_nsec / 1000000);
	log_number(l, "uid", who->uid);
	add_known(l, "user", who->user);
	add_known(l, "login", who->login);
	add_known(l, "sudo", who->sudo);
	add_known(l, "host", who->host);
	add_known(l, "tty", who->tty);
	log_number(l, "pid", (uint64_t)getpid());
}

static void add_facts(struct log_line *l, const struct log_field *facts)
{
	size_t count = 0;

	for (const struct log_field *f = facts; f && f->key; f++) {
		if (++count > AUDIT_FACTS_MAX)
			BUG("more than %d facts of a record", AUDIT_FACTS_MAX);
		if (f->text)
			add_text(l, f->key, f->text);
		else
			log_number(l, f->key, f->number);
	}
}

void audit_line_add(struct buf *out, const struct audit_who *who, const struct audit_record *r,
	const struct audit_rest *rest, struct audit_head *head)
{
	struct log_line line = { out, LOG_JSON, false }, *l = &line;
	size_t begin = out->len;

	log_begin(l, "audit");
	log_number(l, "seq", ++head->seq);
	log_text(l, "action", r->action);
	log_text(l, "result", r->result);
	add_facts(l, r->facts);
	add_who(l, who);
	if (rest && rest->bytes) {
		log_number(l, "rest_bytes", rest->bytes);
		add_hash(l, rest->is_torn ? "torn" : "bad", &rest->hash);
	}
	add_hash(l, "prev", &head->hash);
	log_end(l);
	digest_of(&head->hash, DIGEST_SHA256, (struct span){ out->data + begin, out->len - begin });
}

/* --- reading ---------------------------------------------------------------------------------- */

const char *audit_get(const struct audit_line *l, const char *key)
{
	const struct node *n = l->doc ? node_get(l->doc->root, key) : NULL;

	return n && n->kind != NODE_LIST && n->kind != NODE_MAP ? n->text : NULL;
}

static bool parse_record(struct audit_line *l)
{
	const char *seq = audit_get(l, "seq"), *prev = audit_get(l, "prev");
	struct err ignored = ERR_INIT;

	return seq && number_parse(span_of(seq), INT64_MAX, &l->seq) && l->seq > 0 && prev &&
	       digest_from_hex(&l->prev, DIGEST_SHA256, span_of(prev), &ignored) == 0;
}

static void hash_line(struct audit_line *l)
{
	AUTO(hasher_release) struct hasher h = HASHER_INIT;

	hasher_init(&h, DIGEST_SHA256);
	hasher_add(&h, l->text.data, l->text.len);
	hasher_add(&h, "\n", 1);
	hasher_end(&h, &l->hash);
}

void audit_line_parse(struct audit_line *l, struct doc *doc)
{
	struct err ignored = ERR_INIT;

	l->doc = NULL;
	l->is_record = false;
	*doc = (struct doc)DOC_INIT;
	if (!l->whole || json_parse(doc, l->file, l->text, AUDIT_LINE_MAX, &ignored) < 0 ||
		!doc->root || doc->root->kind != NODE_MAP)
		return;
	l->doc = doc;
	l->is_record = parse_record(l);
	if (l->is_record)
		hash_line(l);
}
