#ifndef XAPID_HOST_INTERFACE_ROWS_H
#define XAPID_HOST_INTERFACE_ROWS_H
/*
 * PIFs that stand for interfaces of a host's machine: same device, same MAC address. They are recorded by
 * PIF.scan and PIF.introduce; xapid does not configure the interfaces. The PIF of a first start stands for
 * whatever interface has the host's address until a scan tells which that is. All inside the caller's
 * transaction.
 */
#include "db/setters.gen.h"
#include "xapid/call.h"
#include "xapid/host/machine_facts.h"

/* A PIF without addresses on this network, with its metrics. */
const struct pif *pif_row_create(struct txn *t, struct ref host, struct ref network, const char *device,
                                 const char *mac);

/* The host's PIF that stands for the interface, NULL when none does. */
const struct pif *pif_of_interface(struct db *db, struct ref host, const struct net_interface *i);

/* The interface that the PIF stands for, else the one that has its address; NULL when there is none. */
const struct net_interface *pif_interface(const struct pif *pif, const struct host_machine_facts *f);

/* Record the interface, with a network to go with it. */
const struct pif *pif_row_introduce(struct txn *t, struct ref host, const struct net_interface *i);

/* Let the PIF have the addresses that its interface has. */
void pif_row_follow(struct txn *t, const struct pif *pif, const struct net_interface *i);

/* Find out which interfaces the PIFs of first starts stand for. */
void pif_rows_settle(struct txn *t, struct ref host, const struct host_machine_facts *f);

/* pif_row_follow for all PIFs of the host that stand for interfaces. */
void pif_rows_refresh(struct txn *t, struct ref host, const struct host_machine_facts *f);

/* What a host says of its machine now, be it this one; texts on c->mem. Errors: HOST_OFFLINE. */
int co_host_ask_machine(struct call *c, struct ref host, struct host_machine_facts *ret, struct err *e);

/* Record all interfaces that have an address and are no bridge of the pool's networks. */
void pif_rows_scan(struct txn *t, struct ref host, const struct host_machine_facts *f);

#endif
