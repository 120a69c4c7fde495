/* The demo guest moves between two hosts with real QEMUs: what it keeps in its memory and on its disk, who
 * has it when something fails. */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/nvram.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "tests/hv/console.h"
#include "tests/hv/demo.h"
#include "tests/hv/moving.h"
#include "tests/in_fiber.h"

#define ASSERT_OK(call, e) \
    ck_assert_msg((call) == 0, "%s: %s", #call, (e)->n_params ? (e)->params[(e)->n_params - 1] : (e)->code)

static struct fixture a, b;
static struct demo demo;
static struct moving m;
static struct console console;
static struct hv_disk copies[1]; /* the destination's, of a disk that moves along */
static char copy_path[256];

/* ---- the guest ---- */

static void co_open(struct fixture *f)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_host_facts facts;

    if (!f->dir[0])
        fixture_init(f);
    ASSERT_OK(co_hv_qemu_open(&f->options, &f->hv, &facts, &e), &e);
}

static void co_begin(void)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;
    struct hv_vm_spec spec;

    co_open(&a);
    co_open(&b);
    demo_spec(&demo, a.dir, &spec);
    spec.memory = 128 << 20;
    moving_init(&m, &a, &b, &spec);
    moving_certify(&m);
    ASSERT_OK(a.hv->driver->co_start(a.hv, &spec, &facts, &e), &e);
    co_console_open(&console, a.hv, spec.uuid);
    co_console_wait_ticks(&console, 2);
}

static void co_end(struct fixture *home)
{
    CLEANUP_ERR struct err e = {0};

    co_console_close(&console);
    ASSERT_OK(home->hv->driver->co_stop(home->hv, m.spec.uuid, &e), &e);
    ck_assert(!fixture_has_children());
    ck_assert(!fixture_has_folder(&a, m.spec.uuid) && !fixture_has_folder(&b, m.spec.uuid));
    a.hv->driver->free(a.hv);
    b.hv->driver->free(b.hv);
}

static void co_expect(const char *command, const char *output)
{
    CLEANUP_FREE char *said = co_console_run(&console, command);

    ck_assert_str_eq(said, output);
}

static void co_write_on(void)
{
    co_expect("echo 0 > /ram/n; sh /ram/writer >/ram/log 2>&1 </dev/null &", "");
}

/* Random bytes in its memory and on its disk with their sums, and a process that goes on writing random bytes
 * to both and reading them again. */
static void co_give_memories(void)
{
    co_demo_wait_text(&a, m.spec.uuid, "obtained from"); /* the last that it says by itself */
    co_expect("mkdir /ram && mount -t tmpfs none /ram && dd if=/dev/urandom of=/ram/still bs=1M count=8 2>&-;"
              "sha256sum /ram/still > /ram/sum; dd if=/ram/still of=/dev/vda bs=1M seek=8 conv=fsync 2>&-",
              "");
    co_expect("echo 'n=0; while [ ! -f /ram/stop ]; do dd if=/dev/urandom of=/ram/w bs=64k count=8 2>&-;"
              "s=$(sha256sum < /ram/w); dd if=/ram/w of=/dev/vda bs=64k seek=800 conv=fsync 2>&-;"
              "[ \"$s\" = \"$(sha256sum < /ram/w)\" ] || echo memory >> /ram/bad;' > /ram/writer",
              "");
    co_expect("echo 'echo 3 > /proc/sys/vm/drop_caches;"
              "[ \"$s\" = \"$(dd if=/dev/vda bs=64k skip=800 count=8 2>&- | sha256sum)\" ] ||"
              "echo disk >> /ram/bad; n=$((n+1)); echo $n > /ram/n; done; touch /ram/stopped' >> /ram/writer",
              "");
    co_write_on();
}

/* It has gone on writing, and all is as it was. */
static void co_check_memories(void)
{
    co_expect("i=$(cat /ram/n); while [ 0$(cat /ram/n) -lt $((i+3)) ]; do sleep 0.05; done; touch /ram/stop;"
              "while [ ! -f /ram/stopped ]; do sleep 0.05; done; rm /ram/stop /ram/stopped",
              "");
    co_expect("cat /ram/bad /ram/log 2>&-; sha256sum -c /ram/sum | grep -v OK", "");
    co_expect("[ \"$(sha256sum < /ram/still)\" ="
              " \"$(dd if=/dev/vda bs=1M skip=8 count=8 2>&- | sha256sum)\" ] || echo differs",
              "");
    co_write_on();
}

