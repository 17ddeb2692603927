/*
 * `moat receipt`: a store -> what it holds, signed, or short enough to be typed. Must never change the store but for the key
 * that signs, which is made once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mirror-tool/media/contents.h"
#include "mirror-tool/receipt/code.h"
#include "mirror-tool/receipt/receipt.h"
#include "mirror-tool/report.h"
#include "mirror-tool/sign/passphrase.h"
#include "mirror-tool/tool.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define RECEIPT_KEY "receipt.key" /* in the store */
#define RECEIPT_PUB "receipt.pub"

#define RECEIPT_OPTIONS(OPTION, S)                                                                 \
	OPTION(S, FLAG, sets_only, "sets-only", NULL, NULL,                                        \
		"say which sets are held, and nothing else of this store")                         \
	OPTION(S, FLAG, code, "code", NULL, NULL,                                                  \
		"at most 200 letters and digits, to be typed or scanned; not signed")              \
	OPTION(S, TEXT, to, "to", "FILE", NULL, "write the receipt there (default: stdout)")
struct receipt_options {
	RECEIPT_OPTIONS(SETTING_FIELD, receipt_options)
};
static const struct setting options[] = { RECEIPT_OPTIONS(SETTING_ROW, receipt_options) };

/* A set with what orders it. */
struct held {
	struct receipt_set set;
	int64_t accepted;
};

/* One run. */
struct receipting {
	struct tool *tool;
	const struct receipt_options *options;
	struct store *store;
	struct held *held; /* active ones first, then those accepted last */
	size_t count;
	struct inventory listed; /* blobs of all sets */
	struct receipt receipt;
	struct sign_key *key;
};

static void receipting_release(struct receipting *r)
{
	free(r->held);
	inventory_release(&r->listed);
	receipt_release(&r->receipt);
	sign_key_free(&r->key);
	store_close(&r->store);
}

/* --- what is held --------------------------------------------------------------------------------- */

static int add_set(void *ctx, const struct set_info *info, struct err *e)
{
	struct receipting *r = ctx;
	struct held *h = VEC_PUSH(r->held, r->count);

	if (r->count > RECEIPT_SETS_MAX)
		return err_set(e, ERR_INPUT, "the store holds more than %d sets", RECEIPT_SETS_MAX);
	memcpy(h->set.name, info->name, sizeof(h->set.name));
	memcpy(h->set.version, info->version, sizeof(h->set.version));
	h->set.digest = info->digest;
	h->set.active = info->active;
	h->set.generation = info->generation;
	h->accepted = info->accepted;
	return 0;
}

static int by_weight(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->set.active != y->set.active)
		return x->set.active ? -1 : 1;
	if (x->accepted != y->accepted)
		return x->accepted > y->accepted ? -1 : 1;
	return digest_cmp(&x->set.digest, &y->set.digest);
}

static int find_sets(struct receipting *r, struct err *e)
{
	if (list_sets(r->store, add_set, r, e) < 0)
		return -1;
	if (r->count == 0)
		return err_set(
			e, ERR_ABSENT, "the store holds no set: there is nothing to say yet");
	qsort(r->held, r->count, sizeof(*r->held), by_weight);
	return 0;
}

/* Look what lacks of a set. One whose head is lost itself is not named: all of it lacks. 1; 0. */
static int look_at_set(struct receipting *r, const struct held *h, struct err *e)
{
	AUTO(head_release) struct head head = HEAD_INIT;
	const struct inventory *v = &head.inventory;

	if (head_load(&head, r->store, &h->set.digest, e) < 0) {
		if (err_is_local(e->code))
			return -1;
		tool_warn("set %s %s is left out: %s", h->set.name, h->set.version, e->text);
		err_clear(e);
		return 0;
	}
	for (size_t i = 0; i < head.count; i++)
		inventory_add(&r->listed, &head.blobs[i].digest, head.blobs[i].bytes.len);
	for (size_t i = 0; i < v->count; i++) {
		uint64_t size;
		int rc = blob_stat(r->store, &v->lines[i].digest, &size, e);

		if (rc < 0)
			return -1;
		inventory_add(rc ? &r->listed : &r->receipt.lacking, &v->lines[i].digest,
			v->lines[i].size);
	}
	return 1;
}

