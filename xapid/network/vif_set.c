/*
 * What of a VIF can be changed, also while its guest has it: its network, and which addresses may pass. The
 * guest notices nothing: its tap goes to another bridge, or gets other rules (net/filter.h).
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/buf.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/network/vif.h"
#include "xapid/op.h"
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/spec.h"
#include "xapid/vm/vm.h"

/* ---- NICs of guests that are up ---- */

/* Wait until neither the VIF nor its VM's guest is being changed. The row, or NULL with *e filled. */
static const struct vif *co_wait_turn(struct db *db, struct ref ref, struct err *e)
{
    const struct vif *vif;
    const struct vm *vm;
    int r = 0;

    while ((vif = db_vif(db, ref)) && (vm = db_vm(db, vif->VM)) &&
           (map_count(vif->current_operations) > 0 ||
            op_current_has(vm->current_operations, lifecycle_operations()))) {
        r = co_op_wait_others(CLASS_VM, vif->VM, lifecycle_operations(), NULL);
        if (r == 0)
            r = co_op_wait_others(CLASS_VIF, ref, UINT64_MAX, NULL);
        if (r < 0) {
            err_errno(e, r, "VIF %s", REF_TEXT(ref));
            return NULL;
        }
    }
    if (!vif)
        err_handle_invalid(e, "VIF", REF_TEXT(ref));
    return vif;
}

static int co_apply(struct xapid *x, struct ref vm_ref, const struct agent_nic *nic, struct err *e)
{
    const struct vm *vm = db_vm(x->db, vm_ref);
    char uuid[UUID_TEXT_SIZE];

    if (!vm)
        return 0;
    memcpy(uuid, vm->uuid, sizeof uuid);
    struct agent *agent = vm_agent(x, vm_ref, e);
    return agent ? co_agent_change_nic(agent, uuid, nic, e) : -1;
}

static void co_apply_again(struct xapid *x, struct ref vm, const struct agent_nic *nic)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (co_apply(x, vm, nic, &e) < 0)
        log_warning("NIC %s is not as its row says: %s", nic->vif_uuid, err_text(mem, &e));
    fiber_unmask_cancel();
}

struct restoring {
    struct xapid *x;
    struct ref host;
};

static void co_restore_one(struct xapid *x, struct ref ref)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    CLEANUP_OP struct op op = {0};
    const struct vif *vif = co_wait_turn(x->db, ref, &e);
    struct agent_nic nic;

    if (!vif || !vif->currently_attached || !vm_is_up(db_vm(x->db, vif->VM)) ||
        !db_network(x->db, vif->network))
        return;
    op_mark(x->db, CLASS_VIF, ref, VIF_OPERATIONS_ATTACH, REF_NULL, &op);
    vm_describe_nic(x, mem, vif, &nic);
    co_apply_again(x, vif->VM, &nic);
}

static void co_restore(void *arg)
{
    struct restoring *r = arg;
    CLEANUP_BUF struct buf refs = {0};

    DB_FOREACH_VIF (r->x->db, vif) {
        const struct vm *vm = db_vm(r->x->db, vif->VM);
        if (vif->currently_attached && vm_is_up(vm) && ref_equal(vm->resident_on, r->host))
            buf_add(&refs, &vif->row.ref, sizeof vif->row.ref);
    }
    for (size_t i = 0; i < refs.len / sizeof(struct ref); i++)
        co_restore_one(r->x, ((struct ref *)(void *)refs.data)[i]);
    free(r);
}

void vif_restore(struct xapid *x, struct ref host)
{
    struct restoring *r = mem_zalloc(sizeof *r);

    *r = (struct restoring){x, host};
    fiber_spawn("NICs as their rows say", co_restore, r);
}

/* ---- a change of one field ---- */

struct change {
    unsigned field;
    union value value;
};

static void alter(struct vif *vif, const struct change *change)
{
    switch (change->field) {
    case VIF_F_NETWORK:
        vif->network = change->value.r;
        break;
    case VIF_F_LOCKING_MODE:
        vif->locking_mode = (enum vif_locking_mode)change->value.i;
        break;
    case VIF_F_IPV4_ALLOWED:
        vif->ipv4_allowed = change->value.set;
        break;
    case VIF_F_IPV6_ALLOWED:
        vif->ipv6_allowed = change->value.set;
        break;
    }
}

