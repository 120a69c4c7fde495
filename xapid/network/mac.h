#ifndef XAPID_NETWORK_MAC_H
#define XAPID_NETWORK_MAC_H
#include <stdbool.h>

#define MAC_TEXT_SIZE sizeof("aa:bb:cc:dd:ee:ff")

/* Six pairs of hex digits with colons, not a group address. */
bool mac_is_valid(const char *text);

/* The address of a VM's device, locally administered: the same for the same seed (VM.other_config:mac_seed),
 * so a VIF that is made again gets its old one. */
void mac_from_seed(const char *seed, unsigned device, char mac[MAC_TEXT_SIZE]);

#endif
