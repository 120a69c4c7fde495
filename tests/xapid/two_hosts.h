#ifndef TESTS_XAPID_TWO_HOSTS_H
#define TESTS_XAPID_TWO_HOSTS_H
/* Two simulated hosts in one process, whose agents are called directly, for tests of guests that move. */
#include "lib/fiber.h"
#include "tests/xapid/hosts.h"
#include "pool/agent.h"

extern struct hosts h;
extern void *ctx; /* of the test that runs */
extern struct agent *agents[2];
extern const char *script; /* the simulator's, of the second; to be set before run() */

#define MUST(call)                                                                            \
    do {                                                                                      \
        struct err e_ = {0};                                                                  \
        struct err *e = &e_;                                                                  \
        int r_ = (call);                                                                      \
        ck_assert_msg(r_ == 0, "%s: %s", #call, err_is_set(e) ? err_text(ctx, e) : "failed"); \
    } while (0)

/* Run a test in a fiber, with both hosts open. */
void run(fiber_fn *co_fn);
struct call new_call(void);
struct ref co_new_vm(const char *name, struct ref sr);
struct ref co_start(const char *name, struct ref sr, unsigned host);
enum hv_state co_state(unsigned host, struct ref vm);
const struct vbd *drive_of(struct ref vm);
struct ref disk_of(struct ref vm);
unsigned files_in(const char *name);
/* The guest of the VM runs on this host and nowhere else, and that is recorded. */
void co_check_at(struct ref vm, unsigned host);
unsigned host_of(struct ref vm);
int co_pool_migrate(struct ref vm, unsigned host, struct err *e);
const struct map *sr_map(struct ref vdi, struct ref sr);
const struct map *destination(unsigned host);
/* The VM with its disk to the local storage of a host. */
int co_send(struct ref vm, unsigned host, struct err *e);
/* A guest may be found ended only after a while. */
void co_let_settle(void);
/* There is the one disk of the VM, and no more. */
void check_storage(struct ref vm);

#endif
