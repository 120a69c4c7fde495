#include "db/reserve.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/cleanup.h"

static char *name_of(const char *path)
{
    return talloc_asprintf(NULL, "%s.reserve", path);
}

int reserve_make(const char *path)
{
    CLEANUP_TALLOC char *name = name_of(path);
    CLEANUP_FD int fd = -1;
    struct stat st;
    int r;

    if (stat(name, &st) == 0 && st.st_size >= RESERVE_BYTES)
        return 0;
    fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = posix_fallocate(fd, 0, RESERVE_BYTES);
    if (r != 0)
        unlink(name);
    return -r;
}

bool reserve_give_up(const char *path)
{
    CLEANUP_TALLOC char *name = name_of(path);

    return unlink(name) == 0;
}