/* ---- moves ---- */

/* Turn round: the next move goes where the guest came from. */
static void turn(void)
{
    struct fixture *from = m.to;
    struct hv_passage passage = m.passage;

    m.to = m.from;
    m.from = from;
    m.decided = false;
    memcpy(m.passage.source, passage.destination, sizeof m.passage.source);
    memcpy(m.passage.destination, passage.source, sizeof m.passage.destination);
}

/* The guest's console is read at both ends, and the gap is what a reader sees. */
static void co_move(const char *what)
{
    CLEANUP_ERR struct err e = {0};
    struct console there;
    unsigned long before;
    int64_t begin;

    ASSERT_OK(co_moving_step(&m, STEP_RECEIVE, &e), &e);
    co_console_open(&there, m.to->hv, m.spec.uuid);
    begin = clock_now();
    for (unsigned step = STEP_PREPARE; step <= STEP_DRAIN; step++)
        if (step != STEP_DRAIN || m.passage.options.post_copy)
            ASSERT_OK(co_moving_step(&m, step, &e), &e);
    co_console_wait_ticks(&there, 1);
    before = console.tick;
    printf("%s: %.0f ms in all, gap %.0f ms, ticks %lu then %lu\n", what, (double)(clock_now() - begin) / 1e6,
           (double)(there.first_tick - console.last_tick) / 1e6, before, there.first);
    ck_assert_uint_le(there.first, before + 3); /* a line that was cut in two belongs to neither */
    ASSERT_OK(co_moving_step(&m, STEP_STOP, &e), &e);
    ck_assert_int_eq(m.from->hv->driver->state(m.from->hv, m.spec.uuid), HV_STATE_GONE);
    ck_assert_int_eq(m.to->hv->driver->state(m.to->hv, m.spec.uuid), HV_STATE_RUNNING);
    ck_assert(m.progress == 1);
    co_console_close(&console);
    co_console_close(&there); /* a console has one reader */
    co_console_open(&console, m.to->hv, m.spec.uuid);
    turn();
}

/* ---- with a disk that both hosts have ---- */

static void ignore_progress(double done, void *arg)
{
}

/* What comes later works as for a guest that was started here. */
static void co_use_it(struct fixture *home)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_FD int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct hv *hv = home->hv;
    enum hv_presence presence = HV_PRESENT;

    ASSERT_OK(hv->driver->co_pause(hv, m.spec.uuid, &e), &e);
    ASSERT_OK(hv->driver->co_unpause(hv, m.spec.uuid, &e), &e);
    ASSERT_OK(hv->driver->co_save(hv, m.spec.uuid, sink, ignore_progress, NULL, &e), &e);
    ASSERT_OK(hv->driver->co_unpause(hv, m.spec.uuid, &e), &e);
    ASSERT_OK(hv->driver->co_unplug(hv, m.spec.uuid, HV_DEVICE_NIC, 0, false, clock_in_ms(60000), &e), &e);
    ASSERT_OK(hv->driver->co_look(hv, m.spec.uuid, HV_DEVICE_NIC, 0, &presence, &e), &e);
    ck_assert_int_eq(presence, HV_ABSENT);
}

static void co_refuse_changed(void)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(m.from->hv->driver->co_move_prepare(m.from->hv, m.spec.uuid, &m.passage, NULL, NULL, &e),
                     -1);
    ck_assert(err_is(&e, "VM_MIGRATE_FAILED"));
    ck_assert_str_eq(e.params[0], m.spec.uuid);
    ck_assert_str_eq(e.params[1], m.passage.source);
    ck_assert_str_eq(e.params[2], m.passage.destination);
    co_console_wait_ticks(&console, 2);
}

static void co_move_there_and_back(void *unused)
{
    co_begin();
    co_give_memories();
    co_move("shared disk, there");
    co_check_memories();
    co_move("shared disk, back");
    co_check_memories();
    ck_assert_uint_eq(fixture_count(&a, HV_REPORT_STOPPED) + fixture_count(&b, HV_REPORT_STOPPED), 0);
    co_use_it(&a);
    co_refuse_changed();
    co_end(&a);
}

