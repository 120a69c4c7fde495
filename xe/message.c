#include "xe/message.h"

#include <stdio.h>
#include "xe/client.h"

#define USUAL_PRIORITY 5

/* The server's clock, or NULL. */
const char *co_server_time(struct xe *x)
{
    CLEANUP_ERR struct err e = {0};
    const char *host = co_call_text(x, &e, "session.get_this_host", "s", x->session);

    return host ? co_call_text(x, &e, "host.get_servertime", "s", host) : NULL;
}

/* Show the messages about a VM that came after since. */
void co_print_messages(struct xe *x, const char *uuid, const char *since)
{
    CLEANUP_ERR struct err e = {0};
    const struct wire *all = co_call(x, &e, "message.get", "sss", "VM", uuid, since);
    int64_t limit, priority;

    if (!text_to_int(args_get_or(x->args, "message-priority", ""), &limit))
        limit = USUAL_PRIORITY;
    for (uint32_t i = 0; all && all->kind == WIRE_STRUCT && i < all->n; i++) {
        const struct wire *m = &all->members[i].value;

        if (text_to_int(member_text(x, m, "priority"), &priority) && priority < limit)
            fprintf(stderr, "Message: time=%s priority=%s name='%s'\n", member_text(x, m, "timestamp"),
                    member_text(x, m, "priority"), member_text(x, m, "name"));
    }
}
