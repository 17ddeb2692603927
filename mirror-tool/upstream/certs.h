/*
 * Certificates for one host, from folders as containerd, docker and podman have them:
 * DIR/HOST[:PORT]/ (also HOST_PORT_; in any case, the Hub under any of its names) with *.crt
 * (certificate authorities, added to the system's), and X.cert with X.key (client certificate). A
 * containerd hosts.toml is not read.
 */
#ifndef MOAT_UPSTREAM_CERTS_H
#define MOAT_UPSTREAM_CERTS_H

#include <stddef.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define CERTS_BYTES_MAX (4u << 20) /* of all authorities together */

struct certs {
	struct buf ca; /* PEM; empty: the system store alone */
	char *client_cert, *client_key; /* paths; NULL when there is none */
};
#define CERTS_INIT                                                                                 \
	{                                                                                          \
		.ca = BUF_INIT                                                                     \
	}

/*
 * Read what the folders hold for `authority` ("host" or "host:port"); the first folder with a
 * client certificate gives it, authorities of all are merged. system_bundle: the file that the
 * merged bundle starts with, or NULL.
 * ERR_INPUT: a .cert without its .key or the other way round, a bundle over CERTS_BYTES_MAX.
 */
MUST int certs_read(struct certs *c, const char *const *dirs, size_t count, const char *authority,
	const char *system_bundle, struct err *e);
void certs_release(struct certs *c);

#endif
