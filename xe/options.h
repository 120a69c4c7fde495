#ifndef XE_OPTIONS_H
#define XE_OPTIONS_H
/*
 * The client's options: where the server is and who calls. They are taken from the command line (anywhere on
 * it), from XE_EXTRA_ARGS and from ~/.xe, in this order of strength, either as "-s HOST" or as "server=HOST".
 * What is none of them stays for the command, in the order command line, XE_EXTRA_ARGS, ~/.xe. Never yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct xe_options {
    const char *server; /* brackets round an IPv6 address are gone */
    int port;           /* -1: not given */
    const char *user;
    const char *password;
    bool nossl;
    bool debug;
    bool debug_on_fail;
    const char *traceparent;
    const char *baggage;
    const char **args; /* for the command */
    unsigned n_args;
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_USAGE,      /* show the usage and end with 0 */
    OPTIONS_VERSION,    /* show the version and end with 0 */
    OPTIONS_UNREADABLE, /* a file could not be read; end with 1 */
};

/* The parts of the environment that count; NULL where unset. */
struct xe_environment {
    const char *extra_args;  /* XE_EXTRA_ARGS */
    const char *home;        /* HOME: the folder of .xe */
    const char *traceparent; /* TRACEPARENT */
    const char *baggage;     /* BAGGAGE */
};

/* Read everything into *ret, on ctx. Complaints go to messages. argv does not include the program's name. */
enum options_result options_read(void *ctx, const char *const *argv, unsigned argc,
                                 const struct xe_environment *env, FILE *messages, struct xe_options *ret);

/* Split XE_EXTRA_ARGS at its commas ("\," is a comma; then every backslash goes), on ctx. NULL-terminated. */
char **options_split_extra(void *ctx, const char *text);

#endif
