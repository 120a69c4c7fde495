#include "hv/qemu/vm_dir.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/fd.h"
#include "lib/mem.h"

#define BACKLOG 8
#define LAST_WORDS_MAX 4096

static int open_dir(int at_fd, const char *name)
{
    int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int vm_dirs_open(const char *state_dir)
{
    CLEANUP_FD int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || (mkdirat(fd, "vm", 0700) < 0 && errno != EEXIST))
        return -errno;
    return open_dir(fd, "vm");
}

int vm_dir_create(int vms_fd, const char *uuid)
{
    return mkdirat(vms_fd, uuid, 0700) < 0 ? -errno : open_dir(vms_fd, uuid);
}

int vm_dir_open(int vms_fd, const char *uuid)
{
    return open_dir(vms_fd, uuid);
}

static int remove_entries(int dir_fd)
{
    int copy = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;
    int r = 0;

    if (!d) {
        r = -errno;
        if (copy >= 0)
            close(copy);
        return r;
    }
    while ((entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dir_fd, entry->d_name, 0) < 0)
            r = -errno;
    }
    closedir(d);
    return r;
}

int vm_dir_remove(int vms_fd, const char *uuid)
{
    CLEANUP_FD int fd = open_dir(vms_fd, uuid);
    int r;

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    r = remove_entries(fd);
    return r < 0 || unlinkat(vms_fd, uuid, AT_REMOVEDIR) == 0 ? r : -errno;
}

/* Through /proc the address is short however deep the folder lies. */
static void address_of(int dir_fd, const char *name, struct sockaddr_un *a)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
}

static int unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd < 0 ? -errno : fd;
}

int vm_dir_listen(int dir_fd, const char *name)
{
    CLEANUP_FD int fd = unix_socket();
    struct sockaddr_un a;

    if (fd < 0)
        return fd;
    address_of(dir_fd, name, &a);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int vm_dir_connect(int dir_fd, const char *name)
{
    CLEANUP_FD int fd = unix_socket();
    struct sockaddr_un a;

    if (fd < 0)
        return fd;
    address_of(dir_fd, name, &a);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int vm_dir_write(int dir_fd, const char *name, const char *text)
{
    CLEANUP_FD int fd = -1;
    char draft[64];
    int r;

    snprintf(draft, sizeof draft, "%s.new", name);
    fd = openat(dir_fd, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = fd_write_all(fd, text, strlen(text));
    return r < 0 || renameat(dir_fd, draft, dir_fd, name) == 0 ? r : -errno;
}

int vm_dir_write_json(int dir_fd, const char *name, const json_t *value)
{
    CLEANUP_FREE char *text = json_dumps(value, JSON_INDENT(2));

    return text ? vm_dir_write(dir_fd, name, text) : -EINVAL;
}

/* At most max bytes of a file from its end (from_end) or its beginning. */
static char *read_part(int dir_fd, const char *name, size_t max, bool from_end)
{
    CLEANUP_FD int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t n;
    char *text;

    if (fd < 0 || fstat(fd, &st) < 0)
        return NULL;
    text = mem_zalloc(max + 1);
    n = pread(fd, text, max, from_end && (size_t)st.st_size > max ? st.st_size - (off_t)max : 0);
    if (n < 0) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

char *vm_dir_read(int dir_fd, const char *name, size_t max)
{
    return read_part(dir_fd, name, max, false);
}

static void copy_file(int from_fd, int to_fd)
{
    static char piece[16384]; /* one thread, and nothing here yields */
    ssize_t n;

    while ((n = read(from_fd, piece, sizeof piece)) > 0 && fd_write_all(to_fd, piece, (size_t)n) == 0)
        continue;
}

void vm_dir_trim_log(int dir_fd, const char *name, off_t max)
{
    CLEANUP_FD int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);
    CLEANUP_FD int old_fd = -1;
    struct stat st;
    char old[64];

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= max)
        return;
    snprintf(old, sizeof old, "%s.1", name);
    old_fd = openat(dir_fd, old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (old_fd >= 0)
        copy_file(fd, old_fd);
    if (ftruncate(fd, 0) < 0)
        return; /* it is tried again soon */
}

char *vm_dir_last_words(int dir_fd)
{
    CLEANUP_FREE char *text = read_part(dir_fd, VM_DIR_QEMU_LOG, LAST_WORDS_MAX, true);
    char *line;

    if (!text)
        return mem_strdup("");
    for (size_t n = strlen(text); n > 0 && text[n - 1] == '\n'; n--)
        text[n - 1] = '\0';
    line = strrchr(text, '\n');
    return mem_strdup(line ? line + 1 : text);
}
