#ifndef XAPID_HOST_MACHINE_FACTS_H
#define XAPID_HOST_MACHINE_FACTS_H
/*
 * What a host says of itself, as plain data: the coordinator writes the host's rows from it, be it of its own
 * machine or of a member that sent it (xapid/host/bootstrap.h).
 */
#include "net/interfaces.h"
#include "xapid/server.h"

struct host_machine_facts {
    const char *hostname, *address; /* that the pool reaches it at; without brackets */
    const char *interface;          /* that was chosen for that; "": none was */
    const char *version, *kernel;   /* of xapid and of Linux */
    const char *hypervisor, *hypervisor_version, *accelerator;
    const char *cpu_vendor, *cpu_model_name, *cpu_family, *cpu_model, *cpu_stepping, *cpu_flags;
    const char *cpu_features;                /* xapid/host/cpu_features.h */
    const char *server_certificate;          /* that clients see, as PEM text */
    bool verification_off;                   /* xapid/certificate/verify.h */
    const struct net_interfaces *interfaces; /* of its machine; NULL: it does not say */
    int64_t cpu_mhz;
    int64_t cpus;
    int64_t memory_total; /* bytes */
};

/* Of the machine under this daemon, whose agent is open; texts on ctx. Never yields. */
void host_machine_facts(struct xapid *x, void *ctx, struct host_machine_facts *ret);

#endif
