/* The machine that a guest's state fits: read from where it may be anything, and made. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "hv/qemu/shape.h"
#include "lib/clock.h"
#include "tests/hv/fixture.h"
#include "tests/in_fiber.h"

static void *ctx;
static struct hv_vm_spec spec;
static struct hv_disk disks[] = {{.userdevice = 0}, {.userdevice = 1}, {.userdevice = 3}};
static struct hv_nic nics[] = {{.device = 0}, {.device = 2}};

#define DIMMS                                                                                    \
    "{\"memory\":67108864,\"vcpus_max\":4,\"queues\":3,\"slots\":2,\"memory_limit\":1073741824," \
    "\"platform\":{},"                                                                           \
    "\"vcpus\":2,\"disks\":[],\"nics\":[],\"dimms\":[134217728,268435456]}"
#define WHOLE                                                                                            \
    "{\"memory\":67108864,\"vcpus_max\":4,\"queues\":3,\"boot_order\":\"n\",\"platform\":{\"nx\":\"0\"," \
    "\"timeoffset\":\"5\"},\"vcpus\":2,\"disks\":[3,0],\"nics\":[2]}"

static void begin(void)
{
    ctx = talloc_new(NULL);
    fixture_spec(&spec);
    spec.vcpus_max = 4;
    spec.disks = disks;
    spec.n_disks = 3;
    spec.nics = nics;
    spec.n_nics = 2;
    spec.boot_order = "dc";
    spec.platform = map_with(ctx, map_with(ctx, NULL, "hpet", "0"), "timeoffset", "7");
}

static void end(void)
{
    talloc_free(ctx);
}

/* ---- what it says goes ---- */

START_TEST(a_specification_follows_the_shape_of_its_state)
{
    CLEANUP_ERR struct err e = {0};
    struct qemu_layout l;

    spec.shape = WHOLE;
    spec.vcpus = 1;
    ck_assert_int_eq(qemu_shape_apply(ctx, &spec, true, &l, &e), 0);
    ck_assert_uint_eq(l.queues, 3);
    ck_assert_uint_eq(spec.vcpus, 2);
    ck_assert_str_eq(spec.boot_order, "n");
    ck_assert_str_eq(map_get(spec.platform, "nx"), "0");
    ck_assert_str_eq(map_get(spec.platform, "timeoffset"), "7");
    ck_assert_ptr_null(map_get(spec.platform, "hpet"));
    ck_assert(spec.n_disks == 2 && spec.disks[0].userdevice == 0 && spec.disks[1].userdevice == 3);
    ck_assert(spec.n_nics == 1 && spec.nics[0].device == 2);
}
END_TEST

START_TEST(without_a_shape_new_guests_have_queues_and_old_states_what_they_had)
{
    CLEANUP_ERR struct err e = {0};
    struct qemu_layout l;

    ck_assert_int_eq(qemu_shape_apply(ctx, &spec, false, &l, &e), 0);
    ck_assert(l.queues == 4 && l.ports && !l.q35);
    ck_assert_int_eq(qemu_shape_apply(ctx, &spec, true, &l, &e), 0);
    ck_assert(l.queues == 0 && !l.ports);
    spec.vcpus_max = 4000;
    ck_assert_int_eq(qemu_shape_apply(ctx, &spec, false, &l, &e), 0);
    ck_assert_uint_eq(l.queues, 64);
    ck_assert(spec.n_disks == 3 && spec.n_nics == 2);
}
END_TEST

START_TEST(what_is_begun_with_is_told)
{
    struct qemu_layout l = {.queues = 4, .ports = true};
    json_t *shape = qemu_shape_begin(&spec, &l);

    ck_assert(qemu_shape_is_sound(shape));
    l = qemu_shape_layout(shape);
    ck_assert(l.queues == 4 && l.ports && !l.q35);
    ck_assert_str_eq(json_string_value(json_object_get(shape, "boot_order")), "dc");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(shape, "platform"), "hpet")), "0");
    json_decref(shape);
    spec.boot_order = NULL;
    shape = qemu_shape_begin(&spec, &(struct qemu_layout){0});
    ck_assert(qemu_shape_is_sound(shape) && !json_object_get(shape, "boot_order"));
    json_decref(shape);
}
END_TEST

