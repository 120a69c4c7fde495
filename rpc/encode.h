#ifndef RPC_ENCODE_H
#define RPC_ENCODE_H
/*
 * The one encoder of replies, with two back ends (compact XML-RPC, JSON), appending to a struct buf. Callers
 * walk rows or values and call these; no value trees are built. Formats: protocol.md sections 2 and 3. Never
 * yields.
 */
#include "lib/buf.h"
#include "lib/err.h"
#include "model/model.h"
#include "rpc/request.h"

enum enc_format { ENC_XML, ENC_JSON };
struct enc {
    struct buf *out;
    enum enc_format format;
    bool comma; /* JSON: a separator is due. XML: a member's end tag is due */
};

/* ---- values ---- */
void enc_string(struct enc *e,
                const char *s); /* invalid UTF-8 becomes U+FFFD, bytes < 0x20 but tab/LF/CR are dropped */
void enc_int(struct enc *e, int64_t i);
void enc_int32(struct enc *e, int32_t i); /* <i4>: valid_ref_counts only */
void enc_float(struct enc *e, double f);
void enc_bool(struct enc *e, bool b);
void enc_datetime(struct enc *e, int64_t seconds);
void enc_ref(struct enc *e, struct ref r);
void enc_void(struct enc *e); /* the empty string */
void enc_nil(struct enc *e);  /* <nil/>, null */
void enc_value(struct enc *e, const struct model_type *t, union value v);

/* ---- composites; members and items are written between begin and end ---- */
void enc_array_begin(struct enc *e);
void enc_array_end(struct enc *e);
void enc_struct_begin(struct enc *e);
void enc_struct_end(struct enc *e);
/* Before each member's value. name is a plain identifier (not escaped); _ref and _text for map keys. */
void enc_member(struct enc *e, const char *name);
void enc_member_ref(struct enc *e, struct ref r);
void enc_member_text(struct enc *e, const char *key);

/* A wire value as it came (for calls that we make ourselves, ENC_XML). */
void enc_wire(struct enc *e, const struct wire *w);

/* ---- envelopes: begin, the value, end; or the failure alone ---- */
void enc_reply_begin(struct enc *e, const struct rpc_request *r);
void enc_reply_end(struct enc *e, const struct rpc_request *r);
void enc_reply_failure(struct enc *e, const struct rpc_request *r, const struct err *error);

/* A methodCall (ENC_XML) with parameters written between. */
void enc_call_begin(struct enc *e, const char *method);
void enc_param_begin(struct enc *e);
void enc_param_end(struct enc *e);
void enc_call_end(struct enc *e);

#endif