static int look(struct receipting *r, struct err *e)
{
	struct store_totals totals;

	for (size_t i = 0; i < r->count; i++) {
		int rc = look_at_set(r, &r->held[i], e);

		if (rc < 0)
			return -1;
		if (rc)
			*receipt_add(&r->receipt) = r->held[i].set;
	}
	inventory_sort(&r->listed);
	inventory_sort(&r->receipt.lacking);
	if (r->receipt.lacking.count > RECEIPT_LACKING_MAX)
		return err_set(e, ERR_INCOMPLETE,
			"%zu blobs of its sets are lacking, a receipt names at most %d: `moat "
			"need` asks "
			"for them",
			r->receipt.lacking.count, RECEIPT_LACKING_MAX);
	if (store_totals(r->store, &totals, e) < 0)
		return -1;
	if (totals.blobs > r->listed.count)
		r->receipt.beside = totals.blobs - r->listed.count;
	return 0;
}

/* --- the key --------------------------------------------------------------------------------------- */

/* Refuse to make a key that the owner of the store could not read. */
static int check_owner(const struct receipting *r, struct err *e)
{
	struct stat st;

	if (stat(r->tool->store, &st) < 0)
		return err_sys(e, "%s", r->tool->store);
	if (st.st_uid == geteuid())
		return 0;
	return err_set(e, ERR_RIGHTS,
		"%s belongs to another user, who makes the key of its receipts by `moat receipt`",
		r->tool->store);
}

static int read_key(struct receipting *r, int dir, struct err *e)
{
	AUTO(secret_release) struct buf pem = BUF_INIT;
	int rc = fs_read_file(dir, RECEIPT_KEY, KEY_FILE_MAX, &pem, e);

	if (rc <= 0)
		return rc;
	return sign_key_read(&r->key, RECEIPT_KEY, buf_span(&pem), NULL, e) < 0 ? -1 : 1;
}

/* Make the key, or take the one of another process that was faster: 1 made, 0 taken, -1. */
static int make_key(struct receipting *r, int dir, struct err *e)
{
	AUTO(secret_release) struct buf pem = BUF_INIT;
	int rc;

	if (check_owner(r, e) < 0 || sign_key_new(&r->key, e) < 0 ||
		sign_key_write(r->key, NULL, &pem, e) < 0)
		return -1;
	rc = fs_create_file(dir, RECEIPT_KEY, buf_span(&pem), 0600, e);
	if (rc != 0)
		return rc;
	sign_key_free(&r->key);
	rc = read_key(r, dir, e);
	if (rc == 0)
		return err_set(e, ERR_BUSY, RECEIPT_KEY " came and went meanwhile");
	return rc < 0 ? -1 : 0;
}

/* Write the public half, which follows from the key, unless it is there. */
static int put_public(const struct receipting *r, int dir, struct err *e)
{
	AUTO(buf_release) struct buf pub = BUF_INIT;
	AUTO(buf_release) struct buf have = BUF_INIT;
	int rc;

	if (sign_key_write_public(r->key, &pub, e) < 0)
		return -1;
	rc = fs_read_file(dir, RECEIPT_PUB, KEY_FILE_MAX, &have, e);
	if (rc < 0)
		return -1;
	if (rc > 0 && have.len == pub.len && memcmp(have.data, pub.data, pub.len) == 0)
		return 0;
	if (rc > 0)
		tool_warn("%s/" RECEIPT_PUB " was not that of the key that signs: it is replaced, "
			  "and is to be brought outside again",
			r->tool->store);
	return fs_replace_file(dir, RECEIPT_PUB, buf_span(&pub), 0644, e);
}

static int load_key(struct receipting *r, struct err *e)
{
	AUTO(fd_close) int dir = fs_open_dir(r->tool->store, e);
	char hex[DIGEST_HEX_SIZE];
	int rc, made = 0;

	if (dir < 0)
		return -1;
	rc = read_key(r, dir, e);
	if (rc == 0)
		rc = made = make_key(r, dir, e);
	if (rc < 0 || put_public(r, dir, e) < 0)
		return -1;
	if (made > 0)
		tool_note(r->tool,
			"made the key of this store's receipts; bring %s/" RECEIPT_PUB
			" outside once, its fingerprint is %s",
			r->tool->store, digest_hex(sign_key_id(r->key), hex));
	return 0;
}

