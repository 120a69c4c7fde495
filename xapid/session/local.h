#ifndef XAPID_SESSION_LOCAL_H
#define XAPID_SESSION_LOCAL_H
/*
 * Sessions at this host alone, for what a member answers though nobody leads it (protocol.md section 9):
 * their references are in no database. At most LOCAL_SESSIONS; the oldest makes room. They end with the
 * daemon. Never yields.
 */
#include <stdbool.h>
#include "model/value.h"

enum { LOCAL_SESSIONS = 64 };

struct ref local_session_open(void);
bool local_session_exists(struct ref session);
void local_session_close(struct ref session);

#endif
