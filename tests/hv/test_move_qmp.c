/* Moves between hosts whose QEMUs misbehave, whose steps fail, or whose daemons are killed: at most one guest
 * runs, and one does unless its own QEMU has ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hv/qemu/move.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "tests/hv/faked.h"
#include "tests/hv/moving.h"
#include "tests/in_fiber.h"

static struct fixture a, b;
static struct moving *m; /* in memory that a daemon's death leaves */
static struct hv_passage_options options;

static void close_hosts(void)
{
    a.hv->driver->free(a.hv);
    b.hv->driver->free(b.hv);
}

/* A guest with a disk that moves along. */
static void co_begin(void)
{
    static const struct hv_disk disks[] = {{.bus = HV_BUS_VIRTIO, .path = "/dev/null", .format = "raw"}};
    static const unsigned mirrors[] = {0};
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;
    struct hv_vm_spec spec;

    fixture_spec(&spec);
    spec.disks = disks;
    spec.n_disks = 1;
    moving_init(m, &a, &b, &spec);
    m->passage.mirrors = mirrors;
    m->passage.n_mirrors = 1;
    m->passage.options = options;
    ck_assert_int_eq(a.hv->driver->co_start(a.hv, &spec, &facts, &e), 0);
    fixture_forget(&a);
    fixture_forget(&b);
}

static enum hv_state state_at(const struct fixture *f)
{
    return f->hv->driver->state(f->hv, m->spec.uuid);
}

/* Where it should be it runs, unless it was lost; elsewhere there is nothing of it. */
static void co_assert_one(const char *story)
{
    const struct fixture *here = m->decided ? &b : &a, *elsewhere = m->decided ? &a : &b;
    int64_t deadline = clock_in_ms(5000);

    while (!m->lost && state_at(here) != HV_STATE_RUNNING && clock_now() < deadline)
        ck_assert_int_eq(co_sleep_until(clock_in_ms(2), "the guest to run"), 0);
    ck_assert_msg(state_at(here) == (m->lost ? HV_STATE_GONE : HV_STATE_RUNNING), "%s: state %d", story,
                  state_at(here));
    ck_assert_msg(state_at(elsewhere) == HV_STATE_GONE, "%s: elsewhere %d", story, state_at(elsewhere));
    ck_assert_msg(!fixture_has_folder(elsewhere, m->spec.uuid), "%s: a folder is left elsewhere", story);
    ck_assert_msg(fixture_count(elsewhere, HV_REPORT_STOPPED) == 0, "%s: an end is reported", story);
}

static void co_clear_away(const char *story)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(a.hv->driver->co_stop(a.hv, m->spec.uuid, &e), 0);
    ck_assert_int_eq(b.hv->driver->co_stop(b.hv, m->spec.uuid, &e), 0);
    ck_assert_msg(!fixture_has_folder(&a, m->spec.uuid) && !fixture_has_folder(&b, m->spec.uuid),
                  "%s: a folder is left", story);
}

/* ---- one move ---- */

struct attempt {
    unsigned kinds, n; /* the fault it meets; 0: none */
    int result;
    struct err error;
    bool fired, ran; /* ran: it was lost when it may have run at the destination */
};

static void co_attempt(void *arg)
{
    struct attempt *t = arg;

    fault_arm(t->kinds, t->n);
    t->result = co_moving_run(m, &t->error);
    t->fired = t->n > 0 && fault_fired();
    t->ran = err_is(&t->error, "VM_HALTED");
    fault_disarm();
}

