#ifndef XE_RECORD_H
#define XE_RECORD_H
/*
 * What the generated class commands know of each class: its parameters, where their values come from and
 * which messages change them. The tables are made from xe/records by xe/generate.py, whose head explains the
 * data.
 */
#include <stdbool.h>
#include "rpc/wire.h"

struct xe;
struct shown;

/* A record being shown. */
struct record {
    const struct rec_class *cls;
    const char *ref;
    const struct wire *fields;
};

/* Makes the value of a parameter that is no plain field. Errors: those of the server. */
typedef int rec_show_fn(struct xe *x, const struct record *r, struct shown *ret, struct err *e);

enum rec_kind { REC_TEXT, REC_INT, REC_FLOAT, REC_BOOL, REC_DATE };

enum {
    REC_EXPENSIVE = 1,  /* costs a call: lists leave it out */
    REC_HIDDEN = 2,     /* shown only when asked for by name */
    REC_DEPRECATED = 4, /* */
    REC_CASELESS = 8,   /* filters compare without case */
    REC_SET = 16,       /* counts as a set: has members to test, add, remove */
    REC_MAP = 32,       /* counts as a map: has keys */
    REC_VALUES = 64,    /* a map on the wire of which the values are shown */
    REC_REWRITE = 128,  /* add and remove by reading and setting the whole */
};

struct rec_step {
    const char *field;
    const char *cls; /* the class its references lead to; NULL at the end of a path */
};

struct rec_word {
    const char *wire, *shell;
};

struct rec_param {
    const char *name;
    const char *label; /* with the access mark */
    unsigned flags;
    enum rec_kind kind;
    const struct rec_step *path; /* ends with a NULL field */
    rec_show_fn *show;
    const char *call;       /* a message whose result is the value, or where the path starts */
    bool call_self;         /* it takes the object */
    const char *call_class; /* the class of the references it returns */
    bool of_hosts;          /* the path is followed in every host */
    const char *missing;    /* shown for a null reference; NULL: NOT_IN_DATABASE */
    const char *join;       /* between members; NULL: "; " */
    const struct rec_word *words;
    const char *set, *add, *remove, *set_key, *set_map, *clear; /* messages, NULL where there is none */
    const char *set_class;                                      /* written values are uuids of this class */
};

struct rec_class {
    const char *name;  /* "vm" */
    const char *api;   /* "VM" */
    const char *where; /* filter of get_all_records_where */
    const struct rec_param *params;
    unsigned n_params;
    const char *const *defaults; /* NULL-terminated */
    bool standard;
    bool (*keep)(const struct wire *fields); /* NULL: all */
};

extern const struct rec_class rec_classes[];
extern const unsigned rec_class_count;

/* Commands of the reference that xe does not have yet; NULL-terminated, sorted. */
extern const char *const xe_gaps[];

/* NULL when unknown. */
const struct rec_class *rec_class_by_name(const char *name);
const struct rec_param *rec_param_by_name(const struct rec_class *c, const char *name);

/* The parameter with this flag (REC_SET, REC_MAP) of which the text names a part, as "other-config:key" or,
 * in the old form, "other-config-key"; the longest name that fits. NULL when there is none. */
const struct rec_param *rec_param_by_part(const struct rec_class *c, const char *text, unsigned flag);

/* True when the class has parameters that -param-set, -param-add (and -remove), -param-clear can change. */
bool rec_class_can_set(const struct rec_class *c);
bool rec_class_can_add(const struct rec_class *c);
bool rec_class_can_clear(const struct rec_class *c);
bool rec_param_can_set(const struct rec_param *p);
bool rec_param_can_add(const struct rec_param *p);
bool rec_param_can_clear(const struct rec_param *p);

/* The shell's word for a value, and the reverse (without regard to case). */
const char *rec_word_to_shell(const struct rec_word *words, const char *wire);
const char *rec_word_to_wire(const struct rec_word *words, const char *shell);

#endif
