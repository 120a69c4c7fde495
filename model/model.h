#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H
/*
 * The datamodel as tables. Source: model/classes/<class>.toml and model/errors.toml; model/generate.py turns
 * them at build time into model/ids.gen.h       enum model_class_id (CLASS_VM …), per class enum of fields
 * (VM_F_POWER_STATE …), one C enum an API enum (VM_POWER_STATE_RUNNING …) model/rows.gen.h      one struct a
 * class (struct vm, struct host …), embedding struct row, members named as on the wire model/args.gen.h one
 * argument struct a message with a handler (struct vm_start_args …), members named as the parameters; a
 * create has the members of the record it takes model/errors.gen.h    one constructor an error code,
 * err_vm_bad_power_state(e, vm, expected, actual), returning -1 model/tables.gen.c    the tables declared
 * here db/setters.gen.h      typed row access (db/db.h) xapid/handlers.gen.h, xapid/handlers.gen.c prototypes
 * and the handler table (xapid/dispatch.h) doc/api/              the browsable reference Everything is const
 * and static; never yields.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/ids.gen.h"
#include "model/value.h"

enum model_kind {
    KIND_VOID,
    KIND_STRING,
    KIND_INT,
    KIND_FLOAT,
    KIND_BOOL,
    KIND_DATETIME,
    KIND_ENUM,
    KIND_REF,
    KIND_SET,
    KIND_MAP,
    KIND_RECORD, /* never stored in rows; as an argument: a constructor's struct; as a result: written by the
                    handler */
    KIND_OPTION, /* only inside records that handlers write */
};

struct model_enum {
    const char *name;
    unsigned n;
    const char *const *values; /* wire spelling */
    const char *const *docs;
};

struct model_type {
    enum model_kind kind;
    const char *name;               /* "VM ref set", as the reference writes it */
    const struct model_enum *enums; /* KIND_ENUM */
    enum model_class_id cls;        /* KIND_REF, KIND_RECORD */
    const struct model_type *key;   /* KIND_MAP */
    const struct model_type *elem;  /* KIND_SET, KIND_MAP (value), KIND_OPTION */
};

enum model_access {
    ACCESS_RUNTIME,     /* RO/runtime: only the server writes it */
    ACCESS_CONSTRUCTOR, /* RO/constructor: given at creation */
    ACCESS_RW, /* also has set_ (add_to_/remove_from_, add_/remove_) messages that write the row directly, or
                  explicit ones where the model has a message of that name */
};

/* The six roles, strongest first, as bits; a message's mask holds every role that may call it. */
enum model_role {
    ROLE_POOL_ADMIN = 1,
    ROLE_POOL_OPERATOR = 2,
    ROLE_VM_POWER_ADMIN = 4,
    ROLE_VM_ADMIN = 8,
    ROLE_VM_OPERATOR = 16,
    ROLE_READ_ONLY = 32,
    ROLE_CLIENT_CERT = 64,
    ROLE_ANYONE = 128, /* needs no session */
    /* A mask of 0 leaves the message to the local superuser. */
};

struct model_field {
    const char *name; /* on the wire */
    const char *doc;
    const struct model_type *type;
    enum model_access access;
    bool persistent;     /* has a column in SQLite */
    bool removed;        /* known to the model, not in records */
    bool has_default;    /* may be absent from a constructor's struct */
    bool internal;       /* stored but never shown on the wire */
    union value initial; /* value of a fresh row (all zero where the model gives none) */
    size_t offset;       /* in the class's row struct; unused when derived or removed */
    /* A derived set is not stored: it is the set of rows of `of_class` whose field `of_field` holds (or, for
     * a set of references, contains) this row. */
    bool derived;
    enum model_class_id of_class;
    unsigned of_field;
};

struct model_param {
    const char *name;
    const char *doc;
    const struct model_type *type;
    bool required;
    const char *default_text; /* for value_from_text; NULL when required */
    size_t offset;            /* in the message's argument struct */
};

enum model_verb {
    VERB_EXPLICIT, /* has a handler of its own, or stands in the gap list */
    /* the implicit messages, answered by the one interpreter over the field table */
    VERB_GET_FIELD,
    VERB_SET_FIELD,
    VERB_ADD_TO_MAP,
    VERB_REMOVE_FROM_MAP,
    VERB_ADD_TO_SET,
    VERB_REMOVE_FROM_SET,
    VERB_CREATE,
    VERB_DESTROY,
    VERB_GET_RECORD,
    VERB_GET_ALL,
    VERB_GET_ALL_RECORDS,
    VERB_GET_ALL_RECORDS_WHERE,
    VERB_GET_BY_UUID,
    VERB_GET_BY_NAME_LABEL,
};

struct model_message {
    const char *name;      /* "start" */
    const char *full_name; /* "VM.start" */
    const char *doc;
    enum model_class_id cls;
    enum model_verb verb;
    unsigned field; /* for the field verbs */
    const struct model_type *result;
    bool takes_session; /* the first wire argument is a session, not counted among params */
    bool has_async;     /* Async.VM.start exists */
    bool removed;       /* answers MESSAGE_REMOVED */
    bool hidden;        /* not in the browsable reference */
    bool pool_internal; /* only for peers and the local root */
    unsigned roles;     /* mask of enum model_role */
    unsigned n_params, n_required;
    const struct model_param *params;
    /* VERB_CREATE: the members of the record that is the only parameter, with their places in the argument
     * struct. */
    unsigned n_members;
    const struct model_param *members;
    size_t args_size;          /* 0: the message has no argument struct */
    const char *const *errors; /* NULL-terminated codes it may raise */
    /* Index into the handler table; 0: none. A create or destroy has one where a class needs more than a row
     * made or deleted (handler = true in its file); it then stands in for the interpreter. */
    unsigned handler;
    bool gap; /* stands in model/gaps.txt: answers NOT_IMPLEMENTED */
};

struct model_class {
    const char *name; /* "VM" */
    const char *doc;
    const char *event_name; /* "vm" */
    enum model_class_id id;
    bool stored;     /* has rows at all */
    bool persistent; /* has a table in SQLite */
    bool removed;    /* its get_all, create and the like answer MESSAGE_REMOVED */
    unsigned n_fields;
    const struct model_field *fields; /* index = the class's field enum */
    const uint16_t *by_name;          /* indexes of fields, sorted by name */
    int uuid_field, name_field;       /* -1 when the class has none */
    size_t row_size;
};

struct model_error {
    const char *code;
    const char *doc; /* one sentence, shown by xe */
    unsigned n_params;
    const char *const *params;
};

/* Sorted by name, full name and code. */
extern const struct model_class model_classes[CLASS_COUNT];
extern const struct model_message model_messages[];
extern const unsigned model_message_count;
extern const struct model_error model_errors[];
extern const unsigned model_error_count;

/* Look-ups by wire name, case-sensitive; NULL when unknown. Messages accept "VM.start" and "VM_start". */
const struct model_class *model_class_by_name(const char *name);
const struct model_field *model_field_by_name(const struct model_class *c, const char *name);
const struct model_message *model_message_by_name(const char *full_name);
const struct model_error *model_error_by_code(const char *code);

/* Index of an enum's value by wire spelling, or -1. */
int model_enum_index(const struct model_enum *e, const char *text);

/* The class whose event_name or name this is, without regard to case; NULL when unknown. */
const struct model_class *model_class_by_event_name(const char *name);

/* Shared type objects for code that writes results by hand. */
extern const struct model_type model_type_string, model_type_int, model_type_bool, model_type_float,
    model_type_datetime, model_type_void, model_type_string_set, model_type_string_map;

#endif
