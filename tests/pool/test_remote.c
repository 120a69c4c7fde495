/* The agent of another host: a real one with the simulated hypervisor and real disk images, over mutual TLS.
 */
#include <dirent.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/clock.h"
#include "pool/agent_serve.h"
#include "pool/peer.h"
#include "tests/in_fiber.h"

#define POOL "11111111-2222-4333-8444-555555555555"
#define HOST "aaaaaaaa-2222-4333-8444-555555555555"
#define HOST_REF "OpaqueRef:aaaaaaaa-2222-4333-8444-555555555555"
#define ADDRESS "127.0.24.11"
#define MIB (1024 * 1024)

static char dir[64];
static void *mem;
static struct err error;

/* ---- a host that serves its agent, and another's view of it ---- */

static struct authority *authority;
static struct peer_pool pool;
static struct http_server *server;
static struct tls_server *tls;
static uint16_t port;
static struct agent *own, *far;
static unsigned served, serving, most_serving;

static void on_report(const struct hv_report *r, void *arg)
{
}

static void co_serve(struct http_request *r, struct http_reply *reply, void *arg)
{
    if (!peer_check(&pool, r, reply))
        return;
    served++;
    if (++serving > most_serving)
        most_serving = serving;
    co_agent_serve(own, r, reply);
    serving--;
}

static void co_serve_console(struct http_request *r, struct http_stream *s, void *arg)
{
    if (co_peer_check_stream(&pool, r, s))
        co_agent_serve_console(own, r, s);
}

/* It is done, and the connection breaks before anybody hears of it. */
static void co_serve_and_lose(struct http_request *r, struct http_stream *s, void *arg)
{
    served++;
}

static const struct http_route routes[] = {
    {"POST", "/agent/", .co_handle = co_serve},
    {"POST", "/agent/vm_hold", .co_raw = co_serve_and_lose},
    {"CONNECT", "/agent/console", .co_raw = co_serve_console},
    {NULL},
};

static const char *folder(const char *name)
{
    char *path = talloc_asprintf(mem, "%s/%s", dir, name);
    ck_assert(access(path, F_OK) == 0 || mkdir(path, 0700) == 0);
    return path;
}

