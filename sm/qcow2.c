#include "sm/qcow2.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/cleanup.h"

#define OFFSET_MASK UINT64_C(0x00fffffffffffe00)
#define ALONE (UINT64_C(1) << 63) /* referred to once */

enum { HEADER_BYTES = 4096, MIN_HEADER = 72, FEATURES_AT = 72 };
enum { CLUSTER_BITS_AT = 20, L1_AT = 40, SNAPSHOTS_AT = 60 };

static uint32_t be32(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static uint64_t be64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

/* Read size and backing file out of a header; every field is checked against the bytes there are. */
int qcow2_parse_header(const unsigned char *bytes, uint64_t n, struct qcow2_info *ret)
{
    if (n < MIN_HEADER || memcmp(bytes, "QFI\xfb", 4) != 0)
        return -EBADMSG;
    uint32_t version = be32(bytes + 4), name_len = be32(bytes + 16);
    uint64_t name_at = be64(bytes + 8), size = be64(bytes + 24);

    if (version < 2 || version > 3 || size > INT64_MAX || (version == 3 && n < FEATURES_AT + 8))
        return -EBADMSG;
    if (name_at == 0)
        name_len = 0;
    if (name_len > QCOW2_BACKING_MAX || name_at > n || name_len > n - name_at)
        return -EBADMSG;
    ret->virtual_size = (int64_t)size;
    ret->encrypted = be32(bytes + 32) != 0;
    ret->incompatible = version == 3 ? be64(bytes + FEATURES_AT) : 0;
    memcpy(ret->backing, bytes + name_at, name_len);
    ret->backing[name_len] = '\0';
    return 0;
}

/* Read the first cluster of the file, where qemu-img puts the header and the backing file's name. */
int qcow2_read_info(const char *path, struct qcow2_info *ret)
{
    unsigned char bytes[HEADER_BYTES / 2];
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    return n < 0 ? -errno : qcow2_parse_header(bytes, (uint64_t)n, ret);
}

/* Entries of the table at `at`, one a cluster: each cluster must follow the one before. */
static int follow_run(int fd, uint64_t at, uint64_t n, uint64_t cluster, uint64_t *ret_first)
{
    unsigned char bytes[512];

    for (uint64_t i = 0; i < n; i++) {
        uint64_t in_piece = i % (sizeof bytes / 8), entry;

        if (in_piece == 0 && pread(fd, bytes, sizeof bytes, (off_t)(at + i * 8)) != (ssize_t)sizeof bytes)
            return -ENOTSUP;
        entry = be64(bytes + in_piece * 8);
        if (i == 0)
            *ret_first = entry & OFFSET_MASK;
        if (entry != (ALONE | (*ret_first + i * cluster)))
            return -ENOTSUP;
    }
    return 0;
}

int qcow2_find_run(int fd, struct qcow2_run *ret)
{
    unsigned char h[HEADER_BYTES / 2], l1[8];
    struct qcow2_info info;
    struct stat st;
    ssize_t got = pread(fd, h, sizeof h, 0);
    uint64_t first = 0, n, cluster;

    if (got < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (qcow2_parse_header(h, (uint64_t)got, &info) < 0 || info.backing[0] || info.encrypted ||
        info.incompatible != 0 || be32(h + SNAPSHOTS_AT) != 0 || be32(h + CLUSTER_BITS_AT) < 12 ||
        be32(h + CLUSTER_BITS_AT) > 21 || info.virtual_size == 0)
        return -ENOTSUP;
    cluster = UINT64_C(1) << be32(h + CLUSTER_BITS_AT);
    n = ((uint64_t)info.virtual_size + cluster - 1) / cluster;
    if (n > cluster / 8 || pread(fd, l1, sizeof l1, (off_t)be64(h + L1_AT)) != sizeof l1 ||
        follow_run(fd, be64(l1) & OFFSET_MASK, n, cluster, &first) < 0 ||
        first + n * cluster < (uint64_t)st.st_size)
        return -ENOTSUP;
    *ret = (struct qcow2_run){(int64_t)first, info.virtual_size};
    return 0;
}
