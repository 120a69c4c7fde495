#include "xe/record.h"

#include <string.h>
#include <strings.h>

/* NULL when unknown. */
const struct rec_class *rec_class_by_name(const char *name)
{
    for (unsigned i = 0; i < rec_class_count; i++)
        if (strcmp(rec_classes[i].name, name) == 0)
            return &rec_classes[i];
    return NULL;
}

/* NULL when unknown. */
const struct rec_param *rec_param_by_name(const struct rec_class *c, const char *name)
{
    for (unsigned i = 0; i < c->n_params; i++)
        if (strcmp(c->params[i].name, name) == 0)
            return &c->params[i];
    return NULL;
}

/* True when text goes on after name with a colon or a dash and something more. */
static bool is_part_of(const char *text, const char *name)
{
    size_t n = strlen(name);

    return strncmp(text, name, n) == 0 && (text[n] == ':' || text[n] == '-') && text[n + 1] != '\0';
}

/* The longest-named parameter with this flag of which the text names a part. */
const struct rec_param *rec_param_by_part(const struct rec_class *c, const char *text, unsigned flag)
{
    const struct rec_param *best = NULL;

    for (unsigned i = 0; i < c->n_params; i++) {
        const struct rec_param *p = &c->params[i];

        if ((p->flags & flag) && is_part_of(text, p->name) && (!best || strlen(p->name) > strlen(best->name)))
            best = p;
    }
    return best;
}

bool rec_param_can_set(const struct rec_param *p)
{
    return p->set || ((p->flags & REC_MAP) && (p->add || p->set_key || p->set_map));
}

bool rec_param_can_add(const struct rec_param *p)
{
    return p->add != NULL;
}

bool rec_param_can_clear(const struct rec_param *p)
{
    return p->set || (p->flags & (REC_SET | REC_MAP));
}

static bool any_param(const struct rec_class *c, bool (*can)(const struct rec_param *p))
{
    for (unsigned i = 0; i < c->n_params; i++)
        if (!(c->params[i].flags & REC_HIDDEN) && can(&c->params[i]))
            return true;
    return false;
}

bool rec_class_can_set(const struct rec_class *c)
{
    return any_param(c, rec_param_can_set);
}

bool rec_class_can_add(const struct rec_class *c)
{
    return any_param(c, rec_param_can_add);
}

bool rec_class_can_clear(const struct rec_class *c)
{
    return any_param(c, rec_param_can_clear);
}

/* The shell's word for a value. */
const char *rec_word_to_shell(const struct rec_word *words, const char *wire)
{
    for (; words && words->wire; words++)
        if (strcmp(words->wire, wire) == 0)
            return words->shell;
    return wire;
}

/* The value behind the shell's word. */
const char *rec_word_to_wire(const struct rec_word *words, const char *shell)
{
    for (; words && words->wire; words++)
        if (strcasecmp(words->shell, shell) == 0 || strcasecmp(words->wire, shell) == 0)
            return words->wire;
    return shell;
}