START_TEST(a_guest_moves_there_and_back_and_forgets_nothing)
{
    run_in_fiber(co_move_there_and_back, NULL);
}
END_TEST

static void co_move_otherwise(void *unused)
{
    co_begin();
    co_give_memories();
    m.passage.options = (struct hv_passage_options){.post_copy = true};
    co_move("post-copy");
    co_check_memories();
    m.passage.options = (struct hv_passage_options){
        .compress = true, .channels = 2, .auto_converge = true, .downtime_ms = 50, .bandwidth = 400000000};
    co_move("compressed, two channels");
    co_check_memories();
    co_end(&a);
}

START_TEST(post_copy_compression_and_channels_forget_nothing_either)
{
    run_in_fiber(co_move_otherwise, NULL);
}
END_TEST

/* ---- with a disk that moves along ---- */

/* The destination has an empty image of the same size. */
static void take_disk_along(unsigned round)
{
    static const unsigned first[] = {0};
    char command[400];

    snprintf(copy_path, sizeof copy_path, "%s/copy%u.qcow2", m.to->dir, round);
    snprintf(command, sizeof command, "qemu-img create -q -f qcow2 '%s' 64M", copy_path);
    ck_assert_int_eq(system(command), 0);
    copies[0] = demo.disks[0];
    copies[0].path = copy_path;
    m.spec.disks = copies;
    m.passage.n_mirrors = 1;
    m.passage.mirrors = first;
}

static void co_move_with_disk(void *unused)
{
    co_begin();
    co_give_memories();
    take_disk_along(1);
    co_move("disk along, there");
    ck_assert_int_eq(unlink(demo.disk), 0);
    co_check_memories();
    take_disk_along(2);
    co_move("disk along, back");
    co_check_memories();
    co_end(&a);
}

START_TEST(a_disk_moves_along_while_the_guest_writes_to_it)
{
    run_in_fiber(co_move_with_disk, NULL);
}
END_TEST

/* ---- a disk that goes to other storage of the same host ---- */

static struct hv_disk co_other_image(unsigned n)
{
    struct hv_disk disk = demo.disks[0];
    char command[400];

    snprintf(copy_path, sizeof copy_path, "%s/other,%u.qcow2", a.dir, n);
    snprintf(command, sizeof command, "qemu-img create -q -f qcow2 '%s' 64M", copy_path);
    ck_assert_int_eq(system(command), 0);
    disk.path = copy_path;
    return disk;
}

/* As a coordinator does it. */
static void co_relocate(const struct hv_disk *copy)
{
    CLEANUP_ERR struct err e = {0};
    struct hv *hv = a.hv;

    m.progress = 0;
    ASSERT_OK(hv->driver->co_mirror_disk(hv, m.spec.uuid, copy, moving_note_progress, &m, &e), &e);
    ck_assert(m.progress == 1);
    ASSERT_OK(hv->driver->co_hold(hv, m.spec.uuid, &e), &e);
    ASSERT_OK(hv->driver->co_mirror_disk(hv, m.spec.uuid, copy, NULL, NULL, &e), &e);
    for (unsigned i = 0; i < 2; i++)
        ASSERT_OK(hv->driver->co_settle_disk(hv, m.spec.uuid, copy, &e), &e);
    ASSERT_OK(hv->driver->co_unpause(hv, m.spec.uuid, &e), &e);
}

/* How many images the guest's QEMU has open. */
static unsigned open_images(void)
{
    char command[200], text[16] = "";
    FILE *f;

    snprintf(command, sizeof command, "ls -l /proc/%d/fd | grep -c qcow2", fixture_pid(&a, m.spec.uuid));
    f = popen(command, "re");
    ck_assert(f && fgets(text, sizeof text, f));
    pclose(f);
    return (unsigned)atoi(text);
}

static int compare_images(const char *one, const char *other)
{
    char command[600];

    snprintf(command, sizeof command, "qemu-img compare -q -f qcow2 -F qcow2 '%s' '%s'", one, other);
    return system(command);
}

