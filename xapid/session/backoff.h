#ifndef XAPID_SESSION_BACKOFF_H
#define XAPID_SESSION_BACKOFF_H
/*
 * Guessing passwords is made slow for whoever guesses, and for nobody else. Failures are counted for each
 * pair of address and user, and more patiently for each address; after some, attempts come one after the
 * other, each a growing pause after the one before. A quarter of an hour without a failure forgets them.
 * Nothing is locked: someone at another address logs in as ever.
 */
#include <stdbool.h>

/* One attempt to log in, from before the password is checked until it has been. */
struct backoff_attempt {
    struct backoff_entry *pair, *address;
};

/* Wait for the attempt's turn; unit_ms is the first pause. 0, -EBUSY when too many attempts from there wait
 * already, or -ECANCELED; backoff_end only after 0. */
int co_backoff_begin(struct backoff_attempt *a, const char *address, const char *user, int unit_ms);

/* Note how it went. Never yields. */
void backoff_end(struct backoff_attempt *a, bool failed, int unit_ms);

#endif
