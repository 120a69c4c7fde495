#ifndef XAPID_CONSOLE_WEBSOCKET_H
#define XAPID_CONSOLE_WEBSOCKET_H
/*
 * WebSocket (RFC 6455) without input and output: frames of a client taken apart, frames for it put together.
 * Never yields.
 */
#include <stdbool.h>
#include <stddef.h>
#include "lib/buf.h"

/* A client's frames are small; a console's input is typing and pointer moves. */
#define WEBSOCKET_FRAME_MAX ((size_t)1 << 20)

/* The answer to Sec-WebSocket-Key; false when the key is not one. */
bool websocket_accept_key(const char *key, char answer[32]);

/* Take the complete frames out of `in`: their data goes to `data`, answers to pings and closes to `reply`. 0;
 * 1 when the client closes; -EPROTO when it does not keep to the protocol (the connection then is of no use
 * any more). */
int websocket_feed(struct buf *in, struct buf *data, struct buf *reply);

/* Append one binary frame. */
void websocket_frame(struct buf *out, const void *bytes, size_t n);

/* Append the frame that ends the conversation, with a status of RFC 6455 section 7.4. */
enum { WEBSOCKET_GOING_AWAY = 1001 };
void websocket_close(struct buf *out, unsigned status);

#endif