/* From a start to an end, with QEMUs that behave like this at the source and at the destination. */
static void co_survive(struct attempt *t, const char *at_source, const char *at_destination,
                       const char *story)
{
    unsigned fds = fixture_fd_count();
    struct fiber *fiber;

    faked_misbehave(at_source);
    co_begin();
    faked_misbehave(at_destination);
    fiber = fiber_ref(fiber_spawn("move", co_attempt, t));
    ck_assert_int_eq(co_fiber_join(fiber, clock_in_ms(120000)), 0);
    fiber_unref(fiber);
    co_assert_one(story);
    ck_assert_msg(t->result == (m->decided ? 0 : -1), "%s: result %d", story, t->result);
    ck_assert_msg(m->decided || err_is_set(&t->error), "%s: no error", story);
    co_clear_away(story);
    ck_assert_msg(fixture_fd_count() == fds, "%s: descriptors", story);
    ck_assert_msg(!fixture_has_children(), "%s: a child is left", story);
    ck_assert_msg(fiber_count() == 1, "%s: fibers", story);
    err_clear(&t->error);
}

static void co_move_to(const char *at_source, const char *at_destination)
{
    struct attempt t = {0};

    co_survive(&t, at_source, at_destination, at_source);
    ck_assert(m->decided && !m->lost);
    ck_assert(m->progress == 1);
    ck_assert_uint_ne(m->reception.memory_port, 0);
    ck_assert_uint_ne(m->reception.disk_port, 0);
    ck_assert_int_eq(m->reception.memory_port == 4711, strcmp(at_destination, "newer:0") == 0);
}

static void co_move_well(const char *at_source)
{
    co_move_to(at_source, "");
}

static void co_move_plainly(void *unused)
{
    faked_open(&a, "tcg");
    faked_open(&b, "tcg");
    co_move_well("");
    co_move_to("", "newer:0");
    co_move_well("kvm:0");
    co_move_well("lingering:0");
    options.post_copy = true;
    co_move_well("");
    options =
        (struct hv_passage_options){.channels = 99, .compress = true, .bandwidth = 1, .auto_converge = true};
    co_move_well("kvm:0");
    close_hosts();
}

START_TEST(a_move_whose_qemus_are_well_succeeds)
{
    run_in_fiber(co_move_plainly, NULL);
}
END_TEST

/* One whose limit was asked for is left at it for ever. */
static void co_leave_at_limit(void)
{
    struct fiber *fiber;
    struct attempt t = {0};

    faked_misbehave("kvm:0,busy:51");
    co_begin();
    faked_misbehave("");
    fiber = fiber_ref(fiber_spawn("move", co_attempt, &t));
    while (qemu_vm_find((struct qemu_hv *)(void *)a.hv, m->spec.uuid)->passes < 20)
        ck_assert_int_eq(co_fiber_join(fiber, clock_in_ms(5)), -ETIMEDOUT);
    fiber_cancel(fiber);
    ck_assert_int_eq(co_fiber_join(fiber, clock_in_ms(60000)), 0);
    fiber_unref(fiber);
    ck_assert_int_eq(t.result, -1);
    co_assert_one("at its limit");
    co_clear_away("at its limit");
    err_clear(&t.error);
}

static void co_move_busy(void *unused)
{
    faked_open(&a, "tcg");
    faked_open(&b, "tcg");
    options = (struct hv_passage_options){0};
    co_move_well("kvm:0,busy:1000");
    co_move_well("kvm:0,busy:99999"); /* it has to stand still */
    options.downtime_ms = 50;
    co_leave_at_limit();
    close_hosts();
}

START_TEST(a_guest_that_changes_its_memory_too_fast_is_given_more_time)
{
    run_in_fiber(co_move_busy, NULL);
}
END_TEST

static void co_fail(const char *at_source, const char *why)
{
    struct attempt t = {0};

    faked_misbehave(at_source);
    co_begin();
    faked_misbehave("");
    ck_assert_int_eq(co_moving_run(m, &t.error), -1);
    ck_assert(err_is(&t.error, "VM_MIGRATE_FAILED"));
    ck_assert_msg(strstr(t.error.params[3], why) != NULL, "%s", t.error.params[3]);
    co_assert_one(at_source);
    co_clear_away(at_source);
    err_clear(&t.error);
}

static void co_fail_all(void *unused)
{
    faked_open(&a, "tcg");
    faked_open(&b, "tcg");
    co_fail("fails:0", "cannot be moved");
    co_fail("full:0", "no space");
    close_hosts();
}

