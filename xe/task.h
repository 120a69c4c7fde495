#ifndef XE_TASK_H
#define XE_TASK_H
/*
 * Waiting for asynchronous calls, by events.
 */
#include "xe/client.h"

/* Wait until a task (NULL passes an earlier error on) has ended, showing its progress when progress was asked
 * for, and destroy it. Returns its result, unwrapped, or NULL with its error. */
const char *co_task_wait(struct xe *x, const char *task, struct err *e);

/* The same without showing progress. */
const char *co_task_wait_quietly(struct xe *x, const char *task, struct err *e);

#endif
