/* The QEMU driver with real QEMUs, and the demo guest in them. */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/clock.h"
#include "tests/hv/demo.h"
#include "tests/in_fiber.h"

#define ASSERT_OK(call, e)                                                \
    do {                                                                  \
        int r_ = (call);                                                  \
        CLEANUP_TALLOC char *text_ = r_ < 0 ? err_text(NULL, (e)) : NULL; \
        ck_assert_msg(r_ == 0, "%s: %s", #call, text_ ? text_ : "");      \
    } while (0)

struct world {
    struct fixture f;
    struct demo demo;
    struct hv_vm_spec spec;
    struct hv_vm_facts facts;
    struct hv *hv;
};

static void co_open(struct world *w)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_host_facts facts;

    if (w->f.dir[0] == '\0')
        fixture_init(&w->f);
    ASSERT_OK(co_hv_qemu_open(&w->f.options, &w->hv, &facts, &e), &e);
    ck_assert_str_eq(w->hv->driver->name, "qemu");
    ck_assert(strcmp(facts.accelerator, "tcg") == 0 || strcmp(facts.accelerator, "kvm") == 0);
    ck_assert_int_gt(facts.memory_total, 0);
    ck_assert_uint_gt(facts.cpus, 0);
}

static void co_start_demo(struct world *w)
{
    CLEANUP_ERR struct err e = {0};

    co_open(w);
    demo_spec(&w->demo, w->f.dir, &w->spec);
    ASSERT_OK(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), &e);
    ck_assert_int_eq(w->facts.state, HV_STATE_RUNNING);
    ck_assert_int_eq(w->facts.domid, 7);
    ck_assert(w->facts.serial && !w->facts.vnc);
}

static void assert_gone(struct world *w)
{
    ck_assert_int_eq(w->hv->driver->state(w->hv, w->spec.uuid), HV_STATE_GONE);
    ck_assert(!fixture_has_folder(&w->f, w->spec.uuid));
    ck_assert(!fixture_has_children());
}

/* ---- a guest's life ---- */

static void co_pause_and_go_on(struct world *w)
{
    CLEANUP_ERR struct err e = {0};
    unsigned long ticks;

    co_demo_wait_tick(&w->f, w->spec.uuid, 0);
    ASSERT_OK(w->hv->driver->co_pause(w->hv, w->spec.uuid, &e), &e);
    ck_assert_int_eq(w->hv->driver->state(w->hv, w->spec.uuid), HV_STATE_PAUSED);
    ck_assert_uint_eq(fixture_count(&w->f, HV_REPORT_PAUSED), 1);
    ticks = demo_ticks(&w->f, w->spec.uuid);
    ck_assert_int_eq(co_sleep_until(clock_in_ms(150), "fifteen ticks that must not come"), 0);
    ck_assert_uint_eq(demo_ticks(&w->f, w->spec.uuid), ticks);
    ASSERT_OK(w->hv->driver->co_unpause(w->hv, w->spec.uuid, &e), &e);
    ck_assert_int_eq(w->hv->driver->state(w->hv, w->spec.uuid), HV_STATE_RUNNING);
    ck_assert_uint_eq(fixture_count(&w->f, HV_REPORT_RESUMED), 1);
    co_demo_wait_tick(&w->f, w->spec.uuid, ticks);
}

static void co_hear_addresses(struct world *w)
{
    const struct seen_report *r = co_fixture_report(&w->f, HV_REPORT_GUEST_INFO, w->spec.uuid);

    while (strcmp(r->ip, "") == 0) {
        ck_assert_int_eq(co_cond_wait(&w->f.news, clock_in_ms(60000), "an address"), 0);
        r = co_fixture_report(&w->f, HV_REPORT_GUEST_INFO, w->spec.uuid);
    }
    ck_assert_str_eq(r->ip, "10.0.2.15");
    ck_assert_str_eq(r->hostname, "demo");
    ck_assert_str_eq(r->agent_version, "0.1.0");
    ck_assert_ptr_nonnull(strstr(r->os, "demo guest"));
}

static void co_live(void *arg)
{
    struct world *w = arg;
    CLEANUP_ERR struct err e = {0};

    co_start_demo(w);
    co_pause_and_go_on(w);
    co_hear_addresses(w);
    ASSERT_OK(w->hv->driver->co_reboot(w->hv, w->spec.uuid, clock_in_ms(60000), &e), &e);
    ck_assert_uint_eq(fixture_count(&w->f, HV_REPORT_REBOOTED), 1);
    co_demo_wait_text(&w->f, w->spec.uuid, "disk vda, boot 2");
    fixture_forget(&w->f);
    co_hear_addresses(w);
    ASSERT_OK(w->hv->driver->co_shutdown(w->hv, w->spec.uuid, clock_in_ms(60000), &e), &e);
    ck_assert_int_eq(co_fixture_report(&w->f, HV_REPORT_STOPPED, w->spec.uuid)->reason,
                     HV_STOP_GUEST_SHUTDOWN);
    assert_gone(w);
    w->hv->driver->free(w->hv);
}

