#ifndef HV_QEMU_ACL_H
#define HV_QEMU_ACL_H
/* Access lists of files (acl(5)), kept by libacl, whose words for tags and permissions are ours. */
#include <sys/acl.h>
#include <sys/types.h>

/* This user (ACL_USER) or group (ACL_GROUP) may do perms to the file, besides those who may now; 0: its entry
 * goes. 0 or -errno: -EOPNOTSUPP where the file system has no lists, -E2BIG or -ENOSPC (it depends on the
 * file system) when there is no room. Blocks shortly. */
int qemu_acl_set(const char *path, acl_tag_t who, id_t id, unsigned perms);

#endif
