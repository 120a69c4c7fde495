/* What the machine under the daemon knows: its kernel's log and its time zones. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/timex.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/here.h"

#define ZONES "/usr/share/zoneinfo/tzdata.zi"

/* Of syslog(2), which glibc leaves without names. */
enum { KLOG_READ_ALL = 3, KLOG_READ_CLEAR = 4, KLOG_SIZE = 10 };
enum { ZONES_MAX = 1024 * 1024 };

struct kernel_log {
    bool clear;
    struct buf text;
};

static int read_kernel_log(void *arg)
{
    struct kernel_log *k = arg;
    struct buf *log = &k->text;
    int size = klogctl(KLOG_SIZE, NULL, 0);
    if (size < 0)
        return -errno;
    int n = klogctl(k->clear ? KLOG_READ_CLEAR : KLOG_READ_ALL, buf_reserve(log, (size_t)size + 1), size);
    if (n < 0)
        return -errno;
    log->len = (size_t)n;
    return 0;
}

/* Drivers print what devices say of themselves: any bytes, where XML wants text. */
static void make_text(struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] != '\n' && b->data[i] != '\t' && (b->data[i] < ' ' || b->data[i] > '~'))
            b->data[i] = '?';
}

/* The hypervisor is the kernel here, so its log is the kernel's. */
static int co_kernel_log(struct call *c, struct ref host, bool clear, union value *ret, struct err *e)
{
    struct kernel_log k = {.clear = clear};
    if (host_is_here(c, host, e) < 0)
        return -1;
    int r = co_run_worker(read_kernel_log, &k, "reading the kernel's log");
    make_text(&k.text);
    ret->s = talloc_strdup(c->mem, buf_cstr(&k.text));
    buf_free(&k.text);
    return r < 0 ? err_errno(e, r, "reading the kernel's log") : 0;
}

int co_host_dmesg(struct call *c, const struct host_dmesg_args *a, union value *ret, struct err *e)
{
    return co_kernel_log(c, a->host, false, ret, e);
}

int co_host_dmesg_clear(struct call *c, const struct host_dmesg_clear_args *a, union value *ret,
                        struct err *e)
{
    return co_kernel_log(c, a->host, true, ret, e);
}

/* The kernel knows, whichever program sets its clock right. */
int co_host_get_ntp_synchronized(struct call *c, const struct host_get_ntp_synchronized_args *a,
                                 union value *ret, struct err *e)
{
    struct timex t = {0};
    if (host_is_here(c, a->self, e) < 0)
        return -1;
    ret->b = adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC);
    return 0;
}

static int read_zones(void *arg)
{
    struct buf *b = arg;
    CLEANUP_FD int fd = open(ZONES, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    if (fd < 0)
        return -errno;
    while (n > 0 && b->len < ZONES_MAX) {
        n = read(fd, buf_reserve(b, 16384), 16384);
        if (n < 0)
            return -errno;
        b->len += (size_t)n;
    }
    return n > 0 ? -EFBIG : 0;
}

/* The name that a line of tzdata.zi defines: "Z NAME RULES..." a zone, "L TARGET NAME" another name of one.
 */
static const char *zone_of_line(char *line)
{
    char *words;
    const char *kind = strtok_r(line, " ", &words);
    const char *name = kind ? strtok_r(NULL, " ", &words) : NULL;
    if (!name || (strcmp(kind, "Z") != 0 && strcmp(kind, "L") != 0))
        return NULL;
    return *kind == 'Z' ? name : strtok_r(NULL, " ", &words);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const union value *)a)->s, ((const union value *)b)->s);
}

static struct set *parse_zones(TALLOC_CTX *mem, char *text)
{
    size_t lines = 1;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    struct set *set = talloc_zero_size(mem, sizeof *set + lines * sizeof set->v[0]);
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *name = zone_of_line(line);
        if (name)
            set->v[set->n++].s = talloc_strdup(set, name);
    }
    qsort(set->v, set->n, sizeof set->v[0], by_name);
    return set;
}

int co_host_list_timezones(struct call *c, const struct host_list_timezones_args *a, union value *ret,
                           struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (!call_row(c, CLASS_HOST, a->self, e))
        return -1;
    int r = co_run_worker(read_zones, &text, "reading " ZONES);
    if (r < 0)
        return err_errno(e, r, "reading " ZONES);
    ret->set = parse_zones(c->mem, talloc_strdup(c->mem, buf_cstr(&text)));
    return 0;
}
