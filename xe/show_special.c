/* The values of parameters that are no plain fields. Each is named by fn in a file of xe/records. */
#include "xe/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "xe/cache.h"

/* A data source of the object of class behind ref, divided by scale. */
static int co_show_data_source(struct xe *x, const char *cls, const char *ref, const char *source,
                               double scale, struct shown *ret, struct err *e)
{
    const char *method = talloc_asprintf(x->ctx, "%s.query_data_source", cls);
    const struct wire *v = co_call(x, e, method, "ss", ref, source);

    if (!v)
        return -1;
    shown_one(x, ret, talloc_asprintf(x->ctx, "%.3f", strtod(wire_text(x, v), NULL) / scale));
    return 0;
}

/* KiB a second of a device: data source PREFIX_DEVICE_SUFFIX of the object that field owner refers to. */
static int co_show_device_rate(struct xe *x, const struct record *r, const char *cls, const char *owner,
                               const char *prefix, const char *suffix, struct shown *ret, struct err *e)
{
    const char *source =
        talloc_asprintf(x->ctx, "%s_%s_%s", prefix, member_text(x, r->fields, "device"), suffix);

    return co_show_data_source(x, cls, member_text(x, r->fields, owner), source, 1024, ret, e);
}

int co_show_pif_read_kbs(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_device_rate(x, r, "host", "host", "pif", "rx", ret, e);
}

int co_show_pif_write_kbs(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_device_rate(x, r, "host", "host", "pif", "tx", ret, e);
}

int co_show_vif_read_kbs(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_device_rate(x, r, "VM", "VM", "vif", "rx", ret, e);
}

int co_show_vif_write_kbs(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_device_rate(x, r, "VM", "VM", "vif", "tx", ret, e);
}

int co_show_vbd_read_kbs(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_device_rate(x, r, "VM", "VM", "vbd", "read", ret, e);
}

int co_show_vbd_write_kbs(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_device_rate(x, r, "VM", "VM", "vbd", "write", ret, e);
}

/* The record that a reference in r points at, or NULL. */
static const struct wire *co_follow(struct xe *x, const struct record *r, const char *field, const char *cls)
{
    const char *ref = member_text(x, r->fields, field);

    return ref_is_none(ref) ? NULL : co_cache_get(x, cls, ref);
}

int co_show_pif_speed(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    const struct wire *metrics = co_follow(x, r, "metrics", "PIF_metrics");

    shown_one(x, ret,
              metrics ? talloc_asprintf(x->ctx, "%s Mbit/s", member_text(x, metrics, "speed"))
                      : NOT_IN_DATABASE);
    return 0;
}

int co_show_pif_duplex(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    const struct wire *metrics = co_follow(x, r, "metrics", "PIF_metrics");
    const char *text = NOT_IN_DATABASE;

    if (metrics && !member_bool(metrics, "carrier"))
        text = "unknown";
    else if (metrics)
        text = member_bool(metrics, "duplex") ? "full" : "half";
    shown_one(x, ret, text);
    return 0;
}

int co_show_vbd_attachable(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};

    if (co_call(x, &refusal, "VBD.assert_attachable", "s", r->ref))
        shown_one(x, ret, "true");
    else
        shown_one(x, ret, talloc_asprintf(x->ctx, "false (error: %s)", err_text(x->ctx, &refusal)));
    return 0;
}

int co_show_vbd_vdi_name(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    const struct wire *vdi = co_follow(x, r, "VDI", "VDI");

    if (member_bool(r->fields, "empty"))
        shown_one(x, ret, "<EMPTY>");
    else
        shown_one(x, ret, vdi ? member_text(x, vdi, "name_label") : NOT_IN_DATABASE);
    return 0;
}

int co_show_vm_memory_target(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    const struct wire *v = co_call(x, e, "VM.query_data_source", "ss", r->ref, "memory_target");

    if (!v)
        return -1;
    shown_one(x, ret, talloc_asprintf(x->ctx, "%.0f", strtod(wire_text(x, v), NULL)));
    return 0;
}

int co_show_vm_vcpus_utilisation(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    const struct wire *metrics = co_follow(x, r, "metrics", "VM_metrics");
    long n = metrics ? atol(member_text(x, metrics, "VCPUs_number")) : 0;

    ret->shape = SHOWN_MAP;
    for (long i = 0; i < n && i < 4096; i++) {
        CLEANUP_ERR struct err refusal = {0};
        const char *source = talloc_asprintf(x->ctx, "cpu%ld", i);
        struct shown one = {0};
        int failed = co_show_data_source(x, "VM", r->ref, source, 1, &one, &refusal);

        shown_add(x, ret, talloc_asprintf(x->ctx, "%ld", i), failed ? UNKNOWN : one.items[0]);
        if (failed)
            break;
    }
    return 0;
}

