/* What a call costs beyond HTTP, and all records of 10,000 VMs against writing the same bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "tests/db/sample_vms.h"
#include "xapid/audit/log.h"
#include "xapid/request.h"
#include "xapid/server.h"
#include "xapid/session/session.h"

enum { VMS = 10000, CALLS = 100000, RUNS = 7 };

static struct xapid x;
static char session[REF_TEXT_SIZE], vm[REF_TEXT_SIZE];

static int compare(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

static double median(double *v)
{
    qsort(v, RUNS, sizeof *v, compare);
    return v[RUNS / 2];
}

/* From the request's bytes to the reply's, as POST / does it. */
static void serve(const char *body, struct buf *out)
{
    CLEANUP_ERR struct err e = {0};
    struct request *q = talloc_zero(NULL, struct request);
    struct enc enc = {.out = out, .format = ENC_XML};
    const char *reason;
    q->call = (struct call){.x = &x, .db = x.db, .mem = q};
    out->len = 0;
    if (rpc_request_parse_xml(q, body, strlen(body), &q->rpc, &reason) < 0 || request_check(q, &e) < 0)
        abort();
    enc_reply_begin(&enc, &q->rpc);
    if (request_run_now(q, &enc, &e) < 0)
        abort();
    enc_reply_end(&enc, &q->rpc);
    talloc_free(q);
}

/* text: of a parameter after self, or NULL. */
static char *request_body(const char *method, bool self, const char *text)
{
    static const char open[] = "<param><value><string>", close[] = "</string></value></param>";
    return talloc_asprintf(
        NULL,
        "<?xml version=\"1.0\"?><methodCall><methodName>%s</methodName><params><param><value><string>%s"
        "</string></value></param>%s%s%s%s%s%s</params></methodCall>",
        method, session, self ? open : "", self ? vm : "", self ? close : "", text ? open : "",
        text ? text : "", text ? close : "");
}

static void measure_call(const char *method, const char *text, int n)
{
    double us[RUNS];
    char *body = request_body(method, true, text);
    CLEANUP_BUF struct buf out = {0};
    for (int run = 0; run < RUNS; run++) {
        int64_t start = clock_now();
        for (int i = 0; i < n; i++)
            serve(body, &out);
        us[run] = (double)(clock_now() - start) / 1000 / n;
    }
    double m = median(us);
    printf("%-22s %10.2f us a call [%.2f-%.2f]  %zu bytes\n", method, m, us[0], us[RUNS - 1], out.len);
    talloc_free(body);
}

/* All records into a fresh buffer, against copying the result piece by piece into a fresh buffer. */
static void measure_all(void)
{
    double encode[RUNS], copy[RUNS];
    char *body = request_body("VM.get_all_records", false, NULL);
    size_t bytes = 0;
    for (int run = 0; run < RUNS; run++) {
        CLEANUP_BUF struct buf out = {0};
        CLEANUP_BUF struct buf same = {0};
        int64_t start = clock_now();
        serve(body, &out);
        encode[run] = (double)(clock_now() - start) / 1e6;
        start = clock_now();
        for (size_t at = 0; at < out.len; at += 64)
            buf_add(&same, out.data + at, out.len - at < 64 ? out.len - at : 64);
        copy[run] = (double)(clock_now() - start) / 1e6;
        bytes = out.len;
    }
    double e = median(encode), c = median(copy);
    printf("VM.get_all_records of %d: %.1f ms [%.1f-%.1f], writing the same %zu bytes %.1f ms [%.1f-%.1f], "
           "ratio %.2f\n",
           VMS, e, encode[0], encode[RUNS - 1], bytes, c, copy[0], copy[RUNS - 1], e / c);
    talloc_free(body);
}

static void make_vms(void)
{
    struct err e = {0};
    for (unsigned i = 0; i < VMS; i++) {
        struct txn *t = db_begin(x.db);
        sample_vm(t, i, ref_new(), ref_new(), ref_new());
        if (db_commit(t, &e) < 0)
            abort();
    }
}

static void measure_calls(const char *how)
{
    printf("%s\n", how);
    measure_call("VM.get_power_state", NULL, CALLS);
    measure_call("VM.get_record", NULL, CALLS / 10);
    measure_call("VM.set_name_description", "what it is for", CALLS / 10);
}

static void remove_dir(const char *dir)
{
    CLEANUP_BUF struct buf command = {0};
    buf_printf(&command, "rm -rf '%s'", dir);
    if (system(buf_cstr(&command)) != 0)
        fprintf(stderr, "%s stays\n", dir);
}

int main(void)
{
    char template[] = "/tmp/xapid-bench-XXXXXX", *dir;
    struct err e = {0};
    struct ref ref;
    if (db_open(NULL, &x.db, &e) < 0)
        return 1;
    make_vms();
    struct session_new s = {.user = "root", .sid = "", .originator = "bench", .superuser = true};
    if (session_open(&x, &s, &ref, &e) < 0)
        return 1;
    ref_format(ref, session);
    ref_format(db_first(x.db, CLASS_VM)->ref, vm);
    measure_calls("without an audit log");
    if (!(dir = mkdtemp(template)) || audit_log_open(dir, 8 << 20, 4, &x.audit, &e) < 0)
        return 1;
    measure_calls("with an audit log");
    measure_all();
    audit_log_free(x.audit);
    remove_dir(dir);
    db_close(x.db);
    return 0;
}
