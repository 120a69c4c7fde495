/* host.call_plugin and call_extension: the administrator's programs, run on the host. */
#include "xapid/host/plugin.h"
#include "pool/extension.h"
#include "pool/plugin.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

static const char default_dir[] = XAPID_SYSCONFDIR "/xapi.d/plugins";
static const char extensions[] = XAPID_SYSCONFDIR "/xapi.d/extensions";

const char *host_plugin_dir(const struct xapid *x)
{
    return x->options.plugin_dir ? x->options.plugin_dir : default_dir;
}

int co_host_call_plugin(struct call *c, const struct host_call_plugin_args *a, union value *ret,
                        struct err *e)
{
    struct plugin_call call = {.dir = host_plugin_dir(c->x),
                               .name = a->plugin,
                               .fn = a->fn,
                               .session = REF_TEXT(c->session),
                               .args = a->args};

    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    return co_plugin_run(&call, c->mem, &ret->s, e);
}

static const char *extension_dir(const struct call *c)
{
    return c->x->options.extension_dir ? c->x->options.extension_dir : extensions;
}

int co_host_call_extension(struct call *c, const struct host_call_extension_args *a, union value *ret,
                           struct err *e)
{
    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    return co_extension_run(extension_dir(c), a->call, c->mem, &ret->s, e);
}

int co_host_has_extension(struct call *c, const struct host_has_extension_args *a, union value *ret,
                          struct err *e)
{
    ret->b = extension_is_there(extension_dir(c), a->name);
    return call_row(c, CLASS_HOST, a->host, e) ? 0 : -1;
}

/* Hosts of a pool are meant to have the same ones. */
int co_pool_has_extension(struct call *c, const struct pool_has_extension_args *a, union value *ret,
                          struct err *e)
{
    ret->b = extension_is_there(extension_dir(c), a->name);
    return call_row(c, CLASS_POOL, a->self, e) ? 0 : -1;
}
