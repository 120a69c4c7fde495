#include "xapid/session/local.h"

static struct ref sessions[LOCAL_SESSIONS]; /* null: free */
static unsigned next;

static struct ref *find(struct ref session)
{
    for (unsigned i = 0; i < LOCAL_SESSIONS && !ref_is_null(session); i++)
        if (ref_equal(sessions[i], session))
            return &sessions[i];
    return NULL;
}

struct ref local_session_open(void)
{
    struct ref session = ref_new();

    sessions[next++ % LOCAL_SESSIONS] = session;
    return session;
}

bool local_session_exists(struct ref session)
{
    return find(session) != NULL;
}

void local_session_close(struct ref session)
{
    struct ref *s = find(session);

    if (s)
        *s = REF_NULL;
}
