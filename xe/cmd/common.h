#ifndef XE_CMD_COMMON_H
#define XE_CMD_COMMON_H
/*
 * What several verbs need.
 */
#include "xe/client.h"
#include "xe/command.h"
#include "xe/record.h"

/* Call method with the object of class that uuid= names. */
int co_on_uuid(struct xe *x, const char *cls, const char *method, struct err *e);

/* The pool's default SR, or NULL. Errors: FAIL_TEXT when there is none. */
const char *co_default_sr(struct xe *x, struct err *e);

/* The SR that sr-uuid= names, or the pool's default. */
const char *co_arg_or_default_sr(struct xe *x, struct err *e);

/* The host that text names by uuid, hostname or name-label, or NULL. */
const char *co_find_host(struct xe *x, const char *text, struct err *e);

/* Errors: FAIL_TEXT unless --force was given; doing says what it does ("mark the VM as halted"). */
int require_force(struct xe *x, const char *doing, struct err *e);

/* Ask on stdout and read a line: 0 to go on; -1 with FAIL_EXIT 0 when the user did not type yes. */
int confirm(struct xe *x, struct err *e);

#endif
