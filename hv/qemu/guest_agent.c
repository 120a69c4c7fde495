#include "hv/qemu/guest_agent.h"
#include <errno.h>
#include <ev.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"

#define READ_SIZE 16384
#define BUDGET (256 * 1024) /* bytes a second; a round's answers are a few KiB */
#define BUDGET_S 1.0

struct guest_agent {
    struct agent_proto proto;
    struct agent_nic_name *nics;
    int dir_fd, fd;
    bool open, paused;
    bool answer_told, end_told;
    size_t spent; /* of the budget */
    ev_io reader, writer;
    ev_timer wake, refill;
    struct guest_agent_handlers handlers;
    void *arg;
};

static void disconnect(struct guest_agent *a)
{
    ev_io_stop(loop_get(), &a->reader);
    ev_io_stop(loop_get(), &a->writer);
    ev_timer_stop(loop_get(), &a->refill);
    if (a->fd >= 0)
        close(TAKE_FD(a->fd));
}

static void flush(struct guest_agent *a)
{
    struct buf *out = &a->proto.out;

    while (a->fd >= 0 && out->len > 0) {
        ssize_t n = send(a->fd, out->data, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            ev_io_start(loop_get(), &a->writer);
            return;
        }
        if (n < 0 && errno != EINTR)
            buf_reset(out); /* the reader finds out what is wrong */
        if (n > 0)
            buf_consume(out, (size_t)n);
    }
    ev_io_stop(loop_get(), &a->writer);
}

static void start_timer(struct guest_agent *a)
{
    int64_t left = a->proto.wake_at - clock_now();

    ev_timer_stop(loop_get(), &a->wake);
    if (a->proto.wake_at == CLOCK_NEVER || a->paused)
        return;
    ev_timer_set(&a->wake, left > 0 ? (double)left / 1e9 : 0, 0);
    ev_timer_start(loop_get(), &a->wake);
}

/* Carry out what the protocol came to want. */
static void follow(struct guest_agent *a)
{
    flush(a);
    start_timer(a);
    if (a->proto.changed) {
        a->proto.changed = false;
        a->handlers.info(&a->proto.known, a->arg);
    }
    if ((a->proto.order_refused || a->proto.order_done) && !a->answer_told) {
        a->answer_told = true;
        a->handlers.answered(a->arg);
    }
    if (a->proto.exec.state == EXEC_ENDED && !a->end_told) {
        a->end_told = true;
        a->handlers.answered(a->arg);
    }
}

static void spend(struct guest_agent *a, size_t n)
{
    a->spent += n;
    if (!ev_is_active(&a->refill))
        ev_timer_again(loop_get(), &a->refill);
    if (a->spent > BUDGET)
        ev_io_stop(loop_get(), &a->reader);
}

static void refill_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct guest_agent *a = w->data;

    a->spent = 0;
    ev_timer_stop(loop, w);
    ev_io_start(loop, &a->reader);
}

static void readable_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    struct guest_agent *a = w->data;
    static char piece[READ_SIZE]; /* the loop's thread only, and nothing here yields */
    ssize_t n = recv(a->fd, piece, sizeof piece, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        disconnect(a);
        agent_proto_closed(&a->proto);
    } else {
        spend(a, (size_t)n);
        agent_proto_feed(&a->proto, piece, (size_t)n, clock_now());
    }
    follow(a);
}

static void writable_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    flush(w->data);
}

static void wake_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct guest_agent *a = w->data;

    agent_proto_wake(&a->proto, clock_now());
    follow(a);
}

static void connect_port(struct guest_agent *a)
{
    a->fd = vm_dir_connect(a->dir_fd, VM_DIR_AGENT);
    if (a->fd < 0)
        return;
    ev_io_set(&a->reader, a->fd, EV_READ);
    ev_io_set(&a->writer, a->fd, EV_WRITE);
    ev_io_start(loop_get(), &a->reader);
}