START_TEST(memory_that_came_later_comes_along_in_its_slots)
{
    CLEANUP_ERR struct err e = {0};
    struct qemu_layout l;

    spec.shape = DIMMS;
    spec.memory_max = 448 << 20;
    ck_assert_int_eq(qemu_shape_apply(ctx, &spec, true, &l, &e), 0);
    ck_assert(l.slots == 2 && l.memory_limit == 1 << 30 && l.n_dimms == 2);
    ck_assert(l.dimms[0] == 128 << 20 && l.dimms[1] == 256 << 20 && spec.memory_max == 64 << 20);
    json_t *shape = qemu_shape_begin(&spec, &l);
    l = qemu_shape_layout(shape);
    ck_assert(l.slots == 2 && l.memory_limit == 1 << 30 && l.n_dimms == 0);
    json_decref(shape);
}
END_TEST

static const char *const bad_dimms[][2] = {
    {"268435456", "402653184"}, /* more than the VM may have */
    {"268435456", "1"},
    {"268435456", "-268435456"},
    {"268435456", "134217728,134217728"}, /* more than it has slots */
    {"\"slots\":2", "\"slots\":1"},
    {"\"slots\":2", "\"slots\":33"},
    {"\"slots\":2", "\"slots\":null"},
    {"\"slots\":2,", ""},
    {"1073741824", "67108864"},
    {"1073741824", "1e10"},
    {"[134217728,268435456]", "7"},
};

START_TEST(memory_in_slots_that_makes_no_sense_is_refused)
{
    const char *at = strstr(DIMMS, bad_dimms[_i][0]);
    CLEANUP_ERR struct err e = {0};
    struct qemu_layout l;

    ck_assert_ptr_nonnull(at);
    spec.memory_max = 448 << 20;
    spec.shape = talloc_asprintf(ctx, "%.*s%s%s", (int)(at - DIMMS), DIMMS, bad_dimms[_i][1],
                                 at + strlen(bad_dimms[_i][0]));
    ck_assert_int_eq(qemu_shape_apply(ctx, &spec, true, &l, &e), -1);
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
}
END_TEST

/* Each in the place of the text before it. */
static const char *const nonsense[][2] = {
    {"67108864", "-1"},
    {"67108864", "67108865"}, /* more than the VM may have */
    {"67108864", "1e99"},
    {"67108864", "\"many\""},
    {"\"vcpus_max\":4", "\"vcpus_max\":5"},
    {"\"vcpus\":2", "\"vcpus\":0"},
    {"\"vcpus\":2", "\"vcpus\":1000000"},
    {"\"queues\":3", "\"queues\":65"},
    {"\"queues\":3", "\"queues\":-1"},
    {"\"n\"", "7"},
    {"\"nx\":\"0\"", "\"nx\":0"},
    {"[3,0]", "[3,0,1,2]"}, /* more than the VM has */
    {"[3,0]", "[3,3]x"},
    {"[3,0]", "{}"},
    {"[2]", "[\"2\"]"},
    {"[2]", "[4294967298]"},
    {WHOLE, ""},
    {WHOLE, "[]"},
    {WHOLE, "{}"},
    {WHOLE, "null"},
};

START_TEST(a_shape_that_makes_no_sense_is_refused)
{
    const char *at = strstr(WHOLE, nonsense[_i][0]);
    CLEANUP_ERR struct err e = {0};
    struct qemu_layout l;

    ck_assert_ptr_nonnull(at);
    spec.shape = talloc_asprintf(ctx, "%.*s%s%s", (int)(at - WHOLE), WHOLE, nonsense[_i][1],
                                 at + strlen(nonsense[_i][0]));
    ck_assert_int_eq(qemu_shape_apply(ctx, &spec, true, &l, &e), -1);
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
}
END_TEST

START_TEST(the_agent_asks_which_devices_it_has)
{
    ck_assert(hv_shape_has(WHOLE, HV_DEVICE_DISK, 3) && !hv_shape_has(WHOLE, HV_DEVICE_DISK, 1));
    ck_assert(hv_shape_has(WHOLE, HV_DEVICE_NIC, 2) && !hv_shape_has(WHOLE, HV_DEVICE_NIC, 0));
    ck_assert(hv_shape_has(NULL, HV_DEVICE_DISK, 1) && hv_shape_has("rubbish", HV_DEVICE_NIC, 1));
}
END_TEST

/* ---- in front of a state ---- */

