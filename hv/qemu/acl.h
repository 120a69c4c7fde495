#ifndef HV_QEMU_ACL_H
#define HV_QEMU_ACL_H
/*
 * Access lists of files (acl(5)), in the form that the kernel takes as the attribute system.posix_acl_access:
 * version 2, little-endian, include/uapi/linux/posix_acl_xattr.h. Leaf code: 0 or -errno; blocks shortly.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum acl_who { ACL_USER = 2, ACL_GROUP = 8 };
enum { ACL_READ = 4, ACL_WRITE = 2, ACL_SEARCH = 1 };

#define ACL_BYTES_MAX 1024 /* room for a hundred users */

/* What becomes of a list (n bytes; 0: there is none, only `mode`) when this user or group may do perms; 0:
 * its entry goes. -EBADMSG when it is not a list, -E2BIG when there is no room. */
int acl_change(const unsigned char *old, size_t n, mode_t mode, enum acl_who who, uint32_t id, unsigned perms,
               unsigned char ret[ACL_BYTES_MAX], size_t *ret_n);

/* The same to a file, by its path. -EOPNOTSUPP where the file system has no lists. */
int acl_set(const char *path, enum acl_who who, uint32_t id, unsigned perms);

#endif
