/* Sockets: listen, inherit, ask the kernel how far a transfer got. */
#include "registry/http/socket.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/number.h"
#include "storage/base/banned.h"

#define BACKLOG 4096
#define FIRST_INHERITED 3

int socket_listen(const struct address *a, struct err *e)
{
	char text[ADDRESS_TEXT_SIZE];
	AUTO(fd_close) int fd =
			socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	address_text(a, text);
	if (fd < 0)
		return err_sys(e, "listen on %s", text);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (const struct sockaddr *)&a->sa, a->len) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(e, "listen on %s", text);
	return STEAL_FD(fd);
}

int socket_address(int fd, struct address *a, struct err *e)
{
	memset(a, 0, sizeof(*a));
	a->len = sizeof(a->sa);
	if (getsockname(fd, (struct sockaddr *)&a->sa, &a->len) < 0)
		return err_sys(e, "getsockname");
	return 0;
}

static uint64_t number_of(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t n = 0;

	return text && number_parse(span_of(text), INT_MAX, &n) ? n : 0;
}

int socket_inherited(int *first)
{
	int count = (int)number_of("LISTEN_FDS");

	if (number_of("LISTEN_PID") != (uint64_t)getpid())
		count = 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (count == 0 || count > 64)
		return 0;
	for (int i = 0; i < count; i++) {
		int fd = FIRST_INHERITED + i;

		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	}
	*first = FIRST_INHERITED;
	return count;
}

bool socket_is_over(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool socket_has_bytes(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

uint64_t socket_acked(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
		len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return UINT64_MAX;
	return info.tcpi_bytes_acked;
}

uint64_t socket_taken(int fd, uint64_t written)
{
	int waits = 0;

	if (ioctl(fd, SIOCOUTQ, &waits) < 0 || waits < 0)
		return written;
	return written > (uint64_t)waits ? written - (uint64_t)waits : 0;
}
