/* Data sources over the API: what is watched, what it says now, and whether its history is kept. */
#include <math.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "rpc/encode.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/here.h"
#include "xapid/rrd/collect.h"
#include "xapid/rrd/store.h"

/* ---- what names mean ---- */

static const struct meaning {
    const char *beginning, *end; /* of the name; "" fits all */
    const char *units, *description;
} meanings[] = {
    {"cpu_avg", "", "(fraction)", "Use of all processors"},
    {"cpu_usage", "", "(fraction)", "Use of the VM's processors together"},
    {"cpu", "", "(fraction)", "Use of a processor"},
    {"loadavg", "", "(fraction)", "Processes that run or wait"},
    {"memory_total_kib", "", "KiB", "Memory of the host"},
    {"memory_free_kib", "", "KiB", "Memory that nobody needs"},
    {"memory_target", "", "B", "Memory that the VM is to have"},
    {"memory", "", "B", "Memory that the VM has"},
    {"running_vcpus", "", "count", "Processors of the VMs that run"},
    {"", "_rx", "B/s", "Bytes received a second"},
    {"", "_tx", "B/s", "Bytes sent a second"},
    {"", "_iops_read", "requests/s", "Reads a second"},
    {"", "_iops_write", "requests/s", "Writes a second"},
    {"", "_iops_total", "requests/s", "Reads and writes a second"},
    {"", "_read", "B/s", "Bytes read a second"},
    {"", "_write", "B/s", "Bytes written a second"},
    {"size", "", "B", "Room that the SR has"},
    {"physical_utilisation", "", "B", "Room of the SR that is taken"},
    {"", "", "", ""},
};

static const struct meaning *meaning_of(const char *name)
{
    const struct meaning *m = meanings;
    size_t n = strlen(name);
    while (strncmp(name, m->beginning, strlen(m->beginning)) != 0 || strlen(m->end) > n ||
           strcmp(name + n - strlen(m->end), m->end) != 0)
        m++;
    return m;
}

static void write_text(struct enc *out, const char *member, const char *text)
{
    enc_member(out, member);
    enc_string(out, text);
}

static void write_source(struct enc *out, const char *name, bool kept, double min, double max, double value)
{
    const struct meaning *m = meaning_of(name);
    enc_struct_begin(out);
    write_text(out, "name_label", name);
    write_text(out, "name_description", m->description);
    enc_member(out, "enabled");
    enc_bool(out, kept);
    enc_member(out, "standard");
    enc_bool(out, true);
    write_text(out, "units", m->units);
    enc_member(out, "min");
    enc_float(out, min);
    enc_member(out, "max");
    enc_float(out, max);
    enc_member(out, "value");
    enc_float(out, value);
    enc_struct_end(out);
}

/* ---- any archive ---- */

static void list(const struct rrd *r, struct enc *out)
{
    enc_array_begin(out);
    for (unsigned i = 0; r && i < r->n_sources; i++) {
        const struct rrd_source *s = &r->sources[i];
        write_source(out, s->name, s->kept, s->min, s->max, s->value);
    }
    enc_array_end(out);
}

static int unknown(const char *name, struct err *e)
{
    return err_invalid_value(e, "data_source", name);
}

static int query(const struct rrd *r, const char *name, union value *ret, struct err *e)
{
    const struct rrd_source *s = r ? rrd_find(r, name) : NULL;
    ret->f = s ? s->value : NAN;
    return s ? 0 : unknown(name, e);
}

static int keep(struct rrd *r, const char *name, bool wanted, struct err *e)
{
    struct rrd_source *s = r ? rrd_find(r, name) : NULL;
    if (!s)
        return unknown(name, e);
    if (s->kept != wanted)
        rrd_keep(r, s, wanted);
    return 0;
}

/* ---- the host ---- */

static int host_archive(struct call *c, struct ref ref, struct rrd **ret, struct err *e)
{
    if (host_is_here(c, ref, e) < 0)
        return -1;
    *ret = rrd_store_find(db_host(c->db, ref)->uuid);
    return 0;
}

int co_host_get_data_sources(struct call *c, const struct host_get_data_sources_args *a, struct enc *out,
                             struct err *e)
{
    struct rrd *r;
    if (host_archive(c, a->host, &r, e) < 0)
        return -1;
    list(r, out);
    return 0;
}

int co_host_query_data_source(struct call *c, const struct host_query_data_source_args *a, union value *ret,
                              struct err *e)
{
    struct rrd *r;
    return host_archive(c, a->host, &r, e) < 0 ? -1 : query(r, a->data_source, ret, e);
}

