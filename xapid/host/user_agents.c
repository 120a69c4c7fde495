#include "xapid/host/user_agents.h"
#include <stdbool.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/here.h"

enum { MOST = 64, LONGEST = 63 };

static struct agent_seen {
    char name[LONGEST + 1], version[LONGEST + 1];
} seen[MOST];
static unsigned n_seen;

static bool is_word(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return n > 0 && n <= LONGEST;
}

/* The first product of the header. */
static bool parse(const char *header, struct agent_seen *ret)
{
    size_t name = strcspn(header, "/ "), version = header[name] == '/' ? strcspn(header + name + 1, " ") : 0;
    if (!is_word(header, name) || (version > 0 && !is_word(header + name + 1, version)))
        return false;
    *ret = (struct agent_seen){0};
    memcpy(ret->name, header, name);
    memcpy(ret->version, header + name + (version > 0), version);
    return true;
}

void user_agent_note(const char *header)
{
    struct agent_seen a;
    if (!header || n_seen == MOST || !parse(header, &a))
        return;
    for (unsigned i = 0; i < n_seen; i++)
        if (strcmp(seen[i].name, a.name) == 0 && strcmp(seen[i].version, a.version) == 0)
            return;
    seen[n_seen++] = a;
}

/* A map has one version a name: the one seen last. */
int co_host_get_tracked_user_agents(struct call *c, const struct host_get_tracked_user_agents_args *a,
                                    union value *ret, struct err *e)
{
    const struct map *map = NULL;
    if (host_is_here(c, a->self, e) < 0)
        return -1;
    for (unsigned i = 0; i < n_seen; i++)
        map = map_with(c->mem, map, seen[i].name, seen[i].version);
    ret->map = map;
    return 0;
}
