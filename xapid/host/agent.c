/* The daemon itself, as a message's object: ended or started anew. Its answer leaves first, for it ends in
 * order. */
#include <signal.h>
#include <unistd.h>
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/here.h"

int co_host_restart_agent(struct call *c, const struct host_restart_agent_args *a, struct err *e)
{
    if (host_is_here(c, a->host, e) < 0)
        return -1;
    log_info("asked to start anew");
    kill(getpid(), SIGUSR2);
    return 0;
}

int co_host_shutdown_agent(struct call *c, const struct host_shutdown_agent_args *a, struct err *e)
{
    log_info("asked to end");
    c->x->stay_down = true;
    kill(getpid(), SIGTERM);
    return 0;
}
