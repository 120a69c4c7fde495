#ifndef SM_STREAM_H
#define SM_STREAM_H
/*
 * The content of an attached disk as a stream of bytes through a pipe, whatever format the disk has: for the
 * memory images of guests. A program (nbdcopy over qemu-nbd) moves the bytes beside whoever holds the pipe.
 */
#include "sm/sm.h"

struct sm_stream;

/* Begin to write to the disk, or to read from it, from its first byte on. *ret_fd is our end of the pipe; it
 * stays the stream's. Never yields. */
int sm_stream_open(const struct sm_attachment *disk, bool write, struct sm_stream **ret, int *ret_fd,
                   struct err *e);

/* Close our end of a stream that is written to. */
void sm_stream_close_pipe(struct sm_stream *s);

/* The writer of the bytes has closed its end: wait until all are on the disk, durably. Whatever the answer,
 * the stream is free afterwards. SR_BACKEND_FAILURE_44 when the SR is full. */
int co_sm_stream_finish(struct sm_stream *s, struct err *e);

/* End it wherever it is; for streams that were read, and after failures. With e: if the program ended by
 * itself with a failure, that goes there. */
void co_sm_stream_abandon(struct sm_stream *s, struct err *e);

#endif
