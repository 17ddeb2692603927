/*
 * The only caller of libcurl. Must never follow a redirect, send a credential that was not given
 * for this very request, or ask for a content coding.
 *
 * Easy handles are reused: setting one up costs more than a small request.
 */
#include "mirror-tool/upstream/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "storage/base/number.h"
#include "storage/base/banned.h"

#define BULK_BUFFER (256l << 10) /* c-libs: CPU per byte is flat from here on */
#define SMALL_BUFFER (16l << 10)
#define CONNECT_S 30l
#define STALL_BYTES 1000l /* a transfer slower than this ... */
#define STALL_S 60l /* ... for so long is given up */
#define POOL_MAX 64l /* connections kept open */

static const char *const header_names[HTTP_HEADER_COUNT] = {
	[HTTP_CONTENT_TYPE] = "content-type",
	[HTTP_CONTENT_RANGE] = "content-range",
	[HTTP_CONTENT_DIGEST] = "docker-content-digest",
	[HTTP_LOCATION] = "location",
	[HTTP_LINK] = "link",
	[HTTP_AUTHENTICATE] = "www-authenticate",
	[HTTP_RETRY_AFTER] = "retry-after",
	[HTTP_RATE_REMAINING] = "ratelimit-remaining",
	[HTTP_CODING] = "content-encoding",
	[HTTP_FRAMING] = "transfer-encoding",
};

struct transfer {
	struct http *http;
	struct transfer *next; /* among all, or among the idle */
	struct transfer **slot; /* link that points here, among the active */
	CURL *easy;
	struct curl_slist *headers;
	const struct http_handler *fn;
	void *ctx;
	bool foreign, decode, refused_address, head_told;
	int status; /* of the header block being read; 0 before the first */
	bool has_length;
	uint64_t length;
	size_t header_bytes;
	struct buf value[HTTP_HEADER_COUNT];
	struct err err; /* of a handler */
	bool failed; /* err is set */
	char why[CURL_ERROR_SIZE];
};

struct http {
	CURLM *multi;
	struct transfer *active, *idle;
	bool proxied; /* the environment names a proxy: we connect to its address */
};

/* --- URLs ------------------------------------------------------------------------------------ */

