#include "net/ipmi.h"

enum { MAX_WORDS = 16 };

static unsigned add(const char **argv, unsigned n, const char *option, const char *value)
{
    if (!value)
        return n;
    argv[n] = option;
    argv[n + 1] = value;
    return n + 2;
}

int co_ipmi_power_on(const struct ipmi_controller *c, int64_t deadline, struct proc_result *ret)
{
    static const char *const command[] = {"chassis", "power", "on"};
    const char *argv[MAX_WORDS] = {"ipmitool"};
    unsigned n = 1;

    n = add(argv, n, "-I", c->interface ? c->interface : "lanplus");
    n = add(argv, n, "-H", c->address);
    n = add(argv, n, "-p", c->port);
    n = add(argv, n, "-U", c->user);
    n = add(argv, n, "-f", "/dev/stdin");
    for (unsigned i = 0; i < sizeof command / sizeof *command; i++)
        argv[n++] = command[i];
    return co_proc_run_text(argv, c->password, ret, deadline);
}
