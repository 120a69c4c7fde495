#ifndef HV_QEMU_CGROUP_H
#define HV_QEMU_CGROUP_H
/*
 * A cgroup for each guest, below "xapid" in the hierarchy that has the cpu controller: version 2 where that
 * has it, else version 1. "xapid" weighs as much as its guests together. Where neither can be written, guests
 * go without. Leaf code: 0 or -errno.
 */
#include <sys/types.h>
#include "hv/schedule.h"

struct cgroups {
    int fd;        /* of the folder "xapid"; -1: there is none */
    int version;   /* 1, 2 */
    char host[40]; /* ends the names of the groups: two hosts on one machine have the same guest for a moment
                    */
};

/* Find or make the folder; -errno says why there is none, and all that follows then does nothing. */
int cgroups_open(struct cgroups *ret);
void cgroups_close(struct cgroups *c);

/* As cgroups_open, with another table of mounts than /proc/self/mountinfo; for tests. */
int cgroups_open_with(const char *mountinfo, struct cgroups *ret);

/* Make the guest's group and put the process with all its threads into it. */
int cgroup_add(const struct cgroups *c, const char *uuid, pid_t pid);
int cgroup_set(const struct cgroups *c, const char *uuid, const struct hv_schedule *s);

/* Once its processes are gone. A group that is not there is no error. */
int cgroup_remove(const struct cgroups *c, const char *uuid);

#endif