START_TEST(a_move_or_a_mirror_that_fails_says_why)
{
    run_in_fiber(co_fail_all, NULL);
}
END_TEST

/* ---- QEMUs that misbehave ---- */

/* A source answers some 25 commands, a destination 18; and one or two more. */
#define COMMANDS 28

static void co_meet_each(void *arg)
{
    const char *what = arg;
    unsigned ran = 0;

    faked_open(&a, "tcg");
    faked_open(&b, "tcg");
    for (unsigned n = 0; n < 2 * COMMANDS; n++) {
        struct attempt t = {0};
        char how[40], story[60];
        bool at_source = n < COMMANDS;

        if (at_source && n <= 5)
            continue; /* of its start */
        snprintf(how, sizeof how, "%s:%u", what, n % COMMANDS);
        snprintf(story, sizeof story, "%s at the %s", how, at_source ? "source" : "destination");
        co_survive(&t, at_source ? how : "", at_source ? "" : how, story);
        ran += t.ran;
    }
    ck_assert_uint_eq(ran, strcmp(what, "exit") == 0); /* of "cont" nobody knows whether it was obeyed */
    close_hosts();
}

#define MISBEHAVIOUR(name, what)         \
    START_TEST(name)                     \
    {                                    \
        static char how[] = what;        \
                                         \
        run_in_fiber(co_meet_each, how); \
    }                                    \
    END_TEST

MISBEHAVIOUR(a_qemu_that_refuses_any_command_leaves_one_guest, "error")
MISBEHAVIOUR(a_connection_cut_at_any_command_leaves_one_guest, "cut")
MISBEHAVIOUR(a_qemu_that_ends_at_any_command_leaves_one_guest_at_most, "exit")
MISBEHAVIOUR(garbage_at_any_command_leaves_one_guest, "garbage")
MISBEHAVIOUR(events_and_answers_in_odd_order_leave_one_guest, "odd")

/* ---- faults ---- */

static void co_sweep(void *arg)
{
    unsigned kinds = *(unsigned *)arg, n = 0;
    struct attempt t;

    faked_open(&a, "tcg");
    faked_open(&b, "tcg");
    do {
        char story[40];

        t = (struct attempt){.kinds = kinds, .n = ++n};
        snprintf(story, sizeof story, "kinds %u, n %u", kinds, n);
        fiber_set_shuffle_seed(n);
        co_survive(&t, "", "", story);
    } while (t.fired);
    ck_assert_uint_ge(n, 20);
    close_hosts();
}

static void sweep(unsigned kinds)
{
    run_in_fiber(co_sweep, &kinds);
}

START_TEST(every_failing_command_leaves_one_guest)
{
    sweep(FAULT_QMP);
}
END_TEST

START_TEST(every_failing_wait_leaves_one_guest)
{
    sweep(FAULT_WAIT);
}
END_TEST

START_TEST(cancelling_at_every_wait_leaves_one_guest)
{
    sweep(FAULT_CANCEL);
}
END_TEST

/* ---- a disk that goes to other storage of the same host ---- */

static const struct hv_disk original = {.path = "/dev/null", .format = "raw"},
                            copy = {.path = "/dev/zero", .format = "raw"};

static void ignore_progress(double done, void *arg)
{
}

/* Up to the decision, and on from there. */
static int co_relocate(struct err *e)
{
    struct hv *hv = a.hv;
    const char *uuid = m->spec.uuid;

    if (hv->driver->co_mirror_disk(hv, uuid, &copy, ignore_progress, NULL, e) < 0 ||
        hv->driver->co_hold(hv, uuid, e) < 0 ||
        hv->driver->co_mirror_disk(hv, uuid, &copy, ignore_progress, NULL, e) < 0)
        return -1;
    m->decided = true;
    return hv->driver->co_settle_disk(hv, uuid, &copy, e) < 0 ? -1 : hv->driver->co_unpause(hv, uuid, e);
}

