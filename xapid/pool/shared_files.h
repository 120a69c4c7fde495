#ifndef XAPID_POOL_SHARED_FILES_H
#define XAPID_POOL_SHARED_FILES_H
/*
 * Files that are the pool's: passwords, where the coordinator keeps a file of them (xapid/session/passwd.h),
 * and what the pool trusts (xapid/certificate/trusted.h). Members get all of them when they connect and
 * whenever one changes, so that clients log in as ever and the same servers are believed after one of them
 * has taken over. Hosts that leave passwords to PAM are left alone with those.
 */
#include "rpc/http.h"
#include "xapid/server.h"

/* A failure is logged: the member's next connection repairs it. */
void co_shared_files_send(struct xapid *x, struct ref host);
void co_shared_files_send_all(struct xapid *x);

/* The member's side: POST /peer/files. */
co_http_handler co_shared_files_post;

#endif
