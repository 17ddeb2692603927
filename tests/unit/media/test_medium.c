/* Whole media: out of one store, into another. */
#include "tests/unit/media/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "mirror-tool/view/view.h"
#include "mirror-tool/media/tar_read.h"
#include "mirror-tool/media/tar_write.h"
#include "mirror-tool/sign/cosign.h"
#include "storage/base/fs.h"

#define MIB (1u << 20)

static void read_file(const char *path, struct buf *out)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_file(AT_FDCWD, path, 64 * MIB, out, &e), 1);
}

static uint64_t file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

/* The store holds the set, active, and nothing is wrong with it. */
static void assert_imported(struct fixture *f, const char *name)
{
	AUTO(store_close) struct store *s = sandbox_store(f->sb, name, STORE_READ);
	struct set_info info;
	struct manifest_info image;
	struct err e = ERR_INIT;

	assert_int_equal(set_find(s, "platform:1.0", &info, &e), 1);
	assert_true(digest_eq(&info.digest, &f->set));
	assert_true(info.active);
	assert_int_equal(manifest_by_tag(s, "docker.io/library/a", "1.0", &image, &e), 1);
	assert_int_equal(manifest_by_tag(s, "docker.io/library/multi", "2", &image, &e), 1);
	assert_int_equal(fixture_problems(s), 0);
}

static void assert_nothing_visible(struct fixture *f, const char *name)
{
	AUTO(store_close) struct store *s = sandbox_store(f->sb, name, STORE_WRITE);
	struct manifest_info image;
	struct err e = ERR_INIT;

	assert_int_equal(fixture_sets(s), 0);
	assert_int_equal(manifest_by_tag(s, "docker.io/library/a", "1.0", &image, &e), 0);
	assert_int_equal(fixture_problems(s), 0);
}

/* --- there and back ---------------------------------------------------------------------------- */

static void import__brings_what_was_exported(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	assert_true(sandbox_exists(sandbox_path(f.sb, "medium/SHA256SUMS")));
	assert_true(sandbox_exists(sandbox_path(f.sb, "medium/verify.txt")));
	if (fixture_verify(&f, NULL, 0, &e) != 0)
		fail_msg("%s", e.text);
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	assert_imported(&f, "in");
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	assert_imported(&f, "in");
}

/* Of a blob of the store, a bit is turned. */
static void turn_bit(const struct fixture *f, const char *store, const struct digest *d)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char hex[DIGEST_HEX_SIZE];
	AUTO(mem_free) char *name = mem_printf("%s/blobs/sha256/%s", store, digest_hex(d, hex));
	const char *path = sandbox_path(f->sb, name);

	read_file(path, &bytes);
	bytes.data[bytes.len / 2] ^= 1;
	sandbox_remove(path);
	sandbox_write(path, bytes.data, bytes.len);
}

/* The set index and each of its signatures are bad: all of them come back with their medium. */
static void import__mends_what_every_volume_carries(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(mem_free) struct set_signature *sigs = NULL;
	struct err e = ERR_INIT;
	size_t count = 0;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	assert_ok(set_signatures(f.out, &f.set, &sigs, &count, &e));
	assert_true(count > 0);
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	for (size_t i = 0; i <= count; i++) {
		turn_bit(&f, "in", i < count ? &sigs[i].digest : &f.set);
		assert_ok(fixture_import(&f, "in", NULL, 0, &e));
		assert_imported(&f, "in");
	}
	for (size_t i = 0; i <= count; i++)
		turn_bit(&f, "in", i < count ? &sigs[i].digest : &f.set);
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	assert_imported(&f, "in");
}

static void import__out_of_an_imported_store_the_same_volumes_come(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_release) struct buf a = BUF_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	read_file(fixture_volume(&f, 1, 1), &a);
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	store_close(&f.out);
	f.out = sandbox_store(f.sb, "in", STORE_READ);
	fixture_export(&f, 0);
	read_file(fixture_volume(&f, 1, 1), &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

/* Limits from "most blobs are cut" to "all in one". */
static void volumes__of_any_size_hold_everything(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 100000);
	for (uint64_t limit = 160000; limit < 2 * MIB; limit = limit * 17 / 12 + 333) {
		struct fs_names names;
		char store[32];

		snprintf(store, sizeof(store), "in-%llu", (unsigned long long)limit);
		fixture_export(&f, limit);
		AUTO(fd_close) int dir = fs_open_dir(f.medium, &e);
		assert_ok(fs_list(dir, &names, &e));
		for (size_t i = 0; i < names.count; i++) {
			struct stat st;

			assert_int_equal(fstatat(dir, names.names[i], &st, 0), 0);
			if ((uint64_t)st.st_size > limit) /* M3 */
				fail_msg("%s of %lld bytes, limit %llu", names.names[i],
					(long long)st.st_size, (unsigned long long)limit);
		}
		fs_names_free(&names);
		if (fixture_verify(&f, NULL, 0, &e) != 0)
			fail_msg("limit %llu: %s", (unsigned long long)limit, e.text);
		assert_ok(fixture_import(&f, store, NULL, 0, &e));
		assert_imported(&f, store);
		sandbox_remove(sandbox_path(f.sb, store));
	}
}

static void volumes__a_limit_that_is_too_small_is_refused(void **state)
{
	AUTO(fixture_close) struct fixture f;
	static const struct export_events none;
	struct span no_key = { "", 0 };
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	assert_err(export_folder(f.out, &f.set, f.medium, 20000, NULL, no_key, &none, &e),
		ERR_INPUT, "volumes of 20000 bytes are too small");
	assert_false(sandbox_exists(sandbox_path(f.sb, "medium/SHA256SUMS")));
}

/* --- volumes: order, lack, repetition ---------------------------------------------------------- */

static void import__takes_volumes_in_any_order_and_twice(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	fixture_export(&f, 1200000);
	const char *paths[] = { fixture_volume(&f, 3, 3), fixture_volume(&f, 1, 3),
		fixture_volume(&f, 2, 3), fixture_volume(&f, 2, 3) };
	assert_ok(fixture_import(&f, "in", paths, 4, &e));
	assert_imported(&f, "in");
}

/* On FAT and exFAT a Mac writes a companion beside each file. */
static void import__passes_over_hidden_files(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;
	const char *volume, *name;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	volume = fixture_volume(&f, 1, 1);
	name = strrchr(volume, '/') + 1;
	AUTO(mem_free) char *companion = mem_printf("medium/._%s", name);
	sandbox_write(sandbox_path(f.sb, companion), "\0\5\26\7\0\2\0\0Mac OS X", 16);
	sandbox_write(sandbox_path(f.sb, "medium/.DS_Store"), "", 0);
	if (fixture_verify(&f, NULL, 0, &e) != 0)
		fail_msg("%s", e.text);
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	assert_imported(&f, "in");
}

