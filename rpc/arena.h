#ifndef RPC_ARENA_H
#define RPC_ARENA_H
/*
 * Memory of a decoded request: many small pieces carved from a few talloc'd blocks, released with the
 * context. Never yields; aborts when memory runs out.
 */
#include <stddef.h>

struct arena {
    void *ctx;
    char *next;
    size_t left;
};

/* n bytes aligned for any type, not zeroed. */
void *arena_alloc(struct arena *a, size_t n);

/* A NUL-terminated copy. */
char *arena_strndup(struct arena *a, const char *s, size_t n);

#endif