static void co_attempt_relocation(void *arg)
{
    struct attempt *t = arg;

    fault_arm(t->kinds, t->n);
    t->result = co_relocate(&t->error);
    t->fired = t->n > 0 && fault_fired();
    fault_disarm();
}

/* Until it is so or the guest has ended. */
static void co_settle_relocation(void)
{
    int64_t deadline = clock_in_ms(20000);

    for (int r = -1; r < 0 && !m->lost;) {
        CLEANUP_ERR struct err e = {0};

        r = a.hv->driver->co_settle_disk(a.hv, m->spec.uuid, m->decided ? &copy : &original, &e);
        if (r == 0)
            r = a.hv->driver->co_unpause(a.hv, m->spec.uuid, &e);
        m->lost = r < 0 && err_is(&e, "VM_BAD_POWER_STATE");
        ck_assert_int_lt(clock_now(), deadline);
        if (r < 0)
            ck_assert_int_eq(co_sleep_until(clock_in_ms(5), "another attempt"), 0);
    }
}

/* The guest has the disk that was decided on, and no other. */
static void co_check_images(const char *story)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)a.hv, m->spec.uuid);
    CLEANUP_ERR struct err e = {0};
    json_t *answer = NULL;

    ck_assert_msg(state_at(&a) == (m->lost ? HV_STATE_GONE : HV_STATE_RUNNING), "%s: it does not run", story);
    if (m->lost)
        return;
    ck_assert_int_eq(co_qmp_command(vm->qmp, "query-jobs", NULL, clock_in_ms(5000), &answer, &e), 0);
    ck_assert_msg(json_array_size(answer) == 0, "%s: a job is left", story);
    json_decref(answer);
    ck_assert_int_eq(co_qmp_command(vm->qmp, "query-named-block-nodes", NULL, clock_in_ms(5000), &answer, &e),
                     0);
    ck_assert_msg(json_array_size(answer) == 4, "%s: an image is left", story);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(answer, 0), "file")),
                     m->decided ? copy.path : original.path);
    json_decref(answer);
}

static void co_survive_relocation(struct attempt *t, const char *behaviour, const char *story)
{
    unsigned fds = fixture_fd_count();
    struct fiber *fiber;

    faked_misbehave(behaviour);
    co_begin();
    fiber = fiber_ref(fiber_spawn("relocate", co_attempt_relocation, t));
    ck_assert_int_eq(co_fiber_join(fiber, clock_in_ms(120000)), 0);
    fiber_unref(fiber);
    if (t->result < 0)
        co_settle_relocation();
    co_check_images(story);
    co_clear_away(story);
    ck_assert_msg(fixture_fd_count() == fds && fiber_count() == 1, "%s: something is left", story);
    err_clear(&t->error);
}

static void co_relocate_badly(void *unused)
{
    static const char *const behaviours[] = {"error", "cut", "exit"};
    static const unsigned kinds[] = {FAULT_QMP, FAULT_WAIT, FAULT_CANCEL};
    char how[40];

    faked_open(&a, "tcg");
    faked_open(&b, "tcg");
    for (unsigned i = 0; i < 3; i++) {
        struct attempt t = {.fired = true};

        for (unsigned n = 1; t.fired; n++) {
            t = (struct attempt){.kinds = kinds[i], .n = n};
            snprintf(how, sizeof how, "kinds %u, n %u", kinds[i], n);
            co_survive_relocation(&t, "", how);
        }
        ck_assert_int_eq(t.result, 0);
    }
    for (unsigned i = 0; i < sizeof behaviours / sizeof *behaviours; i++)
        for (unsigned n = 6; n < 6 + 22; n++) {
            struct attempt t = {0};

            snprintf(how, sizeof how, "%s:%u", behaviours[i], n);
            co_survive_relocation(&t, how, how);
        }
    close_hosts();
}

START_TEST(a_disk_on_its_way_to_other_storage_is_one_whatever_fails)
{
    run_in_fiber(co_relocate_badly, NULL);
}
END_TEST

/* ---- daemons that are killed ---- */

