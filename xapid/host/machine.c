/* What the machine under the daemon knows: its kernel's log and its time zones. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"

#define ZONES "/usr/share/zoneinfo/tzdata.zi"

/* Of syslog(2), which glibc leaves without names. */
enum { KLOG_READ_ALL = 3, KLOG_SIZE = 10 };
enum { ZONES_MAX = 1024 * 1024 };

static int read_kernel_log(void *arg)
{
    struct buf *log = arg;
    int size = klogctl(KLOG_SIZE, NULL, 0);
    if (size < 0)
        return -errno;
    int n = klogctl(KLOG_READ_ALL, buf_reserve(log, (size_t)size + 1), size);
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
int co_host_dmesg(struct call *c, const struct host_dmesg_args *a, union value *ret, struct err *e)
{
    CLEANUP_BUF struct buf log = {0};
    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    int r = co_run_worker(read_kernel_log, &log, "reading the kernel's log");
    if (r < 0)
        return err_errno(e, r, "reading the kernel's log");
    make_text(&log);
    ret->s = talloc_strdup(c->mem, buf_cstr(&log));
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
