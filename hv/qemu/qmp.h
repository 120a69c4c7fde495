#ifndef HV_QEMU_QMP_H
#define HV_QEMU_QMP_H
/*
 * One connection to a QEMU's monitor (QMP): capabilities, commands matched to their answers by id,
 * events.
 *
 * Owned by whoever called qmp_new; reads and writes happen in a watcher on the loop, so it costs no fiber.
 * Handlers are called from the loop and must not yield; they may free the connection only from `closed`,
 * which is the last call. QEMU counts as hostile here: a message too long or a line that is not QMP closes
 * the connection.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "lib/err.h"

struct qmp;

struct qmp_handlers {
    void (*event)(const char *name, const json_t *data, void *arg);
    void (*ready)(void *arg);             /* commands may be sent */
    void (*closed)(int error, void *arg); /* -errno; commands under way have been answered with it */
};

/* Take over fd, a socket connected to QEMU's monitor. */
struct qmp *qmp_new(int fd, const struct qmp_handlers *handlers, void *arg);

/* Close; commands under way are answered with -ECONNABORTED. Safe on NULL. */
void qmp_free(struct qmp *q);

bool qmp_is_ready(const struct qmp *q);

/* Handle at once what QEMU has sent already; for the moment after its process has ended. */
void qmp_drain(struct qmp *q);

/* A command under way. done is called exactly once unless qmp_call_forget came before it. error: 0,
 * -EREMOTEIO when QEMU refused (desc says why), or what closed the connection. value is good during the call.
 */
struct qmp_call {
    TAILQ_ENTRY(qmp_call) link;
    uint64_t id;
    void (*done)(struct qmp_call *c, int error, json_t *value, const char *desc);
};

/* Send a command; arguments (NULL: none) are taken over. c belongs to the caller and must stay until done.
 * May be called before the connection is ready: QEMU reads what was sent in order once it gets to it, which
 * saves a start the waits between greeting, capabilities and the first command. */
void qmp_send(struct qmp *q, struct qmp_call *c, const char *command, json_t *arguments);
void qmp_call_forget(struct qmp *q, struct qmp_call *c);

/* Let a copy of fd go along with the next command (getfd). 0 or -errno. */
int qmp_pass_fd(struct qmp *q, int fd);

/* Send a command and wait for its answer. Returns 0, with the value in *ret unless ret is NULL (json_decref
 * it), or -errno with *e filled (INTERNAL_ERROR): -EREMOTEIO, -ETIMEDOUT, -ECANCELED, -ECONNRESET …. The
 * connection may be freed meanwhile. A NULL q is a closed connection. */
int co_qmp_command(struct qmp *q, const char *command, json_t *arguments, int64_t deadline, json_t **ret,
                   struct err *e);

#endif
