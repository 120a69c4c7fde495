#ifndef XAPID_TRANSFER_VHD_H
#define XAPID_TRANSFER_VHD_H
/*
 * The structures of a VHD file, as bytes: footer, dynamic header, block allocation table (BAT). From
 * "Virtual Hard Disk Image Format Specification", version 1.0. Numbers are big-endian. Never yields.
 */
#include <stdbool.h>
#include <stdint.h>

enum {
    VHD_SECTOR = 512,
    VHD_FOOTER = 512,
    VHD_HEADER = 1024,
    VHD_BLOCK_SHIFT = 21,
    VHD_BITMAP = 512, /* of a block of 2 MiB */
};
#define VHD_UNUSED UINT32_MAX /* in the BAT */

/* What a BAT of 32-bit sector numbers can reach: 2040 GiB, the format's own bound. */
#define VHD_MAX_SIZE ((int64_t)2040 << 30)

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd_info {
    enum vhd_type type;
    int64_t size;           /* of the disk, in bytes */
    uint64_t header_offset; /* from the footer */
    uint64_t bat_offset;    /* from the header, as the next three */
    uint32_t bat_entries;
    uint32_t block_size;
    const char *parent; /* uuid of a differencing one's parent, 36 characters; not read */
};

/* uuid: 36 characters. */
void vhd_footer(unsigned char out[VHD_FOOTER], const struct vhd_info *i, const char *uuid, int64_t when);
void vhd_header(unsigned char out[VHD_HEADER], const struct vhd_info *i);

/* False for what is no sound footer (or header) or goes beyond what is understood here. */
bool vhd_read_footer(const unsigned char in[VHD_FOOTER], struct vhd_info *ret);
bool vhd_read_header(const unsigned char in[VHD_HEADER], struct vhd_info *ret);

static inline uint32_t vhd_get32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void vhd_put32(unsigned char *p, uint32_t v)
{
    for (int i = 3; i >= 0; i--, v >>= 8)
        p[i] = (unsigned char)v;
}

#endif
