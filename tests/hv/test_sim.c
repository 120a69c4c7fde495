/* The simulated hypervisor: scripts, life of a guest, a restart of the daemon, thousands of guests, faults.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <talloc.h>
#include <unistd.h>
#include "hv/sim/script.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "tests/hv/fixture.h"
#include "tests/in_fiber.h"

static struct fixture f;
static struct hv *hv;
static struct hv_vm_spec spec;
static struct hv_vm_facts facts;

static void co_open(const char *script)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_host_facts host;

    if (!f.dir[0])
        fixture_init(&f);
    ck_assert_int_eq(co_hv_sim_open(&f.options, script, &hv, &host, &e), 0);
    ck_assert_str_eq(host.accelerator, "sim");
    fixture_spec(&spec);
}

/* ---- scripts ---- */

START_TEST(a_script_sets_delays_faults_and_the_host)
{
    CLEANUP_ERR struct err e = {0};
    static struct sim_script s;
    struct sim_fate fate;

    ck_assert_int_eq(sim_script_parse(&s,
                                      "# nothing\n\n"
                                      "host cpus=4 memory=2GiB seed=9\r\n"
                                      "start delay=1.5ms..3ms fail=2,4 error=VM_CRASHED # why\n"
                                      "pause fail=every:3 hang=5\n"
                                      "agent off=always delay=7us\n"
                                      "life delay=2min end=crash when=1",
                                      &e),
                     0);
    ck_assert_uint_eq(s.cpus, 4);
    ck_assert_int_eq(s.memory, 2LL << 30);
    for (unsigned call = 1; call <= 4; call++) {
        fate = sim_script_next(&s, SIM_START);
        ck_assert_int_ge(fate.delay, 1500000);
        ck_assert_int_le(fate.delay, 3000000);
        ck_assert_int_eq(fate.fail, call % 2 == 0);
    }
    for (unsigned call = 1; call <= 6; call++) {
        fate = sim_script_next(&s, SIM_PAUSE);
        ck_assert_int_eq(fate.fail, call % 3 == 0);
        ck_assert_int_eq(fate.hang, call == 5);
        ck_assert_int_eq(fate.delay, 0);
    }
    ck_assert(sim_script_next(&s, SIM_AGENT).off);
    ck_assert(sim_script_next(&s, SIM_LIFE).happens);
    ck_assert_int_eq(s.rules[SIM_LIFE].delay_min, 120000000000);
}
END_TEST

START_TEST(the_same_seed_draws_the_same_delays)
{
    CLEANUP_ERR struct err e = {0};
    static struct sim_script a, b;

    ck_assert_int_eq(sim_script_parse(&a, "host seed=3\nstart delay=0s..1s", &e), 0);
    ck_assert_int_eq(sim_script_parse(&b, "host seed=3\nstart delay=0s..1s", &e), 0);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_int_eq(sim_script_next(&a, SIM_START).delay, sim_script_next(&b, SIM_START).delay);
}
END_TEST

START_TEST(a_script_that_makes_no_sense_is_refused_with_its_line)
{
    static const char *const bad[] = {
        "begin delay=1s",
        "start delay",
        "start delay=",
        "start delay=5",
        "start delay=5h",
        "start delay=-5ms",
        "start delay=5ms..",
        "start delay=5ms..1ms",
        "start delay=5ms,6ms",
        "start delay=99999999999999999999999s",
        "start fail=0",
        "start fail=1,",
        "start fail=every:",
        "start fail=99999999999999999999",
        "start fail=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
        "start error=lower",
        "start error=",
        "start off=1",
        "agent fail=1",
        "life end=boredom",
        "host cpus=0",
        "host memory=1",
        "host memory=nanGiB",
        "start \xff\xfe=1",
        "start delay=1ms \xc3(",
    };
    CLEANUP_ERR struct err e = {0};
    static struct sim_script s;
    char text[400];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "start delay=1s\n%s\npause fail=1\n", bad[i]);
        ck_assert_msg(sim_script_parse(&s, text, &e) == -1, "taken: %s", bad[i]);
        ck_assert_ptr_nonnull(strstr(e.params[0], "line 2"));
        err_clear(&e);
    }
    memset(text, 'a', sizeof text - 1); /* a word that is too long */
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(sim_script_parse(&s, text, &e), -1);
}
END_TEST

/* ---- a guest's life ---- */

