#ifndef TESTS_XAPID_HOSTS_H
#define TESTS_XAPID_HOSTS_H
/* A pool of three hosts in memory, whose agents are never called, for what is decided on rows alone. */
#include "db/setters.gen.h"
#include "xapid/server.h"

#define GIB ((int64_t)1 << 30)

struct hosts {
    struct xapid x;
    struct ref host[3]; /* of 8 GiB and 4 processors; [0] is x.host */
    struct ref shared;  /* an SR that all have attached */
    struct ref local[3];
    struct ref network;  /* all have a PIF on it */
    struct ref internal; /* none has */
};

void hosts_open(struct hosts *h);
void hosts_close(struct hosts *h);

/* A halted VM of 1 GiB with a NIC on `network` and a disk on `sr` (null: none). */
struct ref hosts_add_vm(struct hosts *h, const char *name, struct ref sr, struct ref network);

/* The VM's guest is on the host. */
void hosts_run(struct hosts *h, struct ref vm, struct ref host);

const struct vm *hosts_vm(struct hosts *h, struct ref vm);
const struct host *hosts_host(struct hosts *h, unsigned i);

/* A transaction, and its end. */
struct txn *hosts_begin(struct hosts *h);
void hosts_commit(struct txn *t);

#endif
