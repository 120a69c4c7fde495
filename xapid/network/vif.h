#ifndef XAPID_NETWORK_VIF_H
#define XAPID_NETWORK_VIF_H
#include "xapid/call.h"
#include "xapid/server.h"

#define VIF_DEVICE_COUNT 7

/* The number of a VIF.device, or -1. */
int vif_device_number(const char *device);
bool vif_device_is_taken(struct db *db, struct ref vm, int number);

/* Errors: INVALID_IP_ADDRESS_SPECIFIED for what is no address of the family (AF_INET, AF_INET6). */
int vif_check_addresses(int family, const struct set *addresses, struct err *e);

/* Guests of a host were found up again: what lies outside of them of their NICs becomes what the rows say, in
 * a fiber of its own. Never yields. */
void vif_restore(struct xapid *x, struct ref host);

/* Give the VIF an address made from its VM's seed. */
void vif_generate_mac(struct txn *t, const struct vif *vif, const struct vm *vm);

#endif
