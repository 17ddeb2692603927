/* Load and lend TLS credentials. Must never free a certificate that a handshake may still use. */
#include "registry/http/tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "registry/http/tls_io.h"
#include "registry/http/tls_key.h"
#include "storage/base/fs.h"
#include "storage/base/lock.h"
#include "storage/base/banned.h"

#define PEM_MAX (1u << 20)
#define CHAIN_MAX 16

struct credentials {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned count;
	gnutls_privkey_t key;
	unsigned users; /* connections, and one more while new ones get it */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct credentials *current;
static gnutls_datum_t ticket_key;
static char *client_ca; /* PEM */

static void credentials_free(struct credentials **c)
{
	if (!*c)
		return;
	for (unsigned i = 0; i < (*c)->count; i++)
		gnutls_pcert_deinit(&(*c)->chain[i]);
	if ((*c)->key)
		gnutls_privkey_deinit((*c)->key);
	free(*c);
	*c = NULL;
}

static bool drop_last(struct credentials *c)
{
	LOCK_SCOPE(&lock);
	return --c->users == 0;
}

/* Free credentials when their last user drops them. */
static void credentials_drop(struct credentials *c)
{
	if (c && drop_last(c))
		credentials_free(&c);
}

static int read_pem(const char *path, struct buf *out, gnutls_datum_t *pem, struct err *e)
{
	int rc = fs_read_file(AT_FDCWD, path, PEM_MAX, out, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: no such file", path);
	if (rc < 0)
		return -1;
	*pem = (gnutls_datum_t){ (unsigned char *)out->data, (unsigned)out->len };
	return 0;
}

/* Check that the key is the certificate's: now, not by every client. */
static int check_pair(const struct credentials *c, const char *cert, struct err *e)
{
	gnutls_pubkey_t public = NULL;
	unsigned char ours[64], theirs[64];
	size_t a = sizeof(ours), b = sizeof(theirs);
	int rc = gnutls_pubkey_init(&public);

	if (rc == 0)
		rc = gnutls_pubkey_import_privkey(public, c->key, 0, 0);
	if (rc == 0)
		rc = gnutls_pubkey_get_key_id(public, 0, ours, &a);
	if (rc == 0)
		rc = gnutls_pubkey_get_key_id(c->chain[0].pubkey, 0, theirs, &b);
	if (public)
		gnutls_pubkey_deinit(public);
	if (rc < 0)
		return err_set(e, ERR_INPUT, "%s: %s", cert, gnutls_strerror(rc));
	if (a != b || memcmp(ours, theirs, a) != 0)
		return err_set(e, ERR_INPUT, "%s: the key belongs to another certificate", cert);
	return 0;
}

static int fill(struct credentials *c, const char *cert, const char *key, struct err *e)
{
	AUTO(buf_release) struct buf cert_text = BUF_INIT, key_text = BUF_INIT;
	gnutls_datum_t pem;
	unsigned count = CHAIN_MAX;
	int rc;

	if (read_pem(cert, &cert_text, &pem, e) < 0)
		return -1;
	rc = gnutls_pcert_list_import_x509_raw(
		c->chain, &count, &pem, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_SORT);
	if (rc < 0)
		return err_set(e, ERR_INPUT, "%s: %s", cert, gnutls_strerror(rc));
	c->count = count;
	if (read_pem(key, &key_text, &pem, e) < 0)
		return -1;
	rc = gnutls_privkey_init(&c->key);
	if (rc == 0)
		rc = gnutls_privkey_import_x509_raw(c->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rc < 0)
		err_set(e, ERR_INPUT, "%s: %s", key, gnutls_strerror(rc));
	else
		rc = check_pair(c, cert, e);
	if (rc == 0)
		tls_key_hasten(&c->key, buf_span(&key_text));
	explicit_bzero(key_text.data, key_text.len);
	return rc < 0 ? -1 : 0;
}

/* Give these to new connections; returns the ones before. */
static struct credentials *replace_current(struct credentials *c)
{
	struct credentials *before;

	LOCK_SCOPE(&lock);
	before = current;
	current = c;
	return before;
}

int tls_load(const char *cert, const char *key, struct err *e)
{
	AUTO(credentials_free) struct credentials *c = mem_alloc(sizeof(*c));
	int rc;

	if (fill(c, cert, key, e) < 0)
		return err_ctx(e, "tls");
	if (!ticket_key.data && (rc = gnutls_session_ticket_key_generate(&ticket_key)) < 0)
		return err_set(e, ERR_IO, "tls: %s", gnutls_strerror(rc));
	c->users = 1;
	credentials_drop(replace_current(STEAL(c)));
	return 0;
}

void tls_unload(void)
{
	credentials_drop(STEAL(current));
	free(client_ca);
	client_ca = NULL;
	gnutls_free(ticket_key.data);
	ticket_key.data = NULL;
}

int tls_load_client_ca(const char *path, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	gnutls_x509_crt_t *list = NULL;
	unsigned count = 0;
	gnutls_datum_t pem;
	int rc;

	if (read_pem(path, &text, &pem, e) < 0)
		return err_ctx(e, "tls-client-ca");
	rc = gnutls_x509_crt_list_import2(&list, &count, &pem, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0)
		return err_set(e, ERR_INPUT, "tls-client-ca: %s: %s", path, gnutls_strerror(rc));
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(list[i]);
	gnutls_free(list);
	buf_char(&text, '\0');
	client_ca = buf_detach(&text);
	return 0;
}

const char *tls_client_ca(void)
{
	return client_ca;
}

bool tls_peer_name(void *session, char *name, size_t size)
{
	unsigned char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st ask = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = purpose };
	unsigned status = ~0u, count = 0;
	const gnutls_datum_t *chain;
	gnutls_x509_crt_t cert;
	bool named;

	if (!client_ca || gnutls_certificate_verify_peers(session, &ask, 1, &status) < 0 ||
		status != 0)
		return false;
	chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || count == 0 || gnutls_x509_crt_init(&cert) < 0)
		return false;
	named = gnutls_x509_crt_import(cert, &chain[0], GNUTLS_X509_FMT_DER) == 0 &&
		gnutls_x509_crt_get_dn_by_oid(
			cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size) == 0;
	gnutls_x509_crt_deinit(cert);
	return named;
}

/* Hold credentials for a session. A handshake that asks again gets the same. */
static const struct credentials *hold(struct tls_io *io)
{
	LOCK_SCOPE(&lock);
	if (!io->credentials) {
		current->users++;
		io->credentials = current;
	}
	return io->credentials;
}

void tls_forget(struct tls_io *io)
{
	credentials_drop(STEAL(io->credentials));
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *ca, int ca_count,
	const gnutls_pk_algorithm_t *algorithms, int count, gnutls_pcert_st **chain,
	unsigned int *length, gnutls_privkey_t *key)
{
	const struct credentials *c = hold(gnutls_transport_get_ptr(session));

	(void)ca, (void)ca_count, (void)algorithms, (void)count;
	*chain = (gnutls_pcert_st *)(uintptr_t)c->chain;
	*length = c->count;
	*key = c->key;
	return 0;
}

tls_callback_fn *tls_callback(void)
{
	return (tls_callback_fn *)(void *)retrieve;
}

void tls_prepare(void *session)
{
	if (client_ca)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	if (gnutls_session_ticket_enable_server(session, &ticket_key) < 0)
		return; /* then the session does full handshakes */
}
