/* host.call_plugin: the administrator's programs, run on the host. */
#include "pool/plugin.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

static const char default_dir[] = XAPID_SYSCONFDIR "/xapi.d/plugins";

int co_host_call_plugin(struct call *c, const struct host_call_plugin_args *a, union value *ret,
                        struct err *e)
{
    struct plugin_call call = {.dir = c->x->options.plugin_dir ? c->x->options.plugin_dir : default_dir,
                               .name = a->plugin,
                               .fn = a->fn,
                               .session = REF_TEXT(c->session),
                               .args = a->args};

    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    return co_plugin_run(&call, c->mem, &ret->s, e);
}
