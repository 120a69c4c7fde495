#ifndef XAPID_HANDOVER_H
#define XAPID_HANDOVER_H
/*
 * Descriptors that one process of the daemon leaves to the next, each under a name: by becoming the next one
 * (exec), or through systemd's store, which keeps them over a restart and a crash. They come back by the
 * protocol of sd_listen_fds(3), by which socket units give theirs too. At most 16. Never yields.
 */
#include <stdbool.h>

/* Take note of what came, from LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, and of the program's path. First
 * thing in main: the pid is to be the one that was started. */
void handover_receive(void);

/* Does this process go on in place of one that became it? */
bool handover_is_continued(void);

/* The first of what came that fits, which is the caller's then; -1 when there is none. */
int handover_take(bool (*fits)(int fd, const char *name, const void *arg), const void *arg);
int handover_take_named(const char *name);

/* Close what nobody has taken. */
void handover_close_rest(void);

/* Let systemd keep fd under this name, in place of what it has by that name; -1: keep none. Nothing where
 * there is no systemd. */
void handover_store(const char *name, int fd);

/* Become the program anew, as it lies on the disk now, with these descriptors (those >= 0). Returns only when
 * that fails: -errno, with descriptors in disorder, so that the caller can only end. */
struct handover_item {
    const char *name;
    int fd;
};
int handover_exec(char **argv, const struct handover_item *items, unsigned n);

#endif