struct stream {
    const char *bytes;
    size_t n;
    bool apart; /* the first bytes come one by one */
    const char *shape, *rest;
    int error; /* not 0: it is refused */
    int fds[2];
};

static void co_write_stream(void *arg)
{
    struct stream *s = arg;

    for (size_t i = 0; i < s->n; i++) {
        if (write(s->fds[1], s->bytes + i, 1) < 1)
            break; /* it was refused already */
        if (s->apart && i < 20)
            co_sleep_until(clock_in_ms(1), "the next byte");
    }
    close(s->fds[1]);
}

static void co_read_stream(void *arg)
{
    struct stream *s = arg;
    CLEANUP_ERR struct err e = {0};
    const char *shape = NULL;
    char rest[64] = "";
    int r = co_hv_shape_read(s->fds[0], ctx, &shape, &e);

    ck_assert_int_eq(r, s->error ? -1 : 0);
    ck_assert(s->error || (shape == NULL) == (s->shape == NULL));
    if (shape)
        ck_assert_str_eq(shape, s->shape);
    if (s->rest) {
        ck_assert_int_eq(read(s->fds[0], rest, sizeof rest - 1), (ssize_t)strlen(s->rest));
        ck_assert_str_eq(rest, s->rest);
    }
    close(s->fds[0]);
}

static struct stream streams[] = {
    {"QEVM and so on", 14, false, NULL, "QEVM and so on", 0, {0}},
    {"xapidhw", 7, false, NULL, "xapidhw", 0, {0}},
    {"", 0, false, NULL, "", 0, {0}},
    {"xapidhw1\0\0\0\2{}QEVM", 18, false, "{}", "QEVM", 0, {0}},
    {"xapidhw1\0\0\0\2{}QEVM", 18, true, "{}", NULL, 0, {0}},
    {"xapidhw1\0\0\0\0QEVM", 16, true, "", NULL, 0, {0}},
    {"xapidhw1", 8, false, NULL, NULL, 1, {0}},
    {"xapidhw1\0\0\0", 11, false, NULL, NULL, 1, {0}},
    {"xapidhw1\0\0\0\3{}", 14, false, NULL, NULL, 1, {0}},
    {"xapidhw1\0\1\0\1{}", 14, false, NULL, NULL, 1, {0}},
    {"xapidhw1\xff\xff\xff\xff{}", 14, false, NULL, NULL, 1, {0}},
};

START_TEST(a_shape_is_read_and_what_has_none_is_left_alone)
{
    struct stream *s = &streams[_i];

    ck_assert_int_eq(pipe2(s->fds, O_CLOEXEC), 0);
    fiber_spawn("writer", co_write_stream, s);
    run_in_fiber(co_read_stream, s);
}
END_TEST

static void co_round(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    const char *shape;
    char next;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert_int_eq(hv_shape_write(fds[1], WHOLE), 0);
    ck_assert_int_eq(write(fds[1], "Q", 1), 1);
    ck_assert_int_eq(co_hv_shape_read(fds[0], ctx, &shape, &e), 0);
    ck_assert_str_eq(shape, WHOLE);
    ck_assert_int_eq(read(fds[0], &next, 1), 1);
    ck_assert_int_eq(next, 'Q');
    close(fds[0]);
    close(fds[1]);
}

START_TEST(what_is_written_is_read)
{
    run_in_fiber(co_round, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shape");
    TCase *c = tcase_create("shape");

    signal(SIGPIPE, SIG_IGN);
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, a_specification_follows_the_shape_of_its_state);
    tcase_add_test(c, without_a_shape_new_guests_have_queues_and_old_states_what_they_had);
    tcase_add_test(c, what_is_begun_with_is_told);
    tcase_add_loop_test(c, a_shape_that_makes_no_sense_is_refused, 0, sizeof nonsense / sizeof *nonsense);
    tcase_add_test(c, memory_that_came_later_comes_along_in_its_slots);
    tcase_add_loop_test(c, memory_in_slots_that_makes_no_sense_is_refused, 0,
                        sizeof bad_dimms / sizeof *bad_dimms);
    tcase_add_test(c, the_agent_asks_which_devices_it_has);
    tcase_add_loop_test(c, a_shape_is_read_and_what_has_none_is_left_alone, 0,
                        sizeof streams / sizeof *streams);
    tcase_add_test(c, what_is_written_is_read);
    suite_add_tcase(s, c);
    return run_suite(s);
}
