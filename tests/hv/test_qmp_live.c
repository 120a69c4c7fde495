/* A guest that is up, with a QEMU that is played: its processors, its memory, its CD drive. */
#include <sched.h>
#include <stdio.h>
#include <talloc.h>
#include "lib/log.h"
#include "tests/hv/faked.h"
#include "tests/in_fiber.h"

static struct fixture f;
static struct hv *hv;
static struct hv_vm_spec spec;

/* ---- processors and memory while it runs ---- */

/* A guest with this many of four processors; the error's code that the change ends with, "" for none. */
static const char *co_with_processors(unsigned wanted, unsigned *now)
{
    static char code[64];
    CLEANUP_ERR struct err e = {0};

    hv->driver->co_set_processors(hv, spec.uuid, wanted, NULL, now, &e);
    snprintf(code, sizeof code, "%s", err_is_set(&e) ? e.code : "");
    return code;
}

static void co_start_with(const char *accelerator, const char *how)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    faked_open(&f, accelerator);
    hv = f.hv;
    fixture_spec(&spec);
    spec.vcpus_max = 4;
    faked_misbehave(how);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
}

static void co_start_for(const char *how)
{
    co_start_with("kvm", how);
}

static void co_stop_it(void)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    ck_assert(!fixture_has_children());
    hv->driver->free(hv);
}

static void co_change_processors(void *how)
{
    unsigned now = 0;

    co_start_for(how);
    ck_assert_str_eq(co_with_processors(4, &now), "");
    ck_assert_uint_eq(now, 4);
    ck_assert_str_eq(co_with_processors(2, &now), "");
    ck_assert_uint_eq(now, 2);
    ck_assert_str_eq(co_with_processors(2, &now), "");
    ck_assert_str_eq(co_with_processors(5, &now), "INTERNAL_ERROR");
    ck_assert_uint_eq(now, 2);
    co_stop_it();
}

START_TEST(processors_are_plugged_in_and_out_in_order)
{
    run_in_fiber(co_change_processors, (void *)(uintptr_t) "");
}
END_TEST

START_TEST(a_guest_that_missed_a_request_is_asked_again)
{
    run_in_fiber(co_change_processors, (void *)(uintptr_t) "heedless:0");
}
END_TEST

/* Nothing that QEMU emulates may be removed, and the fake one's guest has no agent. */
static void co_keep_emulated_processors(void *unused)
{
    unsigned now = 0;

    co_start_with("tcg", "");
    ck_assert_str_eq(co_with_processors(4, &now), "");
    ck_assert_uint_eq(now, 4);
    ck_assert_str_eq(co_with_processors(2, &now), "OPERATION_NOT_ALLOWED");
    ck_assert_uint_eq(now, 4);
    ck_assert_str_eq(co_with_processors(4, &now), "");
    co_stop_it();
}

START_TEST(without_kvm_and_agent_no_processor_is_taken)
{
    run_in_fiber(co_keep_emulated_processors, NULL);
}
END_TEST

static void co_hear_nothing_useful(void *unused)
{
    unsigned now = 0;

    co_start_for("vague:0");
    ck_assert_str_eq(co_with_processors(4, &now), "INTERNAL_ERROR");
    co_stop_it();
}

START_TEST(a_qemu_without_places_for_processors_is_an_error)
{
    run_in_fiber(co_hear_nothing_useful, NULL);
}
END_TEST

/* The threads that it names are not its own, and are let alone. */
static void co_pin_strangers(void *unused)
{
    const struct map *params = map_with(NULL, NULL, "mask", "0");
    CLEANUP_ERR struct err e = {0};
    cpu_set_t before, after;
    unsigned now = 0;

    co_start_for("");
    sched_getaffinity(1, sizeof before, &before);
    ck_assert_int_eq(hv->driver->co_set_processors(hv, spec.uuid, 0, params, &now, &e), 0);
    ck_assert_uint_eq(now, 0);
    sched_getaffinity(1, sizeof after, &after);
    ck_assert(CPU_EQUAL(&before, &after));
    talloc_free((void *)(uintptr_t)params);
    co_stop_it();
}

