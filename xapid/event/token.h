#ifndef XAPID_EVENT_TOKEN_H
#define XAPID_EVENT_TOKEN_H
/*
 * event.from's tokens: two zero-padded decimals of 20 digits, "<database generation>,<message generation>",
 * so that they order as text. Messages live in the same database here, so both halves are one number.
 */
#include <stdint.h>
#include "lib/err.h"

#define EVENT_TOKEN_SIZE sizeof("00000000000000000000,00000000000000000000")

void event_token_format(uint64_t generation, char text[EVENT_TOKEN_SIZE]);

/* "" is the beginning. Errors: EVENT_FROM_TOKEN_PARSE_FAILURE [text]. */
int event_token_parse(const char *text, uint64_t *ret, struct err *e);

#endif
