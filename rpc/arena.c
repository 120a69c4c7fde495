#include "rpc/arena.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"

enum { ALIGN = 16, BLOCK = 2048 };

/* Take a block that has room for n; large pieces get one of their own. */
static void *arena_grow(struct arena *a, size_t n)
{
    size_t size = n > BLOCK / 2 ? n : BLOCK;
    char *block = talloc_size(a->ctx, size);
    if (block == NULL)
        mem_abort();
    if (size - n > a->left) {
        a->next = block + n;
        a->left = size - n;
    }
    return block;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2)
        mem_abort();
    n = n == 0 ? ALIGN : (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (n > a->left)
        return arena_grow(a, n);
    char *piece = a->next;
    a->next += n;
    a->left -= n;
    return piece;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}
