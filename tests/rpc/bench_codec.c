/*
 * The encoder against writing the same bytes from pieces of known length, which is what no encoder can beat;
 * and a small call's decoding against xmlrpc-c, libxml2's tree and jansson.
 */
#include <jansson.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <xmlrpc-c/base.h>
#include "lib/clock.h"
#include "rpc/encode.h"
#include "rpc/request.h"

enum { MEMBERS = 90, RUNS = 9, CALLS = 20000 };

/* ---- a record like a VM's: strings, references, numbers, sets and maps ---- */

enum shape { TEXT, LONG_TEXT, NUMBER, REF, BOOL, FLOAT, DATE, REF_SET, TEXT_MAP, SHAPES };

static char names[MEMBERS][24];
static struct ref refs[2];
static const char long_text[] =
    "A description with some <markup> & \"quotes\", of the length that people write them: "
    "two lines of ordinary prose.";

static void put_value(struct enc *e, unsigned shape)
{
    switch (shape) {
    case TEXT:
        enc_string(e, "Debian GNU/Linux 12");
        break;
    case LONG_TEXT:
        enc_string(e, long_text);
        break;
    case NUMBER:
        enc_int(e, 4294967296);
        break;
    case REF:
        enc_ref(e, refs[0]);
        break;
    case BOOL:
        enc_bool(e, true);
        break;
    case FLOAT:
        enc_float(e, 0.25);
        break;
    case DATE:
        enc_datetime(e, 1787277623);
        break;
    case REF_SET:
        enc_array_begin(e);
        enc_ref(e, refs[0]);
        enc_ref(e, refs[1]);
        enc_array_end(e);
        break;
    default:
        enc_struct_begin(e);
        enc_member_text(e, "base_template_name");
        enc_string(e, "Other install media");
        enc_member_text(e, "install-methods");
        enc_string(e, "cdrom");
        enc_struct_end(e);
        break;
    }
}

/* Mostly short strings, references and numbers. */
static unsigned shape_of(unsigned member)
{
    static const unsigned char shapes[] = {TEXT,     REF,    NUMBER, BOOL,  REF,  TEXT,     REF_SET,
                                           NUMBER,   TEXT,   BOOL,   REF,   TEXT, NUMBER,   REF,
                                           TEXT_MAP, NUMBER, BOOL,   FLOAT, DATE, LONG_TEXT};
    return shapes[member % sizeof(shapes)];
}

static void put_records(struct enc *e, unsigned n)
{
    enc_struct_begin(e);
    for (unsigned i = 0; i < n; i++) {
        enc_member_ref(e, refs[1]);
        enc_struct_begin(e);
        for (unsigned m = 0; m < MEMBERS; m++) {
            enc_member(e, names[m]);
            put_value(e, shape_of(m));
        }
        enc_struct_end(e);
    }
    enc_struct_end(e);
}

/* ---- the same bytes from pieces ---- */

struct piece {
    const char *bytes;
    size_t n;
};

/* Each member and its value as one piece, cut from a record that the encoder wrote. */
static unsigned cut_pieces(const struct buf *record, struct piece *pieces)
{
    unsigned n = 0;
    const char *at = record->data, *end = record->data + record->len;
    while (at < end) {
        const char *name = memmem(at + 1, (size_t)(end - at) - 1, "<name>", 6);
        const char *next = name != NULL ? name : end;
        pieces[n++] = (struct piece){.bytes = at, .n = (size_t)(next - at)};
        const char *value = memmem(next, (size_t)(end - next), "<value>", 7);
        if (value == NULL)
            break;
        pieces[n++] = (struct piece){.bytes = next, .n = (size_t)(value - next)};
        at = value;
    }
    return n;
}

static void write_pieces(struct buf *out, const struct piece *pieces, unsigned n, unsigned records)
{
    for (unsigned i = 0; i < records; i++)
        for (unsigned p = 0; p < n; p++)
            buf_add(out, pieces[p].bytes, pieces[p].n);
}

/* ---- measuring ---- */

static int compare(const void *a, const void *b)
{
    int64_t d = *(const int64_t *)a - *(const int64_t *)b;
    return d < 0 ? -1 : d > 0;
}

static double median_ms(int64_t *ns)
{
    qsort(ns, RUNS, sizeof(*ns), compare);
    return (double)ns[RUNS / 2] / 1e6;
}

