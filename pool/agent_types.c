#include "pool/agent_types.h"

/* ---- names of values, in the order of their enums ---- */

static const char *const boot_names[] = {"kernel", "bios", "uefi", NULL};
static const char *const bus_names[] = {"virtio", "ide", NULL};
const char *const codec_hv_state_names[] = {"gone", "running", "paused", NULL};
const char *const codec_hv_device_kind_names[] = {"disk", "nic", NULL};
static const char *const passage_names[] = {"none", "arriving", "leaving", "left", NULL};
static const char *const reason_names[] = {"guest_shutdown", "guest_reboot", "guest_crash",
                                           "killed",         "requested",    NULL};
static const char *const report_names[] = {"stopped", "rebooted", "guest_info", "paused", "resumed",
                                           "clock",   "crashed",  "nvram",      "memory", NULL};

/* ---- storage ---- */

static const struct codec_field sm_sr_fields[] = {CODEC_FIELD_UUID_OR_NONE(struct sm_sr, uuid),
                                                  CODEC_FIELD_TEXT(struct sm_sr, type),
                                                  CODEC_FIELD_MAP(struct sm_sr, device_config),
                                                  CODEC_FIELD_MAP(struct sm_sr, sm_config),
                                                  {0}};
const struct codec_type codec_sm_sr = CODEC_TYPE(struct sm_sr, sm_sr_fields);

static const struct codec_field sm_sr_stat_fields[] = {
    CODEC_FIELD_INT(struct sm_sr_stat, physical_size),
    CODEC_FIELD_INT(struct sm_sr_stat, physical_utilisation),
    CODEC_FIELD_INT(struct sm_sr_stat, virtual_allocation),
    {0}};
const struct codec_type codec_sm_sr_stat = CODEC_TYPE(struct sm_sr_stat, sm_sr_stat_fields);

static const struct codec_field sm_vdi_fields[] = {CODEC_FIELD_UUID(struct sm_vdi, uuid),
                                                   CODEC_FIELD_TEXT(struct sm_vdi, location),
                                                   CODEC_FIELD_TEXT(struct sm_vdi, name_label),
                                                   CODEC_FIELD_TEXT(struct sm_vdi, name_description),
                                                   CODEC_FIELD_INT(struct sm_vdi, virtual_size),
                                                   CODEC_FIELD_INT(struct sm_vdi, physical_utilisation),
                                                   CODEC_FIELD_BOOL(struct sm_vdi, read_only),
                                                   CODEC_FIELD_TEXT(struct sm_vdi, parent),
                                                   {0}};
const struct codec_type codec_sm_vdi = CODEC_TYPE(struct sm_vdi, sm_vdi_fields);

static const struct codec_field agent_place_fields[] = {
    CODEC_FIELD_STRUCT(struct agent_place, sr, &codec_sm_sr),
    CODEC_FIELD_TEXT(struct agent_place, location),
    {0}};
const struct codec_type codec_agent_place = CODEC_TYPE(struct agent_place, agent_place_fields);

static const struct codec_field hv_credentials_fields[] = {
    CODEC_FIELD_TEXT(struct hv_credentials, authority),
    CODEC_FIELD_TEXT(struct hv_credentials, certificate),
    CODEC_FIELD_TEXT(struct hv_credentials, key),
    {0}};
static const struct codec_type codec_hv_credentials =
    CODEC_TYPE(struct hv_credentials, hv_credentials_fields);

static const struct codec_field agent_target_fields[] = {
    CODEC_FIELD_TEXT(struct agent_target, address),
    CODEC_FIELD_UNSIGNED(struct agent_target, port),
    CODEC_FIELD_UUID(struct agent_target, host),
    CODEC_FIELD_TEXT(struct agent_target, ticket),
    CODEC_FIELD_POINTER(struct agent_target, credentials, &codec_hv_credentials),
    {0}};
const struct codec_type codec_agent_target = CODEC_TYPE(struct agent_target, agent_target_fields);

/* ---- guests ---- */

