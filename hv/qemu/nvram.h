#ifndef HV_QEMU_NVRAM_H
#define HV_QEMU_NVRAM_H
/*
 * The UEFI variables of a guest: the second flash chip of its firmware, a file in the guest's folder while it
 * is up. Between its runs the control plane keeps them as text: base64 of a head, then each block of 512
 * bytes that is not erased flash (all 0xff).
 *
 *   "xapidnv1", size in blocks (2 bytes, big end first), then for each block its number (2 bytes) and its
 * bytes
 *
 * Leaf code: 0 or -errno; blocks for the time of writing half a MiB.
 */
#include <stdbool.h>
#include <stddef.h>

#define NVRAM_FILE "nvram.fd"

/* The path of the firmware's code. Only that for Secure Boot guards its variables from the system that runs.
 */
const char *nvram_firmware(bool secureboot);

/* Make the file from the text, or from the firmware's template when it is NULL. -EBADMSG when the text is
 * none of ours, -ENOENT when there is no such firmware on this host. */
int nvram_create(int dir_fd, const char *text, bool secureboot);

/* The text of the guest's file, to be freed; NULL when it has none. */
char *nvram_read(int dir_fd);

/* The two directions, for tests. Text NULL-terminated; blocks is a whole number of blocks, to be freed. */
char *nvram_encode(const unsigned char *bytes, size_t size);
int nvram_decode(const char *text, unsigned char **ret_bytes, size_t *ret_size);

#endif
