#include "xapid/transfer/disk_format.h"
#include <string.h>

static const struct disk_format *const formats[] = {&disk_format_raw, &disk_format_vhd, &disk_format_qcow2};

const struct disk_format *disk_format_by_name(const char *name)
{
    for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(name ? name : "raw", formats[i]->name) == 0)
            return formats[i];
    return NULL;
}
