#include "tests/hv/hand_move.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/fiber.h"
#include "lib/clock.h"
#include "tests/hv/fixture.h"

#define LOOK_US 500
#define ADDRESS "127.0.0.1"

static void co_tell(struct by_hand *h, const char *command, json_t *arguments)
{
    json_decref(co_by_hand(h, command, arguments));
}

static void co_trust(struct by_hand *h, const char *state_dir, const char *endpoint, const char *name)
{
    char dir[100];

    if (!state_dir)
        return;
    snprintf(dir, sizeof dir, "%s/pool", state_dir);
    co_tell(h, "object-add",
            json_pack("{s:s, s:s, s:s, s:s, s:b}", "qom-type", "tls-creds-x509", "id", endpoint, "dir", dir,
                      "endpoint", endpoint, "verify-peer", true));
    co_tell(h, "migrate-set-parameters",
            json_pack("{s:s, s:s}", "tls-creds", endpoint, "tls-hostname", name));
}

static void co_allow(struct by_hand *h, const char *capability)
{
    co_tell(h, "migrate-set-capabilities",
            json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", capability, "state", true));
}

/* A port that was free a moment ago: QEMU tells nobody which one its NBD server chose. */
static void find_port(char port[8])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    snprintf(port, 8, "%u", (unsigned)ntohs(address.sin_port));
}

static void co_serve_disk(struct hand_move *m)
{
    json_t *server;

    find_port(m->disk_port);
    server = json_pack("{s:{s:s, s:{s:s, s:s}}}", "addr", "type", "inet", "data", "host", ADDRESS, "port",
                       m->disk_port);
    if (m->to_dir)
        json_object_set_new(server, "tls-creds", json_string("server"));
    co_tell(m->to, "nbd-server-start", server);
    co_tell(m->to, "block-export-add",
            json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id", "disk", "node-name", "node0", "name",
                      "disk", "writable", true));
}

void co_hand_await(struct hand_move *m)
{
    json_t *answer;

    co_trust(m->to, m->to_dir, "server", "");
    if (m->post_copy)
        co_allow(m->to, "postcopy-ram");
    if (m->mirror)
        co_allow(m->to, "late-block-activate");
    if (m->mirror)
        co_serve_disk(m);
    co_tell(m->to, "migrate-incoming", json_pack("{s:s}", "uri", "tcp:" ADDRESS ":0"));
    answer = co_by_hand(m->to, "query-migrate", NULL);
    snprintf(m->memory_uri, sizeof m->memory_uri, "tcp:" ADDRESS ":%s",
             json_string_value(
                 json_object_get(json_array_get(json_object_get(answer, "socket-address"), 0), "port")));
    json_decref(answer);
}

/* ---- the disk ---- */

static void co_await_job(struct by_hand *h, const char *status)
{
    for (;;) {
        json_t *answer = co_by_hand(h, "query-jobs", NULL);
        const char *now = json_string_value(json_object_get(json_array_get(answer, 0), "status"));
        bool there = now && strcmp(now, status) == 0;

        json_decref(answer);
        if (there)
            return;
        REQUIRE(co_sleep_until(clock_now() + LOOK_US * 1000, "a mirror by hand") == 0);
    }
}

static void co_mirror(struct hand_move *m)
{
    json_t *target =
        json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "node-name", "target", "driver", "nbd", "export",
                  "disk", "server", "type", "inet", "host", ADDRESS, "port", m->disk_port);

    if (m->from_dir) {
        json_object_set_new(target, "tls-creds", json_string("client"));
        json_object_set_new(target, "tls-hostname", json_string(m->to_name));
    }
    co_tell(m->from, "blockdev-add", target);
    co_tell(m->from, "blockdev-mirror",
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "job-id", "mirror", "device", "node0", "target",
                      "target", "sync", "full", "copy-mode", "write-blocking", "auto-dismiss", false));
    co_await_job(m->from, "ready");
}

static void co_end_mirror(struct hand_move *m)
{
    co_tell(m->from, "block-job-cancel", json_pack("{s:s}", "device", "mirror"));
    co_await_job(m->from, "concluded");
    co_tell(m->from, "job-dismiss", json_pack("{s:s}", "id", "mirror"));
    co_tell(m->from, "blockdev-del", json_pack("{s:s}", "node-name", "target"));
    co_tell(m->to, "nbd-server-stop", NULL);
}

/* ---- memory ---- */

static void co_send_memory(struct hand_move *m)
{
    if (m->post_copy)
        co_allow(m->from, "postcopy-ram");
    if (m->mirror)
        co_allow(m->from, "pause-before-switchover");
    co_tell(m->from, "migrate-set-parameters", json_pack("{s:I}", "max-bandwidth", 1LL << 40));
    co_tell(m->from, "stop", NULL);
    co_tell(m->from, "migrate", json_pack("{s:s}", "uri", m->memory_uri));
    if (m->mirror) {
        co_by_hand_await(m->from, "pre-switchover");
        co_end_mirror(m);
        co_tell(m->from, "migrate-continue", json_pack("{s:s}", "state", "pre-switchover"));
    }
    if (m->post_copy) {
        if (co_by_hand_await(m->from, "active"))
            co_tell(m->from, "migrate-start-postcopy", NULL);
        co_by_hand_await(m->to, "postcopy-active");
    } else {
        co_by_hand_await(m->from, "completed");
        co_by_hand_await(m->to, "completed");
    }
}

void co_hand_move(struct hand_move *m)
{
    co_trust(m->from, m->from_dir, "client", m->to_name ? m->to_name : "");
    if (m->mirror)
        co_mirror(m);
    co_send_memory(m);
    co_tell(m->to, "cont", NULL);
    if (m->post_copy)
        co_by_hand_await(m->from, "completed");
}
