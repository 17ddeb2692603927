/* Read certificate folders of a host. Must never weaken verification: nothing here can turn it off,
 * and an incomplete folder is an error. */
#include "mirror-tool/upstream/certs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/oci/ref.h"
#include "storage/base/banned.h"

void certs_release(struct certs *c)
{
	int saved = errno;

	buf_release(&c->ca);
	free(c->client_cert);
	free(c->client_key);
	*c = (struct certs)CERTS_INIT;
	errno = saved;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

static int read_pem(struct certs *c, const char *path, struct err *e)
{
	int rc;

	if (c->ca.len >= CERTS_BYTES_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %u bytes of authorities", path,
			CERTS_BYTES_MAX);
	rc = fs_read_file(AT_FDCWD, path, CERTS_BYTES_MAX - c->ca.len, &c->ca, e);
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: not there", path);
	if (rc > 0)
		buf_char(&c->ca, '\n');
	return rc < 0 ? -1 : 0;
}

/* Check that the other half of NAME.cert or NAME.key is there. */
static int check_pair(
	const char *dir, const char *name, const char *suffix, const char *other, struct err *e)
{
	AUTO(mem_free)
	char *twin =
		mem_printf("%s/%.*s%s", dir, (int)(strlen(name) - strlen(suffix)), name, other);

	if (access(twin, R_OK) < 0)
		return err_sys(e, "%s/%s needs %s", dir, name, twin);
	return 0;
}

static int read_entry(struct certs *c, const char *dir, const char *name, const char *system_bundle,
	struct err *e)
{
	AUTO(mem_free) char *path = mem_printf("%s/%s", dir, name);

	if (name[0] == '.')
		return 0; /* hidden: of an editor, or of macOS */
	if (ends_with(name, ".crt")) {
		if (c->ca.len == 0 && system_bundle && access(system_bundle, R_OK) == 0 &&
			read_pem(c, system_bundle, e) < 0)
			return -1;
		return read_pem(c, path, e);
	}
	if (ends_with(name, ".key"))
		return check_pair(dir, name, ".key", ".cert", e);
	if (!ends_with(name, ".cert"))
		return 0;
	if (check_pair(dir, name, ".cert", ".key", e) < 0)
		return -1;
	if (!c->client_cert) {
		c->client_key = mem_printf("%.*s.key", (int)(strlen(path) - 5), path);
		c->client_cert = STEAL(path);
	}
	return 0;
}

static int read_folder(struct certs *c, const char *dir, const char *system_bundle, struct err *e)
{
	AUTO(fs_names_free) struct fs_names names = { 0 };
	AUTO(fd_close) int fd = -1;

	fd = fs_open_dir(dir, e);
	if (fd < 0 || fs_list(fd, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		if (read_entry(c, dir, names.names[i], system_bundle, e) < 0)
			return -1;
	}
	return 0;
}

/* Is `name` the folder of this authority? ':' before a port may be written '_', with another '_' at
 * the end. */
static bool is_folder_of(const char *name, const char *authority)
{
	AUTO(mem_free) char *host = mem_strdup(name);
	size_t len = strlen(host);
	char *port = NULL;

	if (len > 2 && host[len - 1] == '_') {
		host[len - 1] = '\0';
		port = strrchr(host, '_');
		if (port)
			*port = ':';
	}
	return ref_same_host(host, authority);
}

static int read_dir(struct certs *c, const char *dir, const char *authority,
	const char *system_bundle, struct err *e)
{
	AUTO(fs_names_free) struct fs_names names = { 0 };
	AUTO(fd_close) int fd = -1;

	if (access(dir, F_OK) < 0)
		return 0;
	fd = fs_open_dir(dir, e);
	if (fd < 0 || fs_list(fd, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		AUTO(mem_free) char *folder = mem_printf("%s/%s", dir, names.names[i]);

		if (is_folder_of(names.names[i], authority) &&
			read_folder(c, folder, system_bundle, e) < 0)
			return -1;
	}
	return 0;
}

int certs_read(struct certs *c, const char *const *dirs, size_t count, const char *authority,
	const char *system_bundle, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (read_dir(c, dirs[i], authority, system_bundle, e) < 0)
			return -1;
	return 0;
}
