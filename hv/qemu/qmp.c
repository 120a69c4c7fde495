#include "hv/qemu/qmp.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hv/qemu/json_lines.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fiber.h"
#include "lib/mem.h"

#define MESSAGE_MAX (4 * 1024 * 1024)
#define READ_SIZE 65536

enum qmp_state { QMP_NEGOTIATING, QMP_READY, QMP_CLOSED };

struct qmp {
    enum qmp_state state;
    int fd;
    ev_io reader, writer;
    struct json_lines in;
    struct buf out;
    int passing; /* a descriptor that goes with what is sent next, or -1 */
    uint64_t last_id;
    TAILQ_HEAD(, qmp_call) calls;
    struct qmp_call capabilities;
    struct qmp_handlers handlers;
    void *arg;
    bool busy;   /* handlers are being called */
    bool doomed; /* freed by one of them */
};

/* ---- closing ---- */

static void answer_all(struct qmp *q, int error)
{
    while (!TAILQ_EMPTY(&q->calls)) {
        struct qmp_call *c = TAILQ_FIRST(&q->calls);

        TAILQ_REMOVE(&q->calls, c, link);
        c->done(c, error, NULL, NULL);
    }
}

static void close_fd(struct qmp *q)
{
    q->state = QMP_CLOSED;
    ev_io_stop(loop_get(), &q->reader);
    ev_io_stop(loop_get(), &q->writer);
    if (q->fd >= 0)
        close(TAKE_FD(q->fd));
    if (q->passing >= 0)
        close(TAKE_FD(q->passing));
}

/* The connection is of no use any more. May free q, through its owner. */
static void fail(struct qmp *q, int error)
{
    if (q->state == QMP_CLOSED)
        return;
    close_fd(q);
    answer_all(q, error);
    q->handlers.closed(error, q->arg);
}

static void release(struct qmp *q)
{
    json_lines_fini(&q->in);
    buf_free(&q->out);
    free(q);
}

void qmp_free(struct qmp *q)
{
    if (!q)
        return;
    close_fd(q);
    answer_all(q, -ECONNABORTED);
    q->doomed = true;
    if (!q->busy)
        release(q);
}

bool qmp_is_ready(const struct qmp *q)
{
    return q && q->state == QMP_READY;
}

/* ---- writing ---- */

static ssize_t send_piece(struct qmp *q)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {
        .head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec piece = {q->out.data, q->out.len};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t n;

    if (q->passing >= 0) {
        memcpy(CMSG_DATA(&control.head), &q->passing, sizeof q->passing);
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
    }
    n = sendmsg(q->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0 && q->passing >= 0)
        close(TAKE_FD(q->passing));
    return n;
}

/* Write what the socket takes; the rest goes when it is writable again. A failure shows at the next read. */
static void flush(struct qmp *q)
{
    while (q->out.len > 0) {
        ssize_t n = send_piece(q);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            ev_io_start(loop_get(), &q->writer);
            return;
        }
        if (n < 0)
            break;
        buf_consume(&q->out, (size_t)n);
    }
    buf_reset(&q->out);
    ev_io_stop(loop_get(), &q->writer);
}

static void writable_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    flush(w->data);
}

void qmp_send(struct qmp *q, struct qmp_call *c, const char *command, json_t *arguments)
{
    json_t *message;
    char *text;

    c->id = ++q->last_id;
    TAILQ_INSERT_TAIL(&q->calls, c, link);
    message = json_pack("{s:s, s:I}", "execute", command, "id", (json_int_t)c->id);
    if (arguments)
        json_object_set_new(message, "arguments", arguments);
    text = json_dumps(message, JSON_COMPACT);
    if (!text)
        mem_abort();
    buf_add_str(&q->out, text);
    buf_add_char(&q->out, '\n');
    free(text);
    json_decref(message);
    if (q->fd >= 0)
        flush(q);
}

int qmp_pass_fd(struct qmp *q, int fd)
{
    if (!q || q->fd < 0)
        return -ENOTCONN;
    if (q->passing >= 0)
        return -EBUSY;
    q->passing = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return q->passing < 0 ? -errno : 0;
}

void qmp_call_forget(struct qmp *q, struct qmp_call *c)
{
    TAILQ_REMOVE(&q->calls, c, link);
}

/* ---- reading ---- */

static void negotiated(struct qmp_call *c, int error, json_t *value, const char *desc)
{
    struct qmp *q = (struct qmp *)(void *)((char *)c - offsetof(struct qmp, capabilities));

    if (error == -EREMOTEIO)
        fail(q, -EPROTO);
    if (error != 0)
        return;
    q->state = QMP_READY;
    q->handlers.ready(q->arg);
}

static struct qmp_call *find_call(struct qmp *q, const json_t *message)
{
    const json_t *id = json_object_get(message, "id");
    struct qmp_call *c;

    TAILQ_FOREACH (c, &q->calls, link)
        if (json_is_integer(id) && (uint64_t)json_integer_value(id) == c->id)
            return c;
    return NULL;
}

