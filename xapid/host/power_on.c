/* host.power_on: switching on a machine that is off, and how that is to be done. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "net/ipmi.h"
#include "net/wake.h"
#include "pool/plugin.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/plugin.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

#define MODE_WAKE "wake-on-lan"
#define MODE_IPMI "IPMI"
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

/* ---- secrets ---- */

/* What is named as a secret is the uuid of one: its value, on the call's memory. */
static const char *secret_value(struct call *c, const char *uuid, struct err *e)
{
    const struct secret *s = (const struct secret *)db_get_by_uuid(c->db, CLASS_SECRET, uuid);

    if (!s)
        err_uuid_invalid(e, "secret", uuid);
    return s ? talloc_strdup(c->mem, text_of(s->value)) : NULL;
}

static bool names_secret(const char *key)
{
    size_t n = strlen(key), suffix = strlen(SECRET_SUFFIX);

    return n > suffix && strcmp(key + n - suffix, SECRET_SUFFIX) == 0;
}

static int read_timeout(const struct host *host, int *ret_ms, struct err *e)
{
    long seconds = strtol(entry(host->power_on_config, "power_on_timeout", "60"), NULL, 10);

    if (seconds < 1 || seconds > 3600)
        return err_invalid_value(e, "power_on_timeout", "no number of seconds up to an hour");
    *ret_ms = (int)seconds * 1000;
    return 0;
}

/* ---- IPMI ---- */

static const char *copy(struct call *c, const struct host *host, const char *key)
{
    const char *text = entry(host->power_on_config, key, NULL);

    return text ? talloc_strdup(c->mem, text) : NULL;
}

static int read_controller(struct call *c, const struct host *host, struct ipmi_controller *ret,
                           struct err *e)
{
    const char *secret = entry(host->power_on_config, "power_on_password" SECRET_SUFFIX, NULL);

    *ret = (struct ipmi_controller){.address = copy(c, host, "power_on_ip"),
                                    .port = copy(c, host, "power_on_port"),
                                    .interface = copy(c, host, "power_on_interface"),
                                    .user = copy(c, host, "power_on_user"),
                                    .password = secret ? secret_value(c, secret, e) : ""};
    if (!ret->password)
        return -1;
    return ret->address
               ? 0
               : err_invalid_value(e, "power_on_ip", "the address of the host's controller is missing");
}

static int co_ipmi(struct call *c, const struct host *host, struct err *e)
{
    struct ipmi_controller controller;
    struct proc_result said = {0};
    int timeout;

    if (read_timeout(host, &timeout, e) < 0 || read_controller(c, host, &controller, e) < 0)
        return -1;
    int r = co_ipmi_power_on(&controller, clock_in_ms(timeout), &said);
    if (r == -ENOENT)
        err_internal(e, "ipmitool is not installed on the coordinator");
    else if (r == -ETIMEDOUT)
        err_internal(e, "the controller at %s has not answered in time", controller.address);
    else if (r < 0)
        err_errno(e, r, "running ipmitool");
    else if (said.status != 0)
        err_xenapi_plugin_failure(e, "non-zero exit", buf_cstr(&said.out), buf_cstr(&said.err));
    proc_result_free(&said);
    return err_is_set(e) ? -1 : 0;
}

/* ---- programs of the administrator's ---- */

/* The arguments, which everybody on the machine can read, and the secrets, a line each: "name=value" by the
 * name without the suffix. */
static int split_config(struct call *c, const struct host *host, struct map **ret, const char **ret_secrets,
                        struct err *e)
{
    const struct map *config = host->power_on_config;
    struct map *args = map_with(c->mem, NULL, "remote_host_uuid", talloc_strdup(c->mem, host->uuid));
    char *secrets = talloc_strdup(c->mem, "");

    for (uint32_t i = 0; i < map_count(config); i++) {
        const char *key = config->e[i].k.s, *value = config->e[i].v.s;
        const char *secret = names_secret(key) ? secret_value(c, value, e) : "";

        if (!secret)
            return -1;
        if (names_secret(key))
            secrets = talloc_asprintf_append(secrets, "%.*s=%s\n", (int)(strlen(key) - strlen(SECRET_SUFFIX)),
                                             key, secret);
        else
            args = map_with(c->mem, args, talloc_strdup(c->mem, key), talloc_strdup(c->mem, value));
    }
    *ret = args;
    *ret_secrets = secrets;
    return 0;
}

/* The program answers "True" when it has done it; what else it says is why not. */
static int co_run_program(struct call *c, const struct host *host, struct err *e)
{
    struct map *args;
    struct plugin_call call = {.dir = host_plugin_dir(c->x),
                               .name = talloc_strdup(c->mem, host->power_on_mode),
                               .fn = FUNCTION,
                               .session = talloc_strdup(c->mem, REF_TEXT(c->session))};
    const char *answer;

    if (read_timeout(host, &call.timeout_ms, e) < 0 || split_config(c, host, &args, &call.input, e) < 0)
        return -1;
    call.args = args;
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
    if (strcmp(mode, MODE_WAKE) == 0)
        return wake(c, host, e);
    bool own = strcmp(mode, MODE_IPMI) == 0 && !plugin_is_there(host_plugin_dir(c->x), mode);
    return own ? co_ipmi(c, host, e) : co_run_program(c, host, e);
}
