#ifndef XAPID_TRANSFER_TAR_H
#define XAPID_TRANSFER_TAR_H
/*
 * Headers of tar archives (POSIX.1-1988 "ustar", and the large sizes of GNU tar), as far as XVA needs them:
 * plain files with short names. Never yields.
 */
#include <stdint.h>

enum { TAR_BLOCK = 512, TAR_NAME_MAX = 256 };

struct tar_entry {
    char name[TAR_NAME_MAX + 1]; /* as it stands in the archive: any bytes but NUL */
    char type;                   /* '0': a plain file */
    int64_t size;
};

/* name: at most 100 bytes. */
void tar_header(unsigned char out[TAR_BLOCK], const char *name, int64_t size, int64_t when);

/* 1 with *ret; 0 for a block of zeros; -1 for anything else. */
int tar_read_header(const unsigned char in[TAR_BLOCK], struct tar_entry *ret);

/* Bytes between a file of this size and the next header. */
static inline unsigned tar_padding(int64_t size)
{
    return (unsigned)(-size & (TAR_BLOCK - 1));
}

#endif
