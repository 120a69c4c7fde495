#include "tests/xapid/two_hosts.h"
#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/lifecycle.h"

struct hosts h;
void *ctx;
static char dir[] = "/tmp/xapid-move-XXXXXX";

/* One of the two hosts that have an agent. */
struct reporter {
    unsigned host;
};
static struct reporter reporters[2] = {{0}, {1}};
struct agent *agents[2];
const char *script;

static void on_report(const struct hv_report *r, void *arg)
{
    lifecycle_on_report(&h.x, h.host[((struct reporter *)arg)->host], r);
}

static char *folder(const char *name)
{
    char *path = talloc_asprintf(ctx, "%s/%s", dir, name);
    ck_assert(mkdir(path, 0700) == 0 || access(path, W_OK) == 0);
    return path;
}

static void set_place(struct ref sr, struct ref host, const char *path)
{
    struct txn *t = hosts_begin(&h);
    pbd_set_device_config(t, pbd_of_host(h.x.db, sr, host), map_with(ctx, NULL, "location", path));
    hosts_commit(t);
}

static void co_open(void)
{
    for (unsigned i = 0; i < 2; i++) {
        struct agent_options o = {.state_dir = folder(i ? "b" : "a"),
                                  .hypervisor = "sim",
                                  .sim_script = i ? script : NULL,
                                  .report = on_report,
                                  .report_arg = &reporters[i]};
        struct agent_host_facts facts;
        MUST(co_agent_open(&o, &agents[i], &facts, e));
        set_place(h.local[i], h.host[i], folder(i ? "local-b" : "local-a"));
        set_place(h.shared, h.host[i], folder("shared"));
    }
    h.x.agent = agents[0];
    host_agent_set(&h.x, h.host[1], agents[1]);
    host_agent_drop(&h.x, h.host[2]);
    h.x.options.state_dir = folder("a");
    db_set_commit_hook(h.x.db, op_commit_hook, &h.x);
}

static fiber_fn *co_body;

static void co_test(void *arg)
{
    co_open();
    co_body(arg);
    for (unsigned i = 0; i < 2; i++)
        agent_free(agents[i]);
    loop_stop();
}

void run(fiber_fn *co_fn)
{
    ctx = talloc_new(NULL);
    ck_assert_ptr_nonnull(mkdtemp(strcpy(dir, "/tmp/xapid-move-XXXXXX")));
    hosts_open(&h);
    co_body = co_fn;
    fiber_spawn("test", co_test, NULL);
    loop_run();
    hosts_close(&h);
    ck_assert_int_eq(system(talloc_asprintf(ctx, "rm -rf %s", dir)), 0);
    talloc_free(ctx);
}

struct call new_call(void)
{
    return (struct call){.x = &h.x, .db = h.x.db, .mem = ctx, .task = ref_new(), .session = ref_new()};
}

/* ---- VMs ---- */

struct ref co_new_vm(const char *name, struct ref sr)
{
    struct call c = new_call();
    struct ref vm = hosts_add_vm(&h, name, REF_NULL, REF_NULL);
    struct txn *t = hosts_begin(&h);

    vm_set_metrics(t, hosts_vm(&h, vm), vm_metrics_create(t)->row.ref);
    vm_set_hvm_boot_policy(t, hosts_vm(&h, vm), "BIOS order");
    hosts_commit(t);
    if (ref_is_null(sr))
        return vm;
    union value vdi;
    MUST(co_vdi_create(&c, &(struct vdi_create_args){.SR = sr, .virtual_size = 1 << 20, .name_label = "disk"},
                       &vdi, e));
    t = hosts_begin(&h);
    const struct vbd *row = vbd_create(t);
    vbd_set_vm(t, row, vm);
    vbd_set_vdi(t, row, vdi.r);
    vbd_set_userdevice(t, row, "0");
    vbd_set_mode(t, row, VBD_MODE_RW);
    vbd_set_type(t, row, VBD_TYPE_DISK);
    hosts_commit(t);
    return vm;
}

