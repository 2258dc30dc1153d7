/* NTP load: keeps a number of client requests in flight and counts the answers.
 *
 *   ntp_load ADDRESS PORT SECONDS IN_FLIGHT SOCKETS basic|interleaved
 *
 * Each socket keeps its share of requests in flight, 32 to a system call. In interleaved mode each
 * answer is followed by a request whose origin is that answer's receive timestamp (RFC 9769), so a
 * server that speaks it answers interleaved. Lost requests are given up after 50 ms of silence.
 * Prints: answers per second, answers, answers in interleaved mode, lost requests.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 32, PACKET = 48, ORIGIN = 24, RECEIVE = 32, TRANSMIT = 40, SOCKETS_MAX = 256,
       QUEUE = 1024 };

struct flow {
    int socket;
    int in_flight;
    int queued;              /* answers to follow up, in interleaved mode */
    uint8_t origins[QUEUE][8];
};

static struct flow flows[SOCKETS_MAX];
static uint8_t requests[BATCH][PACKET], answers[BATCH][256];
static struct mmsghdr sends[BATCH], receives[BATCH];
static struct iovec send_parts[BATCH], receive_parts[BATCH];

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static int connected(const char *address, int port) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int is_four = inet_pton(AF_INET, address, &four.sin_addr) == 1;
    if (!is_four && inet_pton(AF_INET6, address, &six.sin6_addr) != 1) return -1;
    int sock = socket(is_four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int size = 1 << 21;
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    struct sockaddr *peer = is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six;
    return connect(sock, peer, is_four ? sizeof four : sizeof six) ? -1 : sock;
}

static void ask(struct flow *flow, int window, int interleaved) {
    static uint64_t cookie = 1;
    int room = window - flow->in_flight, count = room < BATCH ? room : BATCH;
    if (count <= 0) return;
    for (int i = 0; i < count; i++) {
        uint64_t receive_cookie = cookie++, transmit_cookie = cookie++;
        memset(requests[i] + ORIGIN, 0, PACKET - ORIGIN);
        memcpy(requests[i] + TRANSMIT, &transmit_cookie, 8);
        if (interleaved) {
            memcpy(requests[i] + RECEIVE, &receive_cookie, 8);
            if (flow->queued > 0) memcpy(requests[i] + ORIGIN, flow->origins[--flow->queued], 8);
            else memset(requests[i] + ORIGIN, 1, 8); /* shows that interleaved mode is wanted */
        }
    }
    int sent = sendmmsg(flow->socket, sends, count, 0);
    if (sent > 0) flow->in_flight += sent;
}

int main(int count, char **arguments) {
    if (count != 7) return fprintf(stderr, "ntp_load ADDRESS PORT SECONDS IN_FLIGHT SOCKETS MODE\n"), 2;
    double duration = atof(arguments[3]);
    int sockets = atoi(arguments[5]), interleaved = !strcmp(arguments[6], "interleaved");
    if (sockets < 1 || sockets > SOCKETS_MAX) return 2;
    int window = atoi(arguments[4]) / sockets;
    if (window < 1) window = 1;
    for (int f = 0; f < sockets; f++)
        if ((flows[f].socket = connected(arguments[1], atoi(arguments[2]))) < 0)
            return fprintf(stderr, "ntp_load: no socket to %s\n", arguments[1]), 2;
    for (int i = 0; i < BATCH; i++) {
        requests[i][0] = 0x23;
        send_parts[i] = (struct iovec){requests[i], PACKET};
        receive_parts[i] = (struct iovec){answers[i], sizeof answers[i]};
        sends[i].msg_hdr = (struct msghdr){.msg_iov = &send_parts[i], .msg_iovlen = 1};
        receives[i].msg_hdr = (struct msghdr){.msg_iov = &receive_parts[i], .msg_iovlen = 1};
    }
    unsigned long answered = 0, followed = 0, lost = 0;
    double start = seconds_now(), now = start, last = start;
    while ((now = seconds_now()) - start < duration) {
        for (int f = 0; f < sockets; f++) {
            struct flow *flow = &flows[f];
            ask(flow, window, interleaved);
            int got = recvmmsg(flow->socket, receives, BATCH, 0, NULL);
            for (int i = 0; i < got; i++) {
                /* Odd cookies are receive cookies: an answer that returns one is interleaved. */
                uint64_t origin;
                memcpy(&origin, answers[i] + ORIGIN, 8);
                if (interleaved && (origin & 1)) followed++;
                if (interleaved && flow->queued < QUEUE)
                    memcpy(flow->origins[flow->queued++], answers[i] + RECEIVE, 8);
            }
            if (got > 0) {
                answered += got;
                flow->in_flight = flow->in_flight > got ? flow->in_flight - got : 0;
                last = now;
            }
        }
        if (now - last > 0.05) {
            for (int f = 0; f < sockets; f++) lost += flows[f].in_flight, flows[f].in_flight = 0;
            last = now;
        }
    }
    printf("%.0f %lu %lu %lu\n", answered / (now - start), answered, followed, lost);
    return 0;
}
