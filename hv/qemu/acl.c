#include "hv/qemu/acl.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static bool is_of(acl_entry_t entry, acl_tag_t who, id_t id)
{
    acl_tag_t tag;

    if (acl_get_tag_type(entry, &tag) < 0 || tag != who)
        return false;
    id_t *qualifier = acl_get_qualifier(entry);
    bool same = qualifier && *qualifier == id;
    acl_free(qualifier);
    return same;
}

/* NULL: none. */
static acl_entry_t find(acl_t list, acl_tag_t who, id_t id)
{
    acl_entry_t entry;

    for (int r = acl_get_entry(list, ACL_FIRST_ENTRY, &entry); r == 1;
         r = acl_get_entry(list, ACL_NEXT_ENTRY, &entry))
        if (is_of(entry, who, id))
            return entry;
    return NULL;
}

static int set_perms(acl_entry_t entry, unsigned perms)
{
    acl_permset_t set;

    return acl_get_permset(entry, &set) < 0 || acl_clear_perms(set) < 0 || acl_add_perm(set, perms) < 0
               ? -errno
               : 0;
}

static int change(acl_t *list, acl_tag_t who, id_t id, unsigned perms)
{
    acl_entry_t entry = find(*list, who, id);

    if (perms == 0)
        return acl_delete_entry(*list, entry) < 0 ? -errno : 0;
    if (!entry && (acl_create_entry(list, &entry) < 0 || acl_set_tag_type(entry, who) < 0 ||
                   acl_set_qualifier(entry, &id) < 0))
        return -errno;
    return set_perms(entry, perms);
}

int qemu_acl_set(const char *path, acl_tag_t who, id_t id, unsigned perms)
{
    acl_t list = acl_get_file(path, ACL_TYPE_ACCESS);
    int r = list ? 0 : -errno;

    if (list && (perms > 0 || find(list, who, id))) {
        r = change(&list, who, id, perms);
        if (r == 0 && (acl_calc_mask(&list) < 0 || acl_set_file(path, ACL_TYPE_ACCESS, list) < 0))
            r = -errno;
    }
    if (list)
        acl_free(list);
    return r;
}