struct ref co_start(const char *name, struct ref sr, unsigned host)
{
    struct ref vm = co_new_vm(name, sr);
    struct call c = new_call();

    MUST(co_vm_start_on(&c, &(struct vm_start_on_args){.vm = vm, .host = h.host[host]}, e));
    return vm;
}

enum hv_state co_state(unsigned host, struct ref vm)
{
    enum hv_state state = HV_STATE_GONE;
    MUST(co_agent_vm_state(agents[host], hosts_vm(&h, vm)->uuid, &state, e));
    return state;
}

const struct vbd *drive_of(struct ref vm)
{
    return (const struct vbd *)db_first_referrer(h.x.db, CLASS_VBD, VBD_F_VM, vm);
}

struct ref disk_of(struct ref vm)
{
    return drive_of(vm)->VDI;
}

unsigned files_in(const char *name)
{
    DIR *d = opendir(talloc_asprintf(ctx, "%s/%s", dir, name));
    unsigned n = 0;
    for (const struct dirent *entry; d && (entry = readdir(d));)
        n += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

void co_check_at(struct ref vm, unsigned host)
{
    const struct vm *row = hosts_vm(&h, vm);

    ck_assert_int_eq(row->power_state, VM_POWER_STATE_RUNNING);
    ck_assert_msg(ref_equal(row->resident_on, h.host[host]), "it is recorded on the other host");
    ck_assert(ref_is_null(row->scheduled_to_be_resident_on));
    ck_assert_int_eq(map_count(row->current_operations), 0);
    ck_assert_int_eq(map_count(hosts_host(&h, host)->current_operations), 0);
    ck_assert_int_eq(co_state(host, vm), HV_STATE_RUNNING);
    ck_assert_int_eq(co_state(!host, vm), HV_STATE_GONE);
    ck_assert_uint_eq(files_in(host ? "b/agent" : "a/agent"), 1);
    ck_assert_uint_eq(files_in(host ? "a/agent" : "b/agent"), 0);
    ck_assert_uint_eq(files_in("a/making"), 0);
}

unsigned host_of(struct ref vm)
{
    return ref_equal(hosts_vm(&h, vm)->resident_on, h.host[1]);
}

/* ---- moving ---- */

int co_pool_migrate(struct ref vm, unsigned host, struct err *e)
{
    struct call c = new_call();
    return co_vm_pool_migrate(&c, &(struct vm_pool_migrate_args){.vm = vm, .host = h.host[host]}, e);
}

const struct map *sr_map(struct ref vdi, struct ref sr)
{
    struct map *m = talloc_zero_size(ctx, sizeof *m + sizeof m->e[0]);
    m->e[m->n++] = (struct map_entry){.k.r = vdi, .v.r = sr};
    return m;
}

const struct map *destination(unsigned host)
{
    char text[REF_TEXT_SIZE];
    ref_format(h.host[host], text);
    return map_with(ctx, NULL, "host", text);
}

int co_send(struct ref vm, unsigned host, struct err *e)
{
    struct call c = new_call();
    union value ret;
    const struct vm_migrate_send_args a = {
        .vm = vm, .dest = destination(host), .live = true, .vdi_map = sr_map(disk_of(vm), h.local[host])};
    int rc = co_vm_migrate_send(&c, &a, &ret, e);
    ck_assert(rc < 0 || ref_equal(ret.r, vm));
    return rc;
}

void co_let_settle(void)
{
    for (unsigned i = 0; i < 20; i++)
        co_sleep_until(clock_in_ms(1), "what goes on in the background");
}

void check_storage(struct ref vm)
{
    const struct vdi *vdi = db_vdi(h.x.db, disk_of(vm));
    unsigned shared = ref_equal(vdi->SR, h.shared), a = ref_equal(vdi->SR, h.local[0]);

    ck_assert_uint_eq(db_count(h.x.db, CLASS_VDI), 1);
    ck_assert_uint_eq(files_in("shared"), shared);
    ck_assert_uint_eq(files_in("local-a"), a);
    ck_assert_uint_eq(files_in("local-b"), !shared && !a);
}
