#include "xapid/transfer/vhd.h"
#include <stdlib.h>
#include <string.h>

/* Seconds from 1970 to the format's epoch, 2000. */
static const int64_t epoch = 946684800;

static uint64_t get64(const unsigned char *p)
{
    return (uint64_t)vhd_get32(p) << 32 | vhd_get32(p + 4);
}

static void put64(unsigned char *p, uint64_t v)
{
    vhd_put32(p, (uint32_t)(v >> 32));
    vhd_put32(p + 4, (uint32_t)v);
}

/* The complement of the sum of all bytes but the checksum's own. */
static uint32_t checksum(const unsigned char *bytes, unsigned n, unsigned at)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += i >= at && i < at + 4 ? 0 : bytes[i];
    return ~sum;
}

/* The geometry that the specification's appendix gives a size. */
static uint32_t geometry(int64_t size)
{
    uint32_t total = (uint32_t)(size / VHD_SECTOR < 65535 * 16 * 255 ? size / VHD_SECTOR : 65535 * 16 * 255);
    uint32_t per_track = 17, heads, rest;

    if (total >= 65535 * 16 * 63) {
        per_track = 255;
        heads = 16;
        rest = total / per_track;
    } else {
        rest = total / per_track;
        heads = (rest + 1023) / 1024 < 4 ? 4 : (rest + 1023) / 1024;
        if (rest >= heads * 1024 || heads > 16) {
            per_track = 31;
            heads = 16;
            rest = total / per_track;
        }
        if (rest >= heads * 1024) {
            per_track = 63;
            heads = 16;
            rest = total / per_track;
        }
    }
    return rest / heads << 16 | heads << 8 | per_track;
}

static void put_uuid(unsigned char *out, const char *text)
{
    for (int i = 0; i < 16; i++) {
        char pair[3] = {0};
        text += *text == '-';
        memcpy(pair, text, 2);
        out[i] = (unsigned char)strtoul(pair, NULL, 16);
        text += 2;
    }
}

void vhd_footer(unsigned char out[VHD_FOOTER], const struct vhd_info *i, const char *uuid, int64_t when)
{
    memset(out, 0, VHD_FOOTER);
    memcpy(out, "conectix", 8);
    vhd_put32(out + 8, 2);
    vhd_put32(out + 12, 0x00010000);
    put64(out + 16, i->header_offset);
    vhd_put32(out + 24, (uint32_t)(when > epoch ? when - epoch : 0));
    /* Readers take the size in bytes, not the rounded geometry, from the creators that they know. */
    memcpy(out + 28, "tap", 4);
    vhd_put32(out + 32, 0x00010003);
    put64(out + 40, (uint64_t)i->size);
    put64(out + 48, (uint64_t)i->size);
    vhd_put32(out + 56, geometry(i->size));
    vhd_put32(out + 60, i->type);
    put_uuid(out + 68, uuid);
    vhd_put32(out + 64, checksum(out, VHD_FOOTER, 64));
}

/* "<uuid>.vhd" in UTF-16, high bytes first. */
static void put_parent_name(unsigned char *out, const char *uuid)
{
    static const char suffix[] = ".vhd";
    size_t n = strlen(uuid);

    for (size_t i = 0; i < n + sizeof suffix - 1; i++)
        out[2 * i + 1] = (unsigned char)(i < n ? uuid[i] : suffix[i - n]);
}

void vhd_header(unsigned char out[VHD_HEADER], const struct vhd_info *i)
{
    memset(out, 0, VHD_HEADER);
    memcpy(out, "cxsparse", 8);
    put64(out + 8, UINT64_MAX);
    put64(out + 16, i->bat_offset);
    vhd_put32(out + 24, 0x00010000);
    vhd_put32(out + 28, i->bat_entries);
    vhd_put32(out + 32, i->block_size);
    if (i->type == VHD_DIFFERENCING) {
        put_uuid(out + 40, i->parent);
        put_parent_name(out + 64, i->parent);
    }
    vhd_put32(out + 36, checksum(out, VHD_HEADER, 36));
}

bool vhd_read_footer(const unsigned char in[VHD_FOOTER], struct vhd_info *ret)
{
    uint64_t size = get64(in + 48);

    *ret = (struct vhd_info){
        .type = (enum vhd_type)vhd_get32(in + 60), .size = (int64_t)size, .header_offset = get64(in + 16)};
    return memcmp(in, "conectix", 8) == 0 && vhd_get32(in + 64) == checksum(in, VHD_FOOTER, 64) &&
           (ret->type == VHD_FIXED || ret->type == VHD_DYNAMIC || ret->type == VHD_DIFFERENCING) &&
           size > 0 && size <= (uint64_t)VHD_MAX_SIZE && size % VHD_SECTOR == 0;
}

bool vhd_read_header(const unsigned char in[VHD_HEADER], struct vhd_info *ret)
{
    ret->bat_offset = get64(in + 16);
    ret->bat_entries = vhd_get32(in + 28);
    ret->block_size = vhd_get32(in + 32);
    uint64_t needed = ((uint64_t)ret->size + (1 << VHD_BLOCK_SHIFT) - 1) >> VHD_BLOCK_SHIFT;
    return memcmp(in, "cxsparse", 8) == 0 && vhd_get32(in + 36) == checksum(in, VHD_HEADER, 36) &&
           ret->block_size == 1u << VHD_BLOCK_SHIFT && ret->bat_entries >= needed &&
           ret->bat_entries <= (VHD_MAX_SIZE >> VHD_BLOCK_SHIFT) + 1;
}
