#include "hv/qemu/agent_facts.h"
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "lib/mem.h"
#include "lib/utf8.h"
#include "model/model.h"

#define TEXT_MAX 255
#define ADDRESSES_MAX 16 /* of each family and interface */
#define INTERFACES_MAX 256

static const char *copy_text(void *ctx, const char *text, size_t n)
{
    char *copy = talloc_strndup(ctx, text, n);

    if (!copy)
        mem_abort();
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    return copy;
}

const char *agent_facts_text(void *ctx, const json_t *v)
{
    const char *text = json_string_value(v);
    size_t n = 0;

    if (!text || !text[0])
        return NULL;
    for (size_t left = strlen(text); left > 0;) {
        size_t step = utf8_next(text + n, left);

        if (step == 0 || n + step > TEXT_MAX)
            break;
        n += step;
        left -= step;
    }
    return copy_text(ctx, text, n);
}

static const struct map *with(void *ctx, const struct map *m, const char *key, const char *text)
{
    return text ? map_with(ctx, m, key, text) : m;
}

/* "12.5" as major "12" and minor "5". */
static const struct map *with_version(void *ctx, const struct map *m, const char *version)
{
    size_t n = version ? strcspn(version, ".") : 0;

    if (n == 0)
        return m;
    m = with(ctx, m, "major", copy_text(ctx, version, n));
    return version[n] == '.' ? with(ctx, m, "minor", version + n + 1) : m;
}

const struct map *agent_facts_os(void *ctx, const json_t *osinfo)
{
    const struct map *m = NULL;

    m = with(ctx, m, "name", agent_facts_text(ctx, json_object_get(osinfo, "pretty-name")));
    m = with(ctx, m, "distro", agent_facts_text(ctx, json_object_get(osinfo, "id")));
    m = with(ctx, m, "uname", agent_facts_text(ctx, json_object_get(osinfo, "kernel-release")));
    return with_version(ctx, m, agent_facts_text(ctx, json_object_get(osinfo, "version-id")));
}

/* ---- addresses ---- */

static const struct agent_nic_name *find_nic(const json_t *interface, const struct agent_nic_name *nics,
                                             unsigned n)
{
    const char *mac = json_string_value(json_object_get(interface, "hardware-address"));

    for (unsigned i = 0; mac && i < n; i++)
        if (strcasecmp(mac, nics[i].mac) == 0)
            return &nics[i];
    return NULL;
}

/* An address in its usual spelling, and its family; false when it is none. */
static bool parse_address(const json_t *entry, char text[INET6_ADDRSTRLEN], int *family)
{
    const char *said = json_string_value(json_object_get(entry, "ip-address"));
    struct in6_addr bytes;

    if (!said)
        return false;
    *family = strchr(said, ':') ? AF_INET6 : AF_INET;
    return inet_pton(*family, said, &bytes) == 1 && inet_ntop(*family, &bytes, text, INET6_ADDRSTRLEN);
}

static const struct map *with_interface(void *ctx, const struct map *m, unsigned device,
                                        const json_t *addresses)
{
    unsigned n4 = 0, n6 = 0;
    const json_t *entry;
    size_t i;

    json_array_foreach (addresses, i, entry) {
        char text[INET6_ADDRSTRLEN], key[40];
        int family;
        unsigned *n;

        if (!parse_address(entry, text, &family))
            continue;
        n = family == AF_INET ? &n4 : &n6;
        if (*n >= ADDRESSES_MAX)
            continue;
        snprintf(key, sizeof key, "%u/%s/%u", device, family == AF_INET ? "ipv4" : "ipv6", (*n)++);
        m = with(ctx, m, key, text);
        snprintf(key, sizeof key, "%u/ip", device);
        if (family == AF_INET && n4 == 1)
            m = with(ctx, m, key, text);
    }
    return m;
}

const struct map *agent_facts_addresses(void *ctx, const json_t *interfaces,
                                        const struct agent_nic_name *nics, unsigned n_nics)
{
    const struct map *m = NULL;
    const json_t *entry;
    size_t i;

    json_array_foreach (interfaces, i, entry) {
        const struct agent_nic_name *nic = i < INTERFACES_MAX ? find_nic(entry, nics, n_nics) : NULL;

        if (nic)
            m = with_interface(ctx, m, nic->device, json_object_get(entry, "ip-addresses"));
    }
    return m;
}

/* ---- comparing, copying ---- */

static bool text_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool map_equal(const struct map *a, const struct map *b)
{
    return value_equal(&model_type_string_map, (union value){.map = a}, (union value){.map = b});
}

bool agent_facts_equal(const struct hv_guest_info *a, const struct hv_guest_info *b)
{
    return map_equal(a->addresses, b->addresses) && map_equal(a->os, b->os) &&
           text_equal(a->agent_version, b->agent_version) && text_equal(a->hostname, b->hostname);
}

static const struct map *map_copy(void *ctx, const struct map *m)
{
    return m ? value_copy(ctx, &model_type_string_map, (union value){.map = m}).map : NULL;
}

static const char *text_copy(void *ctx, const char *text)
{
    return text ? copy_text(ctx, text, strlen(text)) : NULL;
}

void agent_facts_copy(void *ctx, const struct hv_guest_info *from, struct hv_guest_info *to)
{
    to->addresses = map_copy(ctx, from->addresses);
    to->os = map_copy(ctx, from->os);
    to->agent_version = text_copy(ctx, from->agent_version);
    to->hostname = text_copy(ctx, from->hostname);
}