static void measure_encoder(enum enc_format format, unsigned records)
{
    static struct piece pieces[4096];
    struct buf record = {0}, out = {0}, same = {0};
    struct enc one = {.out = &record, .format = format}, all = {.out = &out, .format = format};
    int64_t encode_ns[RUNS], pieces_ns[RUNS], copy_ns[RUNS];
    put_records(&one, 1);
    unsigned n = format == ENC_XML ? cut_pieces(&record, pieces) : 0;
    for (int i = 0; i < RUNS; i++) {
        buf_reset(&out);
        buf_reset(&same);
        int64_t t0 = clock_now();
        put_records(&all, records);
        int64_t t1 = clock_now();
        write_pieces(&same, pieces, n, records);
        int64_t t2 = clock_now();
        buf_reset(&same);
        buf_add(&same, out.data, out.len);
        int64_t t3 = clock_now();
        encode_ns[i] = t1 - t0;
        pieces_ns[i] = t2 - t1;
        copy_ns[i] = t3 - t2;
    }
    double encode = median_ms(encode_ns), direct = median_ms(pieces_ns), copy = median_ms(copy_ns);
    printf("%-4s %5u structs x %d: %.1f MB, encoder %.2f ms, one memcpy %.2f ms",
           format == ENC_XML ? "XML" : "JSON", records, MEMBERS, (double)out.len / 1e6, encode, copy);
    if (n > 0)
        printf(", from pieces %.2f ms: %.2f x", direct, encode / direct);
    printf("\n");
    buf_free(&record);
    buf_free(&out);
    buf_free(&same);
}

#define XML_CALL                                                                                            \
    "<?xml version=\"1.0\"?><methodCall><methodName>VM.get_power_state</methodName><params><param><value>"  \
    "<string>OpaqueRef:01234567-89ab-cdef-0123-456789abcdef</string></value></param><param><value><string>" \
    "OpaqueRef:01234567-89ab-cdef-0123-456789abcdef</string></value></param></params></methodCall>"
#define JSON_CALL                                                                                        \
    "{\"jsonrpc\":\"2.0\",\"method\":\"VM.get_power_state\",\"params\":[\"OpaqueRef:01234567-89ab-cdef-" \
    "0123-456789abcdef\",\"OpaqueRef:01234567-89ab-cdef-0123-456789abcdef\"],\"id\":1}"

static void ours_xml(void)
{
    struct rpc_request r;
    const char *reason;
    void *ctx = talloc_pool(NULL, 8192);
    if (rpc_request_parse_xml(ctx, XML_CALL, sizeof(XML_CALL) - 1, &r, &reason) < 0)
        abort();
    talloc_free(ctx);
}

static void ours_json(void)
{
    struct rpc_request r;
    const char *reason;
    void *ctx = talloc_pool(NULL, 8192);
    if (rpc_request_parse_json(ctx, JSON_CALL, sizeof(JSON_CALL) - 1, &r, &reason) < 0)
        abort();
    talloc_free(ctx);
}

static void xmlrpc_c(void)
{
    xmlrpc_env env;
    const char *method;
    xmlrpc_value *params;
    xmlrpc_env_init(&env);
    xmlrpc_parse_call(&env, XML_CALL, sizeof(XML_CALL) - 1, &method, &params);
    if (env.fault_occurred)
        abort();
    xmlrpc_DECREF(params);
    free((char *)(uintptr_t)method);
    xmlrpc_env_clean(&env);
}

static void libxml2_tree(void)
{
    xmlFreeDoc(xmlReadMemory(XML_CALL, sizeof(XML_CALL) - 1, NULL, NULL, XML_PARSE_NONET));
}

static void jansson_tree(void)
{
    json_decref(json_loadb(JSON_CALL, sizeof(JSON_CALL) - 1, 0, NULL));
}

static void measure_decoder(const char *name, void (*decode)(void))
{
    int64_t ns[RUNS];
    for (int i = 0; i < RUNS; i++) {
        int64_t began = clock_now();
        for (int n = 0; n < CALLS; n++)
            decode();
        ns[i] = clock_now() - began;
    }
    printf("decode a small call, %-14s %.2f us\n", name, median_ms(ns) * 1e3 / CALLS);
}

int main(void)
{
    for (unsigned m = 0; m < MEMBERS; m++)
        snprintf(names[m], sizeof(names[m]), "member_of_record_%u", m);
    refs[0] = ref_new();
    refs[1] = ref_new();
    measure_encoder(ENC_XML, 1000);
    measure_encoder(ENC_XML, 10000);
    measure_encoder(ENC_JSON, 1000);
    measure_encoder(ENC_JSON, 10000);
    measure_decoder("ours, XML", ours_xml);
    measure_decoder("xmlrpc-c", xmlrpc_c);
    measure_decoder("libxml2's tree", libxml2_tree);
    measure_decoder("ours, JSON", ours_json);
    measure_decoder("jansson alone", jansson_tree);
    return 0;
}
