#ifndef XAPID_POOL_FOLLOW_H
#define XAPID_POOL_FOLLOW_H
/*
 * The member's side of its long connection to the coordinator (xapid/pool/frame.h): its database becomes a
 * copy of the coordinator's and follows it, and what its guests do is told there. The connection is made
 * again whenever it ends.
 */
#include "hv/hv.h"
#include "xapid/server.h"

/* Begin, on a member, once its agent is open and its guests are taken over. */
void follow_start(struct xapid *x);

/* The term has changed: what the connection says may be of the one before. It is ended, and made again. Never
 * yields. */
void follow_again(void);

/* Is the database the coordinator's, as of some time since the daemon's start? */
bool follow_has_copy(void);

/* Does the coordinator's voice reach this host? */
bool follow_is_connected(void);

/* Has it not for so long that calls are refused instead of waiting for it? */
bool follow_is_cut_off(void);

/* How long it has been silent. */
uint64_t follow_silence_ms(void);

/* Fill e with why calls cannot be served now: HOST_STILL_BOOTING, or what the coordinator has said. -1. */
int follow_refusal(struct err *e);

/* Another process is about to go on here: the two waits below end at once from now on. */
void follow_stop_waiting(void);

/* Wait until the copy has the generation: 0, -ETIMEDOUT or -ECANCELED. */
int co_follow_wait(struct xapid *x, uint64_t generation, int64_t deadline);

/* Wait until there is a connection: 0, -ETIMEDOUT or -ECANCELED. */
int co_follow_wait_connected(int64_t deadline);

/* Tell the coordinator what a guest did (a hv_report_fn); what happens while there is no connection it learns
 * from the list of guests that the next one begins with. Never yields. */
void follow_report(const struct hv_report *r, void *arg);

/* What this host says of itself has changed (xapid/host/machine_facts.h): tell the coordinator, if there is a
 * connection; each begins with it. Never yields. */
void follow_tell_facts(struct xapid *x);

#endif
