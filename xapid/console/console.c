#include "xapid/console/console.h"
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/audit/audit.h"
#include "xapid/console/websocket.h"
#include "xapid/http_auth.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

#define WRITE_LIMIT_MS (60 * 1000)
#define IDLE_LIMIT_MS (24 * 3600 * 1000)

/* ---- which console ---- */

static const struct console *console_of_vm(struct db *db, struct ref vm)
{
    const struct console *first = NULL;

    FOREACH_REFERRER (db, console, console, CONSOLE, VM, vm) {
        if (console->protocol == CONSOLE_PROTOCOL_RFB)
            return console;
        first = first ? first : console;
    }
    return first;
}

/* The query names a console or a VM (whose graphical console is meant, if it has one) by ref or uuid. */
static const struct console *find_console(struct db *db, struct http_request *r)
{
    const char *text = http_query(r, "ref"), *uuid = http_query(r, "uuid");
    const struct row *console = NULL, *vm = NULL;
    struct ref ref;

    if (text && ref_parse(text, &ref)) {
        console = db_get(db, CLASS_CONSOLE, ref);
        vm = db_get(db, CLASS_VM, ref);
    } else if (uuid) {
        console = db_get_by_uuid(db, CLASS_CONSOLE, uuid);
        vm = db_get_by_uuid(db, CLASS_VM, uuid);
    }
    return console ? (const struct console *)console : vm ? console_of_vm(db, vm->ref) : NULL;
}

/* What the audit log names: the VM. */
static const struct row *console_row(struct db *db, struct http_request *r)
{
    const struct console *console = find_console(db, r);

    return console ? db_get(db, CLASS_VM, console->VM) : NULL;
}

/* ---- letting the caller in ---- */

static void co_refuse(struct http_request *r, struct http_stream *s, unsigned status, const char *why)
{
    (void)co_stream_send_error(r, s, status, why, clock_in_ms(WRITE_LIMIT_MS));
}

/* May the caller have a console? Answers him when not. */
static bool co_let_in(struct http_request *r, struct http_stream *s, struct xapid *x)
{
    CLEANUP_ERR struct err e = {0};
    struct call c;
    bool known = co_http_auth(r, x, &c, &e) == 0;
    bool allowed = known && http_auth_may(&c, "VM.start", &e) == 0;

    if (known)
        audit_http(&c, r, console_row(x->db, r), &e);
    http_auth_end(&c);
    if (!known)
        co_refuse(r, s, 401, "Please log in");
    else if (!allowed)
        co_refuse(r, s, 403, "The role does not permit consoles");
    return allowed;
}

/* The guest's side, connected; -1 when the caller has been told that there is none. */
static int co_open_console(struct http_request *r, struct http_stream *s, struct xapid *x)
{
    const struct console *console = find_console(x->db, r);
    const struct vm *vm = console ? db_vm(x->db, console->VM) : NULL;

    if (!vm || vm->power_state != VM_POWER_STATE_RUNNING) {
        co_refuse(r, s, 404, "There is no such console");
        return -1;
    }
    const char *kind = console->protocol == CONSOLE_PROTOCOL_RFB ? "vnc" : "serial";
    int fd = co_agent_vm_console(x->agent, talloc_strdup(r->mem, vm->uuid), kind);
    if (fd < 0)
        co_refuse(r, s, 404, "The console cannot be opened");
    return fd;
}

void co_console_connect(struct http_request *r, struct http_stream *s, void *arg)
{
    static const char ok[] =
        "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncache-control: no-cache, no-store\r\n\r\n";

    if (!co_let_in(r, s, arg))
        return;
    CLEANUP_FD int fd = co_open_console(r, s, arg);
    if (fd < 0 || co_stream_write(s, ok, sizeof ok - 1, clock_in_ms(WRITE_LIMIT_MS)) < 0)
        return;
    (void)co_stream_splice(s, fd, IDLE_LIMIT_MS);
}

/* ---- WebSocket: one fiber a direction ---- */

struct socket_tunnel {
    struct http_stream *stream;
    int fd;
    struct fiber *reader; /* of the client's side */
    bool over;
};

static int co_write_fd(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (done < 0 && co_wait_fd(fd, EV_WRITE, clock_in_ms(WRITE_LIMIT_MS), "a console to take input") < 0)
            return -EIO;
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

/* From the guest to the client, until either ends. */
static void co_guest_to_client(void *arg)
{
    struct socket_tunnel *t = arg;
    CLEANUP_BUF struct buf out = {0};
    char bytes[2048];

    while (!t->over) {
        ssize_t n = read(t->fd, bytes, sizeof bytes);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (co_wait_fd(t->fd, EV_READ, CLOCK_NEVER, "a console's output") < 0)
                break;
            continue;
        }
        if (n <= 0)
            break;
        buf_reset(&out);
        websocket_frame(&out, bytes, (size_t)n);
        if (co_stream_write(t->stream, out.data, out.len, clock_in_ms(WRITE_LIMIT_MS)) < 0)
            break;
    }
    t->over = true;
    fiber_cancel(t->reader);
}

static void co_client_to_guest(struct socket_tunnel *t)
{
    CLEANUP_BUF struct buf in = {0};
    CLEANUP_BUF struct buf data = {0};
    CLEANUP_BUF struct buf reply = {0};
    int rc = 0;

    while (rc == 0 && !t->over) {
        ssize_t n = co_stream_read(t->stream, buf_reserve(&in, 4096), 4096, clock_in_ms(IDLE_LIMIT_MS));
        if (n <= 0)
            return;
        in.len += (size_t)n;
        rc = websocket_feed(&in, &data, &reply);
        if (co_write_fd(t->fd, data.data, data.len) < 0)
            return;
        if (reply.len > 0 &&
            co_stream_write(t->stream, reply.data, reply.len, clock_in_ms(WRITE_LIMIT_MS)) < 0)
            return;
        buf_reset(&data);
        buf_reset(&reply);
    }
}

static void co_tunnel(struct http_stream *s, int fd)
{
    struct socket_tunnel t = {.stream = s, .fd = fd, .reader = fiber_self()};
    struct fiber *writer = fiber_ref(fiber_spawn("console", co_guest_to_client, &t));

    co_client_to_guest(&t);
    t.over = true;
    fiber_mask_cancel();
    fiber_cancel(writer);
    (void)co_fiber_join(writer, CLOCK_NEVER);
    fiber_unmask_cancel();
    fiber_unref(writer);
}

/* Write the 101; false when the request is no WebSocket's. */
static bool co_upgrade(struct http_request *r, struct http_stream *s)
{
    const char *key = http_header(r, "sec-websocket-key"), *upgrade = http_header(r, "upgrade");
    const char *protocols = http_header(r, "sec-websocket-protocol");
    CLEANUP_BUF struct buf out = {0};
    char answer[32];

    if (!upgrade || strcasecmp(upgrade, "websocket") != 0 || !key || !websocket_accept_key(key, answer)) {
        co_refuse(r, s, 501, "A WebSocket upgrade is expected here");
        return false;
    }
    buf_printf(&out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n%s\r\n",
               answer, protocols && strstr(protocols, "binary") ? "Sec-WebSocket-Protocol: binary\r\n" : "");
    return co_stream_write(s, out.data, out.len, clock_in_ms(WRITE_LIMIT_MS)) == 0;
}

void co_console_websocket(struct http_request *r, struct http_stream *s, void *arg)
{
    if (!co_let_in(r, s, arg))
        return;
    CLEANUP_FD int fd = co_open_console(r, s, arg);
    if (fd >= 0 && co_upgrade(r, s))
        co_tunnel(s, fd);
}
