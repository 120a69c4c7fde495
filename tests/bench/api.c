#include "tests/bench/api.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- requests ---- */

static void add_xml(struct buf *body, const char *text)
{
    if (text[0] == '<')
        buf_printf(body, "<param><value>%s</value></param>", text);
    else
        buf_printf(body, "<param><value><string>%s</string></value></param>", text);
}

static void body_xml(struct buf *body, const struct api *a, const char *method, unsigned n,
                     const char *const *params)
{
    buf_printf(body, "<?xml version=\"1.0\"?><methodCall><methodName>%s</methodName><params>", method);
    if (a->session[0])
        add_xml(body, a->session);
    for (unsigned i = 0; i < n; i++)
        add_xml(body, params[i]);
    buf_add_lit(body, "</params></methodCall>");
}

static void body_json(struct buf *body, const struct api *a, const char *method, unsigned n,
                      const char *const *params)
{
    buf_printf(body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[\"%s\"", method,
               a->session);
    for (unsigned i = 0; i < n; i++) {
        if (params[i][0] == '=')
            buf_printf(body, ",%s", params[i] + 1);
        else
            buf_printf(body, ",\"%s\"", params[i]);
    }
    buf_add_lit(body, "]}");
}

void api_request(struct buf *out, const struct api *a, enum api_format format, const char *method, unsigned n,
                 const char *const *params)
{
    CLEANUP_BUF struct buf body = {0};

    if (format == API_XML)
        body_xml(&body, a, method, n, params);
    else
        body_json(&body, a, method, n, params);
    https_request(out, format == API_XML ? "/RPC2" : "/jsonrpc",
                  format == API_XML ? "text/xml" : "application/json", body.data, body.len);
}

/* ---- calls ---- */

void api_send(struct api *a, const char *method, unsigned n, const char *const *params)
{
    CLEANUP_BUF struct buf request = {0};

    api_request(&request, a, API_XML, method, n, params);
    https_send(&a->https, &request);
}

char *api_answer(struct api *a)
{
    struct buf reply = {0};

    https_receive(&a->https, &reply);
    if (strstr(buf_cstr(&reply), "ErrorDescription"))
        die("a call failed: %.500s", reply.data);
    return reply.data;
}

char *api_call(struct api *a, const char *method, unsigned n, const char *const *params)
{
    api_send(a, method, n, params);
    return api_answer(a);
}

char *api_member(const char *reply, const char *name)
{
    CLEANUP_BUF struct buf opening = {0};
    const char *at, *end;

    buf_printf(&opening, "<name>%s</name><value>", name);
    at = strstr(reply, buf_cstr(&opening));
    end = at ? strchr(at + opening.len, '<') : NULL;
    if (!end)
        die("no %s in a reply: %.500s", name, reply);
    return strndup(at + opening.len, (size_t)(end - at) - opening.len);
}

char *api_call_text(struct api *a, const char *method, unsigned n, const char *const *params)
{
    CLEANUP_FREE char *reply = api_call(a, method, n, params);

    return api_member(reply, "Value");
}

void api_open(struct api *a, const struct target *t)
{
    CLEANUP_FREE char *session = NULL;

    *a = (struct api){.target = t};
    https_open(&a->https, t->address, t->port);
    session = api_call_text(a, "session.login_with_password", PARAMS("root", t->password, "1.0", "bench"));
    if (strlen(session) >= sizeof a->session)
        die("a session of %zu bytes", strlen(session));
    strcpy(a->session, session);
}

void api_close(struct api *a)
{
    free(api_call(a, "session.logout", 0, NULL));
    https_close(&a->https);
}
