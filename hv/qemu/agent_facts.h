#ifndef HV_QEMU_AGENT_FACTS_H
#define HV_QEMU_AGENT_FACTS_H
/*
 * What a guest's agent says, checked and cut to size, as the maps of VM_guest_metrics. Results are on ctx;
 * what is not of the expected shape counts as not said. Never yields.
 */
#include "hv/hv.h"
#include "hv/qemu/agent_proto.h"

/* A text without control characters, at most 255 bytes; NULL when v is none. */
const char *agent_facts_text(void *ctx, const json_t *v);

/* guest-get-osinfo as "name", "distro", "major", "minor", "uname"; NULL when it says nothing. */
const struct map *agent_facts_os(void *ctx, const json_t *osinfo);

/* guest-network-get-interfaces as "<device>/ip", "<device>/ipv4/<n>", "<device>/ipv6/<n>", for the interfaces
 * whose MAC address is among nics. */
const struct map *agent_facts_addresses(void *ctx, const json_t *interfaces,
                                        const struct agent_nic_name *nics, unsigned n_nics);

bool agent_facts_equal(const struct hv_guest_info *a, const struct hv_guest_info *b);
void agent_facts_copy(void *ctx, const struct hv_guest_info *from, struct hv_guest_info *to);

#endif
