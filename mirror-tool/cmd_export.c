/* `moat export`: a set of the store -> a medium, or a stream. Must never change the store. */
#include <fcntl.h>
#include <unistd.h>

#include "mirror-tool/base_report.h"
#include "mirror-tool/media/export.h"
#include "mirror-tool/progress.h"
#include "mirror-tool/receipt/leave.h"
#include "mirror-tool/receipt/need.h"
#include "mirror-tool/report.h"
#include "mirror-tool/sign/sign.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define EXPORT_OPTIONS(OPTION, S)                                                                  \
	OPTION(S, TEXT, to, "to", "DIR", NULL, "the folder on the medium, or - for stdout")        \
	OPTION(S, SIZE, volume_size, "volume-size", "SIZE", NULL,                                  \
		"no file is larger than this (default: 4 GiB - 1 on FAT and unknown file "         \
		"systems)")                                                                        \
	OPTION(S, TEXT, key, "key", "PUB", NULL,                                                   \
		"the public key for moat.pub (default: the one that signed, if the set names it)") \
	OPTION(S, TEXTS, since, "since", "SET", NULL,                                              \
		"leave out what this set of the store holds, as NAME:VERSION; repeatable")         \
	OPTION(S, FLAG, whole_documents, "whole-documents", NULL, NULL,                            \
		"of a delta: index, inventory, lock and list need nothing of the base")            \
	OPTION(S, TEXT, need, "need", "FILE", NULL,                                                \
		"write only what this need list of `moat need` names")                             \
	OPTION(S, TEXT, receipt, "for", "RECEIPT", NULL,                                           \
		"leave out what this receipt, a file or a code, says is held")                     \
	OPTION(S, TEXTS, receipt_keys, "receipt-key", "PUB", NULL,                                 \
		"the public key of the store that the receipt is of; repeatable")
struct export_options {
	EXPORT_OPTIONS(SETTING_FIELD, export_options)
};
static const struct setting options[] = { EXPORT_OPTIONS(SETTING_ROW, export_options) };

/* What is exported, and how. */
struct export_work {
	struct set_info set;
	struct delta delta;
	struct buf key; /* PEM, for moat.pub */
};

static void export_work_release(struct export_work *w)
{
	delta_release(&w->delta);
	buf_release(&w->key);
}

/* One run. */
struct exporting {
	const struct tool *t;
	struct export_report r; /* its head is gone when the export is over */
	uint64_t excuses;
	struct base on;
	struct buf base; /* for people */
	char name[SET_NAME_MAX + 1], version[SET_VERSION_MAX + 1], digest[DIGEST_TEXT_SIZE];
	struct progress bar;
	struct progress_state state;
};

static void exporting_release(struct exporting *p)
{
	progress_end(&p->bar);
	buf_release(&p->base);
}

static void begin(void *ctx, const struct export_report *r)
{
	struct exporting *p = ctx;
	char size[SIZE_TEXT_SIZE];

	p->r = *r;
	p->excuses = r->head->set.excuses;
	memcpy(p->name, r->head->set.name, sizeof(p->name));
	memcpy(p->version, r->head->set.version, sizeof(p->version));
	digest_text(&r->head->digest, p->digest);
	p->state = (struct progress_state){ .total = r->volumes, .bytes_total = r->bytes };
	p->on = *r->base;
	base_say(&p->on, &p->base);
	tool_note(p->t, "set %s %s%s%s: %s in %u volume%s", p->name, p->version,
		p->base.len ? ", " : "", p->base.data, size_text(r->bytes, size), r->volumes,
		r->volumes == 1 ? "" : "s");
	if (r->left_out)
		tool_note(p->t, "left out: %llu blobs (%s)", (unsigned long long)r->left_out,
			size_text(r->left_out_bytes, size));
}

static void volume(void *ctx, const char *name, uint32_t n, uint32_t volumes, bool kept)
{
	struct exporting *p = ctx;

	p->state.done++;
	progress_end(&p->bar);
	tool_note(p->t, "volume %u of %u: %s%s", n, volumes, name, kept ? " (already there)" : "");
}

/* With --quiet as well: it cannot be undone. */
static void lose(void *ctx, const char *name, const char *why)
{
	struct exporting *p = ctx;
	AUTO(mem_free) char *text = mem_printf("%s %s", name, why);

	progress_warn(&p->bar, text);
}

static void moved(void *ctx, uint64_t bytes)
{
	struct exporting *p = ctx;

	p->state.bytes += bytes;
	progress_show(&p->bar, &p->state);
}

