/* A member of a corosync process group (CPG), for benchmarks.
 *
 *   cpg_load flood MEMBERS SENDS SIZE OUTSTANDING
 *       Joins, says "ready" when all members are there, and reads "BEGIN END" (ns of the monotonic
 *       clock). If SENDS is 1 it multicasts messages of SIZE bytes until END: as fast as the group
 *       takes them, or with at most OUTSTANDING of its own on their way. Then it tells one line of
 *       JSON about what was delivered between the two instants, and goes on delivering until its
 *       standard input is closed, since others may still need it.
 *
 *   cpg_load watch MEMBERS
 *       Joins, says "ready" when all members are there, and tells each later configuration with the
 *       instant at which it was told of it.
 */
#include <corosync/cpg.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 64, SAMPLES_MAX = 200000, NODES_MAX = 129, LONGEST_START_S = 30 };

static cpg_handle_t group;
static int group_file;
static uint32_t self;
static size_t members;
static int counts, tells;
static uint64_t sent, own, delivered, by_node[NODES_MAX];
static uint32_t samples[SAMPLES_MAX]; /* us */
static size_t sample_count;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void fail(const char *what, int error) {
    fprintf(stderr, "%s: error %d of corosync\n", what, error);
    exit(1);
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *name, uint32_t node,
                       uint32_t process, void *message, size_t size) {
    (void)handle, (void)name, (void)process;
    if (counts) {
        delivered++;
        if (node < NODES_MAX) by_node[node]++;
    }
    if (node != self) return;
    own++;
    if (counts && sample_count < SAMPLES_MAX && size >= sizeof(int64_t)) {
        int64_t left_at;
        memcpy(&left_at, message, sizeof left_at);
        samples[sample_count++] = (uint32_t)((now_ns() - left_at) / 1000);
    }
}

static void on_change(cpg_handle_t handle, const struct cpg_name *name,
                      const struct cpg_address *all, size_t all_count,
                      const struct cpg_address *left, size_t left_count,
                      const struct cpg_address *joined, size_t joined_count) {
    (void)handle, (void)name, (void)all, (void)left, (void)joined, (void)joined_count;
    members = all_count;
    if (!tells) return;
    printf("{\"at\": %lld, \"members\": %zu, \"left\": %zu}\n", (long long)now_ns(), all_count,
           left_count);
    fflush(stdout);
}

static void wait_and_dispatch(int timeout_ms) {
    struct pollfd wait = {group_file, POLLIN, 0};
    if (poll(&wait, 1, timeout_ms) <= 0) return;
    cs_error_t error = cpg_dispatch(group, CS_DISPATCH_ALL);
    if (error != CS_OK && error != CS_ERR_TRY_AGAIN) fail("cpg_dispatch", error);
}

static void join_group(size_t wanted) {
    cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_change};
    struct cpg_name name = {.length = 4, .value = "load"};
    int64_t ends = now_ns() + LONGEST_START_S * 1000000000LL;
    cs_error_t error;
    /* A daemon that has just started refuses for a while. */
    while ((error = cpg_initialize(&group, &callbacks)) != CS_OK && now_ns() < ends) usleep(20000);
    if (error != CS_OK) fail("cpg_initialize", error);
    if ((error = cpg_fd_get(group, &group_file)) != CS_OK) fail("cpg_fd_get", error);
    if ((error = cpg_local_get(group, &self)) != CS_OK) fail("cpg_local_get", error);
    while ((error = cpg_join(group, &name)) == CS_ERR_TRY_AGAIN && now_ns() < ends) usleep(20000);
    if (error != CS_OK) fail("cpg_join", error);
    while (members < wanted && now_ns() < ends) wait_and_dispatch(100);
    if (members < wanted) {
        fprintf(stderr, "only %zu of %zu members are there\n", members, wanted);
        exit(1);
    }
    puts("ready");
    fflush(stdout);
}

/* 1: sent; 0: the group takes no more for now. */
static int send_one(char *message, size_t size) {
    struct iovec part = {message, size};
    int64_t now = now_ns();
    if (size >= sizeof now) memcpy(message, &now, sizeof now);
    cs_error_t error = cpg_mcast_joined(group, CPG_TYPE_AGREED, &part, 1);
    if (error != CS_OK && error != CS_ERR_TRY_AGAIN) fail("cpg_mcast_joined", error);
    sent += error == CS_OK;
    return error == CS_OK;
}

static int in_order(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static void tell(void) {
    qsort(samples, sample_count, sizeof samples[0], in_order);
    printf("{\"id\": %u, \"delivered\": %llu, \"p50\": %u, \"p99\": %u, \"origins\": {", self,
           (unsigned long long)delivered, sample_count ? samples[sample_count / 2] : 0,
           sample_count ? samples[sample_count * 99 / 100] : 0);
    const char *comma = "";
    for (int node = 0; node < NODES_MAX; node++) {
        if (!by_node[node]) continue;
        printf("%s\"%d\": %llu", comma, node, (unsigned long long)by_node[node]);
        comma = ", ";
    }
    puts("}}");
    fflush(stdout);
}

static void flood(int sends, size_t size, uint64_t outstanding) {
    long long begin, end;
    int64_t now;
    char *message = calloc(1, size + 1);
    if (!message || scanf("%lld %lld", &begin, &end) != 2) exit(1);
    while ((now = now_ns()) < end) {
        int blocked = !sends;
        counts = now >= begin;
        for (int n = 0; n < BURST && !blocked; n++)
            blocked = (outstanding && sent - own >= outstanding) || !send_one(message, size);
        wait_and_dispatch(blocked ? 1 : 0);
    }
    counts = 0;
    tell();
    for (;;) {
        struct pollfd closed = {0, POLLIN, 0};
        char rest[64];
        if (poll(&closed, 1, 0) > 0 && read(0, rest, sizeof rest) <= 0) break;
        wait_and_dispatch(20);
    }
}

int main(int count, char **arguments) {
    if (count == 6 && !strcmp(arguments[1], "flood")) {
        join_group(strtoul(arguments[2], NULL, 10));
        flood(atoi(arguments[3]), strtoul(arguments[4], NULL, 10),
              strtoull(arguments[5], NULL, 10));
    } else if (count == 3 && !strcmp(arguments[1], "watch")) {
        join_group(strtoul(arguments[2], NULL, 10));
        tells = 1;
        for (;;) wait_and_dispatch(1000);
    } else {
        fprintf(stderr, "cpg_load flood MEMBERS SENDS SIZE OUTSTANDING | watch MEMBERS\n");
        return 2;
    }
    cpg_finalize(group);
    return 0;
}
