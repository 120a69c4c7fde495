#ifndef SM_IMAGE_H
#define SM_IMAGE_H
/*
 * Disk images through qemu-img. Paths are absolute. Errors: SR_BACKEND_FAILURE_nn with qemu-img's first line
 * of complaint. All may yield.
 */
#include <stdint.h>
#include "sm/fail.h"

/* A new qcow2 image; with backing (a file in the same folder, by its base name) one that shares its blocks.
 */
int co_image_create(const char *path, int64_t size, const char *backing, struct err *e);
/* Make the image at path anew, all of its content in one run of the file (qcow2_find_run) that takes no room
 * yet. */
int co_image_create_contiguous(const char *path, int64_t size, struct err *e);
/* Are the image's own tables sound? Clusters that nothing uses are no harm. */
int co_image_check(const char *path, struct err *e);
int co_image_resize(const char *path, int64_t size, struct err *e);

#endif
