/* What a guest says through its agent. It must not make us remember or send without bound. */
#include <stdlib.h>
#include <string.h>
#include "hv/qemu/agent_proto.h"
#include "lib/clock.h"
#include "tests/fuzz/fuzz.h"

#define SECOND 1000000000LL

static void check_text(const char *text)
{
    if (text && strlen(text) > 255)
        abort();
}

static void check(const struct agent_proto *p)
{
    if (map_count(p->known.addresses) > 2 * 33 || map_count(p->known.os) > 5 || p->out.len > 4096)
        abort();
    for (uint32_t i = 0; i < map_count(p->known.os); i++)
        check_text(p->known.os->e[i].v.s);
    check_text(p->known.hostname);
    check_text(p->known.agent_version);
}

/* An input's lines are answers, each to what was asked last; a zero byte lets time pass, 1 is a reboot. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct agent_nic_name nics[] = {{0, "02:00:00:00:00:01"}, {1, "02:00:00:00:00:02"}};
    struct agent_proto p;
    int64_t now = SECOND;

    agent_proto_init(&p, nics, 2);
    agent_proto_opened(&p, now);
    for (size_t at = 0, n; at < size; at += n) {
        n = 1;
        if (data[at] == 0) {
            now += 10 * SECOND;
            agent_proto_wake(&p, now);
        } else if (data[at] == 1) {
            agent_proto_closed(&p);
            agent_proto_order(&p, ORDER_REBOOT, now);
            agent_proto_opened(&p, now);
        } else {
            while (at + n < size && data[at + n] > 1)
                n++;
            agent_proto_feed(&p, (const char *)data + at, n, now);
        }
        check(&p);
        buf_reset(&p.out);
    }
    agent_proto_fini(&p);
    return 0;
}
