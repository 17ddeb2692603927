/* Sockets. Must never resolve a name over the network. */
#include "registry/socket.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define BACKLOG 4096
#define FIRST_INHERITED 3

static int parse_port(const char *text, in_port_t *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > 65535)
		return -1;
	*port = htons((uint16_t)n);
	return 0;
}

static void set_any6(struct address *a, in_port_t port, const struct in6_addr *ip)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;

	*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
	in6->sin6_addr = *ip;
	a->len = sizeof(*in6);
}

static void set_4(struct address *a, in_port_t port, struct in_addr ip)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;

	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port, .sin_addr = ip };
	a->len = sizeof(*in);
}

int address_parse(struct address *a, const char *text, struct err *e)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	struct in_addr ip4;
	struct in6_addr ip6;
	in_port_t port;

	if (!colon || parse_port(colon + 1, &port) < 0)
		return err_set(e, ERR_INPUT, "listen: \"%s\" is not ADDRESS:PORT", text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	memset(a, 0, sizeof(*a));
	if (*host == '\0') {
		set_any6(a, port, &in6addr_any);
	} else if (strcmp(host, "localhost") == 0) {
		set_4(a, port, (struct in_addr){ htonl(INADDR_LOOPBACK) });
	} else if (inet_pton(AF_INET, host, &ip4) == 1) {
		set_4(a, port, ip4);
	} else if (*host == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &ip6) != 1)
			return err_set(e, ERR_INPUT, "listen: \"%s\" is no IPv6 address", text);
		set_any6(a, port, &ip6);
	} else {
		return err_set(e, ERR_INPUT, "listen: \"%s\" is not a numeric address", text);
	}
	return 0;
}

const char *address_text(const struct address *a, char text[ADDRESS_TEXT_SIZE])
{
	char ip[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->sa;

	switch (a->sa.ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(text, ADDRESS_TEXT_SIZE, "%s:%u", ip, (unsigned)ntohs(in->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(text, ADDRESS_TEXT_SIZE, "[%s]:%u", ip, (unsigned)ntohs(in6->sin6_port));
		break;
	case AF_UNIX:
		snprintf(text, ADDRESS_TEXT_SIZE, "unix:%.108s",
			a->len > sizeof(sa_family_t) ? un->sun_path : "");
		break;
	default:
		snprintf(text, ADDRESS_TEXT_SIZE, "unknown");
	}
	return text;
}

bool address_is_local(const struct address *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;

	switch (a->sa.ss_family) {
	case AF_INET:
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	default:
		return a->sa.ss_family == AF_UNIX;
	}
}

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

int socket_inherited(int *first)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int count = 0;

	if (pid && fds && strtol(pid, NULL, 10) == (long)getpid())
		count = (int)strtol(fds, NULL, 10);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (count <= 0 || count > 64)
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
