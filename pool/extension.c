#include "pool/extension.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <jansson.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json_bounds.h"
#include "lib/proc.h"
#include "model/errors.gen.h"

enum { RUN_MS = 60 * 60 * 1000, MAX_DEPTH = 64, MAX_VALUES = 1000000 };

/* A name is a plain file's in the folder: no path, nothing hidden. */
bool extension_is_there(const char *dir, const char *name)
{
    CLEANUP_BUF struct buf path = {0};
    struct stat st;
    buf_printf(&path, "%s/%s", dir, name);
    return name[0] && name[0] != '.' && !strchr(name, '/') && stat(buf_cstr(&path), &st) == 0 &&
           S_ISREG(st.st_mode) && access(buf_cstr(&path), X_OK) == 0;
}

static json_t *parse(const char *text, size_t n)
{
    return json_is_within(text, n, MAX_DEPTH, MAX_VALUES) ? json_loadb(text, n, 0, NULL) : NULL;
}

/* The request as the extension gets it; NULL when the text is none. */
static json_t *read_call(const char *text)
{
    json_t *j = text[0] == '{'
                    ? parse(text, strlen(text))
                    : json_pack("{s:s, s:i, s:s, s:[]}", "jsonrpc", "2.0", "id", 0, "method", text, "params");
    if (json_is_string(json_object_get(j, "method")))
        return j;
    json_decref(j);
    return NULL;
}

/* ---- the response ---- */

static int protocol_failure(json_t *error, void *ctx, struct err *e)
{
    char *text = json_dumps(error, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *copy = talloc_strdup(ctx, text ? text : "");
    free(text);
    return err_extension_protocol_failure(e, copy);
}

/* A code and its parameters: a list of them, or of version 2 as message and data. */
static int read_error(json_t *error, void *ctx, struct err *e)
{
    json_t *message = json_object_get(error, "message"), *data = json_object_get(error, "data"), *item;
    json_t *params = json_is_array(error) ? error : data;
    const char *code = json_string_value(json_is_array(error) ? json_array_get(error, 0) : message);
    size_t i;
    json_array_foreach (params, i, item)
        if (!json_is_string(item))
            return protocol_failure(error, ctx, e);
    if (!code || !*code)
        return protocol_failure(error, ctx, e);
    err_set(e, code, 0);
    json_array_foreach (params, i, item)
        if (params == data || i > 0)
            err_add_param(e, json_string_value(item));
    return -1;
}

static const char *result_text(json_t *result, void *ctx)
{
    if (json_is_string(result))
        return talloc_strdup(ctx, json_string_value(result));
    char *text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *copy = talloc_strdup(ctx, text ? text : "");
    free(text);
    return copy;
}

static int complain(const char *name, const char *what, struct proc_result *r, struct err *e)
{
    return err_set(e, "INTERNAL_ERROR", 4, name, what, buf_cstr(&r->out), buf_cstr(&r->err));
}

static int read_response(const char *name, struct proc_result *r, void *ctx, const char **ret, struct err *e)
{
    json_t *j = parse(r->out.data, r->out.len);
    json_t *error = json_object_get(j, "error"), *result = json_object_get(j, "result");
    int rc = 0;
    if (error && !json_is_null(error))
        rc = read_error(error, ctx, e);
    else if (result)
        *ret = result_text(result, ctx);
    else
        rc = complain(name, "no response", r, e);
    json_decref(j);
    return rc;
}

/* ---- running ---- */

static int co_run(const char *dir, const char *name, const char *request, void *ctx, const char **ret,
                  struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    struct proc_result result = {0};
    buf_printf(&path, "%s/%s", dir, name);
    int r = co_proc_run_text((const char *const[]){buf_cstr(&path), "--jsonrpc", NULL}, request, &result,
                             clock_in_ms(RUN_MS));
    if (r < 0)
        err_errno(e, r, "running extension %s", name);
    else if (result.status != 0)
        complain(name, "non-zero exit", &result, e);
    else
        read_response(name, &result, ctx, ret, e);
    proc_result_free(&result);
    return err_is_set(e) ? -1 : 0;
}

int co_extension_run(const char *dir, const char *call, void *ctx, const char **ret, struct err *e)
{
    json_t *j = read_call(call);
    if (!j)
        return err_invalid_value(e, "call", call);
    const char *name = talloc_strdup(ctx, json_string_value(json_object_get(j, "method")));
    char *request = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    int rc = extension_is_there(dir, name) ? co_run(dir, name, request, ctx, ret, e)
                                           : err_message_method_unknown(e, name);
    free(request);
    return rc;
}