/* There and back, once given up in between, and once killed while it stands still with two that are alike:
 * the copy has all that the guest was told is written. */
static void co_relocate_disks(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_disk one, other;
    struct hv *hv;

    co_begin();
    hv = a.hv;
    co_give_memories();
    one = co_other_image(1);
    co_relocate(&one);
    ck_assert_int_eq(unlink(demo.disk), 0);
    co_check_memories();
    ck_assert_uint_eq(open_images(), 1);

    one.path = demo.disk; /* where there is nothing */
    ck_assert_int_eq(hv->driver->co_mirror_disk(hv, m.spec.uuid, &one, NULL, NULL, &e), -1);
    err_clear(&e);
    demo.disks[0].path = strdup(copy_path);
    other = co_other_image(2);
    ASSERT_OK(hv->driver->co_mirror_disk(hv, m.spec.uuid, &other, NULL, NULL, &e), &e);
    ck_assert_uint_eq(open_images(), 2);
    ASSERT_OK(hv->driver->co_settle_disk(hv, m.spec.uuid, &demo.disks[0], &e), &e);
    ck_assert_uint_eq(open_images(), 1);
    co_check_memories();

    co_expect("touch /ram/stop; while [ ! -f /ram/stopped ]; do sleep 0.05; done", "");
    ASSERT_OK(hv->driver->co_mirror_disk(hv, m.spec.uuid, &other, NULL, NULL, &e), &e);
    co_expect("dd if=/ram/still of=/dev/vda bs=1M seek=40 conv=fsync 2>&-", "");
    ASSERT_OK(hv->driver->co_hold(hv, m.spec.uuid, &e), &e);
    ASSERT_OK(hv->driver->co_mirror_disk(hv, m.spec.uuid, &other, NULL, NULL, &e), &e);
    ck_assert_int_eq(kill(fixture_pid(&a, m.spec.uuid), SIGKILL), 0);
    co_fixture_report(&a, HV_REPORT_STOPPED, m.spec.uuid);
    ck_assert_int_eq(compare_images(demo.disks[0].path, other.path), 0);
    co_end(&a);
}

START_TEST(a_disk_goes_to_other_storage_while_the_guest_writes_to_it)
{
    run_in_fiber(co_relocate_disks, NULL);
}
END_TEST

/* ---- new daemons ---- */

static void note_facts(const char *uuid, const struct hv_vm_facts *facts, void *arg)
{
    *(struct hv_vm_facts *)arg = *facts;
}

/* Let go of a host's guests and find them again. */
static struct hv_vm_facts co_reopen(struct fixture *f)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts = {.state = HV_STATE_GONE};

    f->hv->driver->free(f->hv);
    co_open(f);
    ASSERT_OK(f->hv->driver->co_adopt(f->hv, note_facts, &facts, &e), &e);
    return facts;
}

/* ---- a guest with other hardware ---- */

/* It has more of each than at its start. */
static void co_give_more(const struct hv_nic *nic, const struct hv_disk *disk)
{
    const char *uuid = m.spec.uuid;
    CLEANUP_ERR struct err e = {0};
    unsigned now;

    ASSERT_OK(a.hv->driver->co_plug_nic(a.hv, uuid, nic, &e), &e);
    ASSERT_OK(a.hv->driver->co_plug_disk(a.hv, uuid, disk, &e), &e);
    ASSERT_OK(a.hv->driver->co_set_processors(a.hv, uuid, 3, NULL, &now, &e), &e);
    m.spec.nics = nic;
    m.spec.disks = disk;
    m.spec.n_nics = m.spec.n_disks = 1;
}

