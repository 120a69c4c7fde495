/* VM.pool_migrate, VM.migrate_send, VM.assert_can_migrate, and host.migrate_receive, whose answer the last
 * two are given. All hosts of a pool are its coordinator's to move guests between, so what a host of the same
 * pool answers only names it and the network to use. Another pool's also lets this one in (crossing.h). */
#include "xapid/vm/migrate.h"
#include <string.h>
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/own_address.h"
#include "xapid/reftext.h"
#include "xapid/vm/copy.h"
#include "xapid/vm/crossing.h"
#include "xapid/vm/move.h"

/* ---- within the pool, on shared storage ---- */

/* The reference that an option holds; null when there is none. */
static int read_network(struct call *c, const struct map *options, struct ref *ret, struct err *e)
{
    const char *text = map_get(options, "network");

    *ret = REF_NULL;
    if (!text || !*text || strcmp(text, "OpaqueRef:NULL") == 0)
        return 0;
    if (!ref_parse(text, ret))
        return err_invalid_value(e, "network", text);
    return call_row(c, CLASS_NETWORK, *ret, e) ? 0 : -1;
}

int co_vm_pool_migrate(struct call *c, const struct vm_pool_migrate_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct vm_move move = {.vm = a->vm, .host = a->host, .options = a->options};

    if (!call_row(c, CLASS_HOST, a->host, e) || read_network(c, a->options, &move.network, e) < 0 ||
        co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_POOL_MIGRATE, &op, e) < 0)
        return -1;
    return co_vm_move(c, &move, e);
}

/* ---- with storage, as host.migrate_receive's answer says ---- */

static const char *service(struct call *c, const char *address, const char *name)
{
    bool v6 = strchr(address, ':') != NULL;

    return talloc_asprintf(c->mem, "http://%s%s%s/services/%s?session_id=%s", v6 ? "[" : "", address,
                           v6 ? "]" : "", name, REF_TEXT(c->session));
}

/* How another pool knows that it speaks to this one's coordinator. */
static const char *recognisable(struct call *c, const char *url, struct ref master)
{
    const char *fingerprint = "";

    FOREACH_REFERRER (c->db, certificate, certificate, CERTIFICATE, HOST, master)
        if (certificate->type == CERTIFICATE_TYPE_HOST)
            fingerprint = text_of(certificate->fingerprint_sha256);
    return talloc_asprintf(c->mem, "%s&port=%u&certificate=%s", url, c->x->port, fingerprint);
}

int co_host_migrate_receive(struct call *c, const struct host_migrate_receive_args *a, union value *ret,
                            struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->host, e);
    const struct pool *pool = (const struct pool *)db_first(c->db, CLASS_POOL);
    const struct host *master = pool ? db_host(c->db, pool->master) : NULL;

    if (!host || !call_row(c, CLASS_NETWORK, a->network, e))
        return -1;
    const char *address = move_address(c->x, a->host, a->network, e);
    if (!address)
        return -1;
    if (!host->enabled)
        return err_host_disabled(e, REF_TEXT(a->host));
    struct map *m = map_with(c->mem, NULL, "SM", service(c, address, "SM"));
    m = map_with(c->mem, m, "xenops",
                 recognisable(c, service(c, address, "xenops"), pool ? pool->master : REF_NULL));
    m = map_with(c->mem, m, "host", REF_TEXT(a->host));
    m = map_with(c->mem, m, "session_id", REF_TEXT(c->session));
    ret->map = map_with(c->mem, m, "master",
                        talloc_asprintf(c->mem, "http://%s", text_of((master ? master : host)->address)));
    return 0;
}

/* Is it the address within this URL? */
static bool is_in_url(const char *url, const char *address)
{
    const char *at = *address ? strstr(url, address) : NULL;

    return at && (at[-1] == '/' || at[-1] == '[') && strchr("/]:", at[strlen(address)]);
}

struct ref migrate_network_of(struct xapid *x, struct ref host, const char *url)
{
    FOREACH_REFERRER (x->db, pif, pif, PIF, HOST, host)
        if (is_in_url(url, text_of(pif->IP)) ||
            (set_count(pif->IPv6) > 0 && is_in_url(url, pif->IPv6->v[0].s)))
            return pif->network;
    return REF_NULL;
}

struct sending {
    struct vm_move move;
    struct crossing_target other; /* when it is a host of another pool */
    bool crosses, copy;
};

static int read_destination(struct call *c, const struct map *dest, struct sending *s, struct err *e)
{
    const char *host = map_get(dest, "host"), *url = map_get(dest, "xenops");

    if (!host || !ref_parse(host, &s->move.host))
        return err_invalid_value(e, "dest", host ? host : "");
    s->crosses = !db_host(c->db, s->move.host);
    if (s->crosses)
        return crossing_target_read(c, dest, &s->other, e);
    s->move.network = migrate_network_of(c->x, s->move.host, url ? url : "");
    return 0;
}

