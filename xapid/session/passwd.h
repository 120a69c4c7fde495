#ifndef XAPID_SESSION_PASSWD_H
#define XAPID_SESSION_PASSWD_H
/*
 * The password file of a host without another source of users: STATE/passwd, mode 0600, a line a user:
 *     name:scrypt:N:r:p:salt:key          salt and key in hexadecimal
 * Keys are made by OpenSSL's EVP_PBE_scrypt. The blocking functions take tens of milliseconds.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

/* Set user's password, leaving the other lines alone; the file is replaced at once and durably. Blocks.
 * 0 or -errno; -EINVAL for a name that cannot stand in the file. */
int passwd_set(const char *path, const char *user, const char *password);

/* 0 when the password is right, -EACCES when it or the user is not known (both take as long), else -errno.
 * Blocks. */
int passwd_check(const char *path, const char *user, const char *password);

/* Is there such a user? 0, -ENOENT or -errno. Blocks. */
int passwd_find(const char *path, const char *user);

/* The same as passwd_check, off the loop's thread; right answers are remembered (as keyed digests, while the
 * file stays the same), so that a client that logs in for each command is quick. At most a few run at a time.
 */
int co_passwd_check(const char *path, const char *user, const char *password);
int co_passwd_set(const char *path, const char *user, const char *password);

/* Run another such check on a worker, counted among the few. */
int co_passwd_worker(int (*fn)(void *arg), void *arg);

/* How many those are at most, if that is fewer than there would be by themselves; at least 1. */
void passwd_worker_limit(int64_t most);

#endif
