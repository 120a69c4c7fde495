#include "xe/cmd/provision.h"

#include <ctype.h>
#include <string.h>
#include <talloc.h>

/* The next "<disk" element at or after xml, or NULL. */
static const char *find_disk(const char *xml)
{
    while ((xml = strstr(xml, "<disk")) != NULL) {
        unsigned char after = (unsigned char)xml[5];

        if (isspace(after) || after == '/' || after == '>')
            return xml;
        xml += 5;
    }
    return NULL;
}

/* True when the text wants a disk. */
bool provision_wants_disks(const char *xml)
{
    return find_disk(xml) != NULL;
}

/* The sr attribute inside the element [at, end), with its value; NULL when there is none. */
static const char *find_sr(const char *at, const char *end, size_t *ret_len)
{
    for (; at + 4 < end; at++) {
        const char *close;

        if (!isspace((unsigned char)at[0]) || strncmp(at + 1, "sr=", 3) != 0 ||
            (at[4] != '"' && at[4] != '\''))
            continue;
        close = memchr(at + 5, at[4], (size_t)(end - at - 5));
        if (!close)
            return NULL;
        *ret_len = (size_t)(close + 1 - at);
        return at;
    }
    return NULL;
}

/* The text with every disk on the SR of this uuid. */
char *provision_with_sr(void *ctx, const char *xml, const char *sr_uuid)
{
    char *out = talloc_strdup(ctx, "");
    const char *disk;

    while ((disk = find_disk(xml)) != NULL) {
        const char *end = strchrnul(disk, '>'), *sr;
        size_t len = 0;

        out = talloc_strndup_append(out, xml, (size_t)(disk + 5 - xml));
        out = talloc_asprintf_append(out, " sr=\"%s\"", sr_uuid);
        disk += 5;
        sr = find_sr(disk, end, &len);
        if (sr) {
            out = talloc_strndup_append(out, disk, (size_t)(sr - disk));
            disk = sr + len;
        }
        out = talloc_strndup_append(out, disk, (size_t)(end - disk));
        xml = end;
    }
    return talloc_strdup_append(out, xml);
}
