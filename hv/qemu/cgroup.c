#include "hv/qemu/cgroup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/cleanup.h"

#define PERIOD_US 100000 /* of the kernel too, when nothing is said */

/* ---- finding the hierarchy ---- */

/* Is the word in a list that commas separate? */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += n)
        if ((at == list || at[-1] == ',' || at[-1] == ' ') && (at[n] == '\0' || strchr(", \n", at[n])))
            return true;
    return false;
}

static bool file_has_word(const char *folder, const char *name, const char *word)
{
    char path[512], text[512] = "";
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "re");
    if (f && !fgets(text, sizeof text, f))
        text[0] = '\0';
    if (f)
        fclose(f);
    return has_word(text, word);
}

struct hierarchy {
    int version; /* 0: none */
    char place[256];
};

/* The hierarchy with the cpu controller, from a line "… /place options - type source options" of mountinfo
 * (proc(5)); version 0 when it is not one. */
static struct hierarchy read_mount(const char *line)
{
    const char *dash = strstr(line, " - ");
    struct hierarchy h = {0};
    char type[32], options[256];

    if (!dash || sscanf(line, "%*s %*s %*s %*s %255s", h.place) != 1 ||
        sscanf(dash, " - %31s %*s %255s", type, options) != 2)
        return h;
    if (strcmp(type, "cgroup2") == 0)
        h.version = file_has_word(h.place, "cgroup.controllers", "cpu") ? 2 : 0;
    else if (strcmp(type, "cgroup") == 0)
        h.version = has_word(options, "cpu") ? 1 : 0;
    return h;
}

static struct hierarchy find_hierarchy(const char *mountinfo)
{
    FILE *f = fopen(mountinfo, "re");
    struct hierarchy found = {0};
    char line[1024];

    while (f && fgets(line, sizeof line, f)) {
        struct hierarchy h = read_mount(line);

        if (h.version > found.version)
            found = h;
    }
    if (f)
        fclose(f);
    return found;
}

static int write_text(int dir_fd, const char *path, const char *text)
{
    CLEANUP_FD int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return -errno;
    return 0;
}

static int open_dir(int at_fd, const char *path)
{
    int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int make_dir(int at_fd, const char *name)
{
    if (mkdirat(at_fd, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    return open_dir(at_fd, name);
}

int cgroups_open_with(const char *mountinfo, struct cgroups *ret)
{
    struct hierarchy h = find_hierarchy(mountinfo);
    CLEANUP_FD int top = h.version ? open_dir(AT_FDCWD, h.place) : -ENOENT;
    CLEANUP_FD int fd = -1;
    int r;

    *ret = (struct cgroups){.fd = -1};
    if (top < 0)
        return top;
    fd = make_dir(top, "xapid");
    if (fd < 0)
        return fd;
    if (h.version == 2) {
        write_text(top, "cgroup.subtree_control", "+cpu"); /* may be so already, and not ours to say */
        r = write_text(fd, "cgroup.subtree_control", "+cpu");
        if (r < 0)
            return r;
    }
    *ret = (struct cgroups){.fd = TAKE_FD(fd), .version = h.version};
    return 0;
}

int cgroups_open(struct cgroups *ret)
{
    return cgroups_open_with("/proc/self/mountinfo", ret);
}

void cgroups_close(struct cgroups *c)
{
    if (c->fd >= 0)
        close(TAKE_FD(c->fd));
}

/* ---- one guest ---- */

struct group_name {
    char text[96];
};

static struct group_name name_of(const struct cgroups *c, const char *uuid)
{
    struct group_name name;

    snprintf(name.text, sizeof name.text, "%s%s", uuid, c->host);
    return name;
}

int cgroup_add(const struct cgroups *c, const char *uuid, pid_t pid)
{
    CLEANUP_FD int fd = -1;
    char text[24];

    if (c->fd < 0)
        return 0;
    fd = make_dir(c->fd, name_of(c, uuid).text);
    if (fd < 0)
        return fd;
    snprintf(text, sizeof text, "%d", (int)pid);
    return write_text(fd, "cgroup.procs", text);
}

/* The range of a weight, and what one is that nobody has set. */
struct scale {
    const char *file;
    unsigned least, usual, most;
};

static const struct scale *scale_of(const struct cgroups *c)
{
    static const struct scale version_1 = {"cpu.shares", 2, 1024, 262144},
                              version_2 = {"cpu.weight", 1, 100, 10000};

    return c->version == 1 ? &version_1 : &version_2;
}

static int write_weight(int dir_fd, const struct scale *scale, unsigned weight)
{
    unsigned n = weight < scale->least ? scale->least : weight > scale->most ? scale->most : weight;
    char text[24];

    snprintf(text, sizeof text, "%u", n);
    return write_text(dir_fd, scale->file, text);
}

/* The beginning of a file of a group; "" when there is none, or nothing in it. */
static void read_text(int dir_fd, const char *group, const char *file, char text[24])
{
    char path[256 + 32];
    CLEANUP_FD int fd = -1;
    ssize_t n;

    snprintf(path, sizeof path, "%s/%s", group, file);
    fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : read(fd, text, 23);
    text[n > 0 ? n : 0] = '\0';
}

/* 0 where nobody is: a group may be left by a daemon that was killed. */
static unsigned read_weight(int dir_fd, const char *group, const struct scale *scale)
{
    char weight[24], member[24];

    read_text(dir_fd, group, "cgroup.procs", member);
    read_text(dir_fd, group, scale->file, weight);
    return member[0] ? (unsigned)strtoul(weight, NULL, 10) : 0;
}

/* All guests together weigh what they weigh alone: as one group of the usual weight they would all have to do
 * with as much of a busy host as one other process. */
static void weigh_all(const struct cgroups *c)
{
    const struct scale *scale = scale_of(c);
    int fd = open_dir(c->fd, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    unsigned sum = 0;

    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && sum < scale->most)
            sum += read_weight(c->fd, entry->d_name, scale);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    write_weight(c->fd, scale, sum ? sum : scale->usual); /* without it they have the usual weight */
}

/* XenAPI's usual weight is 256, that of version 1 is 1024 and that of version 2 is 100, which ends at 10000.
 */
static int set_weight(const struct cgroups *c, int fd, unsigned weight)
{
    unsigned n = c->version == 1 ? weight * 4 : (weight * 100 + HV_WEIGHT_DEFAULT / 2) / HV_WEIGHT_DEFAULT;

    return write_weight(fd, scale_of(c), n);
}

static int set_cap(const struct cgroups *c, int fd, unsigned cap)
{
    unsigned quota = cap * (PERIOD_US / 100);
    char text[24];

    if (cap)
        snprintf(text, sizeof text, "%u", quota);
    else
        strcpy(text, c->version == 2 ? "max" : "-1");
    return write_text(fd, c->version == 2 ? "cpu.max" : "cpu.cfs_quota_us", text);
}

int cgroup_set(const struct cgroups *c, const char *uuid, const struct hv_schedule *s)
{
    CLEANUP_FD int fd = -1;
    int r;

    if (c->fd < 0)
        return 0;
    fd = open_dir(c->fd, name_of(c, uuid).text);
    if (fd < 0)
        return fd;
    r = set_weight(c, fd, s->weight);
    weigh_all(c);
    return r < 0 ? r : set_cap(c, fd, s->cap);
}

int cgroup_remove(const struct cgroups *c, const char *uuid)
{
    if (c->fd < 0)
        return 0;
    if (unlinkat(c->fd, name_of(c, uuid).text, AT_REMOVEDIR) < 0)
        return errno == ENOENT ? 0 : -errno;
    weigh_all(c);
    return 0;
}
