#include "xapid/rrd/machine_usage.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/mem.h"

/* ---- /proc, line by line ---- */

static int read_lines(const char *path, void (*take)(struct machine_usage *u, const char *line),
                      struct machine_usage *u)
{
    FILE *f = fopen(path, "re");
    char line[1024];
    if (!f)
        return -errno;
    while (fgets(line, sizeof line, f))
        take(u, line);
    fclose(f);
    return 0;
}

/* "cpu3 USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ..." in ticks. */
static void take_stat(struct machine_usage *u, const char *line)
{
    unsigned long long user, nice, system, idle, wait, irq, soft, steal;
    unsigned number;
    if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &number, &user, &nice, &system, &idle,
               &wait, &irq, &soft, &steal) != 9 ||
        line[3] == ' ' || number >= MACHINE_PROCESSORS)
        return;
    u->processor[number] = (double)(user + nice + system + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK);
    u->n_processors = number + 1 > u->n_processors ? number + 1 : u->n_processors;
}

static void take_memory(struct machine_usage *u, const char *line)
{
    unsigned long long kib;
    if (sscanf(line, "MemTotal: %llu", &kib) == 1)
        u->memory_total = (double)kib;
    else if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
        u->memory_free = (double)kib;
}

static void take_load(struct machine_usage *u, const char *line)
{
    (void)sscanf(line, "%lf", &u->load);
}

/* " eth0: BYTES PACKETS ERRS DROP FIFO FRAME COMPRESSED MULTICAST BYTES ..." */
static void take_link(struct machine_usage *u, const char *line)
{
    unsigned long long received, sent;
    const char *name = line + strspn(line, " "), *colon = strchr(name, ':');
    size_t n = colon ? (size_t)(colon - name) : 0;
    if (n == 0 || n >= MACHINE_LINK_SIZE ||
        sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &received, &sent) != 2)
        return;
    u->links = mem_resize(u->links, (u->n_links + 1) * sizeof *u->links);
    struct machine_link *l = &u->links[u->n_links++];
    *l = (struct machine_link){.received = (double)received, .sent = (double)sent};
    memcpy(l->name, name, n);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct machine_link *)a)->name, ((const struct machine_link *)b)->name);
}

int machine_usage_read(struct machine_usage *ret)
{
    memset(ret, 0, sizeof *ret);
    int r = read_lines("/proc/stat", take_stat, ret);
    if (r == 0)
        r = read_lines("/proc/meminfo", take_memory, ret);
    if (r == 0)
        r = read_lines("/proc/loadavg", take_load, ret);
    if (r == 0)
        r = read_lines("/proc/net/dev", take_link, ret);
    if (ret->n_links > 1)
        qsort(ret->links, ret->n_links, sizeof *ret->links, by_name);
    return r;
}

const struct machine_link *machine_link_find(const struct machine_usage *u, const char *name)
{
    struct machine_link key = {.received = 0};
    snprintf(key.name, sizeof key.name, "%s", name);
    return u->n_links > 0 ? bsearch(&key, u->links, u->n_links, sizeof *u->links, by_name) : NULL;
}
