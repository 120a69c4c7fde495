#ifndef LIB_FD_H
#define LIB_FD_H
/* What read and write leave to their callers, for descriptors of files and pipes that may block. Never
 * yields. */
#include <stddef.h>

/* Write all of it, however many calls that takes: 0, or -errno with some of it written. */
int fd_write_all(int fd, const void *bytes, size_t n);

/* Give the file at path this content, at once and durably, whether or not it was there; mode 0600. Half of it
 * lies beside it meanwhile, as path.new. 0, or -errno with the old content in place. */
int fd_replace_file(const char *path, const void *bytes, size_t n);

/* Remove a folder and all that is in it, following no link; 0 when it is not there, or -errno. */
int fd_remove_tree(const char *path);

#endif
