#include "sm/qcow2.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "lib/cleanup.h"

enum { HEADER_BYTES = 4096, MIN_HEADER = 72, FEATURES_AT = 72 };

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
