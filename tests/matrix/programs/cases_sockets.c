/* Sockets: where a process connects to, and the sockets it makes in the tree. */
#include "matrix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PORT 40123

static struct sockaddr_in inet_address(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return address;
}

static socklen_t unix_address(struct sockaddr_un *address, const char *name)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + (*name == '@'), name + (*name == '@'), strlen(name) - (*name == '@'));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name != '@'));
}

static int listener = -1;

static void listen_on(const void *address, socklen_t length, int family, int type)
{
    listener = socket(family, type, 0);
    if (listener < 0 || bind(listener, address, length) || (type == SOCK_STREAM && listen(listener, 1)))
        fail_setup("listen");
}
static void close_listener(void) { close(listener); }

static void with_inet_listener(void)
{
    struct sockaddr_in address = inet_address(PORT);
    int one = 1;

    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
        fail_setup("listen");
}
static void listen_unix(const char *name, int type)
{
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, name);

    listen_on(&address, length, AF_UNIX, type);
}
static void with_unix_listener(void) { listen_unix("socket", SOCK_STREAM); }
static void with_abstract_listener(void) { listen_unix("@spoor-matrix", SOCK_STREAM); }
static void with_unix_receiver(void) { listen_unix("socket", SOCK_DGRAM); }
static void with_dead_socket(void)
{
    with_unix_listener();
    close(listener);
}

static int make_socket(int family, int type) { return (int)OK(SYS(socket, family, type, 0)); }

CASE(connect_inet, "connect", "connect, TCP over IPv4", (.setup = with_inet_listener, .cleanup = close_listener),
     (DID("connect", "inet:127.0.0.1:40123")))
{
    struct sockaddr_in address = inet_address(PORT);

    OK(SYS(connect, make_socket(AF_INET, SOCK_STREAM), &address, sizeof(address)));
}

CASE(connect_inet_refused, "connect", "connect, TCP over IPv4, ECONNREFUSED", (),
     ({.op = "connect", .path = "inet:127.0.0.1:1", .error = "ECONNREFUSED"}, ))
{
    struct sockaddr_in address = inet_address(1);

    FAILS(ECONNREFUSED, SYS(connect, make_socket(AF_INET, SOCK_STREAM), &address, sizeof(address)));
}

CASE(connect_udp, "connect", "connect, UDP over IPv4", (), (DID("connect", "inet:127.0.0.1:53")))
{
    struct sockaddr_in address = inet_address(53);

    OK(SYS(connect, make_socket(AF_INET, SOCK_DGRAM), &address, sizeof(address)));
}

static int has_inet6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(53),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    int connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    close(fd);
    return connected;
}
CASE(connect_inet6, "connect", "connect, UDP over IPv6", (.has = has_inet6, .needs = "IPv6"),
     (DID("connect", "inet:[::1]:53")))
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(53),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    OK(SYS(connect, make_socket(AF_INET6, SOCK_DGRAM), &address, sizeof(address)));
}

static long connect_unix(const char *name)
{
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, name);

    return SYS(connect, make_socket(AF_UNIX, SOCK_STREAM), &address, length);
}

CASE(connect_unix_absolute, "connect", "connect, unix socket, absolute path",
     (.setup = with_unix_listener, .cleanup = close_listener), (NAMED("connect", "unix:socket")))
{
    OK(connect_unix(at("socket")));
}

CASE(connect_unix_relative, "connect", "connect, unix socket, relative path",
     (.setup = with_unix_listener, .cleanup = close_listener), (NAMED("connect", "unix:socket")))
{
    OK(connect_unix("socket"));
}

CASE(connect_unix_abstract, "connect", "connect, abstract unix socket",
     (.setup = with_abstract_listener, .cleanup = close_listener), (DID("connect", "unix:@spoor-matrix")))
{
    OK(connect_unix("@spoor-matrix"));
}

