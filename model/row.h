#ifndef MODEL_ROW_H
#define MODEL_ROW_H
/*
 * The head of every row. Rows are owned by a struct db and changed only through a transaction (db/db.h);
 * everybody else reads them through const pointers, which are good until the next yield.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "model/ids.gen.h"
#include "model/value.h"

struct row {
    enum model_class_id cls;
    struct ref ref;
    uint64_t created, modified;   /* generations */
    TAILQ_ENTRY(row) by_modified; /* db/ only, from here on */
    TAILQ_ENTRY(row) in_class;
    uint32_t order;   /* of creation, within the class */
    uint32_t touched; /* 1 + its place in the open transaction's list; 0: not in it */
    bool deleted;     /* in the open transaction, or the row is about to be freed */
};

#endif
