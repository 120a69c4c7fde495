#ifndef POOL_AGENT_TYPES_H
#define POOL_AGENT_TYPES_H
/*
 * The structs of the agent seam as pool/codec.h takes them. A hv_vm_spec goes without its disks, NICs and
 * descriptor: the agent of the guest's host fills those.
 */
#include "pool/agent.h"
#include "pool/codec.h"

/* One guest that a host has. */
struct agent_guest {
    char uuid[UUID_TEXT_SIZE];
    struct hv_vm_facts facts;
};

extern const struct codec_type codec_hv_report, codec_hv_vm_facts, codec_hv_vm_spec, codec_agent_host_facts,
    codec_agent_guest, codec_hv_passage, codec_hv_reception, codec_sm_sr, codec_sm_sr_stat, codec_sm_vdi,
    codec_agent_place, codec_agent_target, codec_agent_disk, codec_agent_nic, codec_agent_image,
    codec_agent_vm_spec, codec_agent_device;

/* The names of the values, ended by NULL. */
extern const char *const codec_hv_state_names[], *const codec_hv_device_kind_names[];

#endif
