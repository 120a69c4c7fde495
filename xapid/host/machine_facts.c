#include "xapid/host/machine_facts.h"
#include <sys/utsname.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/mem.h"
#include "rpc/x509.h"
#include "xapid/certificate/verify.h"
#include "xapid/host/cpu_features.h"
#include "xapid/host/cpuinfo.h"
#include "xapid/version.h"

static void read_processor(void *ctx, struct host_machine_facts *f)
{
    CLEANUP_FREE struct cpuinfo *cpu = mem_zalloc(sizeof *cpu);

    cpuinfo_read(cpu);
    f->cpu_vendor = talloc_strdup(ctx, cpu->vendor);
    f->cpu_model_name = talloc_strdup(ctx, cpu->model_name);
    f->cpu_family = talloc_strdup(ctx, cpu->family);
    f->cpu_model = talloc_strdup(ctx, cpu->model);
    f->cpu_stepping = talloc_strdup(ctx, cpu->stepping);
    f->cpu_flags = talloc_strdup(ctx, cpu->flags);
    f->cpu_features = cpu_features_of_flags(ctx, cpu->flags);
    f->cpu_mhz = cpu->mhz;
}

void host_machine_facts(struct xapid *x, void *ctx, struct host_machine_facts *ret)
{
    char hostname[256] = "localhost";
    struct utsname u = {0};

    gethostname(hostname, sizeof hostname - 1);
    uname(&u);
    *ret = (struct host_machine_facts){.hostname = talloc_strdup(ctx, hostname),
                                       .address = talloc_strdup(ctx, x->address),
                                       .interface = talloc_strdup(ctx, x->management.interface),
                                       .version = xapid_version,
                                       .kernel = talloc_strdup(ctx, u.release),
                                       .hypervisor = talloc_strdup(ctx, x->options.hypervisor),
                                       .hypervisor_version = talloc_strdup(ctx, x->facts.hv.version),
                                       .accelerator = talloc_strdup(ctx, x->facts.hv.accelerator),
                                       .cpus = x->facts.hv.cpus,
                                       .memory_total = x->facts.hv.memory_total};
    ret->interfaces = net_interfaces_list(ctx);
    ret->verification_off = verify_is_off(x);
    if (x->tls)
        ret->server_certificate = x509_pem(ctx, tls_server_certificate(x->tls));
    read_processor(ctx, ret);
}
