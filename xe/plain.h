#ifndef XE_PLAIN_H
#define XE_PLAIN_H
/*
 * Commands that are one call of the API, as data: which message, what its parameters are made of, and what is
 * printed of the result. The tables come from xe/commands (one .toml file a family) by way of
 * xe/generate_commands.py, which holds them against the datamodel.
 */
#include "xe/command.h"

enum plain_kind {
    PLAIN_TEXT,
    PLAIN_INT,
    PLAIN_SIZE,
    PLAIN_BOOL,
    PLAIN_FLOAT,
    PLAIN_ENUM,
    PLAIN_REF,      /* the argument is a uuid */
    PLAIN_REFS,     /* uuids with commas between them */
    PLAIN_SET,      /* texts with commas between them */
    PLAIN_MAP,      /* name:key=value */
    PLAIN_FILE_MAP, /* the same; name:key:file=path gives the content of a file */
    PLAIN_KEYS,     /* a map of those arguments among name, a list with commas, that are given */
    PLAIN_FILE,     /* the content of the file of this name */
    PLAIN_BASENAME, /* the last part of the argument, a path */
    PLAIN_SELECTED, /* the object that the selectors chose */
};

struct plain_arg {
    enum plain_kind kind;
    const char *name;      /* NULL: always otherwise */
    const char *otherwise; /* without the argument; NULL: it is required. Of a reference: "" none, "@pool" the
                              pool, "@host" the host called */
    const char *cls;       /* of references */
    const char *field;     /* of the record that create takes, or NULL */
    const char *const *words;
};

enum plain_print {
    PLAIN_PRINT_NOTHING,
    PLAIN_PRINT_UUIDS, /* of the references that came */
    PLAIN_PRINT_LINES, /* a text or the texts of a set */
    PLAIN_PRINT_NOTE,  /* a text that --minimal leaves out */
    PLAIN_PRINT_BYTES, /* a text as it is, no newline after it */
    PLAIN_PRINT_TABLE, /* a map */
};

struct plain {
    const char *method;
    const char *forced_method; /* with --force; NULL: the same */
    const char *must_force;    /* what --force permits; NULL: it is not needed */
    const struct plain_arg *args;
    unsigned n_args;
    const char *then; /* a getter whose value of the result counts; or NULL */
    enum plain_print print;
    const char *prints_class; /* of the references that came */
    unsigned select;          /* SELECT_… */
    bool async;               /* through a task */
};

/* Run x->command->plain. */
command_fn co_plain;

extern const struct command plain_commands[];
extern const unsigned plain_command_count;

#endif
