#include "tests/bench/guest.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- finding it ---- */

static void read_arguments(struct guest_process *g, const char *pid)
{
    char path[300], piece[2048];
    size_t n;
    FILE *f;

    buf_reset(&g->arguments);
    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    f = fopen(path, "re");
    while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_add(&g->arguments, piece, n);
    if (f)
        fclose(f);
}

/* "-uuid" and the uuid, as arguments of their own. */
static bool is_guest(const struct guest_process *g, const char *uuid)
{
    char wanted[64];
    int n = snprintf(wanted, sizeof wanted, "-uuid%c%s", '\0', uuid);

    return memmem(g->arguments.data, g->arguments.len, wanted, (size_t)n + 1) != NULL;
}

void guest_find(struct guest_process *g, const char *uuid)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;

    *g = (struct guest_process){0};
    must(d != NULL, "/proc");
    while (!g->pid && (entry = readdir(d))) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        read_arguments(g, entry->d_name);
        if (is_guest(g, uuid))
            g->pid = atoi(entry->d_name);
    }
    closedir(d);
    if (!g->pid)
        die("no QEMU runs for %s", uuid);
}

void guest_free(struct guest_process *g)
{
    buf_free(&g->arguments);
}
