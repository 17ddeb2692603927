/* tar both ways: what is written is read, exactly; what strangers write is refused by name. */
#include "mirror-tool/media/tar_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "mirror-tool/media/tar_write.h"
#include "storage/base/fs.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int append(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

static void add_zeros(struct buf *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_char(b, '\0');
}

/* A raw ustar header with any type and link, and a right checksum. */
static void add_header(struct buf *b, const char *name, char type, const char *link, size_t size)
{
	unsigned char h[TAR_BLOCK] = { 0 };
	unsigned sum = 0;

	snprintf((char *)h, 100, "%s", name);
	memcpy(h + 100, "000644 ", 7);
	memcpy(h + 108, "000000 ", 7);
	memcpy(h + 116, "000000 ", 7);
	snprintf((char *)h + 124, 12, "%011zo", size & 077777777777);
	memcpy(h + 136, "00000000000", 11);
	h[156] = (unsigned char)type;
	snprintf((char *)h + 157, 100, "%s", link);
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	buf_add(b, h, TAR_BLOCK);
}

static void add_file(struct buf *b, const char *name, const char *text)
{
	add_header(b, name, '0', "", strlen(text));
	buf_str(b, text);
	add_zeros(b, (size_t)tar_padding(strlen(text)));
}

static int file_of(const struct buf *b)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, b->data, b->len, 0), b->len);
	return fd;
}

/* A pipe that holds the bytes (few enough for its buffer). */
static int pipe_of(const struct buf *b)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], b->data, b->len), b->len);
	close(fds[1]);
	return fds[0];
}

/* Read all of it: 0, or -1 with e. */
static int read_all(int fd, unsigned flags, bool data, struct err *e)
{
	AUTO(tar_close) struct tar_reader *r = NULL;
	struct tar_entry entry;
	int rc;

	if (tar_open(&r, fd, "test.tar", flags, e) < 0)
		return -1;
	while ((rc = tar_next(r, &entry, e)) > 0) {
		AUTO(buf_release) struct buf b = BUF_INIT;

		if (data && tar_data_all(r, 1 << 20, &b, e) < 0)
			return -1;
	}
	return rc;
}

/* --- what strangers write -------------------------------------------------------------------- */

static const struct {
	const char *name; /* of the entry */
	char type;
	const char *link;
	const char *says;
} hostile[] = {
	{ "a", '2', "/etc/passwd", "entry \"a\" is a symbolic link" },
	{ "a", '1', "b", "entry \"a\" is a hard link" },
	{ "a", '3', "", "entry \"a\" is a device" },
	{ "a", '4', "", "entry \"a\" is a device" },
	{ "a", '6', "", "entry \"a\" is a FIFO" },
	{ "../a", '0', "", "\"../a\": not a plain relative path" },
	{ "a/../../b", '0', "", "not a plain relative path" },
	{ "/a", '0', "", "not a plain relative path" },
	{ "a//b", '0', "", "not a plain relative path" },
	{ "a/./b", '0', "", "not a plain relative path" },
	{ "a\\b", '0', "", "not a plain relative path" },
	{ "a\nb", '0', "", "\"a?b\": not a plain relative path" },
	{ "../d", '5', "", "not a plain relative path" },
};

static void tar_next__refuses_what_is_no_plain_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT;
		struct err e = ERR_INIT;

		add_file(&b, "good", "text");
		add_header(&b, hostile[i].name, hostile[i].type, hostile[i].link, 0);
		add_zeros(&b, TAR_END_BYTES);
		AUTO(fd_close) int fd = file_of(&b);
		if (read_all(fd, 0, true, &e) == 0 || e.code != ERR_CORRUPT ||
			!strstr(e.text, hostile[i].says) || !strstr(e.text, "test.tar"))
			fail_msg("row %zu (%s): %s", i, hostile[i].says, e.text);
	}
}

static void tar_next__passes_over_directories_and_dots(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;
	AUTO(tar_close) struct tar_reader *r = NULL;
	struct tar_entry entry;
	struct err e = ERR_INIT;

	(void)state;
	add_header(&b, "./", '5', "", 0);
	add_header(&b, "./blobs/", '5', "", 0);
	add_file(&b, "./blobs/x", "text");
	add_zeros(&b, TAR_END_BYTES);
	AUTO(fd_close) int fd = file_of(&b);
	assert_int_equal(tar_open(&r, fd, "test.tar", 0, &e), 0);
	assert_int_equal(tar_next(r, &entry, &e), 1);
	assert_string_equal(entry.name, "blobs/x");
	assert_int_equal(entry.size, 4);
	assert_int_equal(tar_next(r, &entry, &e), 0);
}

