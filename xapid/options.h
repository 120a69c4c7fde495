#ifndef XAPID_OPTIONS_H
#define XAPID_OPTIONS_H
/*
 * The command line and the configuration file. The file has lines "key = value" and comments from #; keys are
 * the long options' names and those of options.c's table. What the command line says wins.
 */
#include "lib/err.h"
#include "xapid/server.h"

enum options_action { OPTIONS_RUN, OPTIONS_SET_PASSWORD, OPTIONS_DONE };

/* Texts live as long as the process. OPTIONS_DONE: --help or --version was answered. Errors: INTERNAL_ERROR
 * with a sentence for the administrator. */
int options_read(int argc, char **argv, struct xapid_options *ret, enum options_action *ret_action,
                 struct err *e);

#endif
