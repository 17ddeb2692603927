/*
 * Configure the container runtime of a node so that every name in the active sets comes from our
 * registry, and nothing from upstream. Pure: settings and the present files in, bytes out.
 *
 * Names stay as they are. containerd and k3s send the name of the upstream as `ns=`; podman and
 * CRI-O are sent to a path prefix by rewriting the location (a mirror would be tried *before* the
 * real upstream, and `blocked` forbids the mirror too); docker has mirrors for docker.io only.
 */
#ifndef MOAT_NODE_H
#define MOAT_NODE_H

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define NODE_FILE_MAX (1u << 20) /* bytes of a file that is merged into */

enum node_runtime { NODE_CONTAINERD, NODE_CRIO, NODE_PODMAN, NODE_DOCKER, NODE_K3S };

/* ERR_INPUT names those there are. */
MUST int node_runtime_parse(const char *name, enum node_runtime *out, struct err *e);

struct node_settings {
	enum node_runtime runtime;
	const char *const *hosts; /* upstream hosts, sorted: "docker.io", "localhost:5001" */
	size_t host_count;
	bool plain_http;
	char server[300]; /* "https://moat.corp:5000": no path, no final slash */
	struct span ca; /* PEM of the server's CA; empty: none is given, one that is there stays */
	const char *user,
		*password; /* of every node; NULL: none is given, one that is there stays */
	struct span client; /* PEM of a client certificate and its key; empty: as with user */
};

/* Read --server into its two fields; ERR_INPUT: not http(s)://HOST[:PORT]. */
MUST int node_server_parse(struct node_settings *s, const char *url, struct err *e);

enum node_file_kind {
	NODE_OURS, /* begins with our header line; other files are not touched */
	NODE_JSON, /* merged key by key, a backup is kept */
	NODE_YAML,
	NODE_COPY /* a certificate: replaced, a backup is kept */
};

#define NODE_CONTAINERD_DEFAULT "/etc/containerd/certs.d/_default/hosts.toml"

/* hosts.toml: what goes into its text. All as TOML values; NULL: what the file has. */
struct node_hosts_file {
	char *server; /* NULL: it is no hosts.toml; without quotes */
	char *authorization, *client, *ca;
	struct span
		like; /* of a file that is not there: ours for all other hosts, or empty; borrowed */
};

struct node_file {
	char *path; /* from the root: "/etc/..." */
	enum node_file_kind kind;
	struct buf text; /* what is wanted; NODE_YAML: as JSON */
	struct node_hosts_file hosts;
	bool secret; /* a password or key is in it: for its owner only */
};

struct node_files {
	struct node_file *items;
	size_t count;
	struct buf notes; /* what is left to do by hand, lines of text */
};
#define NODE_FILES_INIT                                                                            \
	{                                                                                          \
		.notes = BUF_INIT                                                                  \
	}
void node_files_release(struct node_files *f); /* for AUTO */

/* The files of a runtime. */
void node_files_make(struct node_files *out, const struct node_settings *s);

/*
 * Make the bytes of a file from what is wanted and what is there. Sets f->secret when a present
 * login stays.
 *
 * have:    what is there now; data NULL: nothing.
 * Returns: 1 with `out`; 0: it is right already; -1 ERR_INPUT: another program wrote it and it
 * cannot be merged.
 */
MUST int node_file_merge(struct node_file *f, struct span have, struct buf *out, struct err *e);

/* --- logins (node_login.c) ------------------------------------------------------------------- */

void node_basic(const struct node_settings *s, struct buf *out); /* base64 of user:password */
void node_hosts_release(struct node_hosts_file *h); /* for AUTO */
/* text with login and CA. have: our file as it is, or empty; of another server nothing is kept. True when there
 * is a password in it. */
bool node_hosts_write(
	const struct node_hosts_file *h, struct span text, struct span have, struct buf *out);

#endif