/* --- the receipt ----------------------------------------------------------------------------------- */

static int write_code(struct receipting *r, struct buf *out)
{
	struct code c = { .more = r->count > CODE_SETS_MAX };
	char text[CODE_TEXT_SIZE];

	for (size_t i = 0; i < r->count && i < CODE_SETS_MAX; i++)
		memcpy(c.sets[c.count++], r->held[i].set.digest.bytes, CODE_SHORT);
	if (c.more)
		tool_warn("a code has room for %d sets: the active ones and those accepted last "
			  "are in it, %zu are not",
			CODE_SETS_MAX, r->count - CODE_SETS_MAX);
	buf_printf(out, "%s\n", code_write(&c, text));
	return 0;
}

/* Say where and when, and what the audit log ends with. */
static int fill_in(struct receipting *r, struct err *e)
{
	char text[AUDIT_HEAD_SIZE];
	struct audit_head head;

	if (gethostname(r->receipt.host, RECEIPT_HOST_MAX) < 0)
		return err_sys(e, "the name of this host");
	if (audit_head(r->tool->store, &head, e) < 0)
		return -1;
	audit_head_text(&head, text);
	memcpy(r->receipt.audit_head, text, strlen(text) + 1);
	return 0;
}

static int write_signed(struct receipting *r, struct buf *out, struct err *e)
{
	clock_text(clock_now(), r->receipt.time);
	if (look(r, e) < 0 || load_key(r, e) < 0)
		return -1;
	if (r->options->sets_only)
		r->receipt.beside = 0;
	else if (fill_in(r, e) < 0)
		return -1;
	return receipt_write(&r->receipt, r->key, out, e);
}

static int report(const struct receipting *r, struct err *e)
{
	AUTO(report_release) struct report out = REPORT_INIT(r->tool);

	report_object(&out, NULL);
	report_number(&out, "sets", r->count);
	report_number(&out, "lacking", r->receipt.lacking.count);
	report_number(&out, "beside", r->receipt.beside);
	report_text(&out, "to", r->options->to);
	report_line(&out, "%s: %zu set%s, %zu blob%s lacking", r->options->to, r->count,
		r->count == 1 ? "" : "s", r->receipt.lacking.count,
		r->receipt.lacking.count == 1 ? "" : "s");
	report_end(&out);
	return report_print(&out, e);
}

static int print(struct receipting *r, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if ((r->options->code ? write_code(r, &text) : write_signed(r, &text, e)) < 0)
		return -1;
	if (!r->options->to) {
		fwrite(text.data, 1, text.len, r->tool->out);
		return 0;
	}
	if (fs_replace_file(AT_FDCWD, r->options->to, buf_span(&text), 0644, e) < 0)
		return -1;
	return report(r, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct receipt_options *o = given;
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	AUTO(receipting_release)
	struct receipting r = { .tool = t, .options = o, .receipt = RECEIPT_INIT };
	const struct log_field facts[] = { { "medium", o->to ? o->to : "-", 0 },
		{ NULL, NULL, 0 } };

	if (args->count)
		return tool_usage(e, "receipt takes no arguments");
	if (t->json && !o->to)
		return tool_usage(e, "--json needs --to: the receipt itself goes to stdout");
	if (tool_store_read(t, &r.store, e) < 0 ||
		tool_audit_open_reader(&log, t, "receipt", e) < 0)
		return -1;
	return tool_audit_end(&log, find_sets(&r, e) < 0 ? -1 : print(&r, e), facts, e);
}

const struct command cmd_receipt = {
	.name = "receipt",
	.args = "[--sets-only] [--code] [--to FILE]",
	.summary = "say what a store holds, so that only the rest is sent",
	.about = "Signed by a key that is made inside, at the first receipt; `moat export --for`\n"
		 "takes it outside, with DIR/receipt.pub as --receipt-key. It is text: read it\n"
		 "before it leaves. It names sets, what lacks of them, how many blobs were pushed\n"
		 "beside them, the host and the end of the audit log; with --sets-only the last\n"
		 "three are not said.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct receipt_options),
	.run = run,
};
