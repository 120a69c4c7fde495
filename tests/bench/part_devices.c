/* Plugging and unplugging a disk and a NIC, suspending and resuming: by the API, and with QMP by hand on a
 * second guest of the same kind, in turns. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/clock.h"
#include "tests/bench/api.h"
#include "tests/bench/by_hand.h"

#define TIMES 9
#define DISK_BYTES (16 << 20)
#define TAP "benchhand1"

struct bench_devices {
    struct api api;
    char *vm, *uuid, *vbd, *vif;
    struct guest_process process; /* whose command line is used by hand */
    struct by_hand hand;
    char folder[512], disk[600], state[600]; /* of the guest by hand; disk and state are files */
};

/* ---- by the API ---- */

static void plug_vbd(struct bench_devices *d)
{
    free(api_call(&d->api, "VBD.plug", PARAMS(d->vbd)));
}

static void unplug_vbd(struct bench_devices *d)
{
    free(api_call(&d->api, "VBD.unplug", PARAMS(d->vbd)));
}

static void plug_vif(struct bench_devices *d)
{
    free(api_call(&d->api, "VIF.plug", PARAMS(d->vif)));
}

static void unplug_vif(struct bench_devices *d)
{
    free(api_call(&d->api, "VIF.unplug", PARAMS(d->vif)));
}

static void suspend_vm(struct bench_devices *d)
{
    free(api_call(&d->api, "VM.suspend", PARAMS(d->vm)));
}

static void resume_vm(struct bench_devices *d)
{
    free(api_call(&d->api, "VM.resume", PARAMS(d->vm, "<boolean>0</boolean>", "<boolean>0</boolean>")));
}

/* ---- by hand ---- */

static void plug_disk(struct bench_devices *d)
{
    CLEANUP_BUF struct buf node = {0};

    buf_printf(
        &node,
        "{\"node-name\":\"bench\",\"driver\":\"raw\",\"discard\":\"unmap\",\"file\":{\"driver\":\"file\","
        "\"filename\":\"%s\"}}",
        d->disk);
    by_hand_ask(&d->hand, "blockdev-add", buf_cstr(&node));
    by_hand_ask(&d->hand, "device_add",
                "{\"driver\":\"virtio-blk-pci\",\"id\":\"benchdisk\",\"drive\":\"bench\"}");
}

/* The guest has to let go of it. Its virtio half is deleted, and told of, before the device itself. */
static void unplug(struct bench_devices *d, const char *id)
{
    CLEANUP_BUF struct buf argument = {0}, event = {0};

    buf_printf(&argument, "{\"id\":\"%s\"}", id);
    buf_printf(&event, "\"DEVICE_DELETED\", \"data\": {\"device\": \"%s\"", id);
    by_hand_ask(&d->hand, "device_del", buf_cstr(&argument));
    by_hand_await(&d->hand, buf_cstr(&event));
}

static void unplug_disk(struct bench_devices *d)
{
    unplug(d, "benchdisk");
    by_hand_ask(&d->hand, "blockdev-del", "{\"node-name\":\"bench\"}");
}

static void plug_nic(struct bench_devices *d)
{
    by_hand_set_tap(TAP, true);
    by_hand_ask(&d->hand, "netdev_add",
                "{\"type\":\"tap\",\"id\":\"benchnet\",\"ifname\":\"" TAP
                "\",\"script\":\"no\",\"downscript\":\"no\"}");
    by_hand_ask(
        &d->hand, "device_add",
        "{\"driver\":\"virtio-net-pci\",\"id\":\"benchnic\",\"netdev\":\"benchnet\",\"romfile\":\"\"}");
}

static void unplug_nic(struct bench_devices *d)
{
    unplug(d, "benchnic");
    by_hand_ask(&d->hand, "netdev_del", "{\"id\":\"benchnet\"}");
    by_hand_set_tap(TAP, false);
}

static void ask_for_news_of_moves(struct by_hand *h)
{
    by_hand_ask(h, "migrate-set-capabilities",
                "{\"capabilities\":[{\"capability\":\"events\",\"state\":true}]}");
}

