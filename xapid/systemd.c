#include "xapid/systemd.h"
#include <ev.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/fiber.h"

/* The manager's socket, which may be an abstract one ("@name"). Its size, or 0 where there is none. */
static socklen_t manager_address(struct sockaddr_un *to)
{
    const char *path = getenv("NOTIFY_SOCKET");
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!path || strlen(path) < 2 || strlen(path) >= sizeof to->sun_path)
        return 0;
    memcpy(to->sun_path, path, strlen(path));
    if (to->sun_path[0] == '@')
        to->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

/* With a descriptor, unless it is -1. Whoever does not listen, misses it. */
static void send_text(const struct buf *text, int passed)
{
    struct sockaddr_un to;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {
        .head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec bytes = {text->data, text->len};
    struct msghdr m = {
        .msg_name = &to, .msg_namelen = manager_address(&to), .msg_iov = &bytes, .msg_iovlen = 1};
    if (m.msg_namelen == 0)
        return;
    memcpy(CMSG_DATA(&control.head), &passed, sizeof passed);
    m.msg_control = passed >= 0 ? &control : NULL;
    m.msg_controllen = passed >= 0 ? sizeof control.room : 0;
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && sendmsg(fd, &m, MSG_NOSIGNAL) < 0)
        return;
}

void systemd_notify(const char *fmt, ...)
{
    CLEANUP_BUF struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    send_text(&text, -1);
}

void systemd_notify_fd(int fd, const char *fmt, ...)
{
    CLEANUP_BUF struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    send_text(&text, fd);
}

void systemd_notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    systemd_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIi64,
                   (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

/* ---- the watchdog ---- */

static void show_life(struct ev_loop *loop, ev_timer *w, int events)
{
    systemd_notify("WATCHDOG=1");
}

/* In seconds; 0: nobody asks for it, or asks another process. */
static double watchdog_period(void)
{
    const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!period || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return (double)strtoull(period, NULL, 10) / 1e6;
}

void systemd_watchdog_start(void)
{
    static ev_timer timer;
    double period = watchdog_period();
    if (period <= 0)
        return;
    ev_timer_init(&timer, show_life, 0, period / 2);
    ev_timer_start(loop_get(), &timer);
    ev_unref(loop_get());
}
