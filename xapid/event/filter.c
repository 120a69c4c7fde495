#include "xapid/event/filter.h"
#include <string.h>
#include <talloc.h>
#include "model/errors.gen.h"

bool event_class_is_visible(enum model_class_id cls)
{
    return model_classes[cls].stored && cls != CLASS_SESSION;
}

/* The roles that may read a class's records, found once. */
static unsigned roles_of(enum model_class_id cls)
{
    static unsigned roles[CLASS_COUNT];
    static bool known;
    for (unsigned i = 0; !known && i < model_message_count; i++)
        if (strcmp(model_messages[i].name, "get_record") == 0)
            roles[model_messages[i].cls] = model_messages[i].roles;
    known = true;
    return roles[cls];
}

static bool may_read(enum model_class_id cls, unsigned roles)
{
    return event_class_is_visible(cls) && (roles_of(cls) & roles);
}

static void add_class(struct event_filter *f, enum model_class_id cls, unsigned roles)
{
    if (may_read(cls, roles))
        f->classes[cls / 64] |= UINT64_C(1) << (cls % 64);
}

static int add_one(void *ctx, const char *text, unsigned roles, struct event_filter *f,
                   struct event_object *objects, struct err *e)
{
    if (strlen(text) > EVENT_SUBSCRIPTION_BYTES_MAX)
        return err_event_subscription_parse_failure(e, "a subscription is too long");
    if (strcmp(text, "*") == 0) {
        for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
            add_class(f, cls, roles);
        return 0;
    }
    const char *slash = strchr(text, '/');
    if (slash && strchr(slash + 1, '/'))
        return err_event_subscription_parse_failure(e, text);
    const char *name = slash ? talloc_strndup(ctx, text, slash - text) : text;
    const struct model_class *cls = model_class_by_event_name(name);
    struct ref ref;
    if (!cls)
        return 0;
    if (!slash)
        add_class(f, cls->id, roles);
    else if (may_read(cls->id, roles) && ref_parse(slash + 1, &ref))
        objects[f->n_objects++] = (struct event_object){cls->id, ref};
    return 0;
}

int event_filter_parse(void *ctx, const struct set *subscriptions, unsigned roles, struct event_filter *ret,
                       struct err *e)
{
    *ret = (struct event_filter){0};
    if (set_count(subscriptions) > EVENT_SUBSCRIPTIONS_MAX)
        return err_event_subscription_parse_failure(e, "too many subscriptions");
    struct event_object *objects = talloc_array(ctx, struct event_object, set_count(subscriptions));
    ret->objects = objects;
    for (uint32_t i = 0; i < set_count(subscriptions); i++)
        if (add_one(ctx, subscriptions->v[i].s, roles, ret, objects, e) < 0)
            return -1;
    return 0;
}

bool event_filter_has_object(const struct event_filter *f, enum model_class_id cls, struct ref ref)
{
    for (uint32_t i = 0; i < f->n_objects; i++)
        if (ref_equal(f->objects[i].ref, ref) && f->objects[i].cls == cls)
            return true;
    return false;
}

bool event_filter_is_task_only(const struct event_filter *f)
{
    struct event_filter task = {0};
    task.classes[CLASS_TASK / 64] = UINT64_C(1) << (CLASS_TASK % 64);
    for (unsigned i = 0; i < EVENT_MASK_WORDS; i++)
        if (f->classes[i] & ~task.classes[i])
            return false;
    for (uint32_t i = 0; i < f->n_objects; i++)
        if (f->objects[i].cls != CLASS_TASK)
            return false;
    return true;
}
