/* The table of storage drivers, and what holds for all of them. */
#include <stddef.h>
#include <string.h>
#include "sm/drivers.h"
#include "sm/fail.h"
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

int sm_disk_size(int64_t wanted, int64_t *ret, struct err *e)
{
    enum { SECTOR = 512 };
    static const int64_t largest = (int64_t)16 << 40;

    if (wanted <= 0 || wanted > largest)
        return sm_fail(e, SM_FAIL_VDI_SIZE, "size %lld", (long long)wanted);
    *ret = (wanted + SECTOR - 1) / SECTOR * SECTOR;
    return 0;
}
