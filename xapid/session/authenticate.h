#ifndef XAPID_SESSION_AUTHENTICATE_H
#define XAPID_SESSION_AUTHENTICATE_H
/*
 * Is the user who they say? By STATE/passwd or by PAM (option authentication), slowed down for whoever
 * guesses.
 */
#include "xapid/call.h"

/* Errors: SESSION_AUTHENTICATION_FAILED [user, text], after a delay. Whoever owns the unix socket is root
 * already and needs no password. */
int co_authenticate(struct call *c, const char *user, const char *password, struct err *e);

/* Give user a new password. */
int co_set_password(struct call *c, const char *user, const char *password, struct err *e);

#endif
