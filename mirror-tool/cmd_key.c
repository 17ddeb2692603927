/* `moat key new`: a pair of keys that seals sets. `moat key show`: key files -> fingerprints. Must never overwrite a key. */
#include <fcntl.h>
#include <unistd.h>

#include "mirror-tool/report.h"
#include "mirror-tool/sign/passphrase.h"
#include "mirror-tool/tool.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define KEY_NEW_OPTIONS(OPTION, S)                                                                 \
	OPTION(S, TEXT, out, "out", "FILE", "moat.key",                                            \
		"the private key; the public one goes beside it as .pub")                          \
	OPTION(S, TEXT, passphrase_file, "passphrase-file", "FILE", NULL,                          \
		"the passphrase is its first line")                                                \
	OPTION(S, TEXT, passphrase_env, "passphrase-env", "VAR", NULL,                             \
		"the environment variable that holds the passphrase")                              \
	OPTION(S, FLAG, no_passphrase, "no-passphrase", NULL, NULL, "leave the key unencrypted")
struct key_new_options {
	KEY_NEW_OPTIONS(SETTING_FIELD, key_new_options)
};
static const struct setting new_options[] = { KEY_NEW_OPTIONS(SETTING_ROW, key_new_options) };

#define KEY_SHOW_OPTIONS(OPTION, S)                                                                \
	OPTION(S, TEXT, passphrase_file, "passphrase-file", "FILE", NULL,                          \
		"the passphrase of an encrypted private key is its first line")                    \
	OPTION(S, TEXT, passphrase_env, "passphrase-env", "VAR", NULL,                             \
		"the environment variable that holds the passphrase")
struct key_show_options {
	KEY_SHOW_OPTIONS(SETTING_FIELD, key_show_options)
};
static const struct setting show_options[] = { KEY_SHOW_OPTIONS(SETTING_ROW, key_show_options) };

/* moat.key -> moat.pub, else FILE.pub. */
static char *public_name(const char *path)
{
	size_t len = strlen(path);

	if (len > 4 && strcmp(path + len - 4, ".key") == 0)
		len -= 4;
	return mem_printf("%.*s.pub", (int)len, path);
}

static int must_be_new(const char *path, struct err *e)
{
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_INPUT, "%s exists; a key is never overwritten", path);
	return 0;
}

/* 1 with a passphrase, 0 when the key shall have none. */
static int choose_passphrase(const struct key_new_options *o, struct buf *passphrase, struct err *e)
{
	struct passphrase_source source = { .file = o->passphrase_file, .env = o->passphrase_env };
	int rc;

	if (o->no_passphrase)
		return 0;
	rc = passphrase_get(&source, o->out, true, passphrase, e);
	if (rc == 0)
		return err_set(e, ERR_INPUT,
			"no terminal to ask for a passphrase: give --passphrase-file, "
			"--passphrase-env or --no-passphrase");
	return rc;
}

static int write_pair(const struct sign_key *k, const char *passphrase, const char *path,
	const char *public_path, struct err *e)
{
	AUTO(secret_release) struct buf pem = BUF_INIT;
	AUTO(buf_release) struct buf pub = BUF_INIT;

	if (sign_key_write(k, passphrase, &pem, e) < 0 || sign_key_write_public(k, &pub, e) < 0)
		return -1;
	if (fs_replace_file(AT_FDCWD, path, buf_span(&pem), 0600, e) < 0)
		return -1;
	return fs_replace_file(AT_FDCWD, public_path, buf_span(&pub), 0644, e);
}

/* A key to print: its files, its fingerprint, and of a public one what it may sign. */
struct shown {
	const char *key, *pub; /* key NULL: only the public half was looked at */
	const struct digest *id;
	const struct key_text *text; /* NULL: not said, as of a private key */
};

/* "*" when there is no limit; none of a private key, which does not say. */
static void report_sets(struct report *r, const struct key_text *text)
{
	report_array(r, "sets");
	if (text && !text->set_count)
		report_text(r, NULL, "*");
	for (size_t i = 0; text && i < text->set_count; i++)
		report_text(r, NULL, text->sets[i].text);
	report_end(r);
}

