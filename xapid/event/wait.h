#ifndef XAPID_EVENT_WAIT_H
#define XAPID_EVENT_WAIT_H
/*
 * Waiting for events. One fiber follows the database and wakes only those whose filter a change passes, so a
 * thousand waiting clients cost a thousand comparisons a commit.
 */
#include "db/db.h"
#include "xapid/event/filter.h"

/* Start following; once. */
void event_pump_start(struct db *db);

/* How many wait. */
unsigned event_waiting_count(void);

/* Let those go who wait now: they answer what there is, perhaps nothing, and their clients ask again. */
void event_pump_release(void);

/* Let every waiter go, now and from now on (the daemon stops). */
void event_pump_stop(void);

/* Wait until something the filter wants has changed after `since`, the session has ended, or the daemon
 * stops. Errors: TOO_MANY_PENDING_TASKS when 3,000 calls wait already; a time that is over is no error. */
int co_event_wait(struct db *db, const struct event_filter *f, struct ref session, uint64_t since,
                  int64_t deadline, struct err *e);

#endif
