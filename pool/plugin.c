#include "pool/plugin.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include <xmlrpc-c/base.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/proc.h"
#include "model/errors.gen.h"

enum {
    RUN_MS = 60 * 60 * 1000,
    MAX_ARGUMENT = 127 * 1024, /* what the kernel lets one argument have */
    MAX_RESPONSE = 16 * 1024 * 1024,
    MAX_DEPTH = 32, /* of elements in a response */
};

static const char tag_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.";

/* ---- the call ---- */

static void add_member(xmlrpc_env *env, xmlrpc_value *members, const char *name, const char *text)
{
    xmlrpc_value *value = xmlrpc_string_new(env, text);

    if (value)
        xmlrpc_struct_set_value(env, members, name, value);
    if (value)
        xmlrpc_DECREF(value);
}

static xmlrpc_value *make_params(xmlrpc_env *env, const struct plugin_call *call)
{
    xmlrpc_value *params = NULL, *members = xmlrpc_struct_new(env);

    for (uint32_t i = 0; members && i < map_count(call->args); i++)
        add_member(env, members, call->args->e[i].k.s, call->args->e[i].v.s);
    if (!env->fault_occurred)
        params = xmlrpc_build_value(env, "(sV)", call->session, members);
    if (members)
        xmlrpc_DECREF(members);
    return params;
}

static int write_call(const struct plugin_call *call, struct buf *text, struct err *e)
{
    xmlrpc_env env;
    xmlrpc_mem_block *block = NULL;
    xmlrpc_value *params;
    int r = 0;

    xmlrpc_env_init(&env);
    params = make_params(&env, call);
    if (params)
        block = xmlrpc_mem_block_new(&env, 0);
    if (block)
        xmlrpc_serialize_call(&env, block, call->fn, params);
    if (env.fault_occurred)
        r = err_internal(e, "the call of plugin %s cannot be written: %s", call->name, env.fault_string);
    else
        buf_add(text, xmlrpc_mem_block_contents(block), xmlrpc_mem_block_size(block));
    if (block)
        xmlrpc_mem_block_free(block);
    if (params)
        xmlrpc_DECREF(params);
    xmlrpc_env_clean(&env);
    return r;
}

/* ---- the response ---- */

/* A member of the response as text on ctx; NULL when it is not there or no string. */
static const char *member_text(xmlrpc_env *env, xmlrpc_value *response, const char *name, void *ctx)
{
    xmlrpc_value *value = NULL;
    const char *text = NULL, *copy = NULL;

    xmlrpc_struct_find_value(env, response, name, &value);
    if (value && xmlrpc_value_type(value) == XMLRPC_TYPE_STRING)
        xmlrpc_read_string(env, value, &text);
    if (text)
        copy = talloc_strdup(ctx, text);
    free((char *)text);
    if (value)
        xmlrpc_DECREF(value);
    return copy;
}

/* The error that the plugin answered: a code and its parameters. */
static int read_failure(xmlrpc_env *env, xmlrpc_value *response, struct err *e)
{
    xmlrpc_value *description = NULL;
    int n = 0;

    xmlrpc_struct_find_value(env, response, "ErrorDescription", &description);
    if (description && xmlrpc_value_type(description) == XMLRPC_TYPE_ARRAY)
        n = xmlrpc_array_size(env, description);
    for (int i = 0; i < n && !env->fault_occurred; i++) {
        xmlrpc_value *item;
        const char *text = NULL;

        xmlrpc_array_read_item(env, description, (unsigned)i, &item);
        xmlrpc_read_string(env, item, &text);
        xmlrpc_DECREF(item);
        if (text && i == 0)
            err_set(e, text, 0);
        else if (text)
            err_add_param(e, text);
        free((char *)text);
    }
    if (description)
        xmlrpc_DECREF(description);
    return err_is_set(e) ? -1 : 0;
}

static int refuse_output(struct proc_result *r, const char *why, struct err *e)
{
    return err_xenapi_plugin_failure(e, why, buf_cstr(&r->out), buf_cstr(&r->err));
}