/* Firmware, a screen, processors and memory to grow into; and it is paused. */
static void co_move_paused(void *unused)
{
    static const struct hv_nic nic = {.device = 2, .mac = "02:00:00:00:00:07", .backend = HV_NIC_USER};
    struct hv_disk disk = {.userdevice = 5, .bus = HV_BUS_VIRTIO, .format = "raw"};
    char path[100];
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;
    struct hv_vm_spec spec;
    char greeting[5] = "";
    CLEANUP_FD int fd = -1;
    int vnc;

    co_open(&a);
    co_open(&b);
    fixture_spec(&spec);
    spec.vcpus_max = 4;
    spec.memory_max = 2 * spec.memory;
    moving_init(&m, &a, &b, &spec);
    moving_certify(&m);
    ASSERT_OK(a.hv->driver->co_start(a.hv, &spec, &facts, &e), &e);
    snprintf(path, sizeof path, "%s/late.img", a.dir);
    disk.path = path;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    co_give_more(&nic, &disk);
    ASSERT_OK(a.hv->driver->co_pause(a.hv, spec.uuid, &e), &e);
    m.spec.start_paused = true;
    m.spec.domid = 8;
    ASSERT_OK(co_moving_run(&m, &e), &e);
    ck_assert(m.decided && m.reception.facts.vnc && m.reception.facts.domid == 8);
    ck_assert_int_eq(b.hv->driver->state(b.hv, spec.uuid), HV_STATE_PAUSED);
    facts = co_reopen(&b);
    ck_assert(facts.state == HV_STATE_PAUSED && facts.passage == HV_PASSAGE_NONE && !facts.held);
    ASSERT_OK(b.hv->driver->co_unpause(b.hv, spec.uuid, &e), &e);
    ck_assert_int_eq(b.hv->driver->state(b.hv, spec.uuid), HV_STATE_RUNNING);
    vnc = b.hv->driver->co_console(b.hv, spec.uuid, "vnc");
    ck_assert_int_ge(vnc, 0);
    ck_assert_int_eq(co_wait_fd(vnc, EV_READ, clock_in_ms(60000), "the screen"), EV_READ);
    ck_assert_int_eq(read(vnc, greeting, 4), 4);
    ck_assert_str_eq(greeting, "RFB ");
    close(vnc);
    ASSERT_OK(b.hv->driver->co_stop(b.hv, spec.uuid, &e), &e);
    a.hv->driver->free(a.hv);
    b.hv->driver->free(b.hv);
}

START_TEST(a_paused_guest_with_a_screen_arrives_paused)
{
    run_in_fiber(co_move_paused, NULL);
}
END_TEST

/* ---- a guest with UEFI ---- */

#define FLASH_SIZE (1 << 20) /* more than its variables take */

static size_t read_variables(const struct fixture *f, uint8_t bytes[FLASH_SIZE])
{
    char path[200];
    size_t n;
    FILE *file;

    snprintf(path, sizeof path, "%s/vm/%s/" NVRAM_FILE, f->dir, m.spec.uuid);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    n = fread(bytes, 1, FLASH_SIZE, file);
    fclose(file);
    return n;
}

/* How many bytes have been written, as erased flash is all ones. */
static size_t count_written(const uint8_t *bytes, size_t n)
{
    size_t written = 0;

    for (size_t i = 0; i < n; i++)
        written += bytes[i] != 0xff;
    return written;
}

/* What it has written is at the destination, which had none of it. (Flash is written by clearing bits.) */
static void co_move_uefi(void *unused)
{
    static uint8_t before[FLASH_SIZE], after[FLASH_SIZE];
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;
    struct hv_vm_spec spec;
    size_t n, empty;

    co_open(&a);
    co_open(&b);
    fixture_spec(&spec);
    spec.boot = HV_BOOT_UEFI;
    spec.memory = 256 << 20;
    moving_init(&m, &a, &b, &spec);
    moving_certify(&m);
    ASSERT_OK(a.hv->driver->co_start(a.hv, &spec, &facts, &e), &e);
    n = read_variables(&a, before);
    empty = count_written(before, n);
    while (count_written(before, n) < empty + 300) {
        ck_assert_int_eq(co_sleep_until(clock_in_ms(20), "UEFI to write variables"), 0);
        ck_assert_uint_eq(read_variables(&a, before), n);
    }
    ASSERT_OK(co_moving_run(&m, &e), &e);
    ck_assert_int_eq(b.hv->driver->state(b.hv, spec.uuid), HV_STATE_RUNNING);
    do {
        ck_assert_int_eq(co_sleep_until(clock_in_ms(5), "its variables"), 0);
        ck_assert_uint_eq(read_variables(&b, after), n);
    } while (count_written(after, n) < count_written(before, n));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg((after[i] & ~before[i]) == 0, "byte %zu was %#x and is %#x", i, before[i], after[i]);
    ASSERT_OK(b.hv->driver->co_stop(b.hv, spec.uuid, &e), &e);
    ck_assert_uint_eq(fixture_count(&b, HV_REPORT_NVRAM), 1);
    a.hv->driver->free(a.hv);
    b.hv->driver->free(b.hv);
}

