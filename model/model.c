/* Look-ups in the generated tables: binary searches, since the generator sorts them. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The longest name that the underscore form of a message is looked up for. */
#define MAX_MESSAGE_NAME 128

static int compare_class(const void *name, const void *c)
{
    return strcmp(name, ((const struct model_class *)c)->name);
}

static int compare_message(const void *name, const void *m)
{
    return strcmp(name, ((const struct model_message *)m)->full_name);
}

static int compare_error(const void *code, const void *e)
{
    return strcmp(code, ((const struct model_error *)e)->code);
}

/* The class of this name, case-sensitive, or NULL. */
const struct model_class *model_class_by_name(const char *name)
{
    return bsearch(name, model_classes, CLASS_COUNT, sizeof(model_classes[0]), compare_class);
}

/* The field of this wire name, or NULL. */
const struct model_field *model_field_by_name(const struct model_class *c, const char *name)
{
    unsigned low = 0, high = c->n_fields;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct model_field *f = &c->fields[c->by_name[middle]];
        int order = strcmp(name, f->name);
        if (order == 0)
            return f;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct model_message *message_by_dotted_name(const char *full_name)
{
    return bsearch(full_name, model_messages, model_message_count, sizeof(model_messages[0]),
                   compare_message);
}

/* The message called "VM.start" or "VM_start", or NULL. */
const struct model_message *model_message_by_name(const char *full_name)
{
    char dotted[MAX_MESSAGE_NAME];
    size_t len = strlen(full_name);
    if (strchr(full_name, '.') || len >= sizeof(dotted))
        return message_by_dotted_name(full_name);
    memcpy(dotted, full_name, len + 1);
    for (char *p = dotted; (p = strchr(p, '_')); *p++ = '_') {
        *p = '.';
        const struct model_message *m = message_by_dotted_name(dotted);
        if (m)
            return m;
    }
    return NULL;
}

/* The error of this code, or NULL. */
const struct model_error *model_error_by_code(const char *code)
{
    return bsearch(code, model_errors, model_error_count, sizeof(model_errors[0]), compare_error);
}

/* The place of a value in its enum by wire spelling, or -1. */
int model_enum_index(const struct model_enum *e, const char *text)
{
    for (unsigned i = 0; i < e->n; i++)
        if (strcmp(e->values[i], text) == 0)
            return (int)i;
    return -1;
}

/* The class that an event subscription names, in any case, or NULL. */
const struct model_class *model_class_by_event_name(const char *name)
{
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        if (strcasecmp(model_classes[i].name, name) == 0)
            return &model_classes[i];
    return NULL;
}
