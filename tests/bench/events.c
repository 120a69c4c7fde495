#include "tests/bench/events.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ask(struct events *w, const char *timeout)
{
    char classes[256], number[64];

    snprintf(classes, sizeof classes, "<array><data><value>%s</value></data></array>", w->class);
    snprintf(number, sizeof number, "<double>%s</double>", timeout);
    api_send(&w->api, "event.from", PARAMS(classes, w->token, number));
}

char *events_answer(struct events *w)
{
    char *reply = api_answer(&w->api);

    free(w->token);
    w->token = api_member(reply, "token");
    return reply;
}

void events_open(struct events *w, const struct target *t, const char *class, const char *ref)
{
    api_open(&w->api, t);
    w->token = strdup("");
    must(asprintf(&w->class, "%s/%s", class, ref) > 0, "memory");
    ask(w, "0.0");
    free(events_answer(w));
}

void events_close(struct events *w)
{
    api_close(&w->api);
    free(w->class);
    free(w->token);
}

void events_ask(struct events *w, struct api *other)
{
    ask(w, "60.0");
    free(api_call(other, "session.get_this_host", PARAMS(other->session)));
}