static void volume_is_file_name__looks_at_the_end_of_a_path(void **state)
{
	static const struct {
		const char *path;
		bool is;
	} cases[] = {
		{ "apps-1.001-of-002.tar", true },
		{ "./apps-1.001-of-002.tar", true },
		{ "../usb/apps-1.002-of-002.tar", true },
		{ "/media/.usb/apps-1.002-of-002.tar", true },
		{ "._apps-1.001-of-002.tar", false },
		{ "/media/._apps-1.001-of-002.tar", false },
		{ "apps-1.003-of-002.tar", false },
		{ "apps-1.000-of-002.tar", false },
		{ "apps-1.9999-of-9999.tar", true },
		{ "apps-1.0001-of-10000.tar", false },
		{ "apps-1.+01-of-002.tar", false },
		{ "apps-1.001-of- 02.tar", false },
		{ "apps-1.001-of-002.001-of-002.tar", true },
		{ "apps-1.001-of-002.tar/", false },
		{ "apps-1.001-of-002.tar.gz", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (volume_is_file_name(cases[i].path) != cases[i].is)
			fail_msg("%s", cases[i].path);
}

/* What is under the name of a volume and none of its bytes is one that was damaged; another file is of
 * another kind. All digits: the checksum of a header does not end where it should. */
static void verify__tells_damage_from_another_kind(void **state)
{
	static const struct {
		const char *name;
		enum err_code code;
		const char *text;
	} cases[] = {
		{ "platform-1.0.001-of-001.tar", ERR_CORRUPT, "platform-1.0.001-of-001.tar" },
		{ "letters.txt", ERR_INPUT, "not a volume of moat, nor a tar archive" },
	};
	AUTO(fixture_close) struct fixture f;
	char digits[512];

	fixture_open(&f, *state, 3000);
	memset(digits, '7', sizeof(digits));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *path = sandbox_path(f.sb, cases[i].name);
		struct err e = ERR_INIT;

		sandbox_write(path, digits, sizeof(digits));
		assert_int_equal(fixture_verify(&f, &path, 1, &e), -1);
		assert_int_equal(e.code, cases[i].code);
		assert_non_null(strstr(e.text, cases[i].text));
	}
}

/* --- what is no file ----------------------------------------------------------------------------- */

static int make_fifo(const char *path)
{
	return mkfifo(path, 0600);
}

static int make_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(
		snprintf(at.sun_path, sizeof(at.sun_path), "%s", path) < (int)sizeof(at.sun_path));
	return bind(fd, (struct sockaddr *)&at, sizeof(at));
}

static int make_device(const char *path)
{
	return mknod(path, S_IFCHR | 0600, makedev(1, 5)); /* zeros without end */
}

static int make_link(const char *path)
{
	return symlink("/dev/zero", path);
}

static int make_loop(const char *path)
{
	return symlink(strrchr(path, '/') + 1, path);
}

static int make_folder(const char *path)
{
	return mkdir(path, 0700);
}

static int view_at(const char *path, struct err *e)
{
	AUTO(view_release) struct view view = VIEW_INIT;

	return view_medium(&view, &path, 1, NULL, e);
}

static int head_of(struct fixture *f, const char *path, struct err *e)
{
	AUTO(medium_release) struct medium m = { .trust = &f->trust };

	return medium_read_head(&m, &path, 1, e);
}

static int export_again(struct fixture *f, struct err *e)
{
	static const struct export_events none;

	return export_folder(f->out, &f->set, f->medium, 0, NULL, (struct span){ "", 0 }, &none, e);
}

/* Under the name of a volume, whoever reads the folder or is given it by its path. A test that hangs here
 * is the failure. */
static void medium__waits_for_nothing_that_is_no_file(void **state)
{
	static const struct {
		int (*make)(const char *path);
		const char *folder, *path; /* what is said of it there */
	} cases[] = {
		{ make_fifo, "not a regular file", "not a regular file" },
		{ make_socket, "not a regular file", "not a regular file" },
		{ make_device, "not a regular file", "not a regular file" },
		{ make_link, "a symbolic link, not a file", "a symbolic link, not a file" },
		{ make_loop, "a symbolic link, not a file", "symbolic links" },
		{ make_folder, "not a regular file", "no volumes in this folder" },
	};
	AUTO(fixture_close) struct fixture f;

	fixture_open(&f, *state, 3000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *path = fixture_volume(&f, 1, 1), *folder = f.medium;
		struct err e = ERR_INIT;

		sandbox_remove(f.medium);
		assert_int_equal(mkdir(f.medium, 0755), 0);
		if (cases[i].make(path) < 0 && errno == EPERM)
			continue; /* devices are root's to make */
		assert_err(fixture_verify(&f, NULL, 0, &e), ERR_INPUT, cases[i].folder);
		assert_err(head_of(&f, folder, &e), ERR_INPUT, cases[i].folder);
		assert_err(view_at(folder, &e), ERR_INPUT, cases[i].folder);
		assert_err(export_again(&f, &e), ERR_INPUT, cases[i].folder);
		assert_err(fixture_import(&f, "in", NULL, 0, &e), ERR_INPUT, cases[i].folder);
		assert_int_equal(fixture_verify(&f, &path, 1, &e), -1);
		assert_non_null(strstr(e.text, cases[i].path));
		assert_int_equal(view_at(path, &e), -1);
		assert_non_null(strstr(e.text, cases[i].path));
		assert_nothing_visible(&f, "in");
	}
}

/* --- parts --------------------------------------------------------------------------------------- */

static int append(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

static void put_entry(struct tar_writer *w, const char *name, struct span bytes)
{
	struct err e = ERR_INIT;

	assert_ok(tar_write_entry(w, name, bytes.len, &e));
	assert_ok(tar_write_data(w, bytes.data, bytes.len, &e));
}

/* The volume with the set in `count` parts, each but the last of one byte. */
static void cut_set(const struct fixture *f, const char *path, unsigned count)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO(tar_close) struct tar_reader *r = NULL;
	AUTO(tar_write_free) struct tar_writer *w = NULL;
	AUTO(buf_release) struct buf volume = BUF_INIT;
	char set[VOLUME_NAME_SIZE], part[VOLUME_NAME_SIZE];
	struct tar_entry entry;
	struct err e = ERR_INIT;

	volume_blob_name(&f->set, set);
	assert_ok(tar_open(&r, fd, path, 0, &e));
	assert_ok(tar_write_open(&w, append, &volume, &e));
	while (tar_next(r, &entry, &e) == 1) {
		AUTO(mem_free) char *name = mem_strdup(entry.name);
		AUTO(buf_release) struct buf bytes = BUF_INIT;
		size_t at = 0;

		assert_ok(tar_data_all(r, 64 * MIB, &bytes, &e));
		for (; strcmp(name, set) == 0 && at + 1 < count; at++)
			put_entry(w, volume_part_name(&f->set, at, part),
				(struct span){ bytes.data + at, 1 });
		put_entry(w, at ? volume_part_name(&f->set, at, part) : name,
			(struct span){ bytes.data + at, bytes.len - at });
	}
	assert_ok(tar_write_close(&w, &e));
	sandbox_write(path, volume.data, volume.len);
}

/* However many parts a blob has in a volume, they are put together once, and hashed then. */
static void view_medium__puts_the_parts_of_a_blob_together(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 1000);
	fixture_export(&f, 0);
	cut_set(&f, fixture_volume(&f, 1, 1), 1);
	assert_ok(view_at(f.medium, &e));
	cut_set(&f, fixture_volume(&f, 1, 1), 3);
	assert_ok(view_at(f.medium, &e));
}

