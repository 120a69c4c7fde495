#ifndef XAPID_VM_PROVISION_XML_H
#define XAPID_VM_PROVISION_XML_H
/*
 * VM.other_config:disks of a template, which says what disks an install makes:
 *     <provision><disk device="0" size="10737418240" sr="<uuid>" bootable="true" type="system"/>
 * ...</provision>
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

struct provision_disk {
    const char *device, *sr, *type; /* on ctx; sr "" asks for the pool's default */
    int64_t size;
    bool bootable;
};

/* A talloc'd array on ctx. Errors: INVALID_VALUE. Never yields. */
int provision_parse(void *ctx, const char *xml, struct provision_disk **ret, unsigned *ret_n, struct err *e);

#endif