START_TEST(a_guest_ticks_stands_still_reboots_and_shuts_down)
{
    static struct world w;

    run_in_fiber(co_live, &w);
}
END_TEST

/* Type a line and read along until the guest crashes: it waits for a console that is not read. */
static void co_crash_by(struct world *w, const char *line)
{
    CLEANUP_FD int fd = w->hv->driver->co_console(w->hv, w->spec.uuid, "serial");
    char piece[1024];
    int64_t limit = clock_in_ms(60000);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    while (fixture_count(&w->f, HV_REPORT_CRASHED) == 0) {
        ck_assert_int_lt(clock_now(), limit);
        if (co_wait_fd(fd, EV_READ, clock_in_ms(50), "the console") > 0)
            ck_assert_int_gt(read(fd, piece, sizeof piece), 0);
    }
}

static void co_crash_and_die(void *arg)
{
    struct world *w = arg;
    CLEANUP_ERR struct err e = {0};

    co_start_demo(w);
    co_demo_wait_text(&w->f, w->spec.uuid, "modules loaded");
    ASSERT_OK(w->hv->driver->co_reset(w->hv, w->spec.uuid, &e), &e);
    co_demo_wait_text(&w->f, w->spec.uuid, "disk vda, boot 2");
    ck_assert_uint_eq(fixture_count(&w->f, HV_REPORT_REBOOTED), 0);
    co_demo_wait_tick(&w->f, w->spec.uuid, 20);
    co_crash_by(w, "crash\n");
    ck_assert_int_eq(w->hv->driver->state(w->hv, w->spec.uuid), HV_STATE_PAUSED);
    ck_assert_uint_eq(fixture_count(&w->f, HV_REPORT_PAUSED), 0);
    ck_assert_int_eq(w->hv->driver->co_shutdown(w->hv, w->spec.uuid, clock_in_ms(1000), &e), -1);
    ck_assert(err_is(&e, "VM_BAD_POWER_STATE"));
    err_clear(&e);
    ASSERT_OK(w->hv->driver->co_stop(w->hv, w->spec.uuid, &e), &e);
    ck_assert_int_eq(co_fixture_report(&w->f, HV_REPORT_STOPPED, w->spec.uuid)->reason, HV_STOP_REQUESTED);
    assert_gone(w);
    w->hv->driver->free(w->hv);
}

START_TEST(a_reset_starts_it_anew_and_a_crash_is_told)
{
    static struct world w;

    run_in_fiber(co_crash_and_die, &w);
}
END_TEST

static void co_press_button(void *arg)
{
    struct world *w = arg;
    CLEANUP_ERR struct err e = {0};

    co_open(w);
    demo_spec(&w->demo, w->f.dir, &w->spec);
    strcat(w->demo.cmdline, " demo.noagent");
    ASSERT_OK(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), &e);
    co_demo_wait_text(&w->f, w->spec.uuid, "modules loaded");
    co_demo_wait_tick(&w->f, w->spec.uuid, demo_ticks(&w->f, w->spec.uuid) + 10);
    ck_assert_int_eq(w->hv->driver->co_reboot(w->hv, w->spec.uuid, clock_in_ms(60000), &e), -1);
    ck_assert(err_is(&e, "VM_LACKS_FEATURE"));
    err_clear(&e);
    ASSERT_OK(w->hv->driver->co_shutdown(w->hv, w->spec.uuid, clock_in_ms(60000), &e), &e);
    ck_assert_int_eq(co_fixture_report(&w->f, HV_REPORT_STOPPED, w->spec.uuid)->reason,
                     HV_STOP_GUEST_SHUTDOWN);
    ck_assert_uint_eq(fixture_count(&w->f, HV_REPORT_GUEST_INFO), 0);
    assert_gone(w);
    w->hv->driver->free(w->hv);
}

START_TEST(a_guest_without_an_agent_obeys_the_power_button)
{
    static struct world w;

    run_in_fiber(co_press_button, &w);
}
END_TEST

/* ---- guests that need not boot ---- */