static void co_live(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_nic nic = {.device = 2, .mac = "02:00:00:00:00:01"};

    co_open(NULL);
    spec.nics = &nic;
    spec.n_nics = 1;
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    ck_assert_int_eq(facts.state, HV_STATE_RUNNING);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), -1);
    ck_assert(err_is(&e, "DOMAIN_EXISTS"));
    err_clear(&e);
    ck_assert_str_eq(co_fixture_report(&f, HV_REPORT_GUEST_INFO, spec.uuid)->hostname, "sim");

    ck_assert_int_eq(hv->driver->co_pause(hv, spec.uuid, &e), 0);
    ck_assert_int_eq(hv->driver->state(hv, spec.uuid), HV_STATE_PAUSED);
    ck_assert_int_eq(hv->driver->co_shutdown(hv, spec.uuid, clock_in_ms(10), &e), -1);
    ck_assert(err_is(&e, "VM_BAD_POWER_STATE"));
    err_clear(&e);
    ck_assert_int_eq(hv->driver->co_unpause(hv, spec.uuid, &e), 0);
    ck_assert_int_eq(hv->driver->co_reboot(hv, spec.uuid, clock_in_ms(1000), &e), 0);
    ck_assert_int_eq(hv->driver->co_reset(hv, spec.uuid, &e), 0);
    ck_assert_int_eq(hv->driver->co_shutdown(hv, spec.uuid, clock_in_ms(1000), &e), 0);
    ck_assert_int_eq(hv->driver->state(hv, spec.uuid), HV_STATE_GONE);
    ck_assert_uint_eq(fixture_count(&f, HV_REPORT_PAUSED), 1);
    ck_assert_uint_eq(fixture_count(&f, HV_REPORT_RESUMED), 1);
    ck_assert_uint_eq(fixture_count(&f, HV_REPORT_REBOOTED), 1);
    ck_assert_int_eq(co_fixture_report(&f, HV_REPORT_STOPPED, spec.uuid)->reason, HV_STOP_GUEST_SHUTDOWN);
    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    ck_assert_int_eq(hv->driver->co_pause(hv, spec.uuid, &e), -1);
    ck_assert(err_is(&e, "VM_BAD_POWER_STATE"));
    hv->driver->free(hv);
}

START_TEST(a_simulated_guest_lives_and_dies)
{
    run_in_fiber(co_live, NULL);
}
END_TEST

static void co_meet_faults(void *unused)
{
    CLEANUP_ERR struct err e = {0};

    co_open("start fail=1 error=VM_CRASHED\nshutdown hang=1 delay=1ms\nagent off=1\nlife delay=1ms when=3 "
            "end=crash");
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), -1);
    ck_assert(err_is(&e, "VM_CRASHED"));
    ck_assert_str_eq(e.params[0], spec.uuid);
    err_clear(&e);
    ck_assert_int_eq(hv->driver->state(hv, spec.uuid), HV_STATE_GONE);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    ck_assert_int_eq(hv->driver->co_reboot(hv, spec.uuid, clock_in_ms(1000), &e), -1);
    ck_assert(err_is(&e, "VM_LACKS_FEATURE"));
    err_clear(&e);
    ck_assert_int_eq(hv->driver->co_shutdown(hv, spec.uuid, clock_in_ms(5), &e), -1);
    ck_assert(err_is(&e, "VM_SHUTDOWN_TIMEOUT"));
    err_clear(&e);
    ck_assert_int_eq(hv->driver->co_shutdown(hv, spec.uuid, clock_in_ms(60000), &e), 0);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    fixture_forget(&f);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    co_fixture_report(&f, HV_REPORT_CRASHED, spec.uuid);
    ck_assert_int_eq(hv->driver->state(hv, spec.uuid), HV_STATE_PAUSED);
    hv->driver->free(hv);
}

START_TEST(a_script_makes_operations_fail_hang_and_guests_crash)
{
    run_in_fiber(co_meet_faults, NULL);
}
END_TEST

