#ifndef LIB_UNDO_H
#define LIB_UNDO_H
/*
 * The visible undo list of an operation, for what may wait or fail: detach a disk, kill a QEMU, remove a tap.
 * Push after each success; on failure co_undo_run runs the steps newest first with cancellation masked and
 * logs those that fail; at the commit point undo_disarm forgets them. An undo list is a local of the
 * operation's function.
 */
#include <stddef.h>

struct undo_step;
struct undo {
    struct undo_step *newest;
};

/* fn(arg) answers 0 or -errno. arg is copied: size bytes, which must hold no pointers to the caller's frame.
 */
void undo_push(struct undo *u, const char *what, int (*co_fn)(void *arg), const void *arg, size_t size);
void co_undo_run(struct undo *u);
void undo_disarm(struct undo *u);

#endif
