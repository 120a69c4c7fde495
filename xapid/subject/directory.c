#include "xapid/subject/directory.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "xapid/session/passwd.h"

enum { BUFFER = 64 * 1024 };

struct lookup {
    const char *passwd;            /* the password file; NULL: the system's users */
    const char *name, *identifier; /* one of them */
    struct directory_entry *entry;
};

/* What a name service says may be in any encoding. */
static void copy_text(char *to, const char *from)
{
    snprintf(to, DIRECTORY_TEXT, "%s", from ? from : "");
    for (char *p = to; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            *p = '?';
}

static void take_user(struct directory_entry *d, const struct passwd *p)
{
    d->is_group = false;
    d->id = p->pw_uid;
    d->gid = p->pw_gid;
    snprintf(d->identifier, sizeof d->identifier, "u%u", (unsigned)p->pw_uid);
    copy_text(d->name, p->pw_name);
    copy_text(d->full_name, p->pw_gecos);
    d->full_name[strcspn(d->full_name, ",")] = '\0';
    d->n_groups = DIRECTORY_GROUPS;
    if (getgrouplist(p->pw_name, p->pw_gid, d->groups, &d->n_groups) < 0)
        d->n_groups = DIRECTORY_GROUPS;
}

static void take_group(struct directory_entry *d, const struct group *g)
{
    d->is_group = true;
    d->id = d->gid = g->gr_gid;
    snprintf(d->identifier, sizeof d->identifier, "g%u", (unsigned)g->gr_gid);
    copy_text(d->name, g->gr_name);
    copy_text(d->full_name, g->gr_name);
}

/* The number after the letter of a system's identifier. */
static bool parse_id(const char *identifier, char letter, id_t *ret)
{
    char *end;
    if (identifier[0] != letter || identifier[1] < '0' || identifier[1] > '9')
        return false;
    errno = 0;
    unsigned long n = strtoul(identifier + 1, &end, 10);
    *ret = (id_t)n;
    return !errno && !*end && n <= UINT32_MAX - 1;
}

static int find_user(const struct lookup *l, char *space)
{
    struct passwd p, *found = NULL;
    id_t id;
    int r = 0;
    if (l->name)
        r = getpwnam_r(l->name, &p, space, BUFFER, &found);
    else if (parse_id(l->identifier, 'u', &id))
        r = getpwuid_r(id, &p, space, BUFFER, &found);
    if (found)
        take_user(l->entry, found);
    return found ? 0 : r == 0 ? -ENOENT : -r;
}

static int find_group(const struct lookup *l, char *space)
{
    struct group g, *found = NULL;
    id_t id;
    int r = 0;
    if (l->name)
        r = getgrnam_r(l->name, &g, space, BUFFER, &found);
    else if (parse_id(l->identifier, 'g', &id))
        r = getgrgid_r(id, &g, space, BUFFER, &found);
    if (found)
        take_group(l->entry, found);
    return found ? 0 : r == 0 ? -ENOENT : -r;
}

static int find_in_file(const struct lookup *l)
{
    static const char prefix[] = "user:";
    const char *name = l->name;
    if (!name && strncmp(l->identifier, prefix, sizeof prefix - 1) == 0)
        name = l->identifier + sizeof prefix - 1;
    if (!name || strlen(name) >= DIRECTORY_TEXT)
        return -ENOENT;
    int r = passwd_find(l->passwd, name);
    if (r < 0)
        return r;
    snprintf(l->entry->name, sizeof l->entry->name, "%s", name);
    snprintf(l->entry->full_name, sizeof l->entry->full_name, "%s", name);
    snprintf(l->entry->identifier, sizeof l->entry->identifier, "%s%s", prefix, name);
    return 0;
}

static int find_job(void *arg)
{
    struct lookup *l = arg;
    if (l->passwd)
        return find_in_file(l);
    CLEANUP_FREE char *space = mem_zalloc(BUFFER);
    int r = find_user(l, space);
    return r == -ENOENT ? find_group(l, space) : r;
}

bool directory_is_system(const struct xapid *x)
{
    if (x->options.authentication)
        return strcmp(x->options.authentication, "pam") == 0;
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/passwd", x->options.state_dir);
    return access(path, F_OK) < 0;
}

static int co_find(const struct xapid *x, struct lookup *l)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/passwd", x->options.state_dir);
    l->passwd = directory_is_system(x) ? NULL : path;
    *l->entry = (struct directory_entry){0};
    return co_run_worker(find_job, l, "looking up a user");
}

int co_directory_by_name(const struct xapid *x, const char *name, struct directory_entry *ret)
{
    struct lookup l = {.name = name, .entry = ret};
    return co_find(x, &l);
}

int co_directory_by_identifier(const struct xapid *x, const char *identifier, struct directory_entry *ret)
{
    struct lookup l = {.identifier = identifier, .entry = ret};
    return co_find(x, &l);
}

const struct set *directory_groups(void *ctx, const struct directory_entry *d)
{
    const struct set *groups = NULL;
    for (int i = 0; i < d->n_groups; i++)
        groups = set_with_string(ctx, groups, talloc_asprintf(ctx, "g%u", (unsigned)d->groups[i]));
    return groups;
}
