/* event-wait: until an object is as wished. */
#include <string.h>
#include <talloc.h>
#include "xe/cache.h"
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/fetch.h"

#define EVENT_SECONDS 30.0

static const char *const classes[] = {"vm",  "vdi",  "sr",   "host",    "network", "vif",    "pif", "vbd",
                                      "pbd", "pool", "task", "subject", "role",    "secret", "vmss"};

static bool is_condition(const char *key)
{
    return !args_is_common(key) && strcmp(key, "class") != 0;
}

/* 1 when the object meets every condition (key=value, or key=/=value for not), 0 when not, -1 on error. */
static int co_meets_all(struct xe *x, const struct record *r, struct err *e)
{
    for (unsigned i = 0; i < x->args->n; i++) {
        const struct arg *a = &x->args->arg[i];
        bool unequal = strncmp(a->value, "/=", 2) == 0;
        const struct rec_param *p;
        const char *text;

        if (!is_condition(a->key))
            continue;
        if (!(p = rec_param_by_name(r->cls, a->key)))
            return fail_text(e, "key missing: %s", a->key);
        if (!(text = co_show_text(x, r, p, e)))
            return -1;
        if ((strcmp(text, a->value + (unequal ? 2 : 0)) == 0) == unequal)
            return 0;
    }
    return 1;
}

/* Look at the objects in a batch of events: 1 when one is as wished. */
static int co_look_at_batch(struct xe *x, const struct rec_class *c, const struct wire *batch, struct err *e)
{
    const struct wire *events = wire_member(batch, "events");

    for (uint32_t i = 0; events && events->kind == WIRE_ARRAY && i < events->n; i++) {
        const struct wire *event = &events->items[i];
        struct record r = {c, member_text(x, event, "ref"), wire_member(event, "snapshot")};
        int meets = r.fields ? co_meets_all(x, &r, e) : 0;

        if (meets != 0)
            return meets;
    }
    return 0;
}

static const struct rec_class *arg_class(struct xe *x, struct err *e)
{
    const char *wanted = args_get(x->args, "class");

    for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strcmp(classes[i], wanted) == 0)
            return rec_class_by_name(wanted);
    fail_text(e, "event-wait does not know the class '%s'", wanted);
    return NULL;
}

/* Fetch and look at one batch of events after *token, which moves on. */
static int co_next_batch(struct xe *x, const struct rec_class *c, char **token, struct err *e)
{
    const struct wire *subscription = wire_text_set(x, &c->api, 1);
    const struct wire *batch = co_call(x, e, "event.from", "wsf", subscription, *token, EVENT_SECONDS);

    if (!batch)
        return -1;
    talloc_free(*token);
    *token = talloc_strdup(NULL, member_text(x, batch, "token"));
    return co_look_at_batch(x, c, batch, e);
}

static int co_event_wait(struct xe *x, struct err *e)
{
    const struct rec_class *c = arg_class(x, e);
    char *token = talloc_strdup(NULL, "");
    void *whole_run = x->ctx;
    int found = c ? 0 : -1;

    /* The first batch, from the empty token, holds every object as it is now. What a batch brought goes with
     * it: the wait may be long. */
    while (found == 0) {
        x->ctx = talloc_new(whole_run);
        cache_forget(x);
        found = co_next_batch(x, c, &token, e);
        void *batch = x->ctx;
        x->ctx = whole_run;
        cache_forget(x);
        talloc_free(batch);
    }
    talloc_free(token);
    return found > 0 ? 0 : -1;
}

const struct command cmd_event_wait = {
    .name = "event-wait",
    .required = "class",
    .help =
        "Wait until one object of a class has all the given values, or, written KEY=/=VALUE, not that value.",
    .run = co_event_wait,
};