START_TEST(uefi_variables_go_along)
{
    run_in_fiber(co_move_uefi, NULL);
}
END_TEST

/* ---- when something fails ---- */

static void co_expect_home(void)
{
    ck_assert_int_eq(m.to->hv->driver->state(m.to->hv, m.spec.uuid), HV_STATE_GONE);
    ck_assert_int_eq(m.from->hv->driver->state(m.from->hv, m.spec.uuid), HV_STATE_RUNNING);
    ck_assert(!fixture_has_folder(m.to, m.spec.uuid));
    ck_assert_int_eq(co_reopen(m.from).passage, HV_PASSAGE_NONE);
    co_console_wait_ticks(&console, 2);
}

/* Back from after each step before the decision, with and without new daemons, and at last all the way. */
static void co_go_back(void *unused)
{
    static const enum hv_passage_state at_source[] = {HV_PASSAGE_NONE, HV_PASSAGE_LEAVING, HV_PASSAGE_LEAVING,
                                                      HV_PASSAGE_LEFT};
    CLEANUP_ERR struct err e = {0};

    co_begin();
    co_give_memories();
    for (unsigned last = STEP_RECEIVE; last <= STEP_FINISH; last++) {
        take_disk_along(last);
        for (unsigned step = STEP_RECEIVE; step <= last; step++)
            for (unsigned i = 0; i < 2; i++)
                ASSERT_OK(co_moving_step(&m, step, &e), &e);
        if (last % 2 == 1) {
            ck_assert_int_eq(co_reopen(&a).passage, at_source[last]);
            ck_assert_int_eq(co_reopen(&b).passage, HV_PASSAGE_ARRIVING);
        }
        co_moving_settle(&m);
        co_expect_home();
    }
    co_check_memories();
    take_disk_along(10);
    co_move("after four attempts");
    co_check_memories();
    co_end(&b);
}

START_TEST(a_guest_goes_on_at_home_after_any_step_before_the_decision)
{
    run_in_fiber(co_go_back, NULL);
}
END_TEST

/* Its QEMU is killed at the destination after each step, and the next step at the source fails, or there is
 * none. */
static void co_lose_destination(void *unused)
{
    CLEANUP_ERR struct err e = {0};

    co_begin();
    for (unsigned last = STEP_RECEIVE; last <= STEP_FINISH; last++) {
        take_disk_along(last);
        for (unsigned step = STEP_RECEIVE; step <= last; step++)
            ASSERT_OK(co_moving_step(&m, step, &e), &e);
        ck_assert_int_eq(kill(fixture_pid(&b, m.spec.uuid), SIGKILL), 0);
        while (m.to->hv->driver->state(m.to->hv, m.spec.uuid) != HV_STATE_GONE)
            ck_assert_int_eq(co_sleep_until(clock_in_ms(2), "the end of a QEMU"), 0);
        if (last < STEP_FINISH && last != STEP_SWITCH)
            ck_assert_int_eq(co_moving_step(&m, last + 1, &e), -1);
        err_clear(&e);
        co_moving_settle(&m);
        co_expect_home();
    }
    co_end(&a);
}

START_TEST(a_destination_that_dies_leaves_the_guest_at_home)
{
    run_in_fiber(co_lose_destination, NULL);
}
END_TEST

