#ifndef TESTS_BENCH_BY_HAND_H
#define TESTS_BENCH_BY_HAND_H
/*
 * A guest's QEMU executed and commanded by hand: the same command line in a folder of its own, with the same
 * kinds of descriptors and a tap of its own, and commands on its monitor one after the other. The guest
 * itself must not run meanwhile: QEMU locks its disks.
 */
#include <sys/un.h>
#include "tests/bench/guest.h"

#define BY_HAND_ARGUMENTS 256
#define BY_HAND_SOCKETS 8

struct by_hand {
    char *argv[BY_HAND_ARGUMENTS + 3]; /* room for "-incoming defer" */
    unsigned argc;
    const char *folder;
    struct {
        int wanted, fd; /* the number that the command line names, and ours */
        char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    } sockets[BY_HAND_SOCKETS];
    unsigned n_sockets;
    int monitor_socket;
    int tap;            /* the number of its descriptor; 0: none */
    const char *beside; /* the uuid of a guest whose share of the processors it has a part of; NULL: none */
    pid_t pid;
    int monitor;
    struct buf heard; /* from the monitor since the last command that was sent */
};

/* g and folder must outlive b. */
void by_hand_init(struct by_hand *b, const struct guest_process *g, const char *folder);
void by_hand_fini(struct by_hand *b);

/* Start it, waiting for a state when incoming, until its monitor has answered the first command. */
void by_hand_start(struct by_hand *b, bool incoming);

/* The end of its process: made, or awaited after "quit". */
void by_hand_kill(struct by_hand *b);
void by_hand_wait(struct by_hand *b);

/* A command and its answer; dies when QEMU refuses. arguments: a JSON object, or NULL. */
void by_hand_ask(struct by_hand *b, const char *command, const char *arguments);

/* Wait until its monitor has said this text since the last command was sent. */
void by_hand_await(struct by_hand *b, const char *text);

/* getfd, as "state". */
void by_hand_pass(struct by_hand *b, int fd);

/* Make a tap of this name, or take it away. */
void by_hand_set_tap(const char *name, bool there);

#endif