static void set_up(void)
{
    strcpy(dir, "/tmp/xapid-remote.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    mem = talloc_new(NULL);
    ck_assert_int_eq(authority_open(dir, POOL, HOST, &authority, &error), 0);
    pool = (struct peer_pool){.uuid = POOL, .term = 1};
    server = http_server_new(routes, NULL, NULL);
    ck_assert_int_eq(tls_server_open(folder("tls"), "test-host", ADDRESS, &tls, &error), 0);
    peer_serve(tls, authority);
    ck_assert_int_eq(http_server_listen_tcp(server, ADDRESS, 0, tls, &port, &error), 0);
}

static void tear_down(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    http_server_free(server);
    tls_server_free(tls);
    authority_free(authority);
    talloc_free(mem);
    err_clear(&error);
}

static struct agent *agent_at(uint16_t at)
{
    struct agent_remote_options o = {.authority = authority,
                                     .pool = &pool,
                                     .address = ADDRESS,
                                     .port = at,
                                     .host_uuid = HOST,
                                     .host_ref = HOST_REF};
    return agent_remote_new(&o);
}

static const char *script;
static void (*co_test)(void);

static void co_run(void *arg)
{
    struct agent_options o = {
        .state_dir = folder("state"), .hypervisor = "sim", .sim_script = script, .report = on_report};
    struct agent_host_facts facts;

    ck_assert_msg(co_agent_open(&o, &own, &facts, &error) == 0, "%s", err_text(mem, &error));
    far = agent_at(port);
    co_test();
    agent_free(far);
    co_http_server_stop(server, clock_in_ms(60000));
    ck_assert_uint_eq(serving, 0);
    agent_free(own);
    loop_stop();
}

static void in_fiber(void (*co_fn)(void), const char *with_script)
{
    co_test = co_fn;
    script = with_script;
    run_in_fiber(co_run, NULL);
}

/* ---- what tests ask ---- */

static void ck_ok(int rc)
{
    ck_assert_msg(rc == 0, "%s", err_text(mem, &error));
}

static void ck_fails(int rc, const char *code)
{
    ck_assert_int_lt(rc, 0);
    ck_assert_str_eq(error.code, code);
}

static struct sm_sr file_sr(const char *name)
{
    struct sm_sr sr = {.type = "file", .device_config = map_with(mem, NULL, "location", folder(name))};
    uuid_new(sr.uuid);
    return sr;
}

static struct agent_vm_spec a_guest(void)
{
    struct agent_vm_spec spec = {.vm = {.name = "guest \"\xc3\xa9\"",
                                        .domid = 7,
                                        .memory = 64 * MIB,
                                        .vcpus = 1,
                                        .vcpus_max = 4,
                                        .boot = HV_BOOT_BIOS,
                                        .boot_order = "cd",
                                        .start_paused = true,
                                        .platform = map_with(mem, NULL, "nx", "true")}};
    uuid_new(spec.vm.uuid);
    return spec;
}

static enum hv_state co_state(const char *uuid)
{
    enum hv_state state, here;
    ck_ok(co_agent_vm_state(far, uuid, &state, &error));
    ck_ok(co_agent_vm_state(own, uuid, &here, &error));
    ck_assert_int_eq(state, here);
    return state;
}

static unsigned notes_left(void)
{
    DIR *d = opendir(talloc_asprintf(mem, "%s/state/agent", dir));
    unsigned n = 0;
    for (struct dirent *entry; d && (entry = readdir(d));)
        n += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

/* ---- guests ---- */

static void co_life(void)
{
    struct agent_vm_spec spec = a_guest();
    const char *uuid = spec.vm.uuid;
    struct hv_vm_facts facts;
    struct agent_device *devices;
    unsigned now = 99, n;

    ck_ok(co_agent_vm_start(far, &spec, &facts, &error));
    ck_assert_int_eq(facts.state, HV_STATE_PAUSED);
    ck_assert_int_eq(facts.domid, 7);
    ck_assert_int_gt(facts.start_time, 0);
    ck_assert(facts.vnc);
    ck_assert_int_eq(co_state(uuid), HV_STATE_PAUSED);
    ck_ok(co_agent_vm_unpause(far, uuid, &error));
    ck_assert_int_eq(co_state(uuid), HV_STATE_RUNNING);
    ck_ok(co_agent_vm_pause(far, uuid, &error));
    ck_ok(co_agent_vm_unpause(far, uuid, &error));
    ck_ok(co_agent_vm_set_processors(far, uuid, 2, NULL, &now, &error));
    ck_assert_uint_eq(now, 2);
    ck_ok(co_agent_vm_devices(far, mem, uuid, &devices, &n, &error));
    ck_assert_ptr_nonnull(devices);
    ck_assert_uint_eq(n, 0);
    ck_ok(co_agent_vm_reboot(far, uuid, clock_in_ms(60000), &error));
    ck_ok(co_agent_vm_reset(far, uuid, &error));
    ck_ok(co_agent_vm_shutdown(far, uuid, CLOCK_NEVER, &error));
    ck_assert_int_eq(co_state(uuid), HV_STATE_GONE);
    ck_ok(co_agent_vm_stop(far, uuid, &error));
    ck_ok(co_agent_vm_devices(far, mem, uuid, &devices, &n, &error));
    ck_assert_ptr_null(devices);
}
START_TEST(a_guest_lives_on_another_host)
{
    in_fiber(co_life, NULL);
}
END_TEST

static void co_devices(void)
{
    struct agent_vm_spec spec = a_guest();
    struct sm_sr sr = file_sr("sr");
    struct hv_vm_facts facts;
    struct agent_device *devices;
    struct sm_vdi vdi;
    unsigned n;

    ck_ok(co_agent_sr_create(far, &sr, 0, &error));
    char vdi_uuid[UUID_TEXT_SIZE];
    uuid_new(vdi_uuid);
    ck_ok(co_agent_vdi_create(far, &sr, mem, vdi_uuid, MIB, NULL, &vdi, &error));
    struct agent_disk disk = {.userdevice = 1, .bus = HV_BUS_VIRTIO, .sr = sr, .location = vdi.location};
    struct agent_nic nic = {.mac = "02:00:00:00:00:01", .mtu = 1500, .network = {.bridge = "xenbr0"}};
    uuid_new(disk.vbd_uuid);
    uuid_new(nic.vif_uuid);
    ck_ok(co_agent_vm_start(far, &spec, &facts, &error));
    ck_ok(co_agent_plug_disk(far, spec.vm.uuid, &disk, &error));
    ck_ok(co_agent_plug_nic(far, spec.vm.uuid, &nic, &error));
    ck_ok(co_agent_vm_devices(far, mem, spec.vm.uuid, &devices, &n, &error));
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(devices[0].uuid, disk.vbd_uuid);
    ck_assert_str_eq(devices[0].location, vdi.location);
    ck_assert_str_eq(devices[0].sr_uuid, sr.uuid);
    ck_assert_ptr_null(devices[1].location);
    ck_ok(co_agent_unplug(far, spec.vm.uuid, HV_DEVICE_NIC, nic.vif_uuid, 0, false, clock_in_ms(60000),
                          &error));
    ck_ok(co_agent_unplug(far, spec.vm.uuid, HV_DEVICE_DISK, disk.vbd_uuid, 1, true, clock_in_ms(60000),
                          &error));
    ck_ok(co_agent_vm_devices(far, mem, spec.vm.uuid, &devices, &n, &error));
    ck_assert_uint_eq(n, 0);
    ck_ok(co_agent_vm_stop(far, spec.vm.uuid, &error));
}
START_TEST(devices_come_and_go_on_another_host)
{
    in_fiber(co_devices, NULL);
}
END_TEST

static double told[16];
static unsigned n_told;

static void on_progress(double done, void *arg)
{
    ck_assert_ptr_eq(arg, &n_told);
    told[n_told++] = done;
}

static void co_save(void)
{
    struct agent_vm_spec spec = a_guest();
    struct agent_image image = {.sr = file_sr("sr")};
    struct hv_vm_facts facts;
    struct sm_vdi vdi;

    uuid_new(image.vdi_uuid);
    ck_ok(co_agent_sr_create(far, &image.sr, 0, &error));
    ck_ok(co_agent_vdi_create(far, &image.sr, mem, image.vdi_uuid, 2 * MIB, NULL, &vdi, &error));
    image.location = vdi.location;
    spec.vm.start_paused = false;
    ck_ok(co_agent_vm_start(far, &spec, &facts, &error));
    ck_ok(co_agent_vm_save(far, spec.vm.uuid, &image, on_progress, &n_told, &error));
    ck_assert_uint_eq(n_told, 1);
    ck_assert(told[0] == 0.5);
    ck_ok(co_agent_vm_stop(far, spec.vm.uuid, &error));
    spec.image = image;
    ck_ok(co_agent_vm_start(far, &spec, &facts, &error));
    ck_assert(facts.held);
    ck_ok(co_agent_vm_unpause(far, spec.vm.uuid, &error));
    ck_assert_int_eq(co_state(spec.vm.uuid), HV_STATE_RUNNING);
    ck_ok(co_agent_vm_stop(far, spec.vm.uuid, &error));
}
START_TEST(a_guest_is_saved_and_restored_and_says_how_far_it_is)
{
    in_fiber(co_save, "save delay=20ms");
}
END_TEST

static size_t co_read_until(int fd, char *bytes, size_t size, const char *end)
{
    size_t n = 0;
    bytes[0] = '\0';
    while (!strstr(bytes, end)) {
        ck_assert_int_gt(co_wait_fd(fd, EV_READ, clock_in_ms(60000), "the console"), 0);
        ssize_t got = read(fd, bytes + n, size - n - 1);
        ck_assert_int_gt(got, 0);
        n += (size_t)got;
        bytes[n] = '\0';
    }
    return n;
}

static void co_console(void)
{
    struct agent_vm_spec spec = a_guest();
    struct hv_vm_facts facts;
    char bytes[200];

    ck_assert_int_lt(co_agent_vm_console(far, spec.vm.uuid, "serial"), 0);
    ck_ok(co_agent_vm_start(far, &spec, &facts, &error));
    ck_assert_int_lt(co_agent_vm_console(far, spec.vm.uuid, "printer"), 0);
    int fd = co_agent_vm_console(far, spec.vm.uuid, "serial");
    ck_assert_int_ge(fd, 0);
    co_read_until(fd, bytes, sizeof bytes, "guest\r\n");
    ck_assert_int_eq(write(fd, "echo?", 5), 5);
    co_read_until(fd, bytes, sizeof bytes, "echo?");
    close(fd);
    ck_ok(co_agent_vm_stop(far, spec.vm.uuid, &error));
}
START_TEST(a_console_comes_from_another_host)
{
    in_fiber(co_console, NULL);
}
END_TEST

/* ---- storage ---- */

static int by_location(const void *a, const void *b)
{
    return strcmp(((const struct sm_vdi *)a)->location, ((const struct sm_vdi *)b)->location);
}

/* Both agents find the same. */
static void co_ck_scan(const struct sm_sr *sr, unsigned expected)
{
    struct sm_vdi *here, *there;
    unsigned n_here, n_there;

    ck_ok(co_agent_sr_scan(own, sr, mem, &here, &n_here, &error));
    ck_ok(co_agent_sr_scan(far, sr, mem, &there, &n_there, &error));
    ck_assert_uint_eq(n_here, expected);
    ck_assert_uint_eq(n_there, expected);
    qsort(here, n_here, sizeof *here, by_location);
    qsort(there, n_there, sizeof *there, by_location);
    for (unsigned i = 0; i < n_here; i++) {
        ck_assert_str_eq(here[i].uuid, there[i].uuid);
        ck_assert_str_eq(here[i].location, there[i].location);
        ck_assert_int_eq(here[i].virtual_size, there[i].virtual_size);
        ck_assert_pstr_eq(here[i].parent, there[i].parent);
        ck_assert_pstr_eq(here[i].name_label, there[i].name_label);
    }
}

static void co_storage(void)
{
    struct sm_sr sr = file_sr("sr");
    struct sm_sr_stat stat;
    struct sm_vdi first, clone, snapshot, grown;
    char uuids[3][UUID_TEXT_SIZE];

    for (unsigned i = 0; i < 3; i++)
        uuid_new(uuids[i]);
    ck_ok(co_agent_sr_create(far, &sr, 0, &error));
    ck_ok(co_agent_sr_attach(far, &sr, &error));
    ck_ok(co_agent_vdi_create(far, &sr, mem, uuids[0], 4 * MIB, NULL, &first, &error));
    ck_assert_str_eq(first.uuid, uuids[0]);
    ck_assert_int_eq(first.virtual_size, 4 * MIB);
    ck_ok(co_agent_vdi_clone(far, &sr, mem, first.location, uuids[1], &clone, &error));
    ck_assert_ptr_nonnull(clone.parent);
    ck_ok(co_agent_vdi_snapshot(far, &sr, mem, first.location, uuids[2], &snapshot, &error));
    ck_ok(co_agent_vdi_resize(far, &sr, mem, clone.location, 8 * MIB, &grown, &error));
    ck_assert_int_eq(grown.virtual_size, 8 * MIB);
    ck_ok(co_agent_vdi_copy(far, &(struct agent_place){sr, first.location},
                            &(struct agent_place){sr, clone.location}, &error));
    ck_ok(co_agent_sr_stat(far, &sr, &stat, &error));
    ck_assert_int_gt(stat.physical_size, 0);
    ck_assert_int_eq(stat.virtual_allocation, 16 * MIB);
    co_ck_scan(&sr, 3);
    ck_ok(co_agent_vdi_destroy(far, &sr, snapshot.location, &error));
    co_ck_scan(&sr, 2);
    ck_ok(co_agent_sr_detach(far, &sr, &error));
}
START_TEST(storage_is_acted_on_at_another_host)
{
    in_fiber(co_storage, NULL);
}
END_TEST

/* ---- failures ---- */

static void co_errors(void)
{
    struct agent_vm_spec spec = a_guest();
    struct sm_sr sr = file_sr("sr");
    char here[256];

    ck_fails(co_agent_vm_pause(own, spec.vm.uuid, &error), "VM_BAD_POWER_STATE");
    snprintf(here, sizeof here, "%s", err_text(mem, &error));
    err_clear(&error);
    ck_fails(co_agent_vm_pause(far, spec.vm.uuid, &error), "VM_BAD_POWER_STATE");
    ck_assert_str_eq(err_text(mem, &error), here);
    err_clear(&error);
    sr.type = "lvm";
    ck_fails(co_agent_sr_attach(far, &sr, &error), "SR_UNKNOWN_DRIVER");
    ck_assert_str_eq(error.params[0], "lvm");
    err_clear(&error);
    /* What is not UTF-8 does not leave. */
    spec.vm.name = "\xff";
    struct hv_vm_facts facts;
    ck_fails(co_agent_vm_start(far, &spec, &facts, &error), "INTERNAL_ERROR");
    ck_assert(!agent_outcome_unknown(&error));
    ck_assert_uint_eq(served, 2);
}
START_TEST(errors_are_those_of_the_other_host)
{
    in_fiber(co_errors, NULL);
}
END_TEST

static void co_no_host(void)
{
    struct agent_vm_spec spec = a_guest();
    struct agent *nobody = agent_at(1);

    ck_fails(co_agent_vm_pause(nobody, spec.vm.uuid, &error), "HOST_OFFLINE");
    ck_assert_str_eq(error.params[0], HOST_REF);
    ck_assert(!agent_outcome_unknown(&error));
    err_clear(&error);
    agent_free(nobody);
    pool.term = 2; /* shared by both sides here */
    struct peer_pool old = {.uuid = POOL, .term = 1};
    struct agent_remote_options o = {authority, &old, ADDRESS, port, HOST, HOST_REF};
    struct agent *stale = agent_remote_new(&o);
    ck_fails(co_agent_vm_pause(stale, spec.vm.uuid, &error), "HOST_OFFLINE");
    ck_assert_uint_eq(served, 0);
    agent_free(stale);
}
START_TEST(a_host_that_is_not_reached_or_refuses_is_offline)
{
    in_fiber(co_no_host, NULL);
}
END_TEST

static void co_lost(void)
{
    struct agent_vm_spec spec = a_guest();

    /* On a fresh connection and on one that was kept: never asked twice. */
    for (unsigned i = 1; i <= 2; i++) {
        ck_fails(co_agent_vm_hold(far, spec.vm.uuid, &error), "CANNOT_CONTACT_HOST");
        ck_assert_str_eq(error.params[0], HOST_REF);
        ck_assert(agent_outcome_unknown(&error));
        err_clear(&error);
        ck_assert_uint_eq(served, 2 * i - 1);
        ck_assert_int_eq(co_state(spec.vm.uuid), HV_STATE_GONE);
    }
}
START_TEST(a_lost_answer_leaves_the_outcome_unknown)
{
    in_fiber(co_lost, NULL);
}
END_TEST

/* ---- cancelling ---- */

static struct agent_vm_spec hanging;
static bool ended;

static void co_start_hanging(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    ck_assert_int_lt(co_agent_vm_start(far, &hanging, &facts, &e), 0);
    ck_assert(fiber_cancelled(fiber_self()));
    ck_assert(!agent_outcome_unknown(&e));
    /* The other host has undone it when the call returns. */
    ck_assert_uint_eq(notes_left(), 0);
    ck_assert_uint_eq(serving, 0);
    ended = true;
}

static void co_cancel(void)
{
    struct fiber *f;

    hanging = a_guest();
    f = fiber_ref(fiber_spawn("start", co_start_hanging, NULL));
    while (notes_left() == 0)
        ck_assert_int_eq(co_sleep_until(clock_in_ms(5), "the other host to begin"), 0);
    fiber_cancel(f);
    ck_assert_int_eq(co_fiber_join(f, clock_in_ms(60000)), 0);
    fiber_unref(f);
    ck_assert(ended);
    ck_assert_int_eq(co_state(hanging.vm.uuid), HV_STATE_GONE);
}
START_TEST(cancelling_a_call_cancels_it_on_the_other_host)
{
    in_fiber(co_cancel, "start hang=1");
}
END_TEST

/* ---- many at a time ---- */

static unsigned n_started;

static void co_start_one(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct agent_vm_spec spec = a_guest();
    struct hv_vm_facts facts;

    ck_assert_msg(co_agent_vm_start(far, &spec, &facts, &e) == 0, "%s", err_text(mem, &e));
    ck_assert_int_eq(co_agent_vm_stop(far, spec.vm.uuid, &e), 0);
    n_started++;
}

static void co_many(void)
{
    struct fiber *all[50];
    unsigned connections, requests;

    for (unsigned i = 0; i < 50; i++)
        all[i] = fiber_ref(fiber_spawn("start", co_start_one, NULL));
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_int_eq(co_fiber_join(all[i], clock_in_ms(60000)), 0);
        fiber_unref(all[i]);
    }
    ck_assert_uint_eq(n_started, 50);
    ck_assert_uint_eq(most_serving, 16);
    http_server_counts(server, &connections, &requests);
    ck_assert_uint_le(connections, 16);
}
START_TEST(many_calls_at_a_time_share_a_few_connections)
{
    in_fiber(co_many, "start delay=10ms..30ms");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("remote agent");
    TCase *t = tcase_create("remote agent");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_guest_lives_on_another_host);
    tcase_add_test(t, devices_come_and_go_on_another_host);
    tcase_add_test(t, a_guest_is_saved_and_restored_and_says_how_far_it_is);
    tcase_add_test(t, a_console_comes_from_another_host);
    tcase_add_test(t, storage_is_acted_on_at_another_host);
    tcase_add_test(t, errors_are_those_of_the_other_host);
    tcase_add_test(t, a_host_that_is_not_reached_or_refuses_is_offline);
    tcase_add_test(t, a_lost_answer_leaves_the_outcome_unknown);
    tcase_add_test(t, cancelling_a_call_cancels_it_on_the_other_host);
    tcase_add_test(t, many_calls_at_a_time_share_a_few_connections);
    suite_add_tcase(s, t);
    return run_suite(s);
}
