/* Options. Must never start anything on a value that it did not understand. */
#include "registry/ops/options.h"

#include "registry/ops/address.h"
#include "storage/base/banned.h"

#define AT(field) offsetof(struct options, field)

const struct config_key options_table[] = {
	{ "store", CONFIG_STRING, AT(store), "/var/lib/moat", 0, 0, "",
		"The store to serve: a directory that moat import or moat pull filled." },
	{ "listen", CONFIG_STRINGS, AT(listen), "127.0.0.1:5000", 0, 0, "",
		"ADDRESS:PORT to listen on, several as a list; [::1]:5000, and :5000 for every "
		"address. Sockets from systemd come instead, and moatd warns." },
	{ "allow-plain-http", CONFIG_BOOL, AT(allow_plain_http), "off", 0, 0, "",
		"Serve without TLS on addresses that other machines can reach." },
	{ "tls-cert", CONFIG_STRING, AT(tls_cert), NULL, 0, 0, "",
		"Certificate chain (PEM) to serve TLS with; read again on SIGHUP." },
	{ "tls-key", CONFIG_STRING, AT(tls_key), NULL, 0, 0, "",
		"The certificate's private key (PEM)." },
	{ "tls-client-ca", CONFIG_STRING, AT(tls_client_ca), NULL, 0, 0, "",
		"Authorities (PEM) of client certificates; their common names are users. Not read "
		"again: a change needs a restart." },
	{ "push", CONFIG_BOOL, AT(push), "off", 0, 0, "",
		"Take pushes and deletes, beside what sets brought. Without users only where no "
		"other machine can reach it." },
	{ "delete", CONFIG_BOOL, AT(deletes), "on", 0, 0, "",
		"With push: tags, manifests and blobs may be deleted, but for what a set holds." },
	{ "strict", CONFIG_BOOL, AT(strict), "off", 0, 0, "",
		"With push: refuse a manifest whose config, layers or children are not there." },
	{ "uploads", CONFIG_INT, AT(uploads), "1024", 1, 65536, "uploads",
		"Most uploads open at once; each may take 256 KB while it receives. The one that "
		"has "
		"been idle longest, for a minute at least, makes room." },
	{ "uploads-each", CONFIG_INT, AT(uploads_each), "512", 1, 65536, "uploads",
		"Most uploads open at once of one user." },
	{ "upload-max", CONFIG_INT, AT(upload_max), "107374182400", 1, INT64_MAX, "bytes",
		"Most bytes of one blob." },
	{ "upload-expiry", CONFIG_INT, AT(upload_expiry), "86400", 1, 31536000, "seconds",
		"An upload that nothing is sent to is forgotten after that long." },
	{ "free-floor", CONFIG_INT, AT(free_floor), "1073741824", 0, INT64_MAX, "bytes",
		"Pushes are refused (507) when less than that would stay free on the store's "
		"disk." },
	{ "users", CONFIG_STRING, AT(users), NULL, 0, 0, "",
		"File of NAME:HASH lines (htpasswd -B); read again on SIGHUP." },
	{ "access", CONFIG_STRING, AT(access), NULL, 0, 0, "",
		"File of rules, moat-access(5); read again on SIGHUP. Without it anyone pulls, and "
		"whoever is logged in pushes and deletes." },
	{ "auth", CONFIG_STRING, AT(auth), "bearer", 0, 0, "",
		"What clients are told to log in with: bearer (tokens of this server; all clients "
		"can mix anonymous pulls and logins) or basic." },
	{ "token-service", CONFIG_STRING, AT(token_service), "moatd", 0, 0, "",
		"Name of this service in tokens." },
	{ "token-realm", CONFIG_STRING, AT(token_realm), NULL, 0, 0, "",
		"URL of /token as clients reach it; by default what they call this server." },
	{ "token-key", CONFIG_STRING, AT(token_key), NULL, 0, 0, "",
		"File of 32 to 64 secret bytes that tokens are signed with; by default random, so "
		"that tokens end with the process." },
	{ "token-ttl", CONFIG_INT, AT(token_ttl), "300", 60, 86400, "seconds",
		"Tokens are good for that long." },
	{ "threads", CONFIG_INT, AT(threads), "0", 0, 256, "",
		"Threads that serve; 0: one for each processor, at least two." },
	{ "access-log", CONFIG_STRING, AT(access_log), "off", 0, 0, "",
		"Where a line for each request goes: off, - (standard error), or a file, opened "
		"again on SIGHUP." },
	{ "audit-log", CONFIG_STRING, AT(audit_log), "off", 0, 0, "",
		"Where a line for each request that writes or was denied goes, likewise." },
	{ "log-format", CONFIG_STRING, AT(log_format), "text", 0, 0, "",
		"Lines of both logs: text (key=value) or json." },
	{ "metrics", CONFIG_BOOL, AT(metrics), "on", 0, 0, "", "Serve /metrics for Prometheus." },
	{ "sandbox", CONFIG_BOOL, AT(sandbox), "on", 0, 0, "",
		"Give up what serving does not need, before it begins: Landlock and seccomp, where "
		"the kernel has them." },
	{ "default-host", CONFIG_STRING, AT(default_host), "docker.io", 0, 0, "",
		"The host of names that have none, as docker's registry-mirrors ask for them; "
		"empty: none." },
	{ "map", CONFIG_STRINGS, AT(map), NULL, 0, 0, "",
		"FROM=TO: what is asked for under host FROM is what is stored under host TO; FROM= "
		"is what was pushed here without a host." },
	{ "catalog", CONFIG_BOOL, AT(catalog), "on", 0, 0, "",
		"List the repositories under /v2/_catalog." },
	{ "cache", CONFIG_INT, AT(cache), "8388608", 0, 1 << 30, "bytes",
		"Memory for manifests that are asked for often." },
	{ "cache-files", CONFIG_INT, AT(cache_files), "256", 0, 65536, "files",
		"Blobs that are kept open because they are asked for often." },
	{ "bodies", CONFIG_INT, AT(bodies), "256", 1, 1 << 20, "bodies",
		"Most blobs that are sent at once, half of them to one address; other requests "
		"wait, client by client in turn." },
	{ "check-rate", CONFIG_INT, AT(check_rate), "16777216", 0, 1LL << 40, "bytes a second",
		"The bytes of all blobs are read again in the background, at most so fast; 0: only "
		"what was written to, or failed when it was asked for." },
	{ "check-cpu", CONFIG_INT, AT(check_cpu), "5", 1, 100, "percent",
		"Most of one processor that this takes." },
	{ "check-every", CONFIG_INT, AT(check_every), "2592000", 1, 1LL << 32, "seconds",
		"A blob is read again after that long, the one that waits longest first." },
	{ "connections", CONFIG_INT, AT(connections), "16384", 1, 1 << 20, "connections",
		"Most connections at once; each may take 27 KB." },
	{ "connections-each", CONFIG_INT, AT(connections_each), "2048", 1, 1 << 20, "connections",
		"Most connections at once from one client: an IPv4 address, or an IPv6 network of "
		"64 "
		"bits." },
	{ "header-timeout", CONFIG_INT, AT(header_timeout), "10", 1, 3600, "seconds",
		"A request must have arrived after that long." },
	{ "idle-timeout", CONFIG_INT, AT(idle_timeout), "75", 1, 86400, "seconds",
		"A connection without a request is closed after that long." },
	{ "least-rate", CONFIG_INT, AT(least_rate), "1024", 0, 1 << 30, "bytes a second",
		"A client that takes its answer slower than that, over 30 seconds, is cut off." },
	{ "drain-timeout", CONFIG_INT, AT(drain_timeout), "60", 0, 86400, "seconds",
		"On SIGTERM, answers on their way have that long to be finished." },
};
const size_t options_count = ARRAY_SIZE(options_table);

