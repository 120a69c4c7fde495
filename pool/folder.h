#ifndef POOL_FOLDER_H
#define POOL_FOLDER_H
/*
 * STATE/pool, the folder of what a host needs to be in its pool. It is replaced as a whole: after a crash at
 * any moment it is absent, the old one or the new one, complete. Blocks, never yields; workers may call.
 */
#include <stdbool.h>

enum { POOL_FILE_MAX = 256 * 1024 };

struct pool_file {
    const char *name;
    const char *text; /* NULL: as in the folder there is, if it is in there */
    const char *link; /* instead: a symbolic link to this name */
};

/* Put a folder of these files (ended by an entry without name) in the place of the one there is. Durable when
 * it returns. 0 or -errno. */
int pool_folder_replace(const char *state_dir, const struct pool_file *files);

/* Remove what a replacement that was cut short left. */
void pool_folder_sweep(const char *state_dir);

/* The text of a file, on ctx; NULL with errno (ENOENT; EFBIG when larger than POOL_FILE_MAX). */
char *pool_folder_read(void *ctx, const char *state_dir, const char *name);

#endif
