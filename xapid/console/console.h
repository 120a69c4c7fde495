#ifndef XAPID_CONSOLE_CONSOLE_H
#define XAPID_CONSOLE_CONSOLE_H
/*
 * /console: the bytes of a guest's console (protocol.md section 8). CONNECT gives them raw, GET with an
 * Upgrade as WebSocket frames. /vncsnapshot: its screen as a JPEG file. Raw handlers for rpc/http.h.
 */
#include "rpc/http.h"

void co_console_connect(struct http_request *r, struct http_stream *s, void *x);
void co_console_websocket(struct http_request *r, struct http_stream *s, void *x);
void co_console_snapshot(struct http_request *r, struct http_stream *s, void *x);

#endif