static const struct codec_field agent_disk_fields[] = {
    CODEC_FIELD_UUID(struct agent_disk, vbd_uuid),
    CODEC_FIELD_UNSIGNED(struct agent_disk, userdevice),
    CODEC_FIELD_BOOL(struct agent_disk, cdrom),
    CODEC_FIELD_BOOL(struct agent_disk, readonly),
    CODEC_FIELD_ENUM(struct agent_disk, bus, bus_names),
    CODEC_FIELD_STRUCT(struct agent_disk, sr, &codec_sm_sr),
    CODEC_FIELD_TEXT(struct agent_disk, location),
    {0}};
const struct codec_type codec_agent_disk = CODEC_TYPE(struct agent_disk, agent_disk_fields);

static const struct codec_field net_network_fields[] = {
    CODEC_FIELD_UUID_OR_NONE(struct net_network, uuid), CODEC_FIELD_TEXT(struct net_network, bridge),
    CODEC_FIELD_UNSIGNED(struct net_network, mtu),      CODEC_FIELD_BOOL(struct net_network, nat),
    CODEC_FIELD_TEXT(struct net_network, subnet),       {0}};
static const struct codec_type codec_net_network = CODEC_TYPE(struct net_network, net_network_fields);

static const char *const filter_names[] = {"unlocked", "locked", "disabled", NULL};
static const struct codec_field net_filter_fields[] = {
    CODEC_FIELD_ENUM(struct net_filter, mode, filter_names),
    CODEC_FIELD_TEXT(struct net_filter, mac),
    CODEC_FIELD_TEXT(struct net_filter, ipv4),
    CODEC_FIELD_TEXT(struct net_filter, ipv6),
    {0}};
static const struct codec_type codec_net_filter = CODEC_TYPE(struct net_filter, net_filter_fields);

static const struct codec_field agent_nic_fields[] = {
    CODEC_FIELD_UUID(struct agent_nic, vif_uuid),
    CODEC_FIELD_UNSIGNED(struct agent_nic, device),
    CODEC_FIELD_TEXT(struct agent_nic, mac),
    CODEC_FIELD_UNSIGNED(struct agent_nic, mtu),
    CODEC_FIELD_STRUCT(struct agent_nic, network, &codec_net_network),
    CODEC_FIELD_STRUCT(struct agent_nic, filter, &codec_net_filter),
    {0}};
const struct codec_type codec_agent_nic = CODEC_TYPE(struct agent_nic, agent_nic_fields);

static const struct codec_field agent_image_fields[] = {
    CODEC_FIELD_UUID_OR_NONE(struct agent_image, vdi_uuid),
    CODEC_FIELD_STRUCT(struct agent_image, sr, &codec_sm_sr),
    CODEC_FIELD_TEXT(struct agent_image, location),
    {0}};
const struct codec_type codec_agent_image = CODEC_TYPE(struct agent_image, agent_image_fields);

static const struct codec_field hv_vm_spec_fields[] = {CODEC_FIELD_UUID(struct hv_vm_spec, uuid),
                                                       CODEC_FIELD_TEXT(struct hv_vm_spec, name),
                                                       CODEC_FIELD_INT(struct hv_vm_spec, domid),
                                                       CODEC_FIELD_INT(struct hv_vm_spec, memory),
                                                       CODEC_FIELD_INT(struct hv_vm_spec, memory_max),
                                                       CODEC_FIELD_UNSIGNED(struct hv_vm_spec, vcpus),
                                                       CODEC_FIELD_UNSIGNED(struct hv_vm_spec, vcpus_max),
                                                       CODEC_FIELD_ENUM(struct hv_vm_spec, boot, boot_names),
                                                       CODEC_FIELD_TEXT(struct hv_vm_spec, kernel),
                                                       CODEC_FIELD_TEXT(struct hv_vm_spec, ramdisk),
                                                       CODEC_FIELD_TEXT(struct hv_vm_spec, cmdline),
                                                       CODEC_FIELD_TEXT(struct hv_vm_spec, boot_order),
                                                       CODEC_FIELD_TEXT(struct hv_vm_spec, nvram),
                                                       CODEC_FIELD_BOOL(struct hv_vm_spec, start_paused),
                                                       CODEC_FIELD_TEXT(struct hv_vm_spec, shape),
                                                       CODEC_FIELD_TEXT(struct hv_vm_spec, cpu_features),
                                                       CODEC_FIELD_MAP(struct hv_vm_spec, platform),
                                                       CODEC_FIELD_MAP(struct hv_vm_spec, bios_strings),
                                                       CODEC_FIELD_MAP(struct hv_vm_spec, xenstore_data),
                                                       CODEC_FIELD_MAP(struct hv_vm_spec, vcpus_params),
                                                       {0}};
