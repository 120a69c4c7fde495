#include "hv/qemu/agent_exec.h"
#include <errno.h>
#include <string.h>
#include <talloc.h>
#include <openssl/evp.h>
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#define MS 1000000LL
enum { ASK_FIRST_MS = 50, ASK_LATER_MS = 1000, SIGNALLED = 128, REFUSAL_MAX = 500 };

void agent_exec_forget(struct agent_exec *x)
{
    json_decref(x->outcome);
    buf_free(&x->request);
    buf_free(&x->refusal);
    *x = (struct agent_exec){0};
}

/* ---- the request ---- */

static json_t *encoded(const char *text)
{
    size_t n = strlen(text);
    CLEANUP_FREE unsigned char *out = mem_zalloc(n * 4 / 3 + 8);

    EVP_EncodeBlock(out, (const unsigned char *)text, (int)n);
    return json_string((const char *)out);
}

static json_t *variables(const struct map *environment)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < map_count(environment); i++) {
        CLEANUP_BUF struct buf line = {0};
        buf_printf(&line, "%s=%s", environment->e[i].k.s, environment->e[i].v.s);
        json_array_append_new(list, json_string(buf_cstr(&line)));
    }
    return list;
}

void agent_exec_begin(struct agent_exec *x, const struct hv_command *c)
{
    json_t *arguments = json_pack("{s:s, s:b}", "path", c->path, "capture-output", 1);

    agent_exec_forget(x);
    if (c->argument)
        json_object_set_new(arguments, "arg", json_pack("[s]", c->argument));
    if (map_count(c->environment) > 0)
        json_object_set_new(arguments, "env", variables(c->environment));
    if (c->input)
        json_object_set_new(arguments, "input-data", encoded(c->input));
    json_t *request = json_pack("{s:s, s:o}", "execute", "guest-exec", "arguments", arguments);
    char *text = json_dumps(request, JSON_COMPACT);
    buf_printf(&x->request, "%s\n", text);
    free(text);
    json_decref(request);
    x->state = EXEC_WANTED;
}

bool agent_exec_is_due(const struct agent_exec *x, int64_t now)
{
    return x->state == EXEC_WANTED || (x->state == EXEC_RUNNING && now >= x->ask_at);
}

int64_t agent_exec_next(const struct agent_exec *x)
{
    return x->state == EXEC_WANTED ? 0 : x->state == EXEC_RUNNING ? x->ask_at : CLOCK_NEVER;
}

void agent_exec_send(struct agent_exec *x, struct buf *out)
{
    if (x->state == EXEC_RUNNING) {
        buf_printf(out, "{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":%lld}}\n",
                   (long long)x->pid);
        return;
    }
    buf_add(out, x->request.data, x->request.len);
    x->state = EXEC_SENT;
}

/* ---- answers ---- */

static void refuse(struct agent_exec *x, const char *why)
{
    buf_reset(&x->refusal);
    buf_add(&x->refusal, why, strnlen(why, REFUSAL_MAX));
    x->state = EXEC_ENDED;
}

static void ask_later(struct agent_exec *x, int64_t now)
{
    int64_t pause = (int64_t)ASK_FIRST_MS << (x->asked < 5 ? x->asked++ : 5);

    x->state = EXEC_RUNNING;
    x->ask_at = now + (pause < ASK_LATER_MS ? pause : ASK_LATER_MS) * MS;
}

void agent_exec_take(struct agent_exec *x, const json_t *message, int64_t now)
{
    const json_t *value = json_object_get(message, "return"), *pid = json_object_get(value, "pid");
    const char *why = json_string_value(json_object_get(json_object_get(message, "error"), "desc"));

    if (x->state != EXEC_SENT && x->state != EXEC_RUNNING)
        return; /* it was given up meanwhile */
    if (!value) {
        refuse(x, why ? why : "without a reason");
    } else if (x->state == EXEC_SENT) {
        x->pid = json_integer_value(pid);
        if (json_is_integer(pid))
            ask_later(x, now);
        else
            refuse(x, "the answer makes no sense");
    } else if (json_is_true(json_object_get(value, "exited"))) {
        x->outcome = json_incref((json_t *)value);
        x->state = EXEC_ENDED;
    } else {
        ask_later(x, now);
    }
}

void agent_exec_lose(struct agent_exec *x, bool gone, int64_t now)
{
    if (x->state == EXEC_SENT || (gone && (x->state == EXEC_WANTED || x->state == EXEC_RUNNING)))
        refuse(x, gone ? "the agent has gone" : "the agent does not answer");
    else if (x->state == EXEC_RUNNING)
        ask_later(x, now);
}

/* ---- the result ---- */

/* What is no text for our clients is left out. */
static const char *clean(void *ctx, const char *bytes, size_t n)
{
    CLEANUP_BUF struct buf out = {0};

    for (size_t i = 0, length; i < n; i += length) {
        unsigned char c = (unsigned char)bytes[i];
        length = utf8_next(bytes + i, n - i);
        if (length > 0 && (c >= ' ' || c == '\n' || c == '\t' || c == '\r'))
            buf_add(&out, bytes + i, length);
        length = length > 0 ? length : 1;
    }
    return talloc_strndup(ctx, buf_cstr(&out), out.len);
}

static const char *decoded(void *ctx, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t n = text ? strlen(text) : 0, padding = n < 2 ? 0 : (text[n - 1] == '=') + (text[n - 2] == '=');
    CLEANUP_FREE unsigned char *bytes = mem_zalloc(n + 4);
    int length = n > 0 ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n) : 0;

    return length > 0 ? clean(ctx, (char *)bytes, (size_t)length - padding) : "";
}

/* Guests may say any number. */
static int64_t status_of(const json_t *outcome)
{
    const json_t *signal = json_object_get(outcome, "signal");
    int64_t number = json_integer_value(signal);

    if (!json_is_integer(signal))
        return json_integer_value(json_object_get(outcome, "exitcode"));
    return number > 0 && number < SIGNALLED ? SIGNALLED + number : SIGNALLED;
}

int agent_exec_result(const struct agent_exec *x, void *ctx, struct hv_command_result *ret)
{
    if (!x->outcome)
        return -EREMOTEIO;
    *ret = (struct hv_command_result){.status = status_of(x->outcome),
                                      .out = decoded(ctx, json_object_get(x->outcome, "out-data")),
                                      .err = decoded(ctx, json_object_get(x->outcome, "err-data"))};
    return 0;
}