static void tar_next__passes_over_links_when_told(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;
	AUTO(tar_close) struct tar_reader *r = NULL;
	struct tar_entry entry;
	struct err e = ERR_INIT;

	(void)state;
	for (const char *type = "12346"; *type; type++)
		add_header(&b, "odd", *type, "/etc/passwd", 0);
	add_file(&b, "plain", "text");
	add_header(&b, "../a", '0', "", 0);
	add_zeros(&b, TAR_END_BYTES);
	AUTO(fd_close) int fd = file_of(&b);
	assert_int_equal(tar_open(&r, fd, "test.tar", TAR_PASS_LINKS, &e), 0);
	assert_int_equal(tar_next(r, &entry, &e), 1);
	assert_string_equal(entry.name, "plain");
	assert_int_equal(tar_next(r, &entry, &e), -1);
	assert_non_null(strstr(e.text, "not a plain relative path"));
}

static void tar_next__tells_where_the_bytes_are(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;
	AUTO(tar_close) struct tar_reader *r = NULL;
	struct tar_entry entry;
	struct err e = ERR_INIT;
	char byte = 0;
	int fd;

	(void)state;
	for (int i = 0; i < 3; i++) {
		add_header(&b, "pax", 'x', "", 25); /* a pax header before each file */
		buf_str(&b, "25 path=abc/defghijklmno\n");
		add_zeros(&b, (size_t)tar_padding(25));
		add_file(&b, "short", i == 0 ? "0 first" : i == 1 ? "1 second" : "2 third");
	}
	add_zeros(&b, TAR_END_BYTES);
	fd = file_of(&b);
	assert_int_equal(tar_open(&r, fd, "test.tar", 0, &e), 0);
	for (int i = 0; i < 3; i++) {
		if (tar_next(r, &entry, &e) != 1)
			fail_msg("%s", e.text);
		assert_string_equal(entry.name, "abc/defghijklmno");
		assert_int_equal(pread(fd, &byte, 1, (off_t)entry.offset), 1);
		assert_int_equal(byte, '0' + i);
	}
	assert_int_equal(tar_next(r, &entry, &e), 0);
	close(fd);
}

static void tar_data__a_cut_archive_is_refused_wherever_it_ends(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;

	(void)state;
	add_file(&b, "a", "some text");
	add_file(&b, "b", "more text");
	for (size_t len = 1; len < b.len; len += 97) {
		AUTO(buf_release) struct buf cut = BUF_INIT;
		struct err e = ERR_INIT;

		buf_add(&cut, b.data, len);
		AUTO(fd_close) int fd = file_of(&cut);
		if (len % 1024 <= TAR_BLOCK + 9 && len != 1024 && read_all(fd, 0, true, &e) == 0)
			fail_msg("%zu bytes were enough", len);
	}
}

/* --- exactly --------------------------------------------------------------------------------- */

static void write_sample(struct buf *out)
{
	AUTO(tar_write_free) struct tar_writer *w = NULL;
	static const char data[1500] = "data";
	struct err e = ERR_INIT;

	assert_int_equal(tar_write_open(&w, append, out, &e), 0);
	assert_int_equal(tar_write_entry(w, "oci-layout", 4, &e), 0);
	assert_int_equal(tar_write_data(w, "abcd", 4, &e), 0);
	assert_int_equal(tar_write_entry(w, "blobs/sha256/" HEX, sizeof(data), &e), 0);
	assert_int_equal(tar_write_data(w, data, 1000, &e), 0);
	assert_int_equal(tar_write_data(w, data + 1000, 500, &e), 0);
	assert_int_equal(tar_write_entry(w, "blobs/sha512/" HEX HEX, 512, &e), 0);
	assert_int_equal(tar_write_data(w, data, 512, &e), 0);
	assert_int_equal(tar_write_entry(w, "parts/sha512/" HEX HEX "/0001", 0, &e), 0);
	assert_int_equal(tar_write_close(&w, &e), 0);
}

