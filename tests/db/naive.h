#ifndef TESTS_DB_NAIVE_H
#define TESTS_DB_NAIVE_H
/*
 * The database as one would write it without caring for speed: arrays, copied as a whole at db_begin and put
 * back at db_abort, searched from end to end. The random test holds the real one against it.
 */
#include "db/db.h"

struct naive_row {
    enum model_class_id cls;
    struct ref ref;
    uint64_t created, modified;
    unsigned change; /* of the commit, in which order rows were touched */
    bool dead, touched, fresh, forced;
    union value *v; /* of the fields; immutable, shared between copies */
};

struct naive {
    void *mem;
    struct naive_row *rows; /* in order of creation; dead ones stay */
    unsigned n, cap, touches;
    uint64_t generation;
    struct naive_row *before; /* copy from the beginning of the transaction */
    unsigned n_before;
};

void naive_init(struct naive *x, uint64_t generation);
void naive_fini(struct naive *x);

void naive_begin(struct naive *x);
void naive_create(struct naive *x, enum model_class_id cls, struct ref ref, const char *uuid);
void naive_set(struct naive *x, enum model_class_id cls, struct ref ref, unsigned field, union value v);
void naive_delete(struct naive *x, enum model_class_id cls, struct ref ref);
void naive_touch(struct naive *x, enum model_class_id cls, struct ref ref);
void naive_commit(struct naive *x);
void naive_abort(struct naive *x);

/* What a restart does: db is the database opened anew, which must hold what is persistent. */
void naive_restart(struct naive *x, struct db *db);

struct naive_row *naive_find(struct naive *x, enum model_class_id cls, struct ref ref);

/* Fail the test where db answers otherwise. */
void naive_compare_all(struct naive *x, struct db *db);
void naive_compare_changes(struct naive *x, struct db *db, uint64_t since);

#endif
