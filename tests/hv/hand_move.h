#ifndef TESTS_HV_HAND_MOVE_H
#define TESTS_HV_HAND_MOVE_H
/*
 * A guest's move from one QEMU to another by hand, stop first: the fewest commands that do what the driver
 * does.
 */
#include "tests/hv/by_hand.h"

struct hand_move {
    struct by_hand *from, *to;
    const char *from_dir, *to_dir; /* state directories, with certificates in pool/; NULL: without TLS */
    const char *to_name;           /* as in the destination's certificate */
    bool post_copy, mirror;        /* mirror: userdevice 0 moves along */
    char memory_uri[64], disk_port[8];
};

/* What the destination needs before it can take the guest. */
void co_hand_await(struct hand_move *m);

/* All that is left, until the guest runs there and nothing of it is missing. */
void co_hand_move(struct hand_move *m);

#endif