static void curlu_cleanup(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void curl_text_free(char **text)
{
	curl_free(*text);
}

static int url_fill(struct url *u, CURLU *c, const char *shown, struct err *e)
{
	AUTO(curl_text_free) char *scheme = NULL;
	AUTO(curl_text_free) char *host = NULL;
	AUTO(curl_text_free) char *port = NULL;
	AUTO(curl_text_free) char *user = NULL;
	AUTO(curl_text_free) char *text = NULL;
	uint64_t number;

	curl_url_set(c, CURLUPART_FRAGMENT, NULL, 0);
	if (curl_url_get(c, CURLUPART_SCHEME, &scheme, 0) ||
		curl_url_get(c, CURLUPART_HOST, &host, 0) ||
		curl_url_get(c, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
		curl_url_get(c, CURLUPART_URL, &text, 0))
		return err_set(e, ERR_INPUT, "%s: no URL", shown);
	if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		return err_set(e, ERR_INPUT, "%s: neither https nor http", shown);
	if (curl_url_get(c, CURLUPART_USER, &user, 0) == CURLUE_OK)
		return err_set(e, ERR_INPUT, "%s: credentials in a URL", shown);
	if (strlen(host) > URL_HOST_MAX || strlen(text) > URL_MAX)
		return err_set(e, ERR_INPUT, "%s: too long", shown);
	u->https = strcmp(scheme, "https") == 0;
	u->port = number_parse(span_of(port), UINT16_MAX, &number) ? (unsigned)number : 0;
	for (size_t i = 0; i <= strlen(host); i++)
		u->host[i] = (char)tolower((unsigned char)host[i]);
	free(u->text);
	u->text = mem_strdup(text);
	return u->port ? 0 : err_set(e, ERR_INPUT, "%s: port 0", shown);
}

int url_parse(struct url *u, const struct url *base, struct span text, struct err *e)
{
	AUTO(curlu_cleanup) CURLU *c = curl_url();
	AUTO(mem_free) char *z = NULL;
	AUTO(buf_release) struct buf shown = BUF_INIT;

	if (!c)
		BUG("out of memory");
	if (text.len > URL_MAX)
		return err_set(e, ERR_INPUT, "URL of %zu bytes, at most %u", text.len, URL_MAX);
	if (text.len == 0 || memchr(text.data, '\0', text.len))
		return err_set(e, ERR_INPUT, "empty URL or NUL in it");
	z = mem_strndup(text.data, text.len);
	url_redacted(&shown, z);
	if ((base && curl_url_set(c, CURLUPART_URL, base->text, 0)) ||
		curl_url_set(c, CURLUPART_URL, z, CURLU_NON_SUPPORT_SCHEME))
		return err_set(e, ERR_INPUT, "%s: no URL", shown.data);
	return url_fill(u, c, shown.data, e);
}

/* --- answers --------------------------------------------------------------------------------- */

static void head_reset(struct transfer *t)
{
	t->status = 0;
	t->has_length = false;
	for (size_t i = 0; i < HTTP_HEADER_COUNT; i++)
		buf_clear(&t->value[i]);
}

static void head_line(struct transfer *t, struct span line)
{
	struct span value = line, name = span_until(&value, ':');

	while (value.len && (*value.data == ' ' || *value.data == '\t')) {
		value.data++;
		value.len--;
	}
	if (name.len == 14 && strncasecmp(name.data, "content-length", 14) == 0) {
		struct span digits = value;

		t->has_length = number_take(&digits, &t->length);
	}
	for (size_t i = 0; i < HTTP_HEADER_COUNT; i++) {
		if (name.len != strlen(header_names[i]) ||
			strncasecmp(name.data, header_names[i], name.len) != 0)
			continue;
		if (t->value[i].len)
			buf_str(&t->value[i], ", ");
		buf_add(&t->value[i], value.data, value.len);
	}
}

/* Ignore a length beside another framing, and that of a coded body. */
static void head_view(const struct transfer *t, struct http_head *head)
{
	*head = (struct http_head){
		.status = t->status,
		.has_length = t->has_length && !t->value[HTTP_FRAMING].len && !t->decode,
		.length = t->length,
	};
	for (size_t i = 0; i < HTTP_HEADER_COUNT; i++)
		head->value[i] = buf_span(&t->value[i]);
}

static int head_tell(struct transfer *t)
{
	struct http_head head;

	t->head_told = true;
	head_view(t, &head);
	t->failed = t->fn->head(t->ctx, &head, &t->err) < 0;
	return t->failed ? -1 : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	struct span line = { data, size * count };

	t->header_bytes += line.len;
	if (t->header_bytes > HEADERS_MAX) {
		t->failed = true;
		err_set(&t->err, ERR_INPUT, "more than %u bytes of headers", HEADERS_MAX);
		return 0;
	}
	while (line.len && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
		line.len--;
	if (t->head_told)
		return size * count; /* trailers */
	if (line.len > 5 && memcmp(line.data, "HTTP/", 5) == 0 && t->status == 0) {
		long status = 0;

		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		t->status = (int)status;
	} else if (line.len == 0 && t->status >= 200) {
		return head_tell(t) < 0 ? 0 : size * count;
	} else if (line.len == 0) {
		head_reset(t); /* of an interim answer */
	} else {
		head_line(t, line);
	}
	return size * count;
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;

	t->failed = t->fn->data(t->ctx, data, size * count, &t->err) < 0;
	return t->failed ? CURL_WRITEFUNC_ERROR : size * count;
}

static curl_socket_t on_socket(void *ctx, curlsocktype type, struct curl_sockaddr *addr)
{
	struct transfer *t = ctx;

	(void)type;
	if (t->foreign && !t->http->proxied && address_is_local(&addr->addr)) {
		t->refused_address = true;
		return CURL_SOCKET_BAD;
	}
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* --- transfers ------------------------------------------------------------------------------- */

static void transfer_free(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	for (size_t i = 0; i < HTTP_HEADER_COUNT; i++)
		buf_release(&t->value[i]);
	free(t);
}

static struct transfer *transfer_get(struct http *h)
{
	struct transfer *t = h->idle;

	if (t) {
		h->idle = t->next;
	} else {
		t = mem_alloc(sizeof(*t));
		t->http = h;
		t->easy = curl_easy_init();
		if (!t->easy)
			BUG("out of memory");
		for (size_t i = 0; i < HTTP_HEADER_COUNT; i++)
			t->value[i] = (struct buf)BUF_INIT;
	}
	head_reset(t);
	t->header_bytes = 0;
	t->foreign = t->refused_address = t->head_told = t->failed = false;
	err_clear(&t->err);
	t->why[0] = '\0';
	return t;
}

static void transfer_link(struct transfer *t)
{
	t->next = t->http->active;
	t->slot = &t->http->active;
	if (t->next)
		t->next->slot = &t->next;
	t->http->active = t;
}

static void transfer_unlink(struct transfer *t)
{
	*t->slot = t->next;
	if (t->next)
		t->next->slot = t->slot;
}

static void transfer_rest(struct transfer *t)
{
	curl_slist_free_all(t->headers);
	t->headers = NULL;
	curl_easy_reset(t->easy);
	t->next = t->http->idle;
	t->http->idle = t;
}

static void list_add(struct transfer *t, const char *line)
{
	struct curl_slist *list = curl_slist_append(t->headers, line);

	if (!list)
		BUG("out of memory");
	t->headers = list;
}

static void add_header(struct transfer *t, const char *name, const char *value)
{
	AUTO(mem_free) char *line = mem_printf("%s: %s", name, value);

	list_add(t, line);
}

/* Make libcurl decode without asking: the empty header removes Accept-Encoding again. */
static void decode_unasked(struct transfer *t)
{
	curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	list_add(t, "Accept-Encoding:");
}

static void set_certs(CURL *c, const struct certs *certs, bool with_client)
{
	struct curl_blob ca = { certs->ca.data, certs->ca.len, CURL_BLOB_NOCOPY };

	if (ca.len)
		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
	if (with_client && certs->client_cert) {
		curl_easy_setopt(c, CURLOPT_SSLCERT, certs->client_cert);
		curl_easy_setopt(c, CURLOPT_SSLKEY, certs->client_key);
	}
}

static void set_fixed(struct transfer *t)
{
	CURL *c = t->easy;

	curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1l);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0l);
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1l);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_S);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1l);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "moat/" MOAT_VERSION);
}

