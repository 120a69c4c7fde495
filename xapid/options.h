#ifndef XAPID_OPTIONS_H
#define XAPID_OPTIONS_H
/*
 * The command line and the configuration file. The file has lines "key = value" and comments from #; keys are
 * the long options' names and those of options.c's table. What the command line says wins.
 */
#include "lib/buf.h"
#include "lib/err.h"
#include "xapid/server.h"

enum options_action {
    OPTIONS_RUN,
    OPTIONS_SET_PASSWORD,
    OPTIONS_CHECK,
    OPTIONS_CHECK_DB,
    OPTIONS_RESTORE_DB,
    OPTIONS_DONE
};

/* One reading of both: what it gave and all that is wrong with it. */
enum { OPTIONS_MAX = 64 };
struct options_reading {
    struct xapid_options options;
    enum options_action action;
    unsigned line[OPTIONS_MAX]; /* of the file, by setting; 0: not from there */
    struct buf problems;        /* lines "FILE:LINE: setting: text" or "--setting: text" */
    unsigned n_problems;
};

/* Fills r, which is to be given to options_reading_fini. Texts live as long as the process; argv is kept by
 * reference. OPTIONS_DONE: --help or --version was answered. */
void options_parse(int argc, char **argv, struct options_reading *r);
void options_reading_fini(struct options_reading *r);

/* Add a problem with a setting's value. */
void options_problem(struct options_reading *r, const char *setting, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for who wants no problems. Errors: INTERNAL_ERROR with them, for the administrator; none for
 * OPTIONS_CHECK. */
int options_read(int argc, char **argv, struct xapid_options *ret, enum options_action *ret_action,
                 struct err *e);

/* Take over from a later reading what may change while the daemon runs. tell hears of every setting that is
 * different and whether it was taken. */
void options_take_changes(struct xapid_options *now, const struct xapid_options *next,
                          void (*tell)(const char *setting, bool taken, void *arg), void *arg);

#endif
