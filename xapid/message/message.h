#ifndef XAPID_MESSAGE_MESSAGE_H
#define XAPID_MESSAGE_MESSAGE_H
/*
 * The message class: notices for people (VM_STARTED, HA_HOST_FAILED …) as rows, at most 10,000 of them.
 */
#include "db/db.h"

/* Add a message in a transaction of the caller's, dropping the oldest beyond the limit. priority 1 (urgent)
 * to 5. Never yields. */
struct ref message_post(struct txn *t, const char *name, int64_t priority, enum cls cls, const char *obj_uuid,
                        const char *body);

#endif