/* The volume with `count` of its index, and nothing behind that. */
static void repeat_index(const char *path, unsigned count)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO(tar_close) struct tar_reader *r = NULL;
	AUTO(tar_write_free) struct tar_writer *w = NULL;
	AUTO(buf_release) struct buf volume = BUF_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct tar_entry entry;
	struct err e = ERR_INIT;

	assert_ok(tar_open(&r, fd, path, 0, &e));
	assert_ok(tar_write_open(&w, append, &volume, &e));
	assert_int_equal(tar_next(r, &entry, &e), 1);
	assert_ok(tar_data_all(r, 64 * MIB, &bytes, &e));
	put_entry(w, entry.name, buf_span(&bytes));
	assert_int_equal(tar_next(r, &entry, &e), 1);
	assert_string_equal(entry.name, VOLUME_INDEX);
	buf_clear(&bytes);
	assert_ok(tar_data_all(r, 64 * MIB, &bytes, &e));
	for (unsigned i = 0; i < count; i++)
		put_entry(w, VOLUME_INDEX, buf_span(&bytes));
	assert_ok(tar_write_close(&w, &e));
	sandbox_write(path, volume.data, volume.len);
}

/* Nothing in a volume is not the same as no set; and of many sets each is compared with all before. */
static void view_medium__wants_one_index_in_a_volume(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 1000);
	fixture_export(&f, 0);
	repeat_index(fixture_volume(&f, 1, 1), 2);
	assert_err(view_at(f.medium, &e), ERR_CORRUPT,
		"001-of-001.tar: entry index.json is there twice");
	fixture_export(&f, 0);
	repeat_index(fixture_volume(&f, 1, 1), 0);
	assert_err(
		view_at(f.medium, &e), ERR_CORRUPT, "001-of-001.tar: ends before entry index.json");
	sandbox_write(fixture_volume(&f, 1, 1), (char[1024]){ 0 }, 1024);
	assert_err(
		view_at(f.medium, &e), ERR_CORRUPT, "001-of-001.tar: ends before entry index.json");
}

/* --- volumes that lack --------------------------------------------------------------------------- */

static void import__names_the_volumes_that_lack_and_goes_on_later(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;
	const char *path;

	fixture_open(&f, *state, 300000);
	fixture_export(&f, 1200000);
	path = fixture_volume(&f, 2, 3);
	assert_int_equal(fixture_verify(&f, &path, 1, &e), 1);
	assert_err(fixture_import(&f, "in", &path, 1, &e), ERR_INCOMPLETE,
		"volumes 1, 3 of 3 missing; what came is kept");
	assert_nothing_visible(&f, "in");
	path = fixture_volume(&f, 3, 3);
	assert_err(fixture_import(&f, "in", &path, 1, &e), ERR_INCOMPLETE, "volume 1 of 3 missing");
	assert_nothing_visible(&f, "in");
	path = fixture_volume(&f, 1, 3);
	assert_ok(fixture_import(&f, "in", &path, 1, &e));
	assert_imported(&f, "in");
}

static void import__a_cut_blob_goes_on_with_the_next_volume(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;
	unsigned n;

	fixture_open(&f, *state, 300000);
	fixture_export(&f, 250000);
	n = fixture_volumes(&f);
	for (unsigned i = 1; i < n; i++) {
		const char *path = fixture_volume(&f, i, n);

		assert_err(fixture_import(&f, "in", &path, 1, &e), ERR_INCOMPLETE, "missing");
	}
	assert_nothing_visible(&f, "in");
	const char *last = fixture_volume(&f, n, n);
	assert_ok(fixture_import(&f, "in", &last, 1, &e));
	assert_imported(&f, "in");
}

/* Flip a byte of everything that waits in a folder. */
static void damage_all(const char *dir)
{
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };
	struct err e = ERR_INIT;
	AUTO(fd_close) int at = fs_open_dir(dir, &e);
	char byte;

	assert_ok(fs_list(at, &list, &e));
	assert_true(list.count > 0);
	for (size_t i = 0; i < list.count; i++) {
		AUTO(fd_close) int fd = openat(at, list.names[i], O_RDWR | O_CLOEXEC);

		assert_int_equal(pread(fd, &byte, 1, 0), 1);
		byte ^= 0x04;
		assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
	}
}

/* What an earlier import left may be damaged: the medium is not blamed for it. */
static void import__reads_a_medium_again_when_a_stage_was_bad(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;
	const char *path;

	fixture_open(&f, *state, 300000);
	fixture_export(&f, 250000);
	path = fixture_volume(&f, 1, fixture_volumes(&f));
	assert_err(fixture_import(&f, "in", &path, 1, &e), ERR_INCOMPLETE, "missing");
	damage_all(sandbox_path(f.sb, "in/stage"));
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	assert_imported(&f, "in");
}

/* M2: whatever byte of a medium is another, it is refused, by name. */
static void verify__notices_a_changed_byte_anywhere_in_a_volume(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_release) struct buf good = BUF_INIT;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 1000);
	fixture_export(&f, 0);
	read_file(fixture_volume(&f, 1, 1), &good);
	AUTO(fd_close) int fd = open(fixture_volume(&f, 1, 1), O_RDWR | O_CLOEXEC);
	for (size_t at = 0; at < good.len; at += 211) {
		char other = (char)(good.data[at] ^ 0x04);

		assert_int_equal(pwrite(fd, &other, 1, (off_t)at), 1);
		if (fixture_verify(&f, NULL, 0, &e) != -1 ||
			(e.code != ERR_CORRUPT && e.code != ERR_UNTRUSTED) ||
			!strstr(e.text, "platform-1.0.001-of-001.tar"))
			fail_msg("byte %zu: code %d: %s", at, (int)e.code, e.text);
		assert_int_equal(pwrite(fd, good.data + at, 1, (off_t)at), 1);
	}
	assert_int_equal(ftruncate(fd, (off_t)good.len - 512), 0);
	assert_int_equal(fixture_verify(&f, NULL, 0, &e), -1);
	assert_int_equal(pwrite(fd, good.data, good.len, 0), good.len);
	assert_int_equal(pwrite(fd, "", 1, (off_t)good.len), 1);
	assert_int_equal(fixture_verify(&f, NULL, 0, &e), -1);
}

/* --- streams ----------------------------------------------------------------------------------- */

