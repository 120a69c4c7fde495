/* The rows of a host: itself, its metrics, processors and control domain. */
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "xapid/host/bootstrap.h"
#include "xapid/reftext.h"

/* Kept for the host itself, as a control domain would: an eighth of its memory, at most a gibibyte. */
static int64_t own_memory(const struct host_machine_facts *f)
{
    int64_t share = f->memory_total / 8, limit = (int64_t)1 << 30;
    return share < limit ? share : limit;
}

struct pair {
    const char *key, *value;
};

static struct map *text_map(void *ctx, const struct pair *pairs)
{
    struct map *m = NULL;

    for (; pairs->key; pairs++)
        m = map_with(ctx, m, pairs->key, text_of(pairs->value));
    return m;
}

/* What clients look at to know what they talk to: they compare versions with XenServer's, so those are the
 * ones of the release that this API is of. */
static const struct map *software_version(void *mem, const struct host_machine_facts *f)
{
    const struct pair pairs[] = {
        {"product_brand", "xapid"},
        {"product_name", "xapid"},
        {"product_version", "8.3.0"},
        {"product_version_text", "8.3"},
        {"product_version_text_short", "8.3"},
        {"platform_name", "XCP"},
        {"platform_version", "3.4.0"},
        {"build_number", f->version},
        {"xapi", "25.6"},
        {"xapi_build", f->version},
        {"date", "2026-11-21"},
        {"dbv", "0.0.1"},
        {"db_schema", "5.792"},
        {"hostname", "localhost"},
        {"linux", f->kernel},
        {"network_backend", "bridge"},
        {"hypervisor", f->hypervisor},
        {"hypervisor_version", f->hypervisor_version},
        {"accelerator", f->accelerator},
        {NULL, NULL},
    };
    return text_map(mem, pairs);
}

static const struct map *cpu_map(void *mem, const struct host_machine_facts *f)
{
    const struct pair pairs[] = {
        {"cpu_count", talloc_asprintf(mem, "%lld", (long long)f->cpus)},
        {"socket_count", "1"},
        {"threads_per_core", "1"},
        {"vendor", f->cpu_vendor},
        {"speed", talloc_asprintf(mem, "%lld", (long long)f->cpu_mhz)},
        {"modelname", f->cpu_model_name},
        {"family", f->cpu_family},
        {"model", f->cpu_model},
        {"stepping", f->cpu_stepping},
        {"flags", f->cpu_flags},
        {"features", f->cpu_features},
        {"features_pv", ""},
        {"features_pv_host", ""},
        {"features_hvm", f->cpu_features},
        {"features_hvm_host", f->cpu_features},
        {NULL, NULL},
    };
    return text_map(mem, pairs);
}

static void set_identity(struct txn *t, const struct host *h, const char *hostname)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    host_set_name_label(t, h, hostname);
    host_set_hostname(t, h, hostname);
    host_set_enabled(t, h, true);
    host_set_edition(t, h, "free");
    host_set_editions(t, h, set_of_strings(mem, 1, "free"));
    host_set_license_params(
        t, h, map_with(mem, map_with(mem, NULL, "expiry", "20500101T00:00:00Z"), "sku_type", "free"));
    host_set_iscsi_iqn(t, h, talloc_asprintf(mem, "iqn.2026-11.xapid:%.8s", h->uuid));
    host_set_sched_policy(t, h, "host");
    host_set_supported_bootloaders(t, h, set_of_strings(mem, 2, "eliloader", "pygrub"));
    host_set_chipset_info(t, h, map_with(mem, NULL, "iommu", "false"));
    host_set_tls_verification_enabled(t, h, false);
    host_set_ssl_legacy(t, h, false);
}

/* What may differ at each start. */
static void refresh(struct txn *t, const struct host *h, const struct host_machine_facts *f)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct set *platforms = talloc_zero_size(mem, sizeof *platforms + 3 * sizeof platforms->v[0]);

    while (platforms->n < 3) {
        platforms->v[platforms->n].i = platforms->n;
        platforms->n++;
    }
    host_set_api_version_major(t, h, 2);
    host_set_api_version_minor(t, h, 21);
    host_set_api_version_vendor(t, h, "XenSource");
    host_set_software_version(t, h, software_version(mem, f));
    host_set_capabilities(t, h,
                          set_of_strings(mem, 3, "hvm-3.0-x86_32", "hvm-3.0-x86_32p", "hvm-3.0-x86_64"));
    host_set_cpu_info(t, h, cpu_map(mem, f));
    host_set_memory_overhead(t, h, own_memory(f));
    host_set_virtual_hardware_platform_versions(t, h, platforms);
}

