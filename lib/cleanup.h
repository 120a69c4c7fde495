#ifndef LIB_CLEANUP_H
#define LIB_CLEANUP_H
/*
 * Scope-bound release for what can neither wait nor fail: memory, file descriptors, talloc contexts.
 *     CLEANUP_FREE char *text = strdup(...);
 *     CLEANUP_FD int fd = open(...);
 * Give a value away with TAKE_PTR / TAKE_FD. Anything that may wait belongs on an undo list (lib/undo.h).
 */
#include <stdlib.h>
#include <unistd.h>
#include <talloc.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_talloc(void *p)
{
    talloc_free(*(void **)p);
}

#define CLEANUP_FREE CLEANUP(cleanup_free)
#define CLEANUP_FD CLEANUP(cleanup_fd)
#define CLEANUP_TALLOC CLEANUP(cleanup_talloc)

/* Evaluate to the value and leave NULL (or -1) behind, so that the cleanup finds nothing to release. */
#define TAKE_PTR(p)                 \
    ({                              \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })
#define TAKE_FD(fd)        \
    ({                     \
        int taken_ = (fd); \
        (fd) = -1;         \
        taken_;            \
    })

#endif
