/* The file SR with real images, and the ISO SR. */
#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fd.h"
#include "lib/proc.h"
#include "sm/sm.h"
#include "sm/stream.h"
#include "tests/in_fiber.h"

#define MIB (1024 * 1024)
#define IN_A_PIPE (32 * 1024) /* fits without a reader */

static char folder[64];
static void *mem;
static struct sm_sr sr;
static const struct sm_driver *driver;

static void set_up(void)
{
    strcpy(folder, "/tmp/xapid-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    mem = talloc_new(NULL);
    driver = sm_driver_by_type("file");
    sr = (struct sm_sr){.type = "file", .device_config = map_with(mem, NULL, "location", folder)};
    uuid_new(sr.uuid);
}

/* Names in the folder that end in suffix. */
static unsigned count_files(const char *suffix)
{
    DIR *dir = opendir(folder);
    unsigned n = 0;

    for (struct dirent *d; (d = readdir(dir));) {
        size_t len = strlen(d->d_name), m = strlen(suffix);
        n += len > m && strcmp(d->d_name + len - m, suffix) == 0;
    }
    closedir(dir);
    return n;
}

static void tear_down(void)
{
    CLEANUP_FREE char *command = NULL;
    ck_assert_int_gt(asprintf(&command, "rm -rf %s", folder), 0);
    ck_assert_int_eq(system(command), 0);
    talloc_free(mem);
}

static struct sm_vdi co_create(int64_t size)
{
    CLEANUP_ERR struct err e = {0};
    struct sm_vdi vdi;
    char uuid[UUID_TEXT_SIZE];

    uuid_new(uuid);
    ck_assert_msg(driver->co_vdi_create(&sr, mem, uuid, size, NULL, &vdi, &e) == 0, "%s", err_text(mem, &e));
    ck_assert_str_eq(vdi.uuid, uuid);
    return vdi;
}

/* Run qemu-io on an image: `write -P 7 0 64k`, `read -P 7 0 64k` (which fails when the bytes differ). */
static int co_qemu_io(const char *location, const char *command)
{
    const char *argv[] = {
        "qemu-io", "-f", "qcow2", "-c", command, talloc_asprintf(mem, "%s/%s", folder, location), NULL};
    struct proc_result r = {0};
    int rc = co_proc_run(argv, &r, clock_in_ms(60000));
    int status = rc < 0 || strstr(buf_cstr(&r.out), "failed") ? -1 : r.status;

    proc_result_free(&r);
    return status;
}

static void co_life_of_a_disk(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct sm_vdi vdi = co_create(10 * MIB + 1), *found;
    struct sm_attachment at;
    struct sm_sr_stat stat;
    unsigned n;

    ck_assert_int_eq(vdi.virtual_size, 10 * MIB + 512);
    ck_assert_int_eq(driver->co_sr_scan(&sr, mem, &found, &n, &e), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(found[0].uuid, vdi.uuid);
    ck_assert_int_eq(found[0].virtual_size, vdi.virtual_size);
    ck_assert_int_eq(driver->co_vdi_attach(&sr, mem, vdi.location, true, &at, &e), 0);
    ck_assert_str_eq(at.format, "qcow2");
    ck_assert_int_eq(driver->co_vdi_resize(&sr, mem, vdi.location, 20 * MIB, &vdi, &e), 0);
    ck_assert_int_eq(vdi.virtual_size, 20 * MIB);
    ck_assert_int_eq(driver->co_sr_stat(&sr, &stat, &e), 0);
    ck_assert_int_eq(stat.virtual_allocation, 20 * MIB);
    ck_assert_int_eq(driver->co_vdi_destroy(&sr, vdi.location, &e), 0);
    ck_assert_int_eq(driver->co_vdi_destroy(&sr, vdi.location, &e), 0);
    ck_assert_uint_eq(count_files(".qcow2"), 0);
    ck_assert_int_lt(driver->co_vdi_attach(&sr, mem, vdi.location, true, &at, &e), 0);
    ck_assert(err_is(&e, "SR_BACKEND_FAILURE_46"));
}

START_TEST(a_disk_is_made_found_grown_and_removed)
{
    run_in_fiber(co_life_of_a_disk, NULL);
}
END_TEST

static void co_clones(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct sm_vdi source = co_create(10 * MIB), a, b;
    char uuid[UUID_TEXT_SIZE];

    ck_assert_int_eq(co_qemu_io(source.location, "write -P 7 0 64k"), 0);
    uuid_new(uuid);
    ck_assert_int_eq(driver->co_vdi_clone(&sr, mem, source.location, uuid, &a, &e), 0);
    ck_assert_int_eq(co_qemu_io(source.location, "write -P 8 0 64k"), 0);
    ck_assert_int_eq(co_qemu_io(a.location, "read -P 7 0 64k"), 0);
    ck_assert_int_eq(co_qemu_io(source.location, "read -P 8 0 64k"), 0);
    uuid_new(uuid);
    ck_assert_int_eq(driver->co_vdi_clone(&sr, mem, a.location, uuid, &b, &e), 0);
    ck_assert_uint_eq(count_files(".base.qcow2"), 1); /* a was untouched: b sits on the same base */
    ck_assert_int_eq(co_qemu_io(b.location, "read -P 7 0 64k"), 0);

    ck_assert_int_eq(driver->co_vdi_destroy(&sr, source.location, &e), 0);
    ck_assert_int_eq(co_qemu_io(a.location, "read -P 7 0 64k"), 0);
    ck_assert_int_eq(driver->co_vdi_destroy(&sr, a.location, &e), 0);
    ck_assert_int_eq(driver->co_vdi_destroy(&sr, b.location, &e), 0);
    ck_assert_uint_eq(count_files(".qcow2"), 0);
    ck_assert_uint_eq(count_files(".tmp"), 0);
}

START_TEST(clones_share_blocks_and_each_keeps_its_own_writes)
{
    run_in_fiber(co_clones, NULL);
}
END_TEST

static void co_failed_clones(void *unused)
{
    struct sm_vdi source = co_create(10 * MIB), clone;
    char uuid[UUID_TEXT_SIZE];
    unsigned n = 1;

    ck_assert_int_eq(co_qemu_io(source.location, "write -P 7 0 64k"), 0);
    for (;; n++) {
        CLEANUP_ERR struct err e = {0};
        uuid_new(uuid);
        fault_arm(FAULT_STORAGE, n);
        int rc = driver->co_vdi_clone(&sr, mem, source.location, uuid, &clone, &e);
        bool fired = fault_fired();
        fault_disarm();
        ck_assert_int_eq(co_qemu_io(source.location, "read -P 7 0 64k"), 0);
        ck_assert_uint_eq(count_files(".tmp"), 0);
        if (!fired) {
            ck_assert_int_eq(rc, 0);
            break;
        }
        ck_assert_int_lt(rc, 0);
        ck_assert(err_is_set(&e));
        ck_assert_uint_eq(count_files(".qcow2"), 1);
    }
    ck_assert_uint_gt(n, 2);
}

START_TEST(a_clone_that_fails_at_any_step_leaves_the_source_alone)
{
    run_in_fiber(co_failed_clones, NULL);
}
END_TEST

static void touch(const char *name)
{
    CLEANUP_FD int fd = open(talloc_asprintf(mem, "%s/%s", folder, name), O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
}

static void co_sweeping(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct sm_vdi source = co_create(10 * MIB), clone;
    char uuid[UUID_TEXT_SIZE];

    ck_assert_int_eq(co_qemu_io(source.location, "write -P 7 0 64k"), 0);
    uuid_new(uuid);
    ck_assert_int_eq(driver->co_vdi_clone(&sr, mem, source.location, uuid, &clone, &e), 0);
    touch("4c0f7a2e-0000-4000-8000-000000000001.base.qcow2");
    touch("4c0f7a2e-0000-4000-8000-000000000002.tmp");
    touch("notes.txt");
    ck_assert_int_eq(driver->co_sr_attach(&sr, &e), 0);
    ck_assert_uint_eq(count_files(".base.qcow2"), 1);
    ck_assert_uint_eq(count_files(".tmp"), 0);
    ck_assert_uint_eq(count_files(".txt"), 1);
    ck_assert_int_eq(co_qemu_io(clone.location, "read -P 7 0 64k"), 0);
}

START_TEST(attaching_the_sr_sweeps_what_a_crash_left)
{
    run_in_fiber(co_sweeping, NULL);
}
END_TEST

static void co_bad_input(void *unused)
{
    static const char *const locations[] = {"../etc/passwd", "", ".", "a/b", "missing.qcow2"};
    struct sm_attachment at;
    struct sm_vdi vdi;

    for (unsigned i = 0; i < sizeof locations / sizeof *locations; i++) {
        CLEANUP_ERR struct err e = {0};
        ck_assert_int_lt(driver->co_vdi_attach(&sr, mem, locations[i], false, &at, &e), 0);
        ck_assert(err_is(&e, "SR_BACKEND_FAILURE_46"));
    }
    for (int64_t size = -1; size < 1; size++) {
        CLEANUP_ERR struct err e = {0};
        ck_assert_int_lt(driver->co_vdi_create(&sr, mem, sr.uuid, size, NULL, &vdi, &e), 0);
        ck_assert(err_is(&e, "SR_BACKEND_FAILURE_79"));
    }
    struct sm_sr nowhere = sr;
    CLEANUP_ERR struct err e = {0};
    nowhere.device_config = NULL;
    ck_assert_int_lt(driver->co_sr_attach(&nowhere, &e), 0);
    ck_assert(err_is(&e, "SR_BACKEND_FAILURE_86") || err_is(&e, "SR_BACKEND_FAILURE_85"));
}

START_TEST(bad_locations_sizes_and_configurations_are_refused)
{
    run_in_fiber(co_bad_input, NULL);
}
END_TEST

/* A stream of n bytes, all of them 7; what its end answers. */
static int co_stream_out(const struct sm_attachment *at, enum sm_stream_way way, size_t n, struct err *e)
{
    CLEANUP_TALLOC char *bytes = memset(talloc_size(NULL, n), 7, n);
    struct sm_stream *s;
    int fd;

    ck_assert_int_eq(co_sm_stream_open(at, way, &s, &fd, e), 0);
    ck_assert_int_eq(fd_write_all(fd, bytes, n), 0);
    return co_sm_stream_finish(s, e);
}

static void co_starts_with_seven(int fd, bool is_file)
{
    struct stat st;
    char first = 0;

    ck_assert(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) == is_file);
    ck_assert_int_ge(co_wait_fd(fd, EV_READ, clock_in_ms(60000), "the first byte"), 0);
    ck_assert_int_eq(read(fd, &first, 1), 1);
    ck_assert_int_eq(first, 7);
}

static void co_streams(void *unused)
{
    static const enum sm_stream_way ways[] = {SM_STREAM_REPLACE, SM_STREAM_WRITE};

    for (unsigned i = 0; i < 2; i++) {
        CLEANUP_ERR struct err e = {0};
        struct sm_vdi vdi = co_create(10 * MIB);
        struct sm_attachment at;
        struct sm_stream *s;
        int fd;

        ck_assert_int_eq(driver->co_vdi_attach(&sr, mem, vdi.location, true, &at, &e), 0);
        ck_assert_msg(co_stream_out(&at, ways[i], IN_A_PIPE, &e) == 0, "%s", err_text(mem, &e));
        ck_assert_int_eq(co_qemu_io(vdi.location, "read -P 7 0 32k"), 0);
        ck_assert_int_eq(co_qemu_io(vdi.location, "read -P 0 1M 9M"), 0);
        ck_assert_int_eq(co_sm_stream_open(&at, SM_STREAM_READ, &s, &fd, &e), 0);
        co_starts_with_seven(fd, ways[i] == SM_STREAM_REPLACE);
        co_sm_stream_abandon(s, NULL);
    }
}

START_TEST(a_stream_is_what_the_disk_holds)
{
    run_in_fiber(co_streams, NULL);
}
END_TEST

static void co_too_long_a_stream(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct sm_vdi vdi = co_create(MIB);
    struct sm_attachment at;

    ck_assert_int_eq(driver->co_vdi_attach(&sr, mem, vdi.location, true, &at, &e), 0);
    ck_assert_int_lt(co_stream_out(&at, SM_STREAM_REPLACE, MIB + 1, &e), 0);
    ck_assert(err_is(&e, "SR_BACKEND_FAILURE_44"));
}

START_TEST(a_stream_longer_than_the_disk_is_refused)
{
    run_in_fiber(co_too_long_a_stream, NULL);
}
END_TEST

/* What is not one run is never taken for one. */
static void co_scattered(void *unused)
{
    static const char *const spoilers[] = {"write -P 7 5M 64k", "write -P 7 0 64k", "write -z 1M 1M",
                                           "discard 0 2M"};

    for (unsigned i = 0; i < sizeof spoilers / sizeof *spoilers; i++) {
        CLEANUP_ERR struct err e = {0};
        struct sm_vdi vdi = co_create(10 * MIB);
        struct sm_attachment at;
        struct sm_stream *s;
        int fd;

        ck_assert_int_eq(driver->co_vdi_attach(&sr, mem, vdi.location, true, &at, &e), 0);
        if (i >= 2)
            ck_assert_int_eq(co_stream_out(&at, SM_STREAM_REPLACE, MIB, &e), 0);
        ck_assert_int_eq(co_qemu_io(vdi.location, spoilers[i]), 0);
        ck_assert_int_eq(co_sm_stream_open(&at, SM_STREAM_READ, &s, &fd, &e), 0);
        ck_assert_int_lt(lseek(fd, 0, SEEK_CUR), 0);
        co_sm_stream_abandon(s, NULL);
    }
}

START_TEST(a_scattered_disk_is_streamed_through_a_pipe)
{
    run_in_fiber(co_scattered, NULL);
}
END_TEST

static void co_isos(void *unused)
{
    const struct sm_driver *iso = sm_driver_by_type("iso");
    CLEANUP_ERR struct err e = {0};
    struct sm_vdi *first, *second;
    struct sm_attachment at;
    unsigned n;

    touch("debian.iso");
    touch("b.ISO");
    touch("readme.txt");
    ck_assert_int_eq(iso->co_sr_scan(&sr, mem, &first, &n, &e), 0);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(iso->co_sr_scan(&sr, mem, &second, &n, &e), 0);
    ck_assert_str_eq(first[1].uuid, second[1].uuid);
    ck_assert_str_ne(first[0].uuid, first[1].uuid);
    ck_assert(uuid_is_valid(first[0].uuid));
    ck_assert_str_eq(first[1].name_label, "debian.iso");
    ck_assert_int_eq(iso->co_vdi_attach(&sr, mem, first[0].location, false, &at, &e), 0);
    ck_assert_int_lt(iso->co_vdi_attach(&sr, mem, first[0].location, true, &at, &e), 0);
}

START_TEST(isos_keep_their_uuid_and_are_read_only)
{
    run_in_fiber(co_isos, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("file SR");
    TCase *t = tcase_create("file");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_disk_is_made_found_grown_and_removed);
    tcase_add_test(t, clones_share_blocks_and_each_keeps_its_own_writes);
    tcase_add_test(t, a_clone_that_fails_at_any_step_leaves_the_source_alone);
    tcase_add_test(t, attaching_the_sr_sweeps_what_a_crash_left);
    tcase_add_test(t, bad_locations_sizes_and_configurations_are_refused);
    tcase_add_test(t, a_stream_is_what_the_disk_holds);
    tcase_add_test(t, a_stream_longer_than_the_disk_is_refused);
    tcase_add_test(t, a_scattered_disk_is_streamed_through_a_pipe);
    tcase_add_test(t, isos_keep_their_uuid_and_are_read_only);
    suite_add_tcase(s, t);
    return run_suite(s);
}
