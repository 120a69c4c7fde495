#ifndef XAPID_EVENT_TOKEN_H
#define XAPID_EVENT_TOKEN_H
/*
 * event.from's tokens: two zero-padded decimals of 20 digits, "<database generation>,<message generation>",
 * so that they order as text. Messages live in the same database here, so both halves are one number.
 *
 * A token is good within one process. The next one, also where it goes on in the same place (SIGUSR2,
 * systemd's restart with sessions kept), answers EVENTS_LOST to it, although every acknowledged change is in
 * the database: nearly every class has fields that only memory holds (allowed and current operations,
 * metrics, whether a host is live), which begin anew there. Which of them came out different for a client
 * that last asked at some generation could only be told by keeping them all, so each object would have to be
 * told again, and that is what the client asks for when it begins anew. Deletions of that time are not kept
 * for the same reason.
 */
#include <stdint.h>
#include "lib/err.h"

#define EVENT_TOKEN_SIZE sizeof("00000000000000000000,00000000000000000000")

void event_token_format(uint64_t generation, char text[EVENT_TOKEN_SIZE]);

/* "" is the beginning. Errors: EVENT_FROM_TOKEN_PARSE_FAILURE [text]. */
int event_token_parse(const char *text, uint64_t *ret, struct err *e);

#endif