void options_release(struct options *o)
{
	config_release(options_table, options_count, o);
}

/* A flag and its value, as `--key value` or `--key=value`. */
struct flag {
	struct span name;
	const char *value; /* NULL: none given */
};

static int next_flag(int argc, char **argv, int *at, struct flag *f, struct err *e)
{
	const char *arg = argv[(*at)++];
	struct span rest;

	if (strcmp(arg, "-h") == 0)
		arg = "--help";
	if (strncmp(arg, "--", 2) != 0)
		return err_set(e, ERR_INPUT, "%s: not an option; try moatd --help", arg);
	rest = span_of(arg + 2);
	f->name = span_until(&rest, '=');
	f->value = arg[2 + f->name.len] == '=' ? arg + 3 + f->name.len : NULL;
	if (!f->value && *at < argc && strncmp(argv[*at], "--", 2) != 0)
		f->value = argv[(*at)++];
	return 0;
}

static bool is_bare(const struct flag *f, enum options_answer *answer)
{
	static const struct {
		const char *name;
		enum options_answer answer;
	} bare[] = { { "help", OPTIONS_HELP }, { "help-config", OPTIONS_HELP_CONFIG },
		{ "version", OPTIONS_VERSION } };

	for (size_t i = 0; i < ARRAY_SIZE(bare); i++)
		if (span_is(f->name, bare[i].name) && !f->value) {
			*answer = bare[i].answer;
			return true;
		}
	return false;
}