static int read_key(const char *path, struct buf *out, struct err *e)
{
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	int rc = fs_read_file(AT_FDCWD, path, KEY_FILE_MAX, out, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: no such file", path);
	return rc < 0 ? -1 : trust_add(&trust, path, buf_span(out), e);
}

static int report(const struct exporting *p, const char *to, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(p->t);

	report_object(&r, NULL);
	report_text(&r, "set", p->name);
	report_text(&r, "version", p->version);
	report_text(&r, "digest", p->digest);
	report_number(&r, "volumes", p->r.volumes);
	report_number(&r, "bytes", p->r.bytes);
	report_number(&r, "excuses", p->excuses);
	base_report(&r, (const struct base *[]){ &p->on }, 1,
		&(struct left_out){ p->r.left_out, p->r.left_out_bytes });
	report_text(&r, "to", to);
	report_line(&r, "%s %s %s: %u volume%s in %s%s%s%s", p->name, p->version, p->digest,
		p->r.volumes, p->r.volumes == 1 ? "" : "s", to, p->base.len ? ", " : "",
		p->base.data, excuses_text(p->excuses, (char[EXCUSES_TEXT_SIZE]){ 0 }));
	report_end(&r);
	return report_print(&r, e);
}

static int find_set(struct store *s, const char *which, struct set_info *info, struct err *e)
{
	int rc = set_find(s, which, info, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT,
			*which ? "the store has no set \"%s\"" : "the store has no set%s", which);
	return rc < 0 ? -1 : 0;
}

/* Gather what is left out. */
static int read_delta(const struct export_options *o, struct store *s, const struct set_info *set,
	struct delta *d, struct err *e)
{
	for (size_t i = 0; i < o->since.count; i++) {
		struct set_info base;

		if (find_set(s, o->since.items[i], &base, e) < 0)
			return err_ctx(e, "--since");
		if (digest_eq(&base.digest, &set->digest))
			return err_set(e, ERR_INPUT,
				"--since %s is the set that is exported, %s %s: name the one that "
				"the other side holds",
				o->since.items[i], set->name, set->version);
		if (delta_leave_set(d, BASE_SINCE, s, &base, e) < 0)
			return err_ctx(e, "--since");
	}
	delta_ready(d);
	return 0;
}

/* Tell what the receipt could not spare. */
static void note_receipt(const struct tool *t, const struct leave_report *r)
{
	if (r->unknown)
		tool_note(t,
			"%zu set%s of the receipt %s not in this store: what only they hold is "
			"sent",
			r->unknown, r->unknown == 1 ? "" : "s", r->unknown == 1 ? "is" : "are");
	if (r->more)
		tool_note(t,
			"the receipt is of more sets than are looked at: what only they hold is "
			"sent");
}

static int read_signed(const struct export_options *o, struct store *s, struct span text,
	struct delta *d, struct leave_report *report, struct err *e)
{
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	AUTO(receipt_release) struct receipt r = RECEIPT_INIT;

	for (size_t i = 0; i < o->receipt_keys.count; i++)
		if (trust_add_file(&trust, o->receipt_keys.items[i], e) < 0)
			return -1;
	if (trust.count == 0)
		return err_set(e, ERR_UNTRUSTED,
			"%s: --receipt-key is needed, the receipt.pub of the store inside, brought "
			"once by a way that is trusted",
			o->receipt);
	if (receipt_parse(&r, o->receipt, text, &trust, e) < 0)
		return -1;
	return leave_receipt(d, s, &r, report, e);
}

/* Read a receipt: a file that is there, else a code. */
static int read_receipt(const struct tool *t, const struct export_options *o, struct store *s,
	struct delta *d, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct leave_report report = { .unknown = 0 };
	int rc = fs_read_file(AT_FDCWD, o->receipt, RECEIPT_BYTES_MAX, &text, e);

	if (rc < 0)
		return -1;
	if (rc > 0 && buf_span(&text).data[0] == '{')
		rc = read_signed(o, s, buf_span(&text), d, &report, e);
	else if (rc > 0)
		rc = leave_code(d, s, buf_span(&text), &report, e);
	else if (leave_code(d, s, span_of(o->receipt), &report, e) < 0)
		return err_ctx(e, "no file %s, and as a receipt code", o->receipt);
	if (rc < 0)
		return -1;
	note_receipt(t, &report);
	delta_ready(d);
	return 0;
}

/* Choose the set of a need list: the one that was named, or the only one. */
static const struct need_set *choose_needed(
	const struct need *n, const char *file, const struct set_info *named, struct err *e)
{
	AUTO(buf_release) struct buf names = BUF_INIT;

	for (size_t i = 0; i < n->count; i++) {
		const struct need_set *s = &n->sets[i];

		if (named ? digest_eq(&s->digest, &named->digest) : n->count == 1)
			return s;
		buf_printf(&names, "%s%s:%s", i ? ", " : "", s->name, s->version);
	}
	if (n->count == 0)
		err_set(e, ERR_INPUT, "%s: nothing is needed", file);
	else if (named)
		err_set(e, ERR_INPUT, "%s: nothing of %s %s is needed, but of %.500s", file,
			named->name, named->version, names.data);
	else
		err_set(e, ERR_INPUT, "%s: blobs of several sets are needed: name one of %.500s",
			file, names.data);
	return NULL;
}

/* Read a need list, and find the set that it asks for blobs of. */
static int read_need(
	struct store *s, const char *file, const char *which, struct export_work *w, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(need_release) struct need need = NEED_INIT;
	const struct need_set *set;
	char digest[DIGEST_TEXT_SIZE];
	int rc = fs_read_file(AT_FDCWD, file, NEED_BYTES_MAX, &text, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: no such file", file);
	if (rc < 0 || need_parse(&need, file, buf_span(&text), e) < 0 ||
		(*which && find_set(s, which, &w->set, e) < 0))
		return -1;
	set = choose_needed(&need, file, *which ? &w->set : NULL, e);
	if (!set)
		return -1;
	rc = set_find(s, digest_text(&set->digest, digest), &w->set, e);
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: the store does not hold set %s %s (%s)", file,
			set->name, set->version, digest);
	w->delta.base.kind = BASE_NEED;
	for (size_t i = 0; rc > 0 && i < set->blobs.count; i++)
		inventory_add(
			&w->delta.blobs, &set->blobs.lines[i].digest, set->blobs.lines[i].size);
	delta_ready(&w->delta);
	return rc < 0 ? -1 : 0;
}

/* Find the set, and what is left out. */
static int choose(const struct tool *t, struct store *s, const struct export_options *o,
	const char *which, struct export_work *w, struct err *e)
{
	if (o->need)
		return read_need(s, o->need, which, w, e);
	if (find_set(s, which, &w->set, e) < 0)
		return -1;
	return o->receipt ? read_receipt(t, o, s, &w->delta, e)
			  : read_delta(o, s, &w->set, &w->delta, e);
}

static int export_set(struct exporting *p, struct store *s, const struct export_work *w,
	const struct export_options *o, struct err *e)
{
	const struct delta *delta = w->delta.base.kind == BASE_NONE ? NULL : &w->delta;
	struct export_events events = { begin, volume, moved, lose, p };

	if (strcmp(o->to, "-") == 0)
		return export_stream(
			s, &w->set.digest, STDOUT_FILENO, o->volume_size, delta, &events, e);
	return export_folder(s, &w->set.digest, o->to,
		o->volume_size ? o->volume_size : EXPORT_LIMIT_AUTO, delta, buf_span(&w->key),
		&events, e);
}

/* Export between the two records of it. */
static int export_recorded(struct exporting *p, struct store *s, const struct export_work *w,
	const struct export_options *o, struct err *e)
{
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	char digest[DIGEST_TEXT_SIZE];
	const struct log_field facts[] = { { "set", w->set.name, 0 },
		{ "version", w->set.version, 0 },
		{ "digest", digest_text(&w->set.digest, digest), 0 }, { "medium", o->to, 0 },
		{ NULL, NULL, 0 } };
	int rc;

	if (tool_audit_open_reader(&log, p->t, "export", e) < 0 ||
		tool_audit_begin(&log, facts, e) < 0)
		return -1;
	progress_begin(&p->bar, p->t, "export", "volumes");
	rc = export_set(p, s, w, o, e);
	progress_end(&p->bar);
	return tool_audit_end(&log, rc, facts, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct export_options *o = given;
	AUTO(store_close) struct store *s = NULL;
	AUTO(export_work_release) struct export_work w = { .key = BUF_INIT, .delta = DELTA_INIT };
	AUTO(exporting_release) struct exporting p = { .t = t, .base = BUF_INIT };

	if (!o->to)
		return tool_usage(e, "--to is needed: a folder, or - for stdout");
	if (args->count > 1)
		return tool_usage(e, "one set at a time, not \"%s\" as well", args->items[1]);
	if ((o->need != NULL) + (o->since.count > 0) + (o->receipt != NULL) > 1)
		return tool_usage(e, "--need, --since and --for exclude each other");
	if (o->whole_documents && !o->receipt && o->since.count == 0)
		return tool_usage(e, "--whole-documents is for --since and --for");
	if (o->receipt_keys.count && !o->receipt)
		return tool_usage(e, "--receipt-key is for --for");
	if (o->key && read_key(o->key, &w.key, e) < 0)
		return -1;
	if (tool_store_read(t, &s, e) < 0 ||
		choose(t, s, o, args->count ? args->items[0] : "", &w, e) < 0)
		return -1;
	w.delta.whole_documents = o->whole_documents;
	if (export_recorded(&p, s, &w, o, e) < 0)
		return -1;
	return strcmp(o->to, "-") == 0 ? 0 : report(&p, o->to, e);
}

const struct command cmd_export = {
	.name = "export",
	.args = "[SET] --to DIR|- [--since SET]... [--need FILE] [--for RECEIPT --receipt-key PUB] "
		"[--whole-documents] [--volume-size SIZE]",
	.summary = "write a set onto a medium",
	.about = "SET is NAME, NAME:VERSION or a digest; without it, the set that was sealed or\n"
		 "imported last. DIR gets the volumes, SHA256SUMS, verify.txt and moat.pub. "
		 "Running\n"
		 "it again keeps what is whole and writes the rest. With --since only what is\n"
		 "new against another set travels, for a store that holds that one; with\n"
		 "--need only what `moat need` listed there.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct export_options),
	.run = run,
};