static void stream__of_volumes_is_read_from_stdin(void **state)
{
	AUTO(fixture_close) struct fixture f;
	static const struct export_events none;
	const char *dash = "-";
	struct err e = ERR_INIT;
	int saved = dup(STDIN_FILENO);
	int fd;

	fixture_open(&f, *state, 300000);
	fd = open(sandbox_path(f.sb, "stream"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_ok(export_stream(f.out, &f.set, fd, 1200000, NULL, &none, &e));
	lseek(fd, 0, SEEK_SET);
	assert_true(dup2(fd, STDIN_FILENO) >= 0);
	assert_ok(fixture_import(&f, "in", &dash, 1, &e));
	assert_imported(&f, "in");
	assert_int_equal(ftruncate(fd, (off_t)file_size(sandbox_path(f.sb, "stream")) - 5000), 0);
	lseek(fd, 0, SEEK_SET);
	assert_err(fixture_import(&f, "in2", &dash, 1, &e), ERR_CORRUPT, "stdin");
	assert_nothing_visible(&f, "in2");
	dup2(saved, STDIN_FILENO);
	close(saved);
	close(fd);
}

/* --- export again -------------------------------------------------------------------------------- */

static void export__again_keeps_whole_volumes_and_continues_cut_ones(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_release) struct buf whole = BUF_INIT;
	AUTO(buf_release) struct buf again = BUF_INIT;
	static const struct export_events none;
	struct span no_key = { "", 0 };
	struct stat before, after;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	fixture_export(&f, 1200000);
	assert_int_equal(stat(fixture_volume(&f, 1, 3), &before), 0);
	read_file(fixture_volume(&f, 2, 3), &whole);
	sandbox_remove(fixture_volume(&f, 2, 3));
	sandbox_write(sandbox_path(f.sb, "medium/platform-1.0.002-of-003.tar.part"), whole.data,
		whole.len / 2);
	sandbox_write(sandbox_path(f.sb, "medium/mine.txt"), "mine", 4);
	sandbox_write(sandbox_path(f.sb, "medium/platform-1.0.007-of-009.tar"), "old", 3);
	assert_ok(export_folder(f.out, &f.set, f.medium, 1200000, NULL, no_key, &none, &e));
	assert_int_equal(stat(fixture_volume(&f, 1, 3), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	read_file(fixture_volume(&f, 2, 3), &again);
	assert_int_equal(whole.len, again.len);
	assert_memory_equal(whole.data, again.data, whole.len);
	assert_true(sandbox_exists(sandbox_path(f.sb, "medium/mine.txt")));
	assert_false(sandbox_exists(fixture_volume(&f, 7, 9)));
	assert_false(sandbox_exists(sandbox_path(f.sb, "medium/platform-1.0.002-of-003.tar.part")));
}

static void export__a_damaged_volume_is_made_again(void **state)
{
	AUTO(fixture_close) struct fixture f;
	static const struct export_events none;
	struct span no_key = { "", 0 };
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	fixture_export(&f, 0);
	AUTO(fd_close) int fd = open(fixture_volume(&f, 1, 1), O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 400000), 1);
	assert_int_equal(fixture_verify(&f, NULL, 0, &e), -1);
	assert_ok(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &none, &e));
	if (fixture_verify(&f, NULL, 0, &e) != 0)
		fail_msg("%s", e.text);
}

static void export__a_damaged_store_is_not_exported(void **state)
{
	AUTO(fixture_close) struct fixture f;
	static const struct export_events none;
	struct span no_key = { "", 0 };
	struct digest layer;
	struct err e = ERR_INIT;
	char hex[DIGEST_HEX_SIZE], path[300];

	fixture_open(&f, *state, 3000);
	layer = image_blob(f.out, "image-0-2", 3000);
	AUTO(store_close) struct store *s = sandbox_store(f.sb, "out", STORE_READ);
	struct volume_writer *w = NULL;
	assert_ok(volume_writer_open(&w, s, &f.set, 0, NULL, &e));
	for (size_t i = 0; i < volume_writer_head(w)->inventory.count; i++)
		if (volume_writer_head(w)->inventory.lines[i].size == 3000)
			layer = volume_writer_head(w)->inventory.lines[i].digest;
	volume_writer_free(&w);
	snprintf(path, sizeof(path), "out/blobs/sha256/%s", digest_hex(&layer, hex));
	assert_int_equal(chmod(sandbox_path(f.sb, path), 0644), 0);
	AUTO(fd_close) int fd = open(sandbox_path(f.sb, path), O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "?", 1, 1500), 1);
	assert_err(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &none, &e), ERR_CORRUPT,
		hex);
	assert_false(sandbox_exists(fixture_volume(&f, 1, 1)));
	assert_false(sandbox_exists(sandbox_path(f.sb, "medium/SHA256SUMS")));
}

static void export__volumes_of_another_set_are_left_alone(void **state)
{
	AUTO(fixture_close) struct fixture f;
	static const struct export_events none;
	struct span no_key = { "", 0 };
	struct digest other;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	other = fixture_seal(&f, "platform", "1.0.1");
	assert_err(export_folder(f.out, &other, f.medium, 0, NULL, no_key, &none, &e), ERR_INPUT,
		"a volume of another set");
	assert_true(sandbox_exists(fixture_volume(&f, 1, 1)));
}

/* A set sealed again has new volumes under the old names. */
static void export__a_folder_with_what_it_must_not_replace_is_refused(void **state)
{
	static const struct export_events none;
	static const struct {
		const char *name, *text; /* text NULL: a volume of the other set */
		const char *wanted;
	} cases[] = {
		{ "platform-1.0.001-of-001.tar", NULL, "a volume of another set of the same name" },
		{ "platform-1.0.004-of-009.tar", NULL, "a volume of another set of the same name" },
		{ "platform-1.0.001-of-001.tar.part", NULL, "another set of the same name" },
		{ "other-1.0.001-of-001.tar", NULL, "a volume of another set" },
		{ "SHA256SUMS", "00  photos.zip\n", "sums of other files" },
		{ "SHA256SUMS", "mine", "sums of other files" },
		{ "other-1.0.001-of-001.tar.part", NULL, NULL },
		{ "SHA256SUMS", "00  platform-1.0.003-of-004.tar\n00  verify.txt\n", NULL },
		{ "SHA256SUMS", "", NULL },
		{ "platform-1.0.001-of-001.tar", "cut off", NULL },
	};
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_release) struct buf other = BUF_INIT;
	struct digest set;
	struct span no_key = { "", 0 };
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	set = f.set;
	f.set = fixture_seal(&f, "platform", "2.0");
	fixture_export(&f, 0);
	read_file(sandbox_path(f.sb, "medium/platform-2.0.001-of-001.tar"), &other);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *name = mem_printf("medium/%s", cases[i].name);
		AUTO(buf_release) struct buf after = BUF_INIT;
		const char *text = cases[i].text ? cases[i].text : other.data;
		size_t len = cases[i].text ? strlen(text) : other.len;

		sandbox_remove(f.medium);
		assert_int_equal(mkdir(f.medium, 0755), 0);
		sandbox_write(sandbox_path(f.sb, name), text, len);
		if (!cases[i].wanted) {
			assert_ok(export_folder(f.out, &set, f.medium, 0, NULL, no_key, &none, &e));
			continue;
		}
		assert_err(export_folder(f.out, &set, f.medium, 0, NULL, no_key, &none, &e),
			ERR_INPUT, cases[i].wanted);
		read_file(sandbox_path(f.sb, name), &after);
		assert_int_equal(after.len, len);
		assert_memory_equal(after.data, text, len);
	}
}

static void note_lost(void *ctx, const char *name, const char *why)
{
	buf_printf(ctx, "%s %.11s\n", name, why);
}

static void export__tells_each_file_before_it_goes(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_release) struct buf lost = BUF_INIT;
	const struct export_events events = { .lose = note_lost, .ctx = &lost };
	struct span no_key = { "", 0 };
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	assert_ok(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &events, &e));
	assert_string_equal(lost.len ? lost.data : "", "");
	sandbox_write(sandbox_path(f.sb, "medium/moat.pub"), "mine", 4);
	sandbox_write(sandbox_path(f.sb, "medium/verify.txt"), "mine", 4);
	sandbox_write(sandbox_path(f.sb, "medium/platform-1.0.007-of-009.tar"), "old", 3);
	sandbox_write(fixture_volume(&f, 1, 1), "bad", 3);
	assert_ok(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &events, &e));
	assert_string_equal(lost.len ? lost.data : "", "SHA256SUMS is removed \n"
						       "platform-1.0.001-of-001.tar is replaced\n"
						       "platform-1.0.007-of-009.tar is removed:\n"
						       "verify.txt is replaced\n"
						       "moat.pub is replaced\n");
}

static void note_lost_whole(void *ctx, const char *name, const char *why)
{
	buf_printf(ctx, "%s %s\n", name, why);
}

