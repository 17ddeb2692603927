/* moatd's configuration: one table for the file, the flags, --help-config and conf/moatd.yaml. */
#ifndef MOAT_OPTIONS_H
#define MOAT_OPTIONS_H

#include "storage/base/config.h"

struct options {
	char *store;
	struct config_strings listen;
	bool allow_plain_http;
	char *tls_cert, *tls_key; /* NULL: plain */
	int64_t threads; /* 0: by the machine */
	char *access_log, *audit_log, *log_format;
	bool metrics, sandbox;
	char *default_host;
	struct config_strings map;
	bool catalog;
	int64_t cache, cache_files;
	int64_t connections, connections_each, bodies;
	int64_t check_rate, check_cpu, check_every;
	bool push, deletes, strict;
	int64_t uploads, uploads_each, upload_max, upload_expiry, free_floor;
	char *users, *access, *auth; /* files, NULL none; bearer or basic */
	char *tls_client_ca, *token_service, *token_realm, *token_key; /* NULL none */
	int64_t token_ttl;
	int64_t header_timeout, idle_timeout, drain_timeout, least_rate;
};

extern const struct config_key options_table[];
extern const size_t options_count;

enum options_answer { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_HELP_CONFIG, OPTIONS_VERSION };

/* Defaults, then the file, then flags. argv: as main got it. What to do in *answer. */
MUST int options_read(
	struct options *o, int argc, char **argv, enum options_answer *answer, struct err *e);
void options_release(struct options *o);

#endif
