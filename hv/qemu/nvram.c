#include "hv/qemu/nvram.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/mem.h"

#define MAGIC "xapidnv1"
#define MAGIC_SIZE 8
#define HEAD_SIZE (MAGIC_SIZE + 2)
#define BLOCK 512
#define OVMF "/usr/share/OVMF/OVMF_"
#define ENTRY (2 + BLOCK)
#define SIZE_MAX_BYTES (4 << 20)
#define TEXT_MAX (6 << 20)

/* ---- text ---- */

static bool is_erased(const unsigned char *block)
{
    for (unsigned i = 0; i < BLOCK; i++)
        if (block[i] != 0xff)
            return false;
    return true;
}

static unsigned char *put_number(unsigned char *at, size_t n)
{
    *at++ = (unsigned char)(n >> 8);
    *at++ = (unsigned char)n;
    return at;
}

static size_t number_at(const unsigned char *at)
{
    return (size_t)at[0] << 8 | at[1];
}

char *nvram_encode(const unsigned char *bytes, size_t size)
{
    size_t blocks = size / BLOCK;
    CLEANUP_FREE unsigned char *packed = mem_zalloc(HEAD_SIZE + blocks * ENTRY);
    unsigned char *at = packed;
    char *text;

    memcpy(at, MAGIC, MAGIC_SIZE);
    at = put_number(at + MAGIC_SIZE, blocks);
    for (size_t i = 0; i < blocks; i++) {
        if (is_erased(bytes + i * BLOCK))
            continue;
        at = put_number(at, i);
        memcpy(at, bytes + i * BLOCK, BLOCK);
        at += BLOCK;
    }
    text = mem_zalloc((size_t)(at - packed) / 3 * 4 + 8);
    EVP_EncodeBlock((unsigned char *)text, packed, (int)(at - packed));
    return text;
}

/* The bytes that base64 stands for, to be freed; NULL when it is not base64. */
static unsigned char *unbase64(const char *text, size_t *ret_size)
{
    size_t n = strlen(text);
    unsigned char *bytes;
    int size;

    if (n == 0 || n > TEXT_MAX || n % 4 != 0)
        return NULL;
    bytes = mem_zalloc(n);
    size = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n);
    if (size < 0) {
        free(bytes);
        return NULL;
    }
    *ret_size = (size_t)size - (text[n - 1] == '=') - (text[n - 2] == '=');
    return bytes;
}

static int unpack(const unsigned char *packed, size_t size, unsigned char *bytes, size_t blocks)
{
    for (size_t at = HEAD_SIZE; at < size; at += ENTRY) {
        size_t block = number_at(packed + at);

        if (block >= blocks)
            return -EBADMSG;
        memcpy(bytes + block * BLOCK, packed + at + 2, BLOCK);
    }
    return 0;
}

int nvram_decode(const char *text, unsigned char **ret_bytes, size_t *ret_size)
{
    size_t size, blocks;
    CLEANUP_FREE unsigned char *packed = unbase64(text, &size);
    unsigned char *bytes;

    if (!packed || size < HEAD_SIZE || memcmp(packed, MAGIC, MAGIC_SIZE) != 0 ||
        (size - HEAD_SIZE) % ENTRY != 0)
        return -EBADMSG;
    blocks = number_at(packed + MAGIC_SIZE);
    if (blocks == 0 || blocks * BLOCK > SIZE_MAX_BYTES)
        return -EBADMSG;
    bytes = mem_zalloc(blocks * BLOCK);
    memset(bytes, 0xff, blocks * BLOCK);
    if (unpack(packed, size, bytes, blocks) < 0) {
        free(bytes);
        return -EBADMSG;
    }
    *ret_bytes = bytes;
    *ret_size = blocks * BLOCK;
    return 0;
}

/* ---- files ---- */

/* All of a file, to be freed. */
static int read_file(int dir_fd, const char *path, unsigned char **ret, size_t *ret_size)
{
    CLEANUP_FD int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    unsigned char *bytes;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > SIZE_MAX_BYTES || st.st_size % BLOCK != 0)
        return -EBADMSG;
    bytes = mem_zalloc((size_t)st.st_size);
    if (pread(fd, bytes, (size_t)st.st_size, 0) != st.st_size) {
        free(bytes);
        return -EIO;
    }
    *ret = bytes;
    *ret_size = (size_t)st.st_size;
    return 0;
}

static int write_file(int dir_fd, const unsigned char *bytes, size_t size)
{
    CLEANUP_FD int fd = openat(dir_fd, NVRAM_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    errno = ENOSPC;
    return pwrite(fd, bytes, size, 0) == (ssize_t)size ? 0 : -errno;
}

const char *nvram_firmware(bool secureboot)
{
    return secureboot ? OVMF "CODE_4M.secboot.fd" : OVMF "CODE_4M.fd";
}

int nvram_create(int dir_fd, const char *text, bool secureboot)
{
    const char *first = secureboot ? OVMF "VARS_4M.ms.fd" : OVMF "VARS_4M.fd";
    CLEANUP_FREE unsigned char *bytes = NULL;
    size_t size;
    int r = access(nvram_firmware(secureboot), R_OK) < 0 ? -errno : 0;

    if (r == 0)
        r = text ? nvram_decode(text, &bytes, &size) : read_file(AT_FDCWD, first, &bytes, &size);
    return r < 0 ? r : write_file(dir_fd, bytes, size);
}

char *nvram_read(int dir_fd)
{
    CLEANUP_FREE unsigned char *bytes = NULL;
    size_t size;

    return read_file(dir_fd, NVRAM_FILE, &bytes, &size) < 0 ? NULL : nvram_encode(bytes, size);
}
