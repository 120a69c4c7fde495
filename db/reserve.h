#ifndef DB_RESERVE_H
#define DB_RESERVE_H
/*
 * Room set aside for the database on its own disk: a file beside it that holds nothing. When the disk is full
 * the file is given up, so that what is in progress can still be recorded and what gives room back can still
 * be done. The file is PATH.reserve. Each function blocks for about as long as making or removing a file
 * takes.
 */
#include <stdbool.h>

#define RESERVE_BYTES (4 << 20)

/* Set the room aside unless that is done already. 0, or -errno (-ENOSPC) and nothing is left behind. */
int reserve_make(const char *path);

/* False when there was nothing to give up. */
bool reserve_give_up(const char *path);

#endif
