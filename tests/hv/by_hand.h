#ifndef TESTS_HV_BY_HAND_H
#define TESTS_HV_BY_HAND_H
/*
 * A QEMU driven by hand: the driver's command line, and the fewest commands over QMP that do the work. What
 * the driver is measured against.
 */
#include "hv/qemu/cgroup.h"
#include "hv/qemu/cmdline.h"
#include "hv/qemu/process.h"
#include "hv/qemu/qmp.h"

struct by_hand {
    struct process process;
    struct qmp *qmp;
    int dir_fd;
    const struct cgroups *cgroups;
    char group[24];
};

/* Start one in a fresh folder; in a cgroup of its own, as the driver's, since on a busy host that decides how
 * much of it a process gets. */
void by_hand_start(struct by_hand *h, const struct qemu_cmdline_host *host, const struct cgroups *cgroups,
                   const char *folder, const struct hv_vm_spec *spec, bool incoming);
void co_by_hand_kill(struct by_hand *h);

/* Its serial console, a descriptor. */
int by_hand_console(const struct by_hand *h);

/* A command that has to succeed; what it returned, to json_decref. arguments are taken over. */
json_t *co_by_hand(struct by_hand *h, const char *command, json_t *arguments);

/* Wait, by asking over and over, for a status of its move; false when it is complete and so has missed it. */
bool co_by_hand_await(struct by_hand *h, const char *status);

#endif
