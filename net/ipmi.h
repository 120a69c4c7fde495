#ifndef NET_IPMI_H
#define NET_IPMI_H
/*
 * Switching a machine on by its management controller. ipmitool(1), which must be in PATH, speaks with it; it
 * reads the password from its standard input, so that no other program sees it.
 */
#include "lib/proc.h"

struct ipmi_controller {
    const char *address;
    const char *port;      /* NULL: the protocol's own */
    const char *interface; /* ipmitool's name of the protocol; NULL: "lanplus", IPMI 2.0 */
    const char *user;      /* NULL: none */
    const char *password;  /* "": none */
};

/* 0 when ipmitool has run, whatever it said; else -errno: -ENOENT without ipmitool, -ETIMEDOUT. Free *ret
 * with proc_result_free in any case. May yield. */
int co_ipmi_power_on(const struct ipmi_controller *c, int64_t deadline, struct proc_result *ret);

#endif
