#ifndef HV_QEMU_PROCESS_H
#define HV_QEMU_PROCESS_H
/*
 * A process that outlives the daemon: a QEMU. It is started in a session of its own and watched by a pidfd,
 * whether it is our child or was started by a daemon that is gone. Leaf code: 0 or -errno.
 *
 * The note is how a QEMU is found again from the moment it exists: a file which the child fills in itself,
 * before it executes the program, and which it keeps open, so that a lock on it lasts exactly as long as the
 * process.
 */
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "lib/fiber.h"

struct process {
    pid_t pid;
    int pidfd;
    bool ended;
    int status; /* of waitpid, once ended; -1 when it was not our child */
    ev_io watcher;
    struct fiber_cond end;
    void (*on_end)(struct process *p, void *arg); /* from the loop, once; must not yield; may release p */
    void *arg;
};

struct process_launch {
    const char *program;     /* path */
    const char *const *argv; /* NULL-terminated */
    int cwd_fd;              /* the folder it starts in */
    const int *fds;          /* become its descriptors 0, 1, 2 …; none else is inherited */
    unsigned n_fds;
    unsigned note; /* which of them is the note */
    uid_t uid;     /* who it runs as, with these groups and no others; 0: as we do */
    gid_t gid;
    const gid_t *groups;
    unsigned n_groups;
};

/* Start it. The caller's copies of the descriptors stay the caller's. A new session stands behind all others
 * in the scheduler's queue, which doubles the time that a program takes to start on a busy host; so it is put
 * first, where we may, until process_set_ordinary. */
int process_start(struct process *p, const struct process_launch *l,
                  void (*on_end)(struct process *p, void *arg), void *arg);

/* Create the note in a folder, locked; the descriptor or -errno. */
int process_note_create(int dir_fd, const char *name);

enum process_note_state { NOTE_DEAD, NOTE_ALIVE, NOTE_STARTING };

/* Read a note: NOTE_DEAD when its process is gone or there is no note; NOTE_STARTING when there is a process
 * that has not come to fill it in yet: look again soon. */
enum process_note_state process_note_read(int dir_fd, const char *name, pid_t *pid, uint64_t *start_ticks);

/* Watch a process found by its note; -ESRCH when it is gone or its number belongs to another by now. */
int process_adopt(struct process *p, pid_t pid, uint64_t start_ticks,
                  void (*on_end)(struct process *p, void *arg), void *arg);

void process_set_ordinary(struct process *p);

/* Stop watching, without ending the process. */
void process_release(struct process *p);

int process_kill(struct process *p, int sig);

/* 0 once it has ended and is reaped. */
int co_process_wait(struct process *p, int64_t deadline);

/* The start time (field 22) in a line of /proc/<pid>/stat, and the pid; false when the text is not one. */
bool process_stat_parse(const char *text, pid_t *pid, uint64_t *start_ticks);

#endif
