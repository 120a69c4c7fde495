#ifndef XE_HELP_H
#define XE_HELP_H
/*
 * The texts of xe help; the row names of a command's help are a contract with the completion script.
 */
#include <stdbool.h>
#include <stdio.h>

struct out;

/* How to call xe. */
void help_usage(FILE *to);

/* The names of the commands: the common ones, or all. */
void help_list(void *ctx, struct out *o, bool all);

/* One command; false when there is none of this name. */
bool help_command(void *ctx, struct out *o, const char *name);

#endif
