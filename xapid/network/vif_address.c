#include "xapid/network/vif_address.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/network/mac.h"
#include "xapid/reftext.h"

enum { END_MS = 60 * 1000, ADDRESSES_MAX = 64 };

/* ---- addresses ---- */

static bool is_address(int family, const char *text)
{
    unsigned char bytes[16];

    return inet_pton(family, text, bytes) == 1;
}

static bool is_cidr(int family, const char *text)
{
    CLEANUP_TALLOC char *address = talloc_strndup(NULL, text, strcspn(text, "/"));
    const char *length = text[strlen(address)] == '/' ? text + strlen(address) + 1 : "";
    char *end;
    unsigned long bits = strtoul(length, &end, 10);

    return is_address(family, address) && *length >= '0' && *length <= '9' && *end == '\0' &&
           bits <= (family == AF_INET ? 32UL : 128UL);
}

/* ---- what is wanted ---- */

/* One family's of a VIF. */
struct wanted {
    bool is_static;
    int family;
    const char *address, *gateway; /* "a.b.c.d/24"; "": none */
};

static const char *first_of(const struct set *s)
{
    return set_count(s) > 0 ? text_of(s->v[0].s) : "";
}

static struct wanted wanted_of(const struct vif *vif, int family)
{
    if (family == AF_INET)
        return (struct wanted){vif->ipv4_configuration_mode == VIF_IPV4_CONFIGURATION_MODE_STATIC, family,
                               first_of(vif->ipv4_addresses), text_of(vif->ipv4_gateway)};
    return (struct wanted){vif->ipv6_configuration_mode == VIF_IPV6_CONFIGURATION_MODE_STATIC, family,
                           first_of(vif->ipv6_addresses), text_of(vif->ipv6_gateway)};
}

static bool same_address(int family, const char *a, const char *b)
{
    unsigned char x[16] = {0}, y[16] = {0};

    return inet_pton(family, a, x) == 1 && inet_pton(family, b, y) == 1 && memcmp(x, y, sizeof x) == 0;
}

/* Does the guest say that it has it? */
static bool has_address(const struct vif *vif, const struct wanted *w, const struct map *networks)
{
    CLEANUP_TALLOC char *address = talloc_strndup(NULL, w->address, strcspn(w->address, "/"));
    char key[32];

    for (unsigned i = 0; i < ADDRESSES_MAX; i++) {
        snprintf(key, sizeof key, "%s/ipv%c/%u", vif->device, w->family == AF_INET ? '4' : '6', i);
        const char *there = map_get(networks, key);
        if (there && same_address(w->family, there, address))
            return true;
    }
    return false;
}

/* ---- the script ---- */

/* The interface itself, not one that it is a part of, as with bridges in the guest it may be. */
static void write_head(struct buf *out, const char *mac)
{
    buf_printf(
        out,
        "mac=%s dev= n=0\n"
        "while [ -z \"$dev\" ] && [ $n -lt 20 ]; do\n"
        "  for d in /sys/class/net/*; do\n"
        "    [ \"$(cat \"$d/address\" 2>/dev/null)\" = $mac ] && [ ! -e \"$d/master\" ] && dev=${d##*/}\n"
        "  done\n"
        "  [ -n \"$dev\" ] || sleep 1\n"
        "  n=$((n + 1))\n"
        "done\n"
        "[ -n \"$dev\" ] || { echo \"no interface has the address $mac\" >&2; exit 1; }\n"
        "set -e\n"
        "ip link set dev \"$dev\" up\n",
        mac);
}

static void write_family(struct buf *out, const struct wanted *w)
{
    char four = w->family == AF_INET ? '4' : '6';

    buf_printf(out, "ip -%c addr flush dev \"$dev\" scope global\nip -%c addr add %s dev \"$dev\"\n", four,
               four, w->address);
    if (*w->gateway)
        buf_printf(out, "ip -%c route replace default via %s dev \"$dev\"\n", four, w->gateway);
}

/* Records may also come from elsewhere, with a VM that is imported. */
static bool is_usable(const struct vif *vif, const struct wanted *w)
{
    return mac_is_valid(text_of(vif->MAC)) && is_cidr(w->family, w->address) &&
           (!*w->gateway || is_address(w->family, w->gateway));
}

/* False when nothing is to be done about the VIF. */
static bool write_script(struct buf *out, const struct vif *vif, const struct map *networks, bool all)
{
    static const int families[] = {AF_INET, AF_INET6};
    bool any = false;

    for (unsigned i = 0; i < 2 && vif->currently_attached; i++) {
        struct wanted w = wanted_of(vif, families[i]);
        if (!w.is_static || !is_usable(vif, &w) || (!all && has_address(vif, &w, networks)))
            continue;
        if (!any)
            write_head(out, text_of(vif->MAC));
        write_family(out, &w);
        any = true;
    }
    return any;
}