/* Do it to the guest's NIC, then to the row. A daemon that dies in between leaves it to vif_restore. */
static int co_change_attached(struct call *c, const struct vif *vif, const struct change *change,
                              struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct ref ref = vif->row.ref, vm = vif->VM;
    struct vif altered = *vif;
    struct agent_nic before, after;

    alter(&altered, change);
    vm_describe_nic(c->x, c->mem, vif, &before);
    vm_describe_nic(c->x, c->mem, &altered, &after);
    op_mark(c->db, CLASS_VIF, ref, VIF_OPERATIONS_ATTACH, c->task, &op);
    if (co_apply(c->x, vm, &after, e) == 0 &&
        call_set_field(c, CLASS_VIF, ref, change->field, change->value, e) == 0)
        return 0;
    co_apply_again(c->x, vm, &before);
    return -1;
}

static int co_change(struct call *c, struct ref ref, unsigned field, union value value, struct err *e)
{
    const struct change change = {field, value};
    const struct vif *vif = co_wait_turn(c->db, ref, e);
    const struct vm *vm = vif ? db_vm(c->db, vif->VM) : NULL;

    if (!vif)
        return -1;
    if (!vif->currently_attached || !vm_is_up(vm))
        return call_set_field(c, CLASS_VIF, ref, field, value, e);
    if (field == VIF_F_NETWORK && placement_check_network(c->x, vm, value.r, vm->resident_on, e) < 0)
        return -1;
    return co_change_attached(c, vif, &change, e);
}

int co_vif_move(struct call *c, const struct vif_move_args *a, struct err *e)
{
    if (!call_row(c, CLASS_NETWORK, a->network, e))
        return -1;
    return co_change(c, a->self, VIF_F_NETWORK, (union value){.r = a->network}, e);
}

int co_vif_set_locking_mode(struct call *c, const struct vif_set_locking_mode_args *a, struct err *e)
{
    return co_change(c, a->self, VIF_F_LOCKING_MODE, (union value){.i = a->value}, e);
}

/* ---- addresses ---- */

static bool is_address(int family, const char *text)
{
    unsigned char bytes[16];
    return inet_pton(family, text, bytes) == 1;
}

int vif_check_addresses(int family, const struct set *addresses, struct err *e)
{
    for (uint32_t i = 0; i < set_count(addresses); i++)
        if (!is_address(family, addresses->v[i].s))
            return err_invalid_ip_address_specified(e, addresses->v[i].s);
    return 0;
}

static int co_set_allowed(struct call *c, struct ref ref, int family, const struct set *value, struct err *e)
{
    if (vif_check_addresses(family, value, e) < 0)
        return -1;
    return co_change(c, ref, family == AF_INET ? VIF_F_IPV4_ALLOWED : VIF_F_IPV6_ALLOWED,
                     (union value){.set = value}, e);
}

static int co_change_allowed(struct call *c, struct ref ref, int family, const char *value, bool add,
                             struct err *e)
{
    const struct vif *vif = (const struct vif *)call_row(c, CLASS_VIF, ref, e);

    if (!vif)
        return -1;
    const struct set *old = family == AF_INET ? vif->ipv4_allowed : vif->ipv6_allowed;
    return co_set_allowed(c, ref, family,
                          add ? set_with_string(c->mem, old, value) : set_without_string(c->mem, old, value),
                          e);
}

int co_vif_set_ipv4_allowed(struct call *c, const struct vif_set_ipv4_allowed_args *a, struct err *e)
{
    return co_set_allowed(c, a->self, AF_INET, a->value, e);
}

int co_vif_add_ipv4_allowed(struct call *c, const struct vif_add_ipv4_allowed_args *a, struct err *e)
{
    return co_change_allowed(c, a->self, AF_INET, a->value, true, e);
}

int co_vif_remove_ipv4_allowed(struct call *c, const struct vif_remove_ipv4_allowed_args *a, struct err *e)
{
    return co_change_allowed(c, a->self, AF_INET, a->value, false, e);
}

int co_vif_set_ipv6_allowed(struct call *c, const struct vif_set_ipv6_allowed_args *a, struct err *e)
{
    return co_set_allowed(c, a->self, AF_INET6, a->value, e);
}

int co_vif_add_ipv6_allowed(struct call *c, const struct vif_add_ipv6_allowed_args *a, struct err *e)
{
    return co_change_allowed(c, a->self, AF_INET6, a->value, true, e);
}

int co_vif_remove_ipv6_allowed(struct call *c, const struct vif_remove_ipv6_allowed_args *a, struct err *e)
{
    return co_change_allowed(c, a->self, AF_INET6, a->value, false, e);
}
