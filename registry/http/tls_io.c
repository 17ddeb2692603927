/* Read and write for TLS sessions. Must never block, and never keep bytes behind which none will come. */
#include "registry/http/tls_io.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "registry/http/socket.h"
#include "storage/base/banned.h"

#define PENDING_MAX 2048 /* bytes of a head's record: a larger one is sent by itself */

/* The client's Finished is the last that a server's handshake takes in, whatever the version and also
 * when a session is resumed. What comes later is no handshake: behind a new key GnuTLS says that there is
 * nothing to read, although a request may be there, and the library waits for an edge that was before. */
static int on_handshake(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
	const gnutls_datum_t *message)
{
	struct tls_io *io = gnutls_transport_get_ptr(session);

	(void)when, (void)message;
	if (incoming && type == GNUTLS_HANDSHAKE_FINISHED)
		io->over = true;
	else if (incoming && type == GNUTLS_HANDSHAKE_KEY_UPDATE && socket_has_bytes(io->fd))
		io->starved(io);
	return 0;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t size)
{
	struct tls_io *io = ptr;
	ssize_t n = recv(io->fd, data, size, 0);

	if (n < 0 && errno == EAGAIN && !io->over) {
		io->starved(io);
		errno = EAGAIN;
	}
	return n;
}

/* Send what is pending and `data` in one call: how much of `data` went out. */
static ssize_t push_behind(struct tls_io *io, const void *data, size_t size)
{
	struct iovec parts[] = { { io->pending.data, io->pending.len }, { (void *)data, size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };
	ssize_t n = sendmsg(io->fd, &message, MSG_NOSIGNAL);
	size_t before = io->pending.len;

	if (n < 0)
		return -1;
	if ((size_t)n > before) {
		buf_release(&io->pending);
		return n - (ssize_t)before;
	}
	memmove(io->pending.data, io->pending.data + n, before - (size_t)n);
	buf_cut(&io->pending, before - (size_t)n);
	errno = EAGAIN;
	return -1;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *data, size_t size)
{
	struct tls_io *io = ptr;
	bool joins = io->joins && size <= PENDING_MAX;

	io->joins = false;
	if (joins) {
		buf_add(&io->pending, data, size);
		return (ssize_t)size;
	}
	return io->pending.len ? push_behind(io, data, size)
			       : send(io->fd, data, size, MSG_NOSIGNAL);
}

void tls_io_begin(struct tls_io *io, void *session)
{
	gnutls_transport_set_ptr(session, io);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_push_function(session, push);
	gnutls_handshake_set_hook_function(
		session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_POST, on_handshake);
}

void tls_io_join(struct tls_io *io)
{
	io->joins = true;
}

/* Send what is left of an answer that broke off: its client gets what it can take. */
void tls_io_flush(struct tls_io *io)
{
	io->joins = false;
	if (io->pending.len)
		(void)!send(io->fd, io->pending.data, io->pending.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_release(&io->pending);
}

void tls_io_release(struct tls_io *io)
{
	buf_release(&io->pending);
}