static int report_key(const struct tool *t, const struct shown *k, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);
	bool limited = k->text && k->text->set_count;
	char hex[DIGEST_HEX_SIZE];

	digest_hex(k->id, hex);
	report_object(&r, NULL);
	if (k->key)
		report_text(&r, "key", k->key);
	report_text(&r, "public", k->pub);
	report_text(&r, "fingerprint", hex);
	if (!k->key)
		report_sets(&r, k->text);
	report_line(&r, "%s  %s%s%s", hex, k->pub, limited ? "  sets: " : "",
		limited ? k->text->sets_text : "");
	report_end(&r);
	return report_print(&r, e);
}

static int key_new(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct key_new_options *o = given;
	AUTO(mem_free) char *pub = public_name(o->out);
	AUTO(secret_release) struct buf passphrase = BUF_INIT;
	AUTO(sign_key_free) struct sign_key *k = NULL;
	int rc;

	if (args->count)
		return tool_usage(e, "key new takes no arguments; the file is named by --out");
	if (o->no_passphrase && (o->passphrase_file || o->passphrase_env))
		return tool_usage(e, "--no-passphrase and a passphrase exclude each other");
	if (must_be_new(o->out, e) < 0 || must_be_new(pub, e) < 0)
		return -1;
	rc = choose_passphrase(o, &passphrase, e);
	if (rc < 0 || sign_key_new(&k, e) < 0)
		return -1;
	if (write_pair(k, rc ? passphrase.data : NULL, o->out, pub, e) < 0)
		return -1;
	tool_note(t, "%s made (%s); keep it, hand out %s", o->out,
		rc ? "encrypted" : "not encrypted", pub);
	return report_key(t, &(struct shown){ o->out, pub, sign_key_id(k), NULL }, e);
}

static int show_private(const struct tool *t, const char *path,
	const struct passphrase_source *source, struct err *e)
{
	AUTO(sign_key_free) struct sign_key *k = NULL;

	if (key_read_file(&k, path, source, e) < 0)
		return -1;
	return report_key(t, &(struct shown){ NULL, path, sign_key_id(k), NULL }, e);
}

static int show_public(const struct tool *t, const char *path, struct err *e)
{
	AUTO(trust_release) struct trust trust = TRUST_INIT;

	if (trust_load(&trust, &path, 1, e) < 0)
		return -1;
	for (size_t i = 0; i < trust.count; i++) {
		struct shown k = { NULL, path, verify_key_id(trust.keys[i]),
			verify_key_text(trust.keys[i]) };

		if (report_key(t, &k, e) < 0)
			return -1;
	}
	return 0;
}

static int show_file(const struct tool *t, const char *path, const struct passphrase_source *source,
	struct err *e)
{
	AUTO(secret_release) struct buf pem = BUF_INIT;
	int rc = fs_read_file(AT_FDCWD, path, KEY_FILE_MAX, &pem, e);

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_ABSENT, "%s: no such file", path);
	if (strstr(pem.data, "PRIVATE KEY-----"))
		return show_private(t, path, source, e);
	return show_public(t, path, e);
}

static int key_show(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct key_show_options *o = given;
	struct passphrase_source source = { .file = o->passphrase_file, .env = o->passphrase_env };

	if (args->count == 0)
		return tool_usage(e, "key show needs a key file");
	for (size_t i = 0; i < args->count; i++)
		if (show_file(t, args->items[i], &source, e) < 0)
			return -1;
	return 0;
}

const struct command cmd_key_new = {
	.name = "key new",
	.args = "[--out FILE] [--passphrase-file FILE | --passphrase-env VAR | --no-passphrase]",
	.summary = "make a key that seals sets",
	.about = "ECDSA P-256, PKCS#8. Without a passphrase option the terminal is asked.",
	.options = new_options,
	.option_count = ARRAY_SIZE(new_options),
	.options_size = sizeof(struct key_new_options),
	.run = key_new,
};

const struct command cmd_key_show = {
	.name = "key show",
	.args = "FILE...",
	.summary = "print the fingerprint of a key, and which sets it may sign",
	.about = "The fingerprint is the sha256 of the public key (SubjectPublicKeyInfo, DER).\n"
		 "Sets are those that a line \"sets:\" in front of the key's BEGIN names.",
	.options = show_options,
	.option_count = ARRAY_SIZE(show_options),
	.options_size = sizeof(struct key_show_options),
	.run = key_show,
};