/* The state is a file, and on the disk at the end. */
static void suspend_by_hand(struct bench_devices *d)
{
    CLEANUP_FD int fd = open(d->state, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(fd >= 0, d->state);
    by_hand_ask(&d->hand, "stop", NULL);
    ask_for_news_of_moves(&d->hand);
    by_hand_ask(&d->hand, "migrate-set-parameters", "{\"max-bandwidth\":1099511627776}");
    by_hand_pass(&d->hand, fd);
    by_hand_ask(&d->hand, "migrate", "{\"uri\":\"fd:state\"}");
    by_hand_await(&d->hand, "\"completed\"");
    by_hand_ask(&d->hand, "quit", NULL);
    by_hand_wait(&d->hand);
    must(fsync(fd) == 0, d->state);
}

static void resume_by_hand(struct bench_devices *d)
{
    CLEANUP_FD int fd = open(d->state, O_RDONLY | O_CLOEXEC);

    must(fd >= 0, d->state);
    by_hand_start(&d->hand, true);
    ask_for_news_of_moves(&d->hand);
    by_hand_pass(&d->hand, fd);
    by_hand_ask(&d->hand, "migrate-incoming", "{\"uri\":\"fd:state\"}");
    by_hand_await(&d->hand, "\"completed\"");
    by_hand_ask(&d->hand, "cont", NULL);
}

/* ---- turns ---- */

struct action {
    const char *what;
    void (*ours)(struct bench_devices *d), (*floor)(struct bench_devices *d);
};

/* What was plugged cannot be suspended, so that comes first. */
static const struct action moves[] = {
    {"VM.suspend; QMP by hand to a file", suspend_vm, suspend_by_hand},
    {"VM.resume; QEMU and QMP by hand", resume_vm, resume_by_hand},
};
static const struct action plugs[] = {
    {"VBD.plug; QMP by hand", plug_vbd, plug_disk},
    {"VBD.unplug; QMP by hand", unplug_vbd, unplug_disk},
    {"VIF.plug; tap and QMP by hand", plug_vif, plug_nic},
    {"VIF.unplug; QMP and tap by hand", unplug_vif, unplug_nic},
};
#define MOST_ACTIONS 4

static double took_ms(void (*action)(struct bench_devices *d), struct bench_devices *d)
{
    int64_t began = clock_now();

    action(d);
    return (double)(clock_now() - began) / 1e6;
}

static void take_turns(struct bench_devices *d, const struct action *actions, unsigned n)
{
    static double ours[MOST_ACTIONS][MOST_ROUNDS], floors[MOST_ACTIONS][MOST_ROUNDS];
    unsigned rounds = bench_rounds(TIMES);

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < n; i++) {
            ours[i][round] = took_ms(actions[i].ours, d);
            floors[i][round] = took_ms(actions[i].floor, d);
        }
    }
    for (unsigned i = 0; i < n; i++)
        report_figure(&(struct figure){.what = actions[i].what,
                                       .unit = "ms",
                                       .ours = median(ours[i], rounds),
                                       .floor = median(floors[i], rounds),
                                       .better = LESS_IS_BETTER});
}

/* ---- the two guests ---- */

static void start(struct api *a, const char *vm)
{
    free(api_call(a, "VM.start", PARAMS(vm, "<boolean>0</boolean>", "<boolean>0</boolean>")));
}

/* Take the second guest from the daemon, and start it by hand. */
static void set_up_by_hand(struct bench_devices *d)
{
    CLEANUP_FREE char *vm = api_make_guest(&d->api, "by hand");
    CLEANUP_FREE char *uuid = api_call_text(&d->api, "VM.get_uuid", PARAMS(vm));
    const char *state_dir = d->api.target->state_dir;
    int fd;

    snprintf(d->folder, sizeof d->folder, "%s/by-hand", state_dir);
    snprintf(d->disk, sizeof d->disk, "%s/by-hand-disk", state_dir);
    snprintf(d->state, sizeof d->state, "%s/by-hand-state", state_dir);
    fd = open(d->disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0, d->disk);
    close(fd);
    start(&d->api, vm);
    guest_find(&d->process, uuid);
    free(api_call(&d->api, "VM.hard_shutdown", PARAMS(vm)));
    by_hand_init(&d->hand, &d->process, d->folder);
    d->hand.beside = d->uuid;
    by_hand_start(&d->hand, false);
    by_hand_ask(&d->hand, "cont", NULL);
}

/* The other, which started a little later, is given as long again. */
static void await_boot(struct bench_devices *d)
{
    int64_t began = clock_now(), left;

    for (;;) {
        CLEANUP_FREE char *metrics = api_call_text(&d->api, "VM.get_guest_metrics", PARAMS(d->vm));

        if (strcmp(metrics, "OpaqueRef:NULL") != 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    left = clock_now() - began;
    nanosleep(&(struct timespec){left / 1000000000, left % 1000000000}, NULL);
}

void bench_devices(const struct target *t)
{
    static struct bench_devices d;

    api_open(&d.api, t);
    d.vm = api_make_guest(&d.api, "devices");
    d.uuid = api_call_text(&d.api, "VM.get_uuid", PARAMS(d.vm));
    start(&d.api, d.vm);
    set_up_by_hand(&d);
    await_boot(&d);
    take_turns(&d, moves, sizeof moves / sizeof *moves);
    d.vbd = api_add_disk(&d.api, d.vm, "1", DISK_BYTES);
    d.vif = api_add_nic(&d.api, d.vm, "1");
    take_turns(&d, plugs, sizeof plugs / sizeof *plugs);
    by_hand_kill(&d.hand);
    by_hand_fini(&d.hand);
    guest_free(&d.process);
    free(d.vm);
    free(d.uuid);
    free(d.vbd);
    free(d.vif);
    api_close(&d.api);
}