static void co_kill_and_stop(void *arg)
{
    struct world *w = arg;
    CLEANUP_ERR struct err e = {0};

    co_open(w);
    fixture_spec(&w->spec);
    w->spec.start_paused = true;
    ASSERT_OK(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), &e);
    ck_assert_int_eq(w->facts.state, HV_STATE_PAUSED);
    ck_assert_int_eq(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), -1);
    ck_assert(err_is(&e, "DOMAIN_EXISTS"));
    err_clear(&e);

    ck_assert_int_eq(kill(fixture_pid(&w->f, w->spec.uuid), SIGKILL), 0);
    ck_assert_int_eq(co_fixture_report(&w->f, HV_REPORT_STOPPED, w->spec.uuid)->reason, HV_STOP_KILLED);
    assert_gone(w);
    ck_assert_int_eq(w->hv->driver->co_pause(w->hv, w->spec.uuid, &e), -1);
    ck_assert(err_is(&e, "VM_BAD_POWER_STATE"));
    err_clear(&e);
    fixture_forget(&w->f);

    ASSERT_OK(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), &e);
    ASSERT_OK(w->hv->driver->co_stop(w->hv, w->spec.uuid, &e), &e);
    ck_assert_uint_eq(fixture_count(&w->f, HV_REPORT_STOPPED), 1);
    ck_assert_int_eq(co_fixture_report(&w->f, HV_REPORT_STOPPED, w->spec.uuid)->reason, HV_STOP_REQUESTED);
    assert_gone(w);
    ASSERT_OK(w->hv->driver->co_stop(w->hv, w->spec.uuid, &e), &e);
    w->hv->driver->free(w->hv);
}

START_TEST(a_killed_guest_is_reported_and_can_start_again)
{
    static struct world w;

    run_in_fiber(co_kill_and_stop, &w);
}
END_TEST

static void co_see_screen(void *arg)
{
    struct world *w = arg;
    CLEANUP_ERR struct err e = {0};
    CLEANUP_FD int fd = -1;
    char greeting[4] = "";

    co_open(w);
    fixture_spec(&w->spec);
    ASSERT_OK(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), &e);
    ck_assert(w->facts.vnc && w->facts.serial);
    fd = w->hv->driver->co_console(w->hv, w->spec.uuid, "vnc");
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(co_wait_fd(fd, EV_READ, clock_in_ms(60000), "the screen's greeting"), 0);
    ck_assert_int_eq(recv(fd, greeting, 4, 0), 4);
    ck_assert_int_eq(memcmp(greeting, "RFB ", 4), 0);
    ck_assert_int_eq(w->hv->driver->co_console(w->hv, w->spec.uuid, "rdp"), -ENODEV);
    /* Nothing is installed that would hear the power button. */
    ck_assert_int_eq(w->hv->driver->co_shutdown(w->hv, w->spec.uuid, clock_in_ms(200), &e), -1);
    ck_assert(err_is(&e, "VM_SHUTDOWN_TIMEOUT"));
    err_clear(&e);
    ck_assert_int_eq(w->hv->driver->co_reboot(w->hv, w->spec.uuid, clock_in_ms(200), &e), -1);
    ck_assert(err_is(&e, "VM_LACKS_FEATURE"));
    err_clear(&e);
    ASSERT_OK(w->hv->driver->co_stop(w->hv, w->spec.uuid, &e), &e);
    w->hv->driver->free(w->hv);
}

START_TEST(a_guest_without_a_system_has_a_screen_and_obeys_nobody)
{
    static struct world w;

    run_in_fiber(co_see_screen, &w);
}
END_TEST

static void co_fail_to_start(void *arg)
{
    struct world *w = arg;
    CLEANUP_ERR struct err e = {0};
    struct hv_disk disk = {.bus = HV_BUS_VIRTIO, .path = "/nonexistent/disk", .format = "raw"};
    unsigned fds;

    co_open(w);
    fixture_spec(&w->spec);
    w->spec.disks = &disk;
    w->spec.n_disks = 1;
    fds = fixture_fd_count();
    ck_assert_int_eq(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), -1);
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
    ck_assert_ptr_nonnull(strstr(e.params[2], "/nonexistent/disk"));
    ck_assert_uint_eq(fixture_fd_count(), fds);
    ck_assert_uint_eq(w->f.n_seen, 0);
    assert_gone(w);
    w->hv->driver->free(w->hv);
}

START_TEST(a_start_that_fails_says_what_qemu_said)
{
    static struct world w;

    run_in_fiber(co_fail_to_start, &w);
}
END_TEST