int co_show_vm_last_boot_record(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    shown_one(x, ret, talloc_asprintf(x->ctx, "'%s'", member_text(x, r->fields, "last_booted_record")));
    return 0;
}

int co_show_host_cpu_utilisation(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    const char *source = talloc_asprintf(x->ctx, "cpu%s", member_text(x, r->fields, "number"));

    return co_show_data_source(x, "host", member_text(x, r->fields, "host"), source, 1, ret, e);
}

/* Another pool's database on the disk names its pool only inside. */
int co_show_vdi_metadata_of_pool(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    const char *pool = member_text(x, r->fields, "metadata_of_pool"), *uuid = NULL;
    const struct wire *mine;

    if (!ref_is_none(pool)) {
        mine = co_cache_get(x, "pool", pool);
        uuid = mine ? member_text(x, mine, "uuid")
                    : co_call_text(x, &refusal, "VDI.read_database_pool_uuid", "s", r->ref);
    }
    shown_one(x, ret, uuid ? uuid : NOT_IN_DATABASE);
    return 0;
}

int co_show_sr_host(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    const struct wire *pbds = wire_member(r->fields, "PBDs"), *pbd = NULL, *host = NULL;
    uint32_t n = pbds && pbds->kind == WIRE_ARRAY ? pbds->n : 0;

    if (n == 1)
        pbd = co_cache_get(x, "PBD", wire_text(x, &pbds->items[0]));
    if (pbd)
        host = co_cache_get(x, "host", member_text(x, pbd, "host"));
    shown_one(x, ret, n > 1 ? "<shared>" : host ? member_text(x, host, "name_label") : NOT_IN_DATABASE);
    return 0;
}

int co_show_vgpu_type_max_resolution(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    shown_one(x, ret,
              talloc_asprintf(x->ctx, "%sx%s", member_text(x, r->fields, "max_resolution_x"),
                              member_text(x, r->fields, "max_resolution_y")));
    return 0;
}

/* A set of "name SEPARATOR field" over the variants of a driver, perhaps only those whose flag is true. */
static int co_show_variants(struct xe *x, const struct record *r, char separator, const char *field,
                            const char *flag, struct shown *ret)
{
    const struct wire *variants = wire_member(r->fields, "variants");

    ret->shape = SHOWN_SET;
    for (uint32_t i = 0; variants && variants->kind == WIRE_ARRAY && i < variants->n; i++) {
        const struct wire *v = co_cache_get(x, "Driver_variant", wire_text(x, &variants->items[i]));

        if (v && (!flag || member_bool(v, flag)))
            shown_add(x, ret, NULL,
                      talloc_asprintf(x->ctx, "%s%c%s", member_text(x, v, "name"), separator,
                                      member_text(x, v, field)));
    }
    return 0;
}

int co_show_hostdriver_variants(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_variants(x, r, '/', "version", NULL, ret);
}

int co_show_hostdriver_variants_status(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_variants(x, r, '=', "status", NULL, ret);
}

int co_show_hostdriver_variants_uuid(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_variants(x, r, '=', "uuid", NULL, ret);
}

int co_show_hostdriver_variants_present(struct xe *x, const struct record *r, struct shown *ret,
                                        struct err *e)
{
    return co_show_variants(x, r, '/', "version", "hardware_present", ret);
}

/* Whether the variant is the one that its driver names in field. */
static int co_show_variant_is(struct xe *x, const struct record *r, const char *field, struct shown *ret)
{
    const struct wire *driver = co_follow(x, r, "driver", "Host_driver");
    bool is = driver && strcmp(member_text(x, driver, field), r->ref) == 0;

    shown_one(x, ret, is ? "true" : "false");
    return 0;
}

int co_show_variant_active(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_variant_is(x, r, "active_variant", ret);
}

int co_show_variant_selected(struct xe *x, const struct record *r, struct shown *ret, struct err *e)
{
    return co_show_variant_is(x, r, "selected_variant", ret);
}

/* A role that stands for others: one that people may be given, not a single permission. */
bool keep_has_subroles(const struct wire *fields)
{
    const struct wire *subroles = wire_member(fields, "subroles");

    return subroles && subroles->kind == WIRE_ARRAY && subroles->n > 0;
}
