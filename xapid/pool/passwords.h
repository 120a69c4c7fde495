#ifndef XAPID_POOL_PASSWORDS_H
#define XAPID_POOL_PASSWORDS_H
/*
 * Passwords are the pool's: where the coordinator keeps a file of them (xapid/session/passwd.h), members get
 * it when they connect and whenever it changes, so that clients log in as ever after one of them has taken
 * over. Hosts that leave such things to PAM are left alone.
 */
#include "rpc/http.h"
#include "xapid/server.h"

/* A failure is logged: the member's next connection repairs it. */
void co_passwords_send(struct xapid *x, struct ref host);
void co_passwords_send_all(struct xapid *x);

/* The member's side: POST /peer/passwords. */
co_http_handler co_passwords_post;

#endif
