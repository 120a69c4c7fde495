#ifndef XE_COMMAND_H
#define XE_COMMAND_H
/*
 * Commands as data. A verb of its own is a struct command above its function in xe/cmd and a line in
 * xe/cmd/verbs.def; one that is a single call is data (xe/plain.h); the class commands come from the tables
 * of xe/record.h. Never yields.
 */
#include <stdbool.h>
#include "lib/err.h"

struct xe;
struct rec_class;
struct plain;

typedef int command_fn(struct xe *x, struct err *e);

enum {
    CMD_STANDARD = 1, /* in the short help */
    CMD_HIDDEN = 2,   /* in no help list */
    CMD_VM = 4,       /* takes VM selectors */
    CMD_HOST = 8,
    CMD_SR = 16,
    CMD_LOCAL = 32, /* logs in to this host alone */
    CMD_NO_LOGIN = 64,
};

struct command {
    const char *name;
    const char *required; /* comma-separated; NULL: none */
    const char *optional;
    const char *help; /* one sentence */
    unsigned flags;
    command_fn *run;
    const struct rec_class *cls; /* of a class command */
    const struct plain *plain;   /* of one that is a call as data: xe/plain.h */
};

/* The command of this name, on ctx; NULL when unknown. */
const struct command *command_find(void *ctx, const char *name);

/* Every command, sorted by name, on ctx; NULL-terminated. */
const struct command **command_all(void *ctx);

/* True for a command of the reference that xe lacks. */
bool command_is_gap(const char *name);

/* ---- the class commands (xe/class_list.c, xe/class_param.c) ---- */
command_fn co_class_list, co_class_param_list, co_class_param_get, co_class_param_set, co_class_param_add,
    co_class_param_remove, co_class_param_clear;

#endif
