#ifndef XAPID_NETWORK_VIF_H
#define XAPID_NETWORK_VIF_H
#include "xapid/call.h"

#define VIF_DEVICE_COUNT 7

/* The number of a VIF.device, or -1. */
int vif_device_number(const char *device);
bool vif_device_is_taken(struct db *db, struct ref vm, int number);

/* Give the VIF an address made from its VM's seed. */
void vif_generate_mac(struct txn *t, const struct vif *vif, const struct vm *vm);

#endif