/* Each file that somebody may have put there, and what is said of it. */
static void export__tells_of_what_is_no_work_of_its_own(void **state)
{
	static const struct {
		const char *name, *text; /* text NULL: the first half of a volume of the set */
		const char *said; /* "": nothing */
		bool there; /* afterwards, as it was */
	} cases[] = {
		{ "platform-1.0.001-of-001.tar.part", "my photos",
			"platform-1.0.001-of-001.tar.part is written over: it does not begin as a "
			"volume "
			"of this set\n",
			false },
		{ "platform-1.0.001-of-001.tar.part", "", "", false },
		{ "platform-1.0.001-of-001.tar.part", NULL, "", false },
		{ "platform-1.0.002-of-003.tar.part", NULL,
			"platform-1.0.002-of-003.tar.part is removed: the set is divided otherwise "
			"now\n",
			false },
		{ "platform-1.0.002-of-003.tar.part", "my photos", "", true },
		{ "other-1.0.001-of-001.tar.part", NULL, "", true },
		{ "platform-1.0.tar.part", "mine", "", true },
		{ "SHA256SUMS", "00  platform-1.0.001-of-001.tar\n",
			"SHA256SUMS is removed until all is whole\n", false },
	};
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_release) struct buf volume = BUF_INIT;
	struct span no_key = { "", 0 };
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	read_file(fixture_volume(&f, 1, 1), &volume);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *name = mem_printf("medium/%s", cases[i].name);
		AUTO(buf_release) struct buf said = BUF_INIT;
		const struct export_events events = { .lose = note_lost_whole, .ctx = &said };
		const char *text = cases[i].text ? cases[i].text : volume.data;
		size_t len = cases[i].text ? strlen(text) : volume.len / 2;

		sandbox_remove(f.medium);
		assert_int_equal(mkdir(f.medium, 0755), 0);
		sandbox_write(sandbox_path(f.sb, name), text, len);
		assert_ok(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &events, &e));
		assert_string_equal(said.len ? said.data : "", cases[i].said);
		if (fixture_verify(&f, NULL, 0, &e) != 0)
			fail_msg("case %zu: %s", i, e.text);
		if (cases[i].there)
			assert_int_equal(file_size(sandbox_path(f.sb, name)), len);
		else if (strcmp(cases[i].name, "SHA256SUMS") != 0)
			assert_false(sandbox_exists(sandbox_path(f.sb, name)));
	}
}

/* Sums are replaced with a word, and stay as they are when nothing changed. */
static void export__keeps_sums_that_are_right(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_release) struct buf said = BUF_INIT;
	const struct export_events events = { .lose = note_lost_whole, .ctx = &said };
	const char *sums;
	struct span no_key = { "", 0 };
	struct stat before, after;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	sums = sandbox_path(f.sb, "medium/SHA256SUMS");
	assert_int_equal(stat(sums, &before), 0);
	assert_ok(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &events, &e));
	assert_int_equal(stat(sums, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(said.len, 0);
	sandbox_remove(sums);
	sandbox_write(sums, "00  verify.txt\n", 15);
	assert_ok(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &events, &e));
	assert_string_equal(said.data, "SHA256SUMS is replaced: it had another text\n");
	buf_clear(&said);
	sandbox_write(sandbox_path(f.sb, "medium/verify.txt"), "mine", 4);
	assert_ok(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &events, &e));
	assert_string_equal(said.data, "verify.txt is replaced: it had another text\n"
				       "SHA256SUMS is removed until all is whole\n");
	assert_true(sandbox_exists(sums));
	buf_clear(&said);
	assert_int_equal(unlink(sandbox_path(f.sb, "medium/moat.pub")), 0);
	assert_int_equal(symlink("SHA256SUMS", sandbox_path(f.sb, "medium/moat.pub")), 0);
	assert_ok(export_folder(f.out, &f.set, f.medium, 0, NULL, no_key, &events, &e));
	assert_string_equal(
		said.data, "moat.pub is replaced: moat.pub: a symbolic link, not a file\n");
}

static void export__a_folder_under_a_name_of_its_own_is_refused_first(void **state)
{
	static const char *const names[] = { "verify.txt", "moat.pub", "SHA256SUMS",
		"platform-1.0.001-of-001.tar", "platform-1.0.001-of-001.tar.part" };
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO(mem_free) char *name = mem_printf("medium/%s", names[i]);

		sandbox_remove(f.medium);
		assert_int_equal(mkdir(f.medium, 0755), 0);
		assert_int_equal(mkdir(sandbox_path(f.sb, name), 0755), 0);
		assert_err(export_again(&f, &e), ERR_INPUT, names[i]);
		assert_int_equal(sandbox_count(f.medium), 1);
	}
}

struct tally {
	uint64_t told, moved;
};

static void tally_begin(void *ctx, const struct import_report *r)
{
	((struct tally *)ctx)->told = r->bytes;
}

static void tally_moved(void *ctx, uint64_t bytes)
{
	((struct tally *)ctx)->moved += bytes;
}

static void import__moves_the_bytes_that_it_told(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(medium_release) struct medium m = { .trusted = false };
	struct tally tally = { 0, 0 };
	const struct import_events events = {
		.begin = tally_begin, .moved = tally_moved, .ctx = &tally
	};
	const char *medium = f.medium;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	fixture_export(&f, 250000);
	AUTO(store_close) struct store *in = sandbox_store(f.sb, "in", STORE_WRITE);
	assert_ok(import_medium(in,
		&(struct import_terms){ .trust = &f.trust, .paths = &medium, .path_count = 1 },
		&events, &m, &e));
	/* The empty config, {}, came with the head. */
	assert_int_equal(tally.moved + strlen("{}"), tally.told);
}

static void tally_export(void *ctx, const struct export_report *r)
{
	((struct tally *)ctx)->told = r->bytes;
}

/* Volumes that are written, kept, continued and made again: all of their bytes, once. */
static void export__moves_the_bytes_that_it_told(void **state)
{
	static const struct {
		uint64_t cut_at; /* of volume 2; UINT64_MAX: damaged behind its middle */
		bool keep; /* the others */
	} cases[] = { { 0, false }, { 0, true }, { 600000, true }, { UINT64_MAX, true } };
	AUTO(fixture_close) struct fixture f;
	struct span no_key = { "", 0 };
	const char *second;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tally tally = { 0, 0 };
		const struct export_events events = {
			.begin = tally_export, .moved = tally_moved, .ctx = &tally
		};

		if (!cases[i].keep)
			sandbox_remove(f.medium);
		second = fixture_volume(&f, 2, 3);
		if (cases[i].cut_at == UINT64_MAX) {
			AUTO(fd_close) int fd = open(second, O_RDWR | O_CLOEXEC);

			assert_int_equal(pwrite(fd, "x", 1, 800000), 1);
		} else if (cases[i].cut_at) {
			assert_int_equal(truncate(second, (off_t)cases[i].cut_at), 0);
		}
		assert_ok(
			export_folder(f.out, &f.set, f.medium, 1200000, NULL, no_key, &events, &e));
		assert_true(tally.told > 2 * MIB);
		if (tally.moved != tally.told)
			fail_msg("case %zu: %llu of %llu", i, (unsigned long long)tally.moved,
				(unsigned long long)tally.told);
	}
}