CASE(connect_unix_refused, "connect", "connect, unix socket, ECONNREFUSED", (.setup = with_dead_socket),
     (FAILED("connect", "unix:socket", "ECONNREFUSED")))
{
    FAILS(ECONNREFUSED, connect_unix("socket"));
}

CASE(connect_unix_absent, "absent", "connect, unix socket, ENOENT", (), (ABSENT("socket")))
{
    FAILS(ENOENT, connect_unix(at("socket")));
}

static long bind_unix(const char *name)
{
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, name);

    return SYS(bind, make_socket(AF_UNIX, SOCK_STREAM), &address, length);
}

CASE(bind_unix_absolute, "bind", "bind, unix socket, absolute path", (), (NAMED("bind", "unix:socket")))
{
    OK(bind_unix(at("socket")));
}

CASE(bind_unix_relative, "bind", "bind, unix socket, relative path", (), (NAMED("bind", "unix:socket")))
{
    OK(bind_unix("socket"));
}

CASE(bind_unix_abstract, "bind", "bind, abstract unix socket", (), (DID("bind", "unix:@spoor-matrix")))
{
    OK(bind_unix("@spoor-matrix"));
}

CASE(bind_unix_exists, "bind", "bind, unix socket, EADDRINUSE", (.setup = with_file),
     (FAILED("bind", "unix:file", "EADDRINUSE")))
{
    FAILS(EADDRINUSE, bind_unix("file"));
}

CASE(bind_inet, "bind", "bind, TCP", (), (DID("bind", "inet:127.0.0.1:40123")))
{
    struct sockaddr_in address = inet_address(PORT);
    int socket = make_socket(AF_INET, SOCK_STREAM), one = 1;

    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    OK(SYS(bind, socket, &address, sizeof(address)));
}

CASE(bind_inet_in_use, "bind", "bind, TCP, EADDRINUSE", (.setup = with_inet_listener, .cleanup = close_listener),
     ({.op = "bind", .path = "inet:127.0.0.1:40123", .error = "EADDRINUSE"}, ))
{
    struct sockaddr_in address = inet_address(PORT);

    FAILS(EADDRINUSE, SYS(bind, make_socket(AF_INET, SOCK_STREAM), &address, sizeof(address)));
}

CASE(bind_udp, "bind", "bind, UDP: nothing that can be connected to", (), ())
{
    struct sockaddr_in address = inet_address(0);

    OK(SYS(bind, make_socket(AF_INET, SOCK_DGRAM), &address, sizeof(address)));
}

CASE(bind_no_socket, "bind", "bind, a file's descriptor, ENOTSOCK", (.setup = with_file), (DID_WITH("probe", "file", "open")))
{
    struct sockaddr_in address = inet_address(PORT);

    FAILS(ENOTSOCK, SYS(bind, open_file("file", O_RDONLY), &address, sizeof(address)));
}

CASE(sendto_inet, "connect", "sendto, UDP with an address", (), (DID("connect", "inet:127.0.0.1:53")))
{
    struct sockaddr_in address = inet_address(53);

    OK(SYS(sendto, make_socket(AF_INET, SOCK_DGRAM), "x", 1L, 0, &address, sizeof(address)));
}

CASE(sendto_unix, "connect", "sendto, unix socket with an address",
     (.setup = with_unix_receiver, .cleanup = close_listener), (NAMED("connect", "unix:socket")))
{
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, "socket");

    OK(SYS(sendto, make_socket(AF_UNIX, SOCK_DGRAM), "x", 1L, 0, &address, length));
}

CASE(sendmsg_inet, "connect", "sendmsg, UDP with an address", (), (DID("connect", "inet:127.0.0.1:53")))
{
    struct sockaddr_in address = inet_address(53);
    struct iovec data = {.iov_base = buffer, .iov_len = 1};
    struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &data,
                             .msg_iovlen = 1};

    OK(SYS(sendmsg, make_socket(AF_INET, SOCK_DGRAM), &message, 0));
}
