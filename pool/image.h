#ifndef POOL_IMAGE_H
#define POOL_IMAGE_H
/*
 * A guest's memory image on its way into a disk or out of it. The disk is noted under its own uuid
 * (pool/attachments.h) while it is attached, so that the next daemon detaches it if this one dies.
 */
#include "pool/agent.h"
#include "sm/stream.h"

struct image {
    const char *state_dir;
    char vdi_uuid[UUID_TEXT_SIZE];
    struct sm_stream *stream;
};

/* Attach the disk and begin to move bytes; *ret_fd is the pipe or the file, the image's. */
int co_image_open(const char *state_dir, const struct agent_image *disk, enum sm_stream_way way,
                  struct image *ret, int *ret_fd, struct err *e);

/* As co_sm_stream_finish and co_sm_stream_abandon; detaches the disk. */
int co_image_finish(struct image *i, struct err *e);
void co_image_abandon(struct image *i, struct err *e);

#endif
