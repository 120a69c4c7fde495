#ifndef XAPID_CONSOLE_OPEN_H
#define XAPID_CONSOLE_OPEN_H
/*
 * What the requests for consoles have in common: who may have one, and which one is meant.
 */
#include <stdbool.h>
#include "rpc/http.h"

struct xapid;

enum { CONSOLE_WRITE_LIMIT_MS = 60 * 1000 };

/* May the caller have a console? Answers him when not. */
bool co_console_let_in(struct http_request *r, struct http_stream *s, struct xapid *x);

/* The guest's side, connected; -1 when the caller has been told that there is none. screen: one with pixels
 * is wanted. */
int co_console_open(struct http_request *r, struct http_stream *s, struct xapid *x, bool screen);

void co_console_refuse(struct http_request *r, struct http_stream *s, unsigned status, const char *why);

#endif
