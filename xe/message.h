#ifndef XE_MESSAGE_H
#define XE_MESSAGE_H
/*
 * Messages that an operation on a VM left behind, shown on stderr after it.
 */
struct xe;

/* The server's clock as it writes times, or NULL when it does not tell. */
const char *co_server_time(struct xe *x);

/* Show the messages about a VM that came after since and are more urgent than message-priority= (5). */
void co_print_messages(struct xe *x, const char *uuid, const char *since);

#endif
