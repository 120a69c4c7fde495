#include "xapid/state_dir.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/buf.h"

static int make(const char *path, mode_t mode, struct err *e)
{
    return mkdir(path, mode) < 0 && errno != EEXIST ? err_errno(e, -errno, "making %s", path) : 0;
}

int state_dir_make(const char *path, struct err *e)
{
    CLEANUP_BUF struct buf log = {0};
    buf_printf(&log, "%s/log", path);
    return make(path, 0711, e) < 0 || make(buf_cstr(&log), 0700, e) < 0 ? -1 : 0;
}

int state_dir_lock(const char *path, struct err *e)
{
    CLEANUP_BUF struct buf name = {0};
    static int held = -1;
    buf_printf(&name, "%s/lock", path);
    int fd = held >= 0 ? held : open(buf_cstr(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, -errno, "opening %s", buf_cstr(&name));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return err_internal(e, "another xapid runs in %s", path);
    }
    held = fd;
    if (ftruncate(fd, 0) == 0)
        dprintf(fd, "%d\n", (int)getpid());
    return 0;
}

int state_dir_write_port(const char *path, const char *name, unsigned port, struct err *e)
{
    CLEANUP_BUF struct buf file = {0};
    buf_printf(&file, "%s/%s", path, name);
    FILE *f = fopen(buf_cstr(&file), "we");
    if (!f)
        return err_errno(e, -errno, "writing %s", buf_cstr(&file));
    fprintf(f, "%u\n", port);
    return fclose(f) == 0 ? 0 : err_errno(e, -errno, "writing %s", buf_cstr(&file));
}
