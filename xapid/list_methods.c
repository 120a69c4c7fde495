#include "xapid/list_methods.h"

static void write_names(struct enc *out)
{
    enc_array_begin(out);
    enc_string(out, "system.listMethods");
    for (unsigned i = 0; i < model_message_count; i++) {
        const struct model_message *m = &model_messages[i];
        if (!m->removed && !m->pool_internal)
            enc_string(out, m->full_name);
    }
    enc_array_end(out);
}

void list_methods(struct enc *out, const struct rpc_request *r)
{
    if (r->protocol != RPC_XML) {
        enc_reply_begin(out, r);
        write_names(out);
        enc_reply_end(out, r);
        return;
    }
    buf_add_lit(out->out, "<?xml version=\"1.0\"?><methodResponse><params><param>");
    write_names(out);
    buf_add_lit(out->out, "</param></params></methodResponse>");
}
