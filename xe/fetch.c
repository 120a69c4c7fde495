#include "xe/fetch.h"

#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xe/cache.h"
#include "xe/failure.h"

/* Records of the class that where lets through. */
int co_fetch(struct xe *x, const struct rec_class *c, const char *where, struct records *ret, struct err *e)
{
    const char *method = talloc_asprintf(x->ctx, "%s.get_all_records_where", c->api);
    const struct wire *all = co_call(x, e, method, "s", where);
    unsigned n = 0;

    if (!all)
        return -1;
    ret->r = talloc_zero_array(x->ctx, struct record, all->n + 1);
    if (!ret->r)
        mem_abort();
    for (uint32_t i = 0; all->kind == WIRE_STRUCT && i < all->n; i++) {
        const struct wire_member *m = &all->members[i];

        if (c->keep && !c->keep(&m->value))
            continue;
        cache_put(x, c->api, m->name, &m->value);
        ret->r[n++] = (struct record){c, m->name, &m->value};
    }
    ret->n = n;
    return 0;
}

/* One record by uuid. */
int co_fetch_uuid(struct xe *x, const struct rec_class *c, const char *uuid, struct record *ret,
                  struct err *e)
{
    const char *ref = co_by_uuid(x, c->api, uuid, e);

    if (!ref)
        return -1;
    *ret = (struct record){c, ref, co_call(x, e, talloc_asprintf(x->ctx, "%s.get_record", c->api), "s", ref)};
    return ret->fields ? 0 : -1;
}

/* The parameter that a filter's name is about, and the key in it (NULL: all of it). */
static const struct rec_param *find_filtered(const struct rec_class *c, const char *name,
                                             const char **ret_key)
{
    const struct rec_param *p = rec_param_by_name(c, name);

    *ret_key = NULL;
    if (p)
        return p;
    p = rec_param_by_part(c, name, REC_MAP);
    if (!p)
        p = rec_param_by_part(c, name, REC_SET);
    if (p)
        *ret_key = name + strlen(p->name) + 1;
    return p;
}

/* True when name could be a filter on the class. */
bool filter_is_known(const struct rec_class *c, const char *name)
{
    const char *key;

    return find_filtered(c, name, &key) != NULL;
}

/* 1 when the record's value is the wanted one, 0 when not, -1 on error. */
static int co_matches(struct xe *x, const struct record *r, const struct rec_param *p, const char *key,
                      const char *value, struct err *e)
{
    struct shown s;
    const char *text;

    if (co_show(x, r, p, &s, e) < 0)
        return -1;
    if (key && (p->flags & REC_SET)) {
        if (strcmp(key, "contains") != 0)
            return fail_text(e, "A set can only be asked what it contains: %s:contains=VALUE", p->name);
        return shown_has(&s, value);
    }
    text = key ? shown_lookup(&s, key) : shown_text(x, &s);
    if (!text)
        return 0;
    return (p->flags & REC_CASELESS ? strcasecmp(text, value) : strcmp(text, value)) == 0;
}

/* Keep the records whose parameter name is shown as value. */
int co_filter(struct xe *x, struct records *rs, const char *name, const char *value, struct err *e)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < rs->n; i++) {
        const char *key;
        const struct rec_param *p = find_filtered(rs->r[i].cls, name, &key);
        int matches;

        if (!p)
            return fail_text(e, "Unknown field '%s'", name);
        matches = co_matches(x, &rs->r[i], p, key, value, e);
        if (matches < 0)
            return -1;
        if (matches)
            rs->r[kept++] = rs->r[i];
    }
    rs->n = kept;
    return 0;
}
