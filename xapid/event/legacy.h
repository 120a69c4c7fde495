#ifndef XAPID_EVENT_LEGACY_H
#define XAPID_EVENT_LEGACY_H
/*
 * The older event calls, register, unregister and next: the server keeps what a session has registered for
 * and how far it has read.
 */
#include "model/value.h"

/* The session has ended. Never yields. */
void event_legacy_forget(struct ref session);

#endif
