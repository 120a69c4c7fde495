#include "lib/mem.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mem_abort(void)
{
    static const char text[] = "<2>out of memory\n";

    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(1);
    abort();
}

void *mem_zalloc(size_t n)
{
    void *p = calloc(1, n > 0 ? n : 1);

    if (!p)
        mem_abort();
    return p;
}

void *mem_resize(void *p, size_t n)
{
    void *q = realloc(p, n > 0 ? n : 1);

    if (!q)
        mem_abort();
    return q;
}

char *mem_strdup(const char *s)
{
    char *copy = strdup(s ? s : "");

    if (!copy)
        mem_abort();
    return copy;
}
