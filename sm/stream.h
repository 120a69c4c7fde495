#ifndef SM_STREAM_H
#define SM_STREAM_H
/*
 * The content of an attached disk as a stream of bytes, whatever format the disk has: for the memory images
 * of guests. Where the content is one run of a file, whoever has the descriptor reads or writes that file.
 * Otherwise it is a pipe, and a program (nbdcopy over qemu-nbd) moves the bytes beside.
 */
#include "sm/sm.h"

struct sm_stream;

enum sm_stream_way {
    SM_STREAM_READ,
    SM_STREAM_WRITE,
    SM_STREAM_REPLACE /* the disk is new: nothing of it is kept, and it is laid out to be written fast */
};

/* Begin to write to the disk, or to read from it, from its first byte on. *ret_fd is our end of the pipe, or
 * the file; it stays the stream's. */
int co_sm_stream_open(const struct sm_attachment *disk, enum sm_stream_way way, struct sm_stream **ret,
                      int *ret_fd, struct err *e);

/* The writer of the bytes has closed its end: wait until all are on the disk, durably. Whatever the answer,
 * the stream is free afterwards. SR_BACKEND_FAILURE_44 when the SR or the disk
 * is full. */
int co_sm_stream_finish(struct sm_stream *s, struct err *e);

/* End it wherever it is; for streams that were read, and after failures. With e: if the program ended by
 * itself with a failure, that goes there. */
void co_sm_stream_abandon(struct sm_stream *s, struct err *e);

#endif
