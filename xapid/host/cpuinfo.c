#include "xapid/host/cpuinfo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of a line "key<tabs>: value", or NULL. */
static char *value_of(char *line, const char *key)
{
    size_t n = strlen(key);
    char *colon = strchr(line, ':');

    if (!colon || strncmp(line, key, n) != 0 || (line[n] != '\t' && line[n] != ' ' && line[n] != ':'))
        return NULL;
    colon[strcspn(colon, "\n")] = '\0';
    return colon[1] == ' ' ? colon + 2 : colon + 1;
}

static void read_line(char *line, struct cpuinfo *c)
{
    char *v;

    if ((v = value_of(line, "vendor_id")))
        snprintf(c->vendor, sizeof c->vendor, "%s", v);
    else if ((v = value_of(line, "model name")))
        snprintf(c->model_name, sizeof c->model_name, "%s", v);
    else if ((v = value_of(line, "cpu family")))
        snprintf(c->family, sizeof c->family, "%s", v);
    else if ((v = value_of(line, "model")))
        snprintf(c->model, sizeof c->model, "%s", v);
    else if ((v = value_of(line, "stepping")))
        snprintf(c->stepping, sizeof c->stepping, "%s", v);
    else if ((v = value_of(line, "flags")))
        snprintf(c->flags, sizeof c->flags, "%s", v);
    else if ((v = value_of(line, "cpu MHz")))
        c->mhz = atoi(v);
}

void cpuinfo_read(struct cpuinfo *ret)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t size = 0;

    memset(ret, 0, sizeof *ret);
    while (f && getline(&line, &size, f) > 1) /* up to the empty line after the first */
        read_line(line, ret);
    free(line);
    if (f)
        fclose(f);
}
