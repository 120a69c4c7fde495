/* The table of storage drivers. */
#include <stddef.h>
#include <string.h>
#include "sm/drivers.h"
#include "sm/sm.h"

const struct sm_driver *const sm_drivers[] = {&sm_file_driver, &sm_iso_driver, NULL};

/* NULL when no driver has this type. */
const struct sm_driver *sm_driver_by_type(const char *type)
{
    for (const struct sm_driver *const *d = sm_drivers; *d; d++)
        if (strcmp((*d)->type, type) == 0)
            return *d;
    return NULL;
}