static void export__to_a_stream_moves_the_bytes_that_it_told(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(fd_close) int fd = -1;
	struct tally tally = { 0, 0 };
	const struct export_events events = {
		.begin = tally_export, .moved = tally_moved, .ctx = &tally
	};
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	fd = open(sandbox_path(f.sb, "stream"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_ok(export_stream(f.out, &f.set, fd, 1200000, NULL, &events, &e));
	assert_int_equal(tally.moved, tally.told);
	assert_int_equal(tally.told, file_size(sandbox_path(f.sb, "stream")));
}

/* --- who may come in ----------------------------------------------------------------------------- */

static void import__refuses_other_keys_older_versions_and_other_contents(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(trust_release) struct trust mine = TRUST_INIT;
	AUTO(sign_key_free) struct sign_key *key = NULL;
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct digest old;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	old = f.set;
	f.set = fixture_seal(&f, "platform", "2.0");
	fixture_export(&f, 0);
	mine = f.trust;
	assert_ok(sign_key_new(&key, &e));
	assert_ok(sign_key_write_public(key, &pem, &e));
	f.trust = (struct trust)TRUST_INIT;
	assert_ok(trust_add(&f.trust, "other.pub", buf_span(&pem), &e));
	assert_err(fixture_import(&f, "in", NULL, 0, &e), ERR_UNTRUSTED, "platform-2.0.001");
	assert_nothing_visible(&f, "in");
	trust_release(&f.trust);
	f.trust = mine;
	mine = (struct trust)TRUST_INIT;
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	f.set = old;
	fixture_export(&f, 0);
	assert_err(
		fixture_import(&f, "in", NULL, 0, &e), ERR_UNTRUSTED, "is older than version 2.0");
}

/* The key of the fixture with a text in front, as trust_load() reads it. */
static void trust_with_text(struct fixture *f, const char *text)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	const char *path = sandbox_path(f->sb, "limited.pub");
	struct err e = ERR_INIT;

	buf_str(&pem, text);
	assert_ok(sign_key_write_public(f->key, &pem, &e));
	sandbox_write(path, pem.data, pem.len);
	trust_release(&f->trust);
	assert_ok(trust_load(&f->trust, &path, 1, &e));
}

static void import__a_key_signs_only_the_sets_that_it_may(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "sets: apps-*\n", false },
		{ "sets: platform-*\n", false },
		{ "sets: apps-*, plat*\n", true },
		{ "# any\n", true },
	};
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		trust_with_text(&f, cases[i].text);
		if (cases[i].good) {
			assert_int_equal(fixture_verify(&f, NULL, 0, &e), 0);
			assert_ok(fixture_import(&f, "in", NULL, 0, &e));
			continue;
		}
		assert_int_equal(fixture_verify(&f, NULL, 0, &e), -1);
		assert_err(fixture_import(&f, "in", NULL, 0, &e), ERR_UNTRUSTED,
			"limited.pub, which may only sign the sets");
		assert_nothing_visible(&f, "in");
	}
}

/* Another key from now on, trusted beside the first one. */
static void use_another_key(struct fixture *f, const char *name)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	sign_key_free(&f->key);
	assert_ok(sign_key_new(&f->key, &e));
	assert_ok(sign_key_write_public(f->key, &pem, &e));
	assert_ok(trust_add(&f->trust, name, buf_span(&pem), &e));
}

static void import__keeps_to_the_signers_of_a_name(void **state)
{
	static const struct {
		const char *allowed; /* NULL: none */
		enum err_code code; /* ERR_OK: imported */
		const char *text;
	} cases[] = {
		{ NULL, ERR_UNTRUSTED,
			"the signer changed: version 1.0 was signed by moat.pub, 2.0 by "
			"keys/other.pub; "
			"if that is meant: --allow-signer other" },
		{ "moat", ERR_UNTRUSTED, "the signer changed" },
		{ "oth", ERR_INPUT, "no trusted key is called \"oth\"" }, { "other", ERR_OK, NULL },
		{ NULL, ERR_OK, NULL }, /* and then it is a signer */
	};
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	fixture_export(&f, 0);
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	use_another_key(&f, "keys/other.pub");
	f.set = fixture_seal(&f, "platform", "2.0");
	fixture_export(&f, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f.trust.new_signers = &cases[i].allowed;
		f.trust.new_signer_count = cases[i].allowed != NULL;
		if (cases[i].code == ERR_OK)
			assert_ok(fixture_import(&f, "in", NULL, 0, &e));
		else
			assert_err(fixture_import(&f, "in", NULL, 0, &e), cases[i].code,
				cases[i].text);
	}
	f.set = fixture_seal(&f, "else", "1.0"); /* a name without signers yet */
	fixture_export(&f, 0);
	f.trust.new_signer_count = 0;
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
}

/* The first key or the other one again. */
static void keep_key(struct fixture *f, const char *name)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	assert_ok(sign_key_write(f->key, NULL, &pem, &e));
	sandbox_write(sandbox_path(f->sb, name), pem.data, pem.len);
}

static void use_key_of(struct fixture *f, const char *name)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(
		fs_read_file(AT_FDCWD, sandbox_path(f->sb, name), KEY_FILE_MAX, &pem, &e), 1);
	sign_key_free(&f->key);
	assert_ok(sign_key_read(&f->key, name, buf_span(&pem), NULL, &e));
}

/* "+" for each key of the trust that signs and counts, "-" for one that does not count; "?" when new. */
static void assert_signers(const struct fixture *f, const char *want)
{
	AUTO(buf_release) struct buf got = BUF_INIT;

	for (size_t i = 0; i < f->signers.count; i++) {
		const struct signer *s = &f->signers.items[i];

		buf_printf(&got, "%s%s%s ", s->counts ? "+" : "-", verify_key_name(s->key),
			s->is_new ? "?" : "");
	}
	assert_string_equal(got.len ? got.data : "", want);
}

/* How many signatures of the newest set the store has that hold under the key, of both forms; each layer is
 * one. */
static void assert_kept(struct fixture *f, size_t key, size_t want)
{
	AUTO(store_close) struct store *s = sandbox_store(f->sb, "in", STORE_READ);
	AUTO(mem_free) struct set_signature *list = NULL;
	AUTO(buf_release) struct buf pem = BUF_INIT;
	size_t count = 0, got = 0;
	struct err e = ERR_INIT;

	assert_ok(verify_key_write(f->trust.keys[key], &pem, &e));
	assert_ok(set_signatures(s, &f->set, &list, &count, &e));
	for (size_t i = 0; i < count; i++) {
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT;
		const char *keys;

		assert_int_equal(blob_read(s, &list[i].digest, MANIFEST_MAX, &text, &e), 1);
		assert_ok(manifest_parse(&m, "signature", NULL, buf_span(&text), &e));
		keys = annotation_get(&m.annotations, COSIGN_PUBLIC_KEY);
		got += keys && strstr(keys, pem.data);
	}
	assert_int_equal(got, want);
}

static void import_allowing(struct fixture *f, const char *name)
{
	struct err e = ERR_INIT;

	f->trust.new_signers = &name;
	f->trust.new_signer_count = name != NULL;
	fixture_export(f, 0);
	assert_ok(fixture_import(f, "in", NULL, 0, &e));
	f->trust.new_signer_count = 0;
}

static void assert_refused(struct fixture *f)
{
	struct err e = ERR_INIT;

	fixture_export(f, 0);
	assert_err(fixture_import(f, "in", NULL, 0, &e), ERR_UNTRUSTED, "the signer changed");
}