void guest_agent_set_nics(struct guest_agent *a, const struct agent_nic_name *nics, unsigned n_nics)
{
    free(a->nics);
    a->nics = n_nics ? mem_zalloc(n_nics * sizeof *nics) : NULL;
    if (n_nics)
        memcpy(a->nics, nics, n_nics * sizeof *nics);
    a->proto.nics = a->nics;
    a->proto.n_nics = n_nics;
}

struct guest_agent *guest_agent_new(int dir_fd, const struct agent_nic_name *nics, unsigned n_nics,
                                    const struct guest_agent_handlers *handlers, void *arg)
{
    struct guest_agent *a = mem_zalloc(sizeof *a);

    a->dir_fd = dir_fd;
    a->fd = -1;
    a->handlers = *handlers;
    a->arg = arg;
    agent_proto_init(&a->proto, NULL, 0);
    guest_agent_set_nics(a, nics, n_nics);
    ev_io_init(&a->reader, readable_cb, -1, EV_READ);
    ev_io_init(&a->writer, writable_cb, -1, EV_WRITE);
    ev_timer_init(&a->wake, wake_cb, 0, 0);
    ev_timer_init(&a->refill, refill_cb, 0, BUDGET_S);
    a->reader.data = a->writer.data = a->wake.data = a->refill.data = a;
    connect_port(a);
    return a;
}

void guest_agent_free(struct guest_agent *a)
{
    if (!a)
        return;
    disconnect(a);
    ev_timer_stop(loop_get(), &a->wake);
    agent_proto_fini(&a->proto);
    free(a->nics);
    free(a);
}

void guest_agent_set_open(struct guest_agent *a, bool open)
{
    if (open == a->open)
        return;
    a->open = open;
    if (open && a->fd < 0)
        connect_port(a);
    if (open && a->fd >= 0)
        agent_proto_opened(&a->proto, clock_now());
    else
        agent_proto_closed(&a->proto);
    follow(a);
}

void guest_agent_set_paused(struct guest_agent *a, bool paused)
{
    if (paused == a->paused)
        return;
    a->paused = paused;
    /* Nothing was heard while the guest stood still, so let it answer before losing patience; or ask it now.
     */
    if (!paused && a->proto.state == AGENT_IDLE)
        guest_agent_ask(a);
    else if (!paused && a->proto.state != AGENT_CLOSED)
        a->proto.wake_at = clock_in_ms(1000);
    follow(a);
}

bool guest_agent_is_there(const struct guest_agent *a)
{
    return a->proto.state != AGENT_CLOSED;
}

void guest_agent_order(struct guest_agent *a, enum agent_order order)
{
    a->answer_told = false;
    agent_proto_order(&a->proto, order, clock_now());
    follow(a);
}

void guest_agent_order_processors(struct guest_agent *a, unsigned online, unsigned present)
{
    a->answer_told = false;
    agent_proto_order_processors(&a->proto, online, present, clock_now());
    follow(a);
}

void guest_agent_set_grown(struct guest_agent *a, bool grown)
{
    a->proto.grown = grown;
}

bool guest_agent_obeyed(const struct guest_agent *a)
{
    return a->proto.order_done;
}

bool guest_agent_refused(const struct guest_agent *a)
{
    return a->proto.order_refused;
}

void guest_agent_ask(struct guest_agent *a)
{
    int64_t now = clock_now();

    if (a->proto.state != AGENT_IDLE)
        return;
    a->proto.round_at = now;
    agent_proto_wake(&a->proto, now);
    follow(a);
}

void guest_agent_run(struct guest_agent *a, const struct hv_command *c)
{
    a->end_told = false;
    agent_proto_run(&a->proto, c, clock_now());
    follow(a);
}

bool guest_agent_ran(const struct guest_agent *a)
{
    return a->proto.exec.state == EXEC_ENDED;
}

int guest_agent_result(const struct guest_agent *a, void *ctx, struct hv_command_result *ret)
{
    return agent_exec_result(&a->proto.exec, ctx, ret);
}

const char *guest_agent_refusal(struct guest_agent *a)
{
    return buf_cstr(&a->proto.exec.refusal);
}

void guest_agent_forget(struct guest_agent *a)
{
    agent_proto_run(&a->proto, NULL, clock_now());
}
