#ifndef LIB_FD_H
#define LIB_FD_H
/* What read and write leave to their callers, for descriptors of files and pipes that may block. Never
 * yields. */
#include <stddef.h>

/* Write all of it, however many calls that takes: 0, or -errno with some of it written. */
int fd_write_all(int fd, const void *bytes, size_t n);

#endif
