#ifndef XAPID_SUBJECT_DIRECTORY_H
#define XAPID_SUBJECT_DIRECTORY_H
/*
 * Users and groups that may become subjects. With PAM they are the system's, as getpwnam and getgrnam know
 * them, and their identifiers are "u1000" and "g1000". With a password file they are the users in it, without
 * groups, and an identifier is "user:NAME".
 */
#include <stdbool.h>
#include <sys/types.h>
#include "lib/err.h"
#include "model/value.h"
#include "xapid/server.h"

enum { DIRECTORY_TEXT = 256, DIRECTORY_GROUPS = 64 };

struct directory_entry {
    bool is_group;
    char identifier[DIRECTORY_TEXT + 8];
    char name[DIRECTORY_TEXT], full_name[DIRECTORY_TEXT];
    id_t id, gid; /* of a system's user; id also of a group */
    int n_groups; /* that a user is in */
    gid_t groups[DIRECTORY_GROUPS];
};

/* Does the host know users from PAM (or from the password file)? */
bool directory_is_system(const struct xapid *x);

/* Find a user or, failing that, a group by name; or by identifier. 0, -ENOENT or -errno. */
int co_directory_by_name(const struct xapid *x, const char *name, struct directory_entry *ret);
int co_directory_by_identifier(const struct xapid *x, const char *identifier, struct directory_entry *ret);

/* Identifiers of the groups, on ctx. */
const struct set *directory_groups(void *ctx, const struct directory_entry *d);

#endif