static void set_request(struct transfer *t, const struct http_request *r)
{
	CURL *c = t->easy;
	bool https = strncmp(r->url, "https:", 6) == 0;

	curl_easy_setopt(c, CURLOPT_URL, r->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, https ? "https" : "http");
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, r->bulk ? BULK_BUFFER : SMALL_BUFFER);
	if (r->head)
		curl_easy_setopt(c, CURLOPT_NOBODY, 1l);
	if (r->form)
		curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, r->form);
	if (r->range)
		curl_easy_setopt(c, CURLOPT_RANGE, r->range);
	if (r->accept)
		add_header(t, "Accept", r->accept);
	if (r->authorization)
		add_header(t, "Authorization", r->authorization);
	if (r->decode)
		decode_unasked(t);
	if (t->headers)
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
	if (r->certs)
		set_certs(c, r->certs, r->with_client);
	else if (getenv("SSL_CERT_FILE"))
		curl_easy_setopt(c, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
}

int http_begin(struct http *h, const struct http_request *r, const struct http_handler *fn,
	void *ctx, struct transfer **out, struct err *e)
{
	struct transfer *t = transfer_get(h);
	CURLMcode code;

	t->fn = fn;
	t->ctx = ctx;
	t->foreign = r->foreign;
	t->decode = r->decode;
	set_fixed(t);
	set_request(t, r);
	code = curl_multi_add_handle(h->multi, t->easy);
	if (code != CURLM_OK) {
		transfer_rest(t);
		return err_set(e, ERR_NET, "libcurl: %s", curl_multi_strerror(code));
	}
	transfer_link(t);
	*out = t;
	return 0;
}

/* --- the end of a transfer ------------------------------------------------------------------- */

