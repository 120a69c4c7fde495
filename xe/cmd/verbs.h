#ifndef XE_CMD_VERBS_H
#define XE_CMD_VERBS_H
/*
 * The table entries of all verbs, each defined above its function in a file of this folder.
 */
#include "xe/command.h"

#define VERB(name) extern const struct command cmd_##name;
#include "xe/cmd/verbs.def"
#undef VERB

#endif
