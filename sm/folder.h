#ifndef SM_FOLDER_H
#define SM_FOLDER_H
/*
 * A folder of disk images, listed on a worker. Entries are plain memory (malloc), freed by folder_free.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "sm/qcow2.h"

struct sm_sr;

struct folder_entry {
    char *name;              /* file name in the folder */
    int64_t size, used;      /* bytes: apparent, allocated */
    bool readable;           /* the header was understood (qcow2 files), or there is none to read */
    struct qcow2_info qcow2; /* of files ending in .qcow2 */
};

struct folder {
    struct folder_entry *entries;
    unsigned n;
};

/* List the regular files whose name ends in suffix (without regard to case). 0 or -errno. Free in any case.
 */
int co_folder_list(const char *path, const char *suffix, struct folder *ret);
void folder_free(struct folder *f);

/* Space of the file system that holds path: bytes in all and in use. 0 or -errno. */
int co_folder_space(const char *path, int64_t *ret_size, int64_t *ret_used);

/* device-config:location of an SR; NULL with an error when it is not an absolute path. */
const char *folder_of_sr(const struct sm_sr *sr, struct err *e);

#endif
