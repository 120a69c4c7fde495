/* Moving VMs with their disks, to a host of another pool (or of the same one, logged in at anew). */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/vm_migrate.h"
#include "xe/failure.h"
#include "xe/select.h"
#include "xe/task.h"

/* ---- the other pool ---- */

struct destination {
    struct xe there; /* a run of its own: connection and session */
    const char *host, *host_name, *network, *network_name;
    const char *sr; /* the roomiest; NULL: none was needed yet */
};

/* One command goes to one place. */
static struct destination destination;

bool migrate_is_remote(struct xe *x)
{
    static const char *const starts[] = {"remote-", "vif:", "vdi:", "vgpu:", "image-format:"};

    for (unsigned i = 0; i < x->args->n; i++)
        for (unsigned s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
            if (strncmp(x->args->arg[i].key, starts[s], strlen(starts[s])) == 0)
                return true;
    return false;
}

static int check_args(struct xe *x, struct err *e)
{
    static const char *const needed[] = {"remote-master", "remote-username", "remote-password"};

    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!args_get(x->args, needed[i]))
            return fail_text(e, "To move with disks, or to another pool, %s is needed", needed[i]);
    for (unsigned i = 0; i < x->args->n; i++)
        if (strncmp(x->args->arg[i].key, "vgpu:", 5) == 0)
            return fail_text(e, "%s: virtual GPUs do not move", x->args->arg[i].key);
    return 0;
}

/* "host", "host:port", "[address]" or "[address]:port". */
static void read_address(struct xe *x, const char *text, struct rpc_client_options *o)
{
    const char *end = *text == '[' ? strchr(text, ']') : NULL, *colon = strrchr(end ? end : text, ':');

    if (!end && colon && strchr(text, ':') != colon) /* an address without brackets */
        colon = NULL;
    o->port = colon ? (uint16_t)atoi(colon + 1) : 443;
    if (end)
        o->host = talloc_strndup(x->ctx, text + 1, (size_t)(end - text - 1));
    else
        o->host = colon ? talloc_strndup(x->ctx, text, (size_t)(colon - text)) : text;
}

static int co_login_there(struct xe *x, struct err *e)
{
    struct xe_options *o = talloc_zero(x->ctx, struct xe_options);
    struct rpc_client_options options = {.tls = true, .user_agent = "xe-cli/Unix/0.2"};

    *o = *x->options;
    o->user = args_get(x->args, "remote-username");
    o->password = args_get(x->args, "remote-password");
    read_address(x, args_get(x->args, "remote-master"), &options);
    destination.there = (struct xe){
        .ctx = x->ctx, .options = o, .args = x->args, .command = x->command, .rpc = rpc_client_new(&options)};
    return co_login(&destination.there, false, e);
}

static void co_leave(void)
{
    co_logout(&destination.there);
    if (destination.there.rpc)
        rpc_client_free(destination.there.rpc);
    buf_free(&destination.there.trace);
}

/* ---- where to ---- */

/* The host that is named, or the first that takes guests. */
static int co_choose_host(struct xe *x, struct err *e)
{
    struct xe *there = &destination.there;
    const struct wire *hosts;

    if (migrate_named_host(x)) {
        destination.host = co_find_host(there, migrate_named_host(x), e);
    } else {
        hosts = co_call(there, e, "host.get_all_records", "");
        for (uint32_t i = 0; hosts && hosts->kind == WIRE_STRUCT && i < hosts->n && !destination.host; i++)
            if (member_bool(&hosts->members[i].value, "enabled"))
                destination.host = hosts->members[i].name;
        if (hosts && !destination.host)
            return fail_text(e, "No host of the other pool takes guests");
    }
    destination.host_name =
        destination.host ? co_field(there, "host", "name_label", destination.host, e) : NULL;
    return destination.host_name ? 0 : -1;
}

/* The network that is named by uuid or name. */
static int co_find_network(struct xe *there, const char *text, struct err *e)
{
    const struct wire *all = co_call(there, e, "network.get_all_records", "");

    for (uint32_t i = 0; all && all->kind == WIRE_STRUCT && i < all->n; i++)
        if (strcmp(member_text(there, &all->members[i].value, "uuid"), text) == 0 ||
            strcmp(member_text(there, &all->members[i].value, "name_label"), text) == 0)
            destination.network = all->members[i].name;
    return !all ? -1
           : destination.network
               ? 0
               : fail_text(e, "The other pool has no network with the name or uuid '%s'", text);
}

/* That of the host's management interface. */
static int co_find_management_network(struct xe *there, struct err *e)
{
    const struct wire *pifs = co_call(there, e, "PIF.get_all_records", "");

    for (uint32_t i = 0; pifs && pifs->kind == WIRE_STRUCT && i < pifs->n; i++) {
        const struct wire *pif = &pifs->members[i].value;
        if (member_bool(pif, "management") && strcmp(member_text(there, pif, "host"), destination.host) == 0)
            destination.network = member_text(there, pif, "network");
    }
    return !pifs                 ? -1
           : destination.network ? 0
                                 : fail_text(e, "The host has no management interface: say remote-network=");
}

static int co_choose_network(struct xe *x, struct err *e)
{
    struct xe *there = &destination.there;
    const char *text = args_get(x->args, "remote-network");

    if ((text ? co_find_network(there, text, e) : co_find_management_network(there, e)) < 0)
        return -1;
    destination.network_name = co_field(there, "network", "name_label", destination.network, e);
    return destination.network_name ? 0 : -1;
}

