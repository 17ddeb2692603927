/* Read and write the addresses of sockets. Must never resolve a name over the network. */
#include "registry/ops/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include "storage/base/number.h"
#include "storage/base/banned.h"

static int parse_port(const char *text, in_port_t *port)
{
	uint64_t n;

	if (!number_parse(span_of(text), UINT16_MAX, &n))
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

static void client_6(const struct in6_addr *six, char text[ADDRESS_TEXT_SIZE])
{
	char ip[INET6_ADDRSTRLEN] = "";
	struct in6_addr network = { .s6_addr = { 0 } };

	if (IN6_IS_ADDR_V4MAPPED(six)) {
		inet_ntop(AF_INET, six->s6_addr + 12, ip, sizeof(ip));
		snprintf(text, ADDRESS_TEXT_SIZE, "%s", ip);
		return;
	}
	memcpy(network.s6_addr, six->s6_addr, 8);
	inet_ntop(AF_INET6, &network, ip, sizeof(ip));
	snprintf(text, ADDRESS_TEXT_SIZE, "%s/64", ip);
}

const char *address_client(const struct address *a, char text[ADDRESS_TEXT_SIZE])
{
	char ip[INET_ADDRSTRLEN] = "";

	if (a->sa.ss_family == AF_INET6) {
		client_6(&((const struct sockaddr_in6 *)&a->sa)->sin6_addr, text);
	} else if (a->sa.ss_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)&a->sa)->sin_addr, ip, sizeof(ip));
		snprintf(text, ADDRESS_TEXT_SIZE, "%s", ip);
	} else {
		snprintf(text, ADDRESS_TEXT_SIZE, "unix");
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