static int read_struct(xmlrpc_env *env, xmlrpc_value *response, struct proc_result *r, void *ctx,
                       const char **ret, struct err *e)
{
    const char *status;

    if (xmlrpc_value_type(response) != XMLRPC_TYPE_STRUCT)
        return refuse_output(r, "no response", e);
    status = member_text(env, response, "Status", ctx);
    if (status && strcmp(status, "Success") == 0)
        *ret = member_text(env, response, "Value", ctx);
    else if (status && strcmp(status, "Failure") == 0 && read_failure(env, response, e) < 0)
        return -1;
    return *ret ? 0 : refuse_output(r, "no response", e);
}

/* The end of the tag that begins at p, *depth adjusted; NULL when it is none of XML-RPC's, which have no
 * attributes. */
static const char *read_tag(const char *p, int *depth)
{
    bool closes = *++p == '/', empty;
    size_t name;

    p += closes;
    name = strspn(p, tag_bytes);
    p += name;
    p += strspn(p, " \t\r\n");
    empty = *p == '/';
    p += empty;
    if (name == 0 || *p != '>' || (closes && empty))
        return NULL;
    *depth += closes ? -1 : !empty;
    return p;
}

/* xmlrpc-c's parser recurses and expands entities. What gets to it has plain tags only, nested a little, and
 * declares nothing. */
static bool is_tame(const char *text, size_t n)
{
    const char *p = text;
    int depth = 0;

    if (strlen(text) != n)
        return false;
    if (strncmp(p, "<?xml ", 6) == 0)
        p = strchr(p, '>');
    while (p && (p = strchr(p, '<'))) {
        p = read_tag(p, &depth);
        if (!p || depth < 0 || depth > MAX_DEPTH)
            return false;
    }
    return depth == 0;
}

static int read_response(struct proc_result *r, void *ctx, const char **ret, struct err *e)
{
    xmlrpc_env env;
    xmlrpc_value *response = NULL;
    const char *fault_text = NULL;
    int fault = 0, result;
    char code[16];

    if (!is_tame(buf_cstr(&r->out), r->out.len))
        return refuse_output(r, "no response", e);
    xmlrpc_limit_set(XMLRPC_XML_SIZE_LIMIT_ID, MAX_RESPONSE);
    xmlrpc_env_init(&env);
    xmlrpc_parse_response2(&env, buf_cstr(&r->out), r->out.len, &response, &fault, &fault_text);
    snprintf(code, sizeof code, "%d", fault);
    *ret = NULL;
    if (env.fault_occurred)
        result = refuse_output(r, "no response", e);
    else if (fault_text)
        result = err_xenapi_plugin_failure(e, "fault", code, fault_text);
    else
        result = read_struct(&env, response, r, ctx, ret, e);
    if (response)
        xmlrpc_DECREF(response);
    free((char *)fault_text);
    xmlrpc_env_clean(&env);
    return result;
}

/* ---- running ---- */

/* A name is a plain file's in the folder: no path, nothing hidden. */
static bool is_plugin(const char *path, const char *name)
{
    struct stat st;

    return name[0] != '\0' && name[0] != '.' && !strchr(name, '/') && stat(path, &st) == 0 &&
           S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool plugin_is_there(const char *dir, const char *name)
{
    CLEANUP_BUF struct buf path = {0};

    buf_printf(&path, "%s/%s", dir, name);
    return is_plugin(buf_cstr(&path), name);
}

int co_plugin_run(const struct plugin_call *call, void *ctx, const char **ret, struct err *e)
{
    CLEANUP_BUF struct buf path = {0}, text = {0};
    struct proc_result result = {0};
    int r;

    buf_printf(&path, "%s/%s", call->dir, call->name);
    if (!is_plugin(buf_cstr(&path), call->name))
        return err_xenapi_missing_plugin(e, call->name);
    if (write_call(call, &text, e) < 0)
        return -1;
    if (text.len > MAX_ARGUMENT)
        return err_invalid_value(e, "args", "too large for a plugin");
    r = co_proc_run_text((const char *const[]){buf_cstr(&path), buf_cstr(&text), NULL}, call->input, &result,
                         clock_in_ms(call->timeout_ms > 0 ? call->timeout_ms : RUN_MS));
    if (r < 0)
        err_errno(e, r, "running plugin %s", call->name);
    else if (result.status != 0)
        refuse_output(&result, "non-zero exit", e);
    else
        read_response(&result, ctx, ret, e);
    proc_result_free(&result);
    return err_is_set(e) ? -1 : 0;
}
