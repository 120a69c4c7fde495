#ifndef XAPID_EVENT_FILTER_H
#define XAPID_EVENT_FILTER_H
/*
 * What a client wants events of: "*", "class" or "class/OpaqueRef:…", the class without regard to case.
 * Deciding about one object costs a few instructions. Never yields.
 */
#include "db/db.h"
#include "lib/err.h"

enum { EVENT_MASK_WORDS = (CLASS_COUNT + 63) / 64 };

struct event_object {
    enum model_class_id cls;
    struct ref ref;
};

struct event_filter {
    uint64_t classes[EVENT_MASK_WORDS]; /* whole classes */
    uint32_t n_objects;
    const struct event_object *objects; /* single objects, of classes the caller may read */
};

/* On ctx. Classes that the roles may not read, or that make no events, are left out. Errors:
 * EVENT_SUBSCRIPTION_PARSE_FAILURE [text], also for more or longer subscriptions than the limits. A class
 * that does not exist never matches. */
enum { EVENT_SUBSCRIPTIONS_MAX = 2000, EVENT_SUBSCRIPTION_BYTES_MAX = 128 };
int event_filter_parse(void *ctx, const struct set *subscriptions, unsigned roles, struct event_filter *ret,
                       struct err *e);

static inline bool event_filter_has_class(const struct event_filter *f, enum model_class_id cls)
{
    return f->classes[cls / 64] >> (cls % 64) & 1;
}

bool event_filter_has_object(const struct event_filter *f, enum model_class_id cls, struct ref ref);

static inline bool event_filter_wants(const struct event_filter *f, enum model_class_id cls, struct ref ref)
{
    return event_filter_has_class(f, cls) || (f->n_objects > 0 && event_filter_has_object(f, cls, ref));
}

/* Does it want tasks only? (Those are not gathered before they are sent.) */
bool event_filter_is_task_only(const struct event_filter *f);

/* Does the class make events at all? Sessions do not: their references are secrets. */
bool event_class_is_visible(enum model_class_id cls);

#endif
