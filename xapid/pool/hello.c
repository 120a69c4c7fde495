#include "xapid/pool/hello.h"
#include <errno.h>
#include <string.h>
#include <talloc.h>

#define TEXT(name) CODEC_FIELD_TEXT(struct host_machine_facts, name)
#define INT(name) CODEC_FIELD_INT(struct host_machine_facts, name)

static const struct codec_field interface_fields[] = {
    CODEC_FIELD_TEXT(struct net_interface, name),
    CODEC_FIELD_TEXT(struct net_interface, mac),
    CODEC_FIELD_TEXT(struct net_interface, ip),
    CODEC_FIELD_TEXT(struct net_interface, netmask),
    CODEC_FIELD_TEXT(struct net_interface, ipv6),
    CODEC_FIELD_INT(struct net_interface, mtu),
    CODEC_FIELD_BOOL(struct net_interface, up),
    CODEC_FIELD_BOOL(struct net_interface, loopback),
    {0},
};
static const struct codec_type interface_type = CODEC_TYPE(struct net_interface, interface_fields);

static const struct codec_field interfaces_fields[] = {
    CODEC_FIELD_ARRAY(struct net_interfaces, v, n, &interface_type),
    {0},
};
static const struct codec_type interfaces_type = CODEC_TYPE(struct net_interfaces, interfaces_fields);

static const struct codec_field machine_fields[] = {
    TEXT(hostname),
    TEXT(address),
    TEXT(interface),
    TEXT(version),
    TEXT(kernel),
    TEXT(hypervisor),
    TEXT(hypervisor_version),
    TEXT(accelerator),
    TEXT(cpu_vendor),
    TEXT(cpu_model_name),
    TEXT(cpu_family),
    TEXT(cpu_model),
    TEXT(cpu_stepping),
    TEXT(cpu_flags),
    TEXT(cpu_features),
    TEXT(server_certificate),
    CODEC_FIELD_BOOL(struct host_machine_facts, verification_off),
    CODEC_FIELD_POINTER(struct host_machine_facts, interfaces, &interfaces_type),
    INT(cpu_mhz),
    INT(cpus),
    INT(memory_total),
    {0},
};
static const struct codec_type machine_type = CODEC_TYPE(struct host_machine_facts, machine_fields);

static const struct codec_field hello_fields[] = {
    CODEC_FIELD_INT(struct hello, generation),
    CODEC_FIELD_STRUCT(struct hello, machine, &machine_type),
    CODEC_FIELD_ARRAY(struct hello, guests, n_guests, &codec_agent_guest),
    {0},
};
static const struct codec_type hello_type = CODEC_TYPE(struct hello, hello_fields);

/* ---- writing ---- */

struct list {
    void *mem;
    struct agent_guest *v;
    unsigned n;
};

static void add_guest(const char *uuid, const struct hv_vm_facts *f, void *arg)
{
    struct list *l = arg;

    if (l->n % 64 == 0)
        l->v = talloc_realloc(l->mem, l->v, struct agent_guest, l->n + 64);
    l->v[l->n] = (struct agent_guest){.facts = *f};
    memcpy(l->v[l->n++].uuid, uuid, UUID_TEXT_SIZE);
}

int co_hello_write(struct xapid *x, uint64_t generation, struct buf *out, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct hello h = {.generation = (int64_t)generation};
    struct list guests = {.mem = mem};

    if (co_agent_vm_list(x->agent, add_guest, &guests, e) < 0)
        return -1;
    host_machine_facts(x, mem, &h.machine);
    h.guests = guests.v;
    h.n_guests = guests.n;
    json_t *j = codec_encode(&hello_type, &h);
    if (!j)
        return err_internal(e, "this host's description is no UTF-8");
    codec_write(out, j);
    return 0;
}

int machine_write(struct xapid *x, struct buf *out)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct host_machine_facts facts;

    host_machine_facts(x, mem, &facts);
    json_t *j = codec_encode(&machine_type, &facts);
    if (!j)
        return -EINVAL;
    codec_write(out, j);
    return 0;
}

/* ---- reading ---- */

/* A text that a version does not say is an empty one. */
static void fill_texts(struct host_machine_facts *f)
{
    for (const struct codec_field *t = machine_fields; t->name; t++) {
        const char **text = (const char **)(void *)((char *)f + t->offset);
        if (t->kind == CODEC_TEXT && !*text)
            *text = "";
    }
}

static bool interface_makes_sense(const struct net_interface *i)
{
    return i->name && *i->name && i->mac && i->ip && i->netmask && i->ipv6 && i->mtu >= 0;
}

static bool makes_sense(const struct host_machine_facts *m)
{
    for (unsigned i = 0; m->interfaces && i < m->interfaces->n; i++)
        if (!interface_makes_sense(&m->interfaces->v[i]))
            return false;
    return m->cpus >= 0 && m->cpus <= 4096 && m->cpu_mhz >= 0 && m->memory_total >= 0;
}

int hello_read(void *mem, const char *bytes, size_t n, struct hello *ret, struct err *e)
{
    json_t *j = codec_parse(bytes, n, e);
    int r = j ? codec_decode(&hello_type, j, mem, ret, e) : -1;

    json_decref(j);
    if (r == 0 && (ret->generation < 0 || !makes_sense(&ret->machine)))
        r = err_internal(e, "a greeting makes no sense");
    if (r == 0)
        fill_texts(&ret->machine);
    return r;
}

int machine_read(void *mem, const char *bytes, size_t n, struct host_machine_facts *ret, struct err *e)
{
    json_t *j = codec_parse(bytes, n, e);
    int r = j ? codec_decode(&machine_type, j, mem, ret, e) : -1;

    json_decref(j);
    if (r == 0 && !makes_sense(ret))
        r = err_internal(e, "what a host says of itself makes no sense");
    if (r == 0)
        fill_texts(ret);
    return r;
}
