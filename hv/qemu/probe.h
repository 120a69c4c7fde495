#ifndef HV_QEMU_PROBE_H
#define HV_QEMU_PROBE_H
/*
 * What QEMU can do on this host, found by trying: /dev/kvm may exist and not work, or be slower than TCG. The
 * result is kept in STATE/hypervisor.json until the host is booted anew or QEMU is replaced.
 */
#include "hv/hv.h"

struct qemu_probe {
    char program[256];    /* path */
    char accelerator[16]; /* "kvm", "tcg" */
    char version[64];
    bool sandbox; /* QEMU can restrict its own system calls */
};

int co_qemu_probe(const char *state_dir, struct qemu_probe *ret, struct err *e);

/* Run some ten million instructions under an accelerator, with QEMU in its sandbox or not: 1 when they ran, 0
 * when not or not before the deadline, -errno when it could not be tried. */
int co_qemu_probe_try(const char *state_dir, const char *program, const char *accelerator, bool sandbox,
                      int64_t deadline);

/* Processor and memory of the host. */
void qemu_probe_host(struct hv_host_facts *facts);

#endif
