/* host.power_on: switching on a machine that is off, and how that is to be done. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/log.h"
#include "net/wake.h"
#include "pool/plugin.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/plugin.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

#define MODE_WAKE "wake-on-lan"
#define FUNCTION "power_on"
#define SECRET_SUFFIX "_secret"

int co_host_set_power_on_mode(struct call *c, const struct host_set_power_on_mode_args *a, struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->self, e);

    if (!host)
        return -1;
    struct txn *t = db_begin(c->db);
    host_set_power_on_mode(t, host, a->power_on_mode);
    host_set_power_on_config(t, host, a->power_on_config);
    return db_commit(t, e);
}

/* ---- wake on LAN ---- */

static const struct pif *management_pif(struct db *db, struct ref host)
{
    FOREACH_REFERRER (db, pif, pif, PIF, HOST, host)
        if (pif->management)
            return pif;
    return NULL;
}

static const char *entry(const struct map *m, const char *key, const char *otherwise)
{
    const char *text = map_get(m, key);

    return text && *text ? text : otherwise;
}

/* That of all machines in the interface's network. */
static const char *broadcast_of(void *mem, const struct pif *pif)
{
    struct in_addr ip, mask;
    char text[INET_ADDRSTRLEN];

    if (!pif || inet_pton(AF_INET, text_of(pif->IP), &ip) != 1 ||
        inet_pton(AF_INET, text_of(pif->netmask), &mask) != 1)
        return "255.255.255.255";
    ip.s_addr |= ~mask.s_addr;
    return talloc_strdup(mem, inet_ntop(AF_INET, &ip, text, sizeof text));
}

static int wake(struct call *c, const struct host *host, struct err *e)
{
    const struct pif *pif = management_pif(c->db, host->row.ref);
    const char *mac = entry(host->power_on_config, "power_on_mac", pif ? text_of(pif->MAC) : ""),
               *to = entry(host->power_on_config, "power_on_ip", broadcast_of(c->mem, pif));
    long port = strtol(entry(host->power_on_config, "power_on_port", "9"), NULL, 10);

    if (port < 1 || port > 65535)
        return err_invalid_value(e, "power_on_port", "no port");
    int r = wake_send(mac, to, (uint16_t)port);
    if (r == -EINVAL)
        return err_invalid_value(e, "power_on_config", "no card or address that could be called");
    return r < 0 ? err_errno(e, r, "calling %s at %s", mac, to) : 0;
}

/* ---- programs of the administrator's ---- */

/* What is named as a secret is given as its value, under the name without the suffix. */
static int add_secret(struct call *c, struct map **args, const char *key, const char *uuid, struct err *e)
{
    const struct secret *s = (const struct secret *)db_get_by_uuid(c->db, CLASS_SECRET, uuid);
    size_t n = strlen(key) - strlen(SECRET_SUFFIX);

    if (!s)
        return err_uuid_invalid(e, "secret", uuid);
    *args = map_with(c->mem, *args, talloc_strndup(c->mem, key, n), talloc_strdup(c->mem, text_of(s->value)));
    return 0;
}

static bool names_secret(const char *key)
{
    size_t n = strlen(key), suffix = strlen(SECRET_SUFFIX);

    return n > suffix && strcmp(key + n - suffix, SECRET_SUFFIX) == 0;
}

static int make_args(struct call *c, const struct host *host, struct map **ret, struct err *e)
{
    const struct map *config = host->power_on_config;
    struct map *args = map_with(c->mem, NULL, "remote_host_uuid", talloc_strdup(c->mem, host->uuid));

    for (uint32_t i = 0; i < map_count(config); i++) {
        const char *key = config->e[i].k.s, *value = config->e[i].v.s;

        if (!names_secret(key))
            args = map_with(c->mem, args, talloc_strdup(c->mem, key), talloc_strdup(c->mem, value));
        else if (add_secret(c, &args, key, value, e) < 0)
            return -1;
    }
    *ret = args;
    return 0;
}

/* The program answers "True" when it has done it; what else it says is why not. */
static int co_run_program(struct call *c, const struct host *host, struct err *e)
{
    struct map *args;
    const char *answer;

    if (make_args(c, host, &args, e) < 0)
        return -1;
    struct plugin_call call = {.dir = host_plugin_dir(c->x),
                               .name = talloc_strdup(c->mem, host->power_on_mode),
                               .fn = FUNCTION,
                               .session = talloc_strdup(c->mem, REF_TEXT(c->session)),
                               .args = args};
    if (co_plugin_run(&call, c->mem, &answer, e) < 0)
        return -1;
    return strcmp(answer, "True") == 0 ? 0 : err_internal(e, "the host was not switched on: %.200s", answer);
}

/* ---- the message ---- */

int co_host_power_on(struct call *c, const struct host_power_on_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_HOST, a->host, HOST_ALLOWED_OPERATIONS_POWER_ON, &op, e) < 0)
        return -1;
    const struct host *host = db_host(c->db, a->host);
    const char *mode = text_of(host->power_on_mode);
    if (!*mode)
        return err_host_power_on_mode_disabled(e);
    log_info("host %s is to be switched on by %s", host->uuid, mode);
    return strcmp(mode, MODE_WAKE) == 0 ? wake(c, host, e) : co_run_program(c, host, e);
}
