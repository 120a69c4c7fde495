#ifndef SM_QCOW2_H
#define SM_QCOW2_H
/*
 * What a scan needs to know of a qcow2 file: its size and the file it is based on, read from its header
 * without starting a program for each of a thousand files. Everything that changes an image is qemu-img's
 * work. Format: docs/interop/qcow2.txt of QEMU, "Header" and "Cluster mapping". Blocking; may run on a
 * worker.
 */
#include <stdbool.h>
#include <stdint.h>

#define QCOW2_BACKING_MAX 1023

/* Incompatible features that lead to no other file: dirty, compression type, extended L2 entries. */
#define QCOW2_SELF_CONTAINED (1 | 8 | 16)

struct qcow2_info {
    int64_t virtual_size;                /* bytes */
    char backing[QCOW2_BACKING_MAX + 1]; /* as written in the header; "" when there is none */
    bool encrypted;
    uint64_t incompatible; /* the incompatible features of version 3 */
};

/* 0, -EBADMSG when it is not a qcow2 image of version 2 or 3, or -errno. */
int qcow2_read_info(const char *path, struct qcow2_info *ret);

/* Where the content lies, when it is one run at the end of the file, with nothing of it compressed, shared or
 * elsewhere. -ENOTSUP when it is not so. */
struct qcow2_run {
    int64_t at, size; /* bytes */
};
int qcow2_find_run(int fd, struct qcow2_run *ret);

/* What qcow2_read_info reads, of the first bytes of a file (n of them). */
int qcow2_parse_header(const unsigned char *bytes, uint64_t n, struct qcow2_info *ret);

#endif
