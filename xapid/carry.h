#ifndef XAPID_CARRY_H
#define XAPID_CARRY_H
/*
 * What only memory holds and clients rely on, sessions and tasks, for the process that goes on in this one's
 * place: as JSON with names, for that may be of another version. It stays in memory, since a session's
 * reference is its secret. Never yields.
 */
#include "db/db.h"

/* A descriptor with all of it, or -errno. */
int carry_write(struct db *db);

/* Take over what is there and fits; what this version does not know is left out. Errors: INTERNAL_ERROR,
 * after which nothing has been taken over. */
int carry_read(struct db *db, int fd, struct err *e);

#endif