/* A host that is not the one expected is not served, on either side, nor one of another pool. */
static void co_meet_strangers(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    char expected[UUID_TEXT_SIZE];
    struct moving other;

    co_begin();
    memcpy(expected, m.passage.source, sizeof expected);
    uuid_new(m.passage.source);
    ck_assert_int_eq(co_moving_run(&m, &e), -1);
    ck_assert(err_is(&e, "VM_MIGRATE_FAILED"));
    err_clear(&e);
    co_expect_home();

    memcpy(m.passage.source, expected, sizeof expected);
    memcpy(expected, m.passage.destination, sizeof expected);
    uuid_new(m.passage.destination);
    ck_assert_int_eq(co_moving_run(&m, &e), -1);
    err_clear(&e);
    co_expect_home();

    memcpy(m.passage.destination, expected, sizeof expected);
    other = m;
    other.from = other.to;
    moving_certify(&other);
    take_disk_along(1);
    ck_assert_int_eq(co_moving_run(&m, &e), -1);
    err_clear(&e);
    co_expect_home();
    co_end(&a);
}

START_TEST(hosts_that_are_not_who_they_should_be_get_nothing)
{
    run_in_fiber(co_meet_strangers, NULL);
}
END_TEST

/* ---- being cancelled ---- */

static void co_prepare_in_background(void *arg)
{
    ck_assert_int_eq(co_moving_step(&m, STEP_PREPARE, arg), -1);
}

/* So slow that it never ends by itself: in the midst of the disk, then of memory. */
static void co_cancel(void *unused)
{
    CLEANUP_ERR struct err e = {0};

    co_begin();
    co_give_memories();
    m.passage.options.bandwidth = 1 << 20;
    for (unsigned with_disk = 0; with_disk < 2; with_disk++) {
        CLEANUP_ERR struct err cancelled = {0};
        struct fiber *fiber;

        if (with_disk)
            take_disk_along(1);
        ASSERT_OK(co_moving_step(&m, STEP_RECEIVE, &e), &e);
        m.progress = 0;
        fiber = fiber_ref(fiber_spawn("prepare", co_prepare_in_background, &cancelled));
        while (m.progress == 0)
            ck_assert_int_eq(co_sleep_until(clock_in_ms(2), "progress"), 0);
        fiber_cancel(fiber);
        ck_assert_int_eq(co_fiber_join(fiber, clock_in_ms(60000)), 0);
        fiber_unref(fiber);
        co_console_wait_ticks(&console, 2);
        co_moving_settle(&m);
        co_expect_home();
    }
    co_check_memories();
    co_use_it(&a);
    co_end(&a);
}

START_TEST(a_move_that_is_cancelled_leaves_the_guest_at_home)
{
    run_in_fiber(co_cancel, NULL);
}
END_TEST

/* NULL: nothing. The sanitizers look at the same driver in test_move_qmp, and guests move under them in
 * tests/pool. */
static const char *reason_to_skip(void)
{
    const char *sanitized = getenv("XAPID_SANITIZED");

    if (sanitized && strcmp(sanitized, "yes") == 0)
        return "real guests are not moved here by a build with sanitizers";
    return demo_build() && system("qemu-system-x86_64 --version >/dev/null") == 0
               ? NULL
               : "QEMU or the demo guest is not to be had";
}

int main(void)
{
    const char *why = reason_to_skip();
    Suite *s;
    TCase *c, *storage;
    int r;

    if (why) {
        fprintf(stderr, "skipped: %s\n", why);
        return 77;
    }
    s = suite_create("move");
    c = tcase_create("move");
    storage = tcase_create("storage");
    log_set_level(LOG_LEVEL_ERROR);
    fixture_program_begin();
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_set_timeout(storage, TEST_HANG_GUARD_S);
    tcase_add_test(c, a_guest_moves_there_and_back_and_forgets_nothing);
    tcase_add_test(c, post_copy_compression_and_channels_forget_nothing_either);
    tcase_add_test(c, a_disk_moves_along_while_the_guest_writes_to_it);
    tcase_add_test(storage, uefi_variables_go_along);
    tcase_add_test(storage, a_disk_goes_to_other_storage_while_the_guest_writes_to_it);
    tcase_add_test(c, a_paused_guest_with_a_screen_arrives_paused);
    tcase_add_test(c, a_guest_goes_on_at_home_after_any_step_before_the_decision);
    tcase_add_test(c, a_destination_that_dies_leaves_the_guest_at_home);
    tcase_add_test(c, hosts_that_are_not_who_they_should_be_get_nothing);
    tcase_add_test(c, a_move_that_is_cancelled_leaves_the_guest_at_home);
    suite_add_tcase(s, c);
    suite_add_tcase(s, storage);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