static void co_use_console(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_FD int serial = -1, vnc = -1;
    char text[64] = "";

    co_open(NULL);
    ck_assert_int_eq(hv->driver->co_console(hv, spec.uuid, "serial"), -ENOENT);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    serial = hv->driver->co_console(hv, spec.uuid, "serial");
    vnc = hv->driver->co_console(hv, spec.uuid, "vnc");
    ck_assert_int_eq(recv(vnc, text, sizeof text, 0), 12);
    ck_assert_int_eq(recv(serial, text, sizeof text, 0), 17);
    ck_assert_int_eq(send(serial, "echo", 4, 0), 4);
    ck_assert_int_gt(co_wait_fd(serial, EV_READ, clock_in_ms(60000), "the echo"), 0);
    ck_assert_int_eq(recv(serial, text, sizeof text, 0), 4);
    ck_assert_int_eq(memcmp(text, "echo", 4), 0);
    ck_assert_int_eq(hv->driver->co_console(hv, spec.uuid, "rdp"), -ENODEV);
    hv->driver->free(hv);
}

START_TEST(its_consoles_answer)
{
    run_in_fiber(co_use_console, NULL);
}
END_TEST

/* ---- restarts and numbers ---- */

static void count_visit(const char *uuid, const struct hv_vm_facts *facts_of_it, void *arg)
{
    unsigned *n = arg;

    ck_assert(uuid_is_valid(uuid));
    n[facts_of_it->state == HV_STATE_PAUSED]++;
}

#define MANY 3000

static void ignore_report(const struct hv_report *r, void *arg)
{
}

static void co_start_many(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    unsigned seen[2] = {0, 0};
    int fd;
    char path[100];

    fixture_init(&f);
    f.options.report = ignore_report;
    co_open(NULL);
    for (unsigned i = 0; i < MANY; i++) {
        fixture_spec(&spec);
        spec.start_paused = i % 3 == 0;
        ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
        if (i % 3 == 1)
            ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    }
    ck_assert_int_eq(hv->driver->co_pause(hv, spec.uuid, &e), 0);
    hv->driver->free(hv);

    /* A line that a crash cut short, and some that are nonsense. */
    snprintf(path, sizeof path, "%s/sim", f.dir);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    ck_assert_int_gt(write(fd, "+ nonsense\n= x\n\xff\n- \n+ 0123", 26), 0);
    close(fd);
    co_open(NULL);
    ck_assert_int_eq(hv->driver->co_adopt(hv, count_visit, seen, &e), 0);
    ck_assert_uint_eq(seen[1], MANY / 3 + 1);
    ck_assert_uint_eq(seen[0], MANY / 3 - 1);
    hv->driver->free(hv);
}

START_TEST(thousands_of_guests_outlive_their_daemon)
{
    run_in_fiber(co_start_many, NULL);
}
END_TEST

/* ---- fault sweep ---- */

static void co_sweep(void *unused)
{
    unsigned fired = 0, n = 0;

    co_open("start delay=1us\npause delay=1us\nshutdown delay=1us\nstop delay=1us");
    do {
        CLEANUP_ERR struct err e = {0};

        fixture_forget(&f);
        fixture_spec(&spec);
        fault_arm(FAULT_QMP | FAULT_WAIT, ++n);
        if (hv->driver->co_start(hv, &spec, &facts, &e) == 0 &&
            hv->driver->co_pause(hv, spec.uuid, &e) == 0 && hv->driver->co_unpause(hv, spec.uuid, &e) == 0 &&
            hv->driver->co_shutdown(hv, spec.uuid, clock_in_ms(60000), &e) == 0)
            ck_assert(!fault_fired());
        fired += fault_fired();
        ck_assert_int_eq(fault_fired(), err_is_set(&e));
        fault_disarm();
        err_clear(&e);
        if (hv->driver->state(hv, spec.uuid) == HV_STATE_GONE)
            ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
        ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    } while (fault_fired());
    ck_assert_uint_ge(fired, 7);
    hv->driver->free(hv);
}

START_TEST(every_fault_leaves_a_guest_that_can_start_again)
{
    run_in_fiber(co_sweep, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sim");
    TCase *c = tcase_create("sim");
    int r;

    fixture_program_begin();
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_test(c, a_script_sets_delays_faults_and_the_host);
    tcase_add_test(c, the_same_seed_draws_the_same_delays);
    tcase_add_test(c, a_script_that_makes_no_sense_is_refused_with_its_line);
    tcase_add_test(c, a_simulated_guest_lives_and_dies);
    tcase_add_test(c, a_script_makes_operations_fail_hang_and_guests_crash);
    tcase_add_test(c, its_consoles_answer);
    tcase_add_test(c, thousands_of_guests_outlive_their_daemon);
    tcase_add_test(c, every_fault_leaves_a_guest_that_can_start_again);
    suite_add_tcase(s, c);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