START_TEST(threads_of_others_are_not_pinned)
{
    run_in_fiber(co_pin_strangers, NULL);
}
END_TEST

static void co_give_memory_back(void *unused)
{
    CLEANUP_ERR struct err e = {0};

    co_start_for("");
    fixture_forget(&f);
    ck_assert_int_eq(hv->driver->co_set_memory(hv, spec.uuid, 48 << 20, &e), 0);
    ck_assert_int_eq(co_fixture_report(&f, HV_REPORT_MEMORY, spec.uuid)->memory, 48 << 20);
    co_stop_it();
}

START_TEST(memory_given_back_is_reported)
{
    run_in_fiber(co_give_memory_back, NULL);
}
END_TEST

/* ---- memory that comes ---- */

static const char *co_grow_to(int64_t mib)
{
    static char code[64];
    CLEANUP_ERR struct err e = {0};

    hv->driver->co_grow_memory(hv, spec.uuid, mib << 20, mib << 20, &e);
    snprintf(code, sizeof code, "%s", err_is_set(&e) ? e.code : "");
    return code;
}

static void co_start_roomy(const char *how)
{
    const struct map *platform = map_with(NULL, NULL, "memory-hotplug", "true");
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    faked_open(&f, "tcg");
    hv = f.hv;
    fixture_spec(&spec);
    spec.platform = platform;
    faked_misbehave(how);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    ck_assert_int_eq(facts.memory_max, 64 << 20);
    spec.platform = NULL;
    talloc_free((void *)(uintptr_t)platform);
}

/* "[a,b]", MiB; NULL when it has no shape. */
static bool co_has_dimms(const char *wanted)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const char *shape = NULL;

    ck_assert_int_eq(hv->driver->co_shape(hv, spec.uuid, ctx, &shape, &e), 0);
    return strstr(shape, talloc_asprintf(ctx, "\"dimms\":%s", wanted)) != NULL;
}

static void note_memory(const char *uuid, const struct hv_vm_facts *facts, void *arg)
{
    *(int64_t *)arg = facts->memory_max;
}

static void co_grow(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    int64_t found = 0;

    co_start_roomy("");
    fixture_forget(&f);
    ck_assert_str_eq(co_grow_to(192), "");
    co_fixture_report(&f, HV_REPORT_MEMORY, spec.uuid);
    ck_assert_str_eq(co_grow_to(192), "");
    ck_assert_str_eq(co_grow_to(448), "");
    ck_assert(co_has_dimms("[134217728,268435456]"));
    ck_assert_str_eq(co_grow_to(449), "INVALID_VALUE");
    ck_assert_str_eq(co_grow_to(((int64_t)1 << 34) + 64), "OPERATION_NOT_ALLOWED");
    ck_assert(co_has_dimms("[134217728,268435456]"));
    hv->driver->free(hv);
    faked_open(&f, "tcg");
    hv = f.hv;
    ck_assert_int_eq(hv->driver->co_adopt(hv, note_memory, &found, &e), 0);
    ck_assert_int_eq(found, 448 << 20);
    ck_assert_str_eq(co_grow_to(576), "");
    co_stop_it();
}

START_TEST(memory_is_plugged_into_slots_and_found_there)
{
    run_in_fiber(co_grow, NULL);
}
END_TEST

/* Its place is free again, and so for what the guest was offered before. */
static void co_refuse_memory(void *unused)
{
    co_start_roomy("choosy:0");
    ck_assert_str_eq(co_grow_to(192), "OPERATION_NOT_ALLOWED");
    ck_assert(co_has_dimms("[]"));
    co_stop_it();
    co_start_roomy("crowded:32");
    ck_assert_str_eq(co_grow_to(64 + 33 * 128), "OPERATION_NOT_ALLOWED");
    co_stop_it();
    co_start_for("");
    ck_assert_str_eq(co_grow_to(192), "OPERATION_NOT_ALLOWED");
    co_stop_it();
}

