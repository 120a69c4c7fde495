/* What a guest says through its agent. It must not make us remember or send without bound. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "hv/qemu/agent_proto.h"
#include "lib/clock.h"
#include "lib/utf8.h"
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

static void check_program(const struct agent_exec *x)
{
    struct hv_command_result result;
    void *ctx = talloc_new(NULL);

    if (x->state == EXEC_ENDED && agent_exec_result(x, ctx, &result) == 0 &&
        (!utf8_valid(result.out, strlen(result.out)) || !utf8_valid(result.err, strlen(result.err))))
        abort();
    talloc_free(ctx);
}

/* An input's lines are answers, each to what was asked last; a zero byte lets time pass, 1 is a reboot, 2 has
 * a program run. */
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
        } else if (data[at] == 2) {
            agent_proto_run(&p, &(struct hv_command){.path = "/x"}, now);
        } else {
            while (at + n < size && data[at + n] > 2)
                n++;
            agent_proto_feed(&p, (const char *)data + at, n, now);
        }
        check(&p);
        check_program(&p.exec);
        buf_reset(&p.out);
    }
    agent_proto_fini(&p);
    return 0;
}
