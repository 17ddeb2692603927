#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "tests/support/cm.h"

static char root[] = "/tmp/moat-test-fs-XXXXXX";
static int dir;

static int make_root(void **state)
{
	struct err e;

	(void)state;
	if (!mkdtemp(root))
		return -1;
	dir = fs_open_dir(root, &e);
	return dir < 0;
}

static int remove_root(void **state)
{
	struct fs_names names;
	struct err e;

	(void)state;
	if (fs_list(dir, &names, &e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (unlinkat(dir, names.names[i], 0) < 0)
			unlinkat(dir, names.names[i], AT_REMOVEDIR);
	fs_names_free(&names);
	close(dir);
	return rmdir(root);
}

static void fs_replace_file__replaces_and_leaves_nothing_beside(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct fs_names names;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(fs_replace_file(dir, "a", span_of("one"), 0600, &e));
	assert_ok(fs_replace_file(dir, "a", span_of("two"), 0600, &e));
	assert_int_equal(fs_read_file(dir, "a", 10, &text, &e), 1);
	assert_string_equal(text.data, "two");
	assert_ok(fs_list(dir, &names, &e));
	assert_int_equal(names.count, 1);
	fs_names_free(&names);
}

static int make_socket(void)
{
	AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/socket", dir);
	return bind(fd, (struct sockaddr *)&at, sizeof(at));
}

static void fs_read_file__refuses_links_devices_and_long_files(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(symlinkat("a", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(make_socket(), 0);
	assert_err(fs_read_file(dir, "link", 10, &text, &e), ERR_INPUT, "symbolic link");
	assert_err(fs_read_file(dir, "fifo", 10, &text, &e), ERR_INPUT, "not a regular file");
	assert_err(fs_read_file(dir, "socket", 10, &text, &e), ERR_INPUT, "not a regular file");
	assert_err(fs_read_file(dir, "sub", 10, &text, &e), ERR_INPUT, "not a regular file");
	assert_err(fs_read_file(dir, "a", 2, &text, &e), ERR_INPUT, "limit of 2");
	assert_int_equal(fs_read_file(dir, "none", 2, &text, &e), 0);
}

static void fs_link_fd__does_not_overwrite(void **state)
{
	struct err e = ERR_INIT;
	AUTO(fd_close) int fd = fs_open_unnamed(dir, 0600, &e);

	(void)state;
	if (fd < 0 && e.code == ERR_UNSUPPORTED)
		skip(); /* a file system without O_TMPFILE */
	assert_true(fd >= 0);
	assert_ok(fs_write_all(fd, "x", 1, "x", &e));
	assert_int_equal(fs_link_fd(fd, dir, "named", &e), 1);
	assert_int_equal(fs_link_fd(fd, dir, "named", &e), 0);
}

static void fs_pread_all__an_early_end_is_corruption(void **state)
{
	struct err e = ERR_INIT;
	AUTO(fd_close) int fd = openat(dir, "a", O_RDONLY);
	char bytes[8];

	(void)state;
	assert_ok(fs_pread_all(fd, bytes, 3, 0, "a", &e));
	assert_err(fs_pread_all(fd, bytes, 4, 0, "a", &e), ERR_CORRUPT, "1 bytes early");
}

static void fs_make_dirs__makes_parents(void **state)
{
	AUTO(mem_free) char *deep = mem_printf("%s/x/y", root);
	AUTO(mem_free) char *top = mem_printf("%s/x", root);
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(fs_make_dirs(deep, 0700, &e));
	assert_ok(fs_make_dirs(deep, 0700, &e));
	assert_int_equal(rmdir(deep), 0);
	assert_int_equal(rmdir(top), 0);
}

/* One may make something there, and not read the folder to sync it. */
static void fs_make_dirs__in_a_folder_that_may_not_be_read(void **state)
{
	AUTO(mem_free) char *drop = mem_printf("%s/drop", root);
	AUTO(mem_free) char *made = mem_printf("%s/new", drop);
	bool is_root = geteuid() == 0;
	struct err e = ERR_INIT;
	int rc, probe;

	(void)state;
	assert_int_equal(mkdir(drop, 0700), 0);
	assert_int_equal(chmod(drop, 0333), 0);
	assert_int_equal(chmod(root, 0711), 0);
	if (is_root && seteuid(65534) < 0)
		skip();
	probe = open(drop, O_RDONLY | O_CLOEXEC);
	rc = fs_make_dirs(made, 0700, &e);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(probe, -1);
	assert_ok(rc);
	assert_int_equal(rmdir(made), 0);
	assert_int_equal(rmdir(drop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fs_replace_file__replaces_and_leaves_nothing_beside),
		cmocka_unit_test(fs_read_file__refuses_links_devices_and_long_files),
		cmocka_unit_test(fs_link_fd__does_not_overwrite),
		cmocka_unit_test(fs_pread_all__an_early_end_is_corruption),
		cmocka_unit_test(fs_make_dirs__makes_parents),
		cmocka_unit_test(fs_make_dirs__in_a_folder_that_may_not_be_read),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
