#ifndef LIB_PROC_H
#define LIB_PROC_H
/*
 * Child programs (qemu-img, ip, nft, dnsmasq …). Children get /dev/null as standard input, no inherited
 * descriptors but 0-2, default signals, a process group of their own, and messages in English
 * (LC_ALL=C.UTF-8).
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "lib/buf.h"

struct proc_result {
    int status;     /* exit code, or 128 + signal */
    struct buf out; /* standard output, at most 16 MiB */
    struct buf err; /* standard error, its first 64 KiB */
};

/* Run argv (NULL-terminated, argv[0] looked up in PATH and the sbin folders) to its end. 0 when it was run
 * (whatever its exit code), else -errno. On -ETIMEDOUT, -ECANCELED and -EFBIG (too much output) its process
 * group has been killed and it has been reaped. What it left running otherwise is not waited for. Free with
 * proc_result_free in any case. */
int co_proc_run(const char *const *argv, struct proc_result *r, int64_t deadline);
void proc_result_free(struct proc_result *r);

/* The same with a text as its standard input, in a file that only its descriptor names; NULL: /dev/null. What
 * is secret goes this way, since everybody can read a program's arguments. */
int co_proc_run_text(const char *const *argv, const char *text, struct proc_result *r, int64_t deadline);

/* The same with these descriptors, which stay the caller's, as its standard input and output; r->out stays
 * empty. */
int co_proc_run_piped(const char *const *argv, int in_fd, int out_fd, struct proc_result *r,
                      int64_t deadline);

/* Start argv without waiting; stdout and stderr go to log_fd (or /dev/null for -1). Returns the pid or
 * -errno. */
pid_t proc_spawn(const char *const *argv, int log_fd);

/* The same with n descriptors (3 to PROC_FDS_MAX) of the caller's: fds[i] becomes the child's descriptor i.
 * fds[0] may be -1: /dev/null. */
enum { PROC_FDS_MAX = 4 };
pid_t proc_spawn_fds(const char *const *argv, const int *fds, unsigned n);

/* Send the group of a child of ours that has not been reaped a signal (0: none) and reap it; killed when it
 * takes a minute. Not to be cancelled. */
void co_proc_end(pid_t pid, int signal);

#endif
