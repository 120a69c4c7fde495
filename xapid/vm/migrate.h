#ifndef XAPID_VM_MIGRATE_H
#define XAPID_VM_MIGRATE_H
/* What host.migrate_receive answers is read here and, from another pool, by crossing_receive.c. */
#include "xapid/server.h"

/* The network of the host's interface that a URL of the answer names; null: none. Never yields. */
struct ref migrate_network_of(struct xapid *x, struct ref host, const char *url);

#endif