static int check_maps(struct call *c, const struct map *vdis, const struct map *vifs, struct err *e)
{
    for (uint32_t i = 0; i < map_count(vdis); i++)
        if (!call_row(c, CLASS_VDI, vdis->e[i].k.r, e) || !call_row(c, CLASS_SR, vdis->e[i].v.r, e))
            return -1;
    return map_count(vifs) > 0 ? err_operation_not_allowed(
                                     e, "Within a pool NICs stay on their networks: vif_map must be empty")
                               : 0;
}

static int read_sending(struct call *c, const struct vm_migrate_send_args *a, struct sending *ret,
                        struct err *e)
{
    static const struct map none;
    static const char *const states[] = {"halted", "paused", "running", "suspended"};
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->vm, e);
    const char *copy = map_get(a->options, "copy");

    *ret = (struct sending){
        .move = {.vm = a->vm, .disks = a->vdi_map ? a->vdi_map : &none, .options = a->options},
        .copy = copy && strcmp(copy, "true") == 0};
    if (!vm || read_destination(c, a->dest, ret, e) < 0 ||
        (!ret->crosses && check_maps(c, a->vdi_map, a->vif_map, e) < 0))
        return -1;
    if (ret->copy && vm->power_state != VM_POWER_STATE_HALTED)
        return err_vm_bad_power_state(e, REF_TEXT(a->vm), "halted", states[vm->power_state]);
    return 0;
}

/* Another VM with disks of its own; where they go is for one SR to take. */
static int co_send_copy(struct call *c, const struct vm_migrate_send_args *a, struct ref *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct vm_copying copy = {.kind = VM_COPY_FULL, .source = a->vm};

    for (uint32_t i = 0; i < map_count(a->vdi_map); i++) {
        if (i > 0 && !ref_equal(copy.sr, a->vdi_map->e[i].v.r))
            return err_value_not_supported(e, "vdi_map", REF_TEXT(a->vdi_map->e[i].v.r),
                                           "a copy's disks go to one storage repository");
        copy.sr = a->vdi_map->e[i].v.r;
    }
    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_COPY, &op, e) < 0)
        return -1;
    copy.name = talloc_strdup(c->mem, text_of(db_vm(c->db, a->vm)->name_label));
    return co_vm_make_copy(c, &copy, ret, e);
}

static struct vm_crossing crossing_of(const struct vm_migrate_send_args *a, const struct sending *s)
{
    return (struct vm_crossing){.vm = a->vm,
                                .to = s->other,
                                .disks = a->vdi_map,
                                .nics = a->vif_map,
                                .options = a->options,
                                .copy = s->copy};
}

/* Which operation of the VM it is. */
static int operation_of(const struct sending *s)
{
    return s->copy ? VM_OPERATIONS_COPY : VM_OPERATIONS_MIGRATE_SEND;
}

static int co_send_across(struct call *c, const struct vm_migrate_send_args *a, const struct sending *s,
                          struct ref *ret, struct err *e)
{
    struct vm_crossing m = crossing_of(a, s);
    CLEANUP_OP struct op op = {0};

    return co_op_begin(c, CLASS_VM, a->vm, operation_of(s), &op, e) < 0 ? -1 : co_vm_cross(c, &m, ret, e);
}

int co_vm_migrate_send(struct call *c, const struct vm_migrate_send_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct sending s;

    if (read_sending(c, a, &s, e) < 0)
        return -1;
    if (s.crosses)
        return co_send_across(c, a, &s, &ret->r, e);
    if (s.copy)
        return co_send_copy(c, a, &ret->r, e);
    ret->r = a->vm;
    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_MIGRATE_SEND, &op, e) < 0)
        return -1;
    return co_vm_move(c, &s.move, e);
}

int co_vm_assert_can_migrate(struct call *c, const struct vm_assert_can_migrate_args *a, struct err *e)
{
    const struct vm_migrate_send_args send = {.vm = a->vm,
                                              .dest = a->dest,
                                              .vdi_map = a->vdi_map,
                                              .vif_map = a->vif_map,
                                              .options = a->options,
                                              .live = a->live};
    struct sending s;

    if (read_sending(c, &send, &s, e) < 0 ||
        op_check(c->db, &db_vm(c->db, a->vm)->row, operation_of(&s), e) < 0)
        return -1;
    if (s.crosses) {
        struct vm_crossing m = crossing_of(&send, &s);
        return co_vm_cross_check(c, &m, e);
    }
    return s.copy ? 0 : vm_move_check(c->x, c->mem, &s.move, e);
}
