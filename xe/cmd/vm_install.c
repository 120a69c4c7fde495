/* vm-install: a VM from a template. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/provision.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/fetch.h"
#include "xe/show.h"

struct install {
    struct record template;
    const char *full_copy_sr; /* NULL: clone */
    const char *made;
};

/* True when the record is a template whose uuid (or else name) is wanted. */
static bool is_named(struct xe *x, const struct record *r, const char *field, const char *wanted)
{
    return strcmp(member_text(x, r->fields, field), wanted) == 0;
}

/* The one template whose field has this value. 1: found; 0: none; -1: several. */
static int find_template(struct xe *x, const struct records *rs, const char *field, const char *wanted,
                         struct record *ret)
{
    int found = 0;

    for (unsigned i = 0; i < rs->n; i++)
        if (is_named(x, &rs->r[i], field, wanted)) {
            *ret = rs->r[i];
            found++;
        }
    return found > 1 ? -1 : found;
}

/* The template that template-uuid=, template-name-label=, template-name= or template= (uuid or name) names.
 */
static int co_pick_template(struct xe *x, struct record *ret, struct err *e)
{
    static const char *const by_name[] = {"template-name-label", "template-name", "template"};
    const char *uuid = args_get(x->args, "template-uuid"), *name = NULL;
    struct records rs;
    int found = 0;

    for (unsigned i = 0; i < 3 && !name; i++)
        name = args_get(x->args, by_name[i]);
    if (!uuid && !name)
        return fail_text(
            e, "Name the template to install from: template=, template-uuid= or template-name-label=");
    if (co_fetch(x, rec_class_by_name("vm"), "field \"is_a_template\" = \"true\"", &rs, e) < 0)
        return -1;
    if (uuid || args_get(x->args, "template"))
        found = find_template(x, &rs, "uuid", uuid ? uuid : name, ret);
    if (found == 0 && name)
        found = find_template(x, &rs, "name_label", name, ret);
    if (found == 0)
        return fail_text(e, "No template matches '%s'", uuid ? uuid : name);
    return found < 0 ? fail_text(e, "Several templates have the name '%s': use template-uuid=", name) : 0;
}

/* The SR that sr-uuid= and sr-name-label= agree on; NULL with e empty when neither is given. */
static const char *co_pick_sr(struct xe *x, struct err *e)
{
    const char *name = args_get(x->args, "sr-name-label"), *sr = NULL;
    const struct wire *named;

    if (args_get(x->args, "sr-uuid") && !(sr = co_arg_ref(x, "sr-uuid", "SR", e)))
        return NULL;
    if (!name || !(named = co_call(x, e, "SR.get_by_name_label", "s", name)))
        return sr && !err_is_set(e) ? sr : NULL;
    for (uint32_t i = 0; named->kind == WIRE_ARRAY && i < named->n; i++)
        if (sr && strcmp(sr, wire_text(x, &named->items[i])) == 0)
            return sr;
    if (!sr && named->kind == WIRE_ARRAY && named->n == 1)
        return wire_text(x, &named->items[0]);
    if (sr)
        fail_text(e, "sr-uuid and sr-name-label name different SRs");
    else
        fail_text(e, "%s SR has the name '%s'", named->n == 0 ? "No" : "More than one", name);
    return NULL;
}

/* Put the SR's uuid into the description of the disks to be made. */
static int co_set_disks(struct xe *x, const struct install *in, struct err *e)
{
    const char *disks = wire_lookup(wire_member(in->template.fields, "other_config"), "disks");
    const char *sr = in->full_copy_sr, *uuid;

    if (!disks || !provision_wants_disks(disks))
        return 0;
    if (!sr && !(sr = co_default_sr(x, e)))
        return -1;
    if (!(uuid = co_uuid_of(x, "SR", sr, e)) ||
        co_call_void(x, e, "VM.remove_from_other_config", "ss", in->made, "disks") < 0)
        return -1;
    return co_call_void(x, e, "VM.add_to_other_config", "sss", in->made, "disks",
                        provision_with_sr(x->ctx, disks, uuid));
}

/* A VM suspends to where its disks are. */
static int co_set_suspend_sr(struct xe *x, const struct install *in, struct err *e)
{
    CLEANUP_ERR struct err none = {0};
    const char *sr = in->full_copy_sr;

    if (!sr && ref_is_none(member_text(x, in->template.fields, "suspend_SR")))
        sr = co_default_sr(x, &none);
    return sr ? co_call_void(x, e, "VM.set_suspend_SR", "ss", in->made, sr) : 0;
}

/* Windows templates recommend a device that fetches drivers; the pool's policy may forbid it. */
static int co_set_vendor_device(struct xe *x, const struct install *in, struct err *e)
{
    const char *recommendations = member_text(x, in->template.fields, "recommendations"), *pool, *policy;

    if (!strstr(recommendations, "field=\"has-vendor-device\" value=\"true\""))
        return 0;
    if (!(pool = co_pool(x, e)) || !(policy = co_field(x, "pool", "policy_no_vendor_device", pool, e)))
        return -1;
    return strcmp(policy, "true") == 0 ? 0
                                       : co_call_void(x, e, "VM.set_has_vendor_device", "sb", in->made, true);
}

static int co_copy_bios_strings(struct xe *x, const struct install *in, struct err *e)
{
    const char *host = args_get(x->args, "copy-bios-strings-from");

    if (!host)
        return 0;
    if (!(host = co_arg_ref(x, "copy-bios-strings-from", "host", e)))
        return -1;
    return co_call_void(x, e, "VM.copy_bios_strings", "ss", in->made, host);
}

/* Everything after the copy was made. */
static int co_furnish(struct xe *x, const struct install *in, struct err *e)
{
    if (co_call_void(x, e, "VM.set_name_description", "ss", in->made, "Installed via xe CLI") < 0 ||
        co_set_suspend_sr(x, in, e) < 0 || co_set_vendor_device(x, in, e) < 0 || co_set_disks(x, in, e) < 0 ||
        co_call_void(x, e, "VM.provision", "s", in->made) < 0 || co_copy_bios_strings(x, in, e) < 0)
        return -1;
    return co_print_uuid(x, "VM", in->made, e);
}

static int co_vm_install(struct xe *x, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const char *name = args_get(x->args, "new-name-label");
    struct install in = {0};

    if (co_pick_template(x, &in.template, e) < 0)
        return -1;
    in.full_copy_sr = co_pick_sr(x, e);
    if (err_is_set(e))
        return -1;
    if (in.full_copy_sr && member_bool(in.template.fields, "is_a_snapshot"))
        return fail_text(
            e,
            "A snapshot cannot be installed to another SR; make a template of it with snapshot-copy first");
    in.made = in.full_copy_sr ? co_call_text(x, e, "VM.copy", "sss", in.template.ref, name, in.full_copy_sr)
                              : co_call_text(x, e, "VM.clone", "ss", in.template.ref, name);
    if (!in.made)
        return -1;
    if (co_furnish(x, &in, e) == 0)
        return 0;
    co_call(x, &ignored, "VM.destroy", "s", in.made);
    return -1;
}

const struct command cmd_vm_install = {
    .name = "vm-install",
    .required = "new-name-label",
    .optional = "sr-name-label,sr-uuid,template,copy-bios-strings-from",
    .help = "Make a VM from a template, with the disks that the template asks for; prints its uuid. With an "
            "SR the "
            "template's own disks are copied in full. The VM is not started.",
    .flags = CMD_STANDARD,
    .run = co_vm_install,
};
