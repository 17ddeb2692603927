/*
 * TLS of the clients, and what they keep to resume.
 *
 * A ticket of TLS 1.3 is used once, as clients do: OpenSSL gives a used one up by itself.
 */
#include "tests/bench/tls.h"

#include <stdio.h>
#include <stdlib.h>

enum { TLS_BUFFER = 64 << 10 }; /* ciphered bytes taken by one recv */

static void refuse(void)
{
	fputs("TLS: OpenSSL refuses\n", stderr);
	exit(1);
}

/* 1: the session is ours now. */
static int keep_ticket(SSL *session, SSL_SESSION *given)
{
	SSL_SESSION **ticket = SSL_get_app_data(session);

	if (!ticket)
		return 0;
	SSL_SESSION_free(*ticket);
	*ticket = given;
	return 1;
}

SSL_CTX *tls_new(void)
{
	SSL_CTX *t = SSL_CTX_new(TLS_client_method());

	if (!t || SSL_CTX_set_min_proto_version(t, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_ciphersuites(t, "TLS_AES_128_GCM_SHA256") != 1 ||
		SSL_CTX_set1_groups_list(t, "X25519") != 1)
		refuse();
	SSL_CTX_set_default_read_buffer_len(t, TLS_BUFFER);
	SSL_CTX_set_read_ahead(t, 1);
	SSL_CTX_set_session_cache_mode(t, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t, keep_ticket);
	return t;
}

SSL *tls_open(SSL_CTX *tls, int fd, SSL_SESSION **ticket)
{
	SSL *session = SSL_new(tls);

	if (!session || SSL_set_fd(session, fd) != 1)
		refuse();
	SSL_set_app_data(session, ticket);
	if (ticket && *ticket)
		SSL_set_session(session, *ticket);
	SSL_set_connect_state(session);
	return session;
}

unsigned tls_close(SSL *session)
{
	unsigned resumed = session && SSL_session_reused(session);

	if (session)
		SSL_set_shutdown(session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(session);
	return resumed;
}