static void co_move_to_be_killed(void *arg)
{
    struct err e = {0};

    faked_open(&a, "tcg");
    faked_open(&b, "tcg");
    co_begin();
    fault_arm_text(arg);
    _exit(co_moving_run(m, &e) == 0 && !fault_fired() ? 0 : 1);
}

static void ignore_facts(const char *uuid, const struct hv_vm_facts *facts, void *arg)
{
    /* A guest that nobody has decided on is on neither side just like that. */
    ck_assert(arg != &b || m->decided || facts->passage == HV_PASSAGE_ARRIVING);
}

static void co_repair(void *story)
{
    CLEANUP_ERR struct err e = {0};

    faked_open(&a, "tcg");
    faked_open(&b, "tcg");
    ck_assert_int_eq(a.hv->driver->co_adopt(a.hv, ignore_facts, &a, &e), 0);
    ck_assert_int_eq(b.hv->driver->co_adopt(b.hv, ignore_facts, &b, &e), 0);
    co_moving_settle(m);
    ck_assert_msg(!m->lost, "%s: the guest is lost", (const char *)story);
    co_assert_one(story);
    co_clear_away(story);
    close_hosts();
}

static void in_child(fiber_fn *co_fn, void *arg, int *status)
{
    pid_t pid = fork();

    if (pid == 0) {
        run_in_fiber(co_fn, arg);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, status, 0), pid);
}

static bool kill_daemons_at(unsigned n)
{
    char when[40];
    bool complete;
    int status;

    snprintf(when, sizeof when, "wait+qmp:%u:kill", n);
    in_child(co_move_to_be_killed, when, &status);
    complete = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ck_assert_msg(complete || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL), "%s: status %#x", when,
                  status);
    in_child(co_repair, when, &status);
    ck_assert_msg(status == 0, "%s: the repair failed", when);
    return !complete;
}

START_TEST(daemons_killed_at_any_step_leave_one_guest)
{
    unsigned n = 1;

    faked_misbehave("");
    fixture_init(&a);
    fixture_init(&b);
    while (kill_daemons_at(n))
        n++;
    ck_assert_uint_ge(n, 40);
}
END_TEST

/* ---- how ---- */

START_TEST(memory_is_copied_beside_a_running_guest_only_where_that_is_right)
{
    ck_assert(qemu_moves_beside(true, 7));
    ck_assert(!qemu_moves_beside(false, 7));
    ck_assert(!qemu_moves_beside(false, 8));
    ck_assert(qemu_moves_beside(false, 9));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("move_qmp");
    TCase *c = tcase_create("move_qmp"), *storage = tcase_create("storage");
    int r;

    log_set_level(LOG_LEVEL_ERROR);
    fixture_program_begin();
    m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_set_timeout(storage, TEST_HANG_GUARD_S);
    tcase_add_test(c, a_move_whose_qemus_are_well_succeeds);
    tcase_add_test(storage, a_guest_that_changes_its_memory_too_fast_is_given_more_time);
    tcase_add_test(c, a_move_or_a_mirror_that_fails_says_why);
    tcase_add_test(c, a_qemu_that_refuses_any_command_leaves_one_guest);
    tcase_add_test(c, a_connection_cut_at_any_command_leaves_one_guest);
    tcase_add_test(c, a_qemu_that_ends_at_any_command_leaves_one_guest_at_most);
    tcase_add_test(c, garbage_at_any_command_leaves_one_guest);
    tcase_add_test(c, events_and_answers_in_odd_order_leave_one_guest);
    tcase_add_test(c, every_failing_command_leaves_one_guest);
    tcase_add_test(c, every_failing_wait_leaves_one_guest);
    tcase_add_test(c, cancelling_at_every_wait_leaves_one_guest);
    tcase_add_test(storage, a_disk_on_its_way_to_other_storage_is_one_whatever_fails);
    tcase_add_test(c, daemons_killed_at_any_step_leave_one_guest);
    tcase_add_test(c, memory_is_copied_beside_a_running_guest_only_where_that_is_right);
    suite_add_tcase(s, c);
    suite_add_tcase(s, storage);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