START_TEST(memory_that_has_no_place_or_is_not_wanted_is_refused)
{
    run_in_fiber(co_refuse_memory, NULL);
}
END_TEST

enum { START_COMMANDS = 5, GROW_COMMANDS = 7 }; /* of which a start sends so many at least */

/* Whichever command QEMU refuses, the next attempt succeeds. */
static void co_refuse_commands(void *unused)
{
    for (unsigned n = START_COMMANDS + 1; n <= START_COMMANDS + 1 + GROW_COMMANDS; n++) {
        char how[32];

        snprintf(how, sizeof how, "error:%u", n);
        co_start_roomy(how);
        if (!*co_grow_to(192)) /* it is the next that is refused, if any */
            co_grow_to(192);
        ck_assert_str_eq(co_grow_to(192), "");
        ck_assert(co_has_dimms("[134217728]"));
        co_stop_it();
    }
}

START_TEST(a_refused_command_leaves_nothing_in_the_way)
{
    run_in_fiber(co_refuse_commands, NULL);
}
END_TEST

/* ---- a CD drive while it runs ---- */

static enum hv_presence co_look_into_drive(void)
{
    CLEANUP_ERR struct err e = {0};
    enum hv_presence presence = HV_ABSENT;

    ck_assert_int_eq(hv->driver->co_look(hv, spec.uuid, HV_DEVICE_DISK, 3, &presence, &e), 0);
    return presence;
}

static void co_change_media(void *how)
{
    CLEANUP_ERR struct err e = {0};
    const struct hv_disk medium = {
        .userdevice = 3, .cdrom = true, .readonly = true, .path = "/m", .format = "raw"};

    co_start_for(how);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(hv->driver->co_insert(hv, spec.uuid, &medium, &e), 0);
        ck_assert_int_eq(co_look_into_drive(), HV_PRESENT);
    }
    ck_assert_int_eq(hv->driver->co_eject(hv, spec.uuid, 3, &e), 0);
    ck_assert_int_eq(co_look_into_drive(), HV_EMPTY);
    co_stop_it();
}

START_TEST(a_guest_that_closes_its_tray_gets_its_medium_all_the_same)
{
    run_in_fiber(co_change_media, (void *)(uintptr_t) "restless:0");
}
END_TEST

static void co_face_shut_tray(void *unused)
{
    CLEANUP_ERR struct err e = {0};

    co_start_for("shut:0");
    ck_assert_int_eq(hv->driver->co_eject(hv, spec.uuid, 3, &e), -1);
    ck_assert(err_is(&e, "INTERNAL_ERROR"));
    co_stop_it();
}

START_TEST(a_tray_that_never_opens_is_an_error)
{
    run_in_fiber(co_face_shut_tray, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qmp_live");
    TCase *c = tcase_create("qmp_live");
    int r;

    log_set_level(LOG_LEVEL_ERROR);
    fixture_program_begin();
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_test(c, processors_are_plugged_in_and_out_in_order);
    tcase_add_test(c, a_guest_that_missed_a_request_is_asked_again);
    tcase_add_test(c, without_kvm_and_agent_no_processor_is_taken);
    tcase_add_test(c, a_qemu_without_places_for_processors_is_an_error);
    tcase_add_test(c, threads_of_others_are_not_pinned);
    tcase_add_test(c, memory_given_back_is_reported);
    tcase_add_test(c, memory_is_plugged_into_slots_and_found_there);
    tcase_add_test(c, memory_that_has_no_place_or_is_not_wanted_is_refused);
    tcase_add_test(c, a_refused_command_leaves_nothing_in_the_way);
    tcase_add_test(c, a_guest_that_closes_its_tray_gets_its_medium_all_the_same);
    tcase_add_test(c, a_tray_that_never_opens_is_an_error);
    suite_add_tcase(s, c);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