static void refresh_metrics(struct txn *t, const struct host *h, const struct host_machine_facts *f)
{
    const struct host_metrics *m = db_host_metrics(txn_db(t), h->metrics);

    if (!m) {
        m = host_metrics_create(t);
        host_set_metrics(t, h, m->row.ref);
    }
    host_metrics_set_memory_total(t, m, f->memory_total);
    host_metrics_set_live(t, m, true);
    host_metrics_set_last_updated(t, m, clock_wall());
}

static const struct host_cpu *find_cpu(struct db *db, struct ref host, int64_t number)
{
    FOREACH_REFERRER (db, host_cpu, cpu, HOST_CPU, HOST, host)
        if (cpu->number == number)
            return cpu;
    return NULL;
}

static void refresh_cpus(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    for (int64_t i = 0; i < f->cpus; i++) {
        const struct host_cpu *cpu = find_cpu(txn_db(t), host, i);
        if (!cpu)
            cpu = host_cpu_create(t);
        host_cpu_set_host(t, cpu, host);
        host_cpu_set_number(t, cpu, i);
        host_cpu_set_vendor(t, cpu, f->cpu_vendor);
        host_cpu_set_speed(t, cpu, f->cpu_mhz);
        host_cpu_set_modelname(t, cpu, f->cpu_model_name);
        host_cpu_set_family(t, cpu, atoi(f->cpu_family));
        host_cpu_set_model(t, cpu, atoi(f->cpu_model));
        host_cpu_set_stepping(t, cpu, f->cpu_stepping);
        host_cpu_set_flags(t, cpu, f->cpu_flags);
    }
    const struct host_cpu *extra;
    for (int64_t i = f->cpus; (extra = find_cpu(txn_db(t), host, i)); i++)
        db_delete(t, &extra->row);
}

/* The host itself as a VM, which clients expect to find. */
static const struct vm *make_control_domain(struct txn *t, const struct host *h)
{
    const struct vm *vm = vm_create(t);
    const struct vm_metrics *metrics = vm_metrics_create(t);
    CLEANUP_TALLOC char *name = talloc_asprintf(NULL, "Control domain on host: %s", text_of(h->name_label));

    vm_set_name_label(t, vm, name);
    vm_set_name_description(t, vm, "The host's own system, which manages its virtual machines");
    vm_set_is_control_domain(t, vm, true);
    vm_set_power_state(t, vm, VM_POWER_STATE_RUNNING);
    vm_set_metrics(t, vm, metrics->row.ref);
    vm_set_actions_after_crash(t, vm, ON_CRASH_BEHAVIOUR_DESTROY);
    vm_set_domain_type(t, vm, DOMAIN_TYPE_PV);
    vm_metrics_set_current_domain_type(t, metrics, DOMAIN_TYPE_PV);
    host_set_control_domain(t, h, vm->row.ref);
    return vm;
}

static void refresh_control_domain(struct txn *t, const struct host *h, const struct host_machine_facts *f)
{
    const struct vm *vm = db_vm(txn_db(t), h->control_domain);
    int64_t memory = own_memory(f);

    if (!vm)
        vm = make_control_domain(t, h);
    vm_set_resident_on(t, vm, h->row.ref);
    vm_set_affinity(t, vm, h->row.ref);
    vm_set_domid(t, vm, 0);
    vm_set_memory_static_min(t, vm, memory);
    vm_set_memory_dynamic_min(t, vm, memory);
    vm_set_memory_dynamic_max(t, vm, memory);
    vm_set_memory_static_max(t, vm, memory);
    vm_set_memory_target(t, vm, memory);
    vm_set_vcpus_max(t, vm, f->cpus);
    vm_set_vcpus_at_startup(t, vm, f->cpus);
    const struct vm_metrics *m = db_vm_metrics(txn_db(t), vm->metrics);
    if (!m)
        return;
    vm_metrics_set_memory_actual(t, m, memory);
    vm_metrics_set_vcpus_number(t, m, f->cpus);
    vm_metrics_set_start_time(t, m, clock_wall());
    vm_metrics_set_last_updated(t, m, clock_wall());
}

const struct host *host_row_create(struct txn *t, const struct host_machine_facts *f)
{
    const struct host *h = host_create(t);

    set_identity(t, h, f->hostname);
    return h;
}

void host_rows(struct txn *t, const struct host *h, const struct host_machine_facts *f)
{
    refresh(t, h, f);
    refresh_metrics(t, h, f);
    refresh_cpus(t, h->row.ref, f);
    refresh_control_domain(t, h, f);
}