/* An answer nobody waits for any more is dropped, and so is the greeting, which answers nothing. */
static void take_answer(struct qmp *q, const json_t *message)
{
    struct qmp_call *c = find_call(q, message);
    const json_t *error = json_object_get(message, "error");
    const char *desc = json_string_value(json_object_get(error, "desc"));

    if (!c)
        return;
    TAILQ_REMOVE(&q->calls, c, link);
    if (error)
        c->done(c, -EREMOTEIO, NULL, desc ? desc : "no reason given");
    else
        c->done(c, 0, json_object_get(message, "return"), NULL);
}

static void take_message(struct qmp *q, const json_t *message)
{
    const char *event = json_string_value(json_object_get(message, "event"));

    if (event)
        q->handlers.event(event, json_object_get(message, "data"), q->arg);
    else
        take_answer(q, message);
}

/* Handle the complete messages that are in; false when q is closed or freed. */
static bool take_messages(struct qmp *q)
{
    json_t *message;
    int r = 0;

    q->busy = true;
    while (q->state != QMP_CLOSED && (r = json_lines_next(&q->in, &message)) > 0) {
        take_message(q, message);
        json_decref(message);
    }
    if (r < 0)
        fail(q, r);
    r = q->state == QMP_CLOSED ? -ENOTCONN : 0;
    q->busy = false;
    if (q->doomed)
        release(q);
    return r == 0;
}

/* Read one piece; false when there is no more for now or for ever. */
static bool read_piece(struct qmp *q)
{
    static char piece[READ_SIZE]; /* the loop's thread only, and nothing here yields */
    ssize_t n = recv(q->fd, piece, sizeof piece, MSG_DONTWAIT);

    if (n > 0) {
        json_lines_feed(&q->in, piece, (size_t)n);
        return take_messages(q);
    }
    if (n < 0 && errno == EINTR)
        return true;
    if (n == 0 || errno != EAGAIN)
        fail(q, n == 0 ? -ECONNRESET : -errno);
    return false;
}

static void readable_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    read_piece(w->data);
}

void qmp_drain(struct qmp *q)
{
    while (q->fd >= 0 && read_piece(q))
        continue;
}

struct qmp *qmp_new(int fd, const struct qmp_handlers *handlers, void *arg)
{
    struct qmp *q = mem_zalloc(sizeof *q);

    q->fd = fd;
    q->passing = -1;
    q->handlers = *handlers;
    q->arg = arg;
    TAILQ_INIT(&q->calls);
    json_lines_init(&q->in, MESSAGE_MAX);
    ev_io_init(&q->reader, readable_cb, fd, EV_READ);
    ev_io_init(&q->writer, writable_cb, fd, EV_WRITE);
    q->reader.data = q->writer.data = q;
    ev_io_start(loop_get(), &q->reader);
    q->capabilities.done = negotiated;
    qmp_send(q, &q->capabilities, "qmp_capabilities", NULL);
    return q;
}

/* ---- for fibers ---- */

struct waiting_call {
    struct qmp_call call;
    struct fiber_cond done;
    bool is_done;
    int error;
    json_t *value;
    char *desc;
};

static void wake_waiting(struct qmp_call *c, int error, json_t *value, const char *desc)
{
    struct waiting_call *w = (struct waiting_call *)(void *)c;

    w->is_done = true;
    w->error = error;
    w->value = json_incref(value);
    w->desc = desc ? mem_strdup(desc) : NULL;
    fiber_cond_signal(&w->done);
}

static int co_wait_answer(struct qmp *q, struct waiting_call *w, const char *command, int64_t deadline)
{
    int r = 0;

    while (r == 0 && !w->is_done)
        r = co_cond_wait(&w->done, deadline, "qmp %s", command);
    if (!w->is_done)
        qmp_call_forget(q, &w->call);
    return w->is_done ? w->error : r;
}

int co_qmp_command(struct qmp *q, const char *command, json_t *arguments, int64_t deadline, json_t **ret,
                   struct err *e)
{
    struct waiting_call w = {.call.done = wake_waiting};
    int r = fault_point(FAULT_QMP, command);

    if (r == 0 && (!q || q->state == QMP_CLOSED))
        r = -ENOTCONN;
    if (r < 0) {
        if (q && q->passing >= 0)
            close(TAKE_FD(q->passing)); /* no other command's */
        json_decref(arguments);
        err_errno(e, r, "qmp %s", command);
        return r;
    }
    fiber_cond_init(&w.done);
    qmp_send(q, &w.call, command, arguments);
    r = co_wait_answer(q, &w, command, deadline);
    if (r == -EREMOTEIO && w.desc)
        err_internal(e, "qmp %s: %s", command, w.desc);
    else if (r < 0)
        err_errno(e, r, "qmp %s", command);
    if (r == 0 && ret)
        *ret = TAKE_PTR(w.value);
    json_decref(w.value);
    free(w.desc);
    return r;
}