/* ---- telling the guest ---- */

/* The scripts of a guest's VIFs, one after the other. */
struct job {
    struct xapid *x;
    struct ref vm;
    unsigned n;
    char *script[];
};

static void co_tell(struct job *job, const char *script)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    struct hv_command command = {.path = "/bin/sh", .input = script};
    struct hv_command_result result = {0};
    const struct vm *vm = db_vm(job->x->db, job->vm);
    const char *uuid = vm ? talloc_strdup(mem, vm->uuid) : NULL;
    struct agent *agent = vm ? vm_agent(job->x, job->vm, &e) : NULL;

    if (agent && co_agent_vm_command(agent, uuid, &command, clock_in_ms(END_MS), mem, &result, &e) < 0)
        log_warning("the guest of VM %s is not told its addresses: %s", uuid, err_text(mem, &e));
    else if (result.status != 0)
        log_warning("the guest of VM %s does not take its addresses: %s", uuid, result.err);
}

static void co_tell_all(void *arg)
{
    struct job *job = arg;

    for (unsigned i = 0; i < job->n; i++)
        co_tell(job, job->script[i]);
    talloc_free(job);
}

void vif_addresses_apply(struct xapid *x, const struct vm *vm, bool all)
{
    const struct vm_guest_metrics *m = db_vm_guest_metrics(x->db, vm->guest_metrics);
    CLEANUP_TALLOC const struct set *vifs = db_referrers(x->db, NULL, CLASS_VIF, VIF_F_VM, vm->row.ref);
    unsigned n = set_count(vifs);
    struct job *job;

    /* Whoever comes later says of itself that it is there. */
    if (!m || !m->live || vm->power_state != VM_POWER_STATE_RUNNING || n == 0)
        return;
    job = talloc_zero_size(NULL, sizeof *job + n * sizeof *job->script);
    *job = (struct job){.x = x, .vm = vm->row.ref};
    for (unsigned i = 0; i < n; i++) {
        CLEANUP_BUF struct buf script = {0};
        const struct vif *vif = db_vif(x->db, vifs->v[i].r);
        if (vif && write_script(&script, vif, m->networks, all))
            job->script[job->n++] = talloc_strdup(job, buf_cstr(&script));
    }
    if (job->n > 0)
        fiber_spawn("addresses of a guest", co_tell_all, job);
    else
        talloc_free(job);
}

/* ---- messages ---- */

static int check(int family, bool is_static, const char *address, const char *gateway, struct err *e)
{
    if (!is_static)
        return 0;
    if (!is_cidr(family, address))
        return err_invalid_cidr_address_specified(e, "address");
    return *gateway && !is_address(family, gateway) ? err_invalid_ip_address_specified(e, "gateway") : 0;
}

static const struct set *only(void *ctx, const char *address)
{
    return set_with_string(ctx, NULL, address);
}

static void tell_guest(struct call *c, struct ref ref)
{
    const struct vif *vif = db_vif(c->db, ref);
    const struct vm *vm = vif ? db_vm(c->db, vif->VM) : NULL;

    if (vm)
        vif_addresses_apply(c->x, vm, true);
}

int co_vif_configure_ipv4(struct call *c, const struct vif_configure_ipv4_args *a, struct err *e)
{
    const struct vif *vif = (const struct vif *)call_row(c, CLASS_VIF, a->self, e);
    bool is_static = a->mode == VIF_IPV4_CONFIGURATION_MODE_STATIC;

    if (!vif || check(AF_INET, is_static, a->address, a->gateway, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    vif_set_ipv4_configuration_mode(t, vif, a->mode);
    vif_set_ipv4_addresses(t, vif, is_static ? only(c->mem, a->address) : NULL);
    vif_set_ipv4_gateway(t, vif, is_static ? a->gateway : "");
    if (db_commit(t, e) < 0)
        return -1;
    tell_guest(c, a->self);
    return 0;
}

int co_vif_configure_ipv6(struct call *c, const struct vif_configure_ipv6_args *a, struct err *e)
{
    const struct vif *vif = (const struct vif *)call_row(c, CLASS_VIF, a->self, e);
    bool is_static = a->mode == VIF_IPV6_CONFIGURATION_MODE_STATIC;

    if (!vif || check(AF_INET6, is_static, a->address, a->gateway, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    vif_set_ipv6_configuration_mode(t, vif, a->mode);
    vif_set_ipv6_addresses(t, vif, is_static ? only(c->mem, a->address) : NULL);
    vif_set_ipv6_gateway(t, vif, is_static ? a->gateway : "");
    if (db_commit(t, e) < 0)
        return -1;
    tell_guest(c, a->self);
    return 0;
}