static void co_many_devices(void *arg)
{
    struct world *w = arg;
    CLEANUP_ERR struct err e = {0};
    struct hv_disk disks[] = {
        {.userdevice = 0, .bus = HV_BUS_IDE, .format = "qcow2"},
        {.userdevice = 3, .cdrom = true, .readonly = true},
        {.userdevice = 4, .bus = HV_BUS_VIRTIO, .format = "qcow2", .readonly = true},
    };
    struct hv_nic nics[] = {{.device = 0, .mac = "02:00:00:00:00:01", .mtu = 9000, .backend = HV_NIC_USER},
                            {.device = 1, .mac = "02:00:00:00:00:02", .backend = HV_NIC_USER}};

    co_open(w);
    demo_spec(&w->demo, w->f.dir, &w->spec);
    disks[0].path = disks[2].path = w->demo.disk;
    w->spec.boot = HV_BOOT_BIOS;
    w->spec.boot_order = "ndc";
    w->spec.start_paused = true;
    w->spec.vcpus = 2;
    w->spec.vcpus_max = 4;
    w->spec.disks = disks;
    w->spec.nics = nics;
    w->spec.n_nics = 2;
    w->spec.n_disks = 2;
    ASSERT_OK(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), &e);
    ASSERT_OK(w->hv->driver->co_stop(w->hv, w->spec.uuid, &e), &e);
    /* A disk that is written by one guest cannot be had twice. */
    w->spec.n_disks = 3;
    ck_assert_int_eq(w->hv->driver->co_start(w->hv, &w->spec, &w->facts, &e), -1);
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
    assert_gone(w);
    w->hv->driver->free(w->hv);
}

START_TEST(qemu_takes_every_kind_of_device)
{
    static struct world w;

    run_in_fiber(co_many_devices, &w);
}
END_TEST

/* ---- taking over ---- */

struct visit {
    unsigned n;
    char uuid[UUID_TEXT_SIZE];
    struct hv_vm_facts facts;
};

static void note_visit(const char *uuid, const struct hv_vm_facts *facts, void *arg)
{
    struct visit *v = arg;

    v->n++;
    memcpy(v->uuid, uuid, sizeof v->uuid);
    v->facts = *facts;
}

static void co_start_and_exit(void *arg)
{
    struct world *w = arg;

    co_start_demo(w);
    _exit(0); /* as a daemon that is killed */
}

static void co_take_over(void *arg)
{
    struct world *w = arg;
    CLEANUP_ERR struct err e = {0};
    struct hv_host_facts facts;
    struct visit v = {0};

    ASSERT_OK(co_hv_qemu_open(&w->f.options, &w->hv, &facts, &e), &e);
    ASSERT_OK(w->hv->driver->co_adopt(w->hv, note_visit, &v, &e), &e);
    ck_assert_uint_eq(v.n, 1);
    memcpy(w->spec.uuid, v.uuid, sizeof v.uuid);
    ck_assert_int_eq(v.facts.state, HV_STATE_RUNNING);
    ck_assert_int_eq(v.facts.domid, 7);
    ck_assert_int_gt(v.facts.start_time, 1600000000);
    co_demo_wait_tick(&w->f, w->spec.uuid, demo_ticks(&w->f, w->spec.uuid));
    co_hear_addresses(w);
    w->hv->driver->free(w->hv);

    /* Once more, by a daemon that had let go of it orderly. */
    ASSERT_OK(co_hv_qemu_open(&w->f.options, &w->hv, &facts, &e), &e);
    ASSERT_OK(w->hv->driver->co_adopt(w->hv, note_visit, &v, &e), &e);
    ck_assert_uint_eq(v.n, 2);
    ck_assert_int_eq(kill(fixture_pid(&w->f, w->spec.uuid), SIGKILL), 0);
    ck_assert_int_eq(co_fixture_report(&w->f, HV_REPORT_STOPPED, w->spec.uuid)->reason, HV_STOP_KILLED);
    assert_gone(w);
    w->hv->driver->free(w->hv);
}

START_TEST(a_guest_outlives_its_daemon_and_is_taken_over)
{
    static struct world w;
    int status;
    pid_t pid;

    fixture_init(&w.f);
    pid = fork();
    if (pid == 0) {
        run_in_fiber(co_start_and_exit, &w);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    run_in_fiber(co_take_over, &w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qemu");
    TCase *c = tcase_create("qemu");
    int r;

    if (!demo_build() || system("qemu-system-x86_64 --version >/dev/null") != 0) {
        fprintf(stderr, "skipped: QEMU or the demo guest is not to be had\n");
        return 77;
    }
    fixture_program_begin();
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_test(c, a_guest_ticks_stands_still_reboots_and_shuts_down);
    tcase_add_test(c, a_reset_starts_it_anew_and_a_crash_is_told);
    tcase_add_test(c, a_guest_without_an_agent_obeys_the_power_button);
    tcase_add_test(c, a_killed_guest_is_reported_and_can_start_again);
    tcase_add_test(c, a_guest_without_a_system_has_a_screen_and_obeys_nobody);
    tcase_add_test(c, a_start_that_fails_says_what_qemu_said);
    tcase_add_test(c, qemu_takes_every_kind_of_device);
    tcase_add_test(c, a_guest_outlives_its_daemon_and_is_taken_over);
    suite_add_tcase(s, c);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
