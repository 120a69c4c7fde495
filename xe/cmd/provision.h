#ifndef XE_CMD_PROVISION_H
#define XE_CMD_PROVISION_H
/*
 * The disks that a template wants: a small XML text in other_config:disks, <provision><disk device= size= sr=
 * …/>…. Never yields.
 */
#include <stdbool.h>

/* True when the text wants a disk. */
bool provision_wants_disks(const char *xml);

/* The text with every disk on the SR of this uuid, on ctx. */
char *provision_with_sr(void *ctx, const char *xml, const char *sr_uuid);

#endif