const struct codec_type codec_hv_vm_spec = CODEC_TYPE(struct hv_vm_spec, hv_vm_spec_fields);

static const struct codec_field agent_vm_spec_fields[] = {
    CODEC_FIELD_STRUCT(struct agent_vm_spec, vm, &codec_hv_vm_spec),
    CODEC_FIELD_ARRAY(struct agent_vm_spec, disks, n_disks, &codec_agent_disk),
    CODEC_FIELD_ARRAY(struct agent_vm_spec, nics, n_nics, &codec_agent_nic),
    CODEC_FIELD_STRUCT(struct agent_vm_spec, image, &codec_agent_image),
    {0}};
const struct codec_type codec_agent_vm_spec = CODEC_TYPE(struct agent_vm_spec, agent_vm_spec_fields);

static const struct codec_field agent_device_fields[] = {CODEC_FIELD_UUID(struct agent_device, uuid),
                                                         CODEC_FIELD_TEXT(struct agent_device, sr_uuid),
                                                         CODEC_FIELD_TEXT(struct agent_device, location),
                                                         CODEC_FIELD_BOOL(struct agent_device, copying),
                                                         {0}};
const struct codec_type codec_agent_device = CODEC_TYPE(struct agent_device, agent_device_fields);

/* ---- what is found out ---- */

static const struct codec_field hv_vm_facts_fields[] = {
    CODEC_FIELD_ENUM(struct hv_vm_facts, state, codec_hv_state_names),
    CODEC_FIELD_INT(struct hv_vm_facts, domid),
    CODEC_FIELD_INT(struct hv_vm_facts, start_time),
    CODEC_FIELD_BOOL(struct hv_vm_facts, vnc),
    CODEC_FIELD_BOOL(struct hv_vm_facts, serial),
    CODEC_FIELD_BOOL(struct hv_vm_facts, held),
    CODEC_FIELD_BOOL(struct hv_vm_facts, crashed),
    CODEC_FIELD_ENUM(struct hv_vm_facts, passage, passage_names),
    CODEC_FIELD_INT_OR_NONE(struct hv_vm_facts, memory_max),
    {0}};
const struct codec_type codec_hv_vm_facts = CODEC_TYPE(struct hv_vm_facts, hv_vm_facts_fields);

/* ---- moves ---- */

/* An array of numbers is one of structs that hold one. */
struct mirror {
    unsigned userdevice;
};
static const struct codec_field mirror_fields[] = {CODEC_FIELD_UNSIGNED(struct mirror, userdevice), {0}};
static const struct codec_type codec_mirror = CODEC_TYPE(struct mirror, mirror_fields);

static const struct codec_field hv_passage_options_fields[] = {
    CODEC_FIELD_INT(struct hv_passage_options, bandwidth),
    CODEC_FIELD_UNSIGNED(struct hv_passage_options, downtime_ms),
    CODEC_FIELD_UNSIGNED(struct hv_passage_options, channels),
    CODEC_FIELD_BOOL(struct hv_passage_options, compress),
    CODEC_FIELD_BOOL(struct hv_passage_options, auto_converge),
    CODEC_FIELD_BOOL(struct hv_passage_options, post_copy),
    {0}};
static const struct codec_type codec_hv_passage_options =
    CODEC_TYPE(struct hv_passage_options, hv_passage_options_fields);

