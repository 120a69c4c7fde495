#ifndef XAPID_DISPATCH_H
#define XAPID_DISPATCH_H
/*
 * From a decoded request to an encoded reply: look the message up, check session, role and argument count,
 * decode the arguments once, run the interpreter or the handler, write the answer.
 *
 * Handlers of explicit messages are functions co_<class>_<message> (all lower-case), one prototype each in
 * xapid/handlers.gen.h, in one of three shapes by the message's result:
 *     int co_vm_start(struct call *c, const struct vm_start_args *a, struct err *e);                     void
 *     int co_vm_clone(struct call *c, const struct vm_clone_args *a, union value *ret, struct err *e);   a
 * value int co_event_next(struct call *c, const struct event_next_args *a, struct enc *out, struct err *e);
 * with records The last writes its result through the encoder itself (what it wrote is dropped when it
 * fails). Messages without parameters have an args struct too. A message listed in model/gaps.txt has no
 * handler and answers NOT_IMPLEMENTED.
 */
#include "rpc/encode.h"
#include "xapid/call.h"

/* The uniform shape that the generated table calls handlers by; ret is preset to zero, unused ones are
 * ignored. */
typedef int co_handler(struct call *c, const void *args, union value *ret, struct enc *out, struct err *e);

/* Indexed by model_message.handler; entry 0 is NULL. */
extern co_handler *const xapid_handlers[];
extern const unsigned xapid_handler_count;

#endif