static bool is_transient(CURLcode code)
{
	static const CURLcode codes[] = { CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST,
		CURLE_COULDNT_CONNECT, CURLE_HTTP2, CURLE_PARTIAL_FILE, CURLE_OPERATION_TIMEDOUT,
		CURLE_SSL_CONNECT_ERROR, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR,
		CURLE_HTTP2_STREAM };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i] == code)
			return true;
	}
	return false;
}

/* Is this an answer that is not TLS? Retrying would not help. libcurl has one code for it and for
 * an interrupted handshake, so the text decides. */
static bool speaks_no_tls(const struct transfer *t, CURLcode code)
{
	return code == CURLE_SSL_CONNECT_ERROR &&
	       (strstr(t->why, "wrong version number") || strstr(t->why, "packet length too long"));
}

/* Write the server as a list would name it. */
static int no_tls(const struct transfer *t, struct err *e)
{
	AUTO(buf_release) struct buf host = BUF_INIT;
	const char *url = "", *at;

	curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, (char **)(void *)&url);
	at = strstr(url, "://");
	at = at ? at + 3 : url;
	buf_add(&host, at, strcspn(at, "/?"));
	return err_set(e, ERR_NET,
		"it does not speak TLS (%s); if that is right, the list must say "
		"registries: {\"%s\": {plain-http: true}}",
		t->why, host.data);
}

/* Report that no descriptor was left: a local error, and retrying does not help. */
static bool is_limit(const struct transfer *t, struct err *e)
{
	long number = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
	if (err_code_of((int)number) != ERR_LIMIT)
		return false;
	errno = (int)number;
	err_sys(e, "open a connection");
	return true;
}

static void transfer_end(struct transfer *t, CURLcode code)
{
	const struct http_handler *fn = t->fn;
	struct err e = ERR_INIT;
	void *ctx = t->ctx;
	bool again = false;
	int rc = 0;

	curl_multi_remove_handle(t->http->multi, t->easy);
	transfer_unlink(t);
	if (t->failed) {
		e = t->err;
		rc = -1;
	} else if (t->refused_address) {
		rc = err_set(&e, ERR_INPUT, "leads to an address of this machine");
	} else if (speaks_no_tls(t, code)) {
		rc = no_tls(t, &e);
	} else if (code != CURLE_OK && is_limit(t, &e)) {
		rc = -1;
	} else if (code != CURLE_OK) {
		again = is_transient(code);
		rc = err_set(&e, ERR_NET, "%s", t->why[0] ? t->why : curl_easy_strerror(code));
	}
	fn->end(ctx, rc, again, &e);
	transfer_rest(t);
}

int http_step(struct http *h, int wait_ms, struct err *e)
{
	int running, left;
	CURLMcode code;
	CURLMsg *m;

	code = curl_multi_poll(h->multi, NULL, 0, wait_ms, NULL);
	if (code == CURLM_OK)
		code = curl_multi_perform(h->multi, &running);
	if (code != CURLM_OK)
		return err_set(e, ERR_NET, "libcurl: %s", curl_multi_strerror(code));
	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct transfer *t = NULL;
		CURLcode result = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&t);
		transfer_end(t, result);
	}
	return 0;
}

/* --- life ------------------------------------------------------------------------------------ */

static bool env_has_proxy(void)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
		"all_proxy", "ALL_PROXY" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return true;
	}
	return false;
}

const char *http_system_bundle(void)
{
	const char *given = getenv("SSL_CERT_FILE");

	return given ? given : curl_version_info(CURLVERSION_NOW)->cainfo;
}

int http_new(struct http **out, struct err *e)
{
	struct http *h;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_IO, "libcurl does not start");
	h = mem_alloc(sizeof(*h));
	h->multi = curl_multi_init();
	if (!h->multi)
		BUG("out of memory");
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, POOL_MAX);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	h->proxied = env_has_proxy();
	*out = h;
	return 0;
}

void http_free(struct http **slot)
{
	struct http *h = *slot;

	if (!h)
		return;
	*slot = NULL;
	for (struct transfer *t = h->active, *next; t; t = next) {
		next = t->next;
		curl_multi_remove_handle(h->multi, t->easy);
		transfer_free(t);
	}
	for (struct transfer *t = h->idle, *next; t; t = next) {
		next = t->next;
		transfer_free(t);
	}
	curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	free(h);
}