static void tar_write__twice_gives_the_same_bytes(void **state)
{
	AUTO(buf_release) struct buf a = BUF_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT;

	(void)state;
	write_sample(&a);
	write_sample(&b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

static void tar_entry_bytes__is_what_is_written(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;

	(void)state;
	write_sample(&b);
	assert_int_equal(b.len,
		tar_entry_bytes("oci-layout", 4) + tar_entry_bytes("blobs/sha256/" HEX, 1500) +
			tar_entry_bytes("blobs/sha512/" HEX HEX, 512) +
			tar_entry_bytes("parts/sha512/" HEX HEX "/0001", 0) + TAR_END_BYTES);
	assert_int_equal(tar_entry_bytes("x", 8ull << 30), (8ull << 30) + 3 * TAR_BLOCK);
}

static void tar_exact__reads_what_was_written_from_files_and_pipes(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	write_sample(&b);
	for (int i = 0; i < 4; i++) {
		AUTO(fd_close) int fd = i & 1 ? pipe_of(&b) : file_of(&b);

		if (read_all(fd, TAR_EXACT, i & 2, &e) < 0)
			fail_msg("%s", e.text);
	}
}

#define PAX_NAME 3593 /* where the pax header of the sha512 entry holds its name */
#define PAX_NAME_LEN 141

/* M2: no byte may change. What is data is covered by digests above; here it must be unnoticed. */
static void tar_exact__notices_every_changed_byte_outside_of_data(void **state)
{
	static const size_t data[][2] = { { 512, 516 }, { 1536, 3036 }, { 4608, 5120 } };
	AUTO(buf_release) struct buf b = BUF_INIT;
	AUTO(fd_close) int fd = -1;

	(void)state;
	write_sample(&b);
	fd = file_of(&b);
	for (size_t i = 0; i < b.len; i++) {
		struct err e = ERR_INIT;
		bool is_data = false;
		char other = (char)(b.data[i] ^ 0x10);

		for (size_t d = 0; d < ARRAY_SIZE(data); d++)
			is_data |= i >= data[d][0] && i < data[d][1];
		if (i >= PAX_NAME && i < PAX_NAME + PAX_NAME_LEN)
			continue; /* another name: whoever reads the entries notices */
		assert_int_equal(pwrite(fd, &other, 1, (off_t)i), 1);
		lseek(fd, 0, SEEK_SET);
		if ((read_all(fd, TAR_EXACT, i % 2, &e) == 0) != is_data)
			fail_msg("byte %zu: %s", i, e.text);
		assert_int_equal(pwrite(fd, b.data + i, 1, (off_t)i), 1);
	}
}

static void tar_exact__a_cut_archive_is_refused_wherever_it_ends(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;

	(void)state;
	write_sample(&b);
	for (size_t len = 0; len < b.len; len += len < 1600 ? 1 : 13) {
		AUTO(buf_release) struct buf cut = BUF_INIT;
		struct err e = ERR_INIT;

		buf_add(&cut, b.data, len);
		AUTO(fd_close) int fd = file_of(&cut);
		if (read_all(fd, TAR_EXACT, true, &e) == 0 || e.code != ERR_CORRUPT)
			fail_msg("%zu bytes: %s", len, e.text);
	}
}

static void tar_again__reads_one_archive_behind_the_other(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;
	AUTO(tar_close) struct tar_reader *r = NULL;
	struct tar_entry entry;
	struct err e = ERR_INIT;

	(void)state;
	write_sample(&b);
	write_sample(&b);
	write_sample(&b);
	AUTO(fd_close) int fd = pipe_of(&b);
	assert_int_equal(tar_open(&r, fd, "test.tar", TAR_EXACT, &e), 0);
	for (int i = 0; i < 3; i++) {
		for (int n = 0; n < 4; n++)
			if (tar_next(r, &entry, &e) != 1)
				fail_msg("archive %d, entry %d: %s", i, n, e.text);
		assert_int_equal(tar_next(r, &entry, &e), 0);
		assert_int_equal(tar_again(r, &e), i < 2);
	}
}

static void tar_exact__skips_large_entries_of_files(void **state)
{
	AUTO(tar_write_free) struct tar_writer *w = NULL;
	AUTO(buf_release) struct buf b = BUF_INIT;
	AUTO(mem_free) char *data = mem_alloc(5000003);
	struct err e = ERR_INIT;

	(void)state;
	memset(data, 'x', 5000003);
	assert_int_equal(tar_write_open(&w, append, &b, &e), 0);
	for (int i = 0; i < 3; i++) {
		char name[] = "blobs/0";

		name[6] = (char)('0' + i);
		assert_int_equal(tar_write_entry(w, name, 5000003, &e), 0);
		assert_int_equal(tar_write_data(w, data, 5000003, &e), 0);
	}
	assert_int_equal(tar_write_close(&w, &e), 0);
	AUTO(fd_close) int fd = file_of(&b);
	if (read_all(fd, TAR_EXACT, false, &e) < 0)
		fail_msg("%s", e.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tar_next__refuses_what_is_no_plain_file),
		cmocka_unit_test(tar_next__passes_over_directories_and_dots),
		cmocka_unit_test(tar_next__passes_over_links_when_told),
		cmocka_unit_test(tar_next__tells_where_the_bytes_are),
		cmocka_unit_test(tar_data__a_cut_archive_is_refused_wherever_it_ends),
		cmocka_unit_test(tar_write__twice_gives_the_same_bytes),
		cmocka_unit_test(tar_entry_bytes__is_what_is_written),
		cmocka_unit_test(tar_exact__reads_what_was_written_from_files_and_pipes),
		cmocka_unit_test(tar_exact__notices_every_changed_byte_outside_of_data),
		cmocka_unit_test(tar_exact__a_cut_archive_is_refused_wherever_it_ends),
		cmocka_unit_test(tar_again__reads_one_archive_behind_the_other),
		cmocka_unit_test(tar_exact__skips_large_entries_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
