/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exchange-probe vsock:CID|tcp:PORT|unix:PATH COUNT CPU [OFFSET]: probes an
 * agent one request after the other, and prints as JSON what a round trip
 * took, in host ticks, and how far apart the ends of the line are in the
 * middle. With a guest counter's true offset (unscaled): whether the line holds
 * it at every stamp. COUNT 0 to 100000; CPU -1 for any.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "clockread/counter.h"
#include "clocksync/exchange.h"

#define COUNT_MAX  100000
#define AGENT_PORT 18230
#define TIMEOUT_S  10

static void __attribute__((noreturn)) die(const char *what)
{
    fprintf(stderr, "exchange-probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_to(const char *where)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in inet;
        struct sockaddr_vm vsock;
    } address = { 0 };
    const struct timeval limit = { .tv_sec = TIMEOUT_S };
    const int on = 1;
    socklen_t len;
    int fd;

    if (strncmp(where, "unix:", 5) == 0) {
        address.local.sun_family = AF_UNIX;
        len = sizeof(address.local);
        snprintf(address.local.sun_path, sizeof(address.local.sun_path), "%s",
                 where + 5);
    } else if (strncmp(where, "tcp:", 4) == 0) {
        len = sizeof(address.inet);
        address.inet.sin_family = AF_INET;
        address.inet.sin_port = htons((uint16_t)atoi(where + 4));
        address.inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        len = sizeof(address.vsock);
        address.vsock.svm_family = AF_VSOCK;
        address.vsock.svm_port = AGENT_PORT;
        address.vsock.svm_cid = (unsigned int)atoi(strchr(where, ':') + 1);
    }
    fd = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, &address.any, len) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0) {
        die(where);
    }
    if (address.any.sa_family == AF_INET) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

static uint64_t member(const char *reply, const char *name)
{
    const char *at = strstr(reply, name);

    if (at == NULL) {
        fprintf(stderr, "exchange-probe: no %s in: %s\n", name, reply);
        exit(1);
    }
    return strtoull(at + strlen(name), NULL, 10);
}

static struct tcs_probe probe_once(int fd, int cpu)
{
    struct tcs_probe probe;
    char text[1024];
    size_t have = 0;
    int len = snprintf(text, sizeof(text),
                       "{\"execute\":\"guest-trace-clock-probe\"");

    if (cpu >= 0) {
        len += snprintf(text + len, sizeof(text) - (size_t)len,
                        ",\"arguments\":{\"cpu\":%d}", cpu);
    }
    len += snprintf(text + len, sizeof(text) - (size_t)len, "}\n");
    probe.host_sent.ticks = tcs_counter_before();
    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len) {
        die("send");
    }
    do {
        ssize_t n = recv(fd, text + have, sizeof(text) - 1 - have, 0);

        if (n <= 0) {
            die("receive");
        }
        have += (size_t)n;
    } while (text[have - 1] != '\n');
    probe.host_received.ticks = tcs_counter_after();
    text[have] = '\0';
    probe.guest_receive.ticks = member(text, "\"counter-receive\":");
    probe.guest_transmit.ticks = member(text, "\"counter-transmit\":");
    return probe;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void print_spread(const char *name, uint64_t *values, size_t n)
{
    qsort(values, n, sizeof(values[0]), compare);
    printf("\"%s\":{\"least\":%" PRIu64 ",\"median\":%" PRIu64
           ",\"p90\":%" PRIu64 "},",
           name, values[0], values[n / 2], values[n * 9 / 10]);
}

static bool holds(const struct tcs_counter_line *line, uint64_t host,
                  uint64_t offset)
{
    const struct tcs_host_span at = { { host }, { host } };
    struct tcs_guest_span guest;

    return tcs_counter_line_at(line, at, &guest) == 0 &&
           host + offset - guest.lo.ticks <= guest.hi.ticks - guest.lo.ticks;
}

int main(int argc, char **argv)
{
    size_t n = argc >= 4 ? strtoul(argv[2], NULL, 10) : 0;
    struct tcs_probe *probes = calloc(COUNT_MAX, sizeof(*probes));
    uint64_t *trips = calloc(COUNT_MAX, sizeof(*trips));
    uint64_t *ways = calloc(COUNT_MAX, sizeof(*ways));
    struct tcs_counter_line line;
    struct tcs_guest_span guest;
    bool is_held = true;

    if (n < 2 || n > COUNT_MAX || !probes || !trips || !ways) {
        fprintf(stderr, "usage: exchange-probe ADDRESS COUNT CPU [OFFSET]\n");
        return 2;
    }
    int fd = connect_to(argv[1]);

    tcs_counter_line_init(&line, TCS_RATE_SPAN_MONOTONE);
    for (size_t i = 0; i < n; i++) {
        struct tcs_probe *p = &probes[i];

        *p = probe_once(fd, atoi(argv[3]));
        errno = -tcs_counter_line_add_probe(&line, p);
        if (errno != 0) {
            die("a probe contradicts the earlier ones");
        }
        trips[i] = p->host_received.ticks - p->host_sent.ticks;
        ways[i] = trips[i] - (p->guest_transmit.ticks - p->guest_receive.ticks);
    }
    if (argc > 4) {
        uint64_t offset = (uint64_t)strtoll(argv[4], NULL, 10);

        for (size_t i = n / 10; i < n - n / 10; i++) {
            is_held = is_held &&
                      holds(&line, probes[i].host_sent.ticks, offset) &&
                      holds(&line, probes[i].host_received.ticks, offset);
        }
    }
    const struct tcs_host_span middle = { probes[n / 2].host_sent,
                                          probes[n / 2].host_sent };

    errno = -tcs_counter_line_at(&line, middle, &guest);
    if (errno != 0) {
        die("the line is not bounded in the middle");
    }
    printf("{");
    print_spread("round-trip", trips, n);
    print_spread("both-ways", ways, n); /* where the counters' rates agree */
    printf("\"width\":%" PRIu64 ",\"hull\":%zu,\"held\":%s}\n",
           guest.hi.ticks - guest.lo.ticks,
           line.lines.ceiling.n + line.lines.floor.n,
           is_held ? "true" : "false");
    tcs_counter_line_clear(&line);
    free(probes);
    free(trips);
    free(ways);
    return is_held ? 0 : 4;
}