static const struct codec_field hv_passage_fields[] = {
    CODEC_FIELD_UUID(struct hv_passage, source),
    CODEC_FIELD_UUID(struct hv_passage, destination),
    CODEC_FIELD_TEXT(struct hv_passage, address),
    CODEC_FIELD_UNSIGNED(struct hv_passage, memory_port),
    CODEC_FIELD_UNSIGNED(struct hv_passage, disk_port),
    CODEC_FIELD_ARRAY(struct hv_passage, mirrors, n_mirrors, &codec_mirror),
    CODEC_FIELD_POINTER(struct hv_passage, credentials, &codec_hv_credentials),
    CODEC_FIELD_STRUCT(struct hv_passage, options, &codec_hv_passage_options),
    {0}};
const struct codec_type codec_hv_passage = CODEC_TYPE(struct hv_passage, hv_passage_fields);

static const struct codec_field hv_reception_fields[] = {
    CODEC_FIELD_STRUCT(struct hv_reception, facts, &codec_hv_vm_facts),
    CODEC_FIELD_UNSIGNED(struct hv_reception, memory_port),
    CODEC_FIELD_UNSIGNED(struct hv_reception, disk_port),
    {0}};
const struct codec_type codec_hv_reception = CODEC_TYPE(struct hv_reception, hv_reception_fields);

/* ---- what is found out, going on ---- */

static const struct codec_field agent_guest_fields[] = {
    CODEC_FIELD_UUID(struct agent_guest, uuid),
    CODEC_FIELD_STRUCT(struct agent_guest, facts, &codec_hv_vm_facts),
    {0}};
const struct codec_type codec_agent_guest = CODEC_TYPE(struct agent_guest, agent_guest_fields);

static const struct codec_field hv_guest_info_fields[] = {
    CODEC_FIELD_MAP(struct hv_guest_info, addresses),
    CODEC_FIELD_MAP(struct hv_guest_info, os),
    CODEC_FIELD_TEXT(struct hv_guest_info, agent_version),
    CODEC_FIELD_TEXT(struct hv_guest_info, hostname),
    {0}};
static const struct codec_type codec_hv_guest_info = CODEC_TYPE(struct hv_guest_info, hv_guest_info_fields);

static const struct codec_field hv_report_fields[] = {
    CODEC_FIELD_ENUM(struct hv_report, kind, report_names),
    CODEC_FIELD_UUID(struct hv_report, uuid),
    CODEC_FIELD_ENUM(struct hv_report, reason, reason_names),
    CODEC_FIELD_POINTER(struct hv_report, info, &codec_hv_guest_info),
    CODEC_FIELD_INT(struct hv_report, timeoffset),
    CODEC_FIELD_TEXT(struct hv_report, nvram),
    CODEC_FIELD_INT(struct hv_report, memory),
    {0}};
const struct codec_type codec_hv_report = CODEC_TYPE(struct hv_report, hv_report_fields);

static const struct codec_field hv_host_facts_fields[] = {
    CODEC_FIELD_TEXT(struct hv_host_facts, accelerator), CODEC_FIELD_TEXT(struct hv_host_facts, version),
    CODEC_FIELD_CHARS(struct hv_host_facts, cpu_vendor), CODEC_FIELD_CHARS(struct hv_host_facts, cpu_model),
    CODEC_FIELD_UNSIGNED(struct hv_host_facts, cpus),    CODEC_FIELD_INT(struct hv_host_facts, memory_total),
    CODEC_FIELD_INT(struct hv_host_facts, memory_free),  {0}};
static const struct codec_type codec_hv_host_facts = CODEC_TYPE(struct hv_host_facts, hv_host_facts_fields);

static const struct codec_field net_facts_fields[] = {
    CODEC_FIELD_BOOL(struct net_facts, root), CODEC_FIELD_TEXT(struct net_facts, hostname), {0}};
static const struct codec_type codec_net_facts = CODEC_TYPE(struct net_facts, net_facts_fields);

static const struct codec_field agent_host_facts_fields[] = {
    CODEC_FIELD_STRUCT(struct agent_host_facts, hv, &codec_hv_host_facts),
    CODEC_FIELD_STRUCT(struct agent_host_facts, net, &codec_net_facts),
    {0}};
const struct codec_type codec_agent_host_facts = CODEC_TYPE(struct agent_host_facts, agent_host_facts_fields);
