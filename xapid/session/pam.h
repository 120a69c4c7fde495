#ifndef XAPID_SESSION_PAM_H
#define XAPID_SESSION_PAM_H
/*
 * Passwords as PAM judges them, service "xapid". Both functions block, for as long as the modules please, and
 * are for workers. Modules' delays after a wrong password are left out: the caller has its own.
 */

/* Is this user's password right, and may the user log in from there? 0, -EACCES when not, also when PAM
 * does not work, or -ENOMEM. dir: where the service's file is; NULL: the system's. */
int pam_check(const char *dir, const char *user, const char *password, const char *address);

/* Give user another password, as root. 0, -EACCES or -ENOMEM. */
int pam_set(const char *dir, const char *user, const char *password);

#endif