static int set_flag(struct options *o, const struct flag *f, bool seen[], struct err *e)
{
	AUTO(mem_free) char *name = mem_strndup(f->name.data, f->name.len);
	const struct config_key *key = config_find(options_table, options_count, name);
	const char *value = f->value;
	size_t index;

	if (!key)
		return err_set(e, ERR_INPUT, "--%s: no such option; try moatd --help", name);
	if (!value && key->type == CONFIG_BOOL)
		value = "on";
	if (!value)
		return err_set(e, ERR_INPUT, "--%s: a value is needed", name);
	index = (size_t)(key - options_table);
	if (seen[index] && key->type != CONFIG_STRINGS)
		return err_set(e, ERR_INPUT, "--%s: given twice", name);
	if (config_set(key, o, value, seen[index], "command line", e) < 0)
		return -1;
	seen[index] = true;
	return 0;
}

/* The file is read before the flags, wherever --config stands. */
static int read_file(struct options *o, int argc, char **argv, struct err *e)
{
	struct flag f;

	for (int at = 1; at < argc;) {
		if (next_flag(argc, argv, &at, &f, e) < 0)
			return -1;
		if (!span_is(f.name, "config"))
			continue;
		if (!f.value)
			return err_set(e, ERR_INPUT, "--config: a file is needed");
		if (config_read(options_table, options_count, o, f.value, e) < 0)
			return -1;
	}
	return 0;
}

static int check_listen(const struct options *o, struct err *e)
{
	struct address a;

	for (size_t i = 0; i < o->listen.count; i++)
		if (address_parse(&a, o->listen.items[i], e) < 0)
			return -1;
	return 0;
}

static int check(const struct options *o, struct err *e)
{
	if (!o->store || !*o->store)
		return err_set(e, ERR_INPUT, "store: a directory is needed");
	if (o->listen.count == 0)
		return err_set(e, ERR_INPUT, "listen: an address is needed");
	if (strcmp(o->auth, "bearer") != 0 && strcmp(o->auth, "basic") != 0)
		return err_set(e, ERR_INPUT, "auth: bearer or basic");
	if (strcmp(o->log_format, "text") != 0 && strcmp(o->log_format, "json") != 0)
		return err_set(e, ERR_INPUT, "log-format: text or json");
	if (o->tls_client_ca && !o->tls_cert)
		return err_set(e, ERR_INPUT, "tls-client-ca: needs tls-cert");
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return err_set(e, ERR_INPUT, "tls-cert and tls-key are needed together");
	return check_listen(o, e);
}

int options_read(
	struct options *o, int argc, char **argv, enum options_answer *answer, struct err *e)
{
	bool seen[ARRAY_SIZE(options_table)] = { false };
	struct flag f;

	*answer = OPTIONS_RUN;
	config_init(options_table, options_count, o);
	if (read_file(o, argc, argv, e) < 0)
		return -1;
	for (int at = 1; at < argc;) {
		if (next_flag(argc, argv, &at, &f, e) < 0)
			return -1;
		if (is_bare(&f, answer) || span_is(f.name, "config"))
			continue;
		if (set_flag(o, &f, seen, e) < 0)
			return -1;
	}
	return check(o, e);
}