/* Old and new key sign one version, then the new one alone: with a consent in between. Without it whoever has
 * a key that is trusted, and the medium in his hands, would be next. */
static void import__a_signer_joins_only_with_consent(void **state)
{
	AUTO(fixture_close) struct fixture f;

	fixture_open(&f, *state, 3000);
	keep_key(&f, "old");
	import_allowing(&f, NULL);
	assert_signers(&f, "+moat.pub? ");
	/* The version that is here, with a signature more. */
	use_another_key(&f, "other.pub");
	keep_key(&f, "new");
	fixture_sign(&f, "platform", "1.0", &f.set);
	import_allowing(&f, NULL);
	assert_signers(&f, "+moat.pub -other.pub? ");
	assert_kept(&f, 0, 2);
	assert_kept(&f, 1, 0);
	f.set = fixture_seal(&f, "platform", "2.0");
	assert_refused(&f);
	/* The next one by both, which may be asked for again. */
	f.set = fixture_seal(&f, "platform", "3.0");
	use_key_of(&f, "old");
	fixture_sign(&f, "platform", "3.0", &f.set);
	import_allowing(&f, NULL);
	assert_signers(&f, "+moat.pub -other.pub? ");
	assert_kept(&f, 1, 0);
	import_allowing(&f, "other");
	assert_signers(&f, "+moat.pub +other.pub? ");
	assert_kept(&f, 0, 2);
	assert_kept(&f, 1, 2);
	/* And by the new one alone; then the old one is none any more. */
	use_key_of(&f, "new");
	f.set = fixture_seal(&f, "platform", "4.0");
	import_allowing(&f, NULL);
	assert_signers(&f, "+other.pub ");
	use_key_of(&f, "old");
	f.set = fixture_seal(&f, "platform", "5.0");
	assert_refused(&f);
}

/* Append the manifest without its config. */
static void leave_config(struct buf *out, const struct buf *manifest)
{
	const char *config = strstr(manifest->data, "\"config\":");
	const char *layers = strstr(manifest->data, "\"layers\":");

	assert_true(config && layers && config < layers);
	buf_add(out, manifest->data, (size_t)(config - manifest->data));
	buf_str(out, layers);
}

/* Sign f->set by two keys that were kept, in one manifest of cosign's form and in no other. */
static void sign_in_one(
	struct fixture *f, const char *version, const char *a, const char *b, bool with_config)
{
	AUTO(cosign_signature_release) struct cosign_signature one = COSIGN_SIGNATURE_INIT;
	AUTO(cosign_signature_release) struct cosign_signature other = COSIGN_SIGNATURE_INIT;
	AUTO(mem_free) char *reference = mem_printf("moat.local/set/platform:%s", version);
	AUTO(buf_release) struct buf both = BUF_INIT, bare = BUF_INIT;
	const struct cosign_claim claim = { .digest = f->set, .reference = reference };
	struct set_signature sig = { .media_type = MEDIA_OCI_MANIFEST };
	struct set_offer offer = {
		.digest = &f->set, .activate = true, .signatures = &sig, .signature_count = 1
	};
	struct digest d;
	struct err e = ERR_INIT;

	use_key_of(f, a);
	assert_ok(cosign_sign_legacy(f->key, &claim, &one, &e));
	use_key_of(f, b);
	assert_ok(cosign_sign_legacy(f->key, &claim, &other, &e));
	assert_int_equal(
		cosign_join_legacy(buf_span(&one.manifest), buf_span(&other.manifest), &both, &e),
		1);
	leave_config(&bare, &both);
	assert_ok(blob_put(f->out, NULL, buf_span(&one.blob), &d, &e));
	assert_ok(blob_put(f->out, NULL, buf_span(&one.config), &d, &e));
	assert_ok(blob_put(f->out, NULL, buf_span(with_config ? &both : &bare), &sig.digest, &e));
	ref_fallback_tag(&f->set, ".sig", sig.tag);
	assert_ok(set_accept(f->out, &offer, NULL, &e));
}

/* Each of those that signed one manifest, whichever comes first; and who did not. */
static void medium_is_signed_by__every_key_of_a_manifest(void **state)
{
	static const bool want[] = { true, true, false };
	AUTO(fixture_close) struct fixture f;
	AUTO(medium_release) struct medium m = { .trusted = false };
	const char *folder;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 1000);
	keep_key(&f, "first");
	use_another_key(&f, "second.pub");
	keep_key(&f, "second");
	use_another_key(&f, "third.pub");
	f.set = fixture_set(&f, "platform", "2.0");
	sign_in_one(&f, "2.0", "first", "second", true);
	fixture_export(&f, 0);
	folder = f.medium;
	m.trust = &f.trust;
	assert_ok(medium_read_head(&m, &folder, 1, &e));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(medium_is_signed_by(&m, f.trust.keys[i]), want[i]);
}

/* A version without signatures would have no signers, and whoever is trusted could sign the next one. */
static void import__a_set_keeps_a_signature(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	keep_key(&f, "old");
	import_allowing(&f, NULL);
	use_another_key(&f, "other.pub");
	keep_key(&f, "new");
	f.set = fixture_set(&f, "platform", "2.0");
	sign_in_one(&f, "2.0", "old", "new", false);
	fixture_export(&f, 0);
	assert_err(fixture_import(&f, "in", NULL, 0, &e), ERR_UNTRUSTED,
		"none of its signatures can be kept");
	use_key_of(&f, "new");
	f.set = fixture_seal(&f, "platform", "3.0");
	assert_refused(&f);
}

/* Of what a signature is made, and the set that it is for. */
enum lost { LOST_MANIFESTS, LOST_LAYERS, LOST_INDEX };

static void lose_layers(const struct fixture *f, const struct digest *signature)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(blob_read(f->out, signature, MANIFEST_MAX, &bytes, &e), 1);
	assert_ok(manifest_parse(&m, "signature", NULL, buf_span(&bytes), &e));
	for (size_t i = 0; i < m.count; i++)
		turn_bit(f, "in", &m.items[i].digest);
}

static void lose_signatures(const struct fixture *f, const struct digest *set, enum lost what)
{
	AUTO(mem_free) struct set_signature *sigs = NULL;
	size_t count = 0;
	struct err e = ERR_INIT;

	if (what == LOST_INDEX)
		turn_bit(f, "in", set);
	assert_ok(set_signatures(f->out, set, &sigs, &count, &e));
	for (size_t i = 0; i < count; i++)
		if (what == LOST_MANIFESTS)
			turn_bit(f, "in", &sigs[i].digest);
		else if (what == LOST_LAYERS)
			lose_layers(f, &sigs[i].digest);
}

/* Whose signatures went bad was signed all the same: its medium brings them back, or somebody consents. */
static void check_lost_signatures(void **state, enum lost what)
{
	AUTO(fixture_close) struct fixture f;
	struct digest one, two;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	one = f.set;
	import_allowing(&f, NULL);
	use_another_key(&f, "other.pub");
	two = f.set = fixture_seal(&f, "platform", "2.0");
	fixture_export(&f, 0);
	lose_signatures(&f, &one, what);
	assert_err(fixture_import(&f, "in", NULL, 0, &e), ERR_UNTRUSTED,
		"version 1.0 was signed by keys that cannot be told");
	f.set = one;
	import_allowing(&f, NULL);
	assert_kept(&f, 0, 2);
	f.set = two;
	fixture_export(&f, 0);
	assert_err(fixture_import(&f, "in", NULL, 0, &e), ERR_UNTRUSTED,
		"version 1.0 was signed by moat.pub");
	lose_signatures(&f, &one, what);
	import_allowing(&f, "other");
	assert_signers(&f, "+other.pub? ");
}

