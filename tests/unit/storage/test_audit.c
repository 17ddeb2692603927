/* The audit log: what is appended stays chained, and whatever is done to its files afterwards is found and placed. */
#include "storage/audit/audit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/faults.h"

#define FIRST "audit/000001.jsonl"
#define SECOND "audit/000002.jsonl"
#define FILE_BYTES_MAX (64u << 20)

/* --- helpers ---------------------------------------------------------------------------------- */

static const char *in_store(const struct sandbox *sb, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "s/%s", name);
	return sandbox_path(sb, path);
}

#define STORE(sb) sandbox_path(sb, "s")

static void store_new(const struct sandbox *sb)
{
	assert_int_equal(mkdir(STORE(sb), 0755), 0);
}

/* Append `count` records at once. */
static int append_many(struct audit *a, size_t count, struct err *e)
{
	struct log_field facts[] = { { "set", "platform", 0 }, { "n", NULL, 7 },
		{ NULL, NULL, 0 } };
	struct audit_record records[AUDIT_RECORDS_MAX];

	for (size_t i = 0; i < count; i++)
		records[i] = (struct audit_record){ "import", "allowed", facts };
	return audit_append(a, records, count, NULL, e);
}

static int append_to(const char *store, size_t count, struct err *e)
{
	AUTO(audit_close) struct audit *a = NULL;

	return audit_open(&a, store, e) < 0 ? -1 : append_many(a, count, e);
}

static void appended(const struct sandbox *sb, size_t count)
{
	struct err e = ERR_INIT;

	assert_ok(append_to(STORE(sb), count, &e));
}

struct problems {
	unsigned count;
	char file[AUDIT_NAME_SIZE];
	uint64_t line;
	char text[400];
};

static void note(void *ctx, const char *file, uint64_t line, const char *text)
{
	struct problems *p = ctx;

	if (p->count++)
		return;
	snprintf(p->file, sizeof(p->file), "%s", file);
	snprintf(p->text, sizeof(p->text), "%s", text);
	p->line = line;
}

static struct audit_report verify_against(
	const struct sandbox *sb, const struct audit_head *head, struct problems *p)
{
	struct audit_report report;
	struct err e = ERR_INIT;

	*p = (struct problems){ .count = 0 };
	assert_ok(audit_verify(STORE(sb), head, note, p, &report, &e));
	assert_int_equal(report.problems, p->count);
	return report;
}

/* The log is whole, with so many records and torn lines. */
static void assert_whole(const struct sandbox *sb, uint64_t records, uint64_t torn)
{
	struct problems p;
	struct audit_report report = verify_against(sb, NULL, &p);

	if (p.count)
		fail_msg("%s:%llu %s", p.file, (unsigned long long)p.line, p.text);
	assert_int_equal(report.records, records);
	assert_int_equal(report.head.seq, records);
	assert_int_equal(report.torn, torn);
}

static void read_file(const struct sandbox *sb, const char *name, struct buf *out)
{
	struct err e = ERR_INIT;

	buf_clear(out);
	assert_int_equal(fs_read_file(AT_FDCWD, in_store(sb, name), FILE_BYTES_MAX, out, &e), 1);
}

/* --- what is written -------------------------------------------------------------------------- */