int co_host_record_data_source(struct call *c, const struct host_record_data_source_args *a, struct err *e)
{
    struct rrd *r;
    return host_archive(c, a->host, &r, e) < 0 ? -1 : keep(r, a->data_source, true, e);
}

int co_host_forget_data_source_archives(struct call *c, const struct host_forget_data_source_archives_args *a,
                                        struct err *e)
{
    struct rrd *r;
    return host_archive(c, a->host, &r, e) < 0 ? -1 : keep(r, a->data_source, false, e);
}

int co_host_backup_rrds(struct call *c, const struct host_backup_rrds_args *a, struct err *e)
{
    if (host_is_here(c, a->host, e) < 0)
        return -1;
    if (!(a->delay >= 0 && a->delay <= 24 * 3600))
        return err_invalid_value(e, "delay", talloc_asprintf(c->mem, "%g", a->delay));
    if (a->delay > 0 &&
        co_sleep_until(clock_in_ms((int64_t)(a->delay * 1000)), "the moment to save history") < 0)
        return err_task_cancelled(e, REF_TEXT(c->task));
    co_rrd_collect_save(c->x);
    return 0;
}

/* ---- VMs ---- */

/* Of a VM whose guest is here; *ret NULL when it has none, or nothing is known of it yet. */
static int vm_archive(struct call *c, struct ref ref, struct rrd **ret, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    if (!vm)
        return -1;
    if (!ref_is_null(vm->resident_on) && !ref_equal(vm->resident_on, c->x->host))
        return err_host_offline(e, REF_TEXT(vm->resident_on));
    *ret = rrd_store_find(vm->uuid);
    return 0;
}

int co_vm_get_data_sources(struct call *c, const struct vm_get_data_sources_args *a, struct enc *out,
                           struct err *e)
{
    struct rrd *r;
    if (vm_archive(c, a->self, &r, e) < 0)
        return -1;
    struct rrd *loaded = r ? NULL : co_rrd_store_load(c->x, db_vm(c->db, a->self)->uuid);
    list(r ? r : loaded, out);
    rrd_free(loaded);
    return 0;
}

int co_vm_query_data_source(struct call *c, const struct vm_query_data_source_args *a, union value *ret,
                            struct err *e)
{
    struct rrd *r;
    if (vm_archive(c, a->self, &r, e) < 0)
        return -1;
    if (db_vm(c->db, a->self)->power_state == VM_POWER_STATE_HALTED)
        return err_vm_bad_power_state(e, REF_TEXT(a->self), "running", "halted");
    return query(r, a->data_source, ret, e);
}

int co_vm_record_data_source(struct call *c, const struct vm_record_data_source_args *a, struct err *e)
{
    struct rrd *r;
    return vm_archive(c, a->self, &r, e) < 0 ? -1 : keep(r, a->data_source, true, e);
}

int co_vm_forget_data_source_archives(struct call *c, const struct vm_forget_data_source_archives_args *a,
                                      struct err *e)
{
    struct rrd *r;
    return vm_archive(c, a->self, &r, e) < 0 ? -1 : keep(r, a->data_source, false, e);
}

/* ---- SRs: as the record has them; their history is not kept ---- */

static double sr_value(const struct sr *sr, const char *name)
{
    return strcmp(name, "size") == 0                   ? (double)sr->physical_size
           : strcmp(name, "physical_utilisation") == 0 ? (double)sr->physical_utilisation
                                                       : NAN;
}

int co_sr_get_data_sources(struct call *c, const struct sr_get_data_sources_args *a, struct enc *out,
                           struct err *e)
{
    static const char *const names[] = {"size", "physical_utilisation"};
    const struct sr *sr = (const struct sr *)call_row(c, CLASS_SR, a->sr, e);
    if (!sr)
        return -1;
    enc_array_begin(out);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        write_source(out, names[i], false, 0, INFINITY, sr_value(sr, names[i]));
    enc_array_end(out);
    return 0;
}

int co_sr_query_data_source(struct call *c, const struct sr_query_data_source_args *a, union value *ret,
                            struct err *e)
{
    const struct sr *sr = (const struct sr *)call_row(c, CLASS_SR, a->sr, e);
    if (!sr)
        return -1;
    ret->f = sr_value(sr, a->data_source);
    return isnan(ret->f) ? unknown(a->data_source, e) : 0;
}
