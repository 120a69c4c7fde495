/* What stands around a call and a reply: protocol.md sections 2 and 3 of the wire contract. */
#include <string.h>
#include "rpc/encode.h"

/* This one method answers without the Status envelope. */
static bool is_bare(const struct rpc_request *r)
{
    return r->protocol == RPC_XML && strcmp(r->method, "system.listMethods") == 0;
}

#define XML_REPLY "<?xml version=\"1.0\"?><methodResponse><params><param>"
#define XML_REPLY_END "</param></params></methodResponse>"
#define XML_STATUS "<value><struct><member><name>Status</name><value>"

void enc_reply_begin(struct enc *e, const struct rpc_request *r)
{
    e->comma = false;
    if (r->protocol == RPC_JSON_1) {
        buf_add_lit(e->out, "{\"result\":");
    } else if (r->protocol == RPC_JSON_2) {
        buf_add_lit(e->out, "{\"jsonrpc\":\"2.0\",\"result\":");
    } else {
        buf_add_lit(e->out, XML_REPLY);
        if (!is_bare(r))
            buf_add_lit(e->out, XML_STATUS "Success</value></member><member><name>Value</name>");
    }
}

static void json_end(struct enc *e, const struct rpc_request *r)
{
    buf_add_lit(e->out, ",\"id\":");
    buf_add_str(e->out, r->json_id != NULL ? r->json_id : "null");
    buf_add_char(e->out, '}');
}

void enc_reply_end(struct enc *e, const struct rpc_request *r)
{
    if (r->protocol == RPC_JSON_1)
        buf_add_lit(e->out, ",\"error\":null");
    if (r->protocol != RPC_XML)
        json_end(e, r);
    else if (is_bare(r))
        buf_add_lit(e->out, XML_REPLY_END);
    else
        buf_add_lit(e->out, "</member></struct></value>" XML_REPLY_END);
}

/* [params], after the code when with_code. */
static void enc_error_list(struct enc *e, const struct err *error, bool with_code)
{
    e->comma = false;
    enc_array_begin(e);
    if (with_code)
        enc_string(e, error->code);
    for (unsigned i = 0; i < error->n_params; i++)
        enc_string(e, error->params[i]);
    enc_array_end(e);
}

static void json2_failure(struct enc *e, const struct err *error)
{
    buf_add_lit(e->out, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":");
    e->comma = false;
    enc_string(e, error->code);
    buf_add_lit(e->out, ",\"data\":");
    enc_error_list(e, error, false);
    buf_add_char(e->out, '}');
}

void enc_reply_failure(struct enc *e, const struct rpc_request *r, const struct err *error)
{
    if (r->protocol == RPC_JSON_1) {
        buf_add_lit(e->out, "{\"result\":null,\"error\":");
        enc_error_list(e, error, true);
    } else if (r->protocol == RPC_JSON_2) {
        json2_failure(e, error);
    } else {
        buf_add_lit(e->out,
                    XML_REPLY XML_STATUS "Failure</value></member><member><name>ErrorDescription</name>");
        enc_error_list(e, error, true);
        buf_add_lit(e->out, "</member></struct></value>" XML_REPLY_END);
        return;
    }
    json_end(e, r);
}

void enc_call_begin(struct enc *e, const char *method)
{
    buf_add_lit(e->out, "<?xml version=\"1.0\"?><methodCall><methodName>");
    buf_add_str(e->out, method);
    buf_add_lit(e->out, "</methodName><params>");
    e->comma = false;
}

void enc_param_begin(struct enc *e)
{
    buf_add_lit(e->out, "<param>");
}

void enc_param_end(struct enc *e)
{
    buf_add_lit(e->out, "</param>");
}

void enc_call_end(struct enc *e)
{
    buf_add_lit(e->out, "</params></methodCall>");
}

static void enc_wire_array(struct enc *e, const struct wire *w)
{
    enc_array_begin(e);
    for (uint32_t i = 0; i < w->n; i++)
        enc_wire(e, &w->items[i]);
    enc_array_end(e);
}

static void enc_wire_struct(struct enc *e, const struct wire *w)
{
    enc_struct_begin(e);
    for (uint32_t i = 0; i < w->n; i++) {
        enc_member_text(e, w->members[i].name);
        enc_wire(e, &w->members[i].value);
    }
    enc_struct_end(e);
}

/* Integers go as text, as XenAPI clients send them: <int> is only 32 bits wide to some readers. */
void enc_wire(struct enc *e, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_STRING:
    case WIRE_NOT_UTF8:
        enc_string(e, w->s);
        break;
    case WIRE_INT:
        enc_int(e, w->i);
        break;
    case WIRE_DOUBLE:
        enc_float(e, w->f);
        break;
    case WIRE_BOOL:
        enc_bool(e, w->i != 0);
        break;
    case WIRE_ARRAY:
        enc_wire_array(e, w);
        break;
    case WIRE_STRUCT:
        enc_wire_struct(e, w);
        break;
    case WIRE_NIL:
        enc_nil(e);
        break;
    }
}
