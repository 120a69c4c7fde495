/* What of a VIF can be changed: its network, and which addresses may pass. */
#include <arpa/inet.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"

/* Errors: OPERATION_NOT_ALLOWED while the guest has it. */
static const struct vif *detached_vif(struct call *c, struct ref ref, struct err *e)
{
    const struct vif *vif = (const struct vif *)call_row(c, CLASS_VIF, ref, e);

    if (vif && vif->currently_attached) {
        err_operation_not_allowed(e, "NICs of a running VM cannot be changed");
        return NULL;
    }
    return vif;
}

int co_vif_move(struct call *c, const struct vif_move_args *a, struct err *e)
{
    if (!call_row(c, CLASS_NETWORK, a->network, e) || !detached_vif(c, a->self, e))
        return -1;
    return call_set_field(c, CLASS_VIF, a->self, VIF_F_NETWORK, (union value){.r = a->network}, e);
}

int co_vif_set_locking_mode(struct call *c, const struct vif_set_locking_mode_args *a, struct err *e)
{
    if (!detached_vif(c, a->self, e))
        return -1;
    return call_set_field(c, CLASS_VIF, a->self, VIF_F_LOCKING_MODE, (union value){.i = a->value}, e);
}

static bool is_address(int family, const char *text)
{
    unsigned char bytes[16];
    return inet_pton(family, text, bytes) == 1;
}

static int set_allowed(struct call *c, struct ref ref, int family, const struct set *value, struct err *e)
{
    for (uint32_t i = 0; i < set_count(value); i++)
        if (!is_address(family, value->v[i].s))
            return err_invalid_ip_address_specified(e, value->v[i].s);
    if (!detached_vif(c, ref, e))
        return -1;
    return call_set_field(c, CLASS_VIF, ref, family == AF_INET ? VIF_F_IPV4_ALLOWED : VIF_F_IPV6_ALLOWED,
                          (union value){.set = value}, e);
}

static int change_allowed(struct call *c, struct ref ref, int family, const char *value, bool add,
                          struct err *e)
{
    const struct vif *vif = (const struct vif *)call_row(c, CLASS_VIF, ref, e);

    if (!vif)
        return -1;
    const struct set *old = family == AF_INET ? vif->ipv4_allowed : vif->ipv6_allowed;
    return set_allowed(c, ref, family,
                       add ? set_with_string(c->mem, old, value) : set_without_string(c->mem, old, value), e);
}

int co_vif_set_ipv4_allowed(struct call *c, const struct vif_set_ipv4_allowed_args *a, struct err *e)
{
    return set_allowed(c, a->self, AF_INET, a->value, e);
}

int co_vif_add_ipv4_allowed(struct call *c, const struct vif_add_ipv4_allowed_args *a, struct err *e)
{
    return change_allowed(c, a->self, AF_INET, a->value, true, e);
}

int co_vif_remove_ipv4_allowed(struct call *c, const struct vif_remove_ipv4_allowed_args *a, struct err *e)
{
    return change_allowed(c, a->self, AF_INET, a->value, false, e);
}

int co_vif_set_ipv6_allowed(struct call *c, const struct vif_set_ipv6_allowed_args *a, struct err *e)
{
    return set_allowed(c, a->self, AF_INET6, a->value, e);
}

int co_vif_add_ipv6_allowed(struct call *c, const struct vif_add_ipv6_allowed_args *a, struct err *e)
{
    return change_allowed(c, a->self, AF_INET6, a->value, true, e);
}

int co_vif_remove_ipv6_allowed(struct call *c, const struct vif_remove_ipv6_allowed_args *a, struct err *e)
{
    return change_allowed(c, a->self, AF_INET6, a->value, false, e);
}
