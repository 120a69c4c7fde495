#include "hv/qemu/acl.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define ATTRIBUTE "system.posix_acl_access"
#define VERSION 2
#define NOBODY UINT32_MAX
enum { HEAD_SIZE = 4, ENTRY_SIZE = 8 };
enum { OWNER = 1, OWNING_GROUP = 4, MASK = 16, OTHERS = 32 };

struct entry {
    unsigned tag, perms;
    uint32_t id;
};

struct list {
    struct entry v[(ACL_BYTES_MAX - HEAD_SIZE) / ENTRY_SIZE];
    size_t n;
};

/* ---- bytes ---- */

static uint32_t number_at(const unsigned char *at, unsigned size)
{
    uint32_t n = 0;

    for (unsigned i = size; i-- > 0;)
        n = n << 8 | at[i];
    return n;
}

static unsigned char *put_number(unsigned char *at, uint32_t n, unsigned size)
{
    for (unsigned i = 0; i < size; i++, n >>= 8)
        *at++ = (unsigned char)n;
    return at;
}

static int read_list(const unsigned char *bytes, size_t n, struct list *ret)
{
    size_t count = (n - HEAD_SIZE) / ENTRY_SIZE;

    if (n < HEAD_SIZE || (n - HEAD_SIZE) % ENTRY_SIZE != 0 || number_at(bytes, 4) != VERSION)
        return -EBADMSG;
    if (count >= sizeof ret->v / sizeof *ret->v)
        return -E2BIG;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *at = bytes + HEAD_SIZE + i * ENTRY_SIZE;

        ret->v[i] = (struct entry){number_at(at, 2), number_at(at + 2, 2), number_at(at + 4, 4)};
    }
    ret->n = count;
    return 0;
}

static size_t write_list(const struct list *l, unsigned char *to)
{
    unsigned char *at = put_number(to, VERSION, 4);

    for (size_t i = 0; i < l->n; i++) {
        at = put_number(at, l->v[i].tag, 2);
        at = put_number(at, l->v[i].perms, 2);
        at = put_number(at, l->v[i].id, 4);
    }
    return (size_t)(at - to);
}

/* ---- entries, which the kernel wants in the order of their tags and numbers ---- */

static bool goes_before(const struct entry *a, const struct entry *b)
{
    return a->tag != b->tag ? a->tag < b->tag : a->id < b->id;
}

static void put(struct list *l, unsigned tag, uint32_t id, unsigned perms)
{
    struct entry e = {tag, perms, id};
    size_t i = 0;

    while (i < l->n && goes_before(&l->v[i], &e))
        i++;
    if (i == l->n || l->v[i].tag != tag || l->v[i].id != id) {
        memmove(l->v + i + 1, l->v + i, (l->n - i) * sizeof *l->v);
        l->n++;
    }
    l->v[i] = e;
}

static void drop(struct list *l, unsigned tag, uint32_t id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].tag == tag && l->v[i].id == id) {
            memmove(l->v + i, l->v + i + 1, (l->n - i - 1) * sizeof *l->v);
            l->n--;
            return;
        }
}

/* The mask lets through what any entry but the owner's and the others' allows. */
static void set_mask(struct list *l)
{
    unsigned perms = 0;

    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].tag == ACL_USER || l->v[i].tag == ACL_GROUP || l->v[i].tag == OWNING_GROUP)
            perms |= l->v[i].perms;
    put(l, MASK, NOBODY, perms);
}

int acl_change(const unsigned char *old, size_t n, mode_t mode, enum acl_who who, uint32_t id, unsigned perms,
               unsigned char ret[ACL_BYTES_MAX], size_t *ret_n)
{
    struct list l = {.n = 0};
    int r = n > 0 ? read_list(old, n, &l) : 0;

    if (r < 0)
        return r;
    if (n == 0) {
        put(&l, OWNER, NOBODY, mode >> 6 & 7);
        put(&l, OWNING_GROUP, NOBODY, mode >> 3 & 7);
        put(&l, OTHERS, NOBODY, mode & 7);
    }
    if (l.n + 2 > sizeof l.v / sizeof *l.v)
        return -E2BIG;
    if (perms > 0)
        put(&l, who, id, perms);
    else
        drop(&l, who, id);
    set_mask(&l);
    *ret_n = write_list(&l, ret);
    return 0;
}

int acl_set(const char *path, enum acl_who who, uint32_t id, unsigned perms)
{
    unsigned char old[ACL_BYTES_MAX], new[ACL_BYTES_MAX];
    ssize_t n = getxattr(path, ATTRIBUTE, old, sizeof old);
    struct stat st;
    size_t n_new;
    int r;

    if (n < 0 && errno != ENODATA)
        return -errno;
    if (stat(path, &st) < 0)
        return -errno;
    if (n < 0 && perms == 0)
        return 0;
    r = acl_change(old, n > 0 ? (size_t)n : 0, st.st_mode, who, id, perms, new, &n_new);
    return r < 0 || setxattr(path, ATTRIBUTE, new, n_new, 0) == 0 ? r : -errno;
}