static void audit_append__chains_records_over_opens(void **state)
{
	struct sandbox *sb = *state;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct audit_head head;
	struct err e = ERR_INIT;
	struct stat st;

	store_new(sb);
	assert_int_equal(audit_head(STORE(sb), &head, &e), 0);
	assert_int_equal(head.seq, 0);
	appended(sb, 1);
	appended(sb, 3);
	appended(sb, 1);
	assert_whole(sb, 5, 0);
	assert_int_equal(audit_head(STORE(sb), &head, &e), 1);
	assert_int_equal(head.seq, 5);
	assert_int_equal(stat(in_store(sb, FIRST), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(stat(in_store(sb, "audit"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	read_file(sb, FIRST, &text);
	assert_non_null(strstr(text.data, "\"action\":\"import\",\"result\":\"allowed\",\"set\":"
					  "\"platform\",\"n\":7,"));
	assert_non_null(strstr(text.data, "\"boot\":\""));
	assert_non_null(strstr(text.data, "\"uid\":"));
}

static void audit_append__text_from_outside_stays_within_its_value(void **state)
{
	struct sandbox *sb = *state;
	AUTO(audit_close) struct audit *a = NULL;
	AUTO(mem_free) char *huge = mem_alloc(100000);
	struct log_field facts[AUDIT_FACTS_MAX + 1] = { { NULL, NULL, 0 } };
	struct audit_record record = { "import", "allowed", facts };
	struct err e = ERR_INIT;
	uint64_t seq;

	store_new(sb);
	memset(huge, '\x01', 99999);
	for (size_t i = 0; i < AUDIT_FACTS_MAX; i++)
		facts[i] = (struct log_field){ &"fghijklmnoqrwxyz"[i], huge, 0 };
	facts[0].text = "a\"}\n{\"seq\":1,\"prev\":\"\xff\xfe";
	assert_ok(audit_open(&a, STORE(sb), &e));
	assert_ok(audit_append(a, &record, 1, &seq, &e));
	assert_int_equal(seq, 1);
	assert_ok(audit_append(a, &record, 1, &seq, &e));
	assert_int_equal(seq, 2);
	assert_whole(sb, 2, 0);
}

static void audit_append__begins_a_file_behind_the_limit(void **state)
{
	struct sandbox *sb = *state;
	AUTO(audit_close) struct audit *a = NULL;
	struct problems p;
	struct audit_report report;
	struct err e = ERR_INIT;
	uint64_t count = 0;

	store_new(sb);
	assert_ok(audit_open(&a, STORE(sb), &e));
	for (; !sandbox_exists(in_store(sb, "audit/000003.jsonl")); count += AUDIT_RECORDS_MAX)
		assert_ok(append_many(a, AUDIT_RECORDS_MAX, &e));
	appended(sb, 1);
	assert_ok(append_many(a, 1, &e)); /* by the handle that did not see that */
	assert_whole(sb, count + 2, 0);

	assert_int_equal(unlink(in_store(sb, SECOND)), 0);
	report = verify_against(sb, NULL, &p);
	assert_true(report.problems >= 2);
	assert_string_equal(p.file, "000002.jsonl");
	assert_string_equal(p.text, "is missing");
}

static void audit_append__goes_on_behind_an_empty_file(void **state)
{
	struct sandbox *sb = *state;

	store_new(sb);
	appended(sb, 2);
	sandbox_write(in_store(sb, SECOND), "", 0);
	appended(sb, 2);
	assert_whole(sb, 4, 0);
}

static void audit_append__two_processes_share_a_chain(void **state)
{
	enum { PROCESSES = 4, APPENDS = 50, EACH = 3 };
	struct sandbox *sb = *state;
	int status;

	store_new(sb);
	for (int i = 0; i < PROCESSES; i++) {
		AUTO(audit_close) struct audit *a = NULL;
		struct err e = ERR_INIT;

		if (fork())
			continue;
		for (int k = 0; k < APPENDS; k++) {
			if (!a && audit_open(&a, STORE(sb), &e) < 0)
				_exit(1);
			if (append_many(a, EACH, &e) < 0)
				_exit(1);
			if (k % 10 == 0)
				audit_close(&a);
		}
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_whole(sb, PROCESSES * APPENDS * EACH, 0);
}

static void audit_open__follows_no_link(void **state)
{
	struct sandbox *sb = *state;
	struct err e = ERR_INIT;

	store_new(sb);
	assert_int_equal(mkdir(sandbox_path(sb, "other"), 0755), 0);
	assert_int_equal(symlink(sandbox_path(sb, "other"), in_store(sb, "audit")), 0);
	assert_err(append_to(STORE(sb), 1, &e), ERR_IO, "audit");
	assert_int_equal(unlink(in_store(sb, "audit")), 0);
	assert_int_equal(mkdir(in_store(sb, "audit"), 0755), 0);
	assert_int_equal(symlink(sandbox_path(sb, "there"), in_store(sb, FIRST)), 0);
	assert_err(append_to(STORE(sb), 1, &e), ERR_IO, "000001.jsonl");
	assert_false(sandbox_exists(sandbox_path(sb, "there")));
	assert_int_equal(unlink(in_store(sb, FIRST)), 0);
	assert_int_equal(mkfifo(in_store(sb, FIRST), 0600), 0);
	assert_true(append_to(STORE(sb), 1, &e) < 0);
}

static void audit_append__full_disk_leaves_what_was_there(void **state)
{
	struct sandbox *sb = *state;
	int status;

	store_new(sb);
	appended(sb, 2);
	if (fork() == 0) { /* a file may not grow: as a full disk, and half a line is written */
		struct rlimit limit;
		struct err e = ERR_INIT;
		struct stat st;

		if (stat(in_store(sb, FIRST), &st) < 0)
			_exit(2);
		limit.rlim_cur = limit.rlim_max = (rlim_t)st.st_size + 100;
		signal(SIGXFSZ, SIG_IGN);
		_exit(setrlimit(RLIMIT_FSIZE, &limit) == 0 && append_to(STORE(sb), 1, &e) < 0 &&
					e.code == ERR_FULL
				? 0
				: 1);
	}
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	assert_whole(sb, 2, 0);
	appended(sb, 1);
	assert_whole(sb, 3, 0);
}

/* A disk that is full as long as the reserve is there. */
static char full_while[256];
int __real_fs_write_all(int fd, const void *data, size_t len, const char *what, struct err *e);
int __wrap_fs_write_all(int fd, const void *data, size_t len, const char *what, struct err *e);
int __wrap_fs_write_all(int fd, const void *data, size_t len, const char *what, struct err *e)
{
	if (*full_while && sandbox_exists(full_while))
		return err_set(e, ERR_FULL, "no space left");
	return __real_fs_write_all(fd, data, len, what, e);
}

static void audit_append__what_frees_space_has_a_reserve(void **state)
{
	struct sandbox *sb = *state;
	AUTO(audit_close) struct audit *a = NULL;
	struct err e = ERR_INIT;
	struct stat st;

	store_new(sb);
	appended(sb, 1);
	assert_int_equal(stat(in_store(sb, "audit/" AUDIT_RESERVE), &st), 0);
	assert_int_equal(st.st_size, AUDIT_RESERVE_BYTES);
	assert_true(st.st_blocks * 512 >= AUDIT_RESERVE_BYTES);
	snprintf(full_while, sizeof(full_while), "%s", in_store(sb, "audit/" AUDIT_RESERVE));
	assert_ok(audit_open(&a, STORE(sb), &e));
	assert_err(append_many(a, 1, &e), ERR_FULL, "no space");
	assert_true(sandbox_exists(full_while));
	audit_frees_space(a);
	assert_ok(append_many(a, 1, &e));
	assert_false(sandbox_exists(full_while));
	*full_while = '\0';
	assert_whole(sb, 2, 0);
	appended(sb, 1);
	assert_true(sandbox_exists(in_store(sb, "audit/" AUDIT_RESERVE)));
}

/* --- what is left of a line ------------------------------------------------------------------- */

static void audit_append__names_a_torn_line(void **state)
{
	static const char *const rests[] = { "{\"time\":\"2026", "x", "\x01\x02\xff",
		"{\"seq\":5,\"prev\":\"\"}" };
	struct sandbox *sb = *state;
	struct audit_head head;
	struct err e = ERR_INIT;

	store_new(sb);
	for (size_t i = 0; i < ARRAY_SIZE(rests); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;

		appended(sb, 1);
		read_file(sb, FIRST, &text);
		buf_str(&text, rests[i]);
		sandbox_write(in_store(sb, FIRST), text.data, text.len);
		assert_whole(sb, 2 * i + 1, i + 1);
		assert_int_equal(audit_head(STORE(sb), &head, &e), 1);
		assert_int_equal(head.seq, 2 * i + 1);
		appended(sb, 1);
		assert_whole(sb, 2 * i + 2, i + 1);
	}
}

/* A power cut took its line feed alone: it is one record of the chain, and no second one has its number. */
static void audit_append__goes_on_behind_a_record_without_its_line_feed(void **state)
{
	struct sandbox *sb = *state;
	AUTO(buf_release) struct buf text = BUF_INIT;

	store_new(sb);
	appended(sb, 2);
	read_file(sb, FIRST, &text);
	sandbox_write(in_store(sb, FIRST), text.data, text.len - 1);
	assert_whole(sb, 1, 1);
	appended(sb, 1);
	assert_whole(sb, 3, 0);
}

/* Only files that are there are looked into: not the many whose numbers are missing. */
static void audit_append__passes_over_missing_files(void **state)
{
	struct sandbox *sb = *state;
	struct audit_head head;
	struct err e = ERR_INIT;

	store_new(sb);
	appended(sb, 2);
	sandbox_write(in_store(sb, "audit/99999999.jsonl"), "", 0);
	assert_int_equal(audit_head(STORE(sb), &head, &e), 1);
	assert_int_equal(head.seq, 2);
	appended(sb, 1);
	assert_int_equal(audit_head(STORE(sb), &head, &e), 1);
	assert_int_equal(head.seq, 3);
}

/* Lines that were whole are no torn ones: the log goes on, and they stay a problem. */
static void audit_append__goes_on_behind_lines_that_are_none(void **state)
{
	struct sandbox *sb = *state;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct problems p;

	store_new(sb);
	appended(sb, 2);
	read_file(sb, FIRST, &text);
	buf_str(&text, "rubbish\n{}\nmore");
	sandbox_write(in_store(sb, FIRST), text.data, text.len);
	appended(sb, 2);
	assert_int_equal(verify_against(sb, NULL, &p).records, 4);
	assert_int_equal(p.count, 1);
	assert_int_equal(p.line, 3);

	sandbox_write(in_store(sb, SECOND), "all of it\n", 10);
	appended(sb, 1);
	assert_int_equal(verify_against(sb, NULL, &p).head.seq, 5);
	assert_int_equal(p.count, 2);
}

/* --- what is done to it ----------------------------------------------------------------------- */

#define LINES 6

/* Write lines of the log in the order of `order`, numbers from 1 with 0 at the end. */
static void rearrange(const struct sandbox *sb, const unsigned *order)
{
	AUTO(buf_release) struct buf text = BUF_INIT, out = BUF_INIT;
	struct span lines[LINES + 1] = { { NULL, 0 } };
	struct span rest;

	read_file(sb, FIRST, &text);
	rest = buf_span(&text);
	for (unsigned i = 1; i <= LINES; i++)
		lines[i] = span_until(&rest, '\n');
	for (; *order; order++) {
		buf_add(&out, lines[*order].data, lines[*order].len);
		buf_char(&out, '\n');
	}
	sandbox_write(in_store(sb, FIRST), out.data, out.len);
}

/* Change one byte of `what` in line `line`. */
static void edit(const struct sandbox *sb, unsigned line, const char *what)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	char *at;

	read_file(sb, FIRST, &text);
	at = text.data;
	for (unsigned i = 1; i < line; i++)
		at = strchr(at, '\n') + 1;
	at = strstr(at, what);
	assert_non_null(at);
	*at ^= 1;
	sandbox_write(in_store(sb, FIRST), text.data, text.len);
}

static const struct tampering {
	const char *name;
	unsigned order[LINES + 2]; /* {0}: as it is */
	unsigned line; /* that is edited; 0 none */
	const char *what;
	unsigned problems;
	uint64_t at; /* line of the first */
	const char *text;
} tamperings[] = {
	{ "nothing", { 0 }, 0, NULL, 0, 0, "" },
	{ "an edit", { 0 }, 3, "platform", 1, 3, "was changed: record 4, 000001.jsonl:4" },
	{ "an edit of the first", { 0 }, 1, "platform", 1, 1, "was changed" },
	{ "an edit of a link", { 0 }, 4, "\"prev\":\"", 1, 4, "is no record" },
	{ "an edit that leaves no JSON", { 0 }, 3, "\"uid\"", 1, 3, "is no record" },
	{ "a cut in the middle", { 1, 2, 4, 5, 6 }, 0, NULL, 1, 3, "record 3 is missing in front" },
	{ "a longer cut", { 1, 2, 6 }, 0, NULL, 1, 3, "records 3 to 5 are missing" },
	{ "a cut of the beginning", { 2, 3, 4, 5, 6 }, 0, NULL, 1, 1, "record 1 is missing" },
	{ "another order", { 1, 2, 4, 3, 5, 6 }, 0, NULL, 3, 3, "record 3 is missing in front" },
	{ "a doubled line", { 1, 2, 3, 3, 4, 5, 6 }, 0, NULL, 1, 4,
		"record 3 stands behind record 3" },
	{ "a doubled last line", { 1, 2, 3, 4, 5, 6, 6 }, 0, NULL, 1, 7, "record 6 stands behind" },
};

static void audit_verify__finds_what_was_done(void **state)
{
	struct sandbox *sb = *state;

	for (size_t i = 0; i < ARRAY_SIZE(tamperings); i++) {
		const struct tampering *t = &tamperings[i];
		struct problems p;

		store_new(sb);
		appended(sb, LINES);
		if (t->order[0])
			rearrange(sb, t->order);
		if (t->line)
			edit(sb, t->line, t->what);
		verify_against(sb, NULL, &p);
		if (p.count != t->problems || p.line != t->at || !strstr(p.text, t->text))
			fail_msg("%s: %u problems, %s:%llu %s", t->name, p.count, p.file,
				(unsigned long long)p.line, p.text);
		sandbox_remove(STORE(sb));
	}
}

static void audit_verify__finds_a_cut_end_beside_a_head(void **state)
{
	struct sandbox *sb = *state;
	struct audit_head head;
	struct err e = ERR_INIT;
	struct problems p;

	store_new(sb);
	appended(sb, LINES);
	assert_int_equal(audit_head(STORE(sb), &head, &e), 1);
	appended(sb, 2);
	assert_int_equal(verify_against(sb, &head, &p).problems, 0);

	rearrange(sb, (const unsigned[]){ 1, 2, 3, 4, 5, 0 });
	assert_int_equal(verify_against(sb, NULL, &p).problems, 0);
	assert_int_equal(verify_against(sb, &head, &p).problems, 1);
	assert_string_equal(p.text,
		"the log ends at record 5: records to 6, which the head names, are missing");
	assert_int_equal(p.line, 5);

	usleep(2000); /* its time is another one */
	appended(sb, 1); /* another one in its place */
	assert_int_equal(verify_against(sb, &head, &p).problems, 1);
	assert_non_null(strstr(p.text, "record 6 is another one than the head names"));
	sandbox_remove(in_store(sb, "audit"));
	assert_int_equal(verify_against(sb, &head, &p).problems, 1);
}

static void audit_verify__the_clock_may_go_back(void **state)
{
	struct sandbox *sb = *state;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct problems p;

	store_new(sb);
	appended(sb, 1);
	read_file(sb, FIRST, &text);
	assert_non_null(strstr(text.data, "{\"time\":\"20"));
	memcpy(strstr(text.data, "\"20"), "\"90", 3); /* as if it had been in 90xx */
	sandbox_write(in_store(sb, FIRST), text.data, text.len);
	appended(sb, 2);
	assert_int_equal(verify_against(sb, NULL, &p).clock_back, 1);
	assert_int_equal(p.count, 0);
}

static int count_line(void *ctx, const struct audit_line *l, struct err *e)
{
	(void)e;
	*(uint64_t *)ctx += l->text.len;
	assert_true(l->text.len <= AUDIT_LINE_MAX + (128u << 10));
	return 0;
}

/* However long a line is, no more than a piece of it is kept. */
static void audit_read__a_line_without_end_is_pieces(void **state)
{
	struct sandbox *sb = *state;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct problems p;
	uint64_t bytes = 0;

	store_new(sb);
	appended(sb, 1);
	read_file(sb, FIRST, &text);
	for (int i = 0; i < 100000; i++)
		buf_str(&text, "0123456789");
	sandbox_write(in_store(sb, FIRST), text.data, text.len);
	assert_ok(audit_read(STORE(sb), count_line, &bytes, &e));
	assert_int_equal(bytes, text.len - 1);
	appended(sb, 1);
	assert_whole(sb, 2, 1);

	sandbox_write(in_store(sb, FIRST), text.data, text.len);
	assert_int_equal(truncate(in_store(sb, FIRST), 100 << 20), 0);
	assert_err(append_to(STORE(sb), 1, &e), ERR_INPUT, "no file of moat's");
	verify_against(sb, NULL, &p);
}

static int see_seq(void *ctx, const struct audit_line *l, struct err *e)
{
	struct buf *seen = ctx;

	(void)e;
	buf_printf(seen, "%s%llu ", l->is_record ? "" : "?", (unsigned long long)l->seq);
	return 0;
}

/* What was told since the last time. */
static void assert_new(
	const struct sandbox *sb, struct audit_place *at, uint64_t first, uint64_t last)
{
	AUTO(buf_release) struct buf seen = BUF_INIT, want = BUF_INIT;
	struct err e = ERR_INIT;

	for (uint64_t i = first; i <= last; i++)
		buf_printf(&want, "%llu ", (unsigned long long)i);
	assert_ok(audit_read_on(STORE(sb), at, see_seq, &seen, &e));
	assert_string_equal(seen.data, want.data);
}

/* Records are told once, over files too, and one that is being written when it is whole. */
static void audit_read_on__tells_what_is_new(void **state)
{
	struct sandbox *sb = *state;
	struct audit_place at = { .file = 0 };
	AUTO(buf_release) struct buf text = BUF_INIT;
	uint64_t records = 3;

	store_new(sb);
	assert_new(sb, &at, 1, 0);
	appended(sb, 1);
	assert_new(sb, &at, 1, 1);
	assert_new(sb, &at, 2, 1);
	appended(sb, 2);
	read_file(sb, FIRST, &text);
	sandbox_write(in_store(sb, FIRST), text.data, text.len - 5);
	assert_new(sb, &at, 2, 2);
	sandbox_write(in_store(sb, FIRST), text.data, text.len);
	assert_new(sb, &at, 3, 3);
	while (!sandbox_exists(in_store(sb, "audit/000002.jsonl"))) {
		appended(sb, AUDIT_RECORDS_MAX);
		records += AUDIT_RECORDS_MAX;
	}
	assert_new(sb, &at, 4, records);
	assert_int_equal(at.file, 2);
	appended(sb, 1);
	assert_new(sb, &at, records + 1, records + 1);
}

/* --- wherever it stops ------------------------------------------------------------------------ */

struct sweep {
	struct sandbox *sb;
	uint64_t before; /* records */
	bool done;
};

static bool is_full(const struct sweep *s, const char *dir)
{
	AUTO(mem_free) char *path = mem_printf("%s/" FIRST, sandbox_path(s->sb, dir));
	struct stat st;

	return stat(path, &st) == 0 && st.st_size >= (off_t)AUDIT_FILE_MAX;
}

static void prepare(void *ctx, const char *dir)
{
	struct sweep *s = ctx;
	struct err e = ERR_INIT;

	s->done = false;
	assert_int_equal(mkdir(sandbox_path(s->sb, dir), 0755), 0);
	s->before = 0;
	if (strstr(dir, "full")) /* the next append begins a file */
		while (!is_full(s, dir)) {
			assert_ok(append_to(sandbox_path(s->sb, dir), AUDIT_RECORDS_MAX, &e));
			s->before += AUDIT_RECORDS_MAX;
		}
}

static int run(void *ctx, const char *dir, struct err *e)
{
	struct sweep *s = ctx;
	int rc = append_to(sandbox_path(s->sb, dir), 3, e);

	s->done = rc == 0;
	return rc;
}

static void recover(void *ctx, const char *dir)
{
	struct sweep *s = ctx;
	const char *store = sandbox_path(s->sb, dir);
	struct audit_report report;
	struct err e = ERR_INIT;

	assert_ok(audit_verify(store, NULL, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
	assert_true(!s->done || report.records == s->before + 3);
	assert_ok(append_to(store, 1, &e));
	s->before = report.records;
	assert_ok(audit_verify(store, NULL, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
	assert_int_equal(report.records, s->before + 1);
}

static void audit_append__stays_whole_wherever_it_stops(void **state)
{
	static const struct faults empty = { "empty", prepare, run, recover, 4 };
	static const struct faults full = { "full", prepare, run, recover, 4 };
	struct sweep s = { .sb = *state };

	faults_sweep(s.sb, &empty, &s);
	faults_sweep(s.sb, &full, &s);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)
	static const struct CMUnitTest tests[] = {
		T(audit_append__chains_records_over_opens),
		T(audit_append__text_from_outside_stays_within_its_value),
		T(audit_append__begins_a_file_behind_the_limit),
		T(audit_append__goes_on_behind_an_empty_file),
		T(audit_append__two_processes_share_a_chain),
		T(audit_open__follows_no_link),
		T(audit_append__full_disk_leaves_what_was_there),
		T(audit_append__what_frees_space_has_a_reserve),
		T(audit_append__names_a_torn_line),
		T(audit_append__goes_on_behind_a_record_without_its_line_feed),
		T(audit_append__passes_over_missing_files),
		T(audit_append__goes_on_behind_lines_that_are_none),
		T(audit_verify__finds_what_was_done),
		T(audit_verify__finds_a_cut_end_beside_a_head),
		T(audit_verify__the_clock_may_go_back),
		T(audit_read__a_line_without_end_is_pieces),
		T(audit_read_on__tells_what_is_new),
		T(audit_append__stays_whole_wherever_it_stops),
	};

	/* Dying is not losing power: memory will do, and every sync is free. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
