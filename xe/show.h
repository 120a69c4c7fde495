#ifndef XE_SHOW_H
#define XE_SHOW_H
/*
 * The values of parameters as xe displays them: one text, a set of texts, or a map. Texts live on x->ctx.
 */
#include <stdint.h>
#include "xe/client.h"
#include "xe/record.h"

#define NOT_IN_DATABASE "<not in database>"
#define INVALID_REFERENCE "<invalid reference>"
#define UNKNOWN "<unknown>"
#define EXPENSIVE "<expensive field>"

enum shown_shape { SHOWN_ONE, SHOWN_SET, SHOWN_MAP };

struct shown {
    enum shown_shape shape;
    const char *join;  /* between items */
    uint32_t n;        /* 1 for SHOWN_ONE */
    const char **keys; /* SHOWN_MAP */
    const char **items;
};

/* The value of parameter p of r. Errors: no contact; what the server refuses shows as text. */
int co_show(struct xe *x, const struct record *r, const struct rec_param *p, struct shown *ret,
            struct err *e);

/* The value as one text. */
const char *shown_text(struct xe *x, const struct shown *s);

/* co_show and shown_text in one; NULL on error. */
const char *co_show_text(struct xe *x, const struct record *r, const struct rec_param *p, struct err *e);

/* The item under key of a map, or NULL; whether a set has an item. */
const char *shown_lookup(const struct shown *s, const char *key);
bool shown_has(const struct shown *s, const char *item);

/* Make a value: one text, or add an item (key: NULL but for maps) to a set or map. */
void shown_one(struct xe *x, struct shown *s, const char *text);
void shown_add(struct xe *x, struct shown *s, const char *key, const char *item);

/* ---- values that are no plain fields (xe/show_*.c); named by fn in xe/records ---- */
rec_show_fn co_show_pif_read_kbs, co_show_pif_write_kbs, co_show_pif_speed, co_show_pif_duplex;
rec_show_fn co_show_vif_read_kbs, co_show_vif_write_kbs;
rec_show_fn co_show_vbd_read_kbs, co_show_vbd_write_kbs, co_show_vbd_attachable, co_show_vbd_vdi_name;
rec_show_fn co_show_vm_memory_target, co_show_vm_vcpus_utilisation, co_show_vm_last_boot_record;
rec_show_fn co_show_host_cpu_utilisation, co_show_vdi_metadata_of_pool, co_show_sr_host;
rec_show_fn co_show_vgpu_type_max_resolution;
rec_show_fn co_show_hostdriver_variants, co_show_hostdriver_variants_status;
rec_show_fn co_show_hostdriver_variants_uuid, co_show_hostdriver_variants_present;
rec_show_fn co_show_variant_active, co_show_variant_selected;
bool keep_has_subroles(const struct wire *fields);

#endif
