#ifndef LIB_MEM_H
#define LIB_MEM_H
/*
 * Small allocations that abort when memory runs out: the VMs outlive the daemon, which takes them over again
 * when it is started anew. Release with free(). Sizes that come from the network are capped by the caller.
 * Never yields.
 */
#include <stddef.h>

/* n zeroed bytes. */
void *mem_zalloc(size_t n) __attribute__((malloc, returns_nonnull));

/* p resized to n bytes, as realloc. */
void *mem_resize(void *p, size_t n) __attribute__((returns_nonnull));

/* A copy of s; NULL counts as "". */
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));

/* Say that memory ran out and abort. */
void mem_abort(void) __attribute__((noreturn));

#endif
