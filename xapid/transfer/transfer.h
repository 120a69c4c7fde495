#ifndef XAPID_TRANSFER_TRANSFER_H
#define XAPID_TRANSFER_TRANSFER_H
/*
 * An HTTP request that moves bulk data (protocol.md section 8): who calls, the task it reports to, its reply
 * and its body. The data passes in pieces of bounded size, never faster than either side takes it.
 *
 * The task is the one that task_id names (which the client made), or one made here. It ends with the request:
 * with the result, as failed, or as cancelled.
 */
#include "rpc/http.h"
#include "xapid/call.h"

struct filter;
struct web;
struct task_worker;

struct transfer {
    struct http_request *request;
    struct http_stream *stream;
    struct call call;
    struct task_worker *worker;
    bool answered;         /* a head was sent: errors show on the task only */
    int64_t body_left;     /* of the request's body; TRANSFER_UNKNOWN: as much as comes */
    struct filter *filter; /* xapid/transfer/filter.h; NULL: none */
    struct web *web;       /* xapid/transfer/web.h, where the body comes from instead; NULL: nowhere */
    struct buf ahead;      /* read, to be read again */
    const char *result;    /* of the task: an XML-RPC value, on the request's mem */
};

#define TRANSFER_UNKNOWN INT64_MAX

/* Let the caller in, who may do what message does, and have a task named label. message NULL: anybody, and
 * there is no task. False: he has been told why not, and nothing is to be ended. */
bool co_transfer_begin(struct transfer *t, struct http_request *r, struct http_stream *s, struct xapid *x,
                       const char *message, const char *label);

/* End the task, as e says, and tell the client if nothing was said yet. Not to be cancelled. */
void co_transfer_end(struct transfer *t, struct err *e);

/* The object of class that the query names, by reference or uuid, under key (or under key_uuid, which may be
 * NULL). REF_NULL with HANDLE_INVALID or UUID_INVALID; REF_NULL without an error when it names none. */
struct ref transfer_object(struct transfer *t, enum model_class_id cls, const char *key, const char *key_uuid,
                           struct err *e);
bool transfer_flag(const struct transfer *t, const char *key);

/* Is the request one that only tries whether it would be let in: without a body and a task? (XenOrchestra.)
 */
bool transfer_is_probe(const struct transfer *t);

/* Send the head of the reply; length -1: unknown. file_name may be NULL. */
int co_transfer_answer(struct transfer *t, const char *type, int64_t length, const char *file_name,
                       struct err *e);

/* All of n bytes to the client. VDI_IO_ERROR when he has gone, TASK_CANCELLED. */
int co_transfer_write(struct transfer *t, const void *bytes, size_t n, struct err *e);
int co_transfer_write_zeros(struct transfer *t, int64_t n, struct err *e);

/* Bytes of the body: n, fewer at its end; -1 when the client went away in the middle or TASK_CANCELLED. A
 * body of unknown length ends with the connection. */
ssize_t co_transfer_read(struct transfer *t, void *bytes, size_t n, struct err *e);

/* The first n bytes of the body, fewer when it is shorter; they will be read again. */
ssize_t co_transfer_peek(struct transfer *t, size_t n, struct err *e);

/* The same past a filter, if there is one: for itself. */
int co_transfer_write_plain(struct transfer *t, const void *bytes, size_t n, struct err *e);
ssize_t co_transfer_read_plain(struct transfer *t, void *bytes, size_t n, struct err *e);

/* Name a reference as the task's result. */
void transfer_result(struct transfer *t, struct ref ref);

#endif