/* ---- disks and NICs ---- */

static int64_t free_space(struct xe *there, const struct wire *sr)
{
    return atoll(member_text(there, sr, "physical_size")) -
           atoll(member_text(there, sr, "physical_utilisation"));
}

/* The room on an SR, or -1 for one of CDs. */
static int64_t co_room(const char *sr, struct err *e)
{
    struct xe *there = &destination.there;
    const struct wire *record = co_call(there, e, "SR.get_record", "s", sr);

    return record && strcmp(member_text(there, record, "content_type"), "iso") != 0
               ? free_space(there, record)
               : -1;
}

/* The roomiest of those that the host has attached. */
static const char *co_roomiest_sr(struct err *e)
{
    struct xe *there = &destination.there;
    const struct wire *pbds = destination.sr ? NULL : co_call(there, e, "PBD.get_all_records", "");
    int64_t most = -1;

    for (uint32_t i = 0; pbds && pbds->kind == WIRE_STRUCT && i < pbds->n && !err_is_set(e); i++) {
        const struct wire *pbd = &pbds->members[i].value;
        if (!member_bool(pbd, "currently_attached") ||
            strcmp(member_text(there, pbd, "host"), destination.host) != 0)
            continue;
        int64_t room = co_room(member_text(there, pbd, "SR"), e);
        if (room > most) {
            most = room;
            destination.sr = member_text(there, pbd, "SR");
        }
    }
    if (!destination.sr && !err_is_set(e))
        fail_text(e, "The host has no storage for disks");
    return err_is_set(e) ? NULL : destination.sr;
}

/* "vdi:UUID=UUID …": objects here to objects there. */
static int co_read_map(struct xe *x, const char *name, const char *cls, const char *other_cls,
                       struct wire *to, struct err *e)
{
    unsigned n;
    const struct arg *given = args_get_map(x->ctx, x->args, name, &n);

    for (unsigned i = 0; i < n; i++) {
        const char *from = co_by_uuid(x, cls, given[i].key, e);
        const char *there = from ? co_by_uuid(&destination.there, other_cls, given[i].value, e) : NULL;
        if (!there)
            return -1;
        wire_add_member(x, to, from, wire_string(there));
    }
    return 0;
}

/* Disks of the VM of which nothing was said go where there is most room. */
static int co_add_disk(struct xe *x, const char *vbd, struct wire *disks, struct err *e)
{
    const struct wire *record = co_call(x, e, "VBD.get_record", "s", vbd);
    const char *vdi = record ? member_text(x, record, "VDI") : NULL;

    if (!record)
        return -1;
    if (member_bool(record, "empty") || strcmp(member_text(x, record, "type"), "CD") == 0 ||
        wire_lookup(disks, vdi))
        return 0;
    const char *sr = co_roomiest_sr(e);
    if (!sr)
        return -1;
    wire_add_member(x, disks, vdi, wire_string(sr));
    return 0;
}

static int co_add_disks(struct xe *x, const char *vm, struct wire *disks, struct err *e)
{
    const struct wire *vbds = co_call(x, e, "VM.get_VBDs", "s", vm);

    for (uint32_t i = 0; vbds && vbds->kind == WIRE_ARRAY && i < vbds->n; i++)
        if (co_add_disk(x, wire_text(x, &vbds->items[i]), disks, e) < 0)
            return -1;
    return vbds ? 0 : -1;
}

static int co_show_plan(struct xe *x, const struct wire *disks, struct err *e)
{
    out_direct(&x->out, "To host %s, by way of network %s\n", destination.host_name,
               destination.network_name);
    for (uint32_t i = 0; i < disks->n; i++) {
        const char *vdi = co_uuid_of(x, "VDI", disks->members[i].name, e);
        const char *sr =
            vdi ? co_uuid_of(&destination.there, "SR", wire_text(x, &disks->members[i].value), e) : NULL;
        if (!sr)
            return -1;
        out_direct(&x->out, "VDI %s -> SR %s\n", vdi, sr);
    }
    return 0;
}

/* ---- one VM ---- */

static int co_send(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    struct wire *disks = wire_empty_struct(x), *nics = wire_empty_struct(x), *options;
    const struct wire *dest;

    if (migrate_options(x, &options, e) < 0 || co_read_map(x, "vdi", "VDI", "SR", disks, e) < 0 ||
        co_read_map(x, "vif", "VIF", "network", nics, e) < 0 || co_add_disks(x, vm->ref, disks, e) < 0 ||
        co_show_plan(x, disks, e) < 0)
        return -1;
    dest = co_call(&destination.there, e, "host.migrate_receive", "ssw", destination.host,
                   destination.network, options);
    const char *task = dest ? co_call_text(x, e, "Async.VM.migrate_send", "swbwww", vm->ref, dest, true,
                                           disks, nics, options)
                            : NULL;
    const char *made = task ? co_task_wait(x, task, e) : NULL;
    const char *copy = wire_lookup(options, "copy");
    if (made && copy && strcmp(copy, "true") == 0)
        *ret_item = co_uuid_of(&destination.there, "VM", made, e);
    return made && !err_is_set(e) ? 0 : -1;
}

int co_migrate_remote(struct xe *x, struct err *e)
{
    int rc = check_args(x, e);

    if (rc == 0)
        rc = co_login_there(x, e);
    if (rc == 0)
        rc = co_choose_host(x, e) < 0 || co_choose_network(x, e) < 0 ? -1 : co_for_vms(x, 0, co_send, e);
    co_leave();
    return rc;
}