static void import__lost_signatures_make_no_key_a_signer(void **state)
{
	check_lost_signatures(state, LOST_MANIFESTS);
}

static void import__lost_payloads_make_no_key_a_signer(void **state)
{
	check_lost_signatures(state, LOST_LAYERS);
}

/* The medium that repairs a set proves who signed it, whatever of its signatures rotted. */
static void import__a_set_with_rotten_signatures_is_repaired(void **state)
{
	for (enum lost what = LOST_MANIFESTS; what <= LOST_INDEX; what++) {
		AUTO(fixture_close) struct fixture f;

		fixture_open(&f, *state, 3000);
		import_allowing(&f, NULL);
		lose_signatures(&f, &f.set, what);
		import_allowing(&f, NULL);
		assert_signers(&f, "+moat.pub ");
		assert_kept(&f, 0, 2);
		fixture_close(&f);
		f = (struct fixture){ .trust = TRUST_INIT };
		assert_int_equal(sandbox_teardown(state), 0);
		assert_int_equal(sandbox_setup(state), 0);
	}
}

/* Tags of signatures are served beside the versions, and no key signs what a medium says of them. */
static void import__takes_no_signature_under_the_tag_of_a_version(void **state)
{
	static const char *const tags[] = { "1.0", "2.0", "sha256-00.sig", "a\n" };

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		AUTO(fixture_close) struct fixture f;
		AUTO(mem_free) struct set_signature *have = NULL;
		struct set_offer offer = { .activate = true, .signature_count = 1 };
		size_t count = 0;
		struct err e = ERR_INIT;

		fixture_open(&f, *state, 1000);
		assert_ok(set_signatures(f.out, &f.set, &have, &count, &e));
		snprintf(have[0].tag, sizeof(have[0].tag), "%s", tags[i]);
		offer.digest = &f.set;
		offer.signatures = have;
		assert_ok(set_accept(f.out, &offer, NULL, &e));
		fixture_export(&f, 0);
		assert_int_equal(fixture_import(&f, "in", NULL, 0, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_non_null(strstr(e.text, "a signature under the tag"));
		assert_nothing_visible(&f, "in");
		fixture_close(&f);
		f = (struct fixture){ .trust = TRUST_INIT };
		assert_int_equal(sandbox_teardown(state), 0);
		assert_int_equal(sandbox_setup(state), 0);
	}
}

/* The set's bundle written in `count` other ways, each a signature that holds. */
static void add_spellings(struct fixture *f, struct store *s, unsigned first, unsigned count)
{
	AUTO(mem_free) struct set_signature *have = NULL;
	AUTO(buf_release) struct buf manifest = BUF_INIT;
	struct set_signature more = { .media_type = MEDIA_OCI_MANIFEST };
	size_t have_count = 0;
	struct err e = ERR_INIT;

	assert_ok(set_signatures(s, &f->set, &have, &have_count, &e));
	assert_string_equal(have[0].tag, ""); /* they come by their tags */
	assert_int_equal(blob_read(s, &have[0].digest, MANIFEST_MAX, &manifest, &e), 1);
	for (unsigned i = 0; i < first + count; i++) {
		buf_char(&manifest, ' ');
		if (i < first)
			continue;
		assert_ok(blob_put(s, NULL, buf_span(&manifest), &more.digest, &e));
		assert_ok(set_accept(s,
			&(struct set_offer){ .activate = true,
				.digest = &f->set,
				.signatures = &more,
				.signature_count = 1 },
			NULL, &e));
	}
}

/* A courier needs no key to write a signature in other ways: however many media of one set come, all
 * of it can be exported again. */
static void import__keeps_no_more_signatures_than_a_medium_carries(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(store_close) struct store *courier = NULL;
	AUTO(store_close) struct store *in = NULL;
	AUTO(mem_free) struct set_signature *have = NULL;
	struct store *own;
	size_t count = 0;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 1000);
	fixture_export(&f, 0);
	assert_ok(fixture_import(&f, "courier", NULL, 0, &e));
	add_spellings(&f, f.out, 0, 40);
	fixture_export(&f, 0);
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	courier = sandbox_store(f.sb, "courier", STORE_WRITE);
	add_spellings(&f, courier, 40, 40);
	own = f.out;
	f.out = courier;
	fixture_export(&f, 0);
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	in = sandbox_store(f.sb, "in", STORE_READ);
	assert_ok(set_signatures(in, &f.set, &have, &count, &e));
	assert_int_equal(count, VOLUME_SIGNATURES_MAX);
	f.out = in;
	fixture_export(&f, 0);
	f.out = own;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(import__brings_what_was_exported),
		TEST(import__mends_what_every_volume_carries),
		TEST(import__out_of_an_imported_store_the_same_volumes_come),
		TEST(volumes__of_any_size_hold_everything),
		TEST(volumes__a_limit_that_is_too_small_is_refused),
		TEST(import__takes_volumes_in_any_order_and_twice),
		TEST(import__passes_over_hidden_files),
		cmocka_unit_test(volume_is_file_name__looks_at_the_end_of_a_path),
		TEST(verify__tells_damage_from_another_kind),
		TEST(medium__waits_for_nothing_that_is_no_file),
		TEST(view_medium__puts_the_parts_of_a_blob_together),
		TEST(view_medium__wants_one_index_in_a_volume),
		TEST(import__names_the_volumes_that_lack_and_goes_on_later),
		TEST(import__a_cut_blob_goes_on_with_the_next_volume),
		TEST(import__reads_a_medium_again_when_a_stage_was_bad),
		TEST(verify__notices_a_changed_byte_anywhere_in_a_volume),
		TEST(stream__of_volumes_is_read_from_stdin),
		TEST(import__moves_the_bytes_that_it_told),
		TEST(export__moves_the_bytes_that_it_told),
		TEST(export__to_a_stream_moves_the_bytes_that_it_told),
		TEST(export__again_keeps_whole_volumes_and_continues_cut_ones),
		TEST(export__a_damaged_volume_is_made_again),
		TEST(export__a_damaged_store_is_not_exported),
		TEST(export__volumes_of_another_set_are_left_alone),
		TEST(export__a_folder_with_what_it_must_not_replace_is_refused),
		TEST(export__tells_each_file_before_it_goes),
		TEST(export__tells_of_what_is_no_work_of_its_own),
		TEST(export__keeps_sums_that_are_right),
		TEST(export__a_folder_under_a_name_of_its_own_is_refused_first),
		TEST(import__refuses_other_keys_older_versions_and_other_contents),
		TEST(import__a_key_signs_only_the_sets_that_it_may),
		TEST(import__keeps_to_the_signers_of_a_name),
		TEST(import__a_signer_joins_only_with_consent),
		TEST(medium_is_signed_by__every_key_of_a_manifest),
		TEST(import__a_set_keeps_a_signature),
		TEST(import__lost_signatures_make_no_key_a_signer),
		TEST(import__lost_payloads_make_no_key_a_signer),
		TEST(import__a_set_with_rotten_signatures_is_repaired),
		TEST(import__takes_no_signature_under_the_tag_of_a_version),
		TEST(import__keeps_no_more_signatures_than_a_medium_carries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
